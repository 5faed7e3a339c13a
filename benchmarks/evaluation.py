"""Eight checkpoints of one run: one engine that switches adapters, against a merged model for each checkpoint.

    python benchmarks/evaluation.py [problems=8] [tokens=16] [checkpoints=8] [threads=1]

The other way is that of scripts that evaluate models by path: for every checkpoint one program loads the base, merges
the adapter and saves the whole model, and another loads that into an engine and generates. (Scripts that start the
second one for each benchmark pay for it six times; here once.) Same random model of more than 100M parameters, same
prompts and seeds, in turn on one machine; every program is a process, and what it takes to start is counted. The longer
the completions, the less all that counts, so the ratio without starts is told as well. The ratio comes last.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from peft import PeftModel
from rich.table import Table
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from tina import policy
from tina.data.prompts import render
from tina.progress import console
from tina.sampler.completion import Completion, Sampling
from tina.sampler.generate import generate
from tina.schema import Lora, Model, Prompt
from tina.tiny import task

LORA = Lora(name="benchmark", rank=32, dropout=0.0)
TINY = Model(name="tiny", path="embedded:d", dtype="float32", max_context_tokens=1024)

Sample = Callable[[torch.nn.Module], list[Completion]]


@dataclass
class Clock:
    """Seconds by the name of what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], object]) -> object:
        begin = time.perf_counter()
        result = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
        return result

    def add(self, other: "Clock") -> None:
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

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


def one_engine(base: Model, found: list[str], sample: Sample) -> tuple[Clock, list[str]]:
    """Every checkpoint through one engine, adapters switched."""
    clock, texts = Clock(), []
    model = clock.time("load", lambda: policy.trainable_policy(policy.load_base(base, "cpu"), LORA, seed=0))
    for checkpoint in found:
        begin, spent = time.perf_counter(), clock.total
        with policy.at_checkpoint(model, Path(checkpoint), base) as measured:
            texts += [c.text for c in clock.time("generate", lambda measured=measured: sample(measured))]
        clock.seconds["switch"] = clock.seconds.get("switch", 0.0) + time.perf_counter() - begin - (clock.total - spent)
    return clock, texts


def merge(base: Model, checkpoint: str, work: str) -> tuple[Clock, list[str]]:
    """Base and adapter as one saved model."""
    clock = Clock()
    loaded = clock.time("load", lambda: policy.load_base(base, "cpu"))
    adapted = clock.time("load", lambda: PeftModel.from_pretrained(loaded, checkpoint))
    merged = clock.time("merge", adapted.merge_and_unload)
    clock.time("save", lambda: merged.save_pretrained(work))
    return clock, []


def by_path(work: str, sample: Sample) -> tuple[Clock, list[str]]:
    """A saved model, loaded and asked."""
    clock = Clock()
    model = clock.time("load", lambda: AutoModelForCausalLM.from_pretrained(work, dtype=torch.float32))
    return clock, [c.text for c in clock.time("generate", lambda: sample(model))]


def program(name: str, base: Model, options: dict[str, int], *paths: str) -> tuple[Clock, list[str]]:
    """One of the three as a process of its own; `start` is what it took beside the work."""
    begin = time.perf_counter()
    told = subprocess.run(
        [sys.executable, __file__, name, json.dumps(asdict(base)), json.dumps(options), *paths],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]
    answer = json.loads(told)
    clock = Clock(answer["seconds"])
    clock.seconds["start"] = time.perf_counter() - begin - clock.total
    return clock, answer["texts"]


def run_program(name: str, base: str, options: str, *paths: str) -> None:
    """The inside of `program`: does the work, prints its seconds and texts."""
    model, settings = Model(**json.loads(base)), json.loads(options)
    torch.set_num_threads(settings["threads"])
    tokenizer = policy.load_tokenizer(TINY)
    questions = [problem.question for problem in task.problems("test", settings["problems"], seed=0)]
    prompts = [render(tokenizer, question, Prompt(name="plain")) for question in questions]

    def sample(asked: torch.nn.Module) -> list[Completion]:
        return generate(asked, tokenizer, prompts, Sampling(0.6, 0.95, settings["tokens"]), seed=0)

    if name == "one_engine":
        clock, texts = one_engine(model, list(paths), sample)
    elif name == "merge":
        clock, texts = merge(model, *paths)
    else:
        clock, texts = by_path(*paths, sample)
    print(json.dumps({"seconds": clock.seconds, "texts": texts}))


def main(problems: int = 8, tokens: int = 16, checkpoints: int = 8, threads: int = 1) -> None:
    options = {"problems": problems, "tokens": tokens, "threads": threads}
    with tempfile.TemporaryDirectory() as place:
        folder, work = Path(place), str(Path(place) / "merged")
        parameters = make_model(folder / "base", policy.load_tokenizer(TINY))
        base = Model(name="random", path=str(folder / "base"), dtype="float32", max_context_tokens=1024)
        found = [str(path) for path in make_checkpoints(base, folder, checkpoints)]
        switched, texts = program("one_engine", base, options, *found)
        merged, others = Clock(), []
        for checkpoint in found:
            for clock, told in (
                program("merge", base, options, checkpoint, work),
                program("by_path", base, options, work),
            ):
                merged.add(clock)
                others += told
            shutil.rmtree(work)
    same = sum(one == other for one, other in zip(texts, others, strict=True))
    _show(parameters, switched, merged, f"{checkpoints} checkpoints, {problems} prompts, {tokens} new tokens")
    console.print(f"{same} of {len(texts)} completions are equal (the rest differ by rounding).")
    without = (merged.total - merged.seconds["start"]) / (switched.total - switched.seconds["start"])
    console.print(f"ratio without starts {without:.2f}")
    console.print(f"ratio {merged.total / switched.total:.2f}")


def _show(parameters: int, switched: Clock, merged: Clock, what: str) -> None:
    table = Table(title=f"{parameters / 1e6:.0f}M parameters, {what}, seconds", title_justify="left")
    for name in ("", "one engine, adapters switched", "merge, save, load for each"):
        table.add_column(name, justify="left" if not name else "right")
    for name in ("start", "load", "switch", "merge", "save", "generate"):
        seconds = [clock.seconds.get(name) for clock in (switched, merged)]
        table.add_row(name, *("" if value is None else f"{value:.2f}" for value in seconds))
    table.add_section()
    table.add_row("all", f"{switched.total:.2f}", f"{merged.total:.2f}")
    console.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("one_engine", "merge", "by_path"):
        run_program(*sys.argv[1:])
    else:
        main(**{key: int(value) for key, value in (argument.split("=") for argument in sys.argv[1:])})
