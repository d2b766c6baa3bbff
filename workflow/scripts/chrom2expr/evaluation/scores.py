"""From a run's predictions to its scores, and the files that hold them.

Only test genes are scored, by the metrics that the config lists. An undefined score is an empty cell, and is counted
wherever scores are averaged. Every run's scores come with the same bootstrap resamples of the test genes (see
`statistics`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics as summaries
from chrom2expr.evaluation import statistics
from chrom2expr.evaluation.metric import Metric
from chrom2expr.evaluation.predictions import Predictions, read_predictions
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.tables import number, read_table, write_table
from chrom2expr.files.whole import Format

FORMAT = Format("chrom2expr bootstrap", 2)
# Of what has a score each: its column in a table of scores, the column that counts its values, and its name in figures.
UNITS = {"tissue": ("tissue", "genes", "cell types"), "gene": ("gene_id", "tissues", "test genes")}


class ScoreFiles(NamedTuple):
    """The files that hold the scores of one run: a table for each metric, by its name, and what resamples hold."""

    tables: Mapping[str, str | Path]
    bootstrap: str | Path


def read_test_predictions(path: str | Path) -> Predictions:
    """The test genes of a predictions.h5. Raises InputError as `read_predictions`, and if there are none."""
    test = read_predictions(path).of("test")
    if not len(test.gene_id):
        raise InputError(f"{path} has no test genes; choose held-out chromosomes that carry genes.")
    return test


def evaluate(run: Predictions, metrics: Mapping[str, Metric], files: ScoreFiles, *, resamples: int, seed: int) -> None:
    """Score a run by every metric: a table each, a row for each tissue or gene; and what resamples hold in `bootstrap`.

    Columns of a table: tissue, score, genes; or gene_id, score, tissues. The last is how many values were used. The
    bootstrap file holds `gene_id`, `tissue`; `drawn` (resample, gene) uint16, how often each gene is in a resample; and
    for every metric by tissue `resampled_NAME` (resample, tissue) float32, its scores there.
    """
    present = ~np.isnan(run.observed)
    drawn = statistics.draw_genes(len(run.gene_id), resamples, seed)
    resampled = {}
    for name, metric in metrics.items():
        unit = metric.declares["unit"]
        values = metric.score(run.predicted, run.observed)
        if unit == "tissue":
            resampled[name] = metric.resampled(run.predicted, run.observed, drawn)
        mean, sem, n, undefined = summaries.summarise(values)
        low, high = statistics.interval(resampled_means(values, drawn, resampled.get(name)))
        column, count, shown = UNITS[unit]
        print(
            f"{metric.declares['label']} {metric.declares['quantity']}: mean {mean:.3f}, SEM {sem:.3f}, "
            f"95 % interval {low:.3f} to {high:.3f}, over {n} {shown}; {undefined} undefined"
        )
        units, used = (run.tissue, present.sum(axis=0)) if unit == "tissue" else (run.gene_id, present.sum(axis=1))
        write_table(files.tables[name], (column, "score", count), zip(units, _exact(values), used, strict=True))
    with create_file(files.bootstrap, FORMAT) as file:
        file.write("gene_id", np.asarray(run.gene_id))
        file.write("tissue", np.asarray(run.tissue))
        file.write("drawn", drawn, compression="gzip", shuffle=True)
        for name, values in resampled.items():
            file.write(f"resampled_{name}", values.astype(np.float32), compression="gzip", shuffle=True)


def _exact(values: np.ndarray) -> list[str]:
    """All digits: rounding would make ties of differences, and another test of them."""
    return ["" if np.isnan(value) else repr(float(value)) for value in values]


class Scores(NamedTuple):
    """What `evaluate` wrote: names of tissues and test genes, and by metric the scores (unit,), NaN = undefined.

    `drawn` (resample, gene), and `resampled` (resample, tissue) of the metrics by tissue, are those of the bootstrap.
    """

    tissue: tuple[str, ...]
    gene_id: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    drawn: np.ndarray
    resampled: Mapping[str, np.ndarray]

    def paired_with(self, other: "Scores") -> bool:
        """Whether both are scores of the same test genes and tissues, in the same resamples."""
        return (self.gene_id, self.tissue) == (other.gene_id, other.tissue) and np.array_equal(self.drawn, other.drawn)


def read_scores(files: ScoreFiles, metrics: Mapping[str, Metric]) -> Scores:
    """Read the score files of a run. Raises InputError if one is damaged or they do not belong together."""
    with CheckedFile(files.bootstrap, FORMAT) as file:
        named = {"tissue": tuple(file.read("tissue").tolist()), "gene": tuple(file.read("gene_id").tolist())}
        drawn = file.read("drawn")
        by_tissue = [name for name, metric in metrics.items() if metric.declares["unit"] == "tissue"]
        resampled = {name: file.read(f"resampled_{name}") for name in by_tissue}
    values = {}
    for name, metric in metrics.items():
        unit = metric.declares["unit"]
        units, values[name] = _read_values(files.tables[name], metric)
        if units != named[unit]:
            raise InputError(
                f"{files.tables[name]} has scores of other {UNITS[unit][2]} than {files.bootstrap}; evaluate the run "
                "again."
            )
    return Scores(named["tissue"], named["gene"], values, drawn, resampled)


def _read_values(path: str | Path, metric: Metric) -> tuple[tuple[str, ...], np.ndarray]:
    """The units of a table of scores and their scores, which lie within the metric's limits."""
    column = UNITS[metric.declares["unit"]][0]
    low, high = metric.declares.get("limits", (-np.inf, np.inf))
    names, values = [], []
    for line, row in read_table(path, (column, "score")):
        value = number(float, row["score"], path, line)
        if row["score"] and not low <= value <= high:
            raise InputError(
                f"{path}, row {line}: {row['score']} is no {metric.declares['quantity']}, which lies between {low} "
                f"and {high}."
            )
        names.append(row[column])
        values.append(value)
    return tuple(names), np.array(values, dtype=np.float64)


def resampled_means(values: np.ndarray, drawn: np.ndarray, resampled: np.ndarray | None) -> np.ndarray:
    """The mean of `values` in every resample (resample,), over the units that are defined in the sample itself.

    `resampled` are the tissues' scores in every resample; None where the values are those of genes.
    """
    if resampled is None:
        return statistics.resampled_means(values, drawn)
    return statistics.row_means(np.where(np.isnan(values), np.nan, resampled))


def read_thesis_values(path: str | Path) -> dict[tuple[str, str], float]:
    """The numbers that the thesis states, by (metric, run): a metric's name and a run's folder in models/.

    Raises InputError for a table that is damaged, or states a value twice.
    """
    values: dict[tuple[str, str], float] = {}
    for line, row in read_table(path, ("metric", "run", "value"), ours=False):
        key = row["metric"], row["run"]
        if key in values:
            raise InputError(f"{path}, row {line}: {', '.join(filter(None, key))} is listed twice; keep one.")
        values[key] = number(float, row["value"], path, line)
    return values
