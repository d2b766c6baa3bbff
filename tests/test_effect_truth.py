"""How predicted effects of variants agree with true ones: by hand, by scipy, with planted and with no agreement."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from chrom2expr.errors import InputError
from chrom2expr.evaluation import effect_truth
from chrom2expr.evaluation.effect_truth import ALL, MEAN

TISSUES = ["liver", "lung", "skin"]


def made(variants=60, noise=0.5, seed=0):
    """True effects and predictions of them with noise, a third of the variants controls."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(0, 1, (variants, len(TISSUES))) * (np.arange(variants) % 3 > 0)[:, None]
    predicted = 0.3 * effect + rng.normal(0, 0.3 * noise, effect.shape)
    rows = [
        (f"v{number:03}", "g", tissue, effect[number, place], predicted[number, place])
        for number in range(variants)
        for place, tissue in enumerate(TISSUES)
    ]
    return pl.DataFrame(rows, schema=["variant_id", "gene_id", "tissue", "effect", "predicted"], orient="row")


def by_place(rows):
    return {(row.sign, row.tissue): row for row in rows}


def test_correlations_are_scipys_and_far_above_shuffled_ones():
    compared = made()
    found = by_place(effect_truth.agreements(compared, 200, 1))
    assert [*found] == [(sign, of) for sign in ("all", "positive", "negative") for of in (ALL, MEAN, *TISSUES)]
    for (sign, of), row in found.items():
        asked = {"all": pl.lit(True), "positive": pl.col("effect") > 0, "negative": pl.col("effect") < 0}[sign]
        own = compared.filter(asked)
        if of in TISSUES:
            own = own.filter(pl.col("tissue") == of)
        if of == MEAN:
            assert row.spearman == pytest.approx(np.mean([found[sign, tissue].spearman for tissue in TISSUES]))
            assert row.n == 3
        else:
            assert row.spearman == pytest.approx(spearmanr(own["predicted"], own["effect"]).statistic)
            assert row.n == len(own)
            signed = own.filter(pl.col("effect") != 0)
            assert row.same_sign == pytest.approx((signed["predicted"].sign() == signed["effect"].sign()).mean())
        assert row.ci_low < row.spearman < row.ci_high and row.undefined == row.not_scored == 0
        if sign == "all":
            assert row.ci_low > 2 * row.shuffled > 0
            assert row.variants == 60


def test_what_has_nothing_to_do_with_the_truth_is_not_above_shuffled():
    shuffled = made().with_columns(predicted=pl.Series(np.random.default_rng(3).permutation(made()["predicted"])))
    for row in effect_truth.agreements(shuffled, 200, 1):
        assert row.ci_low < row.shuffled, row


def test_shuffled_values_are_those_of_permuted_variants():
    """The 95th percentile against permutations of whole variants, one at a time; tissues are alike."""
    compared = made(30, noise=2)
    alike = [pl.col(name).mean().over("variant_id") + 0.1 * pl.col(name) for name in ("effect", "predicted")]
    compared = compared.with_columns(alike)
    rng, values = np.random.default_rng(8), []
    effect = compared["effect"].to_numpy().reshape(30, 3)
    for _ in range(1000):
        values.append(spearmanr(compared["predicted"], rng.permutation(effect).ravel()).statistic)
    row = by_place(effect_truth.agreements(compared, 1000, 1))["all", ALL]
    assert row.shuffled == pytest.approx(np.quantile(values, 0.95), abs=0.04)


def test_the_interval_is_over_variants_not_over_their_tissues():
    """Copies of a tissue add nothing that is known."""
    one = made().filter(pl.col("tissue") == "liver")
    copies = pl.concat([one.with_columns(tissue=pl.lit(f"copy{number}")) for number in range(9)]).sort("variant_id")
    single, many = (effect_truth.agreements(table, 400, 1)[0] for table in (one, copies))
    assert many.ci_high - many.ci_low == pytest.approx(single.ci_high - single.ci_low, rel=0.02)


def test_missing_predictions_are_counted_and_undefined_correlations_too():
    compared = made().with_columns(
        predicted=pl.when(pl.col("variant_id") < "v010").then(None).otherwise(pl.col("predicted")),
        effect=pl.when(pl.col("tissue") == "skin").then(0.0).otherwise(pl.col("effect")),
    )
    found = by_place(effect_truth.agreements(compared, 20, 1))
    assert found["all", ALL].not_scored == 30 and found["all", ALL].variants == 50
    assert found["all", "skin"].undefined == 1 and np.isnan(found["all", "skin"].shuffled)
    assert (found["all", MEAN].n, found["all", MEAN].undefined) == (2, 1)
    assert found["positive", "skin"].n == 0 and np.isnan(found["positive", "skin"].same_sign)


def test_a_sign_that_no_effect_has_is_undefined():
    rows = effect_truth.agreements(made().filter(pl.col("effect") >= 0), 20, 1)
    for row in rows[-5:]:
        assert row.sign == "negative" and np.isnan(row.spearman) and np.isnan(row.same_sign) and row.n == 0


def test_the_table_reads_as_it_was_written(tmp_path):
    rows = effect_truth.agreements(made(), 20, 1)
    effect_truth.write(tmp_path / "t.tsv", rows)
    for read, row in zip(effect_truth.read(tmp_path / "t.tsv"), rows, strict=True):
        np.testing.assert_allclose(read[2:], row[2:], atol=1e-6)
        assert read[:2] == row[:2]


def written(tmp_path, text):
    (tmp_path / "truth.tsv").write_text(text)
    return tmp_path / "truth.tsv"


HEADER = "variant_id\tgene_id\ttissue\teffect\n"


def test_truth_is_joined_by_name(tmp_path):
    truth = effect_truth.read_truth(written(tmp_path, HEADER + "v1\tg\tliver\t0.5\nv2\tg\tliver\t-1\n"))
    assert truth["kind"].to_list() == ["", ""]
    scored = {"variant_id": ["v2", "v3"], "gene_id": "g", "tissue": "liver", "log_fold_change": [-0.25, 1.0]}
    pl.DataFrame(scored).with_columns(pl.col("tissue").cast(pl.Categorical)).write_parquet(tmp_path / "e.parquet")
    found = effect_truth.beside_truth(truth, tmp_path / "e.parquet")
    assert found.rows() == [("v1", "g", "liver", 0.5, "", None), ("v2", "g", "liver", -1.0, "", -0.25)]
    scored["variant_id"] = ["v2", "v2"]
    pl.DataFrame(scored).write_parquet(tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="several variants are called v2"):
        effect_truth.beside_truth(truth, tmp_path / "twice.parquet")
    pl.DataFrame(scored | {"tissue": "Liver"}).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="has none of the variants.*v1, g, liver"):
        effect_truth.beside_truth(truth, tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("variant_id\tgene_id\teffect\nv\tg\t1\n", "row 1: no column tissue"),
        (HEADER, "holds no effects"),
        (HEADER + "v\tg\tt\tlarge\n", "row 2: 'large' is not a number"),
        (HEADER + "v\tg\tt\t\n", "row 2: give variant_id"),
        (HEADER + "v\t\tt\t1\n", "row 2: give variant_id"),
        (HEADER + "v\tg\tt\tinf\n", "row 2: .*finite effect"),
        (HEADER + "v\tg\tt\t1\nv\tg\tt\t1\n", "row 3: v g t is listed twice"),
    ],
)
def test_bad_truth_is_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        effect_truth.read_truth(written(tmp_path, text))
