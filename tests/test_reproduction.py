"""The table of reproduction: each rule against resamples written out one by one, and the tables in config/."""

import csv
import json
import runpy
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import scripts
from chrom2expr.backbones.attention import Attention
from chrom2expr.config import folds, runs, schema
from chrom2expr.config import reproduction as planning
from chrom2expr.errors import InputError
from chrom2expr.evaluation import distal, metric, metrics, reproduction, statements, statistics, variation
from chrom2expr.evaluation.scores import Scores
from chrom2expr.genome.targets import Targets
from planned_jobs import planned_jobs

ROOT = Path(__file__).resolve().parents[1]
VALUES, STATEMENTS = ROOT / "config/thesis_values.tsv", ROOT / "config/thesis_statements.tsv"
METRICS = metric.build([{"name": name, "type": name} for name in ("cross_gene", "cross_celltype")])
DRAWN = statistics.draw_genes(40, 60, seed=1)
RANDOM = np.random.default_rng(7)
OBSERVED = RANDOM.normal(size=(40, 6)) + RANDOM.normal(size=(40, 1))
NOISE = RANDOM.normal(size=OBSERVED.shape)
# How far each run's predictions are from what is observed.
RUNS = {
    name: OBSERVED + noise * NOISE for name, noise in {"s/best": 0.2, "s/near": 0.21, "s/mid": 1, "s/bad": 4}.items()
}


def scores_of(predicted, genes="g"):
    """The scores of a run, those of resamples each of the genes written out."""
    names = tuple(f"{genes}{row}" for row in range(len(predicted)))
    values = {name: own.score(predicted, OBSERVED) for name, own in METRICS.items()}
    resampled = np.stack([metrics.cross_gene(predicted[rows], OBSERVED[rows]) for rows in written_out()])
    return Scores(tuple("abcdef"), names, values, DRAWN, {"cross_gene": resampled})


def written_out():
    return [np.repeat(np.arange(len(times)), times) for times in DRAWN]


@pytest.fixture(scope="module")
def evidence():
    found = {name: scores_of(predicted) for name, predicted in RUNS.items()} | {"t/other": scores_of(NOISE, "h")}
    units = dict.fromkeys(METRICS, "Spearman correlation")
    return reproduction.Evidence({(run, name): own for run, own in found.items() for name in METRICS}, units, {"n": 3})


def statement(rule, a="", b="", pairs="", metric="cross_gene", metric_b="", value=np.nan, margin=0.0):
    runs_of = statements.expanded
    return statements.Statement("1", "2.1", "A claim", rule, metric, metric_b, runs_of(a), runs_of(b), pairs, value, margin, "")  # fmt: skip


def judged(evidence, *given, **more):
    [row] = reproduction.judge([statement(*given, **more)], evidence)
    return row


def slow(run, name, rows=None):
    """The mean score of a run, of all genes or of the genes of a resample, one unit at a time."""
    predicted, observed = RUNS[run], OBSERVED
    if rows is not None:
        predicted, observed = predicted[rows], observed[rows]
    return np.mean([float(value) for value in METRICS[name].score(predicted, observed)])


@pytest.mark.parametrize("name", METRICS)
def test_a_difference_has_the_interval_of_resamples_written_out(evidence, name):
    row = judged(evidence, "above", "s/best", "s/mid", metric=name)
    differences = [slow("s/best", name, rows) - slow("s/mid", name, rows) for rows in written_out()]
    assert row.ours == pytest.approx(slow("s/best", name) - slow("s/mid", name))
    np.testing.assert_allclose((row.ci_low, row.ci_high), np.quantile(differences, [0.025, 0.975]), atol=1e-6)
    assert (row.verdict, row.n, row.unit) == ("holds", 6 if name == "cross_gene" else 40, "Spearman correlation")
    assert np.isnan(row.stated) and np.isnan(row.difference)
    assert judged(evidence, "above", "s/mid", "s/best", metric=name).verdict == "contradicted"
    assert judged(evidence, "above", "s/best", "s/best", metric=name).verdict == "undecided"


def test_of_several_pairs_the_one_that_decides_is_shown(evidence):
    row = judged(evidence, "above", "s/{best,mid}", "s/bad", "every")
    assert (row.verdict, row.compared) == ("holds", "s/mid - s/bad")
    row = judged(evidence, "above", "s/{best,mid}", "s/{mid,bad}", "every")
    assert (row.verdict, row.compared) == ("undecided", "s/mid - s/mid")
    row = judged(evidence, "above", "s/{best,mid}", "s/{mid,bad}", "each")
    assert row.verdict == "holds"
    row = judged(evidence, "above", "s/{best,bad}", "s/mid", "every")
    assert (row.verdict, row.compared) == ("contradicted", "s/bad - s/mid")


def test_two_metrics_of_a_run_are_compared_in_the_same_resamples(evidence):
    row = judged(evidence, "above", "s/mid", "s/mid", "each", metric_b="cross_celltype")
    differences = [slow("s/mid", "cross_gene", rows) - slow("s/mid", "cross_celltype", rows) for rows in written_out()]
    assert row.ours == pytest.approx(slow("s/mid", "cross_gene") - slow("s/mid", "cross_celltype"))
    np.testing.assert_allclose((row.ci_low, row.ci_high), np.quantile(differences, [0.025, 0.975]), atol=1e-6)
    assert row.compared == "cross_gene of s/mid - cross_celltype of s/mid"


@pytest.mark.parametrize(
    ("b", "margin", "comparable", "differs"),
    [
        ("s/near", 0.02, "holds", "contradicted"),
        ("s/mid", 0.02, "contradicted", "holds"),
        ("s/mid", 0.0, "contradicted", "holds"),
        ("s/mid", 1.0, "holds", "contradicted"),
        ("s/mid", None, "undecided", "undecided"),
    ],
)
def test_comparable_and_differs_go_by_the_margin(evidence, b, margin, comparable, differs):
    if margin is None:
        margin = judged(evidence, "above", "s/best", b).ours
    for first, second in (("s/best", b), (b, "s/best")):
        assert judged(evidence, "comparable", first, second, margin=margin).verdict == comparable
        assert judged(evidence, "differs", first, second, margin=margin).verdict == differs


def test_not_below_allows_as_much_as_the_margin(evidence):
    gap = -judged(evidence, "above", "s/mid", "s/best").ours
    found = [judged(evidence, "not below", "s/mid", "s/best", margin=margin).verdict for margin in (0, gap, 1)]
    assert found == ["contradicted", "undecided", "holds"]
    assert judged(evidence, "not below", "s/best", "s/mid").verdict == "holds"


def test_rises_and_falls_look_at_every_step(evidence):
    assert judged(evidence, "rises", "s/{bad,mid,best}").verdict == "holds"
    assert judged(evidence, "falls", "s/{bad,mid,best}").verdict == "contradicted"
    assert judged(evidence, "falls", "s/{best,mid,bad}").verdict == "holds"
    row = judged(evidence, "rises", "s/{bad,best,mid}")
    assert row.verdict == "contradicted" and row.ours == pytest.approx(slow("s/mid", "cross_gene") - slow("s/bad", "cross_gene"))  # fmt: skip
    assert judged(evidence, "rises", "s/{best,best}").verdict == "undecided"
    assert judged(evidence, "rises", "s/{mid,best,best}").verdict == "holds", "a step that decides nothing is none back"


def test_a_gap_narrows_if_the_difference_of_differences_does(evidence):
    row = judged(evidence, "narrows", "s/{best,best}", "s/{bad,mid}")
    gaps = [slow("s/mid", "cross_gene", rows) - slow("s/bad", "cross_gene", rows) for rows in written_out()]
    np.testing.assert_allclose((row.ci_low, row.ci_high), np.quantile(gaps, [0.025, 0.975]), atol=1e-6)
    assert row.verdict == "holds"
    assert judged(evidence, "narrows", "s/{best,best}", "s/{mid,bad}").verdict == "contradicted"


def test_a_number_lies_inside_or_outside_of_the_interval(evidence):
    ours = slow("s/mid", "cross_gene")
    means = [slow("s/mid", "cross_gene", rows) for rows in written_out()]
    low, high = np.quantile(means, [0.025, 0.975])
    row = judged(evidence, "about", "s/mid", value=ours - 0.001)
    assert (row.verdict, row.stated) == ("inside", ours - 0.001)
    assert (row.ours, row.difference) == (pytest.approx(ours), pytest.approx(0.001))
    np.testing.assert_allclose((row.ci_low, row.ci_high), (low, high), atol=1e-6)
    assert judged(evidence, "about", "s/mid", value=low - 0.01).verdict == "outside"
    assert judged(evidence, "about", "s/mid", value=low - 0.01, margin=0.02).verdict == "inside"
    row = judged(evidence, "about", "s/{best,bad}", value=slow("s/best", "cross_gene"))
    assert (row.verdict, row.compared) == ("outside", "s/bad")


def test_a_gain_is_that_of_the_means_in_per_cent(evidence):
    found = [
        100 * (slow("s/best", "cross_gene", rows) / slow("s/mid", "cross_gene", rows) - 1) for rows in written_out()
    ]
    ours = 100 * (slow("s/best", "cross_gene") / slow("s/mid", "cross_gene") - 1)
    row = judged(evidence, "gain", "s/best", "s/mid", value=ours + 1)
    assert (row.verdict, row.unit) == ("inside", "%") and row.difference == pytest.approx(-1)
    np.testing.assert_allclose((row.ci_low, row.ci_high), np.quantile(found, [0.025, 0.975]), rtol=1e-5)
    assert judged(evidence, "gain", "s/best", "s/mid", value=ours + 100).verdict == "outside"


def test_a_count_is_the_same_or_another(evidence):
    row = judged(evidence, "equals", metric="n", value=3)
    assert (row.verdict, row.ours, row.difference) == ("the same", 3, 0)
    row = judged(evidence, "equals", metric="n", value=5)
    assert (row.verdict, row.difference) == ("another", -2) and np.isnan(row.ci_low)


def test_what_cannot_be_compared_is_said(evidence):
    for given in (("above", "s/mid", "t/other"), ("gain", "s/mid", "t/other"), ("rises", "s/mid t/other")):
        assert judged(evidence, *given, value=1).verdict == "other test genes"
    assert judged(evidence, "narrows", "s/{mid,mid}", "s/mid t/other").verdict == "other test genes"
    row = judged(evidence, "above", "s/{mid,nowhere}", "s/bad")
    assert (row.verdict, row.compared) == ("not in this config", "s/nowhere (cross_gene)")
    assert judged(evidence, "equals", metric="genes", value=1).verdict == "not in this config"
    assert judged(evidence, "no number").verdict == "not checked"
    assert judged(None, "above", "s/mid", "s/bad").verdict == "not applicable"


def test_every_rule_has_a_docstring_and_says_what_it_needs():
    assert reproduction.NEEDS.keys() == reproduction.RULES.keys()
    assert all(rule.__doc__ for rule in reproduction.RULES.values())


def test_the_docs_name_every_rule_verdict_and_column(stated):
    text = (ROOT / "docs/reproduction.md").read_text()
    for name in (*reproduction.RULES, *reproduction.Row._fields, "no number", "undecided", "not in this config"):
        assert f"`{name}`" in text, name
    values = sum(one.id.startswith("value ") for one in stated)
    assert f"{values} numbers" in text and f"{len(stated) - values} statements" in text


def test_distal_attention_of_a_gene_is_counted_by_hand():
    rows = np.array([[0.3, 0.1, 0.2, 0.1, 0.3], [0.05, 0.05, 0.8, 0.05, 0.05]])
    found = distal.distal_scores(Attention(rows, np.array(["a", "b"]), 2), 1, [0.1, 0.2, 0.4], 5, seed=1)
    np.testing.assert_allclose(found.values["distal_attention"], [0.6, 0.1])
    np.testing.assert_allclose(found.values["distal_bins"], [4 / 3, 0])
    assert found.gene_id == ("a", "b") and found.drawn.sum(axis=1).tolist() == [2] * 5


def test_variation_in_resamples_is_that_of_the_genes_written_out():
    values = np.exp(RANDOM.normal(size=(40, 3)))
    values[::7, 1] = np.nan
    expected = [variation.coefficients(values[rows].T) for rows in written_out()]
    np.testing.assert_allclose(variation.resampled_coefficients(values, DRAWN), expected, rtol=1e-9)
    logarithms = np.log(values + 0.1).astype(np.float32)
    targets = Targets(logarithms, np.array([f"g{row}" for row in range(40)]), np.array(list("abc")), 0.1, "RPKM")
    found = variation.variation_scores(targets, 60, seed=1)
    np.testing.assert_allclose(found.resampled["coefficient of variation across genes"], expected, rtol=1e-4)
    assert found.values["coefficient of variation across cell types"].shape == (40,)


# --- the tables in config/ ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stated():
    return [*statements.read_values(VALUES), *statements.read_statements(STATEMENTS, reproduction.NEEDS)]


@pytest.fixture(scope="module")
def config():
    import yaml

    return schema.checked(yaml.safe_load((ROOT / "config/config.yaml").read_text()))


def test_every_run_that_is_named_is_in_the_config(stated, config):
    shown = {run["run"] for figure in config["figures"] for run in runs.figure_runs(config, figure)}
    plan = planning.plan(config, stated)
    for one in stated:
        for run, name in one.scored:
            if name in config["metrics"]:
                assert run in shown and run in plan["runs"], one.id
            elif name in distal.UNITS:
                assert run in plan["attention"], one.id
            else:
                assert (run, name) in {("expression", known) for known in variation.NAMES.values()}, one.id
    named = {one.metric for one in stated if one.rule == "equals"}
    counted = {"genes", "lifted_genes", "cell_types"}
    counted |= {f"config:{keys}" for keys in plan["settings"]}
    counted |= {f"split:{name}:{part}" for name in plan["splits"] for part in ("train", "val", "test")}
    counted |= {f"tracks:{name}:{kind}" for name in plan["tracks"] for kind in ("chromatin", "cage", "all")}
    counted |= {f"measured:{name}" for name in plan["measured"]}
    assert named <= counted


def test_settings_of_the_thesis_are_those_of_the_config(stated, config):
    settings = planning.plan(config, stated)["settings"]
    for one in stated:
        if one.metric.startswith("config:"):
            assert settings[one.metric.removeprefix("config:")] == one.value, one.id


def test_every_value_appears_once(stated):
    rows = list(csv.DictReader(VALUES.open(), delimiter="\t"))
    wanted = Counter((row["metric"], row["run"] or "expression", float(row["value"])) for row in rows)
    found = Counter((one.metric, *one.a, one.value) for one in stated if one.id.startswith("value "))
    assert found == wanted
    assert max(Counter(one.id for one in stated).values()) == 1
    keys = Counter((one.rule, one.metric, one.metric_b, one.a, one.b, one.value) for one in stated if one.a)
    assert max(keys.values()) == 1, "a statement is checked once"


def test_no_statement_compares_runs_of_different_splits(stated, config):
    for one in stated:
        sources = {run.partition("/")[0] for run in one.a + one.b} - {"expression"}
        if one.rule != "about":
            assert len({config["sources"][source]["split"] for source in sources}) <= 1, one.id


def test_gains_are_those_of_the_values_stated(stated):
    values = {(one.metric, *one.a): one.value for one in stated if one.id.startswith("value ")}
    checked = 0
    for one in stated:
        pair = [values.get((one.metric, *run)) for run in (one.a, one.b)]
        if one.rule == "gain" and all(pair):
            checked += 1
            assert 100 * (pair[0] / pair[1] - 1) == pytest.approx(one.value, abs=0.06), one.id
    assert checked == 4


HEADER = "\t".join(statements.Statement._fields)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\t\tc\tbetter\tm\t\ta\tb\t\t\t\t", "row 3: there is no rule better"),
        ("0\t\tc\tabove\tm\t\ta\tb\t\t\t\t", "row 3: 0 is listed twice"),
        ("1\t\tc\tabove\tm\t\ta a\tb\teach\t\t\t", "row 3: pairs is"),
        ("1\t\tc\tabove\tm\t\ta\tb\tsome\t\t\t", "row 3: pairs is"),
        ("1\t\tc\tabove\tm\t\ta\t\t\t\t\t", "row 3: above needs b"),
        ("1\t\t\tabove\tm\t\ta\tb\t\t\t\t", "row 3: above needs claim"),
        ("1\t\tc\tno number\t\t\t\t\t\t\t\t", "row 3: no number needs reason"),
        ("1\t\tc\tabout\tm\t\ta\t\t\tmuch\t\t", "row 3: 'much' is not a number"),
    ],
)
def test_a_wrong_statement_is_refused_by_row(tmp_path, row, message):
    path = tmp_path / "s.tsv"
    path.write_text(f"{HEADER}\n0\t\tc\tabove\tm\t\ta\tb\t\t\t\t\n{row}\n")
    with pytest.raises(InputError, match=message):
        statements.read_statements(path, reproduction.NEEDS)


# --- what the workflow plans and the script leaves ---------------------------------------------------------------


def test_a_run_that_no_figure_shows_is_not_planned(stated, config):
    fewer = config | {"figures": {"fig3_1": config["figures"]["fig3_1"]}}
    plan = planning.plan(fewer, stated)
    assert set(plan["runs"]) == {run["run"] for run in runs.figure_runs(config, "fig3_1")}
    assert not plan["attention"] and not plan["distal"]
    folded = config | {"splits": config["splits"] | {"chr14": {"folds": 2}}}
    assert folds.has_folds(folded["splits"]["chr14"]) and planning.plan(folded, stated)["splits"] == ["chr8"]


def test_the_demo_asks_for_no_run(stated):
    target = "results/demo/tables/reproduction.tsv"
    found = planned_jobs([target], [ROOT / "config/demo.yaml"])
    [(_, job)] = found.items()
    assert {Path(path).name for path in job.inputs} == {VALUES.name, STATEMENTS.name}
    assert not any(json.loads(job.params["plan"]).values())


def test_the_thesis_config_plans_runs_attention_and_counts(stated, config):
    found = planned_jobs(["results/tables/reproduction.tsv"], [])
    job = found["tabulate_reproduction", "results/tables/reproduction.tsv"]
    plan = planning.plan(config, stated)
    assert json.loads(job.params["plan"]) == json.loads(json.dumps(plan))
    assert len(plan["runs"]) == sum(rule == "evaluate_run" for rule, _ in found) > 40
    assert {"results/attention/enformer_50kb.h5", "results/genes/dropped.tsv", "results/features/beluga_experimental.h5"} <= set(job.inputs)  # fmt: skip


def test_the_script_writes_that_nothing_is_applicable(tmp_path, stated):
    made = SimpleNamespace(table=tmp_path / "r.tsv", page=tmp_path / "r.html")
    given = SimpleNamespace(thesis=VALUES, statements=STATEMENTS)
    params = scripts.params(metrics=[], plan={}, resamples=5, seed=1, compare_with_thesis=False)
    call = scripts.snakemake(log=[str(tmp_path / "log")], input=given, output=made, params=params)
    runpy.run_path(scripts.path("tabulate_reproduction.py"), {"snakemake": call})
    rows = list(csv.DictReader(made.table.open(), delimiter="\t"))
    rows = [row for row in rows if row["id"]]
    assert [row["id"] for row in rows] == [one.id for one in stated]
    assert {row["verdict"] for row in rows} == {"not applicable"}
    assert f"{len(stated)} not applicable" in made.page.read_text()
