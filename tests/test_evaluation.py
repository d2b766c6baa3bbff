"""Scores of a run and the table of a figure, against scipy and plain numpy."""

import csv
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import stats

from chrom2expr import evaluation
from chrom2expr.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]


def write_predictions(path, predicted, observed, split, replaced=()):
    genes, tissues = observed.shape
    columns = {
        "predicted": predicted.astype(np.float32),
        "observed": observed.astype(np.float32),
        "gene_id": [f"ENSG{i:03d}" for i in range(genes)],
        "tissue": [f"tissue {i}" for i in range(tissues)],
        "split": split,
    } | dict(replaced)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            if values is not None:
                file[name] = values


@pytest.fixture
def run(tmp_path):
    """A run of 40 genes x 9 tissues, a quarter of them validation genes, with missing values and constant rows."""
    random = np.random.default_rng(1)
    observed = random.normal(size=(40, 9)).astype(np.float32)
    predicted = observed + random.normal(size=(40, 9)).astype(np.float32)
    observed[random.random(observed.shape) < 0.1] = np.nan
    split = np.where(np.arange(40) % 4 == 0, "val", "test").astype(object)
    predicted[5] = -1.0  # constant over the tissues
    predicted[6, 2] = np.nan
    observed[7, 1:] = np.nan  # one value is left
    predicted[:, 3] = -1.0  # constant over the genes
    path = tmp_path / "predictions.h5"
    write_predictions(path, predicted, observed, split)
    return SimpleNamespace(path=path, predicted=predicted, observed=observed, test=split == "test")


def rows(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def spearman(first, second):
    """scipy's correlation of the pairs whose second value is there; None where it is undefined."""
    present = ~np.isnan(second)
    first, second = first[present], second[present]
    if len(first) < 2 or np.isnan(first).any() or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return stats.spearmanr(first, second).statistic


def test_scores_are_scipys_on_the_test_genes_only(run, tmp_path):
    evaluation.evaluate(run.path, tmp_path / "g.tsv", tmp_path / "c.tsv")
    predicted, observed = run.predicted[run.test], run.observed[run.test]
    by_tissue, by_gene = rows(tmp_path / "g.tsv"), rows(tmp_path / "c.tsv")
    assert list(by_tissue[0]) == ["tissue", "spearman", "genes"]
    assert list(by_gene[0]) == ["gene_id", "spearman", "tissues"]
    assert [row["tissue"] for row in by_tissue] == [f"tissue {i}" for i in range(9)]
    assert [row["gene_id"] for row in by_gene] == [f"ENSG{i:03d}" for i in np.flatnonzero(run.test)]
    undefined = 0
    for row, first, second, used in [
        *((row, p, o, "genes") for row, p, o in zip(by_tissue, predicted.T, observed.T, strict=True)),
        *((row, p, o, "tissues") for row, p, o in zip(by_gene, predicted, observed, strict=True)),
    ]:
        expected = spearman(first, second)
        undefined += expected is None
        if expected is None:
            assert row["spearman"] == ""
        else:
            assert float(row["spearman"]) == pytest.approx(expected, abs=1e-6)
        assert int(row[used]) == np.count_nonzero(~np.isnan(second))
    assert undefined == 5  # a constant gene, one NaN prediction (both ways), a single value, a constant tissue


def test_undefined_scores_are_read_back_as_nan_and_counted(run, tmp_path, capsys):
    evaluation.evaluate(run.path, tmp_path / "g.tsv", tmp_path / "c.tsv")
    assert np.isnan(evaluation.read_scores(tmp_path / "c.tsv")).sum() == 3
    assert "over 7 tissues; 2 undefined" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"predicted": np.zeros((40, 8), np.float32)}, r"predicted has shape \(40, 8\)"),
        ({"observed": np.zeros((39, 9), np.float32)}, r"observed has shape \(39, 9\)"),
        ({"gene_id": ["a"] * 40}, "gene a occurs twice"),
        ({"tissue": ["t"] * 9}, "tissue t occurs twice"),
        ({"split": ["test"] * 39}, "39 entries in split"),
        ({"split": ["val"] * 40}, "no test genes"),
        ({"split": None}, "no dataset split"),
    ],
)
def test_predictions_that_do_not_match_are_refused(tmp_path, replaced, message):
    path = tmp_path / "predictions.h5"
    write_predictions(path, np.ones((40, 9)), np.ones((40, 9)), ["test"] * 40, replaced)
    with pytest.raises(InputError, match=message) as error:
        evaluation.evaluate(path, tmp_path / "g.tsv", tmp_path / "c.tsv")
    assert str(path) in str(error.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["predictions.h5"]


def test_a_truncated_file_is_refused(run, tmp_path):
    run.path.write_bytes(run.path.read_bytes()[:900])
    with pytest.raises(InputError, match="predictions.h5 cannot be read"):
        evaluation.evaluate(run.path, tmp_path / "g.tsv", tmp_path / "c.tsv")


def write_scores(path, values):
    path.write_text("tissue\tspearman\tgenes\n" + "".join(f"t\t{value}\t9\n" for value in values))
    return path


@pytest.fixture
def figure(tmp_path):
    """Two runs of a figure with their score files, some or all of which are undefined."""
    values = np.round(np.random.default_rng(2).uniform(-1, 1, size=(2, 30)), 6)
    return SimpleNamespace(
        values=values,
        runs=[{"x": "A", "series": "MSE"}, {"x": "B", "series": "α = 1"}],
        cross_gene=[write_scores(tmp_path / "g0", [*values[0], ""]), write_scores(tmp_path / "g1", values[1, :1])],
        cross_celltype=[write_scores(tmp_path / "c0", values[1]), write_scores(tmp_path / "c1", ["", ""])],
    )


def test_figure_table_is_the_mean_and_sem_of_the_defined_scores(figure, tmp_path):
    thesis = {("fig3_2", "cross-celltype", "MSE", "A"): 0.427, ("fig3_1", "cross-gene", "MSE", "A"): 0.9}
    bars = evaluation.figure_table("fig3_2", figure.runs, figure.cross_gene, figure.cross_celltype, thesis)
    evaluation.write_figure_table(tmp_path / "t.tsv", bars)
    table = rows(tmp_path / "t.tsv")
    assert list(table[0]) == ["figure", "panel", "series", "x", "mean", "sem", "n", "undefined", "thesis"]
    assert [(row["panel"], row["series"], row["x"]) for row in table] == [
        ("cross-gene", "MSE", "A"),
        ("cross-gene", "α = 1", "B"),
        ("cross-celltype", "MSE", "A"),
        ("cross-celltype", "α = 1", "B"),
    ]
    assert [(row["n"], row["undefined"]) for row in table] == [("30", "1"), ("1", "0"), ("30", "0"), ("0", "2")]
    for row, values in ((table[0], figure.values[0]), (table[2], figure.values[1])):
        assert float(row["mean"]) == pytest.approx(np.mean(values), abs=1e-6)
        assert float(row["sem"]) == pytest.approx(stats.sem(values), abs=1e-6)
    assert table[1]["mean"] and not table[1]["sem"]  # one value has a mean but no standard error
    assert not table[3]["mean"] and not table[3]["sem"]
    assert [row["thesis"] for row in table] == ["", "", "0.427000", ""]
    again = evaluation.read_figure_table(tmp_path / "t.tsv")
    assert [bar[:4] for bar in again] == [bar[:4] for bar in bars]
    np.testing.assert_allclose([bar[4:] for bar in again], [bar[4:] for bar in bars], atol=1e-6)


def test_runs_of_the_same_name_are_refused(figure):
    figure.runs[1] |= {"x": "A", "series": "MSE"}
    with pytest.raises(InputError, match="two runs named MSE of A"):
        evaluation.figure_table("fig3_2", figure.runs, figure.cross_gene, figure.cross_celltype, {})


@pytest.mark.parametrize("cell", ["nan", "1.2", "high"])
def test_a_score_that_is_no_correlation_is_refused_by_row(tmp_path, cell):
    with pytest.raises(InputError, match="bad, row 3"):
        evaluation.read_scores(write_scores(tmp_path / "bad", ["0.5", cell]))


def test_a_score_file_without_its_columns_is_refused(tmp_path):
    (tmp_path / "bad").write_text("gene\n1\n")
    with pytest.raises(InputError, match="no column spearman"):
        evaluation.read_scores(tmp_path / "bad")


@pytest.mark.parametrize(
    "row", ["f\tp\ts\tx\t\t\t3\t0\t", "f\tp\ts\tx\t0.5\t0.1\t0\t0\t", "f\tp\ts\tx\t0.5\t0.1\t\t0\t", "f\tp\ts\tx\t0.5"]
)
def test_a_damaged_figure_table_is_refused_by_row(tmp_path, row):
    path = tmp_path / "t.tsv"
    path.write_text("\t".join(evaluation.Bar._fields) + f"\nf\tp\ts\tx\t0.5\t0.1\t3\t0\t\n{row}\n")
    with pytest.raises(InputError, match="t.tsv, row 3"):
        evaluation.read_figure_table(path)


def test_the_thesis_values_in_the_repository_can_be_read():
    values = evaluation.read_thesis_values(REPOSITORY / "config" / "thesis_values.tsv")
    assert values["fig3_1", "cross-gene", "MSE", "Enformer predictions"] == 0.831
    # 20.4 % and 16.6 %: the improvements that section 3.1 gives beside the values.
    for source, improvement in (("Enformer predictions", 0.204), ("Enformer experimental", 0.166)):
        before, after = (values["fig3_2", "cross-celltype", loss, source] for loss in ("MSE", "α = 100"))
        assert after / before - 1 == pytest.approx(improvement, abs=6e-4)


def test_a_thesis_value_given_twice_is_refused(tmp_path):
    path = tmp_path / "thesis.tsv"
    path.write_text("figure\tpanel\tseries\tx\tvalue\nf\tp\ts\tx\t0.1\nf\tp\ts\tx\t0.2\n")
    with pytest.raises(InputError, match="row 3: f, p, s, x is listed twice"):
        evaluation.read_thesis_values(path)


@pytest.mark.parametrize("compare", [True, False])
def test_the_doors_lead_from_predictions_to_a_figures_table(run, tmp_path, compare):
    def door(script, **snakemake):
        runpy.run_path(
            str(REPOSITORY / "workflow" / "scripts" / script),
            {"snakemake": SimpleNamespace(log=[str(tmp_path / "log")], **snakemake)},
        )

    scores = SimpleNamespace(cross_gene=str(tmp_path / "g.tsv"), cross_celltype=str(tmp_path / "c.tsv"))
    door("evaluate_run.py", input=SimpleNamespace(predictions=str(run.path)), output=scores)
    door(
        "tabulate_figure.py",
        input=SimpleNamespace(
            cross_gene=[scores.cross_gene],
            cross_celltype=[scores.cross_celltype],
            thesis=str(REPOSITORY / "config" / "thesis_values.tsv"),
        ),
        output=[str(tmp_path / "fig.tsv")],
        params=SimpleNamespace(
            figure="fig3_1",
            runs=json.dumps([{"x": "Enformer predictions", "series": "MSE"}]),
            compare_with_thesis=compare,
        ),
    )
    bars = evaluation.read_figure_table(tmp_path / "fig.tsv")
    assert [(bar.panel, bar.n + bar.undefined) for bar in bars] == [("cross-gene", 9), ("cross-celltype", 30)]
    np.testing.assert_array_equal([bar.thesis for bar in bars], [0.831, 0.427] if compare else [np.nan, np.nan])
