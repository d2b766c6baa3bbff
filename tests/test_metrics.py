"""Spearman both ways against scipy, with ties, missing values and correlations that do not exist."""

import time

import numpy as np
import pytest
from scipy import stats

from chrom2expr.evaluation import metrics


def _example(genes=30, tissues=12, missing=0.2, seed=2):
    random = np.random.default_rng(seed)
    # Rounded, so that there are many ties.
    predicted, observed = random.normal(size=(2, genes, tissues)).round(1).astype(np.float32)
    observed[random.random(observed.shape) < missing] = np.nan
    return predicted, observed


def _reference(predicted, observed):
    """Row by row, with scipy."""
    result = []
    for p, o in zip(predicted, observed):
        p, o = p[~np.isnan(o)], o[~np.isnan(o)]
        constant = len(o) < 2 or np.ptp(p) == 0 or np.ptp(o) == 0
        result.append(np.nan if constant else stats.spearmanr(p, o).statistic)
    return np.array(result)


@pytest.mark.parametrize("missing", [0, 0.2, 0.8])
def test_agrees_with_scipy(missing):
    predicted, observed = _example(missing=missing)
    np.testing.assert_allclose(metrics.cross_celltype(predicted, observed), _reference(predicted, observed), atol=1e-12)
    np.testing.assert_allclose(metrics.cross_gene(predicted, observed), _reference(predicted.T, observed.T), atol=1e-12)


def test_undefined_is_nan():
    predicted, observed = _example(missing=0)
    predicted[0] = 0.1
    observed[1] = 3
    observed[2] = np.nan
    observed[3, 1:] = np.nan
    predicted[4, 0] = np.nan
    undefined = np.isnan(metrics.cross_celltype(predicted, observed))
    assert undefined[:5].all()
    assert not undefined[5:].any()


def test_a_prediction_without_an_observation_does_not_matter():
    predicted, observed = _example()
    changed = np.where(np.isnan(observed), np.nan, predicted)
    np.testing.assert_array_equal(
        metrics.cross_celltype(changed, observed), metrics.cross_celltype(predicted, observed)
    )


def test_rising_functions_of_the_prediction_change_nothing():
    predicted, observed = _example()
    np.testing.assert_array_equal(
        metrics.cross_gene(np.exp(predicted), observed), metrics.cross_gene(predicted, observed)
    )


def test_summary_counts_what_is_undefined():
    values = np.array([0.1, np.nan, 0.5, 0.3, np.nan])
    summary = metrics.summarise(values)
    assert summary.mean == pytest.approx(0.3)
    assert summary.sem == pytest.approx(stats.sem(values, nan_policy="omit"))
    assert (summary.n, summary.undefined) == (3, 2)


def test_summary_of_none_and_of_one():
    nothing, one = metrics.summarise(np.array([np.nan])), metrics.summarise(np.array([0.5]))
    assert np.isnan(nothing.mean) and np.isnan(nothing.sem) and nothing[2:] == (0, 1)
    assert one.mean == 0.5 and np.isnan(one.sem) and one[2:] == (1, 0)


@pytest.mark.slow
def test_all_genes_of_the_thesis_take_seconds():
    predicted, observed = _example(22_828, 218)
    started = time.monotonic()
    metrics.cross_gene(predicted, observed)
    metrics.cross_celltype(predicted, observed)
    assert time.monotonic() - started < 20
