"""What to run first on a machine with a GPU: python -m pytest tests/gpu      (skipped, with the reason, elsewhere).

In bfloat16 vLLM's kernels and transformers' round differently; a stale or a missing adapter is an order of magnitude
further off, and that is what the bounds tell apart. `benchmarks/gpu.py --smoke` runs on a CPU what a CPU can.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from tests.test_trainer import composed
from tina import policy
from tina.sampler import seam
from tina.sampler.completion import Completion, Sampling
from tina.sampler.installed import vllm_problem
from tina.sampler.settings import engine_settings
from tina.sampler.weights import save_adapter

ON_CPU = bool(os.environ.get("TINA_GPU_TESTS_ON_CPU"))
DEVICE = "cpu" if ON_CPU else "cuda"
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not ON_CPU and not torch.cuda.is_available(), reason="no GPU here: these are the checks of one"),
    pytest.mark.skipif(vllm_problem() is not None, reason=str(vllm_problem())),
]
needs_gpu = pytest.mark.skipif(ON_CPU, reason="a CPU has no memory of its own to give back")

ROUNDING = 0.05
"""Mean difference of log-probs (nats) that two programs in bfloat16 may have."""
SPARE = 0.05
"""Share of the GPU's memory that CUDA's context and vLLM's kernels may take beside what the engine was given."""
PROMPT = "Compute 3+5-2+7"


@pytest.fixture(scope="module")
def engine() -> Iterator[seam.Engine]:
    """In bfloat16, a tenth of the memory, sleep mode on."""
    config = composed("sampler=vllm", "model.dtype=bfloat16", "sampler.gpu_memory_utilization=0.1", "lora.rank=16")
    config.sampler.sleep = not ON_CPU
    config.sampler.cpu_kv_cache_gib = 0.1
    # One slot more than the three adapters of these tests: with all of them taken, vLLM 0.25 may move slots under
    # running requests, and on a CPU it computes the base with the last one.
    yield seam.Engine(engine_settings(config.model, config.sampler, config.lora, 96, 8, 1, DEVICE, adapters=4))
    torch.cuda.empty_cache()


def adapted(scale: float) -> PeftModel:
    """The embedded model in bfloat16 with an adapter of rank 16 whose B is random, N(0, scale^2)."""
    config = composed("sampler=vllm", "model.dtype=bfloat16", "lora.rank=16")
    model = policy.load_policy(config.model, config.lora, DEVICE, 1).eval()
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=scale)
    return model


def sampled(engine: seam.Engine) -> tuple[list[int], list[Completion]]:
    tokenizer = policy.load_tokenizer(composed().model)
    prompt = tokenizer(PROMPT)["input_ids"]
    return prompt, engine.generate([prompt] * 8, Sampling(1.0, 1.0, 32), seeds=range(8))


def mean_difference(model: torch.nn.Module, prompt: list[int], completions: list[Completion]) -> float:
    """Mean |log-prob by transformers - log-prob by vLLM| of the sampled tokens, in nats."""
    differences = []
    for completion in completions:
        ids = torch.tensor([[*prompt, *completion.token_ids]], device=DEVICE)
        with torch.no_grad():
            scores = model(ids).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
        expected = scores[torch.arange(completion.tokens), list(completion.token_ids)].cpu()
        differences.append((expected - torch.tensor(completion.logprobs)).abs())
    return torch.cat(differences).mean().item()


def serve(engine: seam.Engine, model: PeftModel) -> None:
    save_adapter(model, engine.folder, torch.bfloat16)
    engine.serve_adapter(engine.folder)


def test_an_adapter_that_is_loaded_in_place_is_the_one_that_samples(engine: seam.Engine) -> None:
    first, second = adapted(0.05), adapted(0.2)
    for model, other in ((first, second), (second, first), (first, second)):
        serve(engine, model)
        prompt, completions = sampled(engine)
        agreed = mean_difference(model, prompt, completions)
        assert agreed < ROUNDING
        assert mean_difference(other, prompt, completions) > 4 * agreed


def test_without_an_adapter_the_base_samples(engine: seam.Engine) -> None:
    model = adapted(0.2)
    serve(engine, model)
    engine.serve_adapter(None)
    with model.disable_adapter():
        assert mean_difference(model, *sampled(engine)) < ROUNDING


def test_two_checkpoints_and_the_base_sample_at_once(engine: seam.Engine, tmp_path: Path) -> None:
    models = {name: adapted(scale) for name, scale in (("a", 0.05), ("b", 0.2))}
    for name, model in models.items():
        save_adapter(model, tmp_path / name, torch.bfloat16)
    prompt = policy.load_tokenizer(composed().model)(PROMPT)["input_ids"]
    folders = [tmp_path / "a", tmp_path / "b", None] * 8
    completions = engine.generate([prompt] * 24, Sampling(1.0, 1.0, 32), range(24), folders)
    for place, model in enumerate(models.values()):
        assert mean_difference(model, prompt, completions[place::3]) < ROUNDING
    with models["b"].disable_adapter():
        assert mean_difference(models["b"], prompt, completions[2::3]) < ROUNDING


@needs_gpu
def test_sleep_gives_memory_back_and_the_adapter_still_samples_after_it(engine: seam.Engine) -> None:
    model = adapted(0.2)
    serve(engine, model)
    engine.wake()
    awake, total = torch.cuda.mem_get_info()
    engine.sleep()
    asleep, _ = torch.cuda.mem_get_info()
    assert asleep - awake > 0.05 * total  # of the tenth that it was given
    assert mean_difference(model, *sampled(engine)) < ROUNDING


@needs_gpu
def test_the_engine_stays_within_the_memory_that_it_was_given(engine: seam.Engine) -> None:
    sampled(engine)  # it sleeps again after it
    torch.cuda.empty_cache()
    asleep, total = torch.cuda.mem_get_info()
    engine.wake()
    awake, _ = torch.cuda.mem_get_info()
    assert asleep - awake < (engine.sampler.gpu_memory_utilization + SPARE) * total
