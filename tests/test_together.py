"""Jobs in threads whose questions are answered by one call."""

import threading
import time

import pytest

from tina.together import together


def asking(*questions):
    return lambda ask: [ask(question) for question in questions]


def test_each_round_answers_one_question_of_every_job_that_is_not_done() -> None:
    rounds, main = [], threading.current_thread()

    def answer(questions: list[str]) -> list[str]:
        assert threading.current_thread() is main
        rounds.append(questions)
        return [question.upper() for question in questions]

    jobs = [asking("a1", "a2", "a3"), asking(), asking("c1"), asking("d1", "d2")]
    assert together(jobs, answer) == [["A1", "A2", "A3"], [], ["C1"], ["D1", "D2"]]
    assert rounds == [["a1", "c1", "d1"], ["a2", "d2"], ["a3"]]


def test_the_error_of_a_job_ends_the_others() -> None:
    ended = []

    def waits(ask):
        try:
            while True:
                ask("more")
        finally:
            ended.append(True)

    def fails(ask):
        ask("once")
        raise ValueError("no such benchmark")

    with pytest.raises(ValueError, match="no such benchmark"):
        together([waits, fails, waits], lambda questions: questions)
    assert ended == [True, True]


@pytest.mark.parametrize("error", [RuntimeError("engine"), SystemExit(143)])
def test_an_error_of_the_answer_or_a_signal_ends_all_jobs(error: BaseException) -> None:
    ended = []

    def job(ask):
        try:
            ask("question")
        finally:
            time.sleep(0.05)  # what a job still has to put in order is waited for
            ended.append(True)

    def answer(questions):
        raise error

    with pytest.raises(type(error)):
        together([job, job], answer)
    assert ended == [True, True]
