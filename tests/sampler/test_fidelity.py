"""Log-probs held against each other, and updates as they are served: without an engine."""

import math

import pytest
import torch

from tests.test_trainer import composed
from tina import policy
from tina.sampler import fidelity
from tina.sampler.weights import merged_weights, save_adapter


def adapted(dtype: str = "float32", scale: float = 0.02, *overrides: str):
    """The embedded model with an adapter of rank 4 whose B is drawn, not zero."""
    config = composed("lora.rank=4", f"model.dtype={dtype}", *overrides)
    model = policy.load_policy(config.model, config.lora, "cpu", seed=1)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, scale, generator=generator)
    return model


def test_metrics_over_tokens_and_processes() -> None:
    sampler = torch.tensor([[-1.0, -2.0, float("nan"), -9.0]])
    trainer = torch.tensor([[-1.5, -1.0, -3.0, -1.0]])
    mask = torch.tensor([[1, 1, 1, 0]])  # differences -0.5 and 1.0; one token unknown, one padding
    one = fidelity.sums(sampler, trainer, mask)
    other = fidelity.sums(torch.tensor([[-1.0]]), torch.tensor([[-1.0]]), torch.tensor([[1]]))
    found = fidelity.metrics(torch.stack([one, other]))
    ratios = [math.exp(-0.5), math.e, 1.0]
    assert found["fidelity/logprob_diff_mean"] == pytest.approx(0.5)
    assert found["fidelity/logprob_diff_max"] == 1.0
    assert found["fidelity/kl"] == pytest.approx((ratios[0] - 1 + 0.5 + ratios[1] - 1 - 1.0) / 3)
    assert found["fidelity/ratio_mean"] == pytest.approx(sum(ratios) / 3)
    assert (found["fidelity/ratio_min"], found["fidelity/ratio_max"]) == pytest.approx((ratios[0], ratios[1]))


def test_no_token_to_compare_gives_no_metric() -> None:
    nothing = fidelity.sums(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    assert fidelity.metrics(nothing[None]) == {}


def test_one_process_without_tokens_does_not_spoil_the_others() -> None:
    nothing = fidelity.sums(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    one = fidelity.sums(torch.tensor([[-1.0]]), torch.tensor([[-2.0]]), torch.tensor([[1]]))
    found = fidelity.metrics(torch.stack([nothing, one]))
    assert found["fidelity/logprob_diff_max"] == found["fidelity/logprob_diff_mean"] == 1.0
    assert found["fidelity/ratio_min"] == found["fidelity/ratio_max"] == pytest.approx(math.exp(-1))


def test_an_adapter_is_served_as_it_is_meant_and_leaves_the_base_alone(tmp_path) -> None:
    model = adapted("bfloat16")
    watch = fidelity.UpdateWatch(model)
    assert watch.cosine_of_adapter(save_adapter(model, tmp_path, torch.float32)) == pytest.approx(1.0, abs=1e-9)
    assert watch.cosine_of_adapter(save_adapter(model, tmp_path, torch.bfloat16)) > 0.9999
    assert watch.drift() == 0.0


def test_merging_small_updates_in_bfloat16_loses_them_and_moves_the_base() -> None:
    found = {}
    for dtype in ("float32", "bfloat16"):
        model = adapted(dtype, scale=1e-5)
        watch = fidelity.UpdateWatch(model)
        found[dtype] = watch.cosine_of_merged(dict(merged_weights(model))), watch.drift()
    assert found["float32"][0] > 0.9999
    assert found["bfloat16"][0] < 0.9
    strong = adapted("bfloat16", scale=0.05)
    watch = fidelity.UpdateWatch(strong)
    for _ in range(5):
        list(merged_weights(strong))
    assert watch.drift() > 1e-4


def test_nothing_is_meant_at_the_start() -> None:
    model = adapted(scale=0.0)
    assert fidelity.UpdateWatch(model).cosine_of_merged(dict(merged_weights(model))) is None


def test_merged_weights_are_those_of_the_merged_model_and_of_the_base_without_adapter() -> None:
    model = adapted()
    base = {name: p.detach().clone() for name, p in merged_weights(policy.load_base(composed().model, "cpu"))}
    with model.disable_adapter():
        alone = dict(merged_weights(model))
    merged = dict(merged_weights(model))
    assert set(alone) == set(merged) == set(base)
    assert all(torch.equal(alone[name], base[name]) for name in base)
    expected = dict(model.merge_and_unload().named_parameters())
    assert all(torch.equal(merged[name], expected[name]) for name in expected)
    assert not torch.equal(merged["model.layers.0.mlp.up_proj.weight"], base["model.layers.0.mlp.up_proj.weight"])
