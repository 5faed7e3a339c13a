"""Rewards by name: what there is, what a typo gets, and what adding one takes."""

import math
from pathlib import Path

import pytest
import yaml

import tina.rewards
from tests.conftest import ROOT
from tina.errors import UserError
from tina.grading import Grade
from tina.rewards import RewardBatch, check_options, get_reward, reward_names

PRESETS = sorted((ROOT / "conf" / "reward").glob("*.yaml"))
PAPER = ["accuracy", "cosine", "format", "length", "reasoning_steps", "repetition_penalty", "tag_count"]


def preset(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def test_the_papers_rewards_are_there() -> None:
    assert set(PAPER) <= set(reward_names())


def test_a_typo_gets_the_nearest_names() -> None:
    with pytest.raises(UserError, match="no reward 'acuracy'; did you mean accuracy"):
        get_reward("acuracy")


def test_an_option_that_a_reward_does_not_take_is_refused() -> None:
    check_options("cosine", {"as_released": True, "max_length": 100})
    with pytest.raises(UserError, match="'cosine' has no option 'max_len'; it takes max_length"):
        check_options("cosine", {"max_len": 100})
    with pytest.raises(UserError, match="'accuracy' has no option 'as_released'"):
        check_options("accuracy", {"as_released": True})


def test_a_new_reward_is_one_function_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brevity.py").write_text(
        "from tina.rewards.registry import reward\n"
        "@reward('brevity')\n"
        "def brevity(batch, *, per_token=0.1):\n"
        "    return [-per_token * tokens for tokens in batch.completion_tokens]\n"
    )
    monkeypatch.setattr(tina.rewards, "__path__", [*tina.rewards.__path__, str(tmp_path)])
    monkeypatch.setattr(tina.rewards.registry, "_REWARDS", dict(tina.rewards.registry._REWARDS))
    assert "brevity" in reward_names()
    assert get_reward("brevity")(given(), per_token=1.0) == [-3.0]


def given() -> RewardBatch:
    return RewardBatch(["<think>\na\n</think>\nb"], [Grade("correct", "b", "equal")], [3], 10, 1, False)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_each_preset_names_known_rewards_and_options_and_gives_a_number(path: Path) -> None:
    content = preset(path)
    assert content["name"] == path.stem
    for name, term in content["rewards"].items():
        options = term.get("options", {})
        check_options(name, options)
        assert math.isfinite(get_reward(name)(given(), **options)[0]) and term["weight"]


def test_the_papers_presets() -> None:
    weights = {path.stem: {n: term["weight"] for n, term in preset(path)["rewards"].items()} for path in PRESETS}
    assert weights["accuracy_format"] == {"accuracy": 2.0, "format": 1.0}
    assert weights["accuracy_length"] == {"accuracy": 2.0, "length": 1.0}
    assert weights["format_cosine"] == {"format": 1.0, "cosine": 2.0}
    assert weights["seven"] == dict.fromkeys(weights["seven"], 1.0) and sorted(weights["seven"]) == PAPER
    for name in ("accuracy_format", "accuracy_length", "format_cosine", "seven"):
        assert weights[f"{name}_as_released"] == weights[name]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_as_released_has_all_its_rewards_in_the_released_form_and_the_others_none(path: Path) -> None:
    """Of accuracy that is the grading's mode; the repetition penalty has one form."""
    for name, term in preset(path)["rewards"].items():
        released = term.get("options", {}).get("as_released", False)
        assert released == (path.stem.endswith("as_released") and name not in ("accuracy", "repetition_penalty"))


def test_format_only_does_not_see_the_verdict_and_as_released_it_does() -> None:
    def rewards(name: str, verdict: str) -> list:
        texts = ["short\n</think>\n5", "much longer\n</think>\n5"]
        rows = RewardBatch(texts, [Grade(verdict, "5", "")] * 2, [5, 9], 10, 2, False)
        terms = preset(ROOT / "conf" / "reward" / f"{name}.yaml")["rewards"]
        return [get_reward(term)(rows, **content.get("options", {})) for term, content in terms.items()]

    assert rewards("format_only", "correct") == rewards("format_only", "wrong")
    assert rewards("format_only_as_released", "correct") != rewards("format_only_as_released", "wrong")
