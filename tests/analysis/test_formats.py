"""LaTeX and HTML: what a compiler or a browser would make of them."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from analysis.columns import plain
from analysis.evaluations import Missing
from analysis.formats import html, html_table, latex, latex_text, markdown, markdown_text
from analysis.render import Best, Column, Table, _csv_cell

NASTY = r"50 % of $x_1$ & {a} # b~c ^ \d <b> | ×"


@pytest.fixture
def table() -> Table:
    rows = [
        {"run": "one", "name": NASTY, "value": Best("1.00")},
        {"run": "one two", "name": "b", "value": Missing("not run")},
    ]
    columns = [Column("name", plain("name"), numeric=False), Column("value\n%", plain("value"))]
    return Table("t", f"Title {NASTY}", columns, rows, [f"note {NASTY}"])


def test_latex_is_balanced_booktabs_with_nothing_left_to_break_a_line(table: Table) -> None:
    text = latex(table)
    body = re.search(r"\\midrule\n(.*)\\bottomrule", text, re.DOTALL)[1]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()] == [1, 1]
    assert r"\textbf{1.00}" in body and r"\textit{not run}" in body
    plain_text = re.sub(r"\\[&%$#_{}]|\\text\w+\{\}", "", text)
    assert plain_text.count("{") == plain_text.count("}")
    assert plain_text.count("$") % 2 == 0 and "%" not in plain_text and "#" not in plain_text
    for name in (r"\begin{table}", r"\toprule", r"\end{tabular}", r"\end{table}", r"\caption{", "{lr}"):
        assert name in text


def test_latex_text_keeps_every_character() -> None:
    assert latex_text("a_b \\ 5 %") == r"a\_b \textbackslash{} 5 \%"


class Cells(HTMLParser):
    """The text of each cell, and the tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def test_html_is_well_formed_and_escapes_what_is_written(table: Table) -> None:
    parser = Cells()
    parser.feed(html(table))
    assert parser.open == [] and parser.links == []
    assert parser.cells == ["name", "value %", NASTY, "1.00", "b", "not run"]
    assert "<strong>1.00</strong>" in html(table) and "<span class=missing>not run</span>" in html(table)


def test_numbers_lead_to_their_runs_and_reasons_lead_nowhere(table: Table) -> None:
    parser = Cells()
    parser.feed(html_table(table, lambda row: f"#run-{row['run']}"))
    assert parser.links == ["#run-one"]


def test_markdown_marks_best_and_missing_and_keeps_its_columns(table: Table) -> None:
    lines = markdown(table).splitlines()
    assert lines[2] == "| name | value % |" and lines[5] == "| b | *not run* |"
    assert lines[4].endswith("| **1.00** |") and r"\|" in lines[4]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("arithmetic_test", "arithmetic_test"),
        ("[12.1, 15.3]", "[12.1, 15.3]"),
        ("_x_ and *y*", r"\_x\_ and \*y\*"),
        ("<script>a</script>", r"\<script\>a\</script\>"),
        ("[click](http://x)", r"[click]\(http://x)"),
        ("a|b `c` $d$ &lt;", r"a\|b \`c\` \$d\$ \&lt;"),
        ("two\nlines\r\n# title", "two lines # title"),
        ("\x1b]0;title\x07", r"\\x1b]0;title\\x07"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+1+2", "'+1+2"),
        ("-x", "'-x"),
        ("-1.5e-3", "-1.5e-3"),
        (-1.5, -1.5),
        ("a=b", "a=b"),
        ("\x1b[2J", r"\x1b[2J"),
    ],
)
def test_no_cell_of_a_csv_is_a_formula(value: object, cell: object) -> None:
    assert _csv_cell(value) == cell


def test_a_label_of_latex_is_a_plain_word(table: Table) -> None:
    text = latex(dataclasses.replace(table, name="study_a}\\input{x}^^41 b"))
    assert r"\label{tab:study_a--input-x---41-b}" in text
    assert "^^" not in latex_text("^^41") and latex_text("\x1b") == r"\textbackslash{}x1b"
