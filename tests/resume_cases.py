"""Runs that are stopped anywhere and go on, against the same runs undisturbed.

    python -m tests.resume_cases [--cases 40] [--seed 0] [--only 13]

Each case draws its own settings and a point to stop at: the number of a micro-batch, in which the process is sent
SIGTERM or SIGKILL. What both runs logged at each step, the prompts that they drew, their adapters and their evaluations
have to be equal to the digit. All processes are forked from this one, which has imported torch once. Prints a JSON
object for each case; the exit code is 1 if one differs.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers.trainer
import wandb

from tina import configs, experiment, gate, trainer
from tina.checkpoint import checkpoints
from tina.configs import to_typed
from tina.history import history

TIMES = ("time", "seconds", "runtime", "per_second", "epoch")
PROMPTS = "prompts.jsonl"
FIXED = (
    "benchmarks.problems=4",
    "benchmarks.max_new_tokens=8",
    "length.max_completion_tokens=8",
    "schedule=constant",
    "schedule.learning_rate=2e-3",
    "schedule.warmup_ratio=0",
    "grading.workers=1",
    "sampler.cpu_kv_cache_gib=0.1",
    "tracking.mode=disabled",
)


@dataclass(frozen=True)
class Case:
    """One run's settings, and where it is stopped."""

    number: int
    sampler: str
    processes: int
    prompts: int
    """Of the data set; those that do not fill a batch are left out of each epoch."""
    prompts_a_step: int
    micro_batches: int
    num_iterations: int
    steps: int
    save_every: int
    dropout: float
    stops: tuple[tuple[int, str], ...]
    """(micro-batch, signal) of each process that is stopped, one after the other."""

    @property
    def stopped_in_epochs(self) -> list[int]:
        updates_an_epoch = self.prompts // self.prompts_a_step * self.num_iterations
        return [at // self.micro_batches // updates_an_epoch for at, _ in self.stops]

    @property
    def overrides(self) -> list[str]:
        completions = 4 * self.prompts_a_step
        return [
            *FIXED,
            f"sampler={self.sampler}",
            f"hardware.processes={self.processes}",
            f"dataset.size={self.prompts}",
            "batch.num_generations=4",
            f"batch.completions_per_step={completions}",
            f"batch.completions_per_forward={completions // self.micro_batches // self.processes}",
            f"algorithm.num_iterations={self.num_iterations}",
            f"schedule.max_steps={self.steps}",
            f"schedule.save_every={self.save_every}",
            f"lora.dropout={self.dropout}",
        ]


def drawn(number: int, seed: int, sampler: str = "transformers", processes: int = 1) -> Case:
    """A case at random: 1 to 4 epochs, stopped once or twice."""
    dice = random.Random(f"{seed} {number} {sampler} {processes}")
    prompts_a_step = dice.choice((2, 4))
    batches = dice.choice((1, 2, 3))
    num_iterations = dice.choice((1, 1, 2, 3))
    steps = max(3, round(batches * num_iterations * dice.uniform(1.0, 4.0)))
    micro_batches = dice.choice((1, 2))
    stops = sorted(dice.sample(range(1, steps * micro_batches), dice.choice((1, 1, 2))))
    return Case(
        number=number,
        sampler=sampler,
        processes=processes,
        prompts=prompts_a_step * batches + dice.randrange(prompts_a_step),
        prompts_a_step=prompts_a_step,
        micro_batches=micro_batches,
        num_iterations=num_iterations,
        steps=steps,
        save_every=dice.choice((1, 2, 3)),
        # With dropout TRL's first inner ratio would not be 1, so the gate refuses both together.
        dropout=dice.choice((0.0, 0.1)) if num_iterations == 1 else 0.0,
        stops=tuple((at, dice.choice(("SIGTERM", "SIGKILL"))) for at in stops),
    )


def cases(number: int, seed: int, vllm: bool) -> list[Case]:
    """A tenth of them on two processes, a tenth with vLLM if it is here, the others in one process without."""
    found = []
    for i in range(number):
        kind = ("transformers", 2) if i % 10 == 3 else ("vllm", 1) if vllm and i % 10 == 7 else ("transformers", 1)
        found.append(drawn(i, seed, *kind))
    return found


def run(case: Case, outputs: Path, stop: tuple[int, str] | None) -> int:
    """Runs or continues a case in processes of its own, stopped or not; the exit code of the first that had one."""
    port = _free_port()
    children = []
    for rank in range(case.processes):
        if (pid := os.fork()) == 0:
            _child(case, outputs, stop, rank, port)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    return next((code for code in codes if code), 0)


def _child(case: Case, outputs: Path, stop: tuple[int, str] | None, rank: int, port: int) -> None:
    """The inside of one process; never returns."""
    log = os.open(outputs.with_suffix(f".{rank}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        if case.processes > 1:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(case.processes)}
            os.environ |= {
                "LOCAL_WORLD_SIZE": str(case.processes),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        torch.set_num_threads(1)
        _record_prompts(outputs, rank)
        if stop:
            _stop_at(*stop, everyone=stop[1] == "SIGKILL", rank=rank)
        grid = gate.check([*case.overrides, f"paths.outputs={outputs}"], False)
        assert not grid.problems, grid.problems
        experiment.run_experiment(to_typed(grid.arms[0].config))
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            wandb.teardown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _record_prompts(outputs: Path, rank: int) -> None:
    """Writes down the prompts of each sampled batch, with the step that it is for."""
    original = trainer.StretchedTrainer._generate_and_score_completions

    def recorded(self: trainer.StretchedTrainer, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        row = {"step": self.state.global_step, "rank": rank, "ids": [one["problem_id"] for one in inputs]}
        with (outputs.parent / f"{outputs.name}.{PROMPTS}").open("a") as file:
            file.write(json.dumps(row) + "\n")
        return original(self, inputs)

    trainer.StretchedTrainer._generate_and_score_completions = recorded


def _stop_at(micro_batch: int, name: str, everyone: bool, rank: int) -> None:
    """Sends the signal before that micro-batch, counted over the whole run; SIGTERM to rank 0 alone."""
    original = transformers.trainer.Trainer.training_step

    def stopped(self: transformers.trainer.Trainer, *args: Any, **kwargs: Any) -> Any:
        done = self.state.global_step * self.args.gradient_accumulation_steps
        done += self._step % self.args.gradient_accumulation_steps
        if done == micro_batch and (everyone or rank == 0):
            os.kill(os.getpid(), signal.Signals[name])
        return original(self, *args, **kwargs)

    transformers.trainer.Trainer.training_step = stopped


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def facts(outputs: Path) -> dict[str, Any]:
    """Everything of a finished run that has to be the same: rows, prompts, adapters, evaluations."""
    (folder,) = (outputs / "runs").iterdir()
    found = checkpoints(folder / "checkpoints")
    rows = history(list(found.values())[-1])
    drawn: dict[str, list[Any]] = {}
    for line in (outputs.parent / f"{outputs.name}.{PROMPTS}").read_text().splitlines():
        row = json.loads(line)
        drawn.setdefault(f"{row['step']} of rank {row['rank']}", []).append(row["ids"])
    return {
        "rows": [{k: v for k, v in row.items() if not any(time in k for time in TIMES)} for row in rows],
        "prompts": {step: ids[0] for step, ids in drawn.items() if all(one == ids[0] for one in ids)},
        "prompts drawn again": {step: True for step, ids in drawn.items() if all(one == ids[0] for one in ids)},
        "adapters": {step: _bytes(path / "adapter_model.safetensors") for step, path in found.items()},
        "evaluations": {
            path.relative_to(folder).as_posix(): sorted(path.read_text().splitlines())
            for path in folder.rglob("records.jsonl")
        },
        "summary": _numbers(json.loads((folder / "summary.json").read_text())["logged"]),
    }


def _bytes(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _numbers(logged: Mapping[str, Any]) -> dict[str, Any]:
    skipped = ("seconds", "hours", "cost", "grading/")
    return {name: value for name, value in logged.items() if not any(one in name for one in skipped)}


def compare(case: Case, folder: Path) -> str:
    """What differs between the case stopped and undisturbed; empty if nothing does."""
    whole, stopped = folder / f"{case.number}-whole", folder / f"{case.number}-stopped"
    if code := run(case, whole, None):
        return f"undisturbed it ended with {code}: {_log(whole)}"
    for stop in case.stops:
        code = run(case, stopped, stop)
        expected = 128 + signal.SIGTERM if stop[1] == "SIGTERM" else -signal.SIGKILL
        passed = code == 0 and stop is not case.stops[0]  # it lay in the step that the one before let end
        if code != expected and not passed:
            return f"stopped by {stop} it ended with {code}: {_log(stopped)}"
    if code := run(case, stopped, None):
        return f"continued it ended with {code}: {_log(stopped)}"
    expected, found = facts(whole), facts(stopped)
    differing = [name for name in expected if expected[name] != found[name]]
    return "; ".join(f"{name}: {_first_difference(expected[name], found[name])}" for name in differing)


def _log(outputs: Path) -> str:
    return " | ".join(outputs.with_suffix(".0.log").read_text(errors="replace").strip().splitlines()[-4:])


def _first_difference(expected: Any, found: Any) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        return f"{names[0]}: {_first_difference(expected.get(names[0]), found.get(names[0]))}"
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{len(expected)} against {len(found)}"
        place = next(i for i, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b)
        return f"at {place}: {_first_difference(expected[place], found[place])}"
    return f"{str(expected)[:100]} against {str(found)[:100]}"


def judge(found: Sequence[Case], folder: Path, at_once: int) -> Iterator[tuple[Case, str, float]]:
    """Each case with what differs in it, and its seconds; `at_once` of them side by side, each in a fork."""
    waiting, running = list(found), {}
    while waiting or running:
        while waiting and len(running) < at_once:
            case = waiting.pop(0)
            result = folder / f"{case.number}.result"
            if (pid := os.fork()) == 0:
                try:
                    result.write_text(compare(case, folder))
                finally:
                    os._exit(0)
            running[pid] = (case, result, time.monotonic())
        pid, _ = os.wait()
        case, result, began = running.pop(pid)
        told = result.read_text() if result.exists() else "the case's own process died"
        yield case, told, time.monotonic() - began


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--at-once", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-vllm", action="store_true")
    given = parser.parse_args(argv)
    configs.register()
    found = cases(given.cases, given.seed, not given.no_vllm)
    if not given.no_vllm:
        import vllm  # noqa: F401  once, and not in each process
    if given.only is not None:
        found = [case for case in found if case.number == given.only]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case, differs, seconds in judge(found, Path(folder), given.at_once):
            failed += bool(differs)
            told = {"stopped_in_epochs": case.stopped_in_epochs, "differs": differs, "seconds": round(seconds, 1)}
            print(json.dumps(asdict(case) | told), flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
