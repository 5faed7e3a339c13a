"""b. The trainer alone, at the paper's shape: one micro-batch through reference, forward and backward."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.gpu_checks.models import paper_step
from benchmarks.gpu_checks.report import Report, Scale, gib, need_bfloat16, need_memory, peak_gib, synchronize
from tina import policy
from tina.cost import shape_of
from tina.cost.flops import Lengths, backward_flops, forward_flops
from tina.cost.forecast import GPUS
from tina.data.loading import load_problems
from tina.data.prompts import build_messages
from tina.schema import TrainConfig
from tina.trainer import StretchedTrainer, build_trainer, prompt_dataset

PROMPT_TOKENS = 128
COMPLETION_TOKENS = 3584
SMOKE_TOKENS = 48


def run(report: Report, scale: Scale) -> None:
    need_bfloat16(scale)
    need_memory(scale, 30)
    config = paper_step(scale, "sampler=transformers")
    trainer = _trainer(config, scale)
    tokens = SMOKE_TOKENS if scale.smoke else COMPLETION_TOKENS
    batch = _batch(trainer, config.batch.completions_per_forward, tokens, scale.device)
    if not scale.smoke:
        report.figure("weights and adapter", gib(torch.cuda.memory_allocated()), "GiB")
    ids, mask = (torch.cat([batch[f"prompt_{part}"], batch[f"completion_{part}"]], dim=1) for part in ("ids", "mask"))

    def reference() -> None:
        with torch.no_grad(), trainer.model.disable_adapter():
            batch["ref_per_token_logps"] = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, tokens)[
                0
            ]

    losses: list[torch.Tensor] = []

    def forward() -> None:
        losses[:] = [trainer._compute_loss(trainer.model, batch)]

    def backward() -> None:
        losses.pop().backward()

    seconds = {}
    for part in (reference, forward, backward):  # the first round warms up
        _timed(part)
    for part in (reference, forward, backward):
        seconds[part.__name__], peak = _timed(part)
        report.figure(part.__name__, round(seconds[part.__name__], 3), "s")
        if not scale.smoke:
            report.figure(f"{part.__name__}, peak memory", peak, "GiB")
    moved = [
        p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in trainer.model.parameters() if p.requires_grad
    ]
    report.check("every adapter weight has a finite gradient", all(moved), f"{sum(moved)} of {len(moved)}")
    report.figure("a step's 8 micro-batches", round(8 * sum(seconds.values()), 2), "s")
    if scale.known_card:
        share = _flops(config, len(ids), tokens) / GPUS[scale.hardware].flops / sum(seconds.values())
        report.figure("share of the data sheet's FLOP/s", round(share, 3))


def _trainer(config: TrainConfig, scale: Scale) -> StretchedTrainer:
    tokenizer = policy.load_tokenizer(config.model)
    model = policy.load_policy(config.model, config.lora, scale.device, config.seed)
    problems = load_problems(config.dataset).problems[:64]
    dataset = prompt_dataset(problems, lambda question: build_messages(question, config.prompt))
    rewards = [lambda completion_ids, **_: [0.0 for _ in completion_ids]] * len(config.reward.rewards)
    trainer = build_trainer(config, model, tokenizer, dataset, rewards, Path(config.paths.outputs) / "alone", [])
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    trainer.model.train()
    if config.hardware.gradient_checkpointing:
        trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    return trainer


def _batch(trainer: StretchedTrainer, rows: int, tokens: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Random prompts and completions of full length but for one row, as the trainer has them after sampling."""
    vocabulary = trainer.model.config.vocab_size
    generator = torch.Generator(device=device).manual_seed(0)

    def ids(length: int) -> torch.Tensor:
        return torch.randint(20, vocabulary, (rows, length), device=device, generator=generator)

    def mask(length: int) -> torch.Tensor:
        return torch.ones(rows, length, device=device, dtype=torch.long)

    batch = {
        "prompt_ids": ids(PROMPT_TOKENS),
        "prompt_mask": mask(PROMPT_TOKENS),
        "completion_ids": ids(tokens),
        "completion_mask": mask(tokens),
        "advantages": torch.linspace(-1, 1, rows, device=device),
        "num_items_in_batch": torch.tensor(rows * tokens, device=device),
    }
    # A step's rows are padded on both sides, and attention takes another kernel for them than without a mask.
    batch["prompt_mask"][0, :8] = 0
    batch["completion_mask"][0, -8:] = 0
    return batch


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and GiB at the peak."""
    synchronize()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began, peak_gib()


def _flops(config: TrainConfig, rows: int, tokens: int) -> float:
    """Of reference, forward, recomputation and backward of one micro-batch."""
    shape, lengths = shape_of(config.model), Lengths(PROMPT_TOKENS, tokens, tokens)
    length = lengths.prompt + lengths.completion
    work = {"tokens": rows * length, "pairs": rows * length**2 / 2, "logits": rows * tokens}
    once = forward_flops(shape, config.lora, **work)
    return 3 * once + backward_flops(shape, config.lora, **work, checkpointing=True)
