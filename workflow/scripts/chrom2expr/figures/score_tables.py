"""The tables of figures of scores: the mean of every run by every metric, and what pairs of runs differ by."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics as summaries
from chrom2expr.evaluation import scores, statistics
from chrom2expr.evaluation.contrasts import contrast
from chrom2expr.evaluation.metric import Metric
from chrom2expr.evaluation.without_leaks import Rescored, Source
from chrom2expr.figures.rows import BASELINE, Bar
from chrom2expr.files.tables import write_table


class Pair(NamedTuple):
    """One row of a figure's table of pairs: run a minus run b, which have the same test genes, by one metric.

    `difference` is the mean over the `n` units (cell types or test genes, see Metric) in which both are defined; its
    interval is bootstrapped over test genes either way, both runs in the same resamples. `p_wilcoxon` takes the units
    as independent, which cell types that share their test genes are not; it is not corrected for the number of pairs.
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


class ScoredRun(NamedTuple):
    """A run of a figure, or the baseline of a group of its runs, whose series is BASELINE (see Bar)."""

    run: str
    x: str
    series: str
    colour: str
    scores: scores.Scores


class Scored(NamedTuple):
    """What a figure of scores shows: its runs, the config's metrics, the thesis's values (scores.read_thesis_values).

    `thesis` is empty where the thesis's values are not comparable. `leakage` is as `leakage_columns` gives it.
    """

    runs: Sequence[ScoredRun]
    metrics: Mapping[str, Metric]
    thesis: Mapping[tuple[str, str], float]
    leakage: Mapping[tuple[str, str], Mapping[str, Any]] = {}


# The columns of Bar that are counts of a source.
_COUNTED = ("test_genes", "train_overlap", "train_same_tss", "val_overlap", "trained_on", "similar", "leaking")


def read_runs(
    runs: Sequence[Mapping[str, str]], files: Sequence[scores.ScoreFiles], metrics: Mapping[str, Metric]
) -> list[ScoredRun]:
    """The runs of a figure with their scores.

    Each run has a folder `run`, labels `x` and `series` (a baseline has no `series`), a `colour` if it has its own, and
    score files at its place in `files`.
    """
    return [
        ScoredRun(
            run["run"], run["x"], run.get("series", BASELINE), run.get("colour", ""), scores.read_scores(own, metrics)
        )
        for run, own in zip(runs, files, strict=True)
    ]


def leakage_columns(
    sources: Mapping[str, Source], rescored: Iterable[Rescored]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What a figure's table says of leakage, column by column (see Bar), by (metric, run)."""
    columns = {}
    for row in rescored:
        source = sources[row.source].summary
        seen = np.nan if source.trained_on_tss is None else source.trained_on_tss
        counted = {name: getattr(source, name) for name in _COUNTED} | {"trained_on_tss": seen}
        columns[row.metric, row.run] = counted | {"mean_without": row.mean_without, "n_without": row.n_without}
    return columns


def bars(figure: str, scored: Scored) -> list[Bar]:
    """The bars of a figure: all runs' means of the first metric, then of the next.

    Raises InputError if two runs share both labels.
    """
    places = [(run.series, run.x) for run in scored.runs]
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"{figure} has two runs named {place[0]} of {place[1]}; give one another label or group.")
    rows = []
    for name, metric in scored.metrics.items():
        for run in scored.runs:
            values = run.scores.values[name]
            means = scores.resampled_means(values, run.scores.drawn, run.scores.resampled.get(name))
            rows.append(
                Bar(
                    figure,
                    metric.declares["label"],
                    run.series,
                    run.x,
                    *summaries.summarise(values),
                    scored.thesis.get((name, run.run), np.nan),
                    *statistics.interval(means),
                    run.run,
                    name,
                    metric.declares["quantity"],
                    scores.UNITS[metric.declares["unit"]][2],
                    run.colour,
                    **scored.leakage.get((name, run.run), {}),
                )
            )
    return rows


def pairs(figure: str, scored: Scored) -> list[Pair]:
    """The pairs of a figure's runs, metric by metric.

    Runs with other test genes, and a baseline with runs of another x, are no pairs; the former are counted in the log.
    """
    asked = [(a, b) for a, b in combinations(scored.runs, 2) if BASELINE not in (a.series, b.series) or a.x == b.x]
    paired = [(a, b) for a, b in asked if a.scores.paired_with(b.scores)]
    print(f"{len(paired)} pairs of runs; {len(asked) - len(paired)} with different test genes are left out")
    rows = []
    for name, metric in scored.metrics.items():
        for a, b in paired:
            found = contrast([(1, a.scores), (-1, b.scores)], name)
            mean, _, n, undefined = summaries.summarise(found.values)
            tested = (*statistics.interval(found.means), statistics.wilcoxon(found.values))
            labels = (metric.declares["label"], a.series, a.x, b.series, b.x)
            rows.append(Pair(figure, *labels, mean, *tested, n, undefined))
    return rows


def write_pairs(path: str | Path, rows: Sequence[Pair]) -> None:
    """Write a figure's table of pairs; p values with four significant digits, however small."""
    written = (row._replace(p_wilcoxon="" if np.isnan(row.p_wilcoxon) else f"{row.p_wilcoxon:.4g}") for row in rows)
    write_table(path, Pair._fields, written)
