"""How sure a score is: the bootstrap over test genes, and tests of paired differences.

A resample draws as many genes as there are, with replacement; it is kept as how often each gene was drawn. Runs with
the same test genes are given the same resamples, so that the difference of two runs can be formed in each of them.
"""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Interval(NamedTuple):
    """A 95 % bootstrap confidence interval; both ends are NaN where it is undefined."""

    low: float
    high: float


def draw_genes(genes: int, resamples: int, seed: int) -> np.ndarray:
    """How often each gene is in each resample: (resample, gene) uint16, every row sums to `genes`."""
    return np.random.default_rng(seed).multinomial(genes, np.full(genes, 1 / genes), size=resamples).astype(np.uint16)


def resampled_cross_gene(predicted: np.ndarray, observed: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """`metrics.cross_gene` of every resample: (gene, tissue) twice, (resample, gene) -> (resample, tissue) float64.

    Genes are sorted once a tissue. In a resample, the rank of a gene is the number of draws of genes below it plus half
    of the draws of its tie (itself included), which are differences of running sums of the draws in that order; the
    same ranks as those of the resample written out, without sorting it.
    """
    weights = drawn.T.astype(np.float64)  # (gene, resample): rows are gathered below
    result = np.full((len(drawn), predicted.shape[1]), np.nan)
    for tissue in range(predicted.shape[1]):
        present = ~np.isnan(observed[:, tissue])
        x, y, own = predicted[present, tissue], observed[present, tissue], weights[present]
        first, second = _centred_ranks(x, own), _centred_ranks(y, own)
        first_variance, second_variance = ((own * ranks * ranks).sum(axis=0) for ranks in (first, second))
        scale = np.sqrt(first_variance * second_variance)
        defined = (scale > 0) & ~own[np.isnan(x)].any(axis=0)
        np.divide((own * first * second).sum(axis=0), scale, out=result[:, tissue], where=defined)
    return result


def _centred_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average ranks of values (gene,) drawn with weights (gene, resample), minus their mean: (gene, resample)."""
    order = np.argsort(values)
    ordered = values[order]
    below = np.zeros((len(values) + 1, weights.shape[1]))
    np.cumsum(weights[order], axis=0, out=below[1:])
    start, end = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below[start] + below[end] - below[-1]) / 2


def resampled_means(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Mean of the genes' defined values in every resample: (gene,), (resample, gene) -> (resample,) float64.

    NaN where a resample has no defined value, and throughout where fewer than two genes have one.
    """
    defined = ~np.isnan(values)
    if defined.sum() < 2:
        return np.full(len(drawn), np.nan)
    weights = drawn[:, defined].astype(np.float64)
    count = weights.sum(axis=1)
    return np.divide(weights @ values[defined], count, out=np.full(len(drawn), np.nan), where=count > 0)


def row_means(values: np.ndarray) -> np.ndarray:
    """Mean of each row's values that are not NaN: (row, column) -> (row,) float64, NaN for a row without any."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def interval(estimates: np.ndarray) -> Interval:
    """The percentile interval of the defined estimates of the resamples (resample,)."""
    defined = estimates[~np.isnan(estimates)]
    if not len(defined):
        return Interval(np.nan, np.nan)
    return Interval(*(float(end) for end in np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])))


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p value of the Wilcoxon signed-rank test that paired differences (unit,) are symmetric about zero.

    NaN are left out, zeros too (Wilcoxon's own way). NaN without any difference, 1 if all are zero. Differences that
    are the same but for rounding are ties.
    """
    defined = np.round(differences[~np.isnan(differences)], 12)
    if not len(defined):
        return np.nan
    if not defined.any():
        return 1.0
    from scipy import stats  # here, since importing it takes longer than scoring a run

    return float(stats.wilcoxon(defined, zero_method="wilcox").pvalue)
