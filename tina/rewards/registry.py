"""Rewards by name: a reward is one pure function of a batch's texts and verdicts, in a file of its own.

    @reward("brevity")
    def brevity(batch: RewardBatch, *, weight_per_token: float = 0.001) -> list[float | None]:
        return [-weight_per_token * tokens for tokens in batch.completion_tokens]

Options come from the configuration (`rewards: {brevity: {weight: 1.0, options: {weight_per_token: 0.01}}}`). None for
a row means that this reward has nothing to say about it; the trainer leaves it out of the sum.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from tina.errors import UserError
from tina.grading.grade import Grade

RewardFunction = Callable[..., list[float | None]]

_REWARDS: dict[str, RewardFunction] = {}


@dataclass(frozen=True)
class RewardBatch:
    """Completions of one generation batch, n rows; rows of one prompt (a group) are consecutive.

    `grades` [n] are verdicts of `tina.grading`; `completion_tokens` [n] counts generated tokens; `prompt_opens_think`
    is True when the chat template's prompt already ends inside an opened think block.
    """

    completions: list[str]
    grades: list[Grade]
    completion_tokens: list[int]
    max_completion_tokens: int
    num_generations: int
    prompt_opens_think: bool

    def __post_init__(self) -> None:
        rows = {len(self.completions), len(self.grades), len(self.completion_tokens)}
        if len(rows) != 1:
            raise ValueError(
                f"A reward batch needs as many grades and token counts as completions, not {sorted(rows)}."
            )

    def groups(self) -> list[slice]:
        """The consecutive rows that belong to one prompt, as slices of n // num_generations groups."""
        step = self.num_generations
        return [slice(start, start + step) for start in range(0, len(self.completions), step)]


def reward(name: str) -> Callable[[RewardFunction], RewardFunction]:
    """Registers the decorated function as the reward `name`."""

    def register(function: RewardFunction) -> RewardFunction:
        known = _REWARDS.get(name)
        if known is not None and known.__module__ != function.__module__:
            raise ValueError(f"The reward '{name}' is defined in {known.__module__} and in {function.__module__}.")
        _REWARDS[name] = function
        return function

    return register


def reward_names() -> list[str]:
    """Every reward of this package, sorted; importing the package's modules is what registers them."""
    import tina.rewards

    for module in pkgutil.iter_modules(tina.rewards.__path__):
        importlib.import_module(f"tina.rewards.{module.name}")
    return sorted(_REWARDS)


def get_reward(name: str) -> RewardFunction:
    """The reward of that name. Raises UserError with the nearest names if there is none."""
    names = reward_names()
    if name not in _REWARDS:
        near = get_close_matches(name, names, n=3, cutoff=0.5) or names
        raise UserError(f"There is no reward '{name}'; did you mean {', '.join(near)}?")
    return _REWARDS[name]


def option_defaults(name: str) -> dict[str, object]:
    """The reward's options with their defaults; none of a reward that is not known."""
    if name not in reward_names():
        return {}
    return {key: value.default for key, value in inspect.signature(_REWARDS[name]).parameters.items() if key != "batch"}


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Raises UserError if the reward takes no such option, or refuses its value: a batch of one row tells."""
    known = [key for key in inspect.signature(get_reward(name)).parameters if key != "batch"]
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, n=1) or known or ["none at all"]
            raise UserError(f"The reward '{name}' has no option '{key}'; it takes {', '.join(near)}.")
    get_reward(name)(RewardBatch([""], [Grade("wrong", None, "")], [1], 1, 1, False), **options)
