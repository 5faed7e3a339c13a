"""The names of TRL and vLLM that the suite leans on: an upgrade that moves one is told by name."""

import pytest

from tina.sampler import seam


def test_the_names_of_trl_are_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {module: names for module, names in seam.NAMES.items() if module.startswith("trl")}
    monkeypatch.setattr(seam, "NAMES", names)
    assert seam.moved_names() == []


@pytest.mark.vllm
def test_the_names_of_vllm_are_where_they_were() -> None:
    assert seam.moved_names() == []


def test_a_name_that_moved_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"trl.trainer.grpo_trainer": ("GRPOTrainer.gone",), "trl.nowhere": ("it",)}
    monkeypatch.setattr(seam, "NAMES", names)
    assert seam.moved_names() == ["trl.trainer.grpo_trainer.GRPOTrainer.gone", "trl.nowhere.it"]
