"""The training of a run: from its last whole checkpoint, or from the start, to its end, planned or earlier."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from tina import hang, schema
from tina.cost import StepMeter
from tina.data.problem import Problem
from tina.data.prompts import build_messages, prompt_opens_think
from tina.errors import TryLater, UserError
from tina.history import Row, history, sampled
from tina.launch import ranks, record
from tina.progress import console
from tina.run import Run
from tina.sampler.completion import PolicyEngine
from tina.sampler.settings import EngineSettings
from tina.schema import TrainConfig
from tina.trainer import (
    STEP_TIMEOUT,
    Counters,
    Grade,
    OrderlyStop,
    Progress,
    StepTimeout,
    StretchedTrainer,
    build_trainer,
    prompt_dataset,
    reward_functions,
)
from tina.watch import TransitionWatch, watch_of

NO_DISTRIBUTION = "probability tensor contains either `inf`, `nan`"
"""What torch says when it is to draw from the output of weights that are no numbers."""


def train(
    run: Run,
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    grade: Grade,
    counters: Counters,
    settings: EngineSettings | None,
    log: Any,
) -> tuple[list[dict[str, Any]], PolicyEngine | None]:
    """Trains to the last step, from the last whole checkpoint if there is one; the metrics of every step, in order,
    and the engine that sampled, if one did.

    Raises SystemExit with 128 + the signal's number if one asked for the end; a checkpoint is saved before.
    """
    config, log_row = run.config, _row_log(run.config, log)
    last = run.last_checkpoint
    past = history(last) if last else []
    watch = TransitionWatch(config, lambda step, found: log(found | {"train/global_step": step}))
    # Again, since W&B may have lost the last of it; of a run's segments the later one holds.
    for row in past:
        log_row(row)
        watch.see(row)
    if past and _is_trained(config, past):
        return past, None
    if run.phase == "evaluate":
        raise UserError(f"{run.folder} is not trained to its end, so there is nothing to evaluate: train it first.")
    if settings and (cut := schema.truncation(config.rollout)):
        console.print(f"{cut} leaves tokens out of sampling: whether sampler and trainer agree cannot be told.")
    stop = OrderlyStop()
    limit = config.hardware.step_timeout_s
    with hang.within(limit, "Starting to train", STEP_TIMEOUT):
        ranks.join(config.hardware.device == "cuda", limit)
        trainer = build_trainer(
            config,
            model,
            tokenizer,
            prompt_dataset(problems, lambda question: build_messages(question, config.prompt)),
            reward_functions(config, grade, tokenizer, prompt_opens_think(tokenizer, config.prompt), counters),
            run.checkpoint_folder,
            [Progress("train", _row_seen(run, log_row)), watch, stop, StepTimeout(limit)],
            settings,
        )
        if config.sampler.backend == "vllm_server":
            trainer.vllm_generation.engine.stopped = lambda: stop.received is not None
        _train_from(last, trainer, stop)
    code = 0 if stop.received is None else 128 + stop.received
    if code:
        console.print(f"Stopped at step {trainer.state.global_step}; the same command goes on from there.")
    ranks.leave(engine_stays=config.sampler.backend == "vllm", code=code)
    if code:
        raise SystemExit(code)
    return history(run.last_checkpoint), trainer.vllm_generation.engine if settings else None


def _train_from(last: Path | None, trainer: StretchedTrainer, stop: OrderlyStop) -> None:
    """Raises TryLater if the sampler's server stays away, unless the run is asked to end."""
    if last:
        console.print(f"Going on from {last.name}.")
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    except TryLater:
        if not stop.asked():
            raise
    except RuntimeError as error:
        if NO_DISTRIBUTION not in str(error):
            raise
        raise UserError(
            f"The policy diverged at step {trainer.state.global_step + 1}: its probabilities are no numbers any more. "
            "Lower schedule.learning_rate; what was saved before is there to be evaluated."
        ) from error


def _row_seen(run: Run, log_row: Callable[[Row], None]) -> Callable[[Row], None]:
    """What is done with the row of a step that was trained now."""

    def on_row(row: Row) -> None:
        log_row(row)
        run.held.use(row["step_time"])
        if run.leads:
            total = run.config.schedule.max_steps
            record.write_progress(run.folder, done=row["step"], total=total, seconds=row["step_time"])

    return on_row


def _row_log(config: TrainConfig, log: Any) -> Callable[[Row], None]:
    """What logs the row of a step: its numbers, and what the step cost."""
    meter = StepMeter(config)

    def log_row(row: Row) -> None:
        metrics = {name: value for name, value in row.items() if name != "step" and isinstance(value, int | float)}
        metrics |= meter.see(row)
        log({f"train/{name}": value for name, value in metrics.items()} | {"train/global_step": row["step"]})

    return log_row


def _is_trained(config: TrainConfig, rows: Sequence[Row]) -> bool:
    """Has a run that logged `rows` come to its end, planned or stopped?"""
    return rows[-1]["step"] >= watch_of(config, sampled(rows)).end(schema.stop_after_steps(config.selection))
