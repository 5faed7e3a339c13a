"""One run, told as a story: data, policy, training, evaluation, the choice of a checkpoint, a summary.

The same command continues a run that was interrupted, and only repeats the summary of one that is done.
"""

import argparse
import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import PeftModel
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from tina import files, hang, identity, policy, segments, summary, terminal
from tina.checkpoint import checkpoints
from tina.data import gym
from tina.data.contamination import contamination
from tina.data.loading import LoadedSet, fit_prompts, load_problems
from tina.data.problem import Problem
from tina.data.prompts import told_of_template
from tina.device import check_device, check_training_devices, own_device
from tina.errors import UserError
from tina.evaluation import runner
from tina.evaluation.benchmarks import load_benchmarks
from tina.evaluation.checkpoints import measure, tell_too_long
from tina.evaluation.records import Record
from tina.grading import Grader
from tina.guards import exclusive, signals_end_orderly
from tina.history import sampled
from tina.launch import ranks, record
from tina.launch.job import Job
from tina.outcome import outcome
from tina.progress import console
from tina.run import Run, tracked
from tina.sampler.completion import PolicyEngine
from tina.sampler.generate import generate
from tina.sampler.installed import vllm_problem
from tina.sampler.seam import start_engine
from tina.sampler.served import serving
from tina.sampler.settings import EngineSettings, engine_settings, has_engine
from tina.schema import TrainConfig, engine_context_tokens
from tina.trainer import (
    Grade,
    drop_unscheduled,
)
from tina.training import train
from tina.watch import watch_of

PHASES = ("all", "train", "evaluate")
PATIENCE_S = 300
"""How long a job of a cluster waits for the end of another one of its run: SLURM may start it before."""


def run_experiment(config: TrainConfig, phase: str = "all", patience_s: float = 0.0) -> dict[str, Any]:
    """Trains, evaluates and summarises one run; returns the summary, or {} if it is not to come so far.

    `phase`: "train" ends when the run is trained; "evaluate" goes on from there, in one process. `patience_s`: how long
    to wait for another process in the run's folder. Raises UserError, and SystemExit on a signal.
    """
    values = asdict(config)
    folder = identity.run_folder(values)
    run = Run(segments.pinned(config, folder), values, identity.digest(values), folder, phase)
    if told := summary.show_done(values):
        return told
    _can_run_here(config, phase)
    if config.hardware.processes > 1 and not ranks.inside() and phase != "evaluate":
        return _run_in_ranks(run)
    console.quiet = not run.leads
    folder = exclusive(run.folder, patience_s) if run.leads else contextlib.nullcontext()
    with folder, signals_end_orderly(), contextlib.closing(_grader(config)) as grader:
        return _run(run, grader)


def _run_in_ranks(run: Run) -> dict[str, Any]:
    """The same on several processes of this machine. Raises SystemExit with the code of one that fails."""
    hardware = run.config.hardware
    command = Job(run.values, run.digest, run.folder.name).prepare("--phase", run.phase)
    code = ranks.run_ranks(command, hardware.processes, hardware.threads)
    if code:
        raise SystemExit(code)
    return json.loads(run.summary_file.read_text(encoding="utf-8")) if run.phase == "all" else {}


def _can_run_here(config: TrainConfig, phase: str) -> None:
    """Raises UserError for what only the machine that trains can tell; the gate may run on a login node."""
    if phase == "evaluate":
        check_device(config.hardware)
    else:
        check_training_devices(config.hardware)
    if config.sampler.backend == "vllm" and (problem := vllm_problem()):
        raise UserError(problem)


def _run(run: Run, grader: Grader) -> dict[str, Any]:
    config = run.config
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    device = own_device(config.hardware.device)
    if config.hardware.threads:
        torch.set_num_threads(config.hardware.threads)
    if run.leads:
        files.write_text(run.folder / "config.yaml", yaml.safe_dump(run.values, sort_keys=False, allow_unicode=True))

    tokenizer = policy.load_tokenizer(config.model)
    loaded = load_problems(config.dataset)
    problems, too_long = fit_prompts(loaded.problems, config.prompt, tokenizer, config.length.max_prompt_tokens)
    _check_a_step_can_be_filled(config, len(problems))
    counts = loaded.counts | {"too_long": too_long, "prompts": len(problems)} | _contamination(config, problems)
    model = policy.load_policy(config.model, config.lora, device, config.seed)
    trainable, total = policy.parameter_counts(model)
    for told in (policy.unused_defaults(config.model), told_of_template(tokenizer, config.prompt)):
        if told:
            console.print(told)
    console.print(
        f"{run.folder.name}: {len(problems):,} prompts of {counts['rows']:,} rows{_left_out(counts)}, "
        f"{trainable:,} of {total:,} parameters trained ({trainable / total:.1%})"
    )

    facts = {"run/trainable_parameters": trainable, "run/trainable_share": trainable / total}
    facts |= {f"data/{name}": count for name, count in counts.items()}
    evaluator = runner.make_evaluator(config, tokenizer, grader, config.lora)
    settings = _engine_settings(run, evaluator)
    commits = {"model": getattr(model.config, "_commit_hash", None), "dataset": loaded.commit}
    started = segments.begin(run.folder, segments.segment(config, commits)) if run.leads else []
    with tracked(run, facts, started) as log:
        rows, engine = train(
            run, model, tokenizer, problems, _grading(loaded, grader), lambda: grader.counters, settings, log
        )
        facts["run/queue_seconds"] = record.queue_seconds(run.folder)
        if run.phase == "train":
            console.print("Trained; the evaluation is another job's.")
            log(run.held.facts())
        if not run.leads or run.phase == "train":
            return {}
        turn = watch_of(config, sampled(rows))
        drop_unscheduled(run.checkpoint_folder, config.schedule, {turn.kept_step, int(rows[-1]["step"])})
        found = _sound_checkpoints(run)
        began = time.monotonic()
        scored = _evaluate(run, found, model, tokenizer, evaluator, lambda: engine or start_engine(settings))
        run.held.use(time.monotonic() - began)
        if run.phase == "all":  # else the job that trained has said it
            facts |= run.held.facts()
        facts |= {f"grading/{name}": count for name, count in grader.counters.items()}
        told = outcome(run, list(found), rows, scored, facts)
        told["commits"] = started[-1]["commits"]
        log(told["logged"])
    files.write_json(run.summary_file, told)  # that it is there means that the run is done
    summary.show(told)
    return told


def _check_a_step_can_be_filled(config: TrainConfig, prompts: int) -> None:
    """Raises UserError if there are fewer prompts than one batch asks: no batch would ever be full."""
    needed = config.batch.completions_per_step // config.batch.num_generations
    if prompts < needed:
        raise UserError(
            f"A step asks {needed} prompts (batch.completions_per_step={config.batch.completions_per_step} / "
            f"batch.num_generations={config.batch.num_generations}), and the data set has {prompts} that can be "
            "trained on: lower batch.completions_per_step, or add data."
        )


def _contamination(config: TrainConfig, problems: list[Problem]) -> dict[str, int]:
    """How many questions of each benchmark that is evaluated stand in the training set, by kind of match."""
    questions = {name: [p.question for p in asked] for name, asked in load_benchmarks(config.benchmarks).items()}
    found = contamination(problems, questions)
    return {f"contamination/{name}/{k}": n for name, overlap in found.items() for k, n in overlap.counts().items()}


def _left_out(counts: dict[str, int]) -> str:
    """` (35 too_long)`: why rows of the data set are not trained on."""
    reasons = ("empty", "no_answer", "duplicates", "conflicting", "gold_unparsed", "not_sampled", "too_long")
    told = ", ".join(f"{counts[reason]:,} {reason}" for reason in reasons if counts.get(reason))
    return f" ({told})" if told else ""


def _engine_settings(run: Run, evaluator: runner.Evaluator) -> EngineSettings | None:
    """What a vLLM engine is started with that serves the training and the evaluation after it; None without vLLM."""
    config = run.config
    if not has_engine(config.sampler):
        return None
    context, sequences = engine_context_tokens(config), config.batch.completions_per_step // config.hardware.processes
    if evaluator.tasks:
        context = max(context, evaluator.longest_sequence)
        sequences = max(sequences, config.benchmarks.sequences)
    folder = run.folder.resolve() / "adapter"
    return engine_settings(
        config.model, config.sampler, config.lora, context, sequences, config.seed, config.hardware.device, folder
    )


def _grading(loaded: LoadedSet, grader: Grader) -> Grade:
    """Who judges: the scorer that a data set brings with it, or the grader."""
    if loaded.score is None:
        return lambda ids, golds, texts: grader.grade(golds, texts)
    score = loaded.score
    return lambda ids, golds, texts: gym.grades(score, ids, texts)


def _evaluate(
    run: Run,
    found: Mapping[int, Path],
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    evaluator: runner.Evaluator,
    engine: Callable[[], PolicyEngine],
) -> dict[int, list[Record]]:
    """Records of the base (step 0) and of the checkpoints, all adapters switched on one base."""
    config = run.config
    if not evaluator.tasks:
        return {}
    tell_too_long(evaluator)
    started = functools.cache(engine)
    base = identity.model_digest(run.values["model"])

    def subject(step: int) -> runner.Subject:
        fingerprint, folder = f"{run.digest} {config.model.dtype}", run.folder / "evaluations"
        return runner.Subject(run.digest, fingerprint, run.digest if step else base, config.model.name, step, folder)

    @contextlib.contextmanager
    def at(step: int) -> Iterator[runner.Sample]:
        if has_engine(config.sampler):
            with serving(started(), tokenizer, lambda: model, found.get(step), config.model) as served:
                yield served
            return
        with policy.at_checkpoint(model, found.get(step), config.model) as measured:
            yield functools.partial(generate, measured, tokenizer)

    return measure([0, *found], subject, evaluator, at, config.selection)


def _sound_checkpoints(run: Run) -> dict[int, Path]:
    """The checkpoints that something can be sampled from; tells of the others.

    Raises UserError if the run diverged before all of them.
    """
    found = checkpoints(run.checkpoint_folder)
    sound = {step: path for step, path in found.items() if not policy.diverged(path)}
    if found and not sound:
        raise UserError(
            f"The run diverged: every checkpoint in {run.checkpoint_folder} holds weights that are no numbers. Lower "
            "schedule.learning_rate."
        )
    if dropped := [step for step in found if step not in sound]:
        console.print(
            f"The run diverged: the checkpoints of the steps {', '.join(map(str, dropped))} hold weights that are no "
            "numbers, and are neither evaluated nor chosen."
        )
    return sound


def _grader(config: TrainConfig) -> Grader:
    return Grader(**asdict(config.grading))


def main() -> None:
    """How launchers start an arm that was composed before: see `--help`."""
    from tina import cli, configs

    parser = argparse.ArgumentParser(prog="python -m tina.experiment", description=__doc__)
    parser.add_argument("config", help="the composed configuration, a YAML file")
    parser.add_argument("digest", nargs="?", help="what it was submitted as; another digest now is refused")
    parser.add_argument("--phase", choices=PHASES, default="all", help="how far to go in this process")
    parser.add_argument("--patient", action="store_true", help="wait for another process that is at work on the run")
    given = parser.parse_args()
    with cli.errors_in_words():
        config = configs.read(Path(given.config))
        composed = identity.digest(asdict(config))
        if given.digest not in (None, composed):
            raise UserError(
                f"{given.config} was submitted as {given.digest} and is now {composed}: the configuration, a data file "
                "or a model file was changed in between; submit the sweep again."
            )
        run_experiment(config, given.phase, PATIENCE_S if given.patient else 0)


if __name__ == "__main__":
    terminal.prepare()
    hang.run_to_the_end(main)
