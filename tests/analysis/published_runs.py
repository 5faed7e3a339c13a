"""W&B runs that hold the paper's published numbers as if they were logs: made by the tests, nobody's result."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from analysis import published
from tests.analysis.logs import config_of, eval_run, finish, matrix, start, study_run, train_run

ROOT = Path(__file__).parents[2]
PROBLEMS = {"aime24": 30, "aime25": 30, "amc23": 40, "math500": 500, "gpqa_diamond": 198, "minerva": 272}
TABLES = ("dataset", "learning_rate", "lora_rank", "algorithm", "length_cap", "reward")


def digest_of(row: Mapping[str, Any]) -> str:
    """An id for the run behind a published row: the same run stands in several tables, with the same numbers."""
    numbers = [row["steps_percent_of_epoch"], *(row[name] for name in PROBLEMS), row["average"]]
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[:16]


def correct(row: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """Who solved what, so that the shares are the published ones; empty where only the average is known."""
    if row["aime24"] is None:
        return {}
    return {name: matrix(round(row[name] * count / 100), count) for name, count in PROBLEMS.items()}


def write_published(outputs: Path) -> None:
    """Every published table as runs: training, the evaluation of the best checkpoint, studies, baselines."""
    written: set[str] = set()
    for table in TABLES:
        arms = []
        layout = yaml.safe_load((ROOT / "sweeps" / f"{table}.yaml").read_text())["study"]
        for label, value in layout["published_arms"].items():
            row = published.find("ablations", table=table, value=value)
            digest = digest_of(row)
            if digest not in written:
                _write_run(outputs, digest, row)
                written.add(digest)
            key, _, swept = label.partition("=")
            arms.append({"digest": digest, "label": label, "overrides": {key: swept}, "seed": 42})
        axes = {next(iter(arms[0]["overrides"])): [next(iter(arm["overrides"].values())) for arm in arms]}
        study_run(outputs, {"study": table, "title": layout["title"], "axes": axes, "layout": layout, "arms": arms})
    for row in published.rows("baselines"):
        eval_run(outputs, row["model"], 0, correct(row), model=row["hub_id"])


def _write_run(outputs: Path, digest: str, row: Mapping[str, Any]) -> None:
    percent = row["steps_percent_of_epoch"]
    end = {"selection/rule": "best average", "selection/step": int(percent or 1), "selection/candidates": 17}
    end |= {"run/steps": 100, "run/epochs": 1.0} if percent else {"run/steps": 100}
    settings = config_of(model__path="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", selection__benchmark=None)
    train_run(outputs, digest, settings, steps=[1], end=end)
    if solved := correct(row):
        eval_run(outputs, digest, end["selection/step"], solved)
        return
    run = start(
        outputs / "runs" / digest / "evaluations",
        id=f"eval-{digest}",
        group=digest,
        job_type="eval",
        config={"train_id": digest, "step": end["selection/step"]},
    )
    run.log({"eval/average/mean": row["average"] / 100})
    finish(run)
