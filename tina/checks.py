"""The rules between fields, each one small function that returns what is wrong in a sentence, or None.

They run at the gate, before anything is loaded, so they import nothing slow.
"""

import json
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from tina import files, trainer_fields
from tina.errors import UserError
from tina.sampler import rules as sampler_rules
from tina.schema import Benchmarks, Columns, Dataset, EvaluateConfig, TrainConfig, alpha, context_tokens, horizon_steps

Rule = Callable[[TrainConfig], str | None]
RULES: list[Rule] = []

CHOICES = {
    "model.dtype": ("float32", "bfloat16", "float16"),
    "lora.method": ("lora", "full"),
    "algorithm.loss_type": ("grpo", "dr_grpo", "bnpo", "dapo", "cispo"),
    "algorithm.scale_rewards": ("group", "batch", "none"),
    "algorithm.importance_sampling_level": ("token", "sequence"),
    "schedule.kind": ("cosine_with_min_lr", "cosine", "constant", "constant_with_warmup", "linear"),
    "sampler.backend": ("transformers", "vllm", "vllm_server"),
    "sampler.sync": ("adapter", "merged"),
    "sampler.dtype": ("float32", "bfloat16", "float16"),
    "dataset.filter": ("sound", "as_released"),
    "grading.mode": ("sound", "as_released"),
    "selection.rule": ("held_out", "last", "before_transition", "best_mean", "racing"),
    "selection.stop": ("never", "after_transition"),
    "benchmarks.prompt": ("training", "benchmark"),
    "tracking.mode": ("offline", "online", "disabled"),
    "hardware.device": ("cpu", "cuda"),
}
POSITIVE = (
    "lora.rank",
    "lora.alpha_ratio",
    "schedule.learning_rate",
    "schedule.max_steps",
    "schedule.stretch",
    "schedule.save_every",
    "batch.completions_per_step",
    "batch.completions_per_forward",
    "length.max_prompt_tokens",
    "length.max_completion_tokens",
    "hardware.processes",
    "hardware.step_timeout_s",
    "sampler.gpu_memory_utilization",
    "sampler.adapters",
    "sampler.cpu_kv_cache_gib",
    "sampler.tensor_parallel",
    "sampler.fidelity_completions",
    "sampler.fidelity_every",
    "algorithm.num_iterations",
    "benchmarks.samples",
    "benchmarks.max_new_tokens",
    "benchmarks.sequences",
    "benchmarks.problems",
    "benchmarks.top_p",
    "selection.first_samples",
    "rollout.temperature",
    "grading.timeout_s",
    "grading.max_chars",
    "model.max_context_tokens",
)
AT_MOST_ONE = ("rollout.top_p", "benchmarks.top_p", "sampler.gpu_memory_utilization")
FOLDER_NAMES = ("model.name", "dataset.name", "algorithm.name", "reward.name", "study.name")
NAME, NAME_LENGTH = re.compile(r"[^\W_][\w.+-]*"), 60
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SHARES = ("schedule.warmup_ratio", "schedule.min_lr_rate", "lora.dropout")
NOT_NEGATIVE = (
    *("algorithm.beta", "benchmarks.temperature", "seed", "hardware.usd_per_hour", "schedule.weight_decay"),
    "selection.stop_after_steps",
    "sampler.wait_s",
)


def problems(config: TrainConfig | EvaluateConfig) -> list[str]:
    """Everything that is wrong with one arm, or with one evaluation."""
    found = [*_choices(config), *_ranges(config)]
    # A rule between fields assumes that each field makes sense alone.
    if found or isinstance(config, TrainConfig):
        return found or [sentence for rule in RULES if (sentence := rule(config))]
    return _evaluation_problems(config)


def _evaluation_problems(config: EvaluateConfig) -> list[str]:
    from tina.evaluation.request import resolve

    try:
        resolved = resolve(config).config
    except UserError as error:
        return [str(error)]
    rules = (
        benchmarks_can_be_read,
        benchmark_fits_the_context,
        model_is_there,
        held_out_is_evaluated,
        a_race_has_rounds,
        names_make_files,
        outputs_have_a_plain_name,
        outputs_can_be_written,
        *sampler_rules.FOR_EVALUATION,
    )
    return [sentence for rule in rules if (sentence := rule(resolved))]


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def value_of(config: TrainConfig | EvaluateConfig, name: str) -> object:
    value: object = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _asked(config: TrainConfig | EvaluateConfig, names: Iterable[str]) -> list[str]:
    """Those names whose group this configuration has: an evaluation has few, and may leave some out."""
    return [name for name in names if getattr(config, name.partition(".")[0], None) is not None]


def _choices(config: TrainConfig | EvaluateConfig) -> Iterable[str]:
    for name in _asked(config, CHOICES):
        value, allowed = value_of(config, name), CHOICES[name]
        if value is not None and value not in allowed:
            yield f"{name}={value} is not known: it takes {', '.join(allowed)}."


def _ranges(config: TrainConfig | EvaluateConfig) -> Iterable[str]:
    for name in _asked(config, POSITIVE):
        value = value_of(config, name)
        if value is not None and not value > 0:
            yield f"{name}={value} must be greater than 0."
        elif value == math.inf:
            yield f"{name}={value} must be finite."
    for name in _asked(config, NOT_NEGATIVE):
        if not value_of(config, name) >= 0:
            yield f"{name}={value_of(config, name)} must not be negative."
    for name in _asked(config, AT_MOST_ONE):
        if value_of(config, name) > 1:
            yield f"{name}={value_of(config, name)} must be at most 1."
    for name in _asked(config, SHARES):
        if not 0 <= value_of(config, name) < 1:
            yield f"{name}={value_of(config, name)} is a share: it must lie in [0, 1)."


@rule
def groups_need_peers(config: TrainConfig) -> str | None:
    if config.batch.num_generations < 2:
        return (
            f"batch.num_generations={config.batch.num_generations}: the advantage compares completions of one "
            "prompt, so a group needs at least 2."
        )
    return None


@rule
def generations_divide_the_batch(config: TrainConfig) -> str | None:
    total, group = config.batch.completions_per_step, config.batch.num_generations
    if total % group:
        return (
            f"batch.completions_per_step={total} cannot be split into groups of batch.num_generations={group}: "
            f"use {total // group * group or group} or {(total // group + 1) * group} completions."
        )
    return None


@rule
def forward_divides_the_batch(config: TrainConfig) -> str | None:
    total, forward, processes = (
        config.batch.completions_per_step,
        config.batch.completions_per_forward,
        config.hardware.processes,
    )
    if forward is None:
        if total % processes:
            return (
                f"batch.completions_per_step={total} cannot be split over hardware.processes={processes}: "
                f"use {total // processes * processes or processes} completions, or other processes."
            )
    elif total % (forward * processes):
        return (
            f"batch.completions_per_step={total} is not a multiple of batch.completions_per_forward={forward} x "
            f"hardware.processes={processes}: lower completions_per_forward to a divisor of {total // processes}."
        )
    return None


@rule
def old_log_probs_have_no_dropout(config: TrainConfig) -> str | None:
    """The old policy's log-probs and the new one's would be computed under different masks, so that no ratio is 1."""
    if config.algorithm.num_iterations > 1 and config.lora.method == "lora" and config.lora.dropout > 0:
        return (
            f"algorithm.num_iterations={config.algorithm.num_iterations} with lora.dropout={config.lora.dropout}: the "
            "ratio of new to old log-probs would measure dropout masks; set lora.dropout=0."
        )
    return None


@rule
def horizon_covers_the_run(config: TrainConfig) -> str | None:
    horizon = horizon_steps(config.schedule)
    if horizon < config.schedule.max_steps:
        return (
            f"The learning-rate schedule ends at step {horizon}, before schedule.max_steps="
            f"{config.schedule.max_steps}: raise schedule.horizon_steps or schedule.stretch (at least 1)."
        )
    return None


@rule
def alpha_is_positive(config: TrainConfig) -> str | None:
    return None if alpha(config.lora) > 0 else f"lora.alpha={config.lora.alpha} must be greater than 0."


@rule
def context_holds_the_cap(config: TrainConfig) -> str | None:
    need, limit = config.length.max_prompt_tokens + config.length.max_completion_tokens, context_tokens(config)
    if need > limit:
        return (
            f"length.max_prompt_tokens + length.max_completion_tokens = {need} tokens do not fit the sampler's "
            f"context of {limit}: completions would be cut early; raise length.context_tokens (the model "
            f"{config.model.name} holds {config.model.max_context_tokens}) or lower the cap."
        )
    return None


RULES += sampler_rules.FOR_TRAINING


@rule
def benchmarks_can_be_read(config: TrainConfig | EvaluateConfig) -> str | None:
    return _benchmarks_problem(json.dumps(asdict(config.benchmarks), sort_keys=True))


@lru_cache(maxsize=64)
def _benchmarks_problem(benchmarks: str) -> str | None:
    """What is wrong with the benchmarks; asked once for all arms of a grid, which mostly share them."""
    from tina.evaluation.benchmarks import check_benchmarks

    try:
        check_benchmarks(Benchmarks(**json.loads(benchmarks)))
    except UserError as error:
        return str(error)
    return None


@rule
def benchmark_fits_the_context(config: TrainConfig | EvaluateConfig) -> str | None:
    need, limit = config.benchmarks.max_new_tokens, config.model.max_context_tokens
    if config.benchmarks.sets and need >= limit:
        return (
            f"benchmarks.max_new_tokens={need} leaves no room for a prompt in the context of {config.model.name} "
            f"({limit} tokens): lower it."
        )
    return None


@rule
def model_is_there(config: TrainConfig | EvaluateConfig) -> str | None:
    path = files.local_path(config.model.path)
    if path is None:
        return None
    if not path.exists():
        return f"model.path={config.model.path} is not there: give a folder with a config.json, or a hub id."
    if not (path / "config.json").is_file():
        return f"model.path={config.model.path} is no model folder: it has no config.json."
    return None


@rule
def data_comes_from_one_place(config: TrainConfig) -> str | None:
    if config.dataset.generator and config.dataset.path:
        return (
            f"dataset={config.dataset.name} makes its problems itself and reads no dataset.path: choose dataset=file, "
            "or another data set."
        )
    return None


@rule
def data_can_be_read(config: TrainConfig) -> str | None:
    return _data_problem(json.dumps(asdict(config.dataset), sort_keys=True, default=str))


@lru_cache(maxsize=64)
def _data_problem(dataset: str) -> str | None:
    """What is wrong with a data set; asked once for all arms of a grid that share it."""
    from tina.data.loading import check_dataset

    values = json.loads(dataset)
    try:
        check_dataset(Dataset(**values | {"columns": Columns(**values["columns"])}))
    except UserError as error:
        return str(error)
    return None


@rule
def rewards_are_known(config: TrainConfig) -> str | None:
    from tina.rewards import check_options

    try:
        for name, term in config.reward.rewards.items():
            check_options(name, term.options)
    except UserError as error:
        return str(error)
    return None


@rule
def passed_through_fields_exist(config: TrainConfig) -> str | None:
    """`trainer.<field>` goes to TRL by name: a misspelt one would be refused after the model was loaded."""
    return next((problem for name in config.trainer if (problem := trainer_fields.problem(name))), None)


@rule
def some_reward_counts(config: TrainConfig) -> str | None:
    if not any(term.weight for term in config.reward.rewards.values()):
        return "Every reward has weight 0: nothing would be learnt; give one of reward.rewards a weight."
    return None


@rule
def held_out_is_evaluated(config: TrainConfig | EvaluateConfig) -> str | None:
    """`held_out` chooses on a set that is not reported, so it needs one that is evaluated; so does a race on one."""
    if config.selection is None or not config.benchmarks.sets:
        return None
    rule, chosen_on = config.selection.rule, config.selection.benchmark
    if rule != "held_out" and not (rule == "racing" and chosen_on):
        return None
    evaluated = [name for name in config.benchmarks.sets if name not in config.benchmarks.skip]
    if chosen_on not in evaluated:
        return (
            f"selection={rule} chooses on {chosen_on}, which benchmarks={config.benchmarks.name} does not evaluate "
            f"({', '.join(evaluated)}): set selection.benchmark, or selection=last."
        )
    return None


@rule
def a_transition_can_be_seen(config: TrainConfig) -> str | None:
    from tina.dynamics.transition import MIN_POINTS

    if config.selection.stop == "after_transition" and config.schedule.max_steps < MIN_POINTS:
        return (
            f"selection.stop=after_transition cannot tell anything of schedule.max_steps={config.schedule.max_steps}: "
            f"a turn takes {MIN_POINTS} steps to be seen."
        )
    return None


@rule
def a_race_has_rounds(config: TrainConfig | EvaluateConfig) -> str | None:
    if config.selection is None or config.selection.rule != "racing" or not config.benchmarks.sets:
        return None
    first, last = config.selection.first_samples, config.benchmarks.samples
    if first >= last:
        return (
            f"selection=racing begins with selection.first_samples={first} and ends with benchmarks.samples={last}: "
            f"there is nothing to race over; set benchmarks.samples to {2 * first} or more."
        )
    return None


@rule
def names_make_files(config: TrainConfig | EvaluateConfig) -> str | None:
    """They are parts of the names of folders and files: none may lead to another place, or be too long for one."""
    for name in FOLDER_NAMES:
        value = value_of(config, name) if _asked(config, [name]) else None
        if value is not None and (not NAME.fullmatch(value) or len(value) > NAME_LENGTH):
            return (
                f"{name}={value[:NAME_LENGTH]!r} names a folder: take at most {NAME_LENGTH} letters, digits "
                "and ._+- of them, and begin with a letter or digit."
            )
    return None


@rule
def outputs_have_a_plain_name(config: TrainConfig | EvaluateConfig) -> str | None:
    """It stands in lines of the scripts that a scheduler runs."""
    if CONTROL.search(config.paths.outputs):
        return f"paths.outputs={config.paths.outputs!r} holds a line break or control character: name another folder."
    return None


@rule
def outputs_can_be_written(config: TrainConfig | EvaluateConfig) -> str | None:
    folder = Path(config.paths.outputs).expanduser().absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"paths.outputs={config.paths.outputs} cannot be made: {folder} is a file."
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"paths.outputs={config.paths.outputs} cannot be written: no permission in {folder}."
    return None
