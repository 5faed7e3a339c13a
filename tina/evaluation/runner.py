"""One checkpoint on all configured benchmarks: sampled in batches, graded, recorded, logged.

The records of a checkpoint lie in one file for each benchmark, named by everything that decides what is in them but the
number of samples: more samples, or more benchmarks, are added to what is there.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina import cost, files, tracking
from tina.evaluation import records, spent
from tina.evaluation.records import Record
from tina.evaluation.scores import TOO_LONG, scores
from tina.evaluation.spent import Price
from tina.evaluation.task import Batch, Item, Task, batches, make_tasks
from tina.grading import Grade, Grader
from tina.guards import exclusive
from tina.identity import text_digest
from tina.rewards import RewardBatch, get_reward
from tina.sampler.completion import Completion, Sampling
from tina.schema import Benchmarks, EvaluateConfig, Grading, Lora, Sampler, Tracking, TrainConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Sample = Callable[[Sequence[str], Sampling, int], list[Completion]]
"""Rendered prompts, sampling and a seed in; completions out, in order. One that others share an engine's call with has
`shared_by`: how many checkpoints the time of its last answer belongs to."""

OnRecords = Callable[[Sequence[Record], bool], None]
"""Told of records, and whether they were there before."""

TABLE_COLUMNS = ["benchmark", "problem_id", "sample", "seed", "answer", "verdict", "tokens", "truncated"]


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a step of a training run (0 is the base model) or a model of its own."""

    source: str
    """The training run's digest, or the model's name."""
    fingerprint: str
    """Everything about it that decides what it answers, but for the step."""
    randomness: str
    """The digest that its random numbers follow from: the run's, or of a base (step 0) or a baseline the model's."""
    model: str
    step: int
    folder: Path
    """Where its evaluations lie."""


@dataclass(frozen=True)
class Evaluator:
    """Everything about an evaluation but its subject; one for all checkpoints of a run."""

    tasks: list[Task]
    max_context_tokens: int
    benchmarks: Benchmarks
    grading: Grading
    grader: Grader
    tracking: Tracking
    sampler: Sampler = field(default_factory=Sampler)
    price: Price = field(default_factory=Price)

    @property
    def sampled_by(self) -> dict[str, Any]:
        """What of the sampler decides what is sampled."""
        if self.sampler.backend == "transformers":
            return {"backend": "transformers"}
        return {"backend": "vllm", "sync": self.sampler.sync, "dtype": self.sampler.dtype}

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest prompt that is asked, plus the longest completion."""
        asked = [item.prompt_tokens for task in self.tasks for item in task.items if self.holds(item)]
        return max(asked, default=0) + self.benchmarks.max_new_tokens

    @property
    def sampling(self) -> Sampling:
        b = self.benchmarks
        return Sampling(b.temperature, b.top_p, b.max_new_tokens)

    def n_samples(self) -> int:
        return sum(len(task.items) for task in self.tasks) * self.benchmarks.samples

    def holds(self, item: Item) -> bool:
        """Is there room in the context for this prompt and a completion of the configured length?"""
        return item.prompt_tokens + self.benchmarks.max_new_tokens <= self.max_context_tokens


def make_evaluator(
    config: TrainConfig | EvaluateConfig,
    tokenizer: "PreTrainedTokenizerBase",
    grader: Grader,
    lora: Lora | None = None,
) -> Evaluator:
    """Loads the benchmarks and renders their prompts; `lora` is that of the run whose checkpoints are evaluated.

    Raises UserError as `make_tasks` does.
    """
    tasks = make_tasks(config.benchmarks, config.prompt, tokenizer)
    return Evaluator(
        tasks,
        config.model.max_context_tokens,
        config.benchmarks,
        config.grading,
        grader,
        config.tracking,
        config.sampler,
        Price(cost.shape_of(config.model), lora, config.hardware, config.sampler.backend == "transformers"),
    )


def records_id(subject: Subject, task: Task, evaluator: Evaluator) -> str:
    """16 hex digits of what was evaluated, on what, and how it was sampled and graded; not of how often."""
    b = evaluator.benchmarks
    asked = [[item.problem_id, item.gold, item.prompt] for item in task.items]
    parts = [subject.fingerprint, subject.randomness, subject.step, task.benchmark, asked, asdict(evaluator.sampling)]
    parts += [b.seed, b.sequences]
    return text_digest(json.dumps([*parts, evaluator.grading.mode, evaluator.max_context_tokens, evaluator.sampled_by]))


def evaluation_id(subject: Subject, evaluator: Evaluator) -> str:
    """Of a subject on all benchmarks of `evaluator`, and of how often each problem is asked."""
    ids = [records_id(subject, task, evaluator) for task in evaluator.tasks]
    return text_digest(json.dumps([ids, evaluator.benchmarks.samples]))


def records_file(subject: Subject, task: Task, evaluator: Evaluator) -> Path:
    name = f"{task.benchmark}-{records_id(subject, task, evaluator)[:8]}"
    return subject.folder / f"step-{subject.step}" / name / "records.jsonl"


def pending(subject: Subject, evaluator: Evaluator) -> int:
    """How many samples are not recorded yet."""
    missing = 0
    for task in evaluator.tasks:
        found = {record.key for record in records.read(records_file(subject, task, evaluator))}
        missing += sum(key not in found for batch in batches(task, evaluator.benchmarks, "") for key in batch.keys)
    return missing


def evaluate(subject: Subject, evaluator: Evaluator, sample: Sample | None, on_records: OnRecords) -> list[Record]:
    """Samples, grades and records what is missing; returns all records of this subject, in order.

    `sample` may be None where nothing is `pending`. The W&B run is written once, when the records are complete. Raises
    UserError if another process is at the same records.
    """
    found: list[Record] = []
    with ExitStack() as held:
        for task in evaluator.tasks:
            path = records_file(subject, task, evaluator)
            held.enter_context(exclusive(path.parent))
            answer = _metered(path.parent, subject, evaluator, sample)
            found += _complete(path, batches(task, evaluator.benchmarks, subject.randomness), answer, on_records)
        _log_once(subject, evaluator, found)
    return found


def _complete(
    path: Path, asked: Iterable[Batch], answer: Callable[[Batch], list[Record]], on_records: OnRecords
) -> list[Record]:
    """The records of one benchmark, in order; a batch of which one is missing is sampled again, exactly."""
    records.mend(path)
    found = {record.key: record for record in records.read(path)}
    ordered: list[Record] = []
    for batch in asked:
        missing = [key for key in batch.keys if key not in found]
        if missing:
            fresh = [record for record in answer(batch) if record.key not in found]
            records.append(path, fresh)
            found.update({record.key: record for record in fresh})
        on_records([found[key] for key in batch.keys], not missing)
        ordered += [found[key] for key in batch.keys]
    return ordered


def _metered(
    folder: Path, subject: Subject, evaluator: Evaluator, sample: Sample | None
) -> Callable[[Batch], list[Record]]:
    """Answers batches, and writes down what each of them took, sampling and grading together."""
    evaluation = evaluation_id(subject, evaluator)

    def answer(batch: Batch) -> list[Record]:
        began = time.monotonic()
        answered = _answer(batch, evaluator, sample)
        seconds = (time.monotonic() - began) / getattr(sample, "shared_by", 1)
        asked = [(i.prompt_tokens, r.tokens) for i, r in zip(batch.items, answered, strict=True) if evaluator.holds(i)]
        flops = evaluator.price.flops(subject.step, [prompt for prompt, _ in asked], [tokens for _, tokens in asked])
        spent.add(folder, evaluation, seconds, flops)
        return answered

    return answer


def _answer(batch: Batch, evaluator: Evaluator, sample: Sample) -> list[Record]:
    """One record for each item of the batch; an item that does not fit the context is wrong without being asked."""
    asked = [item for item in batch.items if evaluator.holds(item)]
    completions = sample([item.prompt for item in asked], evaluator.sampling, batch.seed) if asked else []
    grades = evaluator.grader.grade([item.gold for item in asked], [c.text for c in completions])
    formats = get_reward("format")(
        RewardBatch(
            completions=[c.text for c in completions],
            grades=grades,
            completion_tokens=[c.tokens for c in completions],
            max_completion_tokens=evaluator.benchmarks.max_new_tokens,
            num_generations=1,
            prompt_opens_think=batch.opens_think,
        )
    )
    answered = {
        item.problem_id: _record(batch, item, completion, grade, formatted == 1.0)
        for item, completion, grade, formatted in zip(asked, completions, grades, formats, strict=True)
    }
    return [answered.get(item.problem_id) or _unasked(batch, item, evaluator) for item in batch.items]


def _unasked(batch: Batch, item: Item, evaluator: Evaluator) -> Record:
    room = f"{item.prompt_tokens} + {evaluator.benchmarks.max_new_tokens} of {evaluator.max_context_tokens} tokens"
    return _record(batch, item, Completion("", 0, False), Grade("wrong", None, f"{TOO_LONG}: {room}"), False)


def _record(batch: Batch, item: Item, completion: Completion, grade: Grade, formatted: bool) -> Record:
    return Record(
        benchmark=batch.benchmark,
        problem_id=item.problem_id,
        sample=batch.sample,
        seed=batch.seed,
        answer=grade.answer,
        verdict=grade.verdict,
        reason=grade.reason,
        format=formatted,
        tokens=completion.tokens,
        truncated=completion.truncated,
        text=completion.text,
    )


LOGGING = threading.Lock()
"""One evaluation at a time opens its W&B run, where several checkpoints are evaluated at once."""


def _log_once(subject: Subject, evaluator: Evaluator, found: Sequence[Record]) -> None:
    """The W&B run of an evaluation, and beside it `evaluation.json`, which says that it was logged whole."""
    with LOGGING:
        _log(subject, evaluator, found)


def _log(subject: Subject, evaluator: Evaluator, found: Sequence[Record]) -> None:
    b = evaluator.benchmarks
    run_id = evaluation_id(subject, evaluator)
    folder = subject.folder / f"step-{subject.step}" / f"{b.name}-x{b.samples}-{run_id[:8]}"
    done = folder / "evaluation.json"
    if done.exists():
        return
    # What a kill left of an earlier log would stand beside this one as a second segment.
    shutil.rmtree(folder / "wandb", ignore_errors=True)
    config: dict[str, Any] = {
        "cfg": {
            "benchmarks": asdict(b),
            "sampler": evaluator.sampled_by,
            "grading": asdict(evaluator.grading),
        },
        "train_id": subject.source,
        "model": subject.model,
        "step": subject.step,
        "benchmark_set": b.name,
    }
    measured = scores(found)
    folders = [records_file(subject, task, evaluator).parent for task in evaluator.tasks]
    took = spent.spent(folders, run_id, evaluator.price)
    run = tracking.start(
        evaluator.tracking,
        folder,
        run_id=run_id,
        job_type="eval",
        name=f"{subject.model}@{subject.step} {b.name}",
        group=subject.source,
        config=config,
    )
    rows = [[getattr(record, column) for column in TABLE_COLUMNS] for record in found]
    table = tracking.Rows("problems", TABLE_COLUMNS, rows)
    run.log({f"eval/{key}": value for key, value in (measured | took).items()}, table)
    run.finish()
    files.write_json(done, {"id": run_id, **config, "scores": measured, "spent": took})
