"""A model of the paper's shape with random weights, and configurations that train it."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from benchmarks.gpu_checks.report import Scale
from tina import configs, gate
from tina.schema import TrainConfig
from tina.tiny import folder as embedded

PAPER = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
}
"""DeepSeek-R1-Distill-Qwen-1.5B."""
SMALL = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 2048,
}
CONTEXT = 131_072


def random_model(scale: Scale) -> Path:
    """The folder of the model; made by whichever section comes first.

    Its tokenizer is the embedded one, filled up to the vocabulary with words that no text is encoded to, so that every
    sampled token can be decoded.
    """
    folder = scale.scratch / "random_model"
    if folder.exists():
        return folder
    draft = scale.scratch / f"random_model.{os.getpid()}"
    shape = SMALL if scale.smoke else PAPER
    torch.manual_seed(0)
    with scale.device:
        config = Qwen2Config(
            **shape,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=False,
            eos_token_id=2,
            pad_token_id=0,
            dtype=torch.bfloat16,
        )
        model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(draft)
    _fill_tokenizer(embedded("d"), draft, shape["vocab_size"])
    with contextlib.suppress(OSError):  # another section was quicker
        draft.rename(folder)
    return folder


def _fill_tokenizer(source: Path, folder: Path, vocabulary: int) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(source / name, folder / name)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    used = set(words.values()) | {token["id"] for token in tokenizer["added_tokens"]}
    words |= {f"Ġw{number}": number for number in range(vocabulary) if number not in used}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")) | {
        "model_max_length": CONTEXT
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    made = AutoTokenizer.from_pretrained(folder)
    assert (made.eos_token_id, made.pad_token_id, len(made)) == (2, 0, vocabulary)


def composed(*overrides: str) -> TrainConfig:
    """The configuration of a command line. Raises ValueError for what the gate refuses."""
    configs.register()
    grid = gate.check(overrides, False)
    if grid.problems:
        raise ValueError("\n".join(grid.problems))
    return grid.arms[0].typed


def paper_step(scale: Scale, *more: str, steps: int = 3) -> TrainConfig:
    """Open-RS2's batch, adapter and lengths on the random model.

    Random weights earn neither accuracy nor format: the cosine reward of the completion's length, no warm-up and a
    large learning rate give an adapter that changes at each step.
    """
    settings = [
        "experiment=open_rs2",
        f"hardware={scale.hardware}",
        "model.name=random",
        f"model.path={random_model(scale)}",
        f"model.max_context_tokens={CONTEXT}",
        "dataset=arithmetic",
        "prompt=plain",
        "reward=format_cosine",
        f"schedule.max_steps={steps}",
        f"schedule.save_every={steps}",
        "schedule.warmup_ratio=0",
        "schedule.learning_rate=1e-4",
        f"length.max_completion_tokens={scale.cap}",
        f"length.expected_tokens={scale.cap}",
        "benchmarks=none",
        "selection=last",
        f"paths.outputs={scale.scratch / 'outputs'}",
    ]
    if scale.smoke:
        settings += [
            "model.dtype=float32",
            "hardware.gradient_checkpointing=true",
            "batch.completions_per_step=12",
            "sampler.cpu_kv_cache_gib=0.1",
        ]
    given = {setting.split("=")[0] for setting in more}
    return composed(*(one for one in settings if one.split("=")[0] not in given), *more)
