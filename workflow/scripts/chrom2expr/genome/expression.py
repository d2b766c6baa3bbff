"""The targets: ExPecto's expression matrix, matched to the gene table, as ln(RPKM + pseudocount)."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import numbered_rows
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format
from chrom2expr.genome.genes import without_version
from chrom2expr.genome.splits import read_split

FORMAT = Format("chrom2expr expression", 1)
# What the first column of a matrix is; auto: what the gene table's ids allow.
Ids = Literal["auto", "index", "gene_id"]
# What a missing value may look like in the file.
MISSING = frozenset(["", "NA", "NaN", "nan"])


@dataclass(frozen=True)
class Matrix:
    """RPKM (gene, tissue) float64, NaN = missing; rows in the order of the gene table it was matched to."""

    rpkm: np.ndarray
    tissue: list[str]


def read_matrix(path: str | Path, annotation: pd.DataFrame, annotation_path: str | Path, ids: Ids = "auto") -> Matrix:
    """Read an expression CSV and bring its rows into the order of `annotation` (see `genes.read_annotation`).

    The first column is either a running index 1, 2, …: then the rows follow the gene table's order (ExPecto's own
    matrix); or gene ids: then rows are matched by id, and must be the gene table's genes, each once, in any order.
    Ensembl versions (ENSG….5, ENSG….5_2) are ignored, unless genes of the table differ in them only. Which of the two
    it is, the gene table's ids decide, or `ids` says. The other columns are tissues.

    Raises InputError, naming file, line and column: repeated or nameless tissues, rows of another width, a value that
    is negative, infinite or no number, rows that do not match the gene table, and numbers that are both an index and
    the genes' ids, in another order.
    """
    numbered = numbered_rows(path)
    _, header = next(numbered)
    tissue = header[1:]
    _check_tissues(path, tissue)
    names, lines, values = [], [], []
    for line, row in numbered:
        names.append(row[0])
        lines.append(line)
        values.append(_numbers(path, line, tissue, row[1:]))
    if not values:
        raise InputError(f"{path}: no rows below the header")
    order = _match(path, names, lines, annotation, annotation_path, ids)
    return Matrix(np.array(values)[order], tissue)


def _match(
    path: str | Path,
    names: list[str],
    lines: list[int],
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    ids: Ids,
) -> np.ndarray:
    """Row of the matrix for every gene of the annotation (gene,), by the one reading of `names` that is possible."""
    orders: dict[str, np.ndarray] = {}
    problems: dict[str, InputError] = {}
    for reading, find in (("index", _by_position), ("gene_id", _by_id)):
        try:
            orders[reading] = find(path, names, lines, annotation, annotation_path)
        except InputError as error:
            problems[reading] = error
    if ids != "auto":
        if ids in problems:
            raise InputError(f"{problems[ids]} (the config says expression: ids: {ids})")
        return orders[ids]
    if not orders:
        raise problems[_likelier(names, annotation)]
    first, *others = orders.values()
    if any(not np.array_equal(first, other) for other in others):
        gene = int(np.argmax(first != others[0]))
        raise InputError(
            f"{path}: the first column can be a running index or gene ids, and the two disagree: {annotation_path}, "
            f"line {annotation['line'].iloc[gene]}, gene {annotation['gene_id'].iloc[gene]}, would be line "
            f"{lines[first[gene]]} of the matrix or line {lines[others[0][gene]]}. Say which it is in the config, "
            "expression: ids: index or expression: ids: gene_id"
        )
    return first


def _likelier(names: list[str], annotation: pd.DataFrame) -> str:
    """The reading of `names` that more rows bear out, where neither is possible: its problem is the one to name."""
    wanted = {without_version(gene_id) for gene_id in annotation["gene_id"]}
    known = sum(without_version(name) in wanted for name in names)
    placed = sum(name == str(expected) for expected, name in enumerate(names, start=1))
    if known != placed:
        return "gene_id" if known > placed else "index"
    return "index" if all(map(_is_whole, names)) and not all(map(_is_whole, wanted)) else "gene_id"


def _is_whole(name: str) -> bool:
    return re.fullmatch(r"[0-9]+", name) is not None


def _check_tissues(path: str | Path, tissue: list[str]) -> None:
    if not tissue:
        raise InputError(f"{path}, line 1: no tissues; expected an index or gene id column, then one column a tissue")
    for column, name in enumerate(tissue, start=2):
        if not name:
            raise InputError(f"{path}, line 1: column {column} has no tissue name")
    name, count = Counter(tissue).most_common(1)[0]
    if count > 1:
        columns = ", ".join(str(column) for column, other in enumerate(tissue, start=2) if other == name)
        raise InputError(f"{path}, line 1: tissue '{name}' is there {count} times, in columns {columns}")


def _numbers(path: str | Path, line: int, tissue: list[str], fields: list[str]) -> np.ndarray:
    """The values (tissue,) of one row."""
    try:
        values = [math.nan if field in MISSING else float(field) for field in fields]
        good = not any(value < 0 or value == math.inf for value in values)
    except ValueError:
        good = False
    if not good:
        name, field = next(pair for pair in zip(tissue, fields) if not _is_rpkm(pair[1]))
        raise InputError(
            f"{path}, line {line}, column '{name}': '{field}' is not an RPKM value, which is a number of at least 0, "
            "with a point before decimals (or empty, NA or nan where missing)"
        )
    return np.array(values)


def _is_rpkm(field: str) -> bool:
    try:
        value = math.nan if field in MISSING else float(field)
    except ValueError:
        return False
    return not value < 0 and value != math.inf


def _by_position(
    path: str | Path, names: list[str], lines: list[int], annotation: pd.DataFrame, annotation_path: str | Path
) -> np.ndarray:
    for expected, (name, line) in enumerate(zip(names, lines), start=1):
        if not _is_whole(name) or int(name) != expected:
            raise InputError(
                f"{path}, line {line}: the running index is {name!r} where {expected} was expected. Rows without gene "
                f"ids must follow the order of {annotation_path}; give gene ids in the first column if they do not"
            )
    if len(names) != len(annotation):
        raise InputError(
            f"{path} has {len(names):,} rows, but {annotation_path} has {len(annotation):,} genes. Without gene ids in "
            "the first column, both must list the same genes in the same order"
        )
    return np.arange(len(names))


def _by_id(
    path: str | Path, names: list[str], lines: list[int], annotation: pd.DataFrame, annotation_path: str | Path
) -> np.ndarray:
    """Row of the matrix for every gene of the annotation (gene,)."""
    wanted = list(annotation["gene_id"])
    unversioned = [without_version(gene_id) for gene_id in wanted]
    # Genes of the table that differ in the version only cannot be told apart without it.
    if len(set(unversioned)) == len(unversioned):
        names, wanted = [without_version(name) for name in names], unversioned
    rows: dict[str, int] = {}
    for row, (name, line) in enumerate(zip(names, lines)):
        if not name:
            raise InputError(f"{path}, line {line}: the gene id is missing")
        if name in rows:
            raise InputError(f"{path}, line {line}: gene id {name} is already on line {lines[rows[name]]}")
        rows[name] = row
    unknown = rows.keys() - set(wanted)
    if unknown:
        row = min(rows[name] for name in unknown)
        raise InputError(
            f"{path}, line {lines[row]}: gene id {names[row]} is not in {annotation_path} ({len(unknown):,} such rows)"
            ". Remove the row, or use the gene table that the matrix was made with"
        )
    absent = [gene_id for gene_id in wanted if gene_id not in rows]
    if absent:
        line = annotation["line"].iloc[wanted.index(absent[0])]
        raise InputError(
            f"{path}: no row for gene id {absent[0]} of {annotation_path}, line {line} ({len(absent):,} such genes). "
            "Add the rows (empty values are legal), or remove the genes"
        )
    return np.array([rows[gene_id] for gene_id in wanted])


def pseudocounts(pseudocount: float | Mapping[str, float], tissue: list[str]) -> np.ndarray:
    """The pseudocount of every tissue (tissue,), in RPKM, from one number or a table by tissue.

    A table names every tissue, or has an entry `default` for those it does not name. Raises InputError otherwise, and
    for a tissue that the matrix lacks or a pseudocount that is not above 0.

    >>> pseudocounts({"default": 1e-4, "liver": 0.01}, ["liver", "lung"]).tolist()
    [0.01, 0.0001]
    """
    table = pseudocount if isinstance(pseudocount, Mapping) else {"default": pseudocount}
    unknown = [name for name in table if name != "default" and name not in tissue]
    if unknown:
        raise InputError(f"expression: pseudocount names tissue '{unknown[0]}', which the expression matrix lacks")
    absent = [name for name in tissue if name not in table]
    if absent and "default" not in table:
        raise InputError(
            f"expression: pseudocount has no entry for tissue '{absent[0]}' ({len(absent)} such tissues). "
            "Add them, or an entry 'default'"
        )
    for name, value in table.items():
        if not (isinstance(value, int | float) and 0 < value < math.inf):
            raise InputError(f"expression: pseudocount ({name}) is {value}, but must be a number above 0")
    return np.array([table[name] if name in table else table["default"] for name in tissue], dtype=np.float64)


def write_targets(
    path: str | Path,
    matrix: Matrix,
    annotation: pd.DataFrame,
    genes: pd.DataFrame,
    matrix_path: str | Path,
    *,
    pseudocount: float | Mapping[str, float],
    missing: str,
) -> None:
    """Write expression.h5: `log_rpkm` (gene, tissue) float32 = ln(RPKM + pseudocount), NaN = missing; gene_id, tissue.

    Rows are those of `genes`, found by their ids in `annotation`, whose rows are those of `matrix`. The attribute
    `pseudocount` is one number, or one a tissue (tissue,) where they differ. `missing`: "keep", or "error" to raise
    InputError at the first missing value of a kept gene. Raises InputError for a gene that `annotation` lacks, too.
    """
    offsets = pseudocounts(pseudocount, matrix.tissue)
    rows = pd.Index(annotation["gene_id"]).get_indexer(genes["gene_id"])
    if len(unknown := np.flatnonzero(rows < 0)):
        raise InputError(
            f"{matrix_path}: gene {genes['gene_id'].iloc[unknown[0]]} ({len(unknown):,} such genes) is not in the gene "
            "table that the matrix was matched to; tss.tsv was made from another one: delete it and run again"
        )
    rpkm = matrix.rpkm[rows]
    absent = np.isnan(rpkm)
    if missing == "error" and absent.any():
        row, column = np.argwhere(absent)[0]
        raise InputError(
            f"{matrix_path}: no value for gene {genes['gene_id'].iloc[row]} in column '{matrix.tissue[column]}' "
            f"({absent.sum():,} missing values). Fill them in, or set expression: missing: keep"
        )
    print(f"{rpkm.shape[0]:,} genes x {rpkm.shape[1]:,} tissues, {absent.sum():,} values missing")
    targets = Targets(
        np.log(rpkm + offsets).astype(np.float32),
        genes["gene_id"].to_numpy(dtype=str),
        np.array(matrix.tissue),
        offsets if isinstance(pseudocount, Mapping) else float(pseudocount),
    )
    with create_file(path, FORMAT, {"pseudocount": targets.pseudocount}) as file:
        for name in ("log_rpkm", "gene_id", "tissue"):
            file.write(name, getattr(targets, name))


class Targets(NamedTuple):
    """What expression.h5 holds: ln(RPKM + pseudocount) (gene, tissue) float32, NaN = missing, and its names.

    `pseudocount` is one number, or one a tissue (tissue,), in RPKM.
    """

    log_rpkm: np.ndarray
    gene_id: np.ndarray
    tissue: np.ndarray
    pseudocount: float | np.ndarray


def read_targets(path: str | Path) -> Targets:
    """Read what `write_targets` wrote. Raises InputError if the file is damaged."""
    with CheckedFile(path, FORMAT) as file:
        return Targets(*map(file.read, ("log_rpkm", "gene_id", "tissue")), file.attributes["pseudocount"])


def read_split_targets(path: str | Path, split_path: str | Path) -> tuple[Targets, np.ndarray]:
    """The targets of the genes of a split file, and the split of each (gene,): train, val or test.

    Raises InputError if one of the files is damaged, and unless all these genes have targets, in the same order.
    """
    gene_id, split = read_split(split_path)
    targets = read_targets(path)
    rows = pd.Index(targets.gene_id).get_indexer(gene_id)
    if (rows < 0).any() or (np.diff(rows) < 0).any():
        raise InputError(
            f"the genes of {split_path} are not among those of {path} in the same order: make both again from the same "
            "table"
        )
    return targets._replace(log_rpkm=targets.log_rpkm[rows], gene_id=targets.gene_id[rows]), split
