"""What the default run learns, over seeds: python benchmarks/quickstart.py [seed ...]

Each seed is a whole `python train.py seed=<seed>` with evaluation, in its own process. Printed: accuracy and format
of the base, of the chosen checkpoint and of the last one on the test problems (n in the heading), the step chosen and
that of the turn, seconds of the whole process, and its peak memory; last, the smallest lift of accuracy. The choice is
by held-out accuracy alone: a checkpoint out of the turn itself can win it, whose format is not yet learned.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST = "arithmetic_test"


def run(seed: int, outputs: Path) -> dict[str, float]:
    """One seed's figures. Raises CalledProcessError if the run fails."""
    start = time.perf_counter()
    command = [sys.executable, "train.py", f"seed={seed}", f"paths.outputs={outputs}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    (summary,) = outputs.glob(f"runs/*-s{seed}-*/summary.json")
    told = json.loads(summary.read_text(encoding="utf-8"))
    steps = told["scores"]
    base, last = steps["0"], steps[max(steps, key=int)]
    chosen = steps[str(told["logged"]["selection/step"])]
    return {
        "n": base[f"{TEST}/n_problems"],
        "base_accuracy": base[f"{TEST}/mean"],
        "accuracy": chosen[f"{TEST}/mean"],
        "base_format": base[f"{TEST}/format"],
        "format": chosen[f"{TEST}/format"],
        "chosen_step": told["logged"]["selection/step"],
        "last_accuracy": last[f"{TEST}/mean"],
        "last_format": last[f"{TEST}/format"],
        "turn": told["logged"].get("dynamics/transition_step", float("nan")),
        "seconds": time.perf_counter() - start,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def main() -> None:
    seeds = [int(argument) for argument in sys.argv[1:]] or [1, 2, 3]
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for seed in seeds:
            rows[seed] = run(seed, Path(folder))
            print(f"seed {seed}: " + "  ".join(f"{key} {value:.3g}" for key, value in rows[seed].items()), flush=True)
    worst = min(row["accuracy"] - row["base_accuracy"] for row in rows.values())
    chosen, last = (min(row[key] for row in rows.values()) for key in ("format", "last_format"))
    print(f"smallest lift of accuracy {worst:+.3f}, smallest format {chosen:.3f}, at the last step {last:.3f}")
    longest, largest = (max(row[key] for row in rows.values()) for key in ("seconds", "peak_mb"))
    print(f"longest {longest:.0f} s, most memory {largest:.0f} MB")


if __name__ == "__main__":
    main()
