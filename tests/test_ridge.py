"""The ridge head against scikit-learn's Ridge, fitted tissue by tissue and penalty by penalty."""

import json
import runpy
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

import scripts
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import ridge, ridge_fits, tasks
from chrom2expr.heads.tasks import Split
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks.reduction import reduce_store
from chrom2expr.tracks.store_writer import ShardWriter
from made_files import write_expression, write_split

TISSUES, PENALTIES = 6, [10.0, 0.1, 1000.0]
GENES = {"train": 60, "val": 30, "test": 10}
# The dual is smaller, the primal is.
WIDTHS = pytest.mark.parametrize("width", [90, 20])


class Rows:
    """A selection of reduced features that lies in memory."""

    def __init__(self, features):
        self.features, self.shape = features, features.shape

    def read(self, rows):
        return self.features[rows].astype(np.float32)

    def where(self, row, column):
        return f"row {row}, column {column}"


def make_task(width=90, missing=0.0, standardise=False, seed=0, noise=1.0, penalties=PENALTIES):
    """Features of different means and spreads, one of them constant; targets linear in them; some values missing."""
    random = np.random.default_rng(seed)
    features = random.normal(random.normal(0, 5, width), random.uniform(0.2, 4, width), (100, width))
    features[:, 3] = 7.3
    observed = features @ random.normal(0, 1, (width, TISSUES)) / width**0.5 - 4
    observed += random.normal(0, noise, observed.shape)
    # The first two tissues lack the same genes, the last one none, and one gene has no value anywhere.
    absent = random.random(observed.shape) < missing
    absent[:, 1], absent[:, -1] = absent[:, 0], False
    absent[5] = missing > 0
    observed[absent] = np.nan
    splits, gene_id, start = {}, {}, 0
    for name, count in GENES.items():
        rows = slice(start, start := start + count)
        splits[name] = Split(Rows(features[rows].astype(np.float32)), observed[rows].astype(np.float32))
        gene_id[name] = np.array([f"gene{row}" for row in range(rows.start, rows.stop)], dtype=object)
    tissue = np.array([f"tissue{index}" for index in range(TISSUES)], dtype=object)
    track_id = np.array([f"track{index}" for index in range(width // 10)])
    return tasks.Task(
        data=tasks.Data(splits, gene_id, tissue, track_id, {"source": "made up", "bins": 4}, 1e-4),
        loss=Hybrid(alpha=0, beta=1),
        settings={"standardise": standardise},
        grid={"penalty": penalties},
        batch_size=7,
        max_epochs=0,
        patience=0,
        select_by="validation_cross_gene",
        seed=0,
        device=torch.device("cpu"),
    )


def with_split(task, name, features=None, observed=None):
    """The same task with other features or targets in one split."""
    split = task.data.splits[name]
    features = split.features.features if features is None else features
    split = Split(Rows(features), split.observed if observed is None else observed)
    return replace(task, data=replace(task.data, splits={**task.data.splits, name: split}))


def sklearn_fits(task):
    """What scikit-learn fits, by (tissue, penalty): from features (gene, feature) float64 to predictions (gene,)."""
    train = task.data.splits["train"]
    x, y = train.features.features.astype(np.float64), train.observed.astype(np.float64)
    scaler = StandardScaler(with_mean=task.settings["standardise"], with_std=task.settings["standardise"])
    scaler.fit(x[train.usable])
    fits = {}
    for tissue in range(TISSUES):
        rows = ~np.isnan(y[:, tissue])
        for penalty in task.grid["penalty"]:
            model = Ridge(alpha=penalty, solver="cholesky").fit(scaler.transform(x[rows]), y[rows, tissue])
            fits[tissue, penalty] = lambda features, model=model: model.predict(scaler.transform(features))
    return fits


@WIDTHS
@pytest.mark.parametrize("missing", [0.0, 0.15, 0.8])
@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("block", [ridge_fits.BLOCK, 7])
def test_equals_scikit_learn(width, missing, standardise, block, monkeypatch):
    monkeypatch.setattr(ridge_fits, "BLOCK", block)
    task = make_task(width, missing, standardise)
    fitted, fits = ridge.Ridge.fit(task), sklearn_fits(task)
    validation, test = task.data.splits["val"], task.data.splits["test"]
    table = {(row["tissue"], row["penalty"]): row for row in fitted.table}
    assert len(table) == len(fitted.table) == TISSUES * len(PENALTIES)
    predicted = fitted.predict(test.features)
    for tissue in range(TISSUES):
        present = ~np.isnan(validation.observed[:, tissue])
        scores = []
        for penalty in PENALTIES:
            expected = fits[tissue, penalty](validation.features.features.astype(np.float64))
            scores.append(spearmanr(expected[present], validation.observed[present, tissue])[0])
            row = table[f"tissue{tissue}", penalty]
            assert row["validation_cross_gene"] == pytest.approx(scores[-1], abs=1e-9)
            assert row["validation_genes"] == present.sum()
        best = PENALTIES[int(np.argmax(scores))]
        assert [p for p in PENALTIES if table[f"tissue{tissue}", p]["chosen"] == "yes"] == [best]
        assert fitted.penalties[tissue] == best
        np.testing.assert_allclose(
            predicted[:, tissue], fits[tissue, best](test.features.features.astype(np.float64)), atol=2e-5
        )


@WIDTHS
def test_every_fit_of_the_grid_equals_scikit_learn_closely(width):
    task = make_task(width, missing=0.3)
    train, validation = task.data.splits["train"], task.data.splits["val"]
    rows = train.usable
    features = train.features.features[rows]
    design = ridge_fits.Design.of(features, False, torch.device("cpu"))
    system = (ridge_fits.Primal if width < len(rows) else ridge_fits.Dual)(design, validation.features.features)
    fits = ridge_fits.solve(system, train.observed[rows].astype(np.float64), np.array(PENALTIES))
    for (tissue, penalty), predict in sklearn_fits(task).items():
        index = PENALTIES.index(penalty)
        found = system.predict(fits.solutions[index])[:, tissue] + fits.intercepts[index, tissue]
        np.testing.assert_allclose(found, predict(validation.features.features.astype(np.float64)), atol=1e-8)


@WIDTHS
def test_the_order_of_genes_and_features_does_not_matter(width):
    task = make_task(width, missing=0.1)
    random = np.random.default_rng(1)
    genes, columns = random.permutation(GENES["train"]), random.permutation(width)
    train, test = task.data.splits["train"], task.data.splits["test"]
    shuffled = with_split(task, "train", train.features.features[genes][:, columns], train.observed[genes])
    shuffled = with_split(shuffled, "val", task.data.splits["val"].features.features[:, columns])
    one, other = ridge.Ridge.fit(task), ridge.Ridge.fit(shuffled)
    assert one.penalties.tolist() == other.penalties.tolist()
    np.testing.assert_allclose(one.coefficients[columns], other.coefficients, atol=1e-6)
    np.testing.assert_allclose(
        one.predict(test.features), other.predict(Rows(test.features.features[:, columns])), atol=1e-5
    )


def test_planted_coefficients_are_found_and_the_smallest_penalty_said_to_be_at_the_end(capsys):
    random = np.random.default_rng(4)
    truth = random.normal(0, 1, (20, TISSUES))
    task = make_task(20, penalties=[1e-6, 1e3])
    for name, split in task.data.splits.items():
        features = split.features.features
        task = with_split(task, name, observed=(features @ truth + 2).astype(np.float32))
    fitted = ridge.Ridge.fit(task)
    varies = np.arange(20) != 3
    np.testing.assert_allclose(fitted.coefficients[varies], truth[varies], atol=1e-4)
    assert np.abs(fitted.coefficients[3]).max() < 1e-6
    # The constant feature's part lies in the intercept.
    np.testing.assert_allclose(fitted.intercept, 2 + 7.3 * truth[3], atol=1e-3)
    assert f"for {TISSUES} of {TISSUES} tissues the best penalty, 1e-06, is the smallest" in capsys.readouterr().out


def test_the_largest_penalty_at_the_end_is_said_and_a_middle_one_is_not(capsys):
    fitted = ridge.Ridge.fit(make_task(90, noise=30, penalties=[1e-3, 1.0, 2.0]))
    largest = int((fitted.penalties == 2).sum())
    message = f"for {largest} of {TISSUES} tissues the best penalty, 2, is the largest"
    assert largest and message in capsys.readouterr().out
    ridge.Ridge.fit(make_task(90, penalties=[5.0]))
    assert "Warning" not in capsys.readouterr().out


def test_one_tissue_does_not_influence_another():
    task = make_task(90, missing=0.2)
    whole = ridge.Ridge.fit(task).predict(task.data.splits["test"].features)
    for name in ("train", "val"):
        task = with_split(task, name, observed=task.data.splits[name].observed[:, 2:3])
    alone = ridge.Ridge.fit(replace(task, data=replace(task.data, tissue=task.data.tissue[2:3])))
    np.testing.assert_allclose(alone.predict(task.data.splits["test"].features)[:, 0], whole[:, 2], atol=1e-5)


@WIDTHS
def test_a_constant_target_is_predicted_as_such_counted_and_named(width, capsys):
    task = make_task(width)
    for name, value in (("train", np.float32(np.log(1e-4))), ("val", np.float32(-1))):
        observed = task.data.splits[name].observed.copy()
        observed[:, 2 if name == "train" else 4] = value
        task = with_split(task, name, observed=observed)
    fitted = ridge.Ridge.fit(task)
    assert (fitted.predict(task.data.splits["test"].features)[:, 2] == np.float32(np.log(1e-4))).all()
    printed = capsys.readouterr().out
    assert "in 2 of 6 tissues the validation correlation is undefined" in printed and "tissue2, tissue4" in printed
    undefined = [row for row in fitted.table if row["validation_cross_gene"] is None]
    assert {row["tissue"] for row in undefined} == {"tissue2", "tissue4"} and len(undefined) == 2 * len(PENALTIES)
    others = np.array(
        [
            [row["validation_cross_gene"] for row in fitted.table if row["penalty"] == penalty and row not in undefined]
            for penalty in PENALTIES
        ]
    )
    assert fitted.penalties[[2, 4]].tolist() == [PENALTIES[others.mean(axis=1).argmax()]] * 2
    assert sum(row["chosen"] == "yes" for row in fitted.table) == TISSUES


@pytest.mark.parametrize("width", [150, 900])
def test_features_of_very_different_scales_are_still_scikit_learns(width):
    random = np.random.default_rng(3)
    x = random.gamma(0.3, 1, (400, width)) @ (np.eye(width) + random.normal(0, 0.2, (width, width)))
    x = (x * 10 ** random.uniform(0, 6, width)).astype(np.float32)
    y = (x[:, :TISSUES] / x[:, :TISSUES].std(axis=0) + random.normal(0, 1, (400, TISSUES))).astype(np.float32)
    task = make_task()
    for name, rows in (("train", slice(300)), ("val", slice(300, 400))):
        task = with_split(task, name, features=x[rows], observed=y[rows])
    for penalty in (1e-2, 1.0, 1e4):
        fitted = ridge.Ridge.fit(replace(task, grid={"penalty": [penalty]}))
        predicted = x[300:] @ fitted.coefficients + fitted.intercept
        expected = Ridge(alpha=penalty, solver="svd").fit(x[:300].astype(np.float64), y[:300]).predict(x[300:])
        np.testing.assert_allclose(predicted, expected, atol=1e-6 * expected.std())


@pytest.mark.parametrize(("width", "lacking"), [(400, 1), (400, 40), (100, 5)])
def test_tissues_that_lack_genes_are_as_exact_as_the_others(width, lacking):
    """The largest eigenvalue is 1e12 times the penalty or more."""
    random = np.random.default_rng(4)
    x = (random.normal(0, 1, (160, width)) * 1e5).astype(np.float32)
    y = (x[:, :TISSUES] / 1e5 + random.normal(0, 1, (160, TISSUES))).astype(np.float32)
    train, missing = y[:120].copy(), random.choice(120, lacking, replace=False)
    train[missing, 2] = np.nan
    task = make_task()
    task = with_split(
        with_split(task, "train", features=x[:120], observed=train), "val", features=x[120:], observed=y[120:]
    )
    fitted = ridge.Ridge.fit(replace(task, grid={"penalty": [1e-2]}))
    for tissue in range(TISSUES):
        present = ~np.isnan(train[:, tissue])
        model = Ridge(alpha=1e-2, solver="svd").fit(x[:120][present].astype(np.float64), train[present, tissue])
        expected = model.predict(x[120:].astype(np.float64))
        predicted = x[120:] @ fitted.coefficients[:, tissue] + fitted.intercept[tissue]
        np.testing.assert_allclose(predicted, expected, atol=1e-6 * expected.std())


@pytest.mark.parametrize("lacking", [19, 20, 21, 40])
def test_a_tissue_with_fewer_genes_than_features_is_as_exact(lacking, capsys):
    """Of 120 genes and 100 features, so that its own matrix has eigenvalues of 0 from 20 on, of centring too."""
    random = np.random.default_rng(4)
    x = (random.normal(0, 1, (160, 100)) * 1e5).astype(np.float32)
    y = random.normal(0, 1, (160, TISSUES)).astype(np.float32)
    assert_exact_where_lacking(x, y, np.arange(lacking), 1e-2)
    assert "may have moved" not in capsys.readouterr().out


@pytest.mark.parametrize(("width", "scale"), [(6, 1e5), (6, 1e7), (6, 1e9), (90, 1e3)])
@pytest.mark.parametrize("rare", [1, 4])
def test_a_feature_of_the_genes_that_are_lacking_alone(width, scale, rare):
    random = np.random.default_rng(5)
    x = random.normal(0, 1, (80, width)).astype(np.float32)
    x[:, 2] = 0
    x[:rare, 2] = scale * random.normal(2, 1, rare)
    y = (x[:, :1] + random.normal(0, 1, (80, TISSUES))).astype(np.float32)
    assert_exact_where_lacking(x, y, np.arange(rare), 1e-2)


def test_one_gene_that_decides_the_only_feature():
    x = np.zeros((60, 1), dtype=np.float32)
    x[0], x[50:] = 1e9, np.arange(10)[:, None]
    y = np.random.default_rng(0).normal(0, 1, (60, TISSUES)).astype(np.float32)
    assert_exact_where_lacking(x, y, np.array([0]), 1e-2)


def test_a_tissue_has_no_fit_where_that_of_its_missing_genes_fails(monkeypatch, capsys):
    plain = ridge_fits._DualLacking.border
    monkeypatch.setattr(ridge_fits._DualLacking, "border", lambda it, rows: plain(it, rows) * (-1) ** (it.penalty < 1))
    fitted = ridge.Ridge.fit(make_task(90, missing=0.15, penalties=[0.1, 10.0]))
    lost = {row["tissue"] for row in fitted.table if row["validation_cross_gene"] is None and row["penalty"] == 0.1}
    assert lost == {f"tissue{number}" for number in range(TISSUES - 1)}
    assert np.isfinite(fitted.coefficients).all() and (fitted.penalties[:-1] == 10).all()
    assert "Warning: penalties 0.1 are lost in rounding" in capsys.readouterr().out


def assert_exact_where_lacking(x, y, lacking, penalty):
    """The fit of all but the last 40 genes, of which one tissue lacks some, is scikit-learn's by its own genes."""
    train = y[:-40].copy()
    train[lacking, 2] = np.nan
    task = with_split(make_task(), "train", features=x[:-40], observed=train)
    task = with_split(task, "val", features=x[-40:], observed=y[-40:])
    fitted = ridge.Ridge.fit(replace(task, grid={"penalty": [penalty]}))
    for tissue in range(TISSUES):
        present = ~np.isnan(train[:, tissue])
        model = Ridge(alpha=penalty, solver="svd").fit(x[:-40][present].astype(np.float64), train[present, tissue])
        expected = model.predict(x[-40:].astype(np.float64))
        predicted = x[-40:] @ fitted.coefficients[:, tissue] + fitted.intercept[tissue]
        np.testing.assert_allclose(predicted, expected, atol=1e-6 * max(expected.std(), 1e-3))


def test_penalties_below_rounding_are_named(capsys):
    # About as many features as genes: some combination of the genes hardly varies.
    task = make_task(62)
    scale = np.geomspace(1, 1e6, 62).astype(np.float32)
    for name in ("train", "val"):
        task = with_split(task, name, features=task.data.splits[name].features.features * scale)
    for penalties, named in (([1e6, 1e8], False), ([1e-4, 1e-2, 1e8], True)):
        ridge.Ridge.fit(replace(task, grid={"penalty": penalties}))
        assert ("Warning: penalties 0.0001, 0.01 give fits that rounding" in capsys.readouterr().out) == named


@WIDTHS
def test_penalties_that_are_lost_in_rounding_are_left_out_and_named(width, capsys):
    """Features that are sums of five, exactly."""
    task, random = make_task(width), np.random.default_rng(2)
    sums = random.integers(-999, 999, (5, width)).astype(np.float32)
    for name in ("train", "val", "test"):
        task = with_split(task, name, features=random.integers(-9, 9, (GENES[name], 5)).astype(np.float32) @ sums)
    # One tissue has no best penalty of its own, and in all others the fit foretells the contrary.
    observed = -task.data.splits["val"].features.features @ ridge.Ridge.fit(
        replace(task, grid={"penalty": [1e2]})
    ).coefficients.astype(np.float32)
    observed[:, 2] = 1
    task = with_split(task, "val", observed=observed)
    fitted = ridge.Ridge.fit(replace(task, grid={"penalty": [1e-9, 1e2, 1e-8]}))
    assert "Warning: penalties 1e-09, 1e-08 are lost in rounding and left out" in capsys.readouterr().out
    alone = ridge.Ridge.fit(replace(task, grid={"penalty": [1e2]}))
    assert (fitted.penalties == 1e2).all() and (fitted.coefficients == alone.coefficients).all()
    assert {row["validation_cross_gene"] for row in fitted.table if row["penalty"] < 1} == {None}
    with pytest.raises(InputError, match="no penalty rises above the rounding of the features .tissues tissue0, "):
        ridge.Ridge.fit(replace(task, grid={"penalty": [1e-9, 1e-8]}))


def test_bad_input_is_named():
    task = make_task(90)
    train, validation = task.data.splits["train"], task.data.splits["val"]
    lonely, unseen = train.observed.copy(), validation.observed.copy()
    lonely[1:, 3] = np.nan
    unseen[:, [1, 5]] = np.nan
    broken = train.features.features.copy()
    broken[12, 2 * 9 + 4] = np.nan
    infinite = validation.features.features.copy()
    infinite[3, 0] = np.inf
    cases = [
        (with_split(task, "train", observed=lonely), "tissue3 has 1 training genes.*1 of 6"),
        (with_split(task, "val", observed=unseen), "tissue1 has 0 validation genes.*2 of 6"),
        (with_split(task, "train", features=broken), "row 12, column 22: nan is no value of a feature"),
        (with_split(task, "val", features=infinite), "row 3, column 0: inf is no value"),
        (with_split(task, "train", features=np.zeros((60, 4, 5))), "takes reduced features"),
        (with_split(task, "val", observed=np.ones_like(unseen)), "undefined for every tissue"),
        (replace(task, loss=Hybrid(alpha=1, beta=1)), "squared error.*a loss that is one"),
        (replace(task, select_by="validation_loss"), "select_by must be"),
        (replace(task, grid={"penalty": [1.0, 0.0]}), "penalty must be above 0"),
        (replace(task, grid={"penalty": [1.0, np.nan]}), "penalty must be above 0"),
    ]
    for given, message in cases:
        with pytest.raises(InputError, match=message):
            ridge.Ridge.fit(given)


def test_a_saved_model_predicts_the_same_and_saves_the_same_bytes(tmp_path):
    task = make_task(90, standardise=True)
    fitted = ridge.Ridge.fit(task)
    fitted.save(tmp_path / "one.pt")
    ridge.Ridge.fit(task).save(tmp_path / "two.pt")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    saved = ridge.Ridge.load(tmp_path / "one.pt")
    assert saved.coefficients.shape == (90, TISSUES) and saved.coefficients.dtype == np.float64
    assert saved.metadata["tissue"] == [f"tissue{index}" for index in range(TISSUES)]
    assert saved.metadata["inputs"] == {"source": "made up", "bins": 4}
    assert saved.penalties.tolist() == fitted.penalties.tolist()
    features = task.data.splits["test"].features
    predicted = features.features.astype(np.float64) @ saved.coefficients + saved.intercept
    np.testing.assert_allclose(fitted.predict(features), predicted, rtol=1e-6)


def test_from_the_store_to_the_files_of_a_run(tmp_path):
    """Expression planted downstream of the TSS, on either strand, is found through the reduced file by the script."""
    random = np.random.default_rng(6)
    geometry = Geometry.sliding(400, 20, 200)
    tracks = random.gamma(1, 1, (300, 20, 3)).astype(np.float16)
    strand = random.choice(["+", "-"], 300)
    gene_id = [f"gene{row}" for row in range(300)]
    with ShardWriter(
        tmp_path / "s.h5",
        gene_id=gene_id,
        strand=strand,
        track_id=["a", "b", "c"],
        track_type=["chromatin"] * 3,
        bins=20,
        bin_size=200,
        provenance={"source": "planted"},
    ) as writer:
        writer.write(0, tracks)
    reduce_store(tmp_path / "s.h5", tmp_path / "features.h5", "spatial_basis", geometry, 10)
    turned = np.where((strand == "-")[:, None, None], tracks[:, ::-1], tracks).astype(np.float64)
    decay = np.exp(-0.1 * np.arange(5))
    observed = (turned[:, 10:15] * decay[:, None]).sum(axis=1) @ random.normal(0, 1, (3, TISSUES))
    write_split(tmp_path / "split.tsv", gene_id, np.repeat(["train", "val", "test"], [200, 50, 50]))
    write_expression(tmp_path / "expression.h5", observed, gene_id, [f"tissue{index}" for index in range(TISSUES)])
    made = {"model": "model.pt", "grid": "grid.tsv", "predictions": "predictions.h5", "summary": "summary.json"}
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            features=tmp_path / "features.h5",
            split=tmp_path / "split.tsv",
            expression=tmp_path / "expression.h5",
            models=[],
        ),
        output=SimpleNamespace(**{name: tmp_path / "run" / file for name, file in made.items()}),
        params=scripts.params(
            type="ridge",
            tracks="chromatin",
            orientation="gene",
            bins=10,
            features="spatial_basis",
            job=0,
            jobs=1,
            loss={"type": "hybrid", "alpha": 0, "beta": 1},
            settings={"standardise": False},
            grid={"penalty": [0.001, 0.1, 10]},
            batch_size=64,
            max_epochs=0,
            patience=0,
            select_by="validation_cross_gene",
            seed=1,
        ),
        threads=torch.get_num_threads(),
        resources=SimpleNamespace(allow_cpu=0, gpu=1),
        log=[str(tmp_path / "log.txt")],
    )
    runpy.run_path(scripts.path("fit_head.py"), {"snakemake": snakemake})
    with h5py.File(tmp_path / "run" / "predictions.h5") as file:
        test = file["split"].asstr()[:] == "test"
        np.testing.assert_allclose(file["predicted"][test], observed[250:], atol=0.02)
    with open(tmp_path / "run" / "grid.tsv") as handle:
        assert handle.readline() == "tissue\tpenalty\tvalidation_cross_gene\tvalidation_genes\tchosen\n"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [row["tissue"] for row in summary["chosen"]] == [f"tissue{index}" for index in range(TISSUES)]
    assert summary["inputs"] == {"source": "planted", "tracks": "chromatin", "orientation": "gene", "bins": 10}
    assert summary["validation"]["cross_gene"]["n"] == TISSUES
