"""What vLLM and the adapter alone bring: python benchmarks/sampler.py [sync] [step] [batching]      (needs vLLM)

All on the CPU, in float32, on Qwen2 models with random weights, which end a completion at random and so give
completions of many lengths, as reasoning models do.

sync      one update sent to the engine, adapter against merged: seconds (median) and bytes, by rank, 107M parameters.
step      a GRPO step of train.py with sampler=vllm against sampler=transformers (TRL's own generate), same settings.
batching  tokens per second of the engine at 1, 16, 64 and 256 sequences.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from tina import configs, gate, policy
from tina.sampler import seam
from tina.sampler.completion import Sampling
from tina.sampler.settings import engine_settings
from tina.sampler.weights import merged_weights, save_adapter
from tina.schema import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
RANKS = (4, 8, 16, 32, 64)
LARGE = {"hidden_size": 768, "num_hidden_layers": 17, "intermediate_size": 2048, "num_attention_heads": 12}
SMALL = {"hidden_size": 256, "num_hidden_layers": 6, "intermediate_size": 768, "num_attention_heads": 4}


def random_model(folder: Path, shape: dict[str, int]) -> Path:
    """A Qwen2 with heads of 64 and the embedded tokenizer."""
    tokenizer = policy.load_tokenizer(composed().model)
    config = Qwen2Config(
        **shape,
        num_key_value_heads=shape["num_attention_heads"] // 2,
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"model: {sum(p.numel() for p in model.parameters()) / 1e6:.0f}M parameters")
    return folder


def composed(*overrides: str) -> TrainConfig:
    configs.register()
    grid = gate.check(overrides, False)
    assert not grid.problems, grid.problems
    return grid.arms[0].typed


def on(folder: Path, *overrides: str) -> list[str]:
    return [f"model.path={folder}", "model.max_context_tokens=4096", *overrides]


def median_seconds(function: Callable[[], object], times: int = 5) -> float:
    function()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def engine_of(config: TrainConfig, sequences: int = 64, context: int = 256) -> seam.Engine:
    return seam.Engine(engine_settings(config.model, config.sampler, config.lora, context, sequences, 1, "cpu"))


def sync(folder: Path) -> None:
    model = random_model(folder, LARGE)
    merged = composed(*on(model, "sampler=vllm_merged"))
    base = policy.load_policy(merged.model, merged.lora, "cpu", 1)
    engine = engine_of(merged)
    merged_s = median_seconds(lambda: engine.serve_weights(merged_weights(base)), 3)
    merged_bytes = sum(value.nbytes for _, value in merged_weights(base))
    print(f"merged           {merged_s * 1e3:8.0f} ms {merged_bytes / 1e6:8.1f} MB")
    for rank in RANKS:
        config = composed(*on(model, "sampler=vllm", f"lora.rank={rank}"))
        adapted = policy.load_policy(config.model, config.lora, "cpu", 1)
        engine = engine_of(config)

        def send(adapted=adapted, engine=engine) -> None:
            save_adapter(adapted, engine.folder, torch.float32)
            engine.serve_adapter(engine.folder)

        seconds = median_seconds(send)
        sent = sum(path.stat().st_size for path in engine.folder.iterdir())
        print(
            f"adapter rank {rank:3} {seconds * 1e3:8.0f} ms {sent / 1e6:8.1f} MB: {merged_s / seconds:6.1f} times less "
            f"time, {merged_bytes / sent:6.1f} times fewer bytes",
            flush=True,
        )


def step(folder: Path) -> None:
    model = random_model(folder, SMALL)
    taken = {}
    for sampler in ("transformers", "vllm"):
        with tempfile.TemporaryDirectory() as outputs:
            settings = ["schedule.max_steps=3", "schedule.save_every=3", "length.max_completion_tokens=256"]
            settings += [
                "batch.completions_per_step=32",
                "batch.completions_per_forward=32",
                "benchmarks=none",
                "selection=last",
                "algorithm.beta=0",
            ]
            command = [
                sys.executable,
                "train.py",
                *on(model, *settings),
                f"sampler={sampler}",
                f"paths.outputs={outputs}",
            ]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            (state,) = Path(outputs).rglob("trainer_state.json")
            rows = [row for row in json.loads(state.read_text(encoding="utf-8"))["log_history"] if "reward" in row]
        taken[sampler] = statistics.median(row["step_time"] for row in rows[1:])
        tokens = statistics.fmean(row["completions/mean_length"] for row in rows)
        print(f"{sampler:13} {taken[sampler]:6.2f} s a step, completions of {tokens:.0f} tokens on average", flush=True)
    print(f"a step with sampler=vllm is {taken['transformers'] / taken['vllm']:.2f} times as fast")


def batching(folder: Path) -> None:
    config = composed(*on(random_model(folder, SMALL), "sampler=vllm"))
    engine = engine_of(config, sequences=256)
    save_adapter(policy.load_policy(config.model, config.lora, "cpu", 1), engine.folder, torch.float32)
    engine.serve_adapter(engine.folder)
    prompt = policy.load_tokenizer(config.model)("Compute 3+5-2+7")["input_ids"]
    rates = {}
    for sequences in (1, 16, 64, 256):
        engine.generate([prompt] * sequences, Sampling(1.0, 1.0, 4))
        start = time.perf_counter()
        found = engine.generate([prompt] * sequences, Sampling(1.0, 1.0, 128), ignore_eos=True)
        rates[sequences] = sum(c.tokens for c in found) / (time.perf_counter() - start)
        print(f"{sequences:4} sequences {rates[sequences]:8.0f} tokens/s", flush=True)
    print(f"256 sequences at once are {rates[256] / rates[1]:.1f} times as fast as one")


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    parts = {"sync": sync, "step": step, "batching": batching}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder) / "model")


if __name__ == "__main__":
    main()
