"""Real W&B offline runs as the suite logs them, with made-up numbers, for the tests of the analysis."""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from analysis.wandb_files import read_segment

EVAL_COLUMNS = ["benchmark", "problem_id", "sample", "seed", "answer", "verdict", "tokens", "truncated"]
CURVES = {
    "train/rewards/format/mean": 0.25,
    "train/rewards/accuracy/mean": 0.5,
    "train/completions/mean_length": 40.0,
}


def start(folder: Path, **options: Any) -> wandb.Run:
    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True)
    return wandb.init(mode="offline", project="tina", dir=str(folder), reinit="create_new", settings=quiet, **options)


def finish(run: wandb.Run, exit_code: int = 0) -> Path:
    """Ends a run and returns its .wandb file, whole: W&B's background process may write on after `finish` returns."""
    run.finish(exit_code=exit_code)
    path = Path(run.settings.sync_file)
    deadline = time.monotonic() + 30
    while read_segment(path).exit_code is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} has no exit record 30 s after the run was finished.")
        time.sleep(0.02)
    return path


def config_of(**settings: Any) -> dict[str, Any]:
    """A configuration of a few keys; `lora__rank=8` sets lora.rank."""
    config: dict[str, Any] = {
        "model": {"name": "tiny", "path": "embedded:mix_d"},
        "lora": {"rank": 16, "alpha": 64.0},
        "algorithm": {"name": "grpo", "loss_type": "grpo", "beta": 0.04},
        "selection": {"rule": "held_out", "benchmark": "arithmetic_validation"},
        "paths": {"outputs": "outputs"},
        "seed": 42,
    }
    for key, value in settings.items():
        *groups, name = key.split("__")
        (config[groups[0]] if groups else config)[name] = value
    return config


def train_run(
    outputs: Path,
    run_id: str,
    cfg: Mapping[str, Any],
    steps: Sequence[int] = range(1, 5),
    end: Mapping[str, Any] | None = None,
    exit_code: int = 0,
    metric: float = 0.5,
) -> Path:
    """A training run below outputs/runs/<id>; `end` is what it logs once at its end. Returns the .wandb file."""
    label = f"{cfg['algorithm']['name']}-r{cfg['lora']['rank']}-s{cfg['seed']}"
    folder = outputs / "runs" / run_id
    run = start(
        folder,
        id=run_id,
        group=run_id,
        job_type="train",
        config={"cfg": cfg, "digest": run_id, "label": label, "schema_version": 1},
    )
    for step in steps:
        run.log({"train/reward": metric + step, "train/kl": 0.01 * step, "train/global_step": step} | CURVES)
        run.log({"profiling/Time taken: generate": 0.25})
    if end is not None:
        run.log(end)
    return finish(run, exit_code)


def end_of_run(step: int = 4, transition: float | None = 3) -> dict[str, Any]:
    turn = {"dynamics/transition": "none" if transition is None else "turn"}
    if transition is not None:
        turn["dynamics/transition_step"] = transition
    return turn | {
        "run/steps": 4,
        "run/seconds": 61.5,
        "run/cost_usd": 0.0123,
        "selection/rule": "held_out",
        "selection/step": step,
        "selection/candidates": 2,
    }


def eval_run(
    outputs: Path,
    train_id: str,
    step: int,
    correct: Mapping[str, Sequence[Sequence[int]]],
    shares: Mapping[str, float] | None = None,
    table: bool = True,
    model: str = "tiny",
    id: str | None = None,
) -> Path:
    """An evaluation of `correct`[benchmark][problem][sample]; returns the .wandb file."""
    folder = outputs / "runs" / train_id / "evaluations" / str(step)
    run = start(
        folder,
        id=id or f"eval-{train_id}-{step}".replace("/", "-"),
        group=train_id,
        job_type="eval",
        config={"cfg": {"benchmarks": {}}, "train_id": train_id, "step": step, "model": model, "benchmark_set": "x"},
    )
    logged: dict[str, Any] = {}
    rows = []
    for name, matrix in correct.items():
        flat = [verdict for problem in matrix for verdict in problem]
        facts = {"mean": sum(flat) / len(flat), "n_problems": len(matrix), "n_samples": len(matrix[0])}
        facts |= {"format": 0.75, "mean_tokens": 41.5, "truncated": 0.125} | dict(shares or {})
        logged |= {f"eval/{name}/{key}": value for key, value in facts.items()}
        rows += [
            [name, f"p{p}", s, 7, str(v), "correct" if v else "wrong", 40, False]
            for p, problem in enumerate(matrix)
            for s, v in enumerate(problem)
        ]
    if table:
        logged["problems"] = wandb.Table(columns=EVAL_COLUMNS, data=rows)
    run.log(logged)
    return finish(run)


def study_run(outputs: Path, manifest: Mapping[str, Any]) -> Path:
    run = start(
        outputs / "studies" / manifest["study"],
        id=f"study-{random.getrandbits(32):08x}",
        job_type="study",
        config={"study": manifest},
    )
    return finish(run)


def matrix(n_correct: int, n_problems: int = 20) -> list[list[int]]:
    """One sample of each problem, the first `n_correct` correct."""
    return [[int(index < n_correct)] for index in range(n_problems)]


def rank_sweep(outputs: Path, ranks: Sequence[int] = (4, 8, 16)) -> None:
    """A finished sweep over lora.rank as the suite logs it: base and two checkpoints on validation and test."""
    arms = []
    for index, rank in enumerate(ranks):
        run_id = f"{rank:016x}"
        train_run(outputs, run_id, config_of(lora__rank=rank, lora__alpha=4.0 * rank), end=end_of_run())
        for step, right in ((0, 6), (4, 12 + index)):
            sets = {"arithmetic_validation": matrix(20), "arithmetic_test": matrix(right)}
            eval_run(outputs, run_id, step, sets, {"format": 1.0 if step else 0.1})
        overrides = {"lora.rank": str(rank)}
        arms.append({"digest": run_id, "label": f"lora.rank={rank}", "overrides": overrides, "seed": 42})
    study_run(
        outputs,
        {
            "study": "lora.rank",
            "title": "Sweep over lora.rank",
            "source": "command line",
            "axes": {"lora.rank": [str(rank) for rank in ranks]},
            "layout": {},
            "arms": arms,
        },
    )
