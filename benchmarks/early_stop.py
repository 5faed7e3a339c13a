"""What stopping at the transition saves on the default, and what it loses: python benchmarks/early_stop.py [seed ...]

Each seed is run twice, in whole and with selection.stop=after_transition, both with the held-out rule (runs that lie
below `--outputs` are not run again). Printed for each seed: where the format turned, where that was told, where the run
stopped, how many steps fewer, and the accuracy of the stopped run's checkpoint against that of the whole run's, on the
held-out problems and on the test problems; the difference has its paired 95 % interval. Last, over all seeds: the mean
of the steps saved, and the difference with an interval over problems.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tina.evaluation import records
from tina.evaluation.scores import matrices
from tina.statistics import paired_difference

ROOT = Path(__file__).resolve().parent.parent
SETS = ("arithmetic_validation", "arithmetic_test")
STOP = "selection.stop=after_transition"


def run(seeds: list[int], outputs: Path) -> None:
    """All runs that are not there yet. Raises CalledProcessError if one fails."""
    for stop in ([], [STOP]):
        arguments = [f"seed={','.join(map(str, seeds))}", f"paths.outputs={outputs}", *stop]
        subprocess.run([sys.executable, "train.py", "-m", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def found(seed: int, outputs: Path) -> tuple[Path, Path]:
    """The folders of a seed's whole and stopped run."""
    folders = {}
    for path in outputs.glob(f"runs/*-s{seed}-*/summary.json"):
        config = (path.parent / "config.yaml").read_text(encoding="utf-8")
        folders["stop: after_transition" in config] = path.parent
    return folders[False], folders[True]


def chosen(folder: Path, benchmark: str) -> np.ndarray:
    """Who was right at the chosen checkpoint [problems, samples], problems in the order of the benchmark."""
    step = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["logged"]["selection/step"]
    (path,) = folder.glob(f"evaluations/step-{step}/{benchmark}-*/records.jsonl")
    return np.array(matrices(records.read(path))[benchmark])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=list(range(1, 11)))
    parser.add_argument("--outputs", type=Path, default=ROOT / "outputs")
    options = parser.parse_args()
    run(options.seeds, options.outputs)
    print(f"{'seed':>4}{'turn':>7}{'told':>6}{'stop':>6}{'fewer':>7}   ", end="")
    print("   ".join(f"{name + ': stopped, whole, difference':>48}" for name in SETS))
    fewer, scores = [], {name: ([], []) for name in SETS}
    turns = []
    for seed in options.seeds:
        whole, stopped = found(seed, options.outputs)
        logged = json.loads((stopped / "summary.json").read_text(encoding="utf-8"))["logged"]
        fewer.append(1 - logged["run/steps"] / logged["run/planned_steps"])
        turns.append(
            json.loads((whole / "summary.json").read_text(encoding="utf-8"))["logged"].get("dynamics/transition_step")
        )
        print(f"{seed:4}{turns[-1] or float('nan'):7.1f}{logged.get('dynamics/told_step', 'none'):>6}", end="")
        print(f"{logged['run/steps']:6}{fewer[-1]:7.0%}   ", end="")
        cells = []
        for name in SETS:
            ours, theirs = chosen(stopped, name), chosen(whole, name)
            scores[name][0].append(ours)
            scores[name][1].append(theirs)
            cells.append(f"{_compared(ours, theirs):>48}")
        print("   ".join(cells), flush=True)
    print(f"\nturn: found in {sum(turn is not None for turn in turns)} of {len(turns)} whole runs", end="")
    known = [turn for turn in turns if turn is not None]
    if len(known) > 1:
        print(f", at step {np.mean(known):.1f} on average, standard deviation {np.std(known, ddof=1):.1f}", end="")
        print(f", from {min(known):.1f} to {max(known):.1f}", end="")
    print()
    for name, (ours, theirs) in scores.items():
        print(f"all seeds, {name}: {_compared(np.hstack(ours), np.hstack(theirs))}")
    print(f"steps saved: {np.mean(fewer):.0%} on average, {min(fewer):.0%} at least")


def _compared(ours: np.ndarray, theirs: np.ndarray) -> str:
    """`0.965 0.969 -0.004 [-0.020, +0.012]`"""
    found = paired_difference(ours, theirs)
    return f"{ours.mean():.3f} {theirs.mean():.3f} {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


if __name__ == "__main__":
    main()
