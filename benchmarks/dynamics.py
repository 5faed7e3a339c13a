"""How often the detector of phase transitions is right, on simulated training curves: `python benchmarks/dynamics.py`.

Curves of known shape, with noise and lengths as in real logs: shares of 64 or 48 completions for rewards, 3 to 12 % of
the change for lengths (and up to 30 % over long runs), 60 to 3,750 steps drawn anew for each curve. A turn counts as
found within 3 % of the run around its true step; on curves without a turn any "turn" is a false alarm.
Online, every curve is shown one 60th of the run at a time until the detector says "turned".

Two minutes or so on one core; `--curves 1000 --online-curves 200` takes a quarter of an hour.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tina.dynamics import decide_online, find_transition

LENGTHS = (60, 180, 850, 3750)
ONLINE_LENGTHS = (60, 180, 850)
TOLERANCE = 0.03
ONLINE_TOLERANCE = 0.10
LOOKS = 60
Random = np.random.Generator


@dataclass(frozen=True)
class Curve:
    """One simulated series: `turn` is its true step as a share of the run, `end` when it is over."""

    values: np.ndarray
    turn: float | None = None  # None: it has no turn
    end: float | None = None


# --- parts


def times(n: int) -> np.ndarray:
    return np.linspace(0, 1, n)


def rise(n: int, middle: float, width: float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip((times(n) - middle) / width * 2 * np.log(9), -50, 50)))


def shares(random: Random, chance: np.ndarray) -> np.ndarray:
    """Mean reward of a step's completions: 64 on the embedded default, 48 in the paper's runs."""
    completions = 64 if len(chance) == 60 else 48
    return random.binomial(completions, np.clip(chance, 0, 1)) / completions


def noise(random: Random, n: int, low: float = 0.03, high: float = 0.12) -> np.ndarray:
    """White noise; long runs are noisier, having fewer completions for each bit of progress."""
    return random.normal(0, random.uniform(low, high if n <= 180 else 2.5 * high), n)


def correlated(random: Random, n: int, phi: float) -> np.ndarray:
    """AR(1) noise of standard deviation 1."""
    series = random.normal(0, 1, n)
    for i in range(1, n):
        series[i] = phi * series[i - 1] + np.sqrt(1 - phi**2) * series[i]
    return series


def outliers(random: Random, n: int) -> np.ndarray:
    return (random.random(n) < 0.04) * random.normal(0, 1, n)


def sharp_rise(random: Random, n: int, widest: float = 0.25) -> tuple[np.ndarray, float, float]:
    middle, width = random.uniform(0.15, 0.8), random.uniform(0.02, widest)
    return rise(n, middle, width), middle, middle + width / 2


def either_way(random: Random) -> float:
    return random.choice([-1.0, 1.0])


# --- curves that turn


def format_turn(random: Random, n: int) -> Curve:
    shape, middle, end = sharp_rise(random, n)
    low, high = random.uniform(0.02, 0.3), random.uniform(0.85, 1.0)
    return Curve(shares(random, low + (high - low) * shape), middle, end)


def length_turn(random: Random, n: int) -> Curve:
    shape, middle, end = sharp_rise(random, n)
    drift = random.uniform(-0.2, 0.2) * times(n)
    return Curve(69 + 30 * (either_way(random) * shape + drift + noise(random, n)), middle, end)


def turn_with_outliers(random: Random, n: int) -> Curve:
    shape, middle, end = sharp_rise(random, n)
    return Curve(either_way(random) * shape + noise(random, n, high=0.08) + outliers(random, n), middle, end)


def turn_in_correlated_noise(random: Random, n: int) -> Curve:
    shape, middle, end = sharp_rise(random, n)
    wander = random.uniform(0.03, 0.08) * correlated(random, n, random.uniform(0.3, 0.7))
    return Curve(shape + wander, middle, end)


def hinge_turn(random: Random, n: int) -> Curve:
    corner = random.uniform(0.2, 0.7)
    ramp = np.maximum(times(n) - corner, 0) / (1 - corner)
    return Curve(either_way(random) * ramp + noise(random, n, 0.01, 0.04), corner, corner)


def v_turn(random: Random, n: int) -> Curve:
    corner, t = random.uniform(0.3, 0.7), times(n)
    falls = random.uniform(0.5, 1.5)
    v = np.where(t < corner, falls * (corner - t), t - corner)
    return Curve(either_way(random) * v + noise(random, n, 0.01, 0.04), corner, corner)


# --- curves that do not


def line(random: Random, n: int) -> Curve:
    return Curve(either_way(random) * times(n) + noise(random, n, 0.01, 0.4))


def line_of_shares(random: Random, n: int) -> Curve:
    first, last = random.uniform(0, 1, 2)
    return Curve(shares(random, first + (last - first) * times(n)))


def plateau(random: Random, n: int) -> Curve:
    return Curve(random.normal(0, 1, n))


def plateau_of_shares(random: Random, n: int) -> Curve:
    return Curve(shares(random, np.full(n, random.choice([0.002, 0.02, 0.1, 0.5, 0.9, 0.998]))))


def wandering_plateau(random: Random, n: int) -> Curve:
    return Curve(correlated(random, n, random.uniform(0.3, 0.95)))


def wandering_drift(random: Random, n: int) -> Curve:
    return Curve(random.uniform(-4, 4) * times(n) + correlated(random, n, random.uniform(0.3, 0.9)))


def drift_with_outliers(random: Random, n: int) -> Curve:
    return Curve(random.uniform(-1, 1) * times(n) + noise(random, n, high=0.08) + outliers(random, n))


def quarter_sine(random: Random, n: int) -> Curve:
    return Curve(np.sin(np.pi / 2 * times(n)) + noise(random, n, 0.01))


def square_root(random: Random, n: int) -> Curve:
    return Curve(np.sqrt(times(n)) + noise(random, n, 0.01))


def saturation(random: Random, n: int) -> Curve:
    return Curve(1 - np.exp(-times(n) / random.uniform(0.25, 0.7)) + noise(random, n, 0.01))


def growth(random: Random, n: int) -> Curve:
    return Curve(np.exp((times(n) - 1) / random.uniform(0.25, 0.7)) + noise(random, n, 0.01))


def logarithm(random: Random, n: int) -> Curve:
    scale = random.uniform(2, 30)
    return Curve(np.log1p(scale * times(n)) / np.log1p(scale) + noise(random, n, 0.01))


def slow_rise_of_shares(random: Random, n: int) -> Curve:
    return Curve(shares(random, 0.05 + 0.9 * rise(n, random.uniform(0.35, 0.65), random.uniform(0.65, 1.0))))


Shape = Callable[[Random, int], Curve]
TURNS: tuple[Shape, ...] = (
    *(format_turn, length_turn, turn_with_outliers, turn_in_correlated_noise),
    *(hinge_turn, v_turn),
)
NO_TURNS: tuple[Shape, ...] = (
    *(line, line_of_shares, plateau, plateau_of_shares, wandering_plateau, wandering_drift, drift_with_outliers),
    *(quarter_sine, square_root, saturation, growth, logarithm, slow_rise_of_shares),
)


# --- the measurement


def curves(shape: Shape, count: int, seed: int, lengths: Iterable[int] = LENGTHS) -> Iterable[Curve]:
    """`count` curves of one shape, the same for the same seed."""
    random = np.random.default_rng([seed, *shape.__name__.encode()])
    for _ in range(count):
        yield shape(random, int(random.choice(list(lengths))))


def afterwards(shape: Shape, count: int, seed: int) -> dict[str, float]:
    """Shares of the curves called turn, undecided, none; found within 3 %; with the true step in the interval."""
    tally: Counter[str] = Counter()
    for curve in curves(shape, count, seed):
        last = len(curve.values) - 1
        answer = find_transition(range(last + 1), curve.values)
        tally[answer.kind] += 1
        if answer.step is not None and curve.turn is not None:
            tally["found"] += abs(answer.step / last - curve.turn) <= TOLERANCE
            tally["covered"] += answer.low <= curve.turn * last <= answer.high
    return {name: tally[name] / count for name in ("turn", "undecided", "none", "found", "covered")}


def online(shape: Shape, count: int, seed: int) -> dict[str, float]:
    """Shares of runs called turned: ever, before the turn, and within 10 % of the run after its middle and its end.

    A rise begins as long before its middle as it ends after it; "before" is more than 3 % before it begins. `delay` is
    the median from the middle, as a share of the run.
    """
    tally: Counter[str] = Counter()
    delays = []
    shown = list(curves(shape, count, seed, ONLINE_LENGTHS))
    for curve, when in zip(shown, first_alarms([curve.values for curve in shown]), strict=True):
        if when is None:
            continue
        tally["ever"] += 1
        if curve.turn is not None:
            delays.append(when - curve.turn)
            before = when < 2 * curve.turn - curve.end - TOLERANCE
            tally["before"] += before
            tally["after_middle"] += not before and when - curve.turn <= ONLINE_TOLERANCE
            tally["after_end"] += not before and when - curve.end <= ONLINE_TOLERANCE
    rates = {name: tally[name] / count for name in ("ever", "before", "after_middle", "after_end")}
    return rates | {"delay": float(np.median(delays)) if delays else float("nan")}


def first_alarms(series: list[np.ndarray]) -> list[float | None]:
    """When, as a share of its run, a detector that looks LOOKS times says "turned" of each series.

    All runs of one length are looked at together: what a fit needs of the steps alone is kept between them.
    """
    when: list[float | None] = [None] * len(series)
    for total in sorted({len(values) for values in series}):
        open_runs = [i for i, values in enumerate(series) if len(values) == total]
        for seen in range(total // LOOKS, total + 1, total // LOOKS):
            for i in list(open_runs):
                if decide_online(range(seen), series[i][:seen], total).state == "turned":
                    when[i] = (seen - 1) / (total - 1)
                    open_runs.remove(i)
    return when


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=300, help="of each shape, seen after the run")
    parser.add_argument("--online-curves", type=int, default=20, help="of each shape, online")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_afterwards(options.curves, options.seed)
    if options.online_curves:
        print_online(options.online_curves, options.seed)


def print_afterwards(count: int, seed: int) -> None:
    print(f"After the run, {count} curves a shape of {', '.join(map(str, LENGTHS))} steps")
    print(f"{'shape':28}{'found +-3 %':>12}{'elsewhere':>11}{'undecided':>11}{'none':>8}{'in interval':>13}")
    started, found, alarms = time.perf_counter(), [], []
    for shape in TURNS:
        rate = afterwards(shape, count, seed)
        found.append(rate["found"])
        elsewhere, covered = rate["turn"] - rate["found"], rate["covered"] / max(rate["turn"], 1e-9)
        print(f"{shape.__name__:28}{rate['found']:12.1%}{elsewhere:11.1%}{rate['undecided']:11.1%}", end="")
        print(f"{rate['none']:8.1%}{covered:13.1%}", flush=True)
    print(f"{'':28}{'false alarm':>12}{'':11}{'undecided':>11}{'none':>8}")
    for shape in NO_TURNS:
        rate = afterwards(shape, count, seed)
        alarms.append(rate["turn"])
        print(f"{shape.__name__:28}{rate['turn']:12.1%}{'':11}{rate['undecided']:11.1%}{rate['none']:8.1%}", flush=True)
    each = (time.perf_counter() - started) / count / len((*TURNS, *NO_TURNS))
    print(f"found: {min(found):.1%} or more; false alarms: {max(alarms):.1%} or fewer; {each * 1000:.0f} ms a curve\n")


def print_online(count: int, seed: int) -> None:
    print(
        f"Online, {count} curves a shape of {', '.join(map(str, ONLINE_LENGTHS))} steps, looked at {LOOKS} times a run"
    )
    print(f"{'turned, within 10 % of run':28}{'after middle':>13}{'after end':>11}{'before':>8}", end="")
    print(f"{'never':>8}{'median delay':>14}")
    decided, alarms = [], []
    for shape in TURNS:
        rate = online(shape, count, seed)
        decided.append(rate["after_end"])
        print(f"{shape.__name__:28}{rate['after_middle']:13.1%}{rate['after_end']:11.1%}{rate['before']:8.1%}", end="")
        print(f"{1 - rate['ever']:8.1%}{rate['delay']:14.1%}", flush=True)
    print(f"{'':28}{'false alarm in a whole run':>27}")
    for shape in NO_TURNS:
        alarms.append(online(shape, count, seed)["ever"])
        print(f"{shape.__name__:28}{alarms[-1]:27.1%}", flush=True)
    print(f"online: decided in time {min(decided):.1%} or more; false alarms {max(alarms):.1%} or fewer")


if __name__ == "__main__":
    main()
