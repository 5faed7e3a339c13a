"""What logs may say where they come in: numbers where a table counts on numbers, words where it counts on words.

Whatever is of another kind is taken out and told in the run's `damage`: one odd value of one run must neither end all
tables nor stand in one of them.
"""

import math
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tina.terminal import visible

KINDS = ("train", "eval", "study")
"""The job types of this suite."""

COUNT, SHARE, AMOUNT = (0, 2.0**53, True), (0, 1, False), (0, math.inf, False)
"""The least and the largest value, and whether it must be whole."""
NUMBERS: dict[str, tuple[float, float, bool]] = {
    r"eval/.+/(mean|format|truncated)": SHARE,
    r"eval/.+/mean_tokens": AMOUNT,
    r"eval/.+/(n_problems|n_samples)": (1, 2.0**53, True),
    r"eval/(cost_usd|seconds|flops)": AMOUNT,
    r"selection/(step|candidates)|run/(steps|completion_tokens)|train/global_step|data/prompts": COUNT,
    r"run/(seconds|cost_usd|usd_per_hour|flops|epochs)|train/epoch|dynamics/transition_step": AMOUNT,
    r"run/trainable_share": SHARE,
}
WORDS = ("selection/rule", "dynamics/transition")


def checked(run: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `Logs.runs` with what is not of its kind left out of `summary` and `config`, and told in `damage`.

    Control characters in its texts are shown from here on.
    """
    run, odd = _visible(run), []
    summary = {key: value for key, value in run["summary"].items() if _is_sound(key, value, odd)}
    config = _config(run["config"], run["job_type"], odd)
    damage = "; ".join([*([run["damage"]] if run["damage"] else []), *odd])
    return {**run, "summary": summary, "config": config, "damage": damage}


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(key) if isinstance(key, str) else key: _visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_visible(inner) for inner in value)
    return value


def is_number(value: Any) -> bool:
    """Is it a number that can be counted with? True and false are none."""
    largest = sys.float_info.max  # a whole number may have thousands of digits
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def _is_sound(key: str, value: Any, odd: list[str]) -> bool:
    limits = _limits(key)
    if value is None:
        return limits is None
    if key in WORDS:
        what, sound = "no word", isinstance(value, str)
    elif limits is not None:
        low, high, whole = limits
        sound = is_number(value) and low <= value <= high and (not whole or value == int(value))
        what = f"no {'whole ' if whole else ''}number" + (f" from {low:g} to {high:g}" if high == 1 else "")
    else:
        return True
    if not sound:
        odd.append(f"{key} is {what} ({str(value)[:40]!r})")
    return sound


@cache
def _limits(key: str) -> tuple[float, float, bool] | None:
    return next((limits for pattern, limits in NUMBERS.items() if re.fullmatch(pattern, key)), None)


def _config(config: Mapping[str, Any], job_type: str, odd: list[str]) -> dict[str, Any]:
    """The settings whose form tables count on; where the form is another one the key is left out."""
    forms: dict[str, Callable[[Any], bool]] = {
        "cfg": lambda value: isinstance(value, dict),
        "segments": _are_segments,
        "label": lambda value: isinstance(value, str),
        "run_name": lambda value: isinstance(value, str),
        "train_id": lambda value: isinstance(value, str),
        "model": lambda value: isinstance(value, str),
    }
    if job_type == "eval":
        forms["step"] = lambda value: is_number(value) and value == int(value) >= 0
    if job_type == "study":
        forms["study"] = _is_manifest
    kept = {}
    for key, value in config.items():
        if key not in forms or (value is not None and forms[key](value)):
            kept[key] = value
        elif value is not None and job_type in KINDS:  # what another program logs under these names is its own
            odd.append(f"the setting {key} is not understood ({str(value)[:40]!r})")
    return kept


def _is_manifest(study: Any) -> bool:
    if not isinstance(study, dict) or not isinstance(study.get("study"), str) or not study["study"]:
        return False
    arms = study.get("arms")
    if not isinstance(arms, list) or not all(isinstance(study.get(name) or {}, dict) for name in ("axes", "layout")):
        return False
    layout = study.get("layout") or {}
    words = [study.get("title"), study.get("source"), layout.get("published")]
    for name in ("labels", "published_arms"):
        mapping = layout.get(name) or {}
        if not isinstance(mapping, dict) or not all(isinstance(value, str) for value in mapping.values()):
            return False
    if not all(word is None or isinstance(word, str) for word in words):
        return False
    return all(
        isinstance(arm, dict)
        and all(isinstance(arm.get(name), str) for name in ("digest", "label"))
        and isinstance(arm.get("overrides") or {}, dict)
        for arm in arms
    )


def _are_segments(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(key, {}), dict) for key in ("versions", "precision"))
        for one in value
    )
