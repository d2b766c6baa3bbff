"""Tab-separated tables: written whole, read with the row named where something is wrong."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files import whole_file

_T = TypeVar("_T")


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write `rows` below `header`: numbers with a fraction to six decimals, NaN as an empty cell."""
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([_cell(value) if isinstance(value, float) else value for value in row])


def read_table(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number (1-based, the header is 1) and cells of each row. Raises InputError where `columns` are missing."""
    with open(path, newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}, row 1: no column {', '.join(missing)}.")
        for row in reader:
            if any(row[name] is None for name in columns):
                raise InputError(f"{path}, row {reader.line_num}: fewer cells than columns.")
            yield reader.line_num, row


def number(kind: Callable[[str], _T], cell: str, path: str | Path, line: int) -> _T | float:
    """A cell as an int or a float; an empty cell is NaN where a float is wanted. Raises InputError."""
    if kind is float and not cell:
        return np.nan
    try:
        return kind(cell)
    except ValueError:
        raise InputError(f"{path}, row {line}: {cell!r} is not a number.") from None


def correlation(cell: str, path: str | Path, line: int) -> float:
    """A cell as a correlation, NaN if it is empty. Raises InputError outside of -1 to 1."""
    value = number(float, cell, path, line)
    if cell and not -1 <= value <= 1:
        raise InputError(f"{path}, row {line}: {cell} is no correlation; it must lie between -1 and 1.")
    return value


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}"
