"""Several jobs whose questions are answered by one call: each job is a thread, the caller's own thread answers."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


class Abandoned(BaseException):
    """Raised in a job whose question is not answered any more; no job should catch it."""


class _Desk(Generic[Question, Answer]):
    """Where jobs leave their questions."""

    def __init__(self, jobs: int) -> None:
        self.changed = threading.Condition()
        self.working = jobs
        self.asked: dict[int, Question] = {}
        self.answered: dict[int, Answer] = {}
        self.closed = False

    def ask(self, job: int, question: Question) -> Answer:
        with self.changed:
            self.asked[job] = question
            self.changed.notify_all()
            self.changed.wait_for(lambda: job in self.answered or self.closed)
            if job not in self.answered:
                raise Abandoned
            return self.answered.pop(job)

    def leave(self) -> None:
        with self.changed:
            self.working -= 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def everybody(self) -> dict[int, Question]:
        """The questions, once every job that still works has one; none when all have ended."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.asked) == self.working or self.closed)
            return dict(self.asked)

    def give(self, answers: dict[int, Answer]) -> None:
        with self.changed:
            self.answered |= answers
            self.asked.clear()
            self.changed.notify_all()


def together(
    jobs: Sequence[Callable[[Callable[[Question], Answer]], Result]],
    answer: Callable[[list[Question]], list[Answer]],
) -> list[Result]:
    """The results of `jobs`, in order; each is called with a function that asks a question and waits for its answer.

    `answer` is called in this thread, with a question of each job that is not done. The first error, of a job or of
    `answer`, is raised once all jobs have ended; so is what a signal raises here.
    """
    desk: _Desk[Question, Answer] = _Desk(len(jobs))
    results: dict[int, Result] = {}
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            results[number] = jobs[number](lambda question: desk.ask(number, question))
        except Abandoned:
            return
        except Exception as error:
            errors.append(error)
            desk.close()
        finally:
            desk.leave()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    try:
        while (asked := desk.everybody()) and not errors:
            numbers = sorted(asked)
            found = answer([asked[number] for number in numbers])
            desk.give(dict(zip(numbers, found, strict=True)))
    finally:
        desk.close()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(jobs))]
