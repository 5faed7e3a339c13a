"""How long `python train.py --help` and `--cfg job` take, against a bare Hydra app: python benchmarks/startup.py

The two are run in turn, so that a machine that slows down slows both; the ratio of the medians is printed last.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 9
BARE = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def run(config):
    pass

run()
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        commands = {
            "bare --help": [sys.executable, str(bare), "--help"],
            "train.py --help": [sys.executable, "train.py", "--help"],
            "bare --cfg job": [sys.executable, str(bare), "--cfg", "job"],
            "train.py --cfg job": [sys.executable, "train.py", "--cfg", "job"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS + 1):
            for name, command in commands.items():
                times[name].append(seconds(command))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first fills caches
    for name, median in medians.items():
        print(f"{name:<20} {median:.3f} s (median of {ROUNDS})")
    for flag in ("--help", "--cfg job"):
        print(f"ratio {flag}: {medians[f'train.py {flag}'] / medians[f'bare {flag}']:.2f}")


if __name__ == "__main__":
    main()
