"""The track tables: which tracks a backbone predicts, how each is measured, and where its bigWig lies."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import open_text, refuse_repeated
from chrom2expr.files.tables import read_lines

BASENJI_COLUMNS = ("identifier", "clip", "scale", "sum_stat", "description")
# The columns before the first and after the last of these have no name.
BELUGA_COLUMNS = ("Cell type", "Assay", "Treatment", "Assay type", "Source")
PEAK_ENDINGS = (".narrowPeak.gz", ".bed.gz")
STATISTICS = ("mean", "sum")
MANIFEST_COLUMNS = ["track_id", "track_type", "clip", "scale", "sum_stat", "path", "reason"]


def read_tracks(path: str | Path) -> pd.DataFrame:
    """A track table, one row a track in the order of the backbone's outputs, told apart by its header.

    Basenji's targets table (targets_human.txt), where CAGE tracks are those described as "CAGE:...", or
    ExPecto's table of Beluga's features (deepsea_beluga_2002_features.tsv), all chromatin, whose tracks are named by
    their peak file without folder and ending, and neither clipped nor scaled; or a list of one's own with a column
    identifier, and description if need be (see plain_tracks).
    Returns track_id (unique), track_type ("chromatin" | "cage"), description, clip, scale, sum_stat ("mean" | "sum").
    Raises InputError, naming file and line, for another kind of file, a row of another width, a missing or repeated
    identifier, a clip or scale that is not a number above 0, and an unknown statistic.
    """
    header, rows = _read_rows(path)
    refuse_repeated(path, header, [*BASENJI_COLUMNS, *BELUGA_COLUMNS])
    if "identifier" in header and not {"clip", "scale", "sum_stat"} & set(header):
        table = _plain(pd.DataFrame(rows, columns=header))
    elif set(BASENJI_COLUMNS) <= set(header):
        table = _basenji(path, pd.DataFrame(rows, columns=header))
    elif tuple(header[1:-1]) == BELUGA_COLUMNS:
        table = _beluga(rows)
    else:
        raise InputError(
            f"{path}, line 1: neither Basenji's targets table (columns {', '.join(BASENJI_COLUMNS)}), nor ExPecto's "
            f"table of Beluga's features (columns {', '.join(BELUGA_COLUMNS)}), nor a list with a column identifier; "
            "all are separated by tabs"
        )
    _refuse(path, table["track_id"] == "", "the track has no identifier", table["track_id"])
    _refuse(path, table["track_id"].duplicated(), "the identifier is not the first of its name", table["track_id"])
    return table


def _read_rows(path: str | Path) -> tuple[list[str], list[list[str]]]:
    with open_text(path, "a table of tracks") as handle:
        header, *rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)) or [[]]
    if not rows:
        raise InputError(f"{path}: no tracks below the header")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} fields, but the header has {len(header)}")
    return header, [[field.strip() for field in row] for row in rows]


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    described = table["description"] if "description" in table else table["identifier"]
    return plain_tracks(table["identifier"].tolist(), described.tolist())


def plain_tracks(identifiers: Sequence[str], descriptions: Sequence[str] | None = None) -> pd.DataFrame:
    """Tracks of which nothing but their identifiers is known: averaged over bins, neither clipped nor scaled.

    CAGE tracks are those described as "CAGE:...", as in Basenji's table. Columns as of `read_tracks`.
    """
    described = pd.Series(list(descriptions or identifiers), dtype=str)
    return pd.DataFrame(
        {
            "track_id": list(identifiers),
            "track_type": np.where(described.str.startswith("CAGE:"), "cage", "chromatin"),
            "description": described,
            "clip": np.inf,
            "scale": 1.0,
            "sum_stat": "mean",
        }
    )


def _basenji(path: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    numbers = {name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in ("clip", "scale")}
    for name, values in numbers.items():
        _refuse(path, ~(values > 0), f"{name} must be a number above 0", table[name])
    _refuse(path, ~table["sum_stat"].isin(STATISTICS), f"sum_stat must be {' or '.join(STATISTICS)}", table["sum_stat"])
    return pd.DataFrame(
        {
            "track_id": table["identifier"],
            "track_type": np.where(table["description"].str.startswith("CAGE:"), "cage", "chromatin"),
            "description": table["description"],
            **numbers,
            "sum_stat": table["sum_stat"],
        }
    )


def _beluga(rows: list[list[str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "track_id": [_peak_name(row[-1]) for row in rows],
            "track_type": "chromatin",
            "description": [" ".join(part for part in row[1:4] if part) for row in rows],
            "clip": np.inf,
            "scale": 1.0,
            "sum_stat": "mean",
        }
    )


def _peak_name(file: str) -> str:
    name = file.rsplit("/", 1)[-1]
    for ending in PEAK_ENDINGS:
        name = name.removesuffix(ending)
    return name


def _refuse(path: str | Path, bad: pd.Series, what: str, values: pd.Series) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"{path}, line {row + 2}: {what}, found '{values.iloc[row]}'; correct the table of tracks")


def read_manifest(path: str | Path) -> pd.DataFrame:
    """A manifest that `collect.collect_bigwigs` wrote (MANIFEST_COLUMNS); empty path or reason: none.

    Raises InputError if it is cut short or damaged.
    """
    kinds = dict.fromkeys(MANIFEST_COLUMNS, str) | {"clip": float, "scale": float}
    with reading(path, "manifest"):
        return pd.read_csv(io.StringIO(read_lines(path)), sep="\t", dtype=kinds, keep_default_na=False)
