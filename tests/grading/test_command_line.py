"""python -m tina.grading GOLD PREDICTION."""

import pytest

from tina.grading.__main__ import main


def printed(capsys: pytest.CaptureFixture, *arguments: str) -> dict[str, str]:
    assert main(list(arguments)) == 0
    lines = (line.partition(":") for line in capsys.readouterr().out.splitlines())
    return {name.strip(): text.strip() for name, _, text in lines}


def test_it_prints_the_verdict_and_how_it_came_about(capsys: pytest.CaptureFixture) -> None:
    said = printed(capsys, r"\frac{1}{2}", r"<think>0.4?</think> It is \boxed{0.5}.")
    assert said["verdict"] == "correct" and said["answer"] == "0.5"
    assert said["reason"].startswith("last box")
    assert said["gold is read as"] == r"number \frac{1}{2}"
    assert said["computer algebra"] == "not needed"


def test_it_says_when_computer_algebra_was_used(capsys: pytest.CaptureFixture) -> None:
    said = printed(capsys, "55", r"\sum_{k=1}^{10}k")
    assert said["verdict"] == "correct" and said["computer algebra"] == "used"


def test_it_grades_as_released(capsys: pytest.CaptureFixture) -> None:
    assert printed(capsys, r"\frac43", r"\boxed{\frac43}", "--mode", "as_released")["verdict"] == "wrong"


def test_a_gold_that_does_not_parse_is_named(capsys: pytest.CaptureFixture) -> None:
    assert printed(capsys, "", "5")["reason"] == "the gold is empty"


def test_a_wrong_setting_is_a_sentence_and_exit_code_2(capsys: pytest.CaptureFixture) -> None:
    assert main(["1", "2", "--mode", "strict"]) == 2
    assert capsys.readouterr().err == "grading.mode is 'sound' or 'as_released', not 'strict'.\n"
