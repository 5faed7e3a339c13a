"""One run, told as a story: data, policy, training, evaluation, the choice of a checkpoint, a summary.

The same command continues a run that was interrupted, and only repeats the summary of one that is done.
"""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import PeftModel
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from tina import cost, dynamics, identity, policy, schema, selection, study, summary, tracking
from tina.data import gym
from tina.data.contamination import contamination
from tina.data.loading import LoadedSet, fit_prompts, load_problems
from tina.data.problem import Problem
from tina.data.prompts import build_messages, prompt_opens_think
from tina.errors import UserError
from tina.evaluation import runner
from tina.evaluation.benchmarks import load_benchmarks
from tina.evaluation.checkpoints import measure, tell_too_long
from tina.evaluation.records import Record
from tina.evaluation.scores import matrices
from tina.evaluation.scores import scores as score_records
from tina.grading import Grader
from tina.guards import exclusive, signals_end_orderly
from tina.launch import ranks
from tina.launch.job import Job
from tina.progress import console
from tina.sampler.generate import generate
from tina.sampler.installed import vllm_problem
from tina.sampler.seam import Engine
from tina.sampler.served import sample, serving
from tina.sampler.settings import EngineSettings, engine_settings
from tina.schema import TrainConfig, engine_context_tokens
from tina.trainer import (
    Grade,
    OrderlyStop,
    Progress,
    build_trainer,
    checkpoints,
    drop_unscheduled,
    prompt_dataset,
    reward_functions,
)
from tina.watch import TransitionWatch, watch_of


@dataclass(frozen=True)
class Run:
    """One run's identity and place."""

    config: TrainConfig
    values: dict[str, Any]
    digest: str
    folder: Path

    @property
    def leads(self) -> bool:
        """Is this the process that writes, logs and evaluates?"""
        return ranks.rank() == 0

    @property
    def checkpoint_folder(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def summary_file(self) -> Path:
        return self.folder / "summary.json"


def run_experiment(config: TrainConfig) -> dict[str, Any]:
    """Trains, evaluates and summarises one run; returns the summary. Raises UserError, and SystemExit on a signal."""
    values = asdict(config)
    run = Run(config, values, identity.digest(values), identity.run_folder(values))
    if told := summary.show_done(run.folder):
        return told
    _can_run_here(config)
    if config.hardware.processes > 1 and not ranks.inside():
        return _run_in_ranks(run)
    console.quiet = not run.leads
    folder = exclusive(run.folder) if run.leads else contextlib.nullcontext()
    with folder, signals_end_orderly(), contextlib.closing(_grader(config)) as grader:
        return _run(run, grader)


def _run_in_ranks(run: Run) -> dict[str, Any]:
    """The same on several processes of this machine. Raises SystemExit with the code of one that fails."""
    hardware = run.config.hardware
    command = Job(run.values, run.digest, run.folder.name).prepare()
    code = ranks.run_ranks(command, hardware.processes, hardware.threads)
    if code:
        raise SystemExit(code)
    return json.loads(run.summary_file.read_text())


def _can_run_here(config: TrainConfig) -> None:
    """Raises UserError for what only the machine that trains can tell; the gate may run on a login node."""
    if config.hardware.device == "cuda" and not torch.cuda.is_available():
        raise UserError("hardware.device=cuda, but torch sees no GPU here: run where there is one, or hardware=cpu.")
    if config.sampler.backend == "vllm" and (problem := vllm_problem()):
        raise UserError(problem)
    gpus = torch.cuda.device_count()
    if config.hardware.device == "cuda" and config.hardware.processes > gpus:
        raise UserError(
            f"hardware.processes={config.hardware.processes}, but torch sees {gpus} GPU here: set hardware.processes."
        )


def _run(run: Run, grader: Grader) -> dict[str, Any]:
    config = run.config
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if config.hardware.threads:
        torch.set_num_threads(config.hardware.threads)
    if run.leads:
        (run.folder / "config.yaml").write_text(yaml.safe_dump(run.values, sort_keys=False, allow_unicode=True))

    tokenizer = policy.load_tokenizer(config.model)
    loaded = load_problems(config.dataset)
    problems, too_long = fit_prompts(loaded.problems, config.prompt, tokenizer, config.length.max_prompt_tokens)
    counts = loaded.counts | {"too_long": too_long, "prompts": len(problems)} | _contamination(config, problems)
    base = policy.load_base(config.model, config.hardware.device)
    model = policy.trainable_policy(base, config.lora, config.seed)
    trainable, total = policy.parameter_counts(model)
    console.print(
        f"{run.folder.name}: {len(problems):,} prompts of {counts['rows']:,} rows{_left_out(counts)}, "
        f"{trainable:,} of {total:,} parameters trained ({trainable / total:.1%})"
    )

    facts = {"run/trainable_parameters": trainable, "run/trainable_share": trainable / total}
    facts |= {f"data/{name}": count for name, count in counts.items()}
    evaluator = runner.make_evaluator(config, tokenizer, grader)
    settings = _engine_settings(config, evaluator)
    with _tracked(run, facts) as log:
        history, engine = _train(run, model, tokenizer, problems, _grading(loaded, grader), settings, log)
        if not run.leads:
            return {}
        turn = watch_of(config, history)
        drop_unscheduled(run.checkpoint_folder, config.schedule, {turn.kept_step, int(history[-1]["step"])})
        scored = _evaluate(run, model, tokenizer, evaluator, lambda: engine or Engine(settings))
        told = _summarise(run, history, scored, facts | {f"grading/{k}": v for k, v in grader.counters.items()})
        log(told["logged"])
    written = run.summary_file.with_suffix(".tmp")
    written.write_text(json.dumps(told, indent=2) + "\n")
    written.replace(run.summary_file)  # that it is there means that the run is done
    summary.show(told)
    return told


def _contamination(config: TrainConfig, problems: list[Problem]) -> dict[str, int]:
    """How many questions of each benchmark that is evaluated stand in the training set, by kind of match."""
    questions = {name: [p.question for p in asked] for name, asked in load_benchmarks(config.benchmarks).items()}
    found = contamination(problems, questions)
    return {f"contamination/{name}/{k}": n for name, overlap in found.items() for k, n in overlap.counts().items()}


def _left_out(counts: dict[str, int]) -> str:
    """` (35 too_long)`: why rows of the data set are not trained on."""
    reasons = ("empty", "duplicates", "conflicting", "gold_unparsed", "not_sampled", "too_long")
    told = ", ".join(f"{counts[reason]:,} {reason}" for reason in reasons if counts.get(reason))
    return f" ({told})" if told else ""


def _engine_settings(config: TrainConfig, evaluator: runner.Evaluator) -> EngineSettings | None:
    """What a vLLM engine is started with that serves the training and the evaluation after it; None without vLLM."""
    if config.sampler.backend != "vllm":
        return None
    context, sequences = engine_context_tokens(config), config.batch.completions_per_step // config.hardware.processes
    if evaluator.tasks:
        context = max(context, evaluator.longest_sequence)
        sequences = max(sequences, config.benchmarks.sequences)
    return engine_settings(
        config.model, config.sampler, config.lora, context, sequences, config.seed, config.hardware.device
    )


def _train(
    run: Run,
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    grade: Grade,
    settings: EngineSettings | None,
    log: Any,
) -> tuple[list[dict[str, float]], Engine | None]:
    """Trains to the last step, from the last whole checkpoint if there is one; the metrics of every step, in order,
    and the engine that sampled, if one did.

    Raises SystemExit with 128 + the signal's number if one asked for the end; a checkpoint is saved before.
    """
    config = run.config
    found = checkpoints(run.checkpoint_folder)
    if found and _is_trained(config, history := _history(found[-1])):
        return history, None

    def log_step(step: int, metrics: dict[str, float]) -> None:
        log_at_step(step, {f"train/{k}": v for k, v in metrics.items()})

    def log_at_step(step: int, metrics: dict[str, float]) -> None:
        log(metrics | {"train/global_step": step})

    stop = OrderlyStop()
    trainer = build_trainer(
        config,
        model,
        tokenizer,
        prompt_dataset(problems, lambda question: build_messages(question, config.prompt)),
        reward_functions(config, grade, tokenizer, prompt_opens_think(tokenizer, config.prompt)),
        run.checkpoint_folder,
        [Progress("train", log_step), TransitionWatch(config, log_at_step), stop],
        settings,
    )
    if found:
        console.print(f"Going on from {found[-1].name}.")
    trainer.train(resume_from_checkpoint=str(found[-1]) if found else None)
    ranks.leave(engine_stays=settings is not None)
    if stop.received is not None:
        console.print(f"Stopped at step {trainer.state.global_step}; the same command goes on from there.")
        raise SystemExit(128 + stop.received)
    return _history(checkpoints(run.checkpoint_folder)[-1]), trainer.vllm_generation.engine if settings else None


def _is_trained(config: TrainConfig, history: list[dict[str, float]]) -> bool:
    """Has a run that logged `history` come to its end, planned or stopped?"""
    return history[-1]["step"] >= watch_of(config, history).end(schema.stop_after_steps(config.selection))


def _grading(loaded: LoadedSet, grader: Grader) -> Grade:
    """Who judges: the scorer that a data set brings with it, or the grader."""
    if loaded.score is None:
        return lambda ids, golds, texts: grader.grade(golds, texts)
    score = loaded.score
    return lambda ids, golds, texts: gym.grades(score, ids, texts)


def _history(checkpoint: Path) -> list[dict[str, float]]:
    """One row of metrics for each step, over all segments of the run: the trainer carries them in its state."""
    rows = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
    return [row for row in rows if "reward" in row]


def _evaluate(
    run: Run,
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    evaluator: runner.Evaluator,
    engine: Callable[[], Engine],
) -> dict[int, list[Record]]:
    """Records of the base (step 0) and of the checkpoints, all adapters switched on one base."""
    config = run.config
    if not evaluator.tasks:
        return {}
    tell_too_long(evaluator)
    started = functools.cache(engine)
    found = {policy.checkpoint_step(path): path for path in checkpoints(run.checkpoint_folder)}

    def subject(step: int) -> runner.Subject:
        fingerprint = f"{run.digest} {config.model.dtype}"
        return runner.Subject(run.digest, fingerprint, config.model.name, step, run.folder / "evaluations")

    @contextlib.contextmanager
    def at(step: int) -> Iterator[runner.Sample]:
        if config.sampler.backend == "vllm":
            with serving(started(), lambda: model, found.get(step), config.model):
                yield functools.partial(sample, started(), tokenizer)
            return
        with policy.at_checkpoint(model, found.get(step), config.model) as measured:
            yield functools.partial(generate, measured, tokenizer)

    return measure([0, *found], subject, evaluator, at, config.selection)


def _summarise(
    run: Run, history: list[dict[str, float]], scored: dict[int, list[Record]], facts: dict[str, Any]
) -> dict[str, Any]:
    """What is printed, kept in summary.json and logged (under `logged`)."""
    config = run.config
    steps = [policy.checkpoint_step(path) for path in checkpoints(run.checkpoint_folder)]
    scores = {step: score_records(records) for step, records in scored.items()}
    measured = {step: matrices(records) for step, records in scored.items()}
    told = dynamics.describe_run(dynamics.series_of(history), config.schedule.max_steps)
    turn, watch = told.transition, watch_of(config, history)
    stopped = int(history[-1]["step"]) < config.schedule.max_steps
    held_out = config.selection.benchmark
    choice = selection.choose_measured(config.selection, steps, measured, turn.step)
    seconds = sum(row["step_time"] for row in history)
    forecast = cost.forecast(config)
    logged = facts | {
        "run/steps": int(history[-1]["step"]),
        "run/planned_steps": config.schedule.max_steps,
        "run/stopped": f"{watch.witness} turned, told at step {watch.told}" if stopped else None,
        "run/seconds": seconds,
        "run/seconds_per_step": seconds / len(history),
        "run/completion_tokens": sum(row["completions/mean_length"] for row in history)
        * config.batch.completions_per_step,
        "run/tokens": history[-1]["num_tokens"],
        "run/epochs": history[-1]["epoch"],
        "run/usd_per_hour": config.hardware.usd_per_hour,
        "run/gpu_hours": seconds / 3600 * cost.billed(config.hardware),
        "run/cost_usd": seconds / 3600 * cost.billed(config.hardware) * config.hardware.usd_per_hour,
        "run/flops": _flops(config, history),
        "forecast/hours": forecast.hours if isinstance(forecast, cost.Forecast) else None,
        "forecast/cost_usd": forecast.usd if isinstance(forecast, cost.Forecast) else None,
        "dynamics/transition": turn.kind,
        "dynamics/transition_step": turn.step,
        "dynamics/low": turn.low,
        "dynamics/high": turn.high,
        "dynamics/width": turn.width,
        "dynamics/began_step": watch.kept_step,
        "dynamics/told_step": watch.told,
        "dynamics/witness": told.witness,
        "dynamics/reason": told.reason,
        "dynamics/accuracy_turns": told.accuracy_turns,
        "selection/rule": choice.rule,
        "selection/step": choice.step,
        "selection/candidates": choice.candidates,
        "selection/bias": choice.bias,
    }
    return {
        "label": identity.label(run.values),
        "digest": run.digest,
        "folder": str(run.folder),
        "reported": [n for n in config.benchmarks.sets if n != held_out and n not in config.benchmarks.skip],
        "scores": {str(step): values for step, values in scores.items()},
        "logged": {key: value for key, value in logged.items() if value is not None},
    }


def _flops(config: TrainConfig, history: list[dict[str, float]]) -> float | None:
    """FLOPs of the whole training by the lengths that were logged; None of a model whose shape is not known."""
    shape = cost.shape_of(config.model)
    if shape is None:
        return None
    before = [0.0, *(row["num_tokens"] for row in history)]
    steps = zip(history, before, strict=False)
    return sum(cost.flops_of_row(config, shape, row, tokens).total for row, tokens in steps)


@contextlib.contextmanager
def _tracked(run: Run, facts: dict[str, Any]) -> Iterator[Any]:
    """The training run in W&B: yields its `log`, and closes it so that nothing logged is lost, whatever happens."""
    if not run.leads:
        yield lambda row: None
        return
    label = identity.label(run.values)
    config = {
        "cfg": run.values,
        "digest": run.digest,
        "label": label,
        "folder": str(run.folder),
        "schema_version": schema.SCHEMA_VERSION,
        "versions": summary.versions(),
    }
    tags = study.studies_of(run.config.paths.outputs, run.digest)
    tracked = tracking.start(
        run.config.tracking,
        run.folder,
        run_id=run.digest,
        job_type="train",
        name=label,
        group=run.digest,
        tags=tags,
        config=config,
    )
    tracked.log(facts)
    exit_code = 1
    try:
        yield tracked.log
        exit_code = 0
    except SystemExit as stopped:  # a signal asked for the end: the log says so, and not that the run failed
        exit_code = stopped.code
        raise
    finally:
        tracked.finish(exit_code=exit_code)


def _grader(config: TrainConfig) -> Grader:
    return Grader(**asdict(config.grading))


def main() -> None:
    """`python -m tina.experiment <config.yaml> [<digest>]`: how launchers start an arm that was composed before."""
    from tina import cli, configs

    path, *submitted = sys.argv[1:]
    with cli.errors_in_words():
        config = configs.to_typed(yaml.safe_load(Path(path).read_text()))
        composed = identity.digest(asdict(config))
        if submitted and submitted[0] != composed:
            raise UserError(
                f"{path} was submitted as {submitted[0]} and is now {composed}: the configuration, a data file or a "
                "model file was changed in between; submit the sweep again."
            )
        run_experiment(config)


if __name__ == "__main__":
    main()
