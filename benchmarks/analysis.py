"""All tables from 100 runs x 10,000 steps x 20 metrics of offline logs: python benchmarks/analysis.py [runs] [steps]

The logs are made here, byte for byte as W&B 0.31 writes them (every logged row is repeated in a summary record), with
one evaluation of 256 problems each. Printed: seconds cold and from the cache, the memory of each, and last the ratio to
`wandb leet inspect --json`, which is measured on ten of the files and scaled by their number.
"""

import hashlib
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent
HEADER, BLOCK = b":W&B\xe1\xbe\x00", 32 * 1024
METRICS = [
    *("reward", "reward_std", "kl", "loss", "entropy", "grad_norm", "learning_rate", "epoch", "num_tokens"),
    *("rewards/format/mean", "rewards/format/std", "rewards/accuracy/mean", "rewards/accuracy/std"),
    *("completions/mean_length", "completions/min_length", "completions/max_length", "completions/clipped_ratio"),
    *("step_time", "clip_ratio/region_mean", "frac_reward_zero_std"),
]
INSPECTED = 10


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def items(row: dict[str, str]) -> bytes:
    """HistoryItem or SummaryItem messages, whose layout is the same: nested_key 2, value_json 16."""
    parts = []
    for key, value in row.items():
        body = b"\x12" + varint(len(key)) + key.encode() + b"\x82\x01" + varint(len(value)) + value.encode()
        parts.append(b"\x0a" + varint(len(body)) + body)
    return b"".join(parts)


def framed(records: list[bytes]) -> bytes:
    """Records in the framing of LevelDB's log."""
    data = bytearray(HEADER)
    for record in records:
        first = True
        while first or record:
            left = BLOCK - len(data) % BLOCK
            if left < 7:
                data += bytes(left)
                continue
            piece, record = record[: left - 7], record[left - 7 :]
            kind = bytes([(1 if first else 4) if not record else (2 if first else 3)])
            data += struct.pack("<IH", zlib.crc32(kind + piece), len(piece)) + kind + piece
            first = False
    return bytes(data)


def opening(run_id: str, job_type: str, group: str, config: dict[str, Any]) -> bytes:
    run = pb.RunRecord(run_id=run_id, project="tina", run_group=group, job_type=job_type)
    run.start_time.FromSeconds(1_780_000_000)
    for key, value in config.items():
        run.config.update.add(key=key, value_json=json.dumps(value))
    return pb.Record(run=run).SerializeToString()


def write(outputs: Path, run_id: str, records: list[bytes]) -> Path:
    folder = outputs / run_id / "wandb" / f"offline-run-20260101_000000-{run_id}"
    folder.mkdir(parents=True)
    ending = pb.Record(exit=pb.RunExitRecord(exit_code=0)).SerializeToString()
    numbered = [b"\x08" + varint(number) + record for number, record in enumerate([*records, ending], 1)]
    (folder / f"run-{run_id}.wandb").write_bytes(framed(numbered))
    return folder


def logged(row: dict[str, str]) -> list[bytes]:
    body = items(row)
    return [tag + varint(len(body)) + body for tag in (b"\x12", b"\x1a")]  # history, and the summary that repeats it


def write_training(outputs: Path, number: int, steps: int) -> str:
    """A run whose format reward turns somewhere, and whose other metrics wander."""
    dice, run_id = random.Random(number), f"{number:016x}"
    config = {"cfg": {"lora": {"rank": 2 ** (number % 5 + 2)}, "seed": number, "model": {"path": "them/model"}}}
    config |= {"digest": run_id, "label": f"run {number}"}
    records = [opening(run_id, "train", run_id, config)]
    turn = dice.uniform(0.3, 0.7) * steps
    for step in range(1, steps + 1):
        row = {f"train/{name}": repr(dice.random()) for name in METRICS}
        row["train/rewards/format/mean"] = repr((step > turn) * 0.8 + 0.1 * dice.random())
        records += logged(row | {"train/global_step": str(step), "_step": str(step), "_runtime": repr(step * 0.37)})
    end = {"run/steps": steps, "run/seconds": 9e3, "run/cost_usd": 5.0, "run/epochs": 1.0}
    end |= {
        "dynamics/transition": "turn",
        "dynamics/transition_step": turn,
        "selection/rule": "held_out",
        "selection/step": steps,
    }
    write(outputs, run_id, records + logged({key: json.dumps(value) for key, value in end.items()}))
    return run_id


def write_evaluation(outputs: Path, train_id: str, step: int) -> None:
    dice, run_id = random.Random(train_id), f"e{train_id[1:]}"
    columns = ["benchmark", "problem_id", "sample", "seed", "answer", "verdict", "tokens", "truncated"]
    verdicts = ["correct" if dice.random() < 0.7 else "wrong" for _ in range(256)]
    rows = [["x_test", f"p{i}", 0, 1, "1", verdict, 40, False] for i, verdict in enumerate(verdicts)]
    table = json.dumps({"columns": columns, "data": rows}).encode()
    share = verdicts.count("correct") / 256
    facts = {"eval/x_test/mean": share, "eval/x_test/n_problems": 256, "eval/x_test/n_samples": 1}
    row = {key: json.dumps(value) for key, value in facts.items()}
    row |= {"problems.path": '"t.json"', "problems.sha256": json.dumps(hashlib.sha256(table).hexdigest())}
    config = {"train_id": train_id, "step": step, "model": "m"}
    folder = write(outputs, run_id, [opening(run_id, "eval", train_id, config), *logged(row)])
    (folder / "files").mkdir()
    (folder / "files" / "t.json").write_bytes(table)


def write_study(outputs: Path, runs: list[str]) -> None:
    arms = []
    for number, run in enumerate(runs):
        swept = {"lora.rank": str(2 ** (number % 5 + 2)), "seed": str(number)}
        arms.append({"digest": run, "label": f"run {number}", "overrides": swept, "seed": number})
    study = {"study": "lora.rank_x_seed", "axes": {"lora.rank": [], "seed": []}, "layout": {}, "arms": arms}
    write(outputs, "study", [opening("study", "study", "", {"study": study})])


MEASURE = """
import resource, runpy, sys, time
start = time.perf_counter()
sys.argv = ["tables.py", *sys.argv[1:]]
try:
    runpy.run_path("analysis/tables.py", run_name="__main__")
except SystemExit as ended:
    assert ended.code == 0, ended.code
own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(time.perf_counter() - start, own / 1024, workers / 1024, file=sys.stderr)
"""


def tables(outputs: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds, and MiB of the process and of its largest worker, of `python analysis/tables.py`."""
    arguments = [f"source.root={outputs}", f"out={folder}/tables", f"cache={folder}/cache"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    _, own, worker = map(float, done.stderr.split()[-3:])
    return time.perf_counter() - start, own, worker


def main() -> None:
    runs, steps = (int(text) for text in (*sys.argv[1:], *("100", "10000")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = folder / "outputs"
        names = [write_training(outputs, number, steps) for number in range(runs)]
        for run in names:
            write_evaluation(outputs, run, steps)
        write_study(outputs, names)
        files = sorted(outputs.rglob("*.wandb"), key=lambda path: path.stat().st_size, reverse=True)
        size = sum(path.stat().st_size for path in files)
        print(f"{runs} runs x {steps:,} steps x {len(METRICS)} metrics, {len(files)} files, {size / 2**30:.2f} GiB")
        cold, own, worker = tables(outputs, folder)
        print(f"cold         {cold:6.1f} s   {own:6.0f} MiB, and {worker:.0f} MiB in each of its workers")
        warm, own, _ = tables(outputs, folder)
        print(f"from cache   {warm:6.1f} s   {own:6.0f} MiB")
        start = time.perf_counter()
        for path in files[:INSPECTED]:
            command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        inspect = (time.perf_counter() - start) / min(INSPECTED, runs) * runs
        print(f"leet inspect {inspect:6.1f} s   (from {min(INSPECTED, runs)} training runs, output thrown away)")
        print(f"ratio inspect / cold: {inspect / cold:.1f}")


if __name__ == "__main__":
    main()
