"""The targets: an expression matrix, matched to the gene table, as ln(expression + pseudocount)."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.genome import exons, matrices, sample_sheets, units
from chrom2expr.genome.genes import gene_of, without_version
from chrom2expr.genome.quantifications import Quantifications
from chrom2expr.genome.targets import Targets, write
from chrom2expr.genome.units import Unit
from chrom2expr.job import tell

# What the first column of a matrix is; auto: what the gene table's ids allow.
Ids = Literal["auto", "index", "gene_id", "symbol"]
# What to do about rows that are not in the gene table, and genes that have none.
Unmatched = Literal["error", "skip"]
# What counts become.
CountsTo = Literal["cpm", "tpm"]


@dataclass(frozen=True)
class Matrix:
    """Expression (gene, tissue) float64, NaN = missing; rows in the order of the gene table it was matched to.

    `unit` is what the values now are (see units.LABELS).
    """

    values: np.ndarray
    tissue: list[str]
    unit: Unit = "rpkm"


def read_matrix(
    path: str | Path,
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    ids: Ids = "auto",
    unit: Unit = "rpkm",
    unmatched: Unmatched = "error",
    cells: Mapping[str, Any] | None = None,
    counts_to: CountsTo = "cpm",
    samples: Mapping[str, str] = sample_sheets.COLUMNS,
) -> Matrix:
    """Read an expression matrix and bring its rows into the order of `annotation` (see `genes.read_annotation`).

    The first column is either a running index 1, 2, …: then the rows follow the gene table's order (ExPecto's own
    matrix); or gene ids, or symbols: then rows are matched by these, in any order. Ensembl versions (ENSG….5,
    ENSG….5_2) are ignored, unless genes of the table differ in them only. Which of these it is, the gene table decides
    (symbols where neither of the others is possible), or `ids` says. The other columns are tissues. All rows of a gene
    in the gene table (see genes.gene_of) have its values.

    With `unmatched` "error" the rows must be the gene table's genes, each once; with "skip" other rows are left out,
    and genes without a row have missing values; both are counted. Formats and `cells`: see matrices.read. A sample
    sheet with the columns `samples` stands for the quantifications that it names (see quantifications).

    Counts become counts per million of their column, all rows of the file included; or, with `counts_to` "tpm", TPM by
    the lengths of the genes in the GTF or GFF3 that is the gene table (see exons.gene_lengths). A matched row
    whose gene has no length there is an error, or left out, as `unmatched` says.

    Raises InputError, naming file, row and column: repeated or nameless tissues, rows of another width, a value that
    cannot be of `unit` (see units.check), rows that do not match the gene table, and numbers that are both an index and
    the genes' ids, in another order.
    """
    if sample_sheets.is_sheet(path, samples):
        given = Quantifications(path, unit, annotation_path, samples)
        rows, place = given.rows(), given.first
        order = _match(place, rows, annotation, annotation_path, ids, unmatched)
        lengths = _lengths(place, rows, order, annotation, annotation_path, unit, counts_to, unmatched)
        values, tissue = given.averages(rows, lengths), given.tissue
    else:
        rows = matrices.read(path, cells)
        units.check(rows.values, unit, path, rows.place, rows.tissue)
        order = _match(path, rows, annotation, annotation_path, ids, unmatched)
        lengths = _lengths(path, rows, order, annotation, annotation_path, unit, counts_to, unmatched)
        values, tissue = units.normalised(rows.values, unit, path, rows.tissue, lengths), rows.tissue
    matched = np.where((order < 0)[:, None], np.nan, values[order])
    genes = _genes(annotation)
    lacking = list(dict.fromkeys(gene for gene, row in zip(genes, order) if row < 0))
    left = sorted({*range(len(rows.name))} - {*order.tolist()})
    if lacking or left:
        count = len(set(genes))
        print(
            f"{path}: {count - len(lacking):,} of {count:,} genes of {annotation_path} have a row"
            f"{_examples(lacking)}; {len(left):,} rows are of other genes{_examples([rows.name[row] for row in left])}"
        )
    return Matrix(matched, tissue, unit if lengths is None else "tpm")


def _genes(annotation: pd.DataFrame) -> list[str]:
    """The gene of each row of a gene table."""
    return [gene_of(row_id) for row_id in annotation["gene_id"]]


def _lengths(
    path: str | Path,
    rows: matrices.Rows,
    order: np.ndarray,
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    unit: Unit,
    counts_to: CountsTo,
    unmatched: Unmatched,
) -> np.ndarray | None:
    """The length of the gene of every row of a matrix (row,) in bases, NaN = none; None where none is needed.

    Raises InputError for a row whose gene has none, unless `unmatched` is "skip".
    """
    if unit != "counts" or counts_to != "tpm":
        return None
    known = exons.gene_lengths(annotation_path)
    lengths = np.full(len(rows.name), np.nan)
    for gene, row in zip(_genes(annotation), order):
        if row >= 0:
            lengths[row] = known.get(gene, np.nan)
    lacking = sorted({*order[order >= 0].tolist()} & {*np.flatnonzero(np.isnan(lengths)).tolist()})
    if lacking and unmatched == "error":
        raise InputError(
            f"{path}, {rows.place[lacking[0]]}: gene {rows.name[lacking[0]]} has no exons in {annotation_path}, so no "
            f"length to make TPM by ({len(lacking):,} such genes). Remove the rows, or set expression: unmatched: skip "
            "or counts_to: cpm"
        )
    if lacking:
        named = _examples([rows.name[row] for row in lacking], "")
        print(
            f"{path}: {len(lacking):,} genes have no exons in {annotation_path}, so no length{named}, and are left out"
        )
    return lengths


def _examples(names: Sequence[str], word: str = "not ") -> str:
    """The first few of those that have no partner."""
    return f" ({word}{', '.join(names[:3])}{', …' if len(names) > 3 else ''})" if names else ""


def _match(
    path: str | Path,
    rows: matrices.Rows,
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    ids: Ids,
    unmatched: Unmatched,
) -> np.ndarray:
    """Row of the matrix for every gene of the annotation (gene,), -1 for none, by the one reading that is possible."""
    orders: dict[str, np.ndarray] = {}
    problems: dict[str, InputError] = {}
    finders = {"index": _by_position, "gene_id": _by_id}
    # Symbols count where neither of these can be, or where they are asked for.
    for reading, find in finders.items():
        try:
            orders[reading] = find(path, rows, annotation, annotation_path, unmatched)
        except InputError as error:
            problems[reading] = error
    if ids == "symbol" or (ids == "auto" and not orders and "symbol" in annotation and _by_symbols(rows, annotation)):
        return _by_symbol(path, rows, annotation, annotation_path, unmatched)
    if ids != "auto":
        if ids in problems:
            raise InputError(f"{problems[ids]} (the config says expression: ids: {ids})")
        return orders[ids]
    if not orders:
        raise problems[_likelier(rows.name, annotation)]
    first, *others = orders.values()
    if any(not np.array_equal(first, other) for other in others):
        gene = int(np.argmax(first != others[0]))
        raise InputError(
            f"{path}: the first column can be a running index or gene ids, and the two disagree: {annotation_path}, "
            f"line {annotation['line'].iloc[gene]}, gene {annotation['gene_id'].iloc[gene]}, would be "
            f"{rows.place[first[gene]]} of the matrix or {rows.place[others[0][gene]]}. Say which it is in the config, "
            "expression: ids: index or expression: ids: gene_id"
        )
    return first


def _by_symbols(rows: matrices.Rows, annotation: pd.DataFrame) -> bool:
    """Whether more rows are called by a symbol of the gene table than by an id."""
    symbols = set(annotation["symbol"]) - {""}
    wanted = {without_version(gene) for gene in _genes(annotation)}
    named = rows.symbol or rows.name
    return sum(name in symbols for name in named) > sum(without_version(name) in wanted for name in rows.name)


def _likelier(names: list[str], annotation: pd.DataFrame) -> str:
    """The reading of `names` that more rows bear out, where neither is possible: its problem is the one to name."""
    wanted = {without_version(gene) for gene in _genes(annotation)}
    known = sum(without_version(name) in wanted for name in names)
    placed = sum(name == str(expected) for expected, name in enumerate(names, start=1))
    if known != placed:
        return "gene_id" if known > placed else "index"
    return "index" if all(map(_is_whole, names)) and not all(map(_is_whole, wanted)) else "gene_id"


def _is_whole(name: str) -> bool:
    return re.fullmatch(r"[0-9]+", name) is not None


def _by_position(
    path: str | Path, rows: matrices.Rows, annotation: pd.DataFrame, annotation_path: str | Path, _: Unmatched
) -> np.ndarray:
    if _genes(annotation) != list(annotation["gene_id"]):
        raise InputError(
            f"{path}: a running index names no gene where genes have several rows, one a TSS, as in {annotation_path}: "
            "give gene ids or symbols in the first column"
        )
    for expected, (name, place) in enumerate(zip(rows.name, rows.place), start=1):
        if not _is_whole(name) or int(name) != expected:
            raise InputError(
                f"{path}, {place}: the running index is {name!r} where {expected} was expected. Rows without gene "
                f"ids must follow the order of {annotation_path}; give gene ids in the first column if they do not"
            )
    if len(rows.name) != len(annotation):
        raise InputError(
            f"{path} has {len(rows.name):,} rows, but {annotation_path} has {len(annotation):,} genes. Without gene "
            "ids in the first column, both must list the same genes in the same order"
        )
    return np.arange(len(rows.name))


def _by_id(
    path: str | Path, rows: matrices.Rows, annotation: pd.DataFrame, annotation_path: str | Path, unmatched: Unmatched
) -> np.ndarray:
    names, wanted = rows.name, _genes(annotation)
    unversioned = [without_version(gene) for gene in wanted]
    # Genes of the table that differ in the version only cannot be told apart without it.
    if len(set(unversioned)) == len(set(wanted)):
        names, wanted = [without_version(name) for name in names], unversioned
    return _by_name(path, names, wanted, rows, annotation, annotation_path, unmatched, "gene id")


def _by_symbol(
    path: str | Path, rows: matrices.Rows, annotation: pd.DataFrame, annotation_path: str | Path, unmatched: Unmatched
) -> np.ndarray:
    counted = Counter(symbol for _, symbol in {*zip(_genes(annotation), annotation["symbol"])})
    # A symbol that several genes have names none of them.
    wanted = [symbol if symbol and counted[symbol] == 1 else "" for symbol in annotation["symbol"]]
    names = rows.symbol or rows.name
    return _by_name(path, names, wanted, rows, annotation, annotation_path, unmatched, "symbol")


def _by_name(
    path: str | Path,
    names: Sequence[str],
    wanted: Sequence[str],
    rows: matrices.Rows,
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    unmatched: Unmatched,
    kind: str,
) -> np.ndarray:
    """Row of the matrix for every gene (gene,), by what the rows are called and how the genes are called."""
    found: dict[str, int] = {}
    known = dict.fromkeys(filter(None, wanted))
    for row, (name, place) in enumerate(zip(names, rows.place)):
        if not name and unmatched == "error":
            raise InputError(f"{path}, {place}: the {kind} is missing")
        if name in found and (unmatched == "error" or name in known):
            raise InputError(f"{path}, {place}: {kind} {name} is already on {rows.place[found[name]]}")
        found.setdefault(name, row)
    if not known.keys() & found.keys():
        raise InputError(
            f"{path}: not one row is a gene of {annotation_path}: the rows are called {', '.join(names[:3])}, …, the "
            f"genes {', '.join(list(known)[:3])}, …. Is one of the two of another species, or does it name its genes "
            "otherwise (expression: ids)?"
        )
    unknown = found.keys() - known.keys()
    if unknown and unmatched == "error":
        row = min(found[name] for name in unknown)
        raise InputError(
            f"{path}, {rows.place[row]}: {kind} {names[row]} is not in {annotation_path} ({len(unknown):,} such rows). "
            "Remove the row, use the gene table that the matrix was made with, or set expression: unmatched: skip"
        )
    absent = [row for row, name in enumerate(wanted) if name not in found]
    if absent and unmatched == "error":
        gene, genes = annotation.iloc[absent[0]], _genes(annotation)
        count = len({genes[row] for row in absent})
        raise InputError(
            f"{path}: no row for {kind} {wanted[absent[0]] or gene['gene_id']} of {annotation_path}, line "
            f"{gene['line']} ({count:,} such genes). Add the rows (empty values are legal), remove the genes, or "
            "set expression: unmatched: skip"
        )
    return np.array([found.get(name, -1) if name else -1 for name in wanted])


def pseudocounts(pseudocount: float | Mapping[str, float], tissue: list[str]) -> np.ndarray:
    """The pseudocount of every tissue (tissue,), in the matrix's unit, from one number or a table by tissue.

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


def check_tissues(matrix: Matrix, path: str | Path, comparing: Sequence[str] = ()) -> None:
    """Say on the console what cannot be said of one tissue or two, of the matrix at `path`.

    Raises InputError if there is one only, but runs whose loss compares tissues, `comparing`.
    """
    if len(matrix.tissue) == 1:
        if comparing:
            raise InputError(
                f"{path}: has one tissue, {matrix.tissue[0]}, but the loss of {comparing[0]} ({len(comparing):,} such "
                "runs of figures) compares tissues: leave these runs out of figures, or give them a loss of alpha 0"
            )
        tell(
            f"{path}: has one tissue, {matrix.tissue[0]}. Correlations across cell types are undefined, and every such "
            "score will be empty"
        )
    elif len(matrix.tissue) == 2:
        tell(f"{path}: has two tissues. Correlations across cell types are 1, -1 or undefined for every gene")


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
    """Write expression.h5 (see targets.Targets): ln(expression + pseudocount), or logarithms as the matrix has them.

    Rows are those of `genes`, found by their ids in `annotation`, whose rows are those of `matrix`. `missing`: "keep",
    or "error" to raise InputError at the first missing value of a kept gene. Raises InputError for a gene that
    `annotation` lacks, too.
    """
    offsets = pseudocounts(pseudocount, matrix.tissue)
    rows = pd.Index(annotation["gene_id"]).get_indexer(genes["gene_id"])
    if len(unknown := np.flatnonzero(rows < 0)):
        raise InputError(
            f"{matrix_path}: gene {genes['gene_id'].iloc[unknown[0]]} ({len(unknown):,} such genes) is not in the gene "
            "table that the matrix was matched to; tss.tsv was made from another one: delete it and run again"
        )
    values = matrix.values[rows]
    absent = np.isnan(values)
    if missing == "error" and absent.any():
        row, column = np.argwhere(absent)[0]
        raise InputError(
            f"{matrix_path}: no value for gene {genes['gene_id'].iloc[row]} in column '{matrix.tissue[column]}' "
            f"({absent.sum():,} missing values). Fill them in, or set expression: missing: keep"
        )
    print(f"{values.shape[0]:,} genes x {values.shape[1]:,} tissues, {absent.sum():,} values missing")
    logarithms = matrix.unit == "log"
    write(
        path,
        Targets(
            (values if logarithms else np.log(values + offsets)).astype(np.float32),
            genes["gene_id"].to_numpy(dtype=str),
            np.array(matrix.tissue),
            0.0 if logarithms else offsets if isinstance(pseudocount, Mapping) else float(pseudocount),
            units.LABELS[matrix.unit],
        ),
    )
