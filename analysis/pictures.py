"""What is drawn: each function makes one matplotlib figure from facts and series, or says why it cannot.

Nothing is told by colour alone: what differs in colour differs in lightness, shape or label too.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.checked import is_number
from analysis.evaluations import Missing, Row
from analysis.metrics import ACCURACY_REWARDS, FORMAT_REWARD, LENGTH
from analysis.turns import Series

COLUMN_INCHES = 3.3
DARK, MIDDLE, LIGHT, ACCENT = "#0b3c5d", "#6b7f8e", "#b9c4cc", "#d55e00"
MAX_POINTS = 400
TITLE_CHARACTERS, LABEL_CHARACTERS = 44, 22
SAME_BASE = 0.05
"""Points of accuracy within which the bases of all arms are one: what rounding leaves."""
ORDER = ("best", "tie", "worse", "not tested", "published", "base model")
"""Of the marks in a legend."""
PANELS = (
    ("format reward", (FORMAT_REWARD,)),
    ("completion length, tokens", (LENGTH,)),
    ("accuracy reward", ACCURACY_REWARDS),
)


def dynamics(run: Row, series: Mapping[tuple[str, str], Series]) -> Figure | Missing:
    """Format reward, completion length and accuracy reward over the steps; turn and chosen checkpoint are marked."""
    found = [(title, _first(series, run["run"], metrics)) for title, metrics in PANELS]
    if all(curve is None for _, curve in found):
        return Missing("no curves were logged")
    figure = Figure(figsize=(COLUMN_INCHES, 3.9))
    panels = figure.subplots(len(found), 1, sharex=True)
    _title(figure, run["label"], fontweight="normal")
    for axes, (title, curve) in zip(panels, found, strict=True):
        axes.set_title(title, fontweight="normal")
        if curve is None:
            axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", va="center", color=MIDDLE)
        else:
            _curve(axes, *curve)
        _mark(axes, run)
    panels[-1].set_xlabel("optimizer step")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _first(series: Mapping[tuple[str, str], Series], run: str, metrics: Sequence[str]) -> Series | None:
    return next((series[run, metric] for metric in metrics if (run, metric) in series), None)


def _curve(axes: Axes, steps: np.ndarray, values: np.ndarray) -> None:
    """Every step in a light line, a running mean over a twentieth of the run in a dark one."""
    steps, values = thinned(steps, values)
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    axes.plot(steps, values, color=LIGHT, linewidth=0.8)
    if len(values) >= 20:
        half = max(1, len(values) // 40)
        padded = np.pad(values, half, mode="edge")
        axes.plot(steps, np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid"), color=DARK)


def thinned(steps: np.ndarray, values: np.ndarray) -> Series:
    """At most MAX_POINTS points: means over neighbours."""
    size = -(-len(steps) // MAX_POINTS)
    if size <= 1:
        return steps, values
    starts = np.arange(0, len(steps), size)
    counts = np.diff(np.append(starts, len(steps)))
    return tuple(np.add.reduceat(row.astype(float), starts) / counts for row in (steps, values))


def _mark(axes: Axes, run: Row) -> None:
    if is_number(run["transition"]):
        label = f"transition, step {run['transition']:.0f}"
        axes.axvline(run["transition"], color=ACCENT, linestyle=(0, (4, 2)), linewidth=1.1, label=label)
    if is_number(run["best_step"]):
        label = f"chosen checkpoint, step {run['best_step']:.0f}"
        axes.axvline(run["best_step"], color=DARK, linestyle=":", linewidth=1.3, label=label)


def study(title: str, arms: Sequence[Row]) -> Figure | Missing:
    """One dot an arm with its interval; the best filled, the published number and the base model beside."""
    if all(isinstance(arm["accuracy"], Missing) for arm in arms):
        return Missing("no arm was evaluated")
    figure = Figure(figsize=(COLUMN_INCHES, 0.95 + 0.24 * len(arms)))
    axes = figure.subplots()
    _title(figure, title)
    for place, arm in enumerate(arms):
        _arm(axes, place, arm)
    _bases(axes, [arm["base_accuracy"] for arm in arms])
    axes.set_yticks(range(len(arms)), [_broken(arm["arm"], LABEL_CHARACTERS) for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    several = any(" " in arm["benchmarks"] for arm in arms if not isinstance(arm["benchmarks"], Missing))
    axes.set_xlabel(f"{'average' if several else 'accuracy'}, % (bars: 95 % interval)")
    _legend_below(figure, axes)
    return figure


def _bases(axes: Axes, accuracies: Sequence[float | Missing]) -> None:
    """The base model: one line where all arms have the same, a mark in each arm's row where they differ."""
    known = {place: 100 * accuracy for place, accuracy in enumerate(accuracies) if is_number(accuracy)}
    look = {"color": MIDDLE, "linestyle": ":", "linewidth": 1, "label": "base model", "zorder": 1}
    if known and max(known.values()) - min(known.values()) < SAME_BASE:
        axes.axvline(float(np.mean(list(known.values()))), **look)
        return
    for place, accuracy in known.items():
        axes.plot([accuracy, accuracy], [place - 0.4, place + 0.4], **look)


def _arm(axes: Axes, place: int, arm: Row) -> None:
    if isinstance(arm["accuracy"], Missing):
        at = (0.02, place)
        axes.text(*at, arm["accuracy"], transform=axes.get_yaxis_transform(), va="center", color=MIDDLE, style="italic")
    else:
        if is_number(arm["low"]):
            axes.plot([100 * arm["low"], 100 * arm["high"]], [place, place], color=DARK, linewidth=1.1)
        best = arm["versus_best"] == "best"
        fill = DARK if best else LIGHT if arm["versus_best"] == "tie" else "white"
        label = arm["versus_best"] if arm["versus_best"] in ORDER else "not tested"
        dot = {"color": fill, "markeredgecolor": DARK, "markersize": 6 if best else 5}
        axes.plot(100 * arm["accuracy"], place, "o", linestyle="", label=label, **dot)
    if is_number(arm["published"]):
        diamond = {"color": "white", "markeredgecolor": ACCENT, "zorder": 1}
        axes.plot(100 * arm["published"], place, "D", linestyle="", label="published", **diamond)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = sorted(handles, key=lambda name: ORDER.index(name) if name in ORDER else 0)
    if handles:
        figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=4, columnspacing=1)


def flops(runs: Sequence[Row]) -> Figure | Missing:
    """Accuracy of each run's checkpoint against the FLOPs of its training."""
    logged = [run for run in runs if is_number(run["flops"]) and is_number(run["accuracy"])]
    if not logged:
        return Missing("FLOPs are not logged")
    figure = Figure()
    axes = figure.subplots()
    _title(figure, "Accuracy against training FLOPs")
    for run in logged:
        if is_number(run["low"]):
            axes.plot([run["flops"]] * 2, [100 * run["low"], 100 * run["high"]], color=LIGHT, linewidth=1, zorder=1)
        axes.plot(run["flops"], 100 * run["accuracy"], "o", color=DARK)
    if max(run["flops"] for run in logged) > 8 * min(run["flops"] for run in logged):
        axes.set_xscale("log")
    axes.set_xlabel("training FLOPs")
    axes.set_ylabel("accuracy, %")
    return figure


def cost(rows: Sequence[Row]) -> Figure | Missing:
    """Bars of dollars for training and evaluation, or of hours where the hardware has no price."""
    priced = any(is_number(row["cost_usd"]) and row["cost_usd"] > 0 for row in rows)
    fact, unit = ("cost_usd", "$") if priced else ("hours", "hours of training")
    known = [row for row in rows if is_number(row[fact])]
    if not known:
        return Missing("no cost was logged")
    figure = Figure(figsize=(COLUMN_INCHES, 0.8 + 0.26 * len(rows)))
    axes = figure.subplots()
    _title(figure, "Cost of the runs" if priced else "Time of the runs (their hardware has no price)")
    for place, row in enumerate(rows):
        if not is_number(row[fact]):
            axes.text(0.02, place, row[fact], transform=axes.get_yaxis_transform(), va="center", color=MIDDLE)
            continue
        axes.barh(place, row[fact], height=0.6, color=DARK, label="training")
        if priced and is_number(row["evaluation_usd"]):
            axes.barh(place, row["evaluation_usd"], left=row[fact], height=0.6, color=LIGHT, label="evaluation")
    axes.set_yticks(range(len(rows)), [_broken(row["task"], LABEL_CHARACTERS) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(unit)
    _legend_below(figure, axes) if priced else None
    return figure


def transitions(title: str, arms: Sequence[Row], axes_of_study: Sequence[str]) -> Figure | Missing:
    """The step where the format turns against the swept value; a line for each value of a second swept setting."""
    numeric = [
        axis for axis in axes_of_study if axis != "seed" and all(_as_number(arm.get(axis)) is not None for arm in arms)
    ]
    if not numeric:
        return Missing("nothing numeric is swept")
    if not any(is_number(arm["transition"]) for arm in arms):
        return Missing("no arm has a transition")
    along, others = numeric[-1], [axis for axis in axes_of_study if axis not in ("seed", numeric[-1])]
    figure = Figure()
    axes = figure.subplots()
    _title(figure, title)
    axes.margins(0.08, 0.12)
    groups: dict[str, list[Row]] = {}
    for arm in arms:
        groups.setdefault(", ".join(f"{axis}={arm.get(axis)}" for axis in others), []).append(arm)
    for (name, group), marker in zip(groups.items(), "osD^vPX*" * len(groups), strict=False):
        points = sorted((_as_number(arm[along]), arm["transition"]) for arm in group if is_number(arm["transition"]))
        axes.plot(*zip(*points, strict=True), marker=marker, label=name or None) if points else None
    _without_turn(axes, arms, along)
    values = [_as_number(arm[along]) for arm in arms]
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 1
    axes.set_xlim(low - pad, high + pad)
    if low > 0 and high > 7 * low:
        axes.set_xscale("log", base=2 if all(value == int(value) for value in values) else 10)
        axes.set_xlim(low * (low / high) ** 0.08, high * (high / low) ** 0.08)
    axes.set_xticks(sorted(set(values)), [f"{value:g}" for value in sorted(set(values))], minor=False)
    axes.minorticks_off()
    axes.set_xlabel(along)
    axes.set_ylabel("transition, step")
    _legend_below(figure, axes)
    return figure


def _without_turn(axes: Axes, arms: Sequence[Row], along: str) -> None:
    """Values without a transition in some arm have the words for it at the lower edge."""
    words: dict[float, dict[str, None]] = {}
    for arm in arms:
        if not is_number(arm["transition"]):
            words.setdefault(_as_number(arm[along]), {})[arm["transition"]] = None
    for value, reasons in words.items():
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom", "rotation": 90}
        axes.text(value, 0.03, ", ".join(reasons), color=MIDDLE, style="italic", fontsize=6.5, **place)


def _title(figure: Figure, text: str, fontweight: str = "bold") -> None:
    figure.suptitle(_broken(text, TITLE_CHARACTERS), fontsize=8, fontweight=fontweight, x=0.02, ha="left")


def _as_number(text: Any) -> float | None:
    """The value of an axis if it can be one on a line."""
    found = float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", str(text)) else None
    return found if is_number(found) else None


def _broken(text: str, width: int) -> str:
    """A long label on several lines, broken at commas, blanks or hyphens."""
    lines = [""]
    for part in re.findall(r"[^ ,-]+[ ,-]*|[ ,-]+", text):
        if len(lines[-1]) + len(part.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
