"""Weighted sums of runs' scores with their intervals over test genes; the simplest is the difference of two runs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics, statistics
from chrom2expr.evaluation.scores import Scores, resampled_means


class Contrast(NamedTuple):
    """A weighted sum of scores: of every unit (unit,), NaN = undefined, and its mean in every resample (resample,)."""

    values: np.ndarray
    means: np.ndarray

    def estimate(self) -> "Estimate":
        """The mean over the units, and its interval."""
        summary = metrics.summarise(self.values)
        return Estimate(summary.mean, *statistics.interval(self.means), summary.n)


class Estimate(NamedTuple):
    """A mean over `n` units and its 95 % interval over test genes; NaN where it is undefined."""

    mean: float
    low: float
    high: float
    n: int


def contrast(terms: Sequence[tuple[float, Scores]], metric: str) -> Contrast:
    """The sum of weight x score, unit by unit, over the units in which all runs are defined.

    Raises InputError for runs with other test genes, tissues or resamples: they have no units in common.
    """
    first = terms[0][1]
    if not all(own.paired_with(first) for _, own in terms):
        raise InputError("runs with different test genes are not compared unit by unit; compare runs of one split.")
    values = sum(weight * own.values[metric] for weight, own in terms)
    by_tissue = metric in first.resampled
    resampled = sum(weight * own.resampled[metric] for weight, own in terms) if by_tissue else None
    return Contrast(values, resampled_means(values, first.drawn, resampled))
