"""d. The engine at the paper's shape, eager: how far it is from the trainer in each dtype, syncs, tokens a second."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel

from benchmarks.gpu_checks.models import paper_step
from benchmarks.gpu_checks.report import Report, Scale, need_bfloat16, need_memory, need_vllm, synchronize
from tina import policy
from tina.cost import shape_of
from tina.cost.flops import Lengths
from tina.cost.forecast import GPUS, sampling_seconds
from tina.sampler import fidelity as compare
from tina.sampler import seam
from tina.sampler.completion import Completion, Sampling
from tina.sampler.settings import engine_settings
from tina.sampler.weights import merged_weights, save_adapter
from tina.schema import TrainConfig

B_STD = 0.003
"""Of the adapters' random B: it moves log-probs by tenths of a nat, as a few hundred steps of training do."""
SEQUENCES = 48


def _settings(scale: Scale, dtype: str, *more: str) -> TrainConfig:
    # vLLM's kernels for adapters on a GPU know no float32: there the merged weights are sent.
    sampler = "vllm_merged" if dtype == "float32" and not scale.smoke else "vllm"
    eager = [f"sampler={sampler}", "sampler.eager=true", f"model.dtype={dtype}", "sampler.gpu_memory_utilization=0.3"]
    return paper_step(scale, *eager, "lora.dropout=0", *more)


def _start(config: TrainConfig, context: int, sequences: int, adapters: int = 1) -> seam.Engine:
    device = config.hardware.device
    return seam.Engine(
        engine_settings(config.model, config.sampler, config.lora, context, sequences, 1, device, adapters=adapters)
    )


def _disturbed(config: TrainConfig, scale: Scale, seed: int = 0) -> PeftModel:
    """The policy with a random adapter, so that one that is not applied is seen."""
    model = policy.load_policy(config.model, config.lora, scale.device, 1).eval()
    generator = torch.Generator(device=scale.device).manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, B_STD, generator=generator)
    return model


def fidelity(report: Report, scale: Scale, dtype: str) -> None:
    """The same tokens' log-probs by the engine and by transformers, with the adapter and against the bare base."""
    need_vllm()
    need_memory(scale, 40 if dtype == "float32" else 24)
    if dtype == "bfloat16":
        need_bfloat16(scale)
    config, tokens = _settings(scale, dtype), 24 if scale.smoke else 256
    engine = _start(config, 512, 8)
    model = _disturbed(config, scale)
    if config.sampler.sync == "merged":
        engine.serve_weights(merged_weights(model))
    else:
        save_adapter(model, engine.folder, getattr(torch, dtype))
        engine.serve_adapter(engine.folder)
    prompt = list(range(20, 84))
    completions = engine.generate([prompt] * 8, Sampling(1.0, 1.0, tokens), seeds=range(8))
    with_adapter = _compared(model, prompt, completions)
    with model.disable_adapter():
        without = _compared(model, prompt, completions)
    mean = with_adapter["fidelity/logprob_diff_mean"]
    report.figure("difference of log-probs, mean", float(f"{mean:.3g}"), "nats")
    report.figure("difference of log-probs, largest", float(f"{with_adapter['fidelity/logprob_diff_max']:.3g}"), "nats")
    report.figure("KL(sampler, trainer)", float(f"{with_adapter['fidelity/kl']:.3g}"), "nats")
    report.figure("the adapter's own effect, mean", float(f"{without['fidelity/logprob_diff_mean']:.3g}"), "nats")
    report.check(
        "the adapter that samples is the one that was sent",
        mean < without["fidelity/logprob_diff_mean"] / 3,
        f"{mean:.3g} with it, {without['fidelity/logprob_diff_mean']:.3g} against the base",
    )


def _compared(model: torch.nn.Module, prompt: list[int], completions: list[Completion]) -> dict[str, float]:
    parts = []
    for completion in completions:
        ids = torch.tensor([[*prompt, *completion.token_ids]], device=model.device)
        with torch.no_grad():
            scores = model(ids).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
        trainer = scores.gather(1, ids[0, len(prompt) :, None])[None, :, 0].cpu()
        sampler = torch.tensor([completion.logprobs])
        parts.append(compare.sums(sampler, trainer, torch.ones_like(sampler)))
    return compare.metrics(torch.stack(parts))


def throughput(report: Report, scale: Scale) -> None:
    """Milliseconds of an adapter's sync, and tokens a second with 1 and 4 adapters x 48 sequences."""
    need_vllm()
    need_bfloat16(scale)
    need_memory(scale, 40)
    per_adapter, tokens = (4, 16) if scale.smoke else (SEQUENCES, 256)
    config = _settings(scale, "float32" if scale.smoke else "bfloat16")
    folders = []
    for number in range(4):
        folders.append(scale.scratch / f"adapter{number}")
        model = _disturbed(config, scale, number)
        save_adapter(model, folders[-1], getattr(torch, config.model.dtype))
    engine = _start(config, 1024, 4 * per_adapter, adapters=6)
    send = _median(partial(_send, model, engine, getattr(torch, config.model.dtype)))
    report.figure("adapter sync", round(1000 * send, 1), "ms")
    del model
    for count in (1, 4):
        seconds, made = _decode(engine, folders[:count], per_adapter, tokens)
        report.figure(f"tokens a second, {count} x {per_adapter} sequences", round(made / seconds))
        report.figure(f"a token's step, {count} x {per_adapter} sequences", round(1000 * seconds / tokens, 2), "ms")
        if scale.known_card:
            floor = _floor(config, scale, count * per_adapter, tokens)
            report.figure(
                f"share of the decode roofline, {count} x {per_adapter} sequences, eager", round(floor / seconds, 3)
            )


def _send(model: PeftModel, engine: seam.Engine, dtype: torch.dtype) -> None:
    save_adapter(model, engine.folder, dtype)
    engine.serve_adapter(engine.folder)


def _decode(engine: seam.Engine, folders: list[Path], each: int, tokens: int) -> tuple[float, int]:
    """Seconds, and tokens made: `each` completions of exactly `tokens` tokens by each adapter, all at once."""
    prompt = list(range(20, 120))
    asked = [folder for folder in folders for _ in range(each)]

    def sample(length: int) -> list[Completion]:
        return engine.generate(
            [prompt] * len(asked), Sampling(1.0, 1.0, length), range(len(asked)), asked, ignore_eos=True
        )

    sample(8)
    synchronize()
    began = time.perf_counter()
    found = sample(tokens)
    synchronize()
    return time.perf_counter() - began, sum(completion.tokens for completion in found)


def _floor(config: TrainConfig, scale: Scale, sequences: int, tokens: int) -> float:
    """Seconds at the data sheet's speed."""
    config.batch.completions_per_step = sequences
    return sampling_seconds(config, shape_of(config.model), GPUS[scale.hardware], Lengths(100, tokens, tokens), 1)


def _median(work: Callable[[], None], times: int = 5) -> float:
    work()
    taken = []
    for _ in range(times):
        synchronize()
        began = time.perf_counter()
        work()
        synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
