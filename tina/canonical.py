"""One form for each experiment: what can be said in two ways is said in one, what has no effect is left out.

Digests are made of it (`tina.identity`), and the gate refuses to sweep over what has no effect.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tina import schema
from tina.files import local_path

CLIPPED = ("grpo", "dr_grpo", "bnpo", "dapo")
"""Losses that clip the ratio of new to old probabilities, which is 1 where each batch is used once."""
DECAYING = ("cosine_with_min_lr", "cosine", "linear")
"""Schedules that depend on the horizon beyond their warm-up, which is a share of it."""

Config = Mapping[str, Any]


def canonical(config: Config) -> dict[str, Any]:
    """The configuration, as nested dictionaries, in the one form that it shares with all that mean the same.

    Values that others decide are filled in (alpha, the horizon, completions in a forward pass, the engine's dtype).
    What `without_effect` names is left out, and so are values at the default of TRL's field or the reward's option.
    """
    found: dict[str, Any] = copy.deepcopy(dict(config))
    for group, fill in FILLED.items():
        if group in found:
            fill(found[group], config)
    for name in without_effect(config):
        *parents, last = name.split(".")
        group = found
        for parent in parents:
            group = group.get(parent, {})
        group.pop(last, None)
    return _plain(found)


def without_effect(config: Config) -> dict[str, str]:
    """Dotted name of each setting that changes nothing that runs, with the setting that is why."""
    return {name: why for rule in RULES for name, why in rule(config)}


def _lora(lora: dict[str, Any], config: Config) -> None:
    if lora["alpha"] is None:
        lora["alpha"] = schema.alpha(schema.Lora(**lora))
    del lora["alpha_ratio"]
    lora["target_modules"] = sorted(set(lora["target_modules"]))


def _schedule(schedule: dict[str, Any], config: Config) -> None:
    typed = schema.Schedule(**schedule)
    schedule |= {"horizon_steps": schema.horizon_steps(typed), "warmup_steps": schema.warmup_steps(typed)}
    del schedule["stretch"], schedule["warmup_ratio"]
    if schedule["kind"] not in DECAYING:
        del schedule["horizon_steps"]
    if schedule["kind"] == "constant":
        del schedule["warmup_steps"]


def _batch(batch: dict[str, Any], config: Config) -> None:
    hardware = schema.Hardware(**config["hardware"])
    batch["completions_per_forward"] = schema.completions_per_forward(schema.Batch(**batch), hardware)


def _algorithm(algorithm: dict[str, Any], config: Config) -> None:
    if algorithm["epsilon_high"] is None:
        algorithm["epsilon_high"] = algorithm["epsilon"]
    if algorithm["loss_type"] not in CLIPPED:
        del algorithm["epsilon"]  # it has no other use


def _sampler(sampler: dict[str, Any], config: Config) -> None:
    """Whether the engine is this process's or a server's is no other experiment."""
    if sampler["backend"] != "transformers":
        sampler |= {"backend": "vllm", "dtype": sampler["dtype"] or config["model"]["dtype"]}


def _rollout(rollout: dict[str, Any], config: Config) -> None:
    rollout["min_p"] = rollout["min_p"] or None
    rollout["top_k"] = max(0, rollout["top_k"])


def _prompt(prompt: dict[str, Any], config: Config) -> None:
    prompt["system"] = prompt["system"] or None


def _reward(reward: dict[str, Any], config: Config) -> None:
    from tina.rewards import option_defaults

    for name, term in reward["rewards"].items():
        defaults = option_defaults(name)
        term["options"] = {k: v for k, v in term["options"].items() if k not in defaults or v != defaults[k]}


def _trainer(trainer: dict[str, Any], config: Config) -> None:
    from tina.trainer_fields import defaults

    known = defaults() if trainer else {}
    for name in [name for name, value in trainer.items() if name in known and value == known[name]]:
        del trainer[name]


FILLED: dict[str, Callable[[dict[str, Any], Config], None]] = {
    "lora": _lora,
    "schedule": _schedule,
    "batch": _batch,
    "algorithm": _algorithm,
    "sampler": _sampler,
    "rollout": _rollout,
    "prompt": _prompt,
    "reward": _reward,
    "trainer": _trainer,
}


def _of_full_training(config: Config) -> Iterator[tuple[str, str]]:
    lora = config.get("lora", {})
    if lora.get("method") == "full":
        yield from ((f"lora.{name}", "lora.method=full") for name in lora if name not in ("name", "method"))
    elif lora.get("alpha") is not None:
        yield "lora.alpha_ratio", f"lora.alpha={lora['alpha']:g}"


def _of_schedules(config: Config) -> Iterator[tuple[str, str]]:
    schedule = config.get("schedule")
    if schedule is None:
        return
    because = f"schedule.kind={schedule['kind']}"
    if schedule["kind"] != "cosine_with_min_lr":
        yield "schedule.min_lr_rate", because
    if schedule["kind"] == "constant":
        yield from ((f"schedule.{name}", because) for name in ("warmup_ratio", "horizon_steps", "stretch"))
    elif schedule["horizon_steps"] is not None:
        yield "schedule.stretch", f"schedule.horizon_steps={schedule['horizon_steps']}"


def _of_losses(config: Config) -> Iterator[tuple[str, str]]:
    algorithm = config.get("algorithm")
    if algorithm is None:
        return
    clipped, once = algorithm["loss_type"] in CLIPPED, algorithm["num_iterations"] == 1
    if clipped and once:
        yield from ((f"algorithm.{n}", "algorithm.num_iterations=1") for n in ("epsilon", "epsilon_high"))
        if algorithm["delta"] is None or algorithm["delta"] >= 1:
            yield "algorithm.delta", "algorithm.num_iterations=1"
    if not clipped:
        because = f"algorithm.loss_type={algorithm['loss_type']}"
        yield "algorithm.delta", because
        if algorithm["epsilon_high"] is not None:
            yield "algorithm.epsilon", because
            if once and algorithm["epsilon_high"] >= 1:
                yield "algorithm.epsilon_high", "algorithm.num_iterations=1"


def _of_data(config: Config) -> Iterator[tuple[str, str]]:
    dataset = config.get("dataset")
    if dataset is None:
        return
    generator = dataset["generator"]
    if generator:
        unread = ["hub_id", "subset", "path", "revision", "filter", "columns"]
        unread += ["split"] if generator == "reasoning_gym" else []
        yield from ((f"dataset.{name}", f"dataset.generator={generator}") for name in unread)
    else:
        yield "dataset.generator_options", "dataset.generator=null"
    if dataset["path"] and not generator:
        unread = ["hub_id", "subset", "split", "revision"]
        yield from ((f"dataset.{name}", f"dataset.path={dataset['path']}") for name in unread)
    if not generator and dataset["size"] is None:
        yield "dataset.seed", "dataset.size=null"


def _of_local_models(config: Config) -> Iterator[tuple[str, str]]:
    path = config.get("model", {}).get("path")
    if local_path(path) is not None:
        yield "model.revision", f"model.path={path}"


def _of_samplers(config: Config) -> Iterator[tuple[str, str]]:
    if config.get("sampler", {}).get("backend") == "transformers":
        yield from ((f"sampler.{name}", "sampler.backend=transformers") for name in ("sync", "dtype"))


def _of_unstopped_runs(config: Config) -> Iterator[tuple[str, str]]:
    if config.get("selection", {}).get("stop") == "never":
        yield "selection.stop_after_steps", "selection.stop=never"


RULES = (
    _of_full_training,
    _of_schedules,
    _of_losses,
    _of_data,
    _of_local_models,
    _of_samplers,
    _of_unstopped_runs,
)


def _plain(value: Any) -> Any:
    """Numbers as JSON writes them whether they came as 3584 or 3584.0."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
