"""The digest: what counts, what does not, and that a run is found again."""

import copy
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from tina import configs, files, gate, identity, trainer_fields
from tina.canonical import without_effect
from tina.identity import digest, leaves

configs.register()


def quickstart() -> dict:
    return gate.check([], False).arms[0].config


def with_leaf(config: dict, name: str, value: object) -> dict:
    changed = copy.deepcopy(config)
    *parents, last = name.split(".")
    node = changed
    for parent in parents:
        node = node[parent]
    node[last] = value
    return changed


ANOTHER = {
    "schedule.kind": "linear",
    "dataset.generator": "arithmetic",
    "lora.method": "full",
    "sampler.backend": "transformers",
    "selection.stop": "never",
}
"""A value that changes the form of what is around it, and not only itself."""


def everything_counts() -> dict:
    """A configuration in which no setting is void: adapters, a set from the hub, an engine, several updates a batch."""
    config = quickstart()
    for name, value in {
        "selection.stop": "after_transition",
        "algorithm.num_iterations": 2,
        "sampler.backend": "vllm",
        "dataset.generator": None,
        "dataset.hub_id": "someone/some",
        "dataset.size": 100,
        "model.path": "someone/some-model",
    }.items():
        config = with_leaf(config, name, value)
    return config


def test_every_leaf_counts_unless_it_is_listed() -> None:
    config = everything_counts()
    assert set(without_effect(config)) == {"dataset.generator_options"}
    assert digest(with_leaf(quickstart(), "dataset.generator_options", {"terms": [2, 3]})) != digest(quickstart())
    for name, value in leaves({**config, "dataset": {**config["dataset"], "generator_options": None}}):
        if name == "dataset.generator_options":  # of a set from the hub they are void
            continue
        other = ANOTHER.get(name, changed_value(name, value))
        changed = digest(with_leaf(config, name, other)) != digest(config)
        assert changed == identity.is_identity(name), name


def changed_value(name: str, value: object) -> object:
    """Another one that the same setting could have."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, "another"]
    if isinstance(value, dict):
        return {"another": 1}
    numbers = ("epsilon_high", "delta", "min_p", "alpha", "horizon_steps", "completions_per_forward")
    return 0.7 if name.endswith(numbers) else "another"


def test_the_list_names_only_what_exists() -> None:
    names = [name for name, _ in leaves(quickstart())]
    for listed in identity.NOT_IDENTITY:
        assert any(name == listed or name.startswith(listed + ".") for name in names), listed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["lora.rank=16"], ["lora.rank=16", "lora.alpha=64"]),
        (["lora.rank=8", "lora.alpha_ratio=8"], ["lora.rank=8", "lora.alpha=64"]),
        ([], ["schedule.horizon_steps=120"]),
        ([], ["batch.completions_per_forward=64"]),
        ([], ["trainer.adam_beta2=0.999"]),
        ([], ["trainer.adam_beta1=0.9", "trainer.adam_beta2=0.999"]),
        ([], ["prompt.system=''"]),
        ([], ["+reward.rewards.format.options.as_released=false"]),
        ([], ["rollout.min_p=0"]),
        ([], ["rollout.top_k=-1"]),
        ([], ["lora.target_modules=[down_proj,up_proj,gate_proj,o_proj,v_proj,k_proj,q_proj]"]),
        ([], ["hardware.threads=2"]),
        ([], ["length.context_tokens=512"]),
        (["lora=full"], ["lora=full", "model.name=other"]),
        (["sampler=vllm"], ["sampler=vllm_server"]),
        (["sampler=vllm"], ["sampler=vllm", "sampler.dtype=float32"]),
        (["sampler=vllm"], ["sampler=vllm", "sampler.gpu_memory_utilization=0.9", "sampler.cpu_kv_cache_gib=3"]),
        (["sampler=vllm"], ["sampler=vllm", "sampler.fidelity_every=1", "sampler.fidelity_completions=2"]),
        (["sampler=vllm"], ["sampler=vllm", "sampler.eager=true", "sampler.prefix_caching=false"]),
        (["experiment=limr", "schedule.stretch=2"], ["experiment=limr", "schedule.horizon_steps=360"]),
    ],
)
def test_what_means_the_same_has_one_digest(one: list[str], other: list[str]) -> None:
    first, second = gate.check(one, False), gate.check(other, False)
    assert not first.problems + second.problems
    assert first.arms[0].digest == second.arms[0].digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["lora.alpha=64"], ["lora.alpha=65"]),
        (["sampler=vllm"], ["sampler=transformers"]),
        (["sampler=vllm"], ["sampler=vllm_merged"]),
        (["trainer.adam_beta2=0.999"], ["trainer.adam_beta2=0.99"]),
        # TRL's default, and not ours
        (["sampler=vllm"], ["sampler=vllm", "trainer.vllm_importance_sampling_correction=true"]),
        ([], ["trainer.use_bias_correction_kl=true"]),
        (
            ["algorithm=cispo", "algorithm.epsilon_high=null"],
            ["algorithm=cispo", "algorithm.epsilon_high=null", "algorithm.epsilon=0.3"],
        ),
        (["lora.target_modules=[q_proj,v_proj]"], ["lora.target_modules=[q_proj]"]),
        (["schedule.stretch=2"], ["schedule.stretch=1"]),
        (["schedule=constant", "schedule.stretch=2"], ["schedule=constant", "schedule.stretch=1"]),  # its warm-up
    ],
)
def test_what_means_another_thing_has_another_digest(one: list[str], other: list[str]) -> None:
    first, second = gate.check(one, False), gate.check(other, False)
    assert not first.problems + second.problems
    assert first.arms[0].digest != second.arms[0].digest


def test_a_field_of_trl_at_what_it_has_anyway_is_no_other_run(tmp_path: Path) -> None:
    """What a field has is what the trainer is given, whether TRL or this suite decides it."""
    from tina.trainer import grpo_config

    config = quickstart()
    given, checked = grpo_config(configs.to_typed(config), tmp_path), 0
    for name, value in trainer_fields.defaults().items():
        if trainer_fields.problem(name) is None and getattr(given, name) == value:
            assert digest(with_leaf(config, "trainer", {name: value})) == digest(config), name
            checked += 1
    assert checked > 80 and trainer_fields.OURS.items() <= trainer_fields.defaults().items()
    for name, value in trainer_fields.OURS.items():
        assert getattr(given, name) == value, name


GOLDEN = Path(__file__).parent / "digests.jsonl"


def test_runs_that_were_finished_keep_their_digests() -> None:
    """Whole resolved configurations, as run folders hold them: a later key or version of the code voids none."""
    lines = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    assert len(lines) == 12
    for line in lines:
        assert digest(asdict(configs.to_typed(line["config"]))) == line["digest"], line["name"]


@pytest.mark.parametrize(
    "name",
    ["seed", "lora.rank", "schedule.learning_rate", "algorithm.beta", "reward.rewards.accuracy.weight", "grading.mode",
     "hardware.processes", "rollout.temperature", "dataset.size"],
)  # fmt: skip
def test_what_makes_an_experiment_counts(name: str) -> None:
    assert identity.is_identity(name)


@pytest.mark.parametrize("name", ["study", "paths.outputs", "tracking.mode", "hardware.usd_per_hour", "selection.rule"])
def test_what_does_not_change_training_does_not_count(name: str) -> None:
    assert not identity.is_identity(name)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=open_rs2", "schedule.stretch=1,2,4"], "schedule.stretch changes nothing that runs, because of "
         "schedule.horizon_steps=1500"),
        (["lora=full", "lora.rank=4,8"], "lora.rank changes nothing that runs, because of lora.method=full"),
        (["lora.alpha=64", "lora.alpha_ratio=1,2"], "because of lora.alpha=64"),
        (["algorithm.epsilon=0.1,0.2"], "because of algorithm.num_iterations=1"),
        (["schedule.kind=constant", "schedule.warmup_ratio=0,0.1"], "because of schedule.kind=constant"),
        (["dataset.hub_id=a/b"], "dataset.hub_id changes nothing that runs, because of dataset.generator=arithmetic"),
        (["algorithm=cispo", "algorithm.epsilon=0.1,0.2"], "because of algorithm.loss_type=cispo"),
        (["algorithm=cispo", "algorithm.epsilon_high=5,6"], "because of algorithm.num_iterations=1"),
        (["algorithm=cispo", "algorithm.delta=2"], "because of algorithm.loss_type=cispo"),
        (["model.revision=main"], "because of model.path=embedded:d"),
        (["experiment=open_rs1", "dataset.generator_options={terms:[2,3]}"], "because of dataset.generator=null"),
        (["hardware.threads=1,2"], "hardware.threads=2 and hardware.threads=1 are the same run"),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_refused_with_what_pins_it(overrides: list[str], words: str) -> None:
    multirun = any("," in override for override in overrides)
    assert words in "\n".join(gate.check(overrides, multirun).problems)


def test_an_axis_that_counts_in_one_arm_only_passes() -> None:
    assert not gate.check(["lora=tina,full", "lora.rank=8"], True).problems
    assert len(gate.check(["+sweeps=stretch"], True).arms) == 3


def test_a_rule_that_stops_a_run_counts_and_only_then() -> None:
    config = quickstart()
    stopped = with_leaf(config, "selection.stop", "after_transition")
    assert digest(with_leaf(config, "selection.stop_after_steps", 7)) == digest(config)
    assert digest(stopped) != digest(config)
    assert digest(with_leaf(stopped, "selection.stop_after_steps", 7)) != digest(stopped)


def test_a_moved_model_is_the_same_run_and_an_edited_one_is_not(tmp_path) -> None:
    config = quickstart()
    copied = tmp_path / "copy"
    shutil.copytree(files.local_path("embedded:d"), copied)
    moved = with_leaf(config, "model.path", str(copied))
    assert digest(moved) == digest(config)
    (copied / "generation_config.json").write_text("{}")
    assert digest(moved) != digest(config)


def test_the_same_run_by_another_way_has_the_same_digest() -> None:
    by_group = gate.check(["lora=tina", "algorithm=grpo"], False).arms[0]
    by_sweep = gate.check(["seed=42,43"], True).arms[0]
    assert by_group.digest == by_sweep.digest == gate.check([], False).arms[0].digest


def test_the_typed_configuration_has_the_digest_that_the_gate_announced() -> None:
    arm = gate.check(["lora.rank=8"], False).arms[0]
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(configs.CONF), version_base="1.3"):
        composed = compose("train", ["lora.rank=8"])
    assert digest(configs.typed_values(composed)) == arm.digest
