"""From a run's predictions to its scores, and from the scores of many runs to the table that a figure is drawn from.

Only test genes are scored. An undefined correlation is an empty cell, and is counted wherever scores are averaged.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import h5py
import numpy as np

from chrom2expr import metrics
from chrom2expr.errors import InputError
from chrom2expr.files import whole_file

CROSS_GENE = "cross-gene"
CROSS_CELLTYPE = "cross-celltype"

_T = TypeVar("_T")


class Predictions(NamedTuple):
    """Predicted and observed ln(RPKM + pseudocount), (gene, tissue) float32 with NaN = missing, and their names."""

    predicted: np.ndarray
    observed: np.ndarray
    gene_id: np.ndarray
    tissue: np.ndarray


class Bar(NamedTuple):
    """One row of a figure's table: the mean Spearman correlation of one run in one task.

    `panel` is the task; `series` and `x` are labels as they are printed. `mean` and `sem` are over the `n` defined
    correlations, and NaN where those are too few; `thesis` is the value the thesis states, NaN if it states none.
    """

    figure: str
    panel: str
    series: str
    x: str
    mean: float
    sem: float
    n: int
    undefined: int
    thesis: float


def read_test_predictions(path: str | Path) -> Predictions:
    """The test genes of a predictions.h5. Raises InputError if the file is damaged or its parts do not match."""
    names = ("predicted", "observed", "gene_id", "tissue", "split")
    try:
        with h5py.File(path, "r") as file:
            if missing := [name for name in names if name not in file]:
                raise InputError(f"{path} has no dataset {', '.join(missing)}; fit this run again.")
            predicted, observed = file["predicted"][:], file["observed"][:]
            gene_id, tissue, split = (file[name].asstr()[:] for name in names[2:])
    except (OSError, TypeError) as error:
        raise InputError(f"{path} cannot be read as predictions ({error}); delete it and fit this run again.") from None
    expected = (len(gene_id), len(tissue))
    for name, shape in (("predicted", predicted.shape), ("observed", observed.shape)):
        if shape != expected:
            raise InputError(
                f"{path}: {name} has shape {shape}, but there are {expected[0]} gene ids and {expected[1]} tissues; "
                "fit this run again."
            )
    if len(split) != len(gene_id):
        raise InputError(f"{path}: {len(gene_id)} gene ids but {len(split)} entries in split; fit this run again.")
    for kind, ids in (("gene", gene_id), ("tissue", tissue)):
        values, count = np.unique(ids, return_counts=True)
        if (count > 1).any():
            raise InputError(f"{path}: {kind} {values[count > 1][0]} occurs twice; fit this run again.")
    test = split == "test"
    if not test.any():
        raise InputError(f"{path} has no test genes; choose held-out chromosomes that carry genes.")
    return Predictions(predicted[test], observed[test], gene_id[test], tissue)


def evaluate(predictions: str | Path, cross_gene: str | Path, cross_celltype: str | Path) -> None:
    """Score the test genes of a predictions.h5; a row a tissue in `cross_gene`, a row a gene in `cross_celltype`.

    Columns: tissue, spearman, genes; and gene_id, spearman, tissues. The last is how many pairs of values were used.
    """
    run = read_test_predictions(predictions)
    present = ~np.isnan(run.observed)
    across_genes = metrics.cross_gene(run.predicted, run.observed)
    across_tissues = metrics.cross_celltype(run.predicted, run.observed)
    _print_summary(CROSS_GENE, "tissues", across_genes)
    _print_summary(CROSS_CELLTYPE, "test genes", across_tissues)
    by_tissue = zip(run.tissue, across_genes, present.sum(axis=0), strict=True)
    _write_table(cross_gene, ("tissue", "spearman", "genes"), by_tissue)
    by_gene = zip(run.gene_id, across_tissues, present.sum(axis=1), strict=True)
    _write_table(cross_celltype, ("gene_id", "spearman", "tissues"), by_gene)


def read_scores(path: str | Path) -> np.ndarray:
    """The `spearman` column of a score file, (row,) float64 with NaN where it is empty. Raises InputError."""
    return np.array([_score(row["spearman"], path, line) for line, row in _rows(path, ("spearman",))])


def read_thesis_values(path: str | Path) -> dict[tuple[str, str, str, str], float]:
    """The correlations that the thesis states, by (figure, panel, series, x). Raises InputError."""
    values: dict[tuple[str, str, str, str], float] = {}
    for line, row in _rows(path, ("figure", "panel", "series", "x", "value")):
        key = row["figure"], row["panel"], row["series"], row["x"]
        if key in values:
            raise InputError(f"{path}, row {line}: {', '.join(key)} is listed twice; keep one.")
        values[key] = _score(row["value"], path, line)
    return values


def figure_table(
    figure: str,
    runs: Sequence[Mapping[str, Any]],
    cross_gene: Sequence[str | Path],
    cross_celltype: Sequence[str | Path],
    thesis: Mapping[tuple[str, str, str, str], float],
) -> list[Bar]:
    """The bars of a figure: all runs' cross-gene means, then all their cross-celltype means.

    Each run has the labels `x` and `series` under which it stands, and one score file at its place in either list.
    `thesis` is empty where the thesis's values are not comparable. Raises InputError if two runs share both labels.
    """
    places = [(run["series"], run["x"]) for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise InputError(
                f"{figure} has two runs named {place[0]} of {place[1]}; give its sources labels that differ, "
                "and list losses of the same alpha and beta once."
            )
    bars = []
    for panel, paths in ((CROSS_GENE, cross_gene), (CROSS_CELLTYPE, cross_celltype)):
        for (series, x), path in zip(places, paths, strict=True):
            key = figure, panel, series, x
            bars.append(Bar(*key, *metrics.summarise(read_scores(path)), thesis.get(key, np.nan)))
    return bars


def write_figure_table(path: str | Path, bars: Sequence[Bar]) -> None:
    """Write a figure's table; what is undefined, or what the thesis does not state, is an empty cell."""
    _write_table(path, Bar._fields, bars)


def read_figure_table(path: str | Path) -> list[Bar]:
    """Read what `write_figure_table` wrote. Raises InputError naming the row that cannot be understood."""
    bars = []
    for line, row in _rows(path, Bar._fields):
        bar = Bar(
            *(row[name] for name in ("figure", "panel", "series", "x")),
            mean=_score(row["mean"], path, line),
            sem=_number(float, row["sem"], path, line),
            n=_number(int, row["n"], path, line),
            undefined=_number(int, row["undefined"], path, line),
            thesis=_score(row["thesis"], path, line),
        )
        if np.isnan(bar.mean) != (bar.n == 0):
            raise InputError(f"{path}, row {line}: mean and n contradict each other; tabulate the figure again.")
        bars.append(bar)
    if not bars:
        raise InputError(f"{path} holds no bars; tabulate the figure again.")
    return bars


def _print_summary(task: str, unit: str, values: np.ndarray) -> None:
    mean, sem, n, undefined = metrics.summarise(values)
    print(f"{task} Spearman: mean {mean:.3f}, SEM {sem:.3f}, over {n} {unit}; {undefined} undefined")


def _write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Tab-separated; a correlation with six decimals, a NaN as an empty cell."""
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([_cell(value) if isinstance(value, float) else value for value in row])


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}"


def _rows(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row of a tab-separated file that has at least `columns`."""
    with open(path, newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}, row 1: no column {', '.join(missing)}.")
        for row in reader:
            if any(row[name] is None for name in columns):
                raise InputError(f"{path}, row {reader.line_num}: fewer cells than columns.")
            yield reader.line_num, row


def _number(kind: Callable[[str], _T], cell: str, path: str | Path, line: int) -> _T | float:
    if kind is float and not cell:
        return np.nan
    try:
        return kind(cell)
    except ValueError:
        raise InputError(f"{path}, row {line}: {cell!r} is not a number.") from None


def _score(cell: str, path: str | Path, line: int) -> float:
    """A correlation, NaN for an empty cell."""
    value = _number(float, cell, path, line)
    if cell and not -1 <= value <= 1:
        raise InputError(f"{path}, row {line}: {cell} is no correlation; it must lie between -1 and 1.")
    return value
