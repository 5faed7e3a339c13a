"""Eight checkpoints of one run: one engine that switches adapters, against a merged model for each checkpoint.

    python benchmarks/evaluation.py [problems=8] [tokens=16] [checkpoints=8] [threads=1]

The other way is that of scripts that evaluate models by path: for every checkpoint load the base, merge the adapter,
save the whole model, load it into an engine. (Scripts that call the evaluation once a benchmark load it once for each
benchmark; here it is loaded once.) Same random model of more than 100M parameters, same prompts and seeds, one process.
The longer the completions, the less loading counts: the table says what generation alone took. The ratio comes last.
"""

import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from peft import PeftModel
from rich.table import Table
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from tina import policy
from tina.data.prompts import build_messages, render
from tina.progress import console
from tina.sampler.completion import Completion, Sampling
from tina.sampler.generate import generate
from tina.schema import Lora, Model, Prompt
from tina.tiny import task

LORA = Lora(name="benchmark", rank=32, dropout=0.0)


@dataclass
class Clock:
    """Seconds by the name of what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], object]) -> object:
        begin = time.perf_counter()
        result = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
        return result

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def make_model(folder: Path, tokenizer: PreTrainedTokenizerBase) -> int:
    """A random Qwen2 of more than 100M parameters; their number."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=768,
        intermediate_size=2560,
        num_hidden_layers=15,
        num_attention_heads=12,
        num_key_value_heads=4,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def make_checkpoints(base: Model, folder: Path, number: int) -> list[Path]:
    """Adapters with random weights, as training would have saved them."""
    model = policy.trainable_policy(policy.load_base(base, "cpu"), LORA, seed=0)
    found = []
    for step in range(1, number + 1):
        generator = torch.Generator().manual_seed(step)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(0, 0.01, generator=generator)
        model.save_pretrained(folder / f"checkpoint-{step}")
        found.append(folder / f"checkpoint-{step}")
    return found


def one_engine(base: Model, found: list[Path], sample: Callable[..., list[Completion]]) -> tuple[Clock, list[str]]:
    clock, texts = Clock(), []
    model = clock.time("load", lambda: policy.trainable_policy(policy.load_base(base, "cpu"), LORA, seed=0))
    for checkpoint in found:
        begin, spent = time.perf_counter(), clock.total
        with policy.at_checkpoint(model, checkpoint, base) as measured:
            texts += [c.text for c in clock.time("generate", lambda measured=measured: sample(measured))]
        clock.seconds["switch"] = clock.seconds.get("switch", 0.0) + time.perf_counter() - begin - (clock.total - spent)
    return clock, texts


def merged_each(
    base: Model, found: list[Path], sample: Callable[..., list[Completion]], work: Path
) -> tuple[Clock, list[str]]:
    clock, texts = Clock(), []
    for checkpoint in found:
        loaded = clock.time("load", lambda: policy.load_base(base, "cpu"))
        adapted = clock.time("load", lambda m=loaded, c=checkpoint: PeftModel.from_pretrained(m, str(c)))
        merged = clock.time("merge", adapted.merge_and_unload)
        clock.time("save", lambda m=merged: m.save_pretrained(work))
        del loaded, adapted, merged
        gc.collect()
        model = clock.time("load", lambda: AutoModelForCausalLM.from_pretrained(work, dtype=torch.float32))
        texts += [c.text for c in clock.time("generate", lambda model=model: sample(model))]
        del model
        shutil.rmtree(work)
    return clock, texts


def main(problems: int = 8, tokens: int = 16, checkpoints: int = 8, threads: int = 1) -> None:
    torch.set_num_threads(threads)
    tiny = Model(name="tiny", path="embedded:d", dtype="float32", max_context_tokens=1024)
    tokenizer = policy.load_tokenizer(tiny)
    questions = [problem.question for problem in task.problems("test", problems, seed=0)]
    prompts = [render(tokenizer, build_messages(question, Prompt(name="plain"))) for question in questions]

    def sample(model: torch.nn.Module) -> list[Completion]:
        return generate(model, tokenizer, prompts, Sampling(0.6, 0.95, tokens), seed=0)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parameters = make_model(folder / "base", tokenizer)
        base = Model(name="random", path=str(folder / "base"), dtype="float32", max_context_tokens=1024)
        found = make_checkpoints(base, folder, checkpoints)
        switched, texts = one_engine(base, found, sample)
        merged, others = merged_each(base, found, sample, folder / "merged")
    same = sum(one == other for one, other in zip(texts, others, strict=True))
    _show(parameters, switched, merged, f"{checkpoints} checkpoints, {problems} prompts, {tokens} new tokens")
    console.print(f"{same} of {len(texts)} completions are equal (the rest differ by rounding).")
    console.print(f"ratio {merged.total / switched.total:.2f}")


def _show(parameters: int, switched: Clock, merged: Clock, what: str) -> None:
    table = Table(title=f"{parameters / 1e6:.0f}M parameters, {what}, seconds", title_justify="left")
    for name in ("", "one engine, adapters switched", "merge, save, load for each"):
        table.add_column(name, justify="left" if not name else "right")
    for name in ("load", "switch", "merge", "save", "generate"):
        seconds = [clock.seconds.get(name) for clock in (switched, merged)]
        table.add_row(name, *("" if value is None else f"{value:.2f}" for value in seconds))
    table.add_section()
    table.add_row("all", f"{switched.total:.2f}", f"{merged.total:.2f}")
    console.print(table)


if __name__ == "__main__":
    main(**{key: int(value) for key, value in (argument.split("=") for argument in sys.argv[1:])})
