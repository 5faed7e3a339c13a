"""What the gate refuses about samplers, and the way out that it names."""

import pytest

from tina import configs, gate
from tina.sampler.rules import MOST_SERVED_RANK
from tina.sampler.weights import SERVED_RANKS

configs.register()


def told(*overrides: str) -> str:
    return "\n".join(gate.check(overrides, False).problems)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["sampler=vllm", "lora=dora"], "take sampler=vllm_merged"),
        (["sampler=vllm", "lora=full"], "take sampler=vllm_merged"),
        (["sampler=vllm", "lora.rank=513"], "more than the 512"),
        (["sampler=vllm", "hardware=l40s"], "on a GPU in bfloat16 or float16 only"),
        (["sampler=vllm_server", "hardware=l40s"], "on a GPU in bfloat16 or float16 only"),
        (
            ["sampler=vllm", "hardware=l40s", "model.dtype=bfloat16", "sampler.dtype=float32"],
            "take sampler=vllm_merged",
        ),
        (["sampler=vllm", "sampler.sync=merge"], "sampler.sync=merge is not known: it takes adapter, merged"),
        (["sampler=vllm", "sampler.dtype=fp8"], "sampler.dtype=fp8 is not known"),
        (["sampler.sync=merged"], "sampler.sync=merged is a setting of vLLM"),
        (["sampler=vllm_server", "sampler.sync=merged"], "a server is sent adapters alone; take sampler=vllm_merged"),
        (["sampler=vllm_server", "lora=dora"], "take sampler=vllm_merged"),
        (["sampler=vllm_server", "lora=full"], "take sampler=vllm_merged"),
        (["sampler=vllm_server", "hardware=l40s", "sampler.sleep=true"], "not for a server: leave it false"),
        (["sampler=vllm_server", "sampler.url=localhost"], "sampler.url=localhost is no address"),
        (["sampler=vllm_server", "sampler.wait_s=-1"], "sampler.wait_s=-1"),
        (["sampler=vllm", "sampler.adapters=0"], "sampler.adapters=0 must be greater than 0"),
        (["sampler=vllm_server", "sampler.wait_s=1800"], "hardware.step_timeout_s=3600"),
        (["sampler=vllm", "sampler.url=http://node7:8000"], "is a setting of sampler=vllm_server"),
        (["sampler.adapters=2"], "sampler.adapters=2 is a setting of vLLM"),
        (
            ["sampler=vllm", "sampler.gpu_memory_utilization=40"],
            "sampler.gpu_memory_utilization=40.0 must be at most 1",
        ),
        (["sampler=vllm", "sampler.gpu_memory_utilization=0"], "sampler.gpu_memory_utilization=0.0 must be greater"),
        (["sampler=vllm", "sampler.sleep=true"], "sampler.sleep gives a GPU's memory back"),
        (
            ["sampler=vllm", "sampler.tensor_parallel=2", "hardware.processes=2"],
            "set benchmarks=none and evaluate it with evaluate.py",
        ),
        (["sampler=vllm", "sampler.tensor_parallel=2"], "does not divide hardware.processes=1"),
        (["sampler=vllm", "length.context_tokens=100"], "do not fit the sampler's context of 100"),
        (["sampler=vllm", "trainer.vllm_enable_sleep_mode=true"], "is set by this suite from sampler.sleep"),
        (["sampler=vllm", "trainer.vllm_model_impl=auto"], "has no effect"),
        (["trainer.vllm_importance_sampling_correction=true"], "take sampler=vllm, or leave it out"),
        (
            ["sampler=vllm", "lora.dropout=0.05", "trainer.vllm_importance_sampling_correction=true"],
            "set lora.dropout=0, or leave the correction out",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(overrides: list[str], words: str) -> None:
    assert words in told(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["sampler=vllm"],
        ["sampler=vllm", "lora=rslora"],
        ["sampler=vllm_server", "sampler.tensor_parallel=2", "sampler.url=http://node7:8000"],
        ["sampler=vllm", "sampler.tensor_parallel=2", "hardware.processes=2", "benchmarks=none", "selection=last"],
        ["sampler=vllm_server", "sampler.wait_s=7200", "hardware.step_timeout_s=null"],
        ["sampler=vllm_merged", "lora=dora"],
        ["sampler=vllm", "sampler.sync=merged", "lora=full"],
        ["sampler=vllm", "trainer.vllm_importance_sampling_correction=true"],
        ["sampler=vllm", "model.dtype=bfloat16", "hardware=l40s", "sampler.sleep=true", "sampler.eager=true"],
    ],
)
def test_what_works_passes(overrides: list[str]) -> None:
    assert told(*overrides) == ""


def test_the_gate_and_the_engine_agree_on_the_largest_rank() -> None:
    assert SERVED_RANKS[-1] == MOST_SERVED_RANK
