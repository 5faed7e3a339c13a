"""The digest: what counts, what does not, and that a run is found again."""

import copy
import shutil

import pytest

from tina import configs, gate, identity
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


def test_every_leaf_counts_unless_it_is_listed() -> None:
    config = with_leaf(quickstart(), "selection.stop", "after_transition")
    for name, _ in leaves(config):
        changed = digest(with_leaf(config, name, "something else")) != digest(config)
        assert changed == identity.is_identity(name), name


def test_the_list_names_only_what_exists() -> None:
    names = [name for name, _ in leaves(quickstart())]
    for listed in identity.NOT_IDENTITY:
        assert any(name == listed or name.startswith(listed + ".") for name in names), listed


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


def test_a_rule_that_stops_a_run_counts_and_only_then() -> None:
    config = quickstart()
    stopped = with_leaf(config, "selection.stop", "after_transition")
    assert digest(with_leaf(config, "selection.stop_after_steps", 7)) == digest(config)
    assert digest(stopped) != digest(config)
    assert digest(with_leaf(stopped, "selection.stop_after_steps", 7)) != digest(stopped)


def test_a_moved_model_is_the_same_run_and_an_edited_one_is_not(tmp_path) -> None:
    config = quickstart()
    copied = tmp_path / "copy"
    shutil.copytree(identity.local_path("embedded:d"), copied)
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
