"""The table of all training runs, and one for each study: its arms against each other and the published numbers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.arms import study_arms
from analysis.columns import SEEDS, detail_columns, fact_columns, number, plain, several, versus_best
from analysis.evaluations import AVERAGE, Missing, Row
from analysis.names import file_name
from analysis.published import BENCHMARKS
from analysis.render import Column, Table
from analysis.results import setting, swept_settings
from analysis.runs import Logs

MAX_SETTING_COLUMNS = 3


def runs_table(rows: Sequence[Row], axes: Sequence[str]) -> Table:
    """One row a training run, with a column for each setting in which runs differ (the label where none does)."""
    names = swept_settings(rows, axes)
    first = [{"run": row["run"], "label": row["label"]} | {n: setting(row, n) for n in names} for row in rows]
    shown = [named | row for named, row in zip(first, rows, strict=True)]
    steps = Column("steps", number("steps", ".0f"), rank=4)
    columns = [*_setting_columns(names, shown), steps, *fact_columns(shown), *detail_columns()]
    return Table("runs", "Training runs", columns, shown, notes(shown))


def _setting_columns(names: Sequence[str], rows: Sequence[Row]) -> list[Column]:
    """A column for each setting in which runs differ; of many, one that tells a run by what is special about it."""
    if not names:
        return [Column("run of", plain("label"), numeric=False, wrap=60)]
    if len(names) <= MAX_SETTING_COLUMNS:
        return [Column(name.replace(".", ".\n"), plain(name)) for name in names]
    usual = {name: Counter(row[name] for row in rows).most_common(1)[0][0] for name in names}

    def special(row: Row) -> str:
        return ", ".join(f"{name}={row[name]}" for name in names if row[name] != usual[name]) or "as most runs"

    return [Column("what is special", special, numeric=False, wrap=50)]


def study_manifests(logs: Logs) -> list[Mapping[str, Any]]:
    """The manifest of each study, the latest where one was logged twice, in the order they were first logged."""
    manifests = {}
    for run in logs.runs[logs.runs.job_type == "study"].to_dict("records"):
        manifest = run["config"].get("study")
        if isinstance(manifest, dict) and {"study", "arms"} <= manifest.keys():
            manifests[manifest["study"]] = manifest
    return list(manifests.values())


def study_table(manifest: Mapping[str, Any], rows: Sequence[Row]) -> Table:
    """One row an arm, best in bold, held against the published number where the study answers to a published table."""
    against = []
    if any(isinstance(row["published"], float) for row in rows):
        against = [
            Column("published\n%", number("published", ".2f", 100), rank=1),
            Column("verdict", plain("verdict"), rank=1, numeric=False),
        ]
    best = [Column("against\nthe best", versus_best, rank=1, numeric=False)] if several(rows, "run") else []
    arm = Column("arm", plain("arm"), numeric=False, wrap=40)
    columns = [arm, SEEDS, *fact_columns(rows), *against, *best, *detail_columns()]
    title = f"Study {manifest['study']}" + (f": {manifest['title']}" if manifest.get("title") else "")
    name = file_name("study", manifest["study"])
    return Table(name, title, columns, list(rows), [*notes(rows), *study_notes(rows)])


def notes(rows: Sequence[Row]) -> list[str]:
    """What a reader must know to trust the numbers of trained checkpoints."""
    return [text for make in NOTES if (text := make(rows))]


def _what_accuracy_is(rows: Sequence[Row]) -> str:
    sets = dict.fromkeys(row["benchmarks"] for row in rows if not isinstance(row["benchmarks"], Missing))
    titles = [", ".join(BENCHMARKS.get(name, name) for name in names.split()) for names in sets if names != AVERAGE]
    return " ".join(f"Accuracy is mean@n at the best step on {title}." for title in titles)


def _what_intervals_are(rows: Sequence[Row]) -> str:
    methods = dict.fromkeys(row["interval"] for row in rows if not isinstance(row["interval"], Missing))
    if not methods:
        return ""
    return f"Intervals: {'; '.join(methods)}. All but a t over seed means count the problems, not another training."


def _unjudged(rows: Sequence[Row]) -> str:
    unjudged = sum(row["unjudged"] for row in rows if not isinstance(row["unjudged"], Missing))
    return f"{unjudged} completions could not be judged and count as wrong." if unjudged else ""


def _embedded(rows: Sequence[Row]) -> str:
    if not any(is_embedded(row) for row in rows):
        return ""
    return "The embedded model is a tiny one on generated arithmetic: nothing here says anything about large models."


def is_embedded(row: Row) -> bool:
    """Was it trained from the weights inside the package?"""
    return str(row["settings"].get("model.path", "")).startswith("embedded:")


def _no_evaluation(rows: Sequence[Row]) -> str:
    without = any(row["accuracy"] == "no eval" or row["base_accuracy"] == "no eval" for row in rows)
    return "no eval: no evaluation of that step was logged." if without else ""


def _running(rows: Sequence[Row]) -> str:
    running = any(str(row["state"]).startswith("running") for row in rows)
    return "running: no end was logged, so the run goes on or was killed." if running else ""


def _average_only(rows: Sequence[Row]) -> str:
    only = any(row["benchmarks"] == AVERAGE for row in rows)
    return "–: only the average is known, so there is no interval and no paired test." if only else ""


def _found_here(rows: Sequence[Row]) -> str:
    found = any(row.get("transition_source") == "found here" for row in rows)
    return "The turn of a run that logged none itself was found in its format reward." if found else ""


def _not_logged(rows: Sequence[Row]) -> str:
    return "not logged: the run's log has no such number." if any(row["flops"] == "not logged" for row in rows) else ""


NOTES: list[Callable[[Sequence[Row]], str]] = [
    _what_accuracy_is,
    _what_intervals_are,
    _average_only,
    _unjudged,
    _embedded,
    _no_evaluation,
    _not_logged,
    _found_here,
    _running,
]


def study_notes(rows: Sequence[Row]) -> list[str]:
    """How arms were held against each other and against the published numbers, and what is missing."""
    found = []
    if any(row["versus_best"] in ("tie", "worse") for row in rows):
        found.append(
            "Best in bold. tie: a paired test over the problems, with Holm's correction over the rows, cannot tell it "
            "from the best at 5 %; it says nothing about another training run."
        )
    untested = [row["arm"] for row in rows if row["versus_best"] in ("no table", "other problems", "incomplete")]
    if untested:
        found.append(f"No paired test without per-problem results of both sides: {'; '.join(untested)}.")
    if any(isinstance(row["published"], float) for row in rows):
        found.append(
            "reproduced: our interval holds the published average and not the published base model's; not reproduced: "
            "it does not hold it; cannot be told: it holds both, or there is none. Published checkpoints are the best "
            "of all by this very average."
        )
    missing = [row["arm"] for row in rows if row["state"] == "not run"]
    found += [f"No run was found of: {'; '.join(missing)}."] if missing else []
    unlike = sorted({row["selection_rule"] for row in rows if not isinstance(row["selection_rule"], Missing)})
    if len(unlike) > 1:
        found.append(f"The arms' checkpoints were chosen by different rules: {', '.join(unlike)}.")
    return found


def arms_of(manifests: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The arms of each study by its name."""
    by_digest = {row["run"]: row for row in rows}
    return {manifest["study"]: study_arms(manifest, by_digest) for manifest in manifests}
