"""The released strictness: what it accepts, and the right answers that it refuses."""

import pytest

from tina.grading import Grader


@pytest.fixture(scope="module")
def released():
    grader = Grader(mode="as_released", timeout_s=20.0)
    yield grader
    grader.close()


CASES = [
    ("5", "\\boxed{5}", "correct"),
    ("5", "\\boxed{6}", "wrong"),
    ("\\frac{1}{2}", "\\boxed{\\frac{1}{2}}", "correct"),
    ("\\frac{1}{2}", "\\boxed{0.5}", "correct"),
    ("5", "The final answer is $5$.", "correct"),
    ("5", "so $x = 5$ it is", "wrong"),
    ("5", "5", "wrong"),
    ("\\frac43", "\\boxed{\\frac43}", "wrong"),
    ("11\\sqrt2", "\\boxed{11\\sqrt2}", "wrong"),
    ("198\\%", "\\boxed{198}", "wrong"),
    ("4.5e33", "\\boxed{4.5 \\times 10^{33}}", "wrong"),
]


@pytest.mark.parametrize(("gold", "completion", "verdict"), CASES)
def test_verdict(gold: str, completion: str, verdict: str, released: Grader) -> None:
    assert released.grade([gold], [completion])[0].verdict == verdict


def test_the_sound_grader_accepts_what_the_released_one_refuses(grader: Grader) -> None:
    refused = [case for case in CASES if case[2] == "wrong" and case[1] != "\\boxed{6}"]
    assert {grade.verdict for grade in grader.grade([c[0] for c in refused], [c[1] for c in refused])} == {"correct"}


def test_a_gold_without_a_match_is_unjudged_and_empty_input_is_no_crash(released: Grader) -> None:
    grades = released.grade([None, "", "  ", "$$", "5", "5"], ["\\boxed{5}"] * 4 + [None, "\ud800"])
    assert [grade.verdict for grade in grades] == ["unjudged"] * 4 + ["wrong"] * 2
