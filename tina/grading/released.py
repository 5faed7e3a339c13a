"""The released reward's strictness, for runs that are meant to reproduce it.

Open-R1's accuracy reward of early 2025, as Tina used it: math-verify's first match in the gold; in the completion the
first match of LaTeX alone, a box before anything else, no answer without an anchor, malformed operators not mended.
Right answers such as \\frac43, \\sqrt3, 198\\% and 4.5e33 are refused by it, as they were. Math-verify is today's
version, and a comparison that runs into the pool's time limit is "unjudged" where the released code gave 0.
"""

import re
from functools import lru_cache

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from tina.grading.grade import Grade

_FORMULA = re.compile(r"(?<!\\)\$|\\boxed|\\\(|\\\[")
_AS_RELEASED = LatexExtractionConfig(
    normalization_config=NormalizationConfig(
        nits=False, malformed_operators=False, basic_latex=True, equations=True, boxed="all", units=True
    ),
    boxed_match_priority=0,
    try_extract_without_anchor=False,
)


@lru_cache(maxsize=2048)
def _gold(gold: str) -> tuple:
    wrapped = gold if _FORMULA.search(gold) else f"${gold}$"
    return tuple(parse(wrapped, extraction_mode="first_match", parsing_timeout=None))


def judge_as_released(gold: str, completion: str) -> Grade:
    """The released verdict; a gold without any match is unjudged."""
    expected = list(_gold(gold))
    if not expected:
        return Grade("unjudged", None, "the gold does not parse")
    found = parse(completion, [_AS_RELEASED], extraction_mode="first_match", parsing_timeout=None)
    if not found:
        return Grade("wrong", None, "no answer found")
    answer = next((item for item in reversed(found) if isinstance(item, str)), str(found[0]))
    right = verify(found, expected, timeout_seconds=None)  # in the released order: the answer stands for the gold
    return Grade("correct" if right else "wrong", answer, "math-verify as released")
