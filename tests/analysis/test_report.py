"""The report in a real browser, and the pictures in it."""

import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import figures, report
from analysis.evaluations import Missing
from analysis.figures import draw
from analysis.overview import Overview, overview
from analysis.runs import load
from tests.analysis.browser import Page, chromium, require_chromium
from tests.analysis.logs import config_of, rank_sweep, train_run

WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep, and a run that failed."""
    folder = tmp_path_factory.mktemp("report") / "outputs"
    rank_sweep(folder, (4, 8, 16))
    train_run(folder, "f" * 16, config_of(lora__rank=64), exit_code=1)
    return folder


@pytest.fixture(scope="module")
def everything(outputs: Path) -> Overview:
    return overview(load({"name": "offline", "root": str(outputs)}))


@pytest.fixture(scope="module")
def report_file(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    arguments = [f"source.root={outputs}", f"report={path}", f"cache={path.parent}/cache"]
    assert report.main(arguments) == 0
    return path


@pytest.fixture
def page(report_file: Path) -> Iterator[Page]:
    with chromium(*require_chromium()) as opened:
        opened.resize(1280, 900)
        opened.open(report_file.as_uri())
        yield opened


@pytest.mark.browser
def test_the_report_renders_sorts_links_fetches_nothing_and_fits(page: Page, report_file: Path) -> None:
    assert page.run("return document.title") == "Tina ablations"
    assert page.run("return document.querySelectorAll('section.table').length") >= 6
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.run("return document.images.length") >= 6 and page.run(broken) == 0

    column = "[...document.querySelectorAll('#study_lora\\\\.rank tbody tr')].map(r => r.cells[{}].textContent)"
    header = "document.querySelectorAll('#study_lora\\\\.rank th button')[{}].click();"
    titles = page.run("return [...document.querySelectorAll('#study_lora\\\\.rank th')].map(h => h.textContent)")
    place = titles.index("accuracy %")
    assert page.run(f"{header.format(place)} return {column.format(place)}") == ["60.00", "65.00", "70.00"]
    assert page.run(f"{header.format(place)} return {column.format(place)}") == ["70.00", "65.00", "60.00"]
    names = column.format(titles.index("arm"))
    arms = page.run(f"{header.format(titles.index('arm'))} return {names}")
    assert arms == ["lora.rank=4", "lora.rank=8", "lora.rank=16"]  # numbers inside names count as numbers

    targets = "[...document.querySelectorAll('a')].map(a => a.hash.slice(1))"
    assert page.run(f"return {targets}.filter(name => !document.getElementById(name))") == []
    link = "document.querySelector('#study_lora\\\\.rank tbody a').click(); return location.hash"
    target = page.run(link)
    assert target == "#run-0000000000000004"
    assert page.run("return document.getElementById(location.hash.slice(1)).open") is True

    asked = [json.loads(entry["message"])["message"] for entry in page.logs("performance")]
    urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith("data:")] == [report_file.as_uri()]
    assert page.logs("browser") == []


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(page: Page, width: int, tmp_path: Path) -> None:
    page.resize(width, 900)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("return document.documentElement.scrollWidth") <= width
    outside = """
        return [...document.querySelectorAll('body *')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width && !e.closest('.scroll table') && (box.right > innerWidth + 1 || box.left < -1);
        }).map(e => e.outerHTML.slice(0, 80))"""
    assert page.run(outside) == []
    picture = page.screenshot()
    assert struct.unpack(">II", picture[16:24]) == (width, 900)


def test_every_run_has_its_settings_versions_and_evaluations(report_file: Path, everything: Overview) -> None:
    text = report_file.read_text()
    for row in everything.rows:
        section = text.split(f'<details id="run-{row["run"]}">')[1].split("</details>")[0]
        assert f"<dt>lora.rank</dt><dd>{row['settings']['lora.rank']}</dd>" in section
        assert "<dt>versions</dt>" in section and "<dt>W&amp;B file</dt>" in section
    assert text.count('id="evaluations-') == 3
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_pictures_show_the_marks_that_the_log_holds(everything: Overview) -> None:
    pictures = {picture.name: picture.figure for picture in draw(everything)}
    axes = pictures["dynamics_0000000000000004"].axes
    assert [a.get_title(loc="left") for a in axes] == ["format reward", "completion length, tokens", "accuracy reward"]
    marks = {line.get_label(): line.get_xdata()[0] for line in axes[0].lines}
    assert marks.items() >= {"transition, step 3": 3, "chosen checkpoint, step 4": 4}.items()

    dots = [line for line in pictures["study_lora.rank"].axes[0].lines if line.get_marker() == "o"]
    assert [round(dot.get_xdata()[0]) for dot in dots] == [60, 65, 70]
    bars = [line for line in pictures["study_lora.rank"].axes[0].lines if len(line.get_xdata()) == 2][:3]
    arms = everything.arms["lora.rank"]
    assert [tuple(bar.get_xdata()) for bar in bars] == [(100 * arm["low"], 100 * arm["high"]) for arm in arms]
    turns = pictures["transition_lora.rank"].axes[0].lines[0]
    assert list(turns.get_xdata()) == [4, 8, 16] and list(turns.get_ydata()) == [3, 3, 3]
    assert pictures["flops"] == Missing("FLOPs are not logged")


def test_figures_are_written_twice_the_same_as_png_and_svg(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        arguments = [f"source.root={outputs}", f"figures={tmp_path / name}", f"cache={tmp_path}/cache"]
        assert figures.main(arguments) == 0
    told = capsys.readouterr().out
    assert "Not made: flops (FLOPs are not logged)" in told
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"study_lora.rank.png", "study_lora.rank.svg", "cost.svg", "dynamics_" + "f" * 16 + ".png"} <= set(names)
    for name in names:
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes()
        if name.endswith(".svg"):
            width = ET.fromstring(data).attrib["width"]
            assert float(width.removesuffix("pt")) == pytest.approx(3.3 * 72, abs=1)


@pytest.mark.parametrize("script", [report, figures])
def test_bad_input_is_one_sentence(script: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([f"source.root={tmp_path}", "cache=null"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("There are no W&B runs") and told.err.count("\n") == 1 and told.out == ""
    assert script.main(["--help"]) == 0
