"""The released forms, against what the released reward functions returned for 200 texts."""

import json

import pytest

from tests.conftest import ROOT
from tina.grading import Grade
from tina.rewards import RewardBatch, get_reward

RELEASED = ROOT.parent / "shared" / "grading" / "released_rewards.jsonl"
FORMS = {
    "format": ("format", {}),
    "tag_count": ("tag_count", {}),
    "reasoning_steps": ("reasoning_steps", {}),
    "length": ("length", {}),
    "cosine_3584": ("cosine", {"max_length": 3584}),
    "cosine_1000": ("cosine", {}),
    "repetition_penalty": ("repetition_penalty", None),
}


@pytest.mark.skipif(not RELEASED.is_file(), reason="the shared material is not here")
@pytest.mark.parametrize("column", FORMS)
def test_the_released_form_gives_what_the_released_function_gave(column: str) -> None:
    rows = [json.loads(line) for line in RELEASED.read_text().splitlines()]
    assert len(rows) == 200 and len({row["group"] for row in rows}) == 25
    batch = RewardBatch(
        completions=[row["completion"] for row in rows],
        grades=[Grade("correct" if row["correct"] else "wrong", None, "") for row in rows],
        completion_tokens=[1] * len(rows),
        max_completion_tokens=100,
        num_generations=8,
        prompt_opens_think=False,
    )
    name, options = FORMS[column]
    options = {} if options is None else options | {"as_released": True}
    assert get_reward(name)(batch, **options) == pytest.approx([row[column] for row in rows], abs=1e-9)
