"""An evaluation told as a story: what was asked, the benchmarks, the engine, every checkpoint, a table, a choice."""

import contextlib
import functools
from dataclasses import asdict

from tina import identity, policy, selection
from tina.data.prompts import told_of_template
from tina.errors import UserError
from tina.evaluation import runner, table
from tina.evaluation.checkpoints import measure, tell_too_long
from tina.evaluation.engine import load_engine, switch
from tina.evaluation.records import Record
from tina.evaluation.request import Request, resolve
from tina.evaluation.run_folder import RunFolder
from tina.evaluation.scores import matrices, scores
from tina.evaluation.served import start_engine, switch_served
from tina.grading import Grader
from tina.guards import signals_end_orderly
from tina.progress import console
from tina.sampler.settings import adapters_at_once, has_engine
from tina.schema import EvaluateConfig


def run_evaluation(config: EvaluateConfig) -> dict[int, dict[str, float]]:
    """Evaluates what is not evaluated yet and prints everything; scores by step. Raises UserError, SystemExit."""
    request = resolve(config)
    with signals_end_orderly(), contextlib.closing(Grader(**asdict(request.config.grading))) as grader:
        try:
            return _run(request, grader)
        except SystemExit:
            console.print("Stopped; the same command goes on from here.")
            raise


def _run(request: Request, grader: Grader) -> dict[int, dict[str, float]]:
    config, run = request.config, request.run
    for broken in run.broken if run else []:
        console.print(f"{broken} is half-written and left out.")
    steps = [step for step in request.steps if step == 0 or not _diverged(run, step)]
    if not steps:
        raise UserError(f"Nothing of {run.path.name} is left to evaluate: choose earlier checkpoints.")
    tokenizer = policy.load_tokenizer(config.model)
    evaluator = runner.make_evaluator(config, tokenizer, grader, run.config.lora if run else None)
    if not evaluator.tasks:
        raise UserError(
            f"benchmarks={config.benchmarks.name} leaves nothing to evaluate: {config.benchmarks.sets} "
            f"without {config.benchmarks.skip}."
        )
    tell_too_long(evaluator)
    for told in (policy.unused_defaults(config.model), told_of_template(tokenizer, config.prompt)):
        if told:
            console.print(told)
    with_vllm = has_engine(config.sampler)
    engine = functools.cache(
        lambda: start_engine(config, evaluator, run) if with_vllm else load_engine(config.model, config.hardware, run)
    )

    base = identity.model_digest(asdict(config.model))

    def subject(step: int) -> runner.Subject:
        randomness = run.digest if run and step else base
        return runner.Subject(request.source, request.fingerprint, randomness, config.model.name, step, request.folder)

    def at(step: int) -> contextlib.AbstractContextManager[runner.Sample]:
        if with_vllm:
            return switch_served(engine, tokenizer, config, run, step)
        return switch(engine, tokenizer, config.model, run, step)

    at_once = adapters_at_once(config.sampler, config.hardware.device) if run else 1
    found = measure(steps, subject, evaluator, at, config.selection, at_once)
    scored = {step: scores(records) for step, records in found.items()}
    _show(request, found, scored)
    return scored


def _diverged(run: RunFolder, step: int) -> bool:
    """Can nothing be sampled from this checkpoint? If so it is told."""
    found = policy.diverged(run.checkpoints[step])
    if found:
        console.print(f"{run.checkpoints[step]} holds weights that are no numbers, and is left out: it had diverged.")
    return found


def _show(request: Request, found: dict[int, list[Record]], scored: dict[int, dict[str, float]]) -> None:
    config, run = request.config, request.run
    name = run.path.name if run else f"{config.model.name} ({config.model.path})"
    title = f"{name} on {config.benchmarks.name}, asked by the {_asked_by(request)}, graded {config.grading.mode}"
    base = f"base ({config.model.name})" if run else config.model.name
    table.show(title, scored, config.benchmarks, run.chosen_step if run else None, base)
    if config.selection is not None:
        steps = [step for step in found if step]
        measured = {step: matrices(records) for step, records in found.items()}
        choice = selection.choose_measured(config.selection, steps, measured, run.transition_step)
        console.print(f"chosen      step {choice.step} by {choice.rule}, of {choice.candidates} candidates")
        if choice.bias is not None:
            console.print(f"bias        {selection.bias_in_words(choice.candidates, choice.bias)}")
    console.print(f"records in  {request.folder}")


def _asked_by(request: Request) -> str:
    if request.config.benchmarks.prompt == "benchmark":
        return "benchmarks' own prompts"
    return f"prompt {request.config.prompt.name}"
