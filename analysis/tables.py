"""Every table that there are runs for, from W&B logs alone: python analysis/tables.py [source=choice] [key=value] ...

Prints to the terminal and writes Markdown, LaTeX, HTML and CSV. Exit code 0 if any table was made, 2 if there is
nothing to show.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # started by its path: the repository's root belongs on the path, not this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from analysis.checkpoints import checkpoints_table
from analysis.choices import choices_table
from analysis.claims import Evidence, Study, claims_table
from analysis.costs import cost_table, published_cost_table, ratio_table
from analysis.fidelity import fidelity_table
from analysis.overview import Overview, damaged, load_overview
from analysis.paper import baselines_table, main_table, overall_table
from analysis.render import Table, console, show, write
from analysis.settings import help_text, settings
from analysis.studies import runs_table, study_table
from analysis.transitions import transitions_table
from tina import terminal
from tina.errors import UserError


def make_tables(overview: Overview) -> list[Table]:
    """Every table that there are runs for."""
    rows, manifests, arms = overview.rows, overview.manifests, overview.arms
    axes = [axis for manifest in manifests for axis in manifest.get("axes") or {}]
    tables = [
        runs_table(rows, axes) if rows else None,
        main_table(overview.every_arm, overview.baselines),
        baselines_table(overview.baselines),
        *(study_table(manifest, arms[manifest["study"]]) for manifest in manifests),
        *(transitions_table(m, arms[m["study"]], overview.series, overview.turns) for m in manifests),
        *(fidelity_table(manifest, arms[manifest["study"]], overview.series) for manifest in manifests),
        checkpoints_table(overview.evaluated, {row["run"]: row for row in rows}),
    ]
    if rows:
        published_cost = published_cost_table(overview.every_arm)
        tables += [
            cost_table(overview.costs, rows),
            published_cost,
            ratio_table(rows, published_cost.printed),
            overall_table(overview.every_arm, overview.baselines),
            choices_table(overview.evaluated, rows),
            claims_table(_evidence(overview)),
        ]
    return [table for table in tables if table is not None]


def _evidence(overview: Overview) -> Evidence:
    studies = [
        Study(
            name=manifest["study"],
            axes=frozenset(manifest.get("axes") or {}),
            published=(manifest.get("layout") or {}).get("published"),
            arms=overview.arms[manifest["study"]],
        )
        for manifest in overview.manifests
    ]
    return Evidence(overview.rows, studies, overview.baselines, overview.series, overview.turns)


def main(arguments: Sequence[str]) -> int:
    """Makes, prints and writes all tables; returns the exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(help_text(__doc__))
        return 0
    try:
        chosen = settings(arguments)
        overview = load_overview(chosen)
        tables = make_tables(overview)
        for table in tables:
            write(table, Path(chosen["out"]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    screen = console()
    told: set[str] = set()
    for table in tables:
        if table.printed:
            show(table, screen, told)
    for sentence in damaged(overview.logs):
        print(sentence)
    names = ", ".join(table.name for table in tables)
    print(f"Written to {chosen['out']}, as .md, .tex, .html and .csv: {names}.")
    if silent := ", ".join(table.name for table in tables if not table.printed):
        print(f"Written but not printed, since none of the paper's runs is there: {silent}.")
    return 0


if __name__ == "__main__":
    terminal.prepare(foreign=True, sockets=False)
    sys.exit(main(sys.argv[1:]))
