"""A run's checkpoint made ready to be handed on: the adapter with a model card, or a merged model.

    python -m tina.export run=outputs/runs/<run>                       the chosen checkpoint's adapter, with a card
    python -m tina.export run=<run> checkpoint=50 out=my-adapter       another one, to a place of your own
    python -m tina.export run=<run> merge=bfloat16                     merged in float32, written as bfloat16

A merged model is compared with the adapter over the same base: the difference of their log-probs is printed.
"""

import dataclasses
import gc
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from tina import card, policy
from tina.data.prompts import render
from tina.errors import UserError
from tina.evaluation.engine import check_adapter, load_engine
from tina.evaluation.run_folder import RunFolder, open_run, select_steps
from tina.progress import console
from tina.sampler.completion import Sampling
from tina.sampler.generate import generate
from tina.schema import Hardware

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
MERGED_DTYPES = ("float32", "bfloat16", "float16")

QUESTIONS = ("Compute 3+5-2+7", "What is 12 times 13?", "Solve x + 4 = 9 for x.", "How many primes are below 20?")
"""What log-probs are compared on; the model need not know the answers."""
COMPARED_TOKENS = 32

TRUST: dict[str, str | None] = {"trust_remote_code": "false"}
"""The option by which a command line lets the base model's own code run; no run's folder does."""


def export(run: RunFolder, step: int, out: Path, merge: str | None, device: str = "cpu") -> dict[str, float]:
    """Writes a checkpoint to `out`; returns the log-prob difference of a merged one (empty for an adapter).

    Raises UserError if `out` holds something already, or the run has no adapter.
    """
    if run.config.lora.method != "lora":
        raise UserError(f"{run.path.name} trained the whole model: its checkpoints are models, there is no adapter.")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"out={out} is there and not empty: give another place with out=<folder>.")
    checkpoint = run.checkpoints[step]
    out.mkdir(parents=True, exist_ok=True)
    difference: dict[str, float] = {}
    if merge is None:
        for name in ADAPTER_FILES:
            shutil.copyfile(checkpoint / name, out / name)
        _name_the_base(out / "adapter_config.json", run)
    else:
        difference = _write_merged(run, checkpoint, out, merge, device)
    for name in TOKENIZER_FILES:
        if (checkpoint / name).exists():
            shutil.copyfile(checkpoint / name, out / name)
    (out / "README.md").write_text(card.model_card(run, step, merge, difference), encoding="utf-8")
    return difference


def _name_the_base(path: Path, run: RunFolder) -> None:
    """The adapter says which base it is for by the configured name, not by a path of this machine."""
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps(values | {"base_model_name_or_path": run.config.model.path}, indent=2) + "\n", encoding="utf-8"
    )


def _write_merged(run: RunFolder, checkpoint: Path, out: Path, dtype: str, device: str) -> dict[str, float]:
    """Merges in float32, writes `dtype`, loads what was written and compares it with the policy that was evaluated."""
    tokenizer = policy.load_tokenizer(run.config.model)
    hardware = Hardware(name=device, device=device)
    model = load_engine(run.config.model, hardware, run)
    check_adapter(model, checkpoint, run.config.model)
    with policy.at_checkpoint(model, checkpoint, run.config.model) as adapter:
        texts = _texts(adapter, tokenizer, run)
        before = _log_probs(adapter, tokenizer, texts)
    del model, adapter
    gc.collect()

    whole = load_engine(dataclasses.replace(run.config.model, dtype="float32"), hardware, run)
    whole.load_adapter(str(checkpoint), "exported")
    whole.set_adapter("exported")
    merged = whole.merge_and_unload(safe_merge=True, adapter_names=["exported"])
    merged.to(getattr(torch, dtype)).save_pretrained(out)
    if (defaults := policy.generation_defaults(run.config.model)) is not None:
        (out / "generation_config.json").write_text(defaults, encoding="utf-8")
    del whole, merged
    gc.collect()

    written = AutoModelForCausalLM.from_pretrained(out, dtype=getattr(torch, dtype)).to(device).eval()
    after = _log_probs(written, tokenizer, texts)
    gaps = [(a - b).abs() for a, b in zip(before, after, strict=True)]
    every = torch.cat(gaps)
    return {"mean": every.mean().item(), "max": every.max().item(), "tokens": float(every.numel())}


def _texts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, run: RunFolder) -> list[str]:
    """A few prompts with the adapter's own greedy answers."""
    prompts = [render(tokenizer, question, run.config.prompt) for question in QUESTIONS]
    answers = generate(model, tokenizer, prompts, Sampling(0.0, 1.0, COMPARED_TOKENS), seed=0)
    return [prompt + answer.text for prompt, answer in zip(prompts, answers, strict=True)]


def _log_probs(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[torch.Tensor]:
    """The log-prob of each token of each text but its first, [tokens - 1], in float32."""
    found = []
    model.eval()
    for text in texts:
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids.to(model.device)
        with torch.no_grad():
            log_probs_BTV = model(ids).logits[:, :-1].float().log_softmax(-1)
        found.append(log_probs_BTV.gather(-1, ids[:, 1:, None]).flatten().cpu())
    return found


def read_options(arguments: list[str], known: dict[str, str | None]) -> dict[str, Any]:
    """`key=value` arguments over their defaults. Raises UserError for a key that is not known."""
    options = dict(known)
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator or key not in known:
            raise UserError(f"{argument!r} is not known here: it takes {', '.join(f'{name}=' for name in known)}.")
        options[key] = value
    if not options["run"]:
        raise UserError("Say which run: run=<folder of a training run>.")
    return options


def trusting(run: RunFolder, options: Mapping[str, str]) -> RunFolder:
    """The run with what `trust_remote_code=` says of its base model. Raises UserError for another word."""
    said = options["trust_remote_code"]
    if said not in ("true", "false"):
        raise UserError(f"trust_remote_code={said} is not known: it takes true or false.")
    model = dataclasses.replace(run.config.model, trust_remote_code=said == "true")
    return dataclasses.replace(run, config=dataclasses.replace(run.config, model=model))


def step_of(run: RunFolder, wanted: str) -> int:
    """`chosen`, `last` or a number as one step of the run."""
    if wanted not in ("chosen", "last") and not wanted.isdigit():
        raise UserError(f"checkpoint={wanted} is not known: it takes chosen, last, or a step.")
    return select_steps(run, int(wanted) if wanted.isdigit() else wanted)[0]


def main(arguments: list[str]) -> None:
    known = {"run": None, "checkpoint": "chosen", "merge": None, "out": None, "device": "cpu"} | TRUST
    options = read_options(arguments, known)
    if options["merge"] not in (None, *MERGED_DTYPES):
        raise UserError(f"merge={options['merge']} is not known: it takes {', '.join(MERGED_DTYPES)}.")
    run = trusting(open_run(options["run"]), options)
    step = step_of(run, options["checkpoint"])
    kind = f"merged-{options['merge']}" if options["merge"] else "adapter"
    out = Path(options["out"] or run.path / "exports" / f"step-{step}-{kind}")
    difference = export(run, step, out, options["merge"], options["device"])
    if difference:
        console.print(
            f"log-probs of the merged model ({options['merge']}) against the adapter over its base "
            f"({run.config.model.dtype}): mean |difference| {difference['mean']:.2e}, largest {difference['max']:.2e}, "
            f"over {difference['tokens']:.0f} tokens"
        )
    console.print(f"Step {step} of {run.path.name} is in {out}, with its card in README.md.")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]) or len(sys.argv) == 1:
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    from tina import cli, terminal

    terminal.prepare(foreign=True)
    with cli.errors_in_words():
        main(sys.argv[1:])
