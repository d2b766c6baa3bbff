"""CSV files read row by row, with the line numbers that messages need."""

import csv
from collections.abc import Iterator
from pathlib import Path

from chrom2expr.errors import InputError


def numbered_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the header, then of every row that is not empty; lines are 1-based, fields stripped.

    Raises InputError, naming file and line, for a row of another width than the header, and for what is no CSV text.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            header = [name.strip() for name in next(reader, [])]
            yield 1, header
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(row)} fields, but the header has {len(header)}"
                    )
                yield reader.line_num, [field.strip() for field in row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV text file ({error})") from None
