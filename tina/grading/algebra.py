"""What needs computer algebra: sets, inequalities, equations to be solved, sums, big integers, doubtful expressions.

By latex2sympy, SymPy and math-verify. Imported only in the pool's workers: the imports take a second and 60 MB, and
anything here may hang.
"""

import logging
from functools import lru_cache

import sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy
from math_verify import ExprExtractionConfig, LatexExtractionConfig, verify
from math_verify import parse as parse_text
from math_verify.grader import should_treat_as_complex
from sympy.core.random import seed

from tina.grading.literals import Literal
from tina.grading.notation import canonical
from tina.grading.structure import Node

_DIGITS = 40  # significant ones, behind the point if the value is large
_MAX_DIGITS = 4000
_DECIMALS = 12
_TOLERANCE = sympy.Float("1e-35", 10)

logging.disable(logging.WARNING)  # math-verify warns about calls without its own time limits; the pool has the limit


class Unparsable(Exception):
    """The text is no expression that latex2sympy knows."""


def same_by_algebra(gold: Node, answer: Node) -> bool:
    """Whether two parsed answers are equal as mathematics; what cannot be read equals nothing."""
    seed(0)  # SymPy tests some equalities at random points; the same pair must always get the same verdict
    try:
        left, right = expression(gold.text), expression(answer.text)
    except Unparsable:
        return False
    left, right = (value.doit() if isinstance(value, (sympy.Set, sympy.Expr)) else value for value in (left, right))
    left, right = (
        value.xreplace({number: sympy.Rational(str(number)) for number in value.atoms(sympy.Float)})
        for value in (left, right)
    )
    if _is_number(left) and _is_number(right):
        return _same_number(left, gold.number, right, answer.number)
    return bool(verify(left, right, float_rounding=_DECIMALS, timeout_seconds=None, allow_set_relation_comp=True))


@lru_cache(maxsize=2048)
def expression(text: str) -> sympy.Basic | sympy.MatrixBase:
    """The SymPy object of a canonical text; letters keep their case. Raises Unparsable."""
    try:
        parsed = latex2sympy(
            text,
            is_real=not should_treat_as_complex(text),
            normalization_config=None,
            conversion_config=ConversionConfig(lowercase_symbols=False),
        )
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # latex2sympy raises plain Exception for syntax it does not know, among others
        raise Unparsable(text) from error
    if not isinstance(parsed, (sympy.Basic, sympy.MatrixBase)) or parsed.has(sympy.nan, sympy.zoo):
        raise Unparsable(text)
    return parsed


def parses(text: str) -> bool:
    """Whether latex2sympy reads a canonical text."""
    try:
        expression(text)
    except Unparsable:
        return False
    return True


def search(text: str) -> str | None:
    """The answer that math-verify's search finds in a text: the last LaTeX or plain expression by its priorities."""
    found = parse_text(text, [LatexExtractionConfig(), ExprExtractionConfig()], parsing_timeout=None)
    spelled = next((item for item in reversed(found) if isinstance(item, str)), None)
    if found and not isinstance(found[0], str) and not (spelled and parses(canonical(spelled))):
        return sympy.latex(found[0])
    return spelled


def _is_number(value: sympy.Basic | sympy.MatrixBase) -> bool:
    return isinstance(value, sympy.Expr) and bool(value.is_number) and value.is_finite is not False


def _same_number(left: sympy.Expr, gold: Literal | None, right: sympy.Expr, answer: Literal | None) -> bool:
    if left.is_Rational and right.is_Rational and gold is None and answer is None:
        return left == right
    digits = _DIGITS + max(0, *(_digits_before_point(value) for value in (left, right)))
    a, b = (sympy.N(value, digits) for value in (left, right))
    for value, literal in ((b, gold), (a, answer)):
        if literal is not None and literal.rounded:
            exact = sympy.Rational(literal.value.numerator, literal.value.denominator)
            half = sympy.Rational(literal.ulp.numerator, 2 * literal.ulp.denominator)
            if bool(sympy.Abs(value - exact) <= half):
                return True
    return bool(sympy.Abs(a - b) <= _TOLERANCE * sympy.Min(1, sympy.Abs(a) + sympy.Abs(b)))


def _digits_before_point(value: sympy.Expr) -> int:
    size = sympy.Abs(sympy.N(value, 5))
    return min(_MAX_DIGITS, int(sympy.log(size + 1, 10).evalf(5)))
