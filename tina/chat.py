"""Questions to a run's checkpoint, with the base model beside it if asked for: the adapter is switched on and off.

python -m tina.chat run=outputs/runs/<run> "Compute 3+5-2+7"          one question to the chosen checkpoint
python -m tina.chat run=<run> --base "Compute 3+5-2+7"                the base model's answer beside it
python -m tina.chat run=<run> checkpoint=50 temperature=0             one question a line, until the input ends
"""

import functools
import sys
from collections.abc import Iterable, Iterator

from tina import policy
from tina.data.prompts import render
from tina.errors import UserError
from tina.evaluation.engine import load_engine, switch
from tina.evaluation.run_folder import RunFolder, open_run
from tina.export import TRUST, read_options, step_of, trusting
from tina.progress import console
from tina.sampler.completion import Completion, Sampling
from tina.schema import Hardware

KNOWN = {
    "run": None,
    "checkpoint": "chosen",
    "temperature": "0.6",
    "top_p": "0.95",
    "max_new_tokens": None,
    "seed": "0",
    "device": "cpu",
    **TRUST,
}


def answers(
    run: RunFolder, steps: list[int], questions: Iterable[str], sampling: Sampling, seed: int, device: str
) -> Iterator[tuple[int, Completion]]:
    """Each question's answer at each step (0: the base model), all through one model."""
    tokenizer = policy.load_tokenizer(run.config.model)
    engine = functools.cache(lambda: load_engine(run.config.model, Hardware(name=device, device=device), run))
    for question in questions:
        prompt = render(tokenizer, question, run.config.prompt)
        for step in steps:
            with switch(engine, tokenizer, run.config.model, run, step) as sample:
                yield step, sample([prompt], sampling, seed)[0]


def asked(questions: list[str]) -> Iterator[str]:
    """The questions of the command line, or else of the standard input, a line each."""
    if questions:
        yield from questions
        return
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip():
            yield line.strip()


def numbers(options: dict[str, str], run: RunFolder) -> tuple[Sampling, int]:
    """Sampling and seed of the options. Raises UserError for what is no number, or does not fit the context."""
    longest = options["max_new_tokens"] or run.config.length.max_completion_tokens
    try:
        sampling = Sampling(float(options["temperature"]), float(options["top_p"]), int(longest))
        seed = int(options["seed"])
    except ValueError as error:
        raise UserError(f"temperature, top_p, max_new_tokens and seed are numbers ({error}).") from error
    if not 0 < sampling.max_new_tokens < run.config.model.max_context_tokens or sampling.temperature < 0:
        raise UserError(
            f"max_new_tokens={sampling.max_new_tokens} must leave room for a question in a context of "
            f"{run.config.model.max_context_tokens} tokens, and temperature={sampling.temperature:g} not be negative."
        )
    return sampling, seed


def main(arguments: list[str]) -> None:
    flags = [argument for argument in arguments if argument.startswith("--")]
    if unknown := [flag for flag in flags if flag != "--base"]:
        raise UserError(f"{unknown[0]} is not known: the only flag is --base.")
    settings = [argument for argument in arguments if argument.partition("=")[0] in KNOWN]
    questions = [argument for argument in arguments if argument not in (*settings, *flags)]
    options = read_options(settings, KNOWN)
    run = trusting(open_run(options["run"]), options)
    sampling, seed = numbers(options, run)
    steps = [0] * bool(flags) + [step_of(run, options["checkpoint"])]
    for step, completion in answers(run, steps, asked(questions), sampling, seed, options["device"]):
        cut = f", cut off at {completion.tokens} tokens" if completion.truncated else ""
        console.print(f"{f'step {step}' if step else 'base'} ({completion.tokens} tokens{cut})", style="bold")
        console.print(completion.text, markup=False)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]) or len(sys.argv) == 1:
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    from tina import cli, terminal

    terminal.prepare(foreign=True)
    with cli.errors_in_words():
        main(sys.argv[1:])
