"""From a run's predictions to its scores, and from the scores of many runs to the tables behind a figure.

Only test genes are scored. An undefined correlation is an empty cell, and is counted wherever scores are averaged.
Every run's scores come with the same bootstrap resamples of the test genes (see `statistics`).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr import metrics, statistics
from chrom2expr.errors import InputError
from chrom2expr.files import Format
from chrom2expr.hdf5 import CheckedFile, create_file
from chrom2expr.predictions import Predictions, read_predictions
from chrom2expr.tables import correlation, number, read_table, write_table

CROSS_GENE = "cross-gene"
CROSS_CELLTYPE = "cross-celltype"
# The series of the baseline: every gene is predicted the training genes' mean expression in each cell type.
BASELINE = "Training mean"

FORMAT = Format("chrom2expr bootstrap", 1)


class ScoreFiles(NamedTuple):
    """The files that hold the scores of one run: two tables, and the scores of the resamples."""

    cross_gene: str | Path
    cross_celltype: str | Path
    bootstrap: str | Path


class Bar(NamedTuple):
    """One row of a figure's table: the mean Spearman correlation of one run in one task.

    `panel` is the task; `series` and `x` are labels as they are printed. `mean` and `sem` are over the `n` defined
    correlations, and NaN where those are too few; `thesis` is the value the thesis states, NaN if it states none.
    `ci_low` to `ci_high` is the mean's 95 % bootstrap interval over test genes. `run` is the run's folder in models/.
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
    ci_low: float
    ci_high: float
    run: str


class Pair(NamedTuple):
    """One row of a figure's table of pairs: run a minus run b, which have the same test genes, in one task.

    `difference` is the mean over the `n` units (cell types if cross-gene, test genes if cross-celltype) in which both
    are defined; its interval is bootstrapped over test genes in both tasks, both runs in the same resamples.
    `p_wilcoxon` takes the units as independent, which cell types that share their test genes are not; it is not
    corrected for the number of pairs.
    """

    figure: str
    panel: str
    series_a: str
    x_a: str
    series_b: str
    x_b: str
    difference: float
    ci_low: float
    ci_high: float
    p_wilcoxon: float
    n: int
    undefined: int


def read_test_predictions(path: str | Path) -> Predictions:
    """The test genes of a predictions.h5. Raises InputError as `read_predictions`, and if there are none."""
    test = read_predictions(path).of("test")
    if not len(test.gene_id):
        raise InputError(f"{path} has no test genes; choose held-out chromosomes that carry genes.")
    return test


def evaluate(run: Predictions, files: ScoreFiles, *, resamples: int, seed: int) -> None:
    """Score a run: a row a tissue in `cross_gene`, a row a gene in `cross_celltype`, and its resamples in `bootstrap`.

    Columns of the tables: tissue, spearman, genes; and gene_id, spearman, tissues. The last is how many pairs of values
    were used. The bootstrap file holds `drawn` (resample, gene) uint16, how often each gene is in a resample, and
    `cross_gene` (resample, tissue) float32; a gene's own correlation is the same in every resample.
    """
    present = ~np.isnan(run.observed)
    across_genes = metrics.cross_gene(run.predicted, run.observed)
    across_tissues = metrics.cross_celltype(run.predicted, run.observed)
    drawn = statistics.draw_genes(len(run.gene_id), resamples, seed)
    resampled = statistics.resampled_cross_gene(run.predicted, run.observed, drawn)
    for task, unit, values in ((CROSS_GENE, "tissues", across_genes), (CROSS_CELLTYPE, "test genes", across_tissues)):
        mean, sem, n, undefined = metrics.summarise(values)
        low, high = statistics.interval(_resampled_means(task, values, drawn, resampled))
        print(
            f"{task} Spearman: mean {mean:.3f}, SEM {sem:.3f}, 95 % interval {low:.3f} to {high:.3f}, "
            f"over {n} {unit}; {undefined} undefined"
        )
    # All their digits: rounding would make ties of differences, and another test of them.
    across_genes, across_tissues = map(_exact, (across_genes, across_tissues))
    by_tissue = zip(run.tissue, across_genes, present.sum(axis=0), strict=True)
    write_table(files.cross_gene, ("tissue", "spearman", "genes"), by_tissue)
    by_gene = zip(run.gene_id, across_tissues, present.sum(axis=1), strict=True)
    write_table(files.cross_celltype, ("gene_id", "spearman", "tissues"), by_gene)
    with create_file(files.bootstrap, FORMAT) as file:
        for name, values in (("drawn", drawn), ("cross_gene", resampled.astype(np.float32))):
            file.write(name, values, compression="gzip", shuffle=True)


def _exact(values: np.ndarray) -> list[str]:
    return ["" if np.isnan(value) else repr(float(value)) for value in values]


class Scores(NamedTuple):
    """What `evaluate` wrote: names and correlations (NaN = undefined) of tissues and test genes, and the resamples."""

    tissue: tuple[str, ...]
    cross_gene: np.ndarray
    gene_id: tuple[str, ...]
    cross_celltype: np.ndarray
    drawn: np.ndarray
    resampled: np.ndarray

    def of(self, task: str) -> np.ndarray:
        """The correlations of one task, (tissue,) or (gene,)."""
        return self.cross_gene if task == CROSS_GENE else self.cross_celltype

    def paired_with(self, other: "Scores") -> bool:
        """Whether both are scores of the same test genes and tissues, in the same resamples."""
        return (
            (self.gene_id, self.tissue) == (other.gene_id, other.tissue)
            and np.array_equal(self.drawn, other.drawn)
        )


def read_scores(files: ScoreFiles) -> Scores:
    """Read the score files of a run. Raises InputError if one is damaged or they do not belong together."""
    tissue, cross_gene = _read_correlations(files.cross_gene, "tissue")
    gene_id, cross_celltype = _read_correlations(files.cross_celltype, "gene_id")
    with CheckedFile(files.bootstrap, FORMAT) as file:
        drawn, resampled = file.read("drawn"), file.read("cross_gene")
    if drawn.shape[1:] != (len(gene_id),) or resampled.shape != (len(drawn), len(tissue)):
        raise InputError(
            f"{files.bootstrap} has resamples of {drawn.shape[1]} genes and {resampled.shape[1]} tissues, but the "
            f"scores beside it are of {len(gene_id)} and {len(tissue)}; evaluate the run again."
        )
    return Scores(tissue, cross_gene, gene_id, cross_celltype, drawn, resampled)


def _read_correlations(path: str | Path, unit: str) -> tuple[tuple[str, ...], np.ndarray]:
    rows = [(row[unit], correlation(row["spearman"], path, line)) for line, row in read_table(path, (unit, "spearman"))]
    return tuple(name for name, _ in rows), np.array([value for _, value in rows], dtype=np.float64)


def _resampled_means(task: str, values: np.ndarray, drawn: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """The mean of `values` in every resample (resample,), over the units that are defined in the sample itself."""
    if task == CROSS_CELLTYPE:
        return statistics.resampled_means(values, drawn)
    return statistics.row_means(np.where(np.isnan(values), np.nan, resampled))


def read_thesis_values(path: str | Path) -> dict[tuple[str, str, str, str], float]:
    """The numbers that the thesis states, by (figure, panel, series, x). Raises InputError."""
    values: dict[tuple[str, str, str, str], float] = {}
    for line, row in read_table(path, ("figure", "panel", "series", "x", "value"), ours=False):
        key = row["figure"], row["panel"], row["series"], row["x"]
        if key in values:
            raise InputError(f"{path}, row {line}: {', '.join(key)} is listed twice; keep one.")
        values[key] = number(float, row["value"], path, line)
    return values


def figure_tables(
    figure: str,
    runs: Sequence[Mapping[str, str]],
    files: Sequence[ScoreFiles],
    thesis: Mapping[tuple[str, str, str, str], float],
) -> tuple[list[Bar], list[Pair]]:
    """The bars of a figure, all runs' cross-gene means, then all their cross-celltype means; and its pairs of runs.

    Each run has a folder `run`, labels `x` and `series` under which it stands (a baseline has no `series`), and score
    files at its place in `files`. Runs with other test genes, and a baseline with runs of another x, are no pairs; the
    former are counted in the log. `thesis` is empty where the thesis's values are not comparable. Raises InputError if
    two runs share both labels.
    """
    places = [(run.get("series", BASELINE), run["x"]) for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"{figure} has two runs named {place[0]} of {place[1]}; give one another label or group.")
    scores = [read_scores(own) for own in files]
    bars, pairs = [], []
    for task in (CROSS_GENE, CROSS_CELLTYPE):
        for (series, x), run, score in zip(places, runs, scores, strict=True):
            key = figure, task, series, x
            means = _resampled_means(task, score.of(task), score.drawn, score.resampled)
            bars.append(
                Bar(
                    *key,
                    *metrics.summarise(score.of(task)),
                    thesis.get(key, np.nan),
                    *statistics.interval(means),
                    run["run"],
                )
            )
    asked = [
        (a, b)
        for a, b in combinations(range(len(runs)), 2)
        if BASELINE not in (places[a][0], places[b][0]) or places[a][1] == places[b][1]
    ]
    paired = [(a, b) for a, b in asked if scores[a].paired_with(scores[b])]
    print(f"{len(paired)} pairs of runs; {len(asked) - len(paired)} with different test genes are left out")
    for task in (CROSS_GENE, CROSS_CELLTYPE):
        for a, b in paired:
            difference = scores[a].of(task) - scores[b].of(task)
            resampled = scores[a].resampled - scores[b].resampled
            mean, _, n, undefined = metrics.summarise(difference)
            means = _resampled_means(task, difference, scores[a].drawn, resampled)
            tested = (*statistics.interval(means), statistics.wilcoxon(difference))
            pairs.append(Pair(figure, task, *places[a], *places[b], mean, *tested, n, undefined))
    return bars, pairs


def write_figure_table(path: str | Path, bars: Sequence[Bar]) -> None:
    """Write a figure's table; what is undefined, or what the thesis does not state, is an empty cell."""
    write_table(path, Bar._fields, bars)


def write_pairs(path: str | Path, pairs: Sequence[Pair]) -> None:
    """Write a figure's table of pairs; p values with four significant digits, however small."""
    rows = (pair._replace(p_wilcoxon="" if np.isnan(pair.p_wilcoxon) else f"{pair.p_wilcoxon:.4g}") for pair in pairs)
    write_table(path, Pair._fields, rows)


def read_figure_table(path: str | Path) -> list[Bar]:
    """Read what `write_figure_table` wrote. Raises InputError naming the row that cannot be understood."""
    bars = []
    for line, row in read_table(path, Bar._fields):
        bar = Bar(
            *(row[name] for name in ("figure", "panel", "series", "x")),
            mean=correlation(row["mean"], path, line),
            sem=number(float, row["sem"], path, line),
            n=number(int, row["n"], path, line),
            undefined=number(int, row["undefined"], path, line),
            thesis=correlation(row["thesis"], path, line),
            ci_low=correlation(row["ci_low"], path, line),
            ci_high=correlation(row["ci_high"], path, line),
            run=row["run"],
        )
        if np.isnan(bar.mean) != (bar.n == 0):
            raise InputError(f"{path}, row {line}: mean and n contradict each other; tabulate the figure again.")
        bars.append(bar)
    if not bars:
        raise InputError(f"{path} holds no bars; tabulate the figure again.")
    return bars
