"""Pages of tables and texts: an HTML file that needs no other, whose columns sort at a click; legible on paper too."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.files.whole import whole_file

# How a cell may be marked.
MARKS = ("good", "bad", "faint")
# From so many rows on, the browser lays out only those in view; its columns then have widths that are given.
_MANY = 1000
_LONGEST_WORD, _WIDEST = 14, 60  # characters

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 120rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .6rem; }
p { max-width: 48rem; margin: .4rem 0; }
table { border-collapse: collapse; margin: 1.5rem 0; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
caption p { font-weight: 400; }
th, td { text-align: left; vertical-align: top; padding: .3rem .45rem; border-bottom: 1px solid #ddd; }
th { position: sticky; top: 0; background: #f3f4f6; border-bottom: 2px solid #888; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid #1b5fa8; outline-offset: 2px; }
th button::after { content: "\\a0\\2195"; color: #999; }
th[aria-sort=ascending] button::after { content: "\\a0\\2191"; color: #1a1a1a; }
th[aria-sort=descending] button::after { content: "\\a0\\2193"; color: #1a1a1a; }
h2 { font-size: 1rem; font-weight: 600; margin: 1.5rem 0 .3rem; }
pre { font: inherit; max-width: 48rem; white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
pre.code { font: 13px/1.4 ui-monospace, monospace; max-width: none; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.long { min-width: 13rem; }
.name { min-width: 10rem; }
.good { color: #10613a; font-weight: 600; }
.bad { color: #a3231b; font-weight: 600; }
.faint { color: #6b6b6b; }
.many, .many caption, .many thead, .many tbody { display: block; }
.many tr { display: grid; grid-template-columns: var(--columns); }
.many thead { position: sticky; top: 0; }
.many th, .many td { min-width: 0; overflow-wrap: anywhere; }
.many tbody tr { content-visibility: auto; contain-intrinsic-height: auto 2.6rem; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { font-size: 7pt; margin: 0; padding: 0; max-width: none; }
  th, .many thead { position: static; }
  .many tbody tr { content-visibility: visible; }
  th, td { padding: .1rem .25rem; }
  pre { font-size: 9pt; }
  pre.code { font-size: 7pt; }
  th button::after { content: "" !important; }
  .long, .name { min-width: 0; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""

# Rows without a value stay last, whichever way a column is sorted.
_SCRIPT = """
const texts = new Intl.Collator("en", {numeric: true});
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const compare = (a, b) => a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : texts.compare(a, b);
    const sign = way === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map(row => {
      const cell = row.cells[column];
      return [cell.dataset.value ?? cell.textContent, row];
    });
    keyed.sort(([a], [b]) => (a === "") - (b === "") || sign * compare(a, b));
    body.replaceChildren(...keyed.map(([, row]) => row));
  });
}
"""


class Table(NamedTuple):
    """A table of a page: texts and numbers; NaN and None are empty cells.

    `marks` says how cells with a certain text are set off: one of MARKS. `text` is paragraphs below the caption, which
    may say what the columns mean.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    marks: Mapping[str, str] = {}
    text: Sequence[str] = ()


class Listing(NamedTuple):
    """A text of a page whose lines and indents are kept; `code` is monospaced."""

    caption: str
    text: str
    code: bool = False


def write_page(path: str | Path, title: str, text: Sequence[str], parts: Sequence[Table | Listing]) -> None:
    """Write a page: its title, paragraphs of plain text, tables and listings. Nothing in them is taken for HTML."""
    shown_parts = "".join(_table(part) if isinstance(part, Table) else _listing(part) for part in parts)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n{_paragraphs(text)}{shown_parts}<script>{_SCRIPT}</script>\n"
        "</body>\n</html>\n"
    )
    with whole_file(path) as partial:
        partial.write_text(page, encoding="utf-8")


def shown(value: Any) -> str:
    """A cell as it is read: whole numbers in full, others to four significant digits, nothing for NaN and None.

    >>> [shown(value) for value in (0.83149, 22828, 7.0, 1e-4, float("nan"), None, "a")]
    ['0.8315', '22,828', '7', '0.0001', '', '', 'a']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, Real):
        return str(value)
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"


def _paragraphs(text: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(paragraph)}</p>\n" for paragraph in text)


def _listing(listing: Listing) -> str:
    kind = _class("code" if listing.code else "")
    return f"<h2>{html.escape(listing.caption)}</h2>\n<pre{kind}>{html.escape(listing.text)}</pre>\n"


def _table(table: Table) -> str:
    numbers = [_is_number(column) for column in zip(*table.rows, strict=True)] or [False] * len(table.header)
    head = "".join(
        f'<th scope="col"{_class("number" if number else "")}><button type="button">{_broken(name)}</button></th>'
        for name, number in zip(table.header, numbers, strict=True)
    )
    rows = "".join(f"<tr>{''.join(_cell(cell, table.marks) for cell in row)}</tr>\n" for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}{_paragraphs(table.text)}</caption>"
    return f"<table{_widths(table)}>\n{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _widths(table: Table) -> str:
    """The widths of the columns of a table with many rows: shares, by the texts in them; nothing of another table."""
    if len(table.rows) < _MANY:
        return ""
    columns = []
    for name, column in zip(table.header, zip(*table.rows, strict=True), strict=True):
        texts = [shown(cell) for cell in column]
        word = _usual([max(map(len, re.split(r"[/_:\s]", text))) for text in texts])
        least = max(len(name) + 5, min(word, _LONGEST_WORD) + 2)  # the arrow and the padding
        columns.append(f"minmax({least}ch, {max(least, min(_usual(list(map(len, texts))), _WIDEST))}fr)")
    return f' class="many" style="--columns: {" ".join(columns)}"'


def _usual(lengths: Sequence[int]) -> int:
    """What nine of ten do not exceed."""
    return sorted(lengths)[len(lengths) * 9 // 10]


def _is_number(column: Sequence[Any]) -> bool:
    filled = [cell for cell in column if shown(cell)]
    return bool(filled) and all(isinstance(cell, Real) for cell in filled)


def _cell(cell: Any, marks: Mapping[str, str]) -> str:
    text = shown(cell)
    if isinstance(cell, Real):
        return f'<td class="number" data-value="{repr(float(cell)) if text else ""}">{text}</td>'
    kind = "long" if len(text) > 60 else "name" if len(text) > 30 else ""
    return f"<td{_class(f'{kind} {marks.get(text, str())}'.strip())}>{_broken(text)}</td>"


def _broken(text: str) -> str:
    """A text as HTML, in which names of columns, runs and keys may break where their parts do, and checksums too."""
    parts = re.sub(r"([/_:]|(?<=[a-z])\.(?=[a-z]))", r"\1<wbr>", html.escape(text))
    return re.sub(r"[0-9a-f]{16}(?=[0-9a-f]{8})", r"\g<0><wbr>", parts)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
