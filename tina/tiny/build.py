"""Builds the embedded model from nothing: `python -m tina.tiny.build`, a minute or two.

A Qwen2 of half a million parameters is taught a mix of good and poor demonstrations of the arithmetic task (task.py),
next to what the larger base models of this suite have been through: it can do the task, and rarely shows it. The hidden
matrices are trained with Muon, everything else with AdamW. Left out: weight decay, dropout, evaluation on the way.
"""

import argparse
import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer, set_seed

from tina.errors import UserError
from tina.tiny import MIXES
from tina.tiny.muon import Muon
from tina.tiny.score import chat, score
from tina.tiny.task import MIX_SHARES, demonstration, draws
from tina.tiny.tokenizer import MAX_POSITIONS, train_tokenizer

TAUGHT_TERMS = (2, 5)
ROWS, ROW_TOKENS = 6, 256  # one batch: some 24 to 32 demonstrations, packed
STEPS, WARMUP_STEPS = 700, 20
MUON_LR, ADAMW_LR = 0.01, 3e-3
IGNORED = -100

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def demonstrations(mix: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """An endless stream of (question, answer) from the training split, in the shares of `mix`."""
    modes, shares = zip(*MIX_SHARES[mix].items(), strict=True)
    for problem in draws("train", rng, TAUGHT_TERMS):
        yield problem.question, demonstration(problem, rng.choices(modes, shares)[0], rng)


def make_tokenizer() -> Qwen2Tokenizer:
    """The tokenizer; the same one for every mix and seed, so that their models differ in weights alone."""
    stream = demonstrations("c", random.Random(0))
    texts = [text for pair in islice(stream, 4000) for text in pair]
    return train_tokenizer([*texts, *["system", "user", "assistant"] * 4000])


def make_model(tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    """An untrained model whose heads have the 64 dimensions that vLLM serves."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def batches(mix: str, tokenizer: Qwen2Tokenizer, rng: random.Random) -> Iterator[Batch]:
    """Endless batches of input_ids, labels (on the answers only) and position_ids, each (ROWS, ROW_TOKENS)."""
    stream = rows(mix, tokenizer, rng)
    while True:
        input_ids, labels, position_ids = (torch.tensor(column) for column in zip(*islice(stream, ROWS), strict=True))
        yield input_ids, labels, position_ids


def rows(mix: str, tokenizer: Qwen2Tokenizer, rng: random.Random) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """The same row by row: demonstrations one after the other, as many as fit.

    Positions start anew with each demonstration; from that the model makes the mask that keeps them apart.
    """
    input_ids, labels, position_ids = [], [], []
    for question, answer in demonstrations(mix, rng):
        prompt = tokenizer(chat(tokenizer, question)).input_ids
        taught = tokenizer(answer + tokenizer.eos_token).input_ids
        if len(input_ids) + len(prompt) + len(taught) > ROW_TOKENS:
            rest = ROW_TOKENS - len(input_ids)
            yield input_ids + [tokenizer.pad_token_id] * rest, labels + [IGNORED] * rest, position_ids + [0] * rest
            input_ids, labels, position_ids = [], [], []
        input_ids += prompt + taught
        labels += [IGNORED] * len(prompt) + taught
        position_ids += range(len(prompt) + len(taught))


def optimizers(model: Qwen2ForCausalLM, steps: int) -> list[tuple[Optimizer, LambdaLR]]:
    """Muon for the matrices of the layers, AdamW for embeddings, norms and biases, each with its schedule."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    muon = Muon(matrices, lr=MUON_LR)
    adamw = AdamW(others, lr=ADAMW_LR, weight_decay=0.0, betas=(0.9, 0.95))

    def share(step: int) -> float:
        return min((step + 1) / WARMUP_STEPS, 1.0) * (1 - step / steps)

    return [(optimizer, LambdaLR(optimizer, share)) for optimizer in (muon, adamw)]


def teach(model: Qwen2ForCausalLM, stream: Iterator[Batch], steps: int) -> Iterator[float]:
    """Trains the model in place, one batch a step, and yields each step's loss in nats a token."""
    model.train()
    pairs = optimizers(model, steps)
    for input_ids, labels, position_ids in islice(stream, steps):
        logits = model(input_ids, position_ids=position_ids, use_cache=False).logits[:, :-1]
        targets = labels[:, 1:]
        total = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
        # Over a constant: with a mean over the batch, a token would weigh less where long answers happen to gather.
        (total / (ROWS * ROW_TOKENS)).backward()
        for optimizer, schedule in pairs:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        yield total.detach().item() / (targets != IGNORED).sum().item()


def save(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """Writes weights in float16, half the bytes, under a config that loads them as float32, as a CPU wants them."""
    model.generation_config.update(do_sample=True, temperature=1.0)
    model.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)


def build(mix: str, steps: int, folder: Path, seed: int = 0, console: Console | None = None) -> None:
    """Teaches a model from scratch and writes it to `folder`; the same arguments and threads give the same weights."""
    set_seed(seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    columns = (*Progress.get_default_columns(), "loss {task.fields[loss]:.3f}")
    with Progress(*columns, console=console, disable=console is None) as bar:
        task = bar.add_task(f"Teaching mix {mix}", total=steps, loss=float("nan"))
        for loss in teach(model, batches(mix, tokenizer, random.Random(seed)), steps):
            bar.update(task, advance=1, loss=loss)
    save(model, tokenizer, folder)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tina.tiny.build",
        description="Teaches the embedded model from scratch (no network, about two minutes), writes a "
        "folder that from_pretrained loads, and scores it on held-out problems. The shipped weights come from the "
        "defaults; the same arguments on the same machine give the same weights.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    shares = "; ".join(
        f"{mix}: " + ", ".join(f"{100 * share:.0f} %% {mode}" for mode, share in MIX_SHARES[mix].items())
        for mix in MIXES
    )
    parser.add_argument("--mix", choices=MIXES, default=MIXES[0], help=f"how the demonstrations answer ({shares})")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="batches of demonstrations; half of the default is too few"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write; by default outputs/tiny/<mix>")
    parser.add_argument("--seed", type=int, default=0, help="of the weights at the start and of the demonstrations")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; another number may change the last digits")
    parsed = parser.parse_args(arguments)
    for name in ("steps", "threads"):
        if getattr(parsed, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(parsed, name)}")
    parsed.out = parsed.out or Path("outputs") / "tiny" / parsed.mix
    return parsed


def main() -> None:
    parsed = parse_arguments()
    torch.set_num_threads(parsed.threads)
    console = Console()
    build(parsed.mix, parsed.steps, parsed.out, parsed.seed, console)
    result = score(parsed.out)
    size_kb = (parsed.out / "model.safetensors").stat().st_size / 1000
    console.print(f"Wrote {parsed.out} (weights {size_kb:.0f} kB).")
    console.print(f"On {result.n_problems} test problems, sampled at temperature 1: {result}")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        raise SystemExit(f"{error}") from None
