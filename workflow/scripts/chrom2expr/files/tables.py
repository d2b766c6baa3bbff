"""Tab-separated tables: written whole, read with the row named where something is wrong.

A table that is written here ends in an empty line, which programs that read tables skip: a table that was cut short,
be it between two rows, has none. A changed character cannot be seen.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import open_text, refuse_repeated
from chrom2expr.files.whole import whole_file

_T = TypeVar("_T")


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write `rows` below `header`: numbers with a fraction to six decimals, NaN and None as an empty cell.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_table(f"{folder}/mine.tsv", ["tissue", "score"], [["liver", 0.5]])
    ...     Path(folder, "mine.tsv").read_text()
    'tissue\\tscore\\nliver\\t0.500000\\n\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) if isinstance(value, float) else value for value in row])
    write_lines(path, text.getvalue())


def write_lines(path: str | Path, lines: str) -> None:
    """Write the lines of a table, each with its end, and the empty one that says that this is all."""
    with whole_file(path) as partial:
        partial.write_text(lines + "\n", encoding="utf-8", newline="")


def read_lines(path: str | Path) -> str:
    """The lines of a table that was written here. Raises InputError if it is cut short, or not UTF-8."""
    with reading(path, "table", "delete it and run again"):
        text = Path(path).read_text(encoding="utf-8")
    if not text.endswith("\n\n"):
        raise InputError(
            f"{path}: cut short, the empty line at its end is missing; delete it and run again (an editor may have "
            "taken that line away: then add it)"
        )
    return text[:-1]


def read_table(path: str | Path, columns: Sequence[str], ours: bool = True) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number (1-based, the header is 1) and cells of each row of a table.

    `ours`: it was written here, and so must be whole. Raises InputError where `columns` are missing, a row has fewer
    cells, or the file cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_table(f"{folder}/mine.tsv", ["tissue", "score"], [["liver", 0.5], ["lung", None]])
    ...     list(read_table(f"{folder}/mine.tsv", ["score"]))
    [(2, {'tissue': 'liver', 'score': '0.500000'}), (3, {'tissue': 'lung', 'score': ''})]
    """
    if ours:
        text = read_lines(path)
    else:
        advice = "check its path in the config; it must be UTF-8 text with tabs between the cells"
        with reading(path, "table", advice), open_text(path, "a table") as handle:
            text = handle.read()
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    try:
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}, row 1: no column {', '.join(missing)}.")
        refuse_repeated(path, reader.fieldnames or (), columns)
        for row in reader:
            if any(row[name] is None for name in columns):
                raise InputError(f"{path}, row {reader.line_num}: fewer cells than columns.")
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}, row {reader.line_num}: not a table ({error}).") from None


def number(kind: Callable[[str], _T], cell: str, path: str | Path, line: int) -> _T | float:
    """A cell as an int or a float; an empty cell is NaN where a float is wanted. Raises InputError."""
    if kind is float and not cell:
        return np.nan
    try:
        return kind(cell)
    except ValueError:
        raise InputError(f"{path}, row {line}: {cell!r} is not a number.") from None


def read_rows(path: str | Path, row: type[_T], wrong: Callable[[_T], str]) -> list[_T]:
    """The rows of a table that was written here, as NamedTuples `row`, whose fields are text, int or float.

    `wrong` says what cannot be in a row, and gives an empty text for the others. Raises InputError naming the row that
    cannot be understood, and for a table without any.
    """
    kinds = get_type_hints(row)
    rows = []
    for line, cells in read_table(path, tuple(kinds)):
        values = {
            name: cells[name] if kind is str else number(kind, cells[name], path, line) for name, kind in kinds.items()
        }
        rows.append(row(**values))
        if problem := wrong(rows[-1]):
            raise InputError(f"{path}, row {line}: {problem}; tabulate the figure again.")
    if not rows:
        raise InputError(f"{path} holds no rows; tabulate the figure again.")
    return rows


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}"
