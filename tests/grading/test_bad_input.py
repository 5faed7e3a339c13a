"""What nobody should ever hand to a grader, and what models hand to it every day."""

import pytest

from tina.errors import UserError
from tina.grading import Grade, Grader, gold_parses

MEGABYTES = 2_000_000
LONE_SURROGATE = "\ud800"
UNREADABLE_GOLDS = [
    None,
    ["5"],
    {"answer": "5"},
    True,
    "",
    "   ",
    "$$",
    "???",
    "\\frac{1}{",
    "x^2+",
    "(" * 300 + "1" + ")" * 300,
    "9" * 5000,
    "\x00",
    "\\begin{pmatrix}\\\\\\end{pmatrix}",
]
HOSTILE = [
    "9^{9^{9^9}}", "9^9^9^9", "1000000!", "((10!)!)!", "(10^6)!", "10^{10000000}", "(" * 300 + "1" + ")" * 300,
    "\\sqrt{" * 300 + "2" + "}" * 300, "\\sqrt" * 900 + "2", "x" * 5000, "-" * 1900 + "1", "\\sin" * 400 + "x",
]  # fmt: skip


@pytest.mark.parametrize("gold", UNREADABLE_GOLDS)
def test_a_gold_that_does_not_parse_leaves_the_row_unjudged_and_is_counted(gold: str | None, grader: Grader) -> None:
    before = grader.counters
    grades = grader.grade([gold, gold, "5"], ["\\boxed{5}", "no answer at all", "\\boxed{5}"])
    assert [grade.verdict for grade in grades] == ["unjudged", "unjudged", "correct"]
    assert grader.counters["unjudged"] - before["unjudged"] == 2
    assert not gold_parses(gold)


@pytest.mark.parametrize(
    "gold", ["5", "\\frac43", "x^2+1", "(1,2]", "\\text{Maria}", "no solution", "4.5e33", "E_1", "C"]
)
def test_ordinary_golds_parse(gold: str) -> None:
    assert gold_parses(gold)


def test_golds_parse_answers_for_many_at_once(grader: Grader) -> None:
    assert grader.golds_parse(["5", None, "x^2+", "\\sum_{k=1}^n k", "5"]) == [True, False, False, True, True]


@pytest.mark.parametrize(("gold", "right", "other"), [(5, "5", "6"), (0.5, r"\frac12", "0.6"), (-3.0, "-3", "3")])
def test_a_gold_may_be_a_number(gold: float, right: str, other: str, grader: Grader) -> None:
    assert [grade.verdict for grade in grader.grade([gold] * 2, [right, other])] == ["correct", "wrong"]


@pytest.mark.parametrize(
    "completion", [None, ["5"], {"content": "5"}, "", "   ", "\n", "</think>", "\\boxed{}", "<answer></answer>"]
)
def test_an_empty_completion_is_wrong(completion: str | None, grader: Grader) -> None:
    assert grader.grade(["5"], [completion])[0] == Grade("wrong", None, "no answer found")


@pytest.mark.parametrize(
    "unit", ["a", "1", "{", "}", "(", "\\", "$", " ", "\n", "-", "\\boxed{", "<answer>", "answer is "]
)
def test_megabytes_of_the_same_are_wrong_or_unjudged(unit: str, grader: Grader) -> None:
    completion = unit * (MEGABYTES // len(unit))
    grades = grader.grade(
        ["5", "x+1"] * 2, [completion, completion, f"\\boxed{{{completion}}}", completion + "\\boxed{5}"]
    )
    assert {grade.verdict for grade in grades} <= {"wrong", "unjudged"}


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_answer_is_refused_without_being_tried(answer: str, grader: Grader) -> None:
    before = grader.counters
    grade = grader.grade(["17"], [f"\\boxed{{{answer}}}"])[0]
    assert grade.verdict == "wrong"
    assert grader.counters["timeouts"] == before["timeouts"]
    assert grader.counters["refused"] - before["refused"] == (not grade.evaluated)


def test_the_reason_says_what_was_refused(grader: Grader) -> None:
    answer, gold = grader.grade(["7", "10^{10^{11}}"], ["\\boxed{10^{10^{11}}}", "\\boxed{7}"])
    assert (answer.verdict, gold.verdict) == ("wrong", "unjudged")
    assert answer.reason == "last box; not evaluated: it is a tower of powers"
    assert gold.reason == "the gold is not evaluated: it is a tower of powers"


@pytest.mark.parametrize(
    "large", ["1e350", "-1e350", "9" * 700, "10^{308}", "(10^{200}x)^{2}", "e^{700}", "1e-350", "170!"]
)
def test_numbers_beyond_floating_point_get_their_verdicts(large: str, grader: Grader) -> None:
    golds, answers = [large, large, "x+1", large, f"y={large}"], [large, "x+1", large, f"{large}+1", "y=x"]
    verdicts = [grade.verdict for grade in grader.grade(golds, [f"\\boxed{{{answer}}}" for answer in answers])]
    assert verdicts == ["correct", "wrong", "wrong", "wrong", "wrong"]


def test_lone_surrogates_are_judged_and_the_answer_can_be_written_to_a_file(grader: Grader) -> None:
    grades = grader.grade(
        ["5", LONE_SURROGATE, "x"], [f"\\boxed{{5{LONE_SURROGATE}}}", "\\boxed{5}", f"${LONE_SURROGATE}$"]
    )
    assert {grade.verdict for grade in grades} <= {"wrong", "unjudged"}
    assert all((grade.answer or "").encode("utf-8") is not None for grade in grades)


def test_a_long_answer_is_shown_shortened(grader: Grader) -> None:
    assert len(grader.grade(["5"], ["\\boxed{" + "1" * 1500 + "}"])[0].answer) == 200


def test_as_many_golds_as_completions(grader: Grader) -> None:
    with pytest.raises(ValueError, match="2 golds for 1 completions"):
        grader.grade(["1", "2"], ["1"])
    assert grader.grade([], []) == []


@pytest.mark.parametrize("setting", [{"mode": "strict"}, {"timeout_s": 0}, {"max_chars": -1}, {"workers": 0}])
def test_a_setting_that_makes_no_sense_is_refused_in_words(setting: dict) -> None:
    with pytest.raises(UserError, match=f"grading.{next(iter(setting))}"):
        Grader(**setting)


NESTED = [
    (r"\{x:x>", r"\}"), (r"\{x:", r"\}"), (r"x=\{", r"\}"), (r"1 and \{", r"\}"), ("(1,", ",1)"), ("[1,", "T]"),
    (r"\{1,\{2,", r"\}\}"), (r"1\cup\text{", "}"), (r"x>\begin{pmatrix}x=\frac{", r"}{2}\end{pmatrix}"),
    (r"2\pm\left(", r"\right)"),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_nested_notation_is_judged_in_the_end(opening: str, closing: str, grader: Grader) -> None:
    """Nothing is looked at twice as often a level deeper: at 23 levels that would not end today."""
    for depth in (5, 11, 23, 100):
        text = opening * depth + "1" + closing * depth
        other = text.replace("1", "2")
        grades = grader.grade([text, other, "5"], [f"\\boxed{{{text}}}", f"\\boxed{{{text}}}", f"\\boxed{{{text}}}"])
        assert grades[2].verdict == "wrong" and grades[1].verdict != "correct"
    assert grader.golds_parse([opening * 100 + "1" + closing * 100]) == [False]


@pytest.mark.parametrize(
    "part",
    [
        *("\\(", "\\[", "$", "__a", "*a", "\\boxed{", "<answer>", "answer is ", "1,", "√", "(1,"),
        *("x-", "1/", "1-", "a b ", "a.b.", "²", "((", "1 x ", "ab/", "square root of ", "minus 1 over ", "³/₄"),
    ],
)
def test_a_long_completion_of_one_part_is_read_in_the_end(part: str, grader: Grader) -> None:
    for lead in ("", "The answer is ", "The answer is $"):
        text = lead + part * (200_000 // len(part))
        assert grader.grade(["5"], [text])[0].verdict in ("wrong", "unjudged")


def test_what_is_judged_in_the_calling_process_is_short(grader: Grader) -> None:
    """Only the pool has a time limit, so whatever may take long goes there."""
    before = grader.counters["by_algebra"]
    long = "+".join(["x"] * 600)
    assert grader.grade([long], [f"\\boxed{{{long}+1}}"])[0].verdict == "wrong"
    assert grader.counters["by_algebra"] == before + 1
