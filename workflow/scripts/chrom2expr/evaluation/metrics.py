"""Spearman correlations the two ways the thesis reports them, and their summary."""

from typing import NamedTuple

import numpy as np


class Summary(NamedTuple):
    """Mean and standard error of the defined values, how many those are, and how many are undefined (NaN)."""

    mean: float
    sem: float
    n: int
    undefined: int


def cross_gene(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Spearman over the genes, one value a tissue: (gene, tissue) twice -> (tissue,) float64.

    Ties share their average rank. NaN in `observed` is a missing value and is left out pair by pair. The correlation is
    NaN, undefined, where fewer than two pairs are left, where either side of them is constant, or where a prediction
    is NaN.

    >>> predicted = np.array([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0]])
    >>> cross_gene(predicted, np.array([[0.1, 0.1], [0.2, np.nan], [0.3, 0.3]])).tolist()
    [1.0, -1.0]
    """
    return cross_celltype(np.transpose(predicted), np.transpose(observed))


def cross_celltype(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Spearman over the tissues, one value a gene: (gene, tissue) twice -> (gene,) float64; else as `cross_gene`.

    >>> cross_celltype(np.array([[1.0, 2.0, 3.0]]), np.array([[5.0, 6.0, 7.0]])).tolist()
    [1.0]
    """
    present = ~np.isnan(observed)
    broken = (np.isnan(predicted) & present).any(axis=1)
    first = _centred_ranks(predicted, present)
    second = _centred_ranks(observed, present)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    defined = (scale > 0) & ~broken
    return np.divide((first * second).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=defined)


def summarise(values: np.ndarray) -> Summary:
    """Mean and SEM (sample standard deviation, ddof 1, over the root of n) of the values that are not NaN.

    The mean of none, and the SEM of fewer than two, are NaN.

    >>> summarise(np.array([0.2, 0.4, np.nan]))
    Summary(mean=0.30000000000000004, sem=0.1, n=2, undefined=1)
    """
    values = np.asarray(values, dtype=np.float64)
    defined = values[~np.isnan(values)]
    n = len(defined)
    mean = float(defined.mean()) if n else float("nan")
    sem = float(defined.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Summary(mean, sem, n, len(values) - n)


def _centred_ranks(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Average ranks within each row's present values, minus their mean; 0 where absent. (row, column) float64.

    scipy.stats.rankdata would serve, but importing scipy.stats takes longer than a small run's whole training.
    """
    values = np.where(present, values, np.nan)  # NaN sorts behind every number and so leaves the others' ranks alone
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    first_of_tie = np.ones(values.shape, dtype=bool)
    first_of_tie[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Positions run on from row to row; a constant per row is lost in the centring below.
    starts = np.flatnonzero(first_of_tie)
    ends = np.append(starts[1:], values.size)
    tie = np.cumsum(first_of_tie.ravel()) - 1
    ranks = np.empty(values.shape)
    positions = ((starts + ends - 1) / 2)[tie].reshape(values.shape) - np.arange(len(values))[:, None] * values.shape[1]
    np.put_along_axis(ranks, order, positions, axis=1)
    count = present.sum(axis=1, keepdims=True)
    mean = np.where(present, ranks, 0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(present, ranks - mean, 0)
