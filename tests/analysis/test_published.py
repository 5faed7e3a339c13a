"""A round trip: the published numbers go in as logs and come out as the published tables, cell for cell."""

from pathlib import Path

import pytest

from analysis import published
from analysis.overview import overview
from analysis.render import Table
from analysis.runs import Logs, load
from analysis.store import save
from analysis.tables import make_tables
from tests.analysis.published_runs import TABLES, write_published
from tests.analysis.test_wandb_api import SOURCE
from tests.analysis.wandb_stub import Stub, uploaded

BENCHMARKS = ("aime24", "aime25", "amc23", "math500", "gpqa_diamond", "minerva")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "outputs"
    write_published(folder)
    return folder


@pytest.fixture(scope="module")
def logs(outputs: Path) -> Logs:
    return load({"name": "offline", "root": str(outputs)})


@pytest.fixture(scope="module")
def tables(logs: Logs) -> dict[str, Table]:
    return {table.name: table for table in make_tables(overview(logs))}


def shown(table: Table) -> list[dict[str, str]]:
    """What a reader sees: the text of each cell by its column's title."""
    return [{column.title: str(column.text(row)) for column in table.columns} for row in table.rows]


def expected(row: published.Published) -> dict[str, str]:
    """The cells of a published row as the paper prints them; a dash where it prints nothing."""
    cells = {published.BENCHMARKS[n]: "–" if row[n] is None else f"{row[n]:.2f}" for n in BENCHMARKS}
    cells |= {"average %": f"{row['average']:.2f}"}
    percent = row.get("steps_percent_of_epoch")
    return cells | ({"% of epoch": f"{percent:.0f}"} if percent is not None else {})


@pytest.mark.parametrize("name", TABLES)
def test_an_ablation_comes_out_cell_for_cell(tables: dict[str, Table], name: str) -> None:
    cells = shown(tables[f"study_{name}"])
    wanted = [row for row in published.rows("ablations") if row["table"] == name]
    assert len(cells) == len(wanted)
    by_value = {row["published_value"]: cell for row, cell in zip(tables[f"study_{name}"].rows, cells, strict=True)}
    for row in wanted:
        assert by_value[row["value"]].items() >= expected(row).items()
        assert by_value[row["value"]]["published %"] == f"{row['average']:.2f}"


def test_the_main_table_comes_out_cell_for_cell(tables: dict[str, Table]) -> None:
    cells = shown(tables["main_results"])
    for row, cell in zip(published.rows("main_results"), cells, strict=True):
        assert cell.items() >= expected(row).items()
        assert cell["model"] == row["model"] and cell["baseline, published %"] == f"{row['baseline_average']:.2f}"
        assert cell["gain over the baseline"].startswith(f"{row['average'] - row['baseline_average']:+.2f} (p ")


def test_the_baselines_come_out_cell_for_cell(tables: dict[str, Table]) -> None:
    for row, cell in zip(published.rows("baselines"), shown(tables["baselines"]), strict=True):
        assert cell["model"] == row["model"] and cell.items() >= expected(row).items()


def test_the_best_is_bold_and_a_row_of_an_average_alone_is_not_tested(tables: dict[str, Table]) -> None:
    rows = {row["published_value"]: row for row in tables["study_reward"].rows}
    assert rows["format_only"]["versus_best"] == "best"
    assert rows["format_only"]["low"] == "no table" and rows["format_only"]["verdict"] == "cannot be told"
    assert rows["accuracy_format"]["versus_best"] == "other benchmarks"
    assert any(note.startswith("–: only the average is known") for note in tables["study_reward"].notes)
    ranks = {row["published_value"]: row for row in tables["study_lora_rank"].rows}
    assert ranks["16"]["versus_best"] == "best" and ranks["32"]["versus_best"] == "tie"


def test_a_verdict_takes_an_interval_that_tells_the_paper_from_its_base_model(tables: dict[str, Table]) -> None:
    for row in tables["study_dataset"].rows:
        assert row["low"] < row["published"] < row["high"]
        base = published.find("baselines", model=published.BASE)["average"] / 100
        assert (row["verdict"] == "reproduced") == (not row["low"] <= base <= row["high"])


def test_a_snapshot_gives_the_same_tables(logs: Logs, tables: dict[str, Table], tmp_path: Path) -> None:
    save(logs, tmp_path)
    again = make_tables(overview(load({"name": "snapshot", "path": str(tmp_path)})))
    assert [table.name for table in again] == list(tables)
    for table in again:
        assert shown(table) == shown(tables[table.name]) and table.notes == tables[table.name].notes


def test_the_api_gives_the_same_tables(
    server: Stub,
    logs: Logs,
    tables: dict[str, Table],
) -> None:
    server.runs = uploaded(logs)
    found = {table.name: table for table in make_tables(overview(load(SOURCE)))}
    assert found.keys() == tables.keys()
    for name, table in tables.items():
        assert shown(found[name]) == shown(table), name


def test_cost_ratios_name_what_they_divide(tables: dict[str, Table]) -> None:
    ratios = {row["ratio"]: (row["numerator"], row["denominator"]) for row in tables["cost_ratios"].rows}
    assert (3629, 14) in ratios.values() and (3629, 9) in ratios.values() and (798, 526) in ratios.values()
    parts = [row for row in tables["cost_published"].rows if row["group"] != "total"]
    assert sum(row["published_total_usd"] for row in parts) == 526
