"""A run is watched for its transition: what is saved, logged and stopped, with TRL's trainer and rewards by script."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tina import configs, experiment, gate, training
from tina.configs import to_typed
from tina.dynamics import watched

configs.register()
STEPS = 48
SMALL = [
    f"schedule.max_steps={STEPS}",
    "schedule.save_every=12",
    "benchmarks=none",
    "selection=before_transition",
    "batch.completions_per_step=8",
    "batch.completions_per_forward=8",
    "batch.num_generations=4",
    "length.max_completion_tokens=4",
    "lora.rank=2",
    "algorithm.beta=0",
    "grading.workers=1",
]


def turning(step: int) -> float:
    """Turns at step 20: from about 0.1 to about 0.9, with the jitter of real logs."""
    return (0.1 if step < 20 else 0.9) + 0.04 * np.sin(2.7 * step)


def rising(step: int) -> float:
    return step / STEPS + 0.04 * np.sin(2.7 * step)


def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: Any, *overrides: str, killed_at: int = 0
) -> dict[str, Any]:
    """A whole run whose format reward at a step is `curve(step)`; SIGTERM arrives at step `killed_at`."""

    def scripted(*_: Any) -> list[Any]:
        def format(*, completion_ids: list[Any], trainer_state: Any, **__: Any) -> list[float]:
            if trainer_state.global_step == killed_at > 0:
                signal.raise_signal(signal.SIGTERM)
            return [float(curve(trainer_state.global_step))] * len(completion_ids)

        return [format]

    monkeypatch.setattr(training, "reward_functions", scripted)
    arm = gate.check([*SMALL, "reward=format_only", f"paths.outputs={tmp_path}", *overrides], False)
    assert not arm.problems, arm.problems
    config = to_typed(arm.arms[0].config)
    config.reward.rewards = {"format": config.reward.rewards["format"]}
    return experiment.run_experiment(config)


def saved(tmp_path: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in tmp_path.glob("runs/*/checkpoints/checkpoint-*"))


def test_a_turn_is_told_and_its_checkpoint_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = train(tmp_path, monkeypatch, turning)["logged"]
    assert logged["run/steps"] == STEPS
    assert "run/stopped" not in logged
    assert 20 < logged["dynamics/began_step"] <= logged["dynamics/told_step"] <= 26
    assert saved(tmp_path) == sorted({12, 24, 36, 48, logged["dynamics/began_step"]})
    assert logged["run/held_seconds"] >= logged["run/seconds"] > 0
    assert 0 < logged["run/idle_seconds"] < logged["run/held_seconds"]
    assert "run/queue_seconds" not in logged
    assert logged["dynamics/transition_step"] == pytest.approx(20.5, abs=1.5)
    assert logged["selection/step"] == 12


def test_a_run_is_stopped_so_many_steps_after_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stop = ["selection.stop=after_transition", "selection.stop_after_steps=5"]
    logged = train(tmp_path, monkeypatch, turning, *stop)["logged"]
    assert logged["run/steps"] == logged["dynamics/told_step"] + 5 < STEPS
    assert logged["run/planned_steps"] == STEPS
    assert "format turned" in logged["run/stopped"]
    assert saved(tmp_path) == sorted({12, 24, logged["dynamics/began_step"], logged["run/steps"]})
    assert f"stopped      at step {logged['run/steps']} of {STEPS}: format turned" in capsys.readouterr().out


def test_a_run_without_a_transition_is_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = train(tmp_path, monkeypatch, rising, "selection.stop=after_transition")["logged"]
    assert logged["run/steps"] == STEPS
    assert logged["dynamics/transition"] == "none"
    assert "run/stopped" not in logged
    assert saved(tmp_path) == [12, 24, 36, 48]


def test_a_run_that_was_interrupted_stops_and_keeps_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = ["selection.stop=after_transition", "selection.stop_after_steps=5"]
    told = {}
    for name, kills in (("whole", []), ("before", [17]), ("between", [23, 26])):
        for killed_at in kills:
            with pytest.raises(SystemExit):
                train(tmp_path / name, monkeypatch, turning, *stop, killed_at=killed_at)
        told[name] = train(tmp_path / name, monkeypatch, turning, *stop)["logged"]
    for name in ("before", "between"):
        assert saved(tmp_path / name) == saved(tmp_path / "whole")
        for key in ("run/steps", "dynamics/began_step", "dynamics/told_step", "selection/step", "dynamics/low"):
            assert told[name][key] == told["whole"][key], (name, key)


def test_the_same_command_again_finds_a_stopped_run_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it was killed between its last step and its summary."""
    first = train(tmp_path, monkeypatch, turning, "selection.stop=after_transition", "selection.stop_after_steps=0")
    (summary,) = tmp_path.glob("runs/*/summary.json")
    summary.unlink()

    def refuse(*_: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "build_trainer", refuse)
    again = train(tmp_path, monkeypatch, turning, "selection.stop=after_transition", "selection.stop_after_steps=0")
    assert again["logged"]["run/steps"] == first["logged"]["run/steps"] == first["logged"]["dynamics/told_step"]


# --- without a trainer


def rows(values: np.ndarray) -> list[dict[str, float]]:
    return [{"step": i + 1, "rewards/format/mean": value} for i, value in enumerate(values)]


def test_what_began_to_show_and_was_none_is_forgotten() -> None:
    generator = np.random.default_rng(0)
    bump = 0.5 + 0.02 * generator.normal(size=60)
    bump[25:27] += 0.3  # two odd steps, then as before
    watch = watched(rows(bump), 60)
    seen = [watched(rows(bump[:n]), 60).began for n in range(61)]
    assert any(seen)
    assert (watch.began, watch.told, watch.kept_step) == (None, None, None)
    assert watch.end(0) == 60


def test_a_format_that_has_yet_to_turn_is_waited_for_though_the_length_has_turned() -> None:
    random = np.random.default_rng(0)
    step = np.arange(60)
    length = 70 - 30 * (step > 18) + random.normal(size=60)
    form = 0.2 + 0.7 * (step > 45) + 0.03 * random.normal(size=60)
    both = [row | {"completions/mean_length": value} for row, value in zip(rows(form), length, strict=True)]
    alone = [{"step": row["step"], "completions/mean_length": row["completions/mean_length"]} for row in both]
    assert watched(both, 60).told > 45
    assert 18 < watched(alone, 60).told < 30


def test_a_longer_run_is_looked_at_sixty_times() -> None:
    values = 0.1 + 0.8 * (np.arange(600) > 200) + 0.03 * np.random.default_rng(0).normal(size=600)
    watch = watched(rows(values), 600)
    assert watch.began % 10 == watch.told % 10 == 0
    assert 200 < watch.began <= watch.told <= 240


@pytest.mark.parametrize("values", [np.zeros(60), np.full(60, np.nan), np.array([0.1, 0.5, 0.9])])
def test_what_tells_nothing_stops_nothing(values: np.ndarray) -> None:
    assert watched(rows(values), 60).end(0) == 60
    assert watched([{"step": 1, "reward": 0.0}], 60).end(0) == 60
