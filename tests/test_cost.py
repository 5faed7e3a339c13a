"""FLOPs against torch's counter on what is really computed; forecasts against what was published."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.forecast import RUNS, fitted, ideal_seconds, left_out, preset, published_dollars
from tina import configs, gate, plan, policy
from tina.calibrate import calibrate
from tina.configs import to_typed
from tina.cost import (
    Forecast,
    Lengths,
    StepMeter,
    Unknown,
    calibration,
    forecast,
    forecast_evaluation,
    shape_of,
    step_flops,
    training_bytes,
)
from tina.cost.calibration import keep
from tina.cost.evaluation import answers
from tina.cost.flops import base_weights
from tina.errors import UserError
from tina.evaluation.benchmarks import get_benchmark
from tina.evaluation.checkpoints import race
from tina.launch import record
from tina.outcome import _taken
from tina.schema import Shape, TrainConfig
from tina.trainer import build_trainer, prompt_dataset

configs.register()


def composed(*overrides: str) -> TrainConfig:
    grid = gate.check(overrides, False)
    assert not grid.problems, grid.problems
    return to_typed(grid.arms[0].config)


SMALL = [
    "model.attention=eager",
    "batch.completions_per_step=8",
    "batch.completions_per_forward=8",
    "batch.num_generations=4",
    "length.max_completion_tokens=40",
    "reward=accuracy_only",
]


@pytest.mark.parametrize(
    "overrides",
    [
        ["algorithm.beta=0"],
        ["algorithm.beta=0.04"],
        ["algorithm.num_iterations=2", "schedule.max_steps=2"],
        ["algorithm.num_iterations=4", "schedule.max_steps=4", "algorithm.beta=0"],
        ["algorithm.beta=0", "hardware.gradient_checkpointing=true"],
        ["algorithm.beta=0", "lora.rank=64"],
        ["algorithm.beta=0", "lora.target_modules=[q_proj,v_proj]"],
        ["algorithm.beta=0", "lora=full"],
    ],
)
def test_a_step_of_the_real_trainer_takes_the_flops_that_are_told(overrides: list[str], tmp_path: Path) -> None:
    from tina.data.loading import load_problems
    from tina.data.prompts import build_messages

    steps = [] if any(one.startswith("schedule.max_steps") for one in overrides) else ["schedule.max_steps=1"]
    config = composed(*SMALL, *steps, *overrides)
    tokenizer = policy.load_tokenizer(config.model)
    model = policy.load_policy(config.model, config.lora, "cpu", 0)
    # One prompt, so that its length is known.
    messages = build_messages("Compute 3+5-2+7", config.prompt)
    problems = load_problems(config.dataset).problems[:8]
    dataset = prompt_dataset(problems, lambda _: messages)
    prompt = len(tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])

    def reward(completion_ids: list[list[int]], **_: object) -> list[float]:
        return [float(ids[0]) for ids in completion_ids]

    trainer = build_trainer(config, model, tokenizer, dataset, [reward], tmp_path, [])
    with FlopCounterMode(display=False) as counter:
        trainer.train()
    row = next(row for row in trainer.state.log_history if "reward" in row)
    lengths = Lengths(prompt, row["completions/mean_length"], row["completions/max_length"])
    told = config.schedule.max_steps * step_flops(config, shape_of(config.model), lengths).total
    assert counter.get_total_flops() == pytest.approx(told, rel=0.015)


# --- forecasts


def test_published_costs_are_forecast_within_a_factor_of_one_and_a_half_each_left_out() -> None:
    runs, dollars = [preset(name) for name in RUNS], published_dollars()
    seconds = [dollars[name] * 1800 / run.schedule.max_steps for name, run in zip(RUNS, runs, strict=True)]
    ideal = np.array([ideal_seconds(run) for run in runs])
    alone = left_out(ideal, np.array(seconds))
    assert len(alone) == 6
    assert np.all((alone < 1.5) & (alone > 1 / 1.5)), alone
    shipped = [forecast(run, engines=1).usd / dollars[name] for name, run in zip(RUNS, runs, strict=True)]
    assert np.exp(np.mean(np.log(shipped))) == pytest.approx(1, abs=0.01)
    assert fitted(ideal, ideal) == pytest.approx(1)


def test_more_of_anything_takes_longer_and_a_faster_gpu_less() -> None:
    def hours(*overrides: str) -> float:
        return forecast(composed("experiment=limr", *overrides)).hours

    base = hours()
    assert hours("schedule.max_steps=360", "schedule.horizon_steps=360") == pytest.approx(2 * base)
    assert hours("length.expected_tokens=3500") > base
    assert hours("batch.completions_per_step=64") > 1.15 * base
    assert hours("hardware=l40s") > base
    assert hours("hardware=h100") < hours("hardware=a100") < hours("hardware=l40s")


def test_dollars_are_gpu_hours_at_the_hardware_s_price() -> None:
    one, two = (forecast(composed("experiment=limr", f"hardware.usd_per_hour={price}")) for price in (1, 2.5))
    assert one.usd == one.gpu_hours == 2 * one.hours
    assert two.usd == pytest.approx(2.5 * one.usd)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["experiment=limr", "hardware.gpu=tpu9"], "no data sheet for tpu9"),
        (
            ["paths.outputs=nowhere"],
            "no data sheet for a CPU; `python -m tina.calibrate` with the same settings measures it",
        ),
        (["experiment=limr", "model.shape=null"], "model.shape is not set"),
    ],
)
def test_what_cannot_be_forecast_is_said(overrides: list[str], why: str) -> None:
    assert forecast(composed(*overrides)) == Unknown(why)


def test_an_unset_length_is_a_bound_that_is_told(capsys: pytest.CaptureFixture) -> None:
    arms = gate.check(["experiment=limr", "length.expected_tokens=null"], False).arms
    assert isinstance(forecast(to_typed(arms[0].config)), Forecast)
    plan.show([*arms, *gate.check([], False).arms], "both")
    out = capsys.readouterr().out
    assert "≤" in out
    assert "as long as the cap" in out
    assert "no forecast: no data sheet for a CPU" in out


# --- forecasts of evaluations


def test_evaluation_is_forecast_apart_and_as_published(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 70 characters, too: prices and arms are the last to be left out."""
    monkeypatch.setattr(plan.console, "width", 70)
    config = composed("experiment=open_rs2", "benchmarks=paper")
    assert answers(config.schedule, config.benchmarks, config.selection) == 18 * 1070  # the base and 17 checkpoints
    found = forecast_evaluation(config)
    assert found.usd == pytest.approx(17, abs=1)
    assert found.usd / 18 == pytest.approx(1, abs=0.5)
    plan.show(gate.check(["experiment=open_rs2", "benchmarks=paper"], False).arms, "one")
    out = capsys.readouterr().out
    assert f"{forecast(config).usd:,.1f}" in out
    assert f"{found.usd:,.1f}" in out
    assert "Evaluation apart" in out
    assert "(no sweep)" in out and "Left out, since the terminal is 70 characters wide: tokens at most" in out
    assert forecast_evaluation(composed("experiment=open_rs2")).usd == 0  # benchmarks=none


def test_a_race_asks_as_often_as_its_rounds() -> None:
    settings = ["experiment=limr", "benchmarks=embedded", "benchmarks.samples=10", "schedule.save_every=18"]
    config = composed(*settings, "selection=racing")
    asked: list[int] = []

    def round_of(racers: list[int], samples: int) -> dict[int, float]:
        paid = dict.fromkeys(racers, 0) | {step: before[step] for step in racers if step in before}
        asked.append(sum(samples - paid[step] for step in racers))
        before.update(dict.fromkeys(racers, samples))
        return dict.fromkeys(racers, 0.0)

    before: dict[int, int] = {}
    race(range(18, 181, 18), 1, 10, round_of)
    raced = get_benchmark("arithmetic_validation").size
    other = get_benchmark("arithmetic_test").size
    whole = 10 * (raced + other)
    assert answers(config.schedule, config.benchmarks, config.selection) == sum(asked) * raced + whole + 10 * other


# --- what was logged


def step_row(seconds: float, tokens: float, **more: float) -> dict[str, float]:
    lengths = {"completions/mean_length": 20.0, "completions/max_length": 40.0}
    return {"step_time": seconds, "num_tokens": tokens, "reward": 0.0, **lengths, **more}


def test_a_step_is_priced_by_its_own_lengths_and_by_all_gpus_it_holds() -> None:
    config = composed("hardware=l40s_x2", "batch.completions_per_step=64")
    meter = StepMeter(config)
    steps = [meter.see(step_row(36.0, 64 * 30)), meter.see(step_row(18.0, 64 * 30 + 64 * 70))]
    assert [step["cost_usd"] for step in steps] == pytest.approx([0.02, 0.01])  # 2 GPUs at 1 $ an hour
    prompts = [10.0, 50.0]
    shape = shape_of(config.model)
    wanted = [step_flops(config, shape, Lengths(prompt, 20.0, 40.0)).total for prompt in prompts]
    assert [step["flops"] for step in steps] == pytest.approx(wanted)
    again = {"step_time": 18.0}  # algorithm.num_iterations=2: nothing was sampled for it
    assert meter.see(again)["flops"] == pytest.approx(wanted[1])


def test_queue_time_is_that_of_training_jobs_and_of_every_requeue(tmp_path: Path) -> None:
    assert record.queue_seconds(tmp_path) is None
    lines = [
        {"event": "submitted", "job": "1_0", "phase": "train", "log": "", "time": 100.0},
        {"event": "submitted", "job": "2_0", "phase": "evaluate", "log": "", "time": 101.0},
        {"event": "started", "job": "1_0", "time": 160.0},
        {"event": "ended", "job": "1_0", "code": 75, "done": 3, "time": 200.0},
        {"event": "started", "job": "1_0", "time": 230.0},
        {"event": "started", "job": "2_0", "time": 900.0},
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert record.queue_seconds(tmp_path) == 60 + 30


# --- on a CPU


def test_a_calibrated_cpu_has_a_forecast_for_the_same_step_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    overrides = [f"paths.outputs={tmp_path}", "batch.completions_per_step=16", "length.max_completion_tokens=48"]
    config = composed(*overrides)
    assert isinstance(forecast(config), Unknown)
    found = calibrate(config, time.process_time)
    keep(config, found)
    assert forecast(config).seconds_per_step == pytest.approx(found.step_seconds(48))
    assert forecast(config).hours == pytest.approx(60 * found.step_seconds(48) / 3600)
    assert isinstance(forecast(composed(*overrides, "lora.rank=64")), Unknown)  # another step, not measured
    plan.show(gate.check(overrides, False).arms, "one")
    out = capsys.readouterr().out
    assert f"≤{forecast(config).hours:,.1f}" in out
    assert "no forecast: evaluation on a CPU is not calibrated" in out
    logged = _taken(config, [step_row(2.0, 960.0, step=1, epoch=0.1)])
    assert logged["forecast/hours"] == forecast(config).hours


def test_a_length_that_was_not_measured_follows_from_two_that_were() -> None:
    found = calibration.fitted([16, 16, 64], [1.5, 0.9, 2.1])
    assert found.step_seconds(16) == pytest.approx(0.9)  # the fastest: what else a machine does only adds
    assert found.step_seconds(112) == pytest.approx(3.3)
    with pytest.raises(ValueError, match="two lengths"):
        calibration.fitted([16, 16], [1, 2])


# --- memory

PEAKS = [  # hidden, intermediate, layers, vocabulary, completions, tokens, dropout, checkpointing, GiB above the start
    (512, 1536, 8, 2000, 16, 400, 0.0, False, 3.93),
    (512, 512, 8, 2000, 16, 400, 0.0, False, 3.31),
    (256, 1536, 8, 2000, 16, 400, 0.0, False, 2.77),
    (512, 1536, 8, 50000, 16, 800, 0.0, False, 11.15),
    (512, 1536, 8, 50000, 16, 800, 0.0, True, 7.01),
    (512, 1536, 8, 2000, 16, 400, 0.05, False, 5.11),
    (512, 1536, 8, 2000, 16, 400, 0.05, True, 2.21),
    (512, 1536, 8, 2000, 4, 1600, 0.05, False, 5.37),
    (576, 1536, 30, 49152, 8, 300, 0.0, False, 8.01),
]
"""Largest resident memory of a process after one forward and backward pass, less that before it, once each."""


@pytest.mark.parametrize("peak", PEAKS)
def test_the_memory_of_a_pass_is_told_within_a_factor_of_one_and_a_half(peak: tuple) -> None:
    hidden, intermediate, layers, vocabulary, completions, tokens, dropout, checkpointing, gib = peak
    config = composed(f"lora.dropout={dropout}", f"hardware.gradient_checkpointing={checkpointing}")
    config.length.max_prompt_tokens, config.length.max_completion_tokens = tokens // 3, tokens - tokens // 3
    shape = Shape(layers, hidden, hidden // 64, 1, 64, intermediate, vocabulary)
    told = (training_bytes(config, shape, completions) - 4 * base_weights(shape)) / 2**30
    assert 1 / 1.5 < told / gib < 1.5


def test_a_plan_says_what_a_training_pass_takes(capsys: pytest.CaptureFixture) -> None:
    plan.show(gate.check([], False).arms, "Plan")
    assert "one training pass takes about 0." in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 3}', "null"])
def test_a_damaged_file_of_measurements_is_told_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / calibration.NAME
    path.write_text(content)
    with pytest.raises(UserError, match="is damaged"):
        keep(composed(f"paths.outputs={tmp_path}"), calibration.Calibration(1.0, 0.1))
    assert path.read_text() == content
