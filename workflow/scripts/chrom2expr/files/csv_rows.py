"""Tables as people give them: read row by row, with the line numbers that messages need."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from chrom2expr.errors import InputError
from chrom2expr.files.foreign import foreign_table, start_of
from chrom2expr.files.packed import damage_named, opener

# What a missing value may look like in text.
MISSING = frozenset(["", "NA", "NaN", "nan"])


@contextmanager
def open_text(path: str | Path, kind: str = "a text file") -> Iterator[TextIO]:
    """A text file in UTF-8, with or without a byte-order mark, as it is or packed by gzip, bgzip, bzip2 or xz.

    What it is packed by its first bytes tell, whatever its name. Raises InputError, also while it is read, for what is
    not `kind`: another encoding, a workbook, an archive, a web page, a packed file that is damaged.
    """
    start = start_of(path, foreign_table)
    try:
        with damage_named(path), opener(start)(path, "rt", newline="", encoding="utf-8-sig") as text:
            yield text
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not {kind} in UTF-8 ({error})") from None
    except csv.Error as error:
        raise InputError(f"{path}: not {kind} ({error})") from None


def numbered_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the header, then of every row that is not empty; lines are 1-based, fields stripped.

    Fields are separated by commas, or by tabs where the header has more of these. Raises InputError as `open_text`,
    and, naming file and line, for semicolons as separators and for a row of another width than the header.
    """
    with open_text(path, "a CSV text file") as handle:
        first = handle.readline()
        separator = "\t" if first.count("\t") > first.count(",") else ","
        if ";" in first and separator not in first:
            raise InputError(
                f"{path}, line 1: the columns are separated by semicolons; separate them by commas or tabs, and write "
                "decimals with a point (in a spreadsheet: save as CSV, with these in its options)"
            )
        handle.seek(0)
        reader = csv.reader(handle, delimiter=separator)
        header = [name.strip() for name in next(reader, [])]
        yield 1, header
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(f"{path}, line {reader.line_num}: {len(row)} fields, but the header has {len(header)}")
            yield reader.line_num, [field.strip() for field in row]


def refuse_repeated(path: str | Path, header: Sequence[str], needed: Sequence[str]) -> None:
    """Raise InputError for a needed column that stands more than once in a header."""
    for name in needed:
        columns = [str(column) for column, other in enumerate(header, start=1) if other == name]
        if len(columns) > 1:
            raise InputError(
                f"{path}, line 1: column '{name}' is there {len(columns)} times, as columns {', '.join(columns)}: "
                "keep one"
            )


def is_number(field: str) -> bool:
    """Whether a field of a table is a number, with a point before its decimals.

    >>> is_number("1e-3"), is_number("0,5"), is_number("")
    (True, False, False)
    """
    try:
        float(field)
    except ValueError:
        return False
    return True
