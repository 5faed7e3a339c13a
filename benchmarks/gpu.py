"""Checks everything that needs a GPU, in about ten minutes: python benchmarks/gpu.py [--smoke] [--only a,c] [...]

Each section is a process of its own with a time limit, so that a lost CUDA context or a hang ends one of them; what a
section measures is appended to <out>/results.jsonl at once. A table comes last, and <out>/report.md can be put into
docs/benchmarks.md as it is. Sections, in the order of what they teach:

environment   versions, and one call of each kernel that matters
training      one micro-batch of the paper's shape (1.5B, random weights, 6 x 3,584 tokens) without an engine
adapters      tests/gpu: adapter in place, two adapters and the base at once, sleep and wake
quickstart    the embedded default with sampler=vllm in bfloat16: it learns, its format turns, it is evaluated
bfloat16, float16, float32   how far the engine's log-probs are from the trainer's, 1.5B, eager
throughput    adapter sync in milliseconds, tokens a second with 1 and 4 adapters x 48 sequences, eager
eager         two optimizer steps of the paper's shape, with the seconds of each part
compiled      the same with the engine compiled, and its graphs
peer          the same steps by stock TRL with colocated vLLM: the ratio, in all and by part
merged        the same with merged sync
pretrained    a real small model learns to keep a format (needs --pretrained <folder or hub id>)
replay        the quickstart twice: equal, or from which step on not

--smoke runs every line of it on a CPU with small shapes. Exit code 0: all held; 3: some were skipped; 1: one failed.
"""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.gpu_checks.environment import machine, unsupported
from benchmarks.gpu_checks.report import Report, Scale, Skip, read
from benchmarks.gpu_checks.steps import ratios

ROOT = Path(__file__).resolve().parent.parent
HELD, FAILED, SKIPPED = 0, 1, 3
REASON_LINES = 3


@dataclass(frozen=True)
class Section:
    """A function of benchmarks/gpu_checks that is run in a process of its own."""

    module: str
    function: str
    limit_s: int
    arguments: tuple[str, ...] = ()


SECTIONS = {
    "environment": Section("environment", "run", 60),
    "training": Section("training", "run", 100),
    "adapters": Section("embedded", "adapters", 120),
    "quickstart": Section("embedded", "quickstart", 180),
    "bfloat16": Section("engine", "fidelity", 80, ("bfloat16",)),
    "float16": Section("engine", "fidelity", 80, ("float16",)),
    "float32": Section("engine", "fidelity", 80, ("float32",)),
    "throughput": Section("engine", "throughput", 120),
    "eager": Section("steps", "eager", 150),
    "compiled": Section("steps", "compiled", 240),
    "peer": Section("peer", "run", 240),
    "merged": Section("steps", "merged", 240),
    "pretrained": Section("pretrained", "run", 240),
    "replay": Section("replay", "run", 180),
}
SMOKE_WORKERS = 2
"""Sections at once where no time is measured."""
LEAST_S = 20
"""A section is not started with less than this left of --minutes."""


def main(argv: Sequence[str]) -> int:
    given = _arguments(argv)
    if given.section:
        return _run_section(given)
    given.out.mkdir(parents=True, exist_ok=True)
    results = given.out / "results.jsonl"
    for path in (results, given.out / "sections.log"):
        path.unlink(missing_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="tina-gpu-", dir=given.scratch))
    ends = time.monotonic() + 60 * given.minutes
    try:
        with ThreadPoolExecutor(SMOKE_WORKERS if given.smoke else 1) as pool:
            list(pool.map(lambda name: _start(name, given, scratch, ends), given.only or SECTIONS))
        ratios(results, given.smoke)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        rows = sorted(read(results), key=lambda row: list(SECTIONS).index(row["section"]))
        (given.out / "report.md").write_text(markdown(rows, given), encoding="utf-8")
        show(rows, given)
    statuses = {row["end"] for row in rows if "end" in row}
    return FAILED if "failed" in statuses else SKIPPED if "skipped" in statuses else HELD


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/gpu.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="small shapes on a CPU")
    parser.add_argument("--only", type=_names, help="sections, with commas between them")
    parser.add_argument("--minutes", type=float, default=10, help="in all; what does not fit is skipped (default 10)")
    parser.add_argument("--cap", type=int, help="completion tokens of a step (default 1024; the paper's: 3584)")
    parser.add_argument("--pretrained", help="a small pretrained chat model: a folder or a hub id")
    parser.add_argument("--out", type=Path, default=Path("outputs/gpu"), help="for the results (default outputs/gpu)")
    parser.add_argument("--scratch", type=Path, help="for models and runs while it works: 10 GB (default: /tmp)")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    given.cap = given.cap or (24 if given.smoke else 1024)
    given.out = given.out.resolve()
    return given


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"there is no section {unknown[0]}; they are {', '.join(SECTIONS)}")
    return names


def _start(name: str, given: argparse.Namespace, scratch: Path, ends: float) -> None:
    """Runs one section in a process of its own, and writes down how it ended; `ends`: when all has to (monotonic)."""
    report, left_s = Report(name, given.out / "results.jsonl"), ends - time.monotonic()
    if left_s < LEAST_S:
        report.end("skipped", 0, f"no time left of --minutes {given.minutes:g}: --only {name} runs it alone")
        return
    limit = min(SECTIONS[name].limit_s, left_s)
    print(f"{name} (at most {limit:.0f} s) ...", flush=True)
    command = [sys.executable, __file__, "--section", name, f"--out={given.out}", f"--scratch={scratch}"]
    command += [f"--cap={given.cap}"] + (["--smoke"] if given.smoke else [])
    command += [f"--pretrained={given.pretrained}"] if given.pretrained else []
    # Two sections at once whose threads wait for each other would take three times as long.
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if given.smoke else {})
    began = time.monotonic()
    log = scratch / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True)
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            code = None
    said = log.read_text(encoding="utf-8", errors="replace")
    with (given.out / "sections.log").open("a", encoding="utf-8") as file:
        file.write(f"=== {name}\n{said}\n")
    status, reason = _judged(code, limit, [row for row in read(report.path) if row["section"] == name], said)
    report.end(status, time.monotonic() - began, reason)
    print(f"{name}: {status}{f' ({reason})' if reason else ''}", flush=True)


def _judged(code: int | None, limit: float, rows: list[dict[str, Any]], said: str) -> tuple[str, str]:
    """Status and reason of a section that ended with `code` (None: at its limit), wrote `rows` and printed `said`."""
    broken = [f"{row['check']} ({row['detail']})" for row in rows if row.get("held") is False]
    if code is None:
        return "failed", f"it took more than {limit:.0f} s, and was ended"
    if code == SKIPPED:
        return "skipped", next(row["skipped"] for row in rows if "skipped" in row)
    if code:
        last = [line.strip() for line in said.splitlines() if line.strip()][-REASON_LINES:]
        return "failed", f"exit code {code}: {' | '.join(last)}"[:500]
    return ("failed", "; ".join(broken)[:500]) if broken else ("held", "")


def _run_section(given: argparse.Namespace) -> int:
    """The inside of a section's process."""
    import torch

    section, report = SECTIONS[given.section], Report(given.section, given.out / "results.jsonl")
    scale = Scale(given.smoke, given.cap, given.scratch, given.out, given.pretrained)
    try:
        if not given.smoke and not torch.cuda.is_available():
            raise Skip("torch sees no GPU here; --smoke runs the script on a CPU")
        module = importlib.import_module(f"benchmarks.gpu_checks.{section.module}")
        getattr(module, section.function)(report, scale, *section.arguments)
    except Skip as skip:
        report.skip(str(skip))
        return SKIPPED
    return HELD


def _title(given: argparse.Namespace) -> str:
    kind = "smoke test, small shapes" if given.smoke else f"steps with completions of {given.cap:,} tokens"
    return f"{machine()}: {kind}"


def _cells(row: dict[str, Any]) -> tuple[str, str, str] | None:
    """What was measured, its value, and its aim, as text; None of a row that is not shown."""
    if "figure" in row:
        value = f"{row['value']:,}" if isinstance(row["value"], int | float) else row["value"]
        aim = f"{row['aim']}: {'met' if row['met'] else 'MISSED'}" if "aim" in row else ""
        return row["figure"], f"{value} {row['unit']}".strip(), aim
    if "check" in row:
        return row["check"], "holds" if row["held"] else "FAILS", row["detail"]
    if "left_out" in row:
        return "left out", row["left_out"], ""
    if "end" in row:
        return "section", f"{row['end']}, {row['seconds']:g} s", row["reason"]
    return None


def show(rows: list[dict[str, Any]], given: argparse.Namespace) -> None:
    """The table for a terminal."""
    console = Console(highlight=False, markup=False)
    if found := unsupported():
        console.print(f"NOT THE SUPPORTED VERSIONS: {'; '.join(found)}")
    table = Table(title=_title(given), title_justify="left")
    for column in ("section", "what", "value", "aim, or detail"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if cells := _cells(row):
            table.add_row(row["section"], *cells, end_section="end" in row)
    console.print(table)
    console.print(f"Written to {given.out}: results.jsonl, report.md, sections.log.")


def markdown(rows: list[dict[str, Any]], given: argparse.Namespace) -> str:
    """The same as a part of docs/benchmarks.md."""
    lines = [f"## {_title(given)}", ""]
    if found := unsupported():
        lines += [f"**Not the supported versions:** {'; '.join(found)}.", ""]
    lines += ["| section | what | value | aim, or detail |", "| --- | --- | --- | --- |"]
    for row in rows:
        if cells := _cells(row):
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in (row["section"], *cells)) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
