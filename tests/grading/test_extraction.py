r"""Every rule of `tina.grading`'s first table: which part of a completion is its answer."""

import math
from collections.abc import Callable

import pytest

from tests.grading.test_rules import table_rows
from tina.grading import Grader
from tina.grading.extraction import extract

LONG = "so " * 40

RULES: dict[str, list[tuple[str, str | None]]] = {
    "after think": [
        (r"<think>\boxed{4}</think> It is \boxed{5}.", "5"),
        (r"<think>a</think> \boxed{4} <think>b</think> \boxed{5}", "5"),
        (r"<think> it must be \boxed{5}", "5"),
        (r"<think>\boxed{4}</think> It is 5.", "5"),
    ],
    "last box": [
        (r"\boxed{4}, no, \boxed{5}", "5"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"$\boxed{1}$ and $\boxed{-2}$", "1, -2"),
        (r"\boxed{(1,2)}, \boxed{(3,4)}", "(1,2), (3,4)"),
        ("\\boxed{5}\n\n\\boxed{5}", "5"),
        (rf"\boxed{{4}} {LONG} \boxed{{5}}", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed 5.", "5"), (r"\boxed5", "5"), (r"$x=\boxed{3}$ or $x=\boxed{5}$", "3, 5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{17\}", "17\\"),
        (r"\boxed{5} <answer>4</answer>", "5"),
        (r"\boxed{}", None), (r"\boxed{14}. I hope that the \boxed{} form is right.", "14"),
        (r"\boxed{14}; as asked in \boxed{...}", "14"), (r"\boxed{14}. (format: \boxed{answer})", "14"),
        (r"\boxed{14}, in \boxed{\text{}}", "14"), (r"\boxed{14}: \boxed{\text{your answer}}", "14"),
        (r"\boxed{14}. <\boxed{<ANSWER>}>", "14"), (r"In \boxed{}: \boxed{14}", "14"),
        (r"\boxed{\text{the answer is no}}", r"\text{the answer is no}"),
        (r"\boxed{14}: \boxed{the final answer}", "14"), (r"\boxed{14}: \boxed{your answer here}", "14"),
        (r"\boxed{14}: \boxed{<your final number>}", "14"), (r"\boxed{14}: \boxed{$\ldots$}", "14"),
        (r"\boxed{14}: \boxed{$$}", "14"), (r"\boxed{14}: \boxed{____}", "14"),
        (r"\boxed{1} is less, so \boxed{<}", "<"), (r"\boxed{1} is more, so \boxed{>}", ">"),
        (r"\boxed{1} is money: \boxed{$}", "$"), (r"\boxed{1} is missing: \boxed{?}", "?"),
        (r"not \boxed{1}, but \boxed{<1, 2>}", "<1, 2>"), (r"not \boxed{1}, but \boxed{<a, b>}", "<a, b>"),
        (r"not \boxed{1}, but \boxed{value}", "value"),
    ],
    "unclosed box": [
        (r"it is 3 apples and \boxed{12", "3"),
        (r"\boxed{5} but then \boxed{12", "5"),
        (r"\boxed{12", None),
        ("we get 4+3=7\n\\boxe", "7"),
    ],
    "answer tag": [
        ("<answer>5</answer>", "5"),
        ("<answer>4</answer> <answer>5</answer>", "5"),
        ("<answer>The total is 5 apples.</answer>", "5"),
        ("The answer is 4. <answer>5</answer>", "5"), ("<answer>4</answer> so <answer>5", "4"), ("<answer>5", "5"),
    ],
    "after ####": [("3 + 4 = 7\n#### 7", "7"), ("#### 1,200 apples", "1,200 apples")],
    "choice letter": [
        ("I think it is A or B.\nAnswer: C", "C"),
        ("The correct option is (C).", "C"),
        ("**Answer: C**", "C"),
        ("A is wrong.\n\n**C**", "C"),
        (r"The answer is $\text{C}$.", "C"), ("The answer is option C.", "C"), ("I would pick C", "C"),
        ("Hence C is correct.", "C"), ("The answer is not A but C", "C"), ("The answer is C or D", "C or D"),
        ("故选C", "C"), ("The answer is A, and I am sure of it", "A"), ("C: 5 m", "C"),
    ],
    "after \"answer is\"": [
        ("The answer is x+1. I hope it is correct.", "x+1"),
        ("The answer is: 12 apples, not 13", "12"),
        ("The answer is **Monday**.", "Monday"),
        ("Final Answer: The final answer is $7$. I hope it is correct.", "$7$"),
        ("**Answer:** 3/4", "3/4"), ("# Answer\n\n**Answer:** -3", "-3"),
        ("The answer is 8, which is more than 6.", "8"), ("The answer is 8 because 2^3 is so.", "8"),
        (r"The answer is $\frac{1}{3}$, since $2+1=3$.", r"$\frac{1}{3}$"),
        ("So the answer is\n\\[\n8\n\\]\nas 4+4=8.", "\\[ 8 \\]"), ("答案：8", "8"), ("最终答案是 8。", "8"),
        ("The answer is less than 8 in any case", "less than 8 in any case"), ("Answer: 8<|im_end|>", "8"),
        (r"The answer is $8$ or $9$.", "8$ or $9"), ("The answer is not 8.", "not 8"),
    ],
    "bare expression": [
        ("AB, BC, CA", "AB, BC, CA"), (r"\{x : x\ge 3\}", r"\{x : x\ge 3\}"),
        ("x^2+1", "x^2+1"), ("$x^2+1$", "$x^2+1$"), ("no solution", "no solution"), ("-5", "-5"),
    ],
    "math-verify's search": [
        (r"So we find that $x = 5$ holds.", "x = 5"),
        ("Therefore the roots are $x=1$ and $x=2$.", "x=1 and x=2"),
    ],
    "last number": [
        ("3+4=7\n7-12=-5", "-5"),
        ("There are 1,234 ways.", "1,234"),
        ("It is .5", ".5"),
        ("The odds are 1/3, then.", "1/3"), ("It takes 3 1/2 hours.", "3 1/2"), ("We meet at 12:30.", "12:30"),
        ("It is the point (1, 2).", "(1, 2)"), ("She earns \\$1,200 a month.", "\\$1,200"),
        ("So x = 2 and x + y = 5.", "5"), ("__58__ it must be", "58"), ("_58_ it must be", "58"),
        ("It is the value ½", "½"), ("It leaves 5 (mod 7)", "5"), ("It is the interval (-∞, 3]", "(-∞, 3]"),
        ("It is (see above) 12, or (3+4)*2!", "(3+4)*2"), ("We have 12 apples - 5 are red", "5"),
        ("He reads 3 a day", "3"), ("It is x) 5", "5"), ("It is a 5", "5"), ("It is 5 – that is all", "5"),
        ("QXB7Z is the code", None),
        ("no number here at all", None),
        ("", None),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "completion", "answer"), [(rule, *case) for rule, cases in RULES.items() for case in cases]
)
def test_rule(rule: str, completion: str, answer: str | None) -> None:
    found = extract(completion, choice=rule == "choice letter")
    assert found.search == (rule == "math-verify's search")
    if not found.search:
        assert found.answer == answer


@pytest.mark.parametrize(("completion", "answer"), RULES["math-verify's search"])
def test_what_the_search_finds_is_the_answer(completion: str, answer: str, grader: Grader) -> None:
    assert grader.grade([answer, "17"], [completion] * 2)[0].verdict == "correct"
    assert grader.grade([answer, "17"], [completion] * 2)[1].verdict == "wrong"


def test_each_row_of_the_table_has_its_cases() -> None:
    assert table_rows(0) == list(RULES)


def test_an_answer_stands_in_the_last_200_000_characters() -> None:
    assert extract("\\boxed{5}" + " so" * 60_000).answer == "5"
    assert extract("\\boxed{5}" + " so" * 70_000).answer is None


def test_a_letter_counts_as_a_choice_only_for_a_gold_that_is_one(grader: Grader) -> None:
    completion = "Option A has 4 apples.\nAnswer: C, because there are 3 of them."
    verdicts = [grade.verdict for grade in grader.grade(["C", "A", "3"], [completion] * 3)]
    assert verdicts[:2] == ["correct", "wrong"]


EXPRESSIONS = [
    ("−{n}", lambda n: -n), ("-{n}", lambda n: -n), ("–{n}", lambda n: -n), ("√{n}", math.sqrt),
    ("√({n})", math.sqrt), ("sqrt({n})", math.sqrt), ("sqrt {n}", math.sqrt), ("∛{n}", lambda n: n ** (1 / 3)),
    ("3√{n}", lambda n: 3 * math.sqrt(n)), ("√{n}/2", lambda n: math.sqrt(n) / 2), ("{n}²", lambda n: n**2),
    ("{n}⁻¹", lambda n: 1 / n), ("{n}^3", lambda n: n**3), ("{n}**2", lambda n: n**2), ("2^{n}", lambda n: 2**n),
    ("2^-{n}", lambda n: 2**-n), ("10^(-{n})", lambda n: 10**-n), ("{n}!/2", lambda n: math.factorial(n) / 2),
    ("π/{n}", lambda n: math.pi / n), ("pi/{n}", lambda n: math.pi / n), ("{n}π", lambda n: math.pi * n),
    ("{n}π/3", lambda n: math.pi * n / 3), ("{n}*2", lambda n: n * 2), ("3 × {n}", lambda n: 3 * n),
    ("3·{n}", lambda n: 3 * n), ("3 ÷ {n}", lambda n: 3 / n), ("7 + {n}", lambda n: 7 + n),
    ("7 − {n}", lambda n: 7 - n),
    ("7*(−{n})", lambda n: -7 * n), ("(1 + {n})/3", lambda n: (1 + n) / 3), ("exp({n})", math.exp), ("e^{n}", math.exp),
    ("1/e^{n}", lambda n: math.exp(-n)), ("ln({n})", math.log), ("ln {n}", math.log), ("log_2({n})", math.log2),
    ("cos({n})", math.cos), ("|−{n}|/2", lambda n: n / 2), ("{n}½", lambda n: n + 0.5), ("{n}e3", lambda n: n * 1000),
    ("3⁄{n}", lambda n: 3 / n), ("³/₄·{n}", lambda n: 0.75 * n), ("e⁻¹·{n}", lambda n: n / math.e),
    ("4 x {n}", lambda n: 4 * n), ("4x{n}", lambda n: 4 * n), ("2 x 3 x {n}", lambda n: 6 * n),
    ("(1 + 3) x {n}", lambda n: 4 * n), ("10-2*{n}", lambda n: 10 - 2 * n), ("2^{n}-1", lambda n: 2**n - 1),
    ("7−{n}", lambda n: 7 - n), ("minus {n}", lambda n: -n), ("negative {n}", lambda n: -n),
    ("7 minus {n}", lambda n: 7 - n), ("3 times {n}", lambda n: 3 * n), ("3 plus {n}", lambda n: 3 + n),
    ("1 over {n}", lambda n: 1 / n), ("{n} divided by 3", lambda n: n / 3), ("square root of {n}", math.sqrt),
    ("the square root of {n} over 2", lambda n: math.sqrt(n) / 2), ("cube root of {n}", lambda n: n ** (1 / 3)),
    ("minus the square root of {n}", lambda n: -math.sqrt(n)), ("2 to the power of {n}", lambda n: 2**n),
    ("{n} to the power of minus 2", lambda n: n**-2), ("{n} to the 5th power", lambda n: n**5),
    ("cube of {n}", lambda n: n**3), ("the square of {n}", lambda n: n**2), ("{n} squared", lambda n: n**2),
    ("{n} cubed", lambda n: n**3),
]  # fmt: skip


@pytest.mark.parametrize(("form", "value"), EXPRESSIONS, ids=[form for form, _ in EXPRESSIONS])
def test_a_number_in_running_text_is_what_stands_around_it(
    form: str, value: Callable[[int], float], grader: Grader
) -> None:
    """Signs, roots, powers, factors, functions: the expression is the answer, and never a number out of it."""
    for lead in ("So we see that the value is {}.", "We get x = {} from this", "That makes {} in all"):
        for n in (4, 6, 11):
            text = lead.format(form.format(n=n))
            right, inner = grader.grade([f"{value(n):.12f}", str(n)], [text, text])
            assert (right.verdict, inner.verdict) == ("correct", "wrong"), (text, right, inner)


WITH_LETTERS = [
    ("x² + 2x + {n}", "x^2+2x+{n}"), ("{n}x²", "{n}x^2"), ("a² - {n}", "a^2-{n}"), ("{n}πr²", r"{n}\pi r^2"),
    ("{n}x³y²", "{n}x^3y^2"), ("x₁ + {n}", "x_1+{n}"), ("ab/{n}", r"\frac{{ab}}{{{n}}}"), ("xy/{n}", "xy/{n}"),
    ("{n}xyz - 3", "{n}xyz-3"), ("{n}xyz-3", "{n}xyz-3"), ("AB·CD/{n}", r"AB\cdot CD/{n}"),
    ("α/{n}", r"\frac{{\alpha}}{{{n}}}"), ("{n}αβ", r"{n}\alpha\beta"), ("n - {n}", "n-{n}"), ("n-{n}", "n-{n}"),
    ("x minus {n}", "x-{n}"), ("{n} - a", "{n}-a"), ("{n}a + b", "{n}a+b"), ("{n}sin(x)", r"{n}\sin(x)"),
    ("sin²(x)/{n}", r"\frac{{\sin^2(x)}}{{{n}}}"), ("{n} sin x", r"{n}\sin x"), ("mn² - {n}", "mn^2-{n}"),
    ("2 pi r/{n}", r"2\pi r/{n}"), ("{n} over x", r"\frac{{{n}}}{{x}}"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "gold"), WITH_LETTERS)
def test_powers_and_products_of_letters_in_running_text_are_read_whole(form: str, gold: str, grader: Grader) -> None:
    for lead in ("So we see that the value is {}.", "We get y = {} from this", "That makes {} in all"):
        for n in (4, 6, 11):
            text = lead.format(form.format(n=n))
            right, inner = grader.grade([gold.format(n=n), str(n)], [text, text])
            assert (right.verdict, inner.verdict) == ("correct", "wrong"), (text, right, inner)


NO_EXPRESSIONS = [
    # words of one letter
    ("42 - I am sure", "42"), ("12 - a fact", "12"), ("4 / I hope", "4"), ("42 - I'm sure", "42"), ("7 + A bonus", "7"),
    ("42 - i think", "42"),
    # hyphens and ranges
    ("the top-10", "10"), ("a sub-17 time", "17"), ("COVID-19", "19"), ("at least-17", "17"), ("5-a-side games", "5"),
    ("a 3-year-old", "3"), ("an F-16 jet", "16"), ("the mid-90s", "90"), ("3–5 days", "5"), ("a 3-2 win", "2"),
    ("2020-01-15", "15"), ("01/15/2020", "2020"), ("2:30-3:30", "3:30"), ("10–20k people", "20"), ("3-1/2 cups", "1/2"),
    ("555-123-4567", "4567"), ("5-10%", "10%"),
    # units and multiples
    ("3x faster", "3"), ("3x as much", "3"), ("4X faster", "4"), ("5x a week", "5"),
    ("10k runners", "10"), ("5G networks", "5"), ("4K screens", "4"),
    ("-4m of height", "-4"), ("16GB or so", "16"), ("5 pi day pies", "5"), ("5 i.e. five", "5"), ("8 a.m. sharp", "8"),
    ("60 miles/hour", "60"), ("5/day", "5"), ("100mg of it", "100"), ("the 3rd", "3"), ("10am", "10"),
    ("12m² of floor", "12"), ("12m^2 of floor", "12"), ("12 m^2 of floor", "12 m^2"), ("3x over it", "3x"),
    # words of two and three letters
    ("9, as is/was said", "9"), ("8 to be seen", "8"), ("7 and/or so", "7"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "number"), NO_EXPRESSIONS)
def test_a_number_among_words_is_that_number(words: str, number: str) -> None:
    for lead in ("So we see that it is {}", "So we see that it is {}."):
        assert extract(lead.format(words)).answer == number


def test_an_expression_that_is_too_long_to_be_seen_whole_is_no_answer() -> None:
    text = "So we see that the value is " + "1 + " * 40 + "1"
    assert extract(text).answer == "1 + " * 40 + "1"
    assert extract("So we see that the value is " + "1 + " * 80 + "1").answer is None
    assert extract("So we see that the value is " + "((((" * 80 + "1").answer is None


@pytest.mark.parametrize(
    "form",
    [
        "x+{n}",
        "{n}x",
        "x^{n}",
        "f({n})",
        "2-{n}i",
        "{n}i",
        "a/{n}",
        "{n} / x",
        "x_1 - {n}",
        "n!/{n}",
        "x2 - {n}",
        "f'({n})",
        "{n}x^2",
        "{n}-2x",
        "{n} pi r",
        "{n}e^2",
    ],
)
def test_a_number_beside_a_letter_is_no_number(form: str, grader: Grader) -> None:
    for n in (4, 6, 11):
        text = "So we see that the value is " + form.format(n=n)
        assert grader.grade([str(n)], [text])[0].verdict == "wrong", text
