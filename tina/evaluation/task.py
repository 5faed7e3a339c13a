"""A benchmark made ready for one model: rendered prompts with the golds they are judged by, cut into batches."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tina.data.problem import Problem
from tina.data.prompts import prompt_opens_think, render
from tina.evaluation.benchmarks import get_benchmark, load_benchmarks
from tina.schema import Benchmarks, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Item:
    """One problem as the model gets it."""

    problem_id: str
    gold: str
    prompt: str
    prompt_tokens: int


@dataclass(frozen=True)
class Task:
    benchmark: str
    items: list[Item]
    opens_think: bool
    """The prompt ends inside an opened think block."""


@dataclass(frozen=True)
class Batch:
    """Items that are sampled together, once: the unit that is done whole or again."""

    benchmark: str
    sample: int
    items: list[Item]
    seed: int
    opens_think: bool

    @property
    def keys(self) -> list[tuple[str, int]]:
        return [(item.problem_id, self.sample) for item in self.items]


def make_tasks(config: Benchmarks, prompt: Prompt, tokenizer: "PreTrainedTokenizerBase") -> list[Task]:
    """The configured benchmarks, asked by `prompt` or (`benchmarks.prompt=benchmark`) by their own.

    Raises UserError for a set that cannot be had or is of another size, and for a tokenizer without a chat template.
    """
    return [
        _task(name, problems, _asked_by(name, config, prompt), tokenizer)
        for name, problems in load_benchmarks(config).items()
    ]


def _asked_by(name: str, config: Benchmarks, prompt: Prompt) -> Prompt:
    if config.prompt == "training":
        return prompt
    return Prompt(name=name, system=None, template=get_benchmark(name).template)


def _task(name: str, problems: Sequence[Problem], prompt: Prompt, tokenizer: "PreTrainedTokenizerBase") -> Task:
    texts = [render(tokenizer, problem.question, prompt) for problem in problems]
    lengths = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    golds = [problem.gold for problem in problems]
    items = [Item(*columns) for columns in zip(_distinct_ids(problems), golds, texts, lengths, strict=True)]
    return Task(name, items, prompt_opens_think(tokenizer, prompt))


def _distinct_ids(problems: Sequence[Problem]) -> list[str]:
    """A problem's id, with a number behind it where a set asks the same question again."""
    seen: Counter[str] = Counter()
    ids = []
    for problem in problems:
        seen[problem.id] += 1
        ids.append(problem.id if seen[problem.id] == 1 else f"{problem.id}-{seen[problem.id]}")
    return ids


def batches(task: Task, config: Benchmarks, subject: str) -> Iterator[Batch]:
    """All batches of a task, `config.samples` times through its items.

    A batch's seed is a hash of its place and of the digest of what is evaluated, `subject`: no two are alike, an
    interrupted batch is sampled again exactly, and more samples leave those that exist as they are. If all runs had the
    same seeds, part of the sampling noise would be common to them, and missing from the spread between them.
    """
    for sample in range(config.samples):
        for start in range(0, len(task.items), config.sequences):
            name = f"{config.seed}:{subject}:{task.benchmark}:{sample}:{start}"
            seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
            yield Batch(task.benchmark, sample, task.items[start : start + config.sequences], seed, task.opens_think)
