"""Expression matrices as they are published and exported: text, GCT, Parquet, h5ad. The file's content tells which."""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import polars
from scipy import sparse

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import MISSING, is_number, numbered_rows, open_text
from chrom2expr.files.hdf5 import open_others
from chrom2expr.job import Progress

_PARQUET, _HDF5 = b"PAR1", b"\x89HDF"
# Cells that are pooled at once.
_BLOCK = 4096


class Rows(NamedTuple):
    """A matrix as its file has it: `values` (row, tissue) float64, NaN = missing.

    Of each row: what the file calls it, the gene's symbol where the file has one beside that (else no symbols), and
    its place in the file, for messages.
    """

    name: list[str]
    symbol: list[str]
    place: list[str]
    tissue: list[str]
    values: np.ndarray


def read(path: str | Path, cells: Mapping[str, Any] | None = None) -> Rows:
    """Read a matrix of genes and tissues, whose first column says what the rows are.

    Text with commas or tabs, GCT (versions 1.2 and 1.3), Parquet, or h5ad, whose cells are pooled by `cells` (see
    `_pooled`). Raises InputError, naming file, row and column: nameless or repeated tissues, rows of another width,
    what is no number.
    """
    path = Path(path)
    with open(path, "rb") as handle:
        start = handle.read(8)
    if start.startswith(_PARQUET):
        rows = _parquet(path)
    elif start.startswith(_HDF5):
        rows = _pooled(path, cells or {})
    else:
        rows = _gct(path) if _is_gct(path) else _text(path)
    if not rows.name:
        raise InputError(f"{path}: no rows below the header")
    return rows


def _check_tissues(path: Path, tissue: Sequence[str], line: int = 1, first: int = 2) -> None:
    """Raise InputError for no, nameless or repeated tissues; the `first` is in that column (1-based)."""
    if not tissue:
        raise InputError(
            f"{path}, line {line}: no tissues; expected an index or gene id column, then one column a tissue"
        )
    for column, name in enumerate(tissue, start=first):
        if not name:
            raise InputError(f"{path}, line {line}: column {column} has no tissue name")
    name, count = Counter(tissue).most_common(1)[0]
    if count > 1:
        columns = ", ".join(str(column) for column, other in enumerate(tissue, start=first) if other == name)
        raise InputError(f"{path}, line {line}: tissue '{name}' is there {count} times, in columns {columns}")


def _numbers(path: Path, place: str, tissue: Sequence[str], fields: Sequence[str]) -> np.ndarray:
    """The values (tissue,) of one row of text."""
    try:
        return np.array([math.nan if field in MISSING else float(field) for field in fields])
    except ValueError:
        name, field = next(pair for pair in zip(tissue, fields) if pair[1] not in MISSING and not is_number(pair[1]))
        raise InputError(
            f"{path}, {place}, column '{name}': '{field}' is no number, which has a point before its decimals (or is "
            "empty, NA or nan where missing)"
        ) from None


def _text(path: Path) -> Rows:
    numbered = numbered_rows(path)
    _, header = next(numbered)
    _check_tissues(path, header[1:])
    names, places, values = [], [], []
    for line, row in numbered:
        names.append(row[0])
        places.append(f"line {line}")
        values.append(_numbers(path, places[-1], header[1:], row[1:]))
    return Rows(names, [], places, header[1:], np.array(values))


def _is_gct(path: Path) -> bool:
    with open_text(path, "a CSV text file") as handle:
        return handle.readline().startswith(("#1.2", "#1.3"))


def _gct(path: Path) -> Rows:
    """GCT 1.2 (Name, Description, then samples), or 1.3, which says how many columns and rows describe the others."""
    with open_text(path, "a GCT file") as handle:
        rows = list(csv.reader(handle, delimiter="\t"))
    sizes = [field for field in (rows[1] if len(rows) > 1 else []) if field.strip()]
    if len(rows) < 3 or len(sizes) not in (2, 4) or not all(size.strip().isdigit() for size in sizes):
        raise InputError(f"{path}, line 2: not GCT, which says there how many rows and columns it has")
    count, columns = int(sizes[0]), int(sizes[1])
    beside, above = (int(sizes[2]), int(sizes[3])) if len(sizes) == 4 else (1, 0)
    header, body = [field.strip() for field in rows[2]], rows[3 + above :]
    if len(header) != 1 + beside + columns or len(body) != count:
        raise InputError(
            f"{path}: line 2 tells of {count:,} rows and {columns:,} columns, but there are {len(body):,} and "
            f"{len(header) - 1 - beside:,}: cut short?"
        )
    tissue = header[1 + beside :]
    _check_tissues(path, tissue, 3, 2 + beside)
    places = [f"line {line}" for line in range(4 + above, 4 + above + count)]
    for place, row in zip(places, body):
        if len(row) != len(header):
            raise InputError(f"{path}, {place}: {len(row)} fields, but the header has {len(header)}")
    values = [
        _numbers(path, place, tissue, [field.strip() for field in row[1 + beside :]])
        for place, row in zip(places, body)
    ]
    symbols = [row[1].strip() for row in body] if beside else []
    return Rows([row[0].strip() for row in body], symbols, places, tissue, np.array(values))


def _parquet(path: Path) -> Rows:
    """A table whose one column of text, else its first, says what the rows are; a pandas index may be the last."""
    with reading(path, "Parquet file", "export it again"):
        frame = polars.read_parquet(path)
    texts = [name for name, kind in frame.schema.items() if kind in (polars.String, polars.Categorical)]
    if len(texts) > 1:
        raise InputError(
            f"{path}: columns {', '.join(texts[:3])} are text, but only the one that says what the rows are may be"
        )
    names = frame[texts[0]] if texts else frame.to_series(0)
    if not texts and not names.dtype.is_integer():
        raise InputError(f"{path}: no column says what the rows are, in text or by a running index")
    table = frame.drop(names.name)
    _check_tissues(path, table.columns)
    for column in table.columns:
        if not table.schema[column].is_numeric():
            raise InputError(f"{path}, column '{column}': holds {table.schema[column]}, no numbers")
    values = table.cast(polars.Float64).fill_null(math.nan).to_numpy()
    listed = ["" if name is None else str(name) for name in names.to_list()]
    return Rows(listed, [], [f"row {row}" for row in range(1, len(listed) + 1)], table.columns, values)


def _pooled(path: Path, cells: Mapping[str, Any]) -> Rows:
    """The cells of an h5ad file (AnnData's format) pooled to tissues.

    `cells`: `key`, the column of obs that names each cell's tissue; `layer`, a name in layers ("" is X); `pool`, sum or
    mean; `minimum`, how many cells a tissue must have, others being left out and named. A block of cells is in memory
    at a time. Gene names are those of var's index, symbols those of its column `symbols`, if that is given.
    """
    key = cells.get("key")
    if not key:
        raise InputError(f"{path}: an h5ad file: say in expression: cells: key which column of obs names the tissues")
    with reading(path, "h5ad file", "export it again"), open_others(path) as file:
        layer = f"layers/{cells['layer']}" if cells.get("layer") else "X"
        for wanted in ("obs", "var", layer):
            if wanted not in file:
                inside = ", ".join(file["layers"]) if layer.startswith("layers") and "layers" in file else "none"
                raise InputError(f"{path}: holds no {wanted} (layers: {inside})")
        labels = _column(path, file["obs"], key)
        names = _column(path, file["var"], file["var"].attrs.get("_index", "_index"))
        symbols = _column(path, file["var"], cells["symbols"]) if cells.get("symbols") else []
        tissue, group, size = np.unique([label or "" for label in labels], return_inverse=True, return_counts=True)
        sums = _sums(path, file[layer], group, len(tissue), len(names))
    enough = (size >= cells.get("minimum", 1)) & (tissue != "")
    for name, count in zip(tissue[~enough], size[~enough]):
        print(f"{path}: left out {name or 'cells without a tissue'}: {count:,} cells")
    values = sums / (size[:, None] if cells.get("pool") == "mean" else 1)
    places = [f"var row {row}" for row in range(1, len(names) + 1)]
    found = [str(name) for name in tissue[enough]]
    if not found:
        raise InputError(
            f"{path}: no tissue of obs: {key} has {cells.get('minimum', 1):,} cells or more (expression: cells)"
        )
    return Rows(names, symbols, places, found, values[enough].T)


def _column(path: Path, group: h5py.Group, name: str) -> list[str]:
    """A column of obs or var as text; what is missing is empty."""
    if name not in group:
        others = [one for one in group if not one.startswith("_")]
        raise InputError(f"{path}: {group.name[1:]} has no column {name}; there are {', '.join(others) or 'none'}")
    column = group[name]
    if isinstance(column, h5py.Group):  # a categorical
        kinds = [_as_text(kind) for kind in column["categories"][:]]
        return [kinds[code] if code >= 0 else "" for code in column["codes"][:]]
    return [_as_text(value) for value in column[:]]


def _as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _sums(path: Path, matrix: Any, group: np.ndarray, groups: int, genes: int) -> np.ndarray:
    """Sums (group, gene) float64 over the cells of each group (cell,) of a matrix, dense, CSR or CSC, in blocks."""
    sums, cells = np.zeros((groups, genes)), len(group)
    member = sparse.csr_matrix((np.ones(cells), (group, np.arange(cells))), shape=(groups, cells))
    if isinstance(matrix, h5py.Dataset):
        progress = Progress(cells, "cells")
        for first in range(0, cells, _BLOCK):
            sums += member[:, first : first + _BLOCK] @ matrix[first : first + _BLOCK].astype(np.float64)
            progress.advance(min(_BLOCK, cells - first))
        return sums
    kind, shape = matrix.attrs["encoding-type"], tuple(matrix.attrs["shape"])
    if shape != (cells, genes):
        raise InputError(f"{path}: {matrix.name[1:]} is of {shape[0]:,} cells x {shape[1]:,} genes, unlike obs and var")
    layout = {"csr_matrix": sparse.csr_matrix, "csc_matrix": sparse.csc_matrix}.get(_as_text(kind))
    if layout is None:
        raise InputError(f"{path}: {matrix.name[1:]} is stored as {kind}, which is neither dense nor CSR nor CSC")
    by_cell = layout is sparse.csr_matrix
    indptr, length = matrix["indptr"][:].astype(np.int64), cells if by_cell else genes
    progress = Progress(length, "cells" if by_cell else "genes of all cells")
    for first in range(0, length, _BLOCK):
        last = min(first + _BLOCK, length)
        piece = slice(indptr[first], indptr[last])
        shape = (last - first, genes) if by_cell else (cells, last - first)
        part = layout(
            (matrix["data"][piece], matrix["indices"][piece], indptr[first : last + 1] - indptr[first]), shape
        )
        part.check_format(full_check=True)  # a damaged index would add up what lies elsewhere in memory
        if by_cell:
            sums += (member[:, first:last] @ part).toarray()
        else:
            sums[:, first:last] = (member @ part).toarray()
        progress.advance(last - first)
    return sums
