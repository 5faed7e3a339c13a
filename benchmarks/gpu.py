"""Checks everything that needs a GPU: python benchmarks/gpu.py [--smoke] [--minutes 10] [--only training,peer] [...]

What teaches most comes first, in some ten minutes of an H100; all of it takes about twenty.

Each section is a process of its own with a time limit, so that a lost CUDA context or a hang ends one of them; what a
section measures is appended to <out>/results.jsonl at once. A table comes last, and <out>/report.md can be put into
docs/benchmarks.md as it is. Sections, in the order of what they teach:

environment   versions, and one call of each kernel that matters
training      one micro-batch of the paper's shape (1.5B, random weights, 6 x 3,584 tokens) without an engine
adapters      tests/gpu: adapter in place, two adapters and the base at once, sleep and wake
bfloat16      how far the engine's log-probs are from the trainer's, 1.5B, eager
throughput    adapter sync in milliseconds, tokens a second with 1 and 4 adapters x 48 sequences, eager
compiled      optimizer steps of the paper's shape, engine compiled with its graphs: the seconds of each part
peer          the same steps by stock TRL with colocated vLLM: the ratio of each part
merged        the same steps with merged sync
quickstart    the embedded default with sampler=vllm in bfloat16: it learns, its format turns, it is evaluated
float16, float32   as bfloat16
eager         as compiled, without graphs
pretrained    a real small model learns to keep a format (needs --pretrained <folder or hub id>)
replay        the quickstart twice: equal, or from which step on not

--smoke runs every line of it on a CPU with small shapes. Exit code 0: all held; 3: some were skipped; 1: one failed.
"""

import argparse
import ctypes
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
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
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Section:
    """A function of benchmarks/gpu_checks that is run in a process of its own."""

    module: str
    function: str
    expected_s: int
    """On an H100; with less time left it is not begun."""
    limit_s: int
    arguments: tuple[str, ...] = ()
    s_a_thousand_tokens: int = 0
    """More seconds for each thousand tokens of --cap above the first."""

    def limit(self, cap: int) -> float:
        return self.limit_s + self.s_a_thousand_tokens * max(0, cap - 1024) / 1000


SECTIONS = {
    "environment": Section("environment", "run", 40, 120),
    "training": Section("training", "run", 40, 120),
    "adapters": Section("embedded", "adapters", 60, 120),
    "bfloat16": Section("engine", "fidelity", 45, 100, ("bfloat16",)),
    "throughput": Section("engine", "throughput", 75, 150),
    "compiled": Section("steps", "compiled", 150, 300, s_a_thousand_tokens=150),
    "peer": Section("peer", "run", 120, 300, s_a_thousand_tokens=150),
    "merged": Section("steps", "merged", 120, 300, s_a_thousand_tokens=150),
    "quickstart": Section("embedded", "quickstart", 90, 200),
    "float16": Section("engine", "fidelity", 45, 100, ("float16",)),
    "float32": Section("engine", "fidelity", 45, 100, ("float32",)),
    "eager": Section("steps", "eager", 100, 200, s_a_thousand_tokens=200),
    "pretrained": Section("pretrained", "run", 180, 300),
    "replay": Section("replay", "run", 80, 180),
}
SMOKE_WORKERS = 2
"""Sections at once where no time is measured."""


def main(argv: Sequence[str]) -> int:
    given = _arguments(argv)
    if given.section:
        return _run_section(given)
    given.out.mkdir(parents=True, exist_ok=True)
    results = given.out / "results.jsonl"
    for path in (results, *given.out.glob("*.log")):
        path.unlink(missing_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="tina-gpu-", dir=given.scratch))
    ends = time.monotonic() + 60 * given.minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with ThreadPoolExecutor(SMOKE_WORKERS if given.smoke else 1) as pool:
            try:
                list(pool.map(lambda name: _start(name, given, scratch, ends), given.only or SECTIONS))
            except (KeyboardInterrupt, SystemExit):
                _end_all()
                raise
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
    parser.add_argument("--minutes", type=float, default=20, help="in all; what does not fit is skipped (default 20)")
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
        raise argparse.ArgumentTypeError(f"no section is called {unknown[0]}; choose from {', '.join(SECTIONS)}")
    return names


_running: dict[str, subprocess.Popen] = {}
_stopped = threading.Event()


def _start(name: str, given: argparse.Namespace, scratch: Path, ends: float) -> None:
    """Runs one section in a process of its own, and writes down how it ended; `ends`: when all has to (monotonic)."""
    report, section, left_s = Report(name, given.out / "results.jsonl"), SECTIONS[name], ends - time.monotonic()
    alone = f"run it alone with --only {name}"
    if _stopped.is_set():
        return
    if left_s < (1 if given.smoke else section.expected_s):
        report.end("skipped", 0, f"it needs about {section.expected_s} s of --minutes {given.minutes:g}; {alone}")
        return
    limit = min(section.limit(given.cap), left_s)
    print(f"{name} (at most {limit:.0f} s) ...", flush=True)
    command = [sys.executable, __file__, "--section", name, f"--out={given.out}", f"--scratch={scratch}"]
    command += [f"--cap={given.cap}"] + (["--smoke"] if given.smoke else [])
    command += [f"--pretrained={given.pretrained}"] if given.pretrained else []
    # Two sections at once whose threads wait for each other would take three times as long.
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if given.smoke else {})
    log = given.out / f"{name}.log"
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        _running[name] = process
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        del _running[name]
    said = log.read_text(encoding="utf-8", errors="replace")
    with (given.out / "sections.log").open("a", encoding="utf-8") as file:
        file.write(f"=== {name}\n{said}\n")
    log.unlink()
    status, reason = _judged(code, limit, [row for row in read(report.path) if row["section"] == name], said)
    if code is None and limit == left_s:
        status, reason = "skipped", f"--minutes {given.minutes:g} ended while it ran; {alone}"
    report.end(status, time.monotonic() - began, reason)
    print(f"{name}: {status}{f' ({reason})' if reason else ''}", flush=True)


def _die_with_parent() -> None:
    """A section must not stay on the card when this script is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_all() -> None:
    _stopped.set()
    for process in list(_running.values()):
        os.killpg(process.pid, signal.SIGKILL)


def _judged(code: int | None, limit: float, rows: list[dict[str, Any]], said: str) -> tuple[str, str]:
    """Status and reason of a section that ended with `code` (None: at its limit), wrote `rows` and printed `said`."""
    broken = [f"{row['check']} ({row['detail']})" for row in rows if row.get("held") is False]
    if code is None:
        return "failed", f"it ran longer than {limit:.0f} s and was stopped"
    if code == SKIPPED:
        return "skipped", next(row["skipped"] for row in rows if "skipped" in row)
    if code:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
        return "failed", f"exit code {code}: {' | '.join(errors[-1:] or lines[-REASON_LINES:])}"[:500]
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
        console.print(f"UNSUPPORTED VERSIONS: {'; '.join(found)}")
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
    # Not `sys.exit`: an engine in this process may hang while the interpreter is taken apart.
    from tina import hang

    hang.run_to_the_end(lambda: sys.exit(main(sys.argv[1:])))
