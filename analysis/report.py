"""One HTML page with everything: python analysis/report.py [source=choice] [key=value] ...

Tables that sort, pictures, settings and versions of every run, and a link from each number to the runs behind it. The
page holds all it needs and fetches nothing. Exit code 0 if it was written, 2 if there is nothing to show.
"""

import base64
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

if __name__ == "__main__":  # started by its path: the repository's root belongs on the path, not this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from matplotlib import style

from analysis.columns import interval, number, plain, sample_size
from analysis.evaluations import Missing, Row, facts_of
from analysis.figures import NO_DATE, STYLE, Picture, draw
from analysis.formats import html_table
from analysis.names import file_name
from analysis.overview import Overview, damaged, load_overview
from analysis.render import Column, Table
from analysis.settings import help_text, settings
from analysis.studies import is_embedded
from analysis.tables import make_tables
from tina import terminal
from tina.errors import UserError
from tina.identity import leaves

PAGE = Path(__file__).parent / "page"
TITLE = "Tina ablations"


def page(overview: Overview, tables: Sequence[Table]) -> str:
    """The whole page as HTML."""
    pictures = {picture.name: _figure(picture) for picture in draw(overview)}
    known = {row["run"] for row in overview.rows} | set(overview.evaluated)
    parts = [_tables(tables, pictures, known), _groups(tables, known), _runs(overview, pictures), _models(overview)]
    nav = "".join(f'<a href="#{escape(table.name)}">{escape(table.title)}</a>' for table in tables)
    return Template((PAGE / "page.html").read_text(encoding="utf-8")).substitute(
        title=TITLE,
        css=(PAGE / "page.css").read_text(encoding="utf-8"),
        js=(PAGE / "page.js").read_text(encoding="utf-8"),
        summary=_summary(overview, tables),
        nav=nav + '<a href="#runs-of-it">Every run</a>',
        main="\n".join(parts),
    )


def _summary(overview: Overview, tables: Sequence[Table]) -> str:
    """In a few lines: how much was run, what the claims came to, what could not be read."""
    finished = sum(row["state"] == "finished" for row in overview.rows)
    arms = overview.every_arm
    missing = sum(arm["state"] == "not run" for arm in arms)
    lines = [
        f"{len(overview.rows)} training runs, {finished} of them finished; "
        f"{sum(map(len, overview.evaluated.values()))} evaluated checkpoints; "
        f"{len(overview.manifests)} studies with {len(arms)} arms, {missing} of them not run."
    ]
    claims = next((table.rows for table in tables if table.name == "claims"), [])
    if claims:
        counts = Counter(row["verdict"] for row in claims)
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        lines.append(f"<a href='#claims'>The paper's claims</a>, by these runs: {told}.")
    if any(is_embedded(row) for row in overview.rows):
        lines.append("Runs of the embedded model show what a tiny model does on generated arithmetic, and no more.")
    problems = "".join(f"<li>{escape(sentence)}</li>" for sentence in damaged(overview.logs))
    unread = f"<details><summary>What could not be read</summary><ul>{problems}</ul></details>" if problems else ""
    return "".join(f"<p>{line}</p>" for line in lines) + unread


def _tables(tables: Sequence[Table], pictures: Mapping[str, str], known: set[str]) -> str:
    """Every table, its pictures below it."""
    belonging = {"cost": ["cost"], "runs": ["flops"]}
    parts = []
    for table in tables:
        study = table.name.removeprefix("study_") if table.name.startswith("study_") else None
        names = [f"study_{study}", f"transition_{study}"] if study else belonging.get(table.name, [])
        figures = "".join(pictures.get(name, "") for name in names)
        parts.append(html_table(table, lambda row: _target(row, known)))
        parts.append(f"<div class=figures>{figures}</div>" if figures else "")
    return "<h2>Tables</h2>\n" + "\n".join(parts)


def _target(row: Row, known: set[str]) -> str:
    """Where a row's numbers lead: to its run, or to the list of its runs."""
    runs = [run for run in str(row.get("run", "")).split() if run in known]
    return f"#{_anchor(runs)}" if runs else ""


def _anchor(runs: Sequence[str]) -> str:
    if len(runs) == 1:
        return f"run-{runs[0]}"
    return "group-" + hashlib.sha256(" ".join(runs).encode()).hexdigest()[:12]


def _groups(tables: Sequence[Table], known: set[str]) -> str:
    """The lists that numbers of several runs lead to."""
    groups = {}
    for row in (row for table in tables for row in table.rows):
        runs = [run for run in str(row.get("run", "")).split() if run in known]
        if len(runs) > 1:
            groups[_anchor(runs)] = runs
    items = []
    for anchor, runs in groups.items():
        links = " ".join(f'<a href="#run-{escape(run)}">{escape(run[:8])}</a>' for run in runs)
        items.append(f"<details id={anchor}><summary>{len(runs)} runs</summary><p>{links}</p></details>")
    return "<h2>Rows of several runs</h2>\n" + "\n".join(items) if items else ""


def _runs(overview: Overview, pictures: Mapping[str, str]) -> str:
    """Every training run: where it came from, its settings and versions, its evaluations and its curves."""
    logged = {run["id"]: run for run in overview.logs.runs.to_dict("records")}
    studies: dict[str, list[str]] = {}
    for study, arms in overview.arms.items():
        for run in (run["run"] for arm in arms for run in arm["seed_runs"]):
            studies.setdefault(run, []).append(study)
    parts = []
    for row in overview.rows:
        run = logged[row["run"]]
        facts = {
            "id": row["run"],
            "state": row["state"],
            "studies": ", ".join(studies.get(row["run"], [])) or "none",
            "W&B file": run["path"],
            "started": run["segments"],
            "could not be read": run["damage"] or "nothing",
            "versions": row["versions"],
        } | dict(leaves(run["config"].get("cfg") or {}))
        curves = pictures.get(file_name("dynamics", row["run"]), "")
        parts.append(
            f'<details id="run-{escape(row["run"])}"><summary>{escape(str(row["label"]))} '
            f"<small>{escape(row['run'][:8])}</small></summary><div class=figures>{curves}</div>"
            f"{_evaluations(overview, row['run'])}{_list(facts)}</details>"
        )
    return "<h2 id=runs-of-it>Every run</h2>\n" + "\n".join(parts)


def _models(overview: Overview) -> str:
    """Models that were evaluated without being trained here."""
    trained = {row["run"] for row in overview.rows}
    parts = [
        f'<details id="run-{escape(subject)}"><summary>{escape(subject)}</summary>'
        f"{_evaluations(overview, subject)}</details>"
        for subject in overview.evaluated
        if subject not in trained
    ]
    return "<h2>Every evaluated model</h2>\n" + "\n".join(parts) if parts else ""


def _evaluations(overview: Overview, subject: str) -> str:
    """Everything that was measured of a run or a model, step by step."""
    rows = [
        facts_of({name: benchmark}) | {"step": step, "run": subject}
        for step, found in overview.evaluated.get(subject, {}).items()
        for name, benchmark in found.items()
    ]
    columns = [
        Column("step", number("step", "d")),
        Column("benchmark", plain("benchmarks"), numeric=False),
        Column("%", number("accuracy", ".2f", 100)),
        Column("95 % interval", interval),
        Column("problems×samples", sample_size),
    ]
    return html_table(Table(f"evaluations-{subject}", "Evaluations", columns, rows)) if rows else ""


def _list(facts: Mapping[str, Any]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items()) + "</dl>"


def _figure(picture: Picture) -> str:
    """The picture inside the page; why there is none, in words."""
    if isinstance(picture.figure, Missing):
        return f"<p class=missing>{escape(picture.caption)} Not drawn: {escape(picture.figure)}.</p>"
    buffer = io.BytesIO()
    with style.context(STYLE):
        picture.figure.savefig(buffer, format="svg", metadata=NO_DATE["svg"])
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def main(arguments: Sequence[str]) -> int:
    """Writes the page; returns the exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(help_text(__doc__))
        return 0
    try:
        chosen = settings(arguments)
        overview = load_overview(chosen)
        path = Path(chosen["report"])
        text = page(overview, make_tables(overview))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}): set report=<file>.") from error
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Written to {path} ({len(text) / 1e6:.1f} MB): open it in a browser.")
    return 0


if __name__ == "__main__":
    terminal.prepare(foreign=True, sockets=False)
    sys.exit(main(sys.argv[1:]))
