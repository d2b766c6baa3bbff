"""Bootstrap, signed-rank test and coefficients of variation, against scipy and the resamples written out."""

import csv

import numpy as np
import pytest
from scipy import stats

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics, statistics, variation
from made_files import write_expression


@pytest.fixture
def scores():
    """40 genes x 9 tissues with ties, missing values, a constant tissue and a broken prediction."""
    random = np.random.default_rng(1)
    observed = random.normal(size=(40, 9)).round(1)
    predicted = (observed + random.normal(size=observed.shape)).round(1)
    observed[random.random(observed.shape) < 0.1] = np.nan
    predicted[:, 3] = 1.0
    predicted[6, 2] = np.nan
    observed[6, 2] = 0.5
    observed[2:, 5] = np.nan  # two genes are left, which some resamples lack
    return predicted.astype(np.float32), observed.astype(np.float32)


def test_every_resample_draws_as_many_genes_as_there_are():
    drawn = statistics.draw_genes(30, 2000, seed=3)
    assert (drawn.sum(axis=1) == 30).all()
    np.testing.assert_array_equal(drawn, statistics.draw_genes(30, 2000, seed=3))
    assert (drawn != statistics.draw_genes(30, 2000, seed=4)).any()
    # The number of draws of one gene is binomial: mean 1, variance 29/30.
    assert drawn.mean(axis=0) == pytest.approx(np.ones(30), abs=0.15)
    assert drawn.var() == pytest.approx(29 / 30, rel=0.05)


def test_resampled_cross_gene_is_that_of_the_resample_written_out(scores):
    predicted, observed = scores
    drawn = statistics.draw_genes(40, 50, seed=2)
    found = statistics.resampled_cross_gene(predicted, observed, drawn)
    assert np.isnan(found[:, 3]).all()
    assert np.isnan(found[:, 5]).any() and not np.isnan(found[:, 5]).all()
    for times, row in zip(drawn, found, strict=True):
        genes = np.repeat(np.arange(40), times)
        np.testing.assert_allclose(row, metrics.cross_gene(predicted[genes], observed[genes]), atol=1e-12)
    present = ~np.isnan(observed[genes, 0])
    scipys = stats.spearmanr(predicted[genes, 0][present], observed[genes, 0][present]).statistic
    assert found[-1, 0] == pytest.approx(scipys)
    assert np.isnan(found[drawn[:, 6] > 0, 2]).all() and not np.isnan(found[drawn[:, 6] == 0, 2]).any()


def test_a_thousand_resamples_at_the_thesis_size():
    random = np.random.default_rng(0)
    observed = random.normal(size=(420, 218))
    predicted = observed + random.normal(size=observed.shape)
    found = statistics.resampled_cross_gene(predicted, observed, statistics.draw_genes(420, 1000, seed=1))
    assert statistics.row_means(found).std() < 0.05


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(5).normal(0.3, 0.2, size=200)
    means = statistics.resampled_means(values, statistics.draw_genes(200, 4000, seed=1))
    found = statistics.interval(means)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2).confidence_interval
    np.testing.assert_allclose(found, expected, atol=0.003)


def test_the_interval_holds_the_planted_mean_about_as_often_as_it_says():
    random = np.random.default_rng(6)
    held = 0
    for seed in range(300):
        low, high = statistics.interval(
            statistics.resampled_means(random.normal(0.4, 0.3, size=60), statistics.draw_genes(60, 300, seed))
        )
        held += low <= 0.4 <= high
    assert 0.90 < held / 300 < 0.98


def test_undefined_values_are_left_out_of_resampled_means():
    values = np.array([0.1, np.nan, 0.7, 0.4])
    drawn = np.array([[1, 1, 1, 1], [0, 2, 2, 0], [0, 4, 0, 0]], dtype=np.uint16)
    np.testing.assert_allclose(statistics.resampled_means(values, drawn), [0.4, 0.7, np.nan])
    one = np.array([0.1, np.nan, np.nan, np.nan])
    assert np.isnan(statistics.resampled_means(one, drawn)).all(), "one gene has no interval"
    assert np.isnan(statistics.interval(np.full(3, np.nan))).all()
    np.testing.assert_allclose(statistics.row_means(np.array([[1.0, np.nan], [np.nan, np.nan]])), [1, np.nan])


def test_wilcoxon_is_scipys_and_has_no_surprises():
    random = np.random.default_rng(7)
    none, planted = random.normal(size=218), random.normal(0.5, 1, size=218)
    assert statistics.wilcoxon(planted) == stats.wilcoxon(planted).pvalue < 1e-6
    assert statistics.wilcoxon(none) > 0.01
    assert statistics.wilcoxon(np.append(planted, np.nan)) == statistics.wilcoxon(planted)
    assert statistics.wilcoxon(np.zeros(5)) == 1
    assert np.isnan(statistics.wilcoxon(np.full(5, np.nan)))


def test_coefficients_of_variation_are_scipys():
    values = np.random.default_rng(8).lognormal(size=(20, 7))
    values[3, 2:4] = np.nan
    np.testing.assert_allclose(
        variation.coefficients(values), stats.variation(values, axis=1, ddof=1, nan_policy="omit"), rtol=1e-12
    )
    np.testing.assert_allclose(variation.coefficients(-values), variation.coefficients(values))
    odd = np.array([[0.0, 0.0], [1.0, np.nan], [np.nan, np.nan]])
    assert np.isnan(variation.coefficients(odd)).all()


@pytest.mark.parametrize("by_tissue", [False, True])
def test_variation_is_that_of_the_rpkm_behind_the_targets(tmp_path, by_tissue):
    rpkm = np.random.default_rng(9).lognormal(2, 2, size=(50, 6))
    rpkm[4] = 0  # no mean, so no coefficient
    pseudocount = np.array([1e-4, 1e-4, 1e-2, 1e-2, 1e-4, 1e-2]) if by_tissue else 1e-4
    log = np.log(rpkm + pseudocount).astype(np.float32)
    write_expression(tmp_path / "expression.h5", log, [f"g{row}" for row in range(50)], pseudocount=pseudocount)
    stated = {("coefficient of variation across cell types", ""): 3.33}
    variation.tabulate(tmp_path / "expression.h5", tmp_path / "v.tsv", stated)
    with open(tmp_path / "v.tsv", newline="") as handle:
        table = list(csv.DictReader(handle, delimiter="\t"))
    assert list(table[0]) == list(variation.HEADER)
    expected = [
        np.delete(stats.variation(rpkm, axis=1, ddof=1), 4),
        stats.variation(rpkm, axis=0, ddof=1),
        abs(stats.variation(log.astype(float), axis=1, ddof=1)) if by_tissue else None,
        abs(stats.variation(log.astype(float), axis=0, ddof=1)),
    ]
    for row, values in zip(table, expected, strict=True):
        if values is not None:
            assert float(row["mean"]) == pytest.approx(values.mean(), rel=1e-4)
            assert float(row["median"]) == pytest.approx(np.median(values), rel=1e-4)
    assert [(row["scale"], row["across"]) for row in table] == [
        (scale, across) for scale in ("RPKM", "ln(RPKM + pseudocount)") for across in ("cell types", "genes")
    ]
    assert [(row["n"], row["undefined"]) for row in table][:2] == [("49", "1"), ("6", "0")]
    assert [row["thesis"] for row in table] == ["3.330000", "", "3.330000", ""]


def test_variation_of_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "expression.h5").write_bytes(b"broken")
    with pytest.raises(InputError, match="expression.h5: damaged"):
        variation.tabulate(tmp_path / "expression.h5", tmp_path / "v.tsv", {})
    assert not (tmp_path / "v.tsv").exists()
