"""A table as Markdown, as LaTeX with booktabs, and as HTML; all columns, whatever their width."""

import re
from collections.abc import Callable
from html import escape as escape_tags

from analysis.evaluations import Missing, Row
from analysis.render import Best, Table
from tina.terminal import visible

MARKDOWN = re.compile(r"[\\`*<>&|~$]|(?<=\])[(\[]|\b_|_\b|(?<!\w)_")
"""What would be a tag, a link, code, emphasis, a formula or a further cell."""
LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "×": r"$\times$",
    "–": "--",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
}
DOCUMENT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>table{{border-collapse:collapse}} th,td{{padding:.2em .6em;text-align:left}} .n{{text-align:right}}
thead th{{border-bottom:1px solid}} .missing{{color:#666;font-style:italic}}</style></head>
<body>
{body}
</body></html>
"""


def markdown(table: Table) -> str:
    """GitHub's table syntax."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rule = ["---:" if column.numeric else "---" for column in table.columns]
    lines = [line([markdown_text(column.title) for column in table.columns]), line(rule)]
    lines += [line([_wrapped(cell, "*{}*", "**{}**", markdown_text) for cell in cells]) for cells in _cells(table)]
    notes = "".join(f"- {markdown_text(note)}\n" for note in table.notes)
    return f"## {markdown_text(table.title)}\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return MARKDOWN.sub(r"\\\g<0>", visible_line(text))


def visible_line(text: str) -> str:
    """Text on one line, with control characters as one can read them."""
    return visible(" ".join(text.splitlines()))


def latex(table: Table) -> str:
    r"""A `table` environment for a document with \usepackage{booktabs}; UTF-8, any engine."""
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9:_-]', '-', table.name)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
        r"\toprule",
        " & ".join(latex_text(column.title) for column in table.columns) + r" \\",
        r"\midrule",
    ]
    for cells in _cells(table):
        wrapped = (_wrapped(cell, r"\textit{{{}}}", r"\textbf{{{}}}", latex_text) for cell in cells)
        lines.append(" & ".join(wrapped) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is; `^^41` would be read as a character before anything else is."""
    return "".join(LATEX.get(character, character) for character in visible_line(text))


def html(table: Table) -> str:
    """A page of its own that holds the table."""
    return DOCUMENT.format(title=escape(table.title), body=html_table(table))


def html_table(table: Table, link: Callable[[Row], str] | None = None) -> str:
    """The table with its title and notes; `link` gives the address that the numbers of a row lead to, if any."""
    head = "".join(f"<th{_class(column.numeric)} scope=col>{escape(column.title)}</th>" for column in table.columns)
    body = []
    for row, cells in zip(table.rows, _cells(table), strict=True):
        target = link(row) if link else ""
        columns = zip(table.columns, cells, strict=True)
        body.append("<tr>" + "".join(_html_cell(cell, column.numeric, target) for column, cell in columns) + "</tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<section class=table id="{escape(table.name)}"><h3>{escape(table.title)}</h3>\n<div class=scroll><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table></div>\n"
        f"{f'<ul class=notes>{notes}</ul>' if notes else ''}</section>"
    )


def escape(text: str) -> str:
    """Text that HTML shows as it is, in attributes too."""
    return escape_tags(visible(text))


def _html_cell(text: str, numeric: bool, target: str) -> str:
    inner = _wrapped(text, "<span class=missing>{}</span>", "<strong>{}</strong>", escape)
    if target and numeric and not isinstance(text, Missing):
        inner = f'<a href="{escape(target)}">{inner}</a>'
    return f"<td{_class(numeric)}>{inner}</td>"


def _class(numeric: bool) -> str:
    return " class=n" if numeric else ""


def _cells(table: Table) -> list[list[str]]:
    return [[column.text(row) for column in table.columns] for row in table.rows]


def _wrapped(text: str, missing: str, best: str, written: Callable[[str], str]) -> str:
    """A cell's text, marked if it is a reason for no data, or the best of its column."""
    form = missing if isinstance(text, Missing) else best if isinstance(text, Best) else "{}"
    return form.format(written(text))
