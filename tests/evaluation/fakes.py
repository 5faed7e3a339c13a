"""An evaluation without a model: a sampler whose answers follow from prompt and seed, and an evaluator around it."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tina.evaluation.records import Record
from tina.evaluation.runner import Evaluator, Subject
from tina.evaluation.task import Item, Task
from tina.grading import Grader
from tina.sampler.completion import Completion, Sampling
from tina.schema import Benchmarks, Grading, Tracking

CONTEXT = 200


def task(name: str, n: int, prompt_tokens: Callable[[int], int] = lambda i: 10) -> Task:
    """`n` problems whose answer is their number."""
    return Task(name, [Item(f"{name}-{i}", f"{i}", f"{name} {i}", prompt_tokens(i)) for i in range(n)], False)


def evaluator(tasks: list[Task], mode: str = "disabled", **changes: object) -> Evaluator:
    settings = {"sets": [t.benchmark for t in tasks], "samples": 2, "max_new_tokens": 100, "sequences": 4} | changes
    benchmarks = Benchmarks("fake", **settings)
    grader = Grader(workers=1)
    return Evaluator(tasks, CONTEXT, benchmarks, Grading(), grader, Tracking("test", mode=mode))


def subject(folder: Path, step: int = 10, source: str = "run") -> Subject:
    return Subject(source, source, source, "fake", step, folder)


class FakeSampler:
    """Answers right with probability `skill`; remembers what it was asked."""

    def __init__(self, skill: float = 0.5, seconds: float = 0.0) -> None:
        self.skill, self.seconds, self.calls = skill, seconds, []

    def __call__(self, prompts: Sequence[str], sampling: Sampling, seed: int) -> list[Completion]:
        self.calls.append((list(prompts), seed))
        time.sleep(self.seconds)
        generator = random.Random(seed)
        answers = [p.split()[1] if generator.random() < self.skill else "-1" for p in prompts]
        noise = [f"{generator.random():.6f} µ" for _ in prompts]
        return [Completion(f"{n}\n\\boxed{{{a}}}", 3, False) for n, a in zip(noise, answers, strict=True)]


def ignore(records: Sequence[Record], were_there: bool) -> None:
    pass
