"""Linear probes against scikit-learn's LinearRegression, fitted tissue by tissue."""

import json
import runpy
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

import scripts
from chrom2expr.config import schema
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import linear_probe, tasks
from chrom2expr.heads.tasks import Split
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks.reduction import reduce_store
from chrom2expr.tracks.store_writer import ShardWriter
from made_files import write_expression, write_split
from test_ridge import Rows, with_split

TISSUES = 6
GENES = {"train": 60, "val": 30, "test": 10}


def make_features(width, seed=0):
    """Features of different means and spreads, one of them constant, one a copy and one a sum of others."""
    random = np.random.default_rng(seed)
    features = random.normal(random.normal(0, 5, width), random.uniform(0.2, 4, width), (100, width))
    features = np.round(features * 64) / 64  # float32 holds these and their sums
    features[:, 3], features[:, 5], features[:, 7] = 7.3, features[:, 1], features[:, 0] - 2 * features[:, 2]
    return features.astype(np.float32)


def make_task(features, missing=0.0, seed=0, noise=1.0):
    """Targets linear in the features; some values missing."""
    random = np.random.default_rng(seed)
    width = features.shape[1]
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
        splits[name] = Split(Rows(features[rows]), observed[rows].astype(np.float32))
        gene_id[name] = np.array([f"gene{row}" for row in range(rows.start, rows.stop)], dtype=object)
    tissue = np.array([f"tissue{index}" for index in range(TISSUES)], dtype=object)
    track_id = np.array([f"track{index}" for index in range(width)])
    return tasks.Task(
        data=tasks.Data(splits, gene_id, tissue, track_id, {"source": "made up", "bins": 4}, 1e-4),
        loss=Hybrid(alpha=0, beta=1),
        settings={},
        grid={},
        batch_size=7,
        max_epochs=0,
        patience=0,
        select_by="validation_loss",
        seed=0,
        device=torch.device("cpu"),
    )


def sklearn_fits(task):
    """scikit-learn's model of every tissue, of the genes that have a value there."""
    train = task.data.splits["train"]
    x, y = train.features.features.astype(np.float64), train.observed.astype(np.float64)
    present = ~np.isnan(y)
    return [LinearRegression().fit(x[rows], y[rows, tissue]) for tissue, rows in enumerate(present.T)]


# Full rank but for the planted dependences; nearly as many features as genes, so that some tissues with missing values
# are fitted from their own genes; more features than genes.
WIDTHS = pytest.mark.parametrize("width", [20, 58, 90])


@WIDTHS
@pytest.mark.parametrize("missing", [0.0, 0.03, 0.15, 0.7])
def test_equals_scikit_learn(width, missing):
    task = make_task(make_features(width), missing)
    fitted = linear_probe.LinearProbe.fit(task)
    validation, test = task.data.splits["val"], task.data.splits["test"]
    predicted = fitted.predict(test.features)
    assert predicted.dtype == np.float32 and predicted.shape == (GENES["test"], TISSUES)
    assert [row["tissue"] for row in fitted.table] == task.data.tissue.tolist()
    for tissue, (model, row) in enumerate(zip(sklearn_fits(task), fitted.table, strict=True)):
        np.testing.assert_allclose(fitted.coefficients[:, tissue], model.coef_, atol=1e-9)
        np.testing.assert_allclose(fitted.intercept[tissue], model.intercept_, atol=1e-8)
        np.testing.assert_allclose(predicted[:, tissue], model.predict(test.features.features), rtol=1e-6, atol=1e-6)
        present = ~np.isnan(validation.observed[:, tissue])
        expected = spearmanr(model.predict(validation.features.features)[present], validation.observed[present, tissue])
        assert row["validation_cross_gene"] == pytest.approx(expected[0], abs=1e-9)
        assert row["validation_genes"] == present.sum() and row["chosen"] == "yes"
        assert row["training_genes"] == (~np.isnan(task.data.splits["train"].observed[:, tissue])).sum()
        assert row["rank"] == model.rank_


def test_one_decomposition_serves_tissues_that_lack_values(monkeypatch, capsys):
    sizes, plain = [], linear_probe._Factors.__init__

    def count(factors, features, device):
        sizes.append(len(features))
        plain(factors, features, device)

    monkeypatch.setattr(linear_probe._Factors, "__init__", count)
    task = make_task(make_features(20), 0.1)
    linear_probe.LinearProbe.fit(task)
    # All but the gene that has no value anywhere.
    assert sizes == [59] and "17 independent features; 0 of 6 tissues" in capsys.readouterr().out


def test_a_tissue_that_lacks_the_only_gene_of_a_feature_is_fitted_alone(capsys):
    features = make_features(20)
    features[:, 9] = 0
    features[11, 9] = 2
    task = make_task(features)
    observed = task.data.splits["train"].observed.copy()
    observed[[11, 30], 2] = np.nan
    observed[30, 4] = np.nan
    task = with_split(task, "train", observed=observed)
    fitted, fits = linear_probe.LinearProbe.fit(task), sklearn_fits(task)
    np.testing.assert_allclose(fitted.coefficients, np.transpose([model.coef_ for model in fits]), atol=1e-9)
    assert fitted.coefficients[9, 2] == pytest.approx(0, abs=1e-12) and abs(fitted.coefficients[9, 4]) > 1e-3
    assert [row["rank"] for row in fitted.table] == [17, 17, 16, 17, 17, 17]
    assert "1 of 6 tissues fitted from their own genes alone" in capsys.readouterr().out


def test_nearly_equal_features_are_fitted_like_scikit_learn_does():
    """The normal equations would lose these: their squared singular values span more than float64 has digits."""
    features = make_features(20)
    features[:, 1] += np.random.default_rng(1).normal(0, 3e-4, 100).astype(np.float32)
    task = make_task(features, 0.1)
    x = features[:60].astype(np.float64)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert 1e-6 < values[17] / values[0] < 1e-4
    fitted = linear_probe.LinearProbe.fit(task)
    expected = np.transpose([model.coef_ for model in sklearn_fits(task)])
    assert np.abs(expected).max() > 100
    np.testing.assert_allclose(fitted.coefficients, expected, rtol=1e-8, atol=1e-7)


def test_planted_coefficients_are_found():
    features = np.random.default_rng(3).normal(2, 3, (100, 20)).astype(np.float32)
    truth = np.random.default_rng(4).normal(0, 1, (20, TISSUES))
    task = make_task(features)
    for name, split in task.data.splits.items():
        task = with_split(task, name, observed=(split.features.features @ truth + 2).astype(np.float32))
    fitted = linear_probe.LinearProbe.fit(task)
    np.testing.assert_allclose(fitted.coefficients, truth, atol=1e-5)
    np.testing.assert_allclose(fitted.intercept, 2, atol=1e-5)


@WIDTHS
def test_one_tissue_does_not_influence_another_and_order_does_not_matter(width):
    task = make_task(make_features(width), 0.1)
    whole = linear_probe.LinearProbe.fit(task).predict(task.data.splits["test"].features)
    one = task
    for name in ("train", "val"):
        one = with_split(one, name, observed=task.data.splits[name].observed[:, 2:3])
    alone = linear_probe.LinearProbe.fit(replace(one, data=replace(one.data, tissue=task.data.tissue[2:3])))
    np.testing.assert_allclose(alone.predict(task.data.splits["test"].features)[:, 0], whole[:, 2], atol=1e-6)
    random = np.random.default_rng(1)
    genes, columns = random.permutation(GENES["train"]), random.permutation(width)
    train = task.data.splits["train"]
    shuffled = with_split(task, "train", train.features.features[genes][:, columns], train.observed[genes])
    shuffled = with_split(shuffled, "val", task.data.splits["val"].features.features[:, columns])
    test = Rows(task.data.splits["test"].features.features[:, columns])
    np.testing.assert_allclose(linear_probe.LinearProbe.fit(shuffled).predict(test), whole, atol=1e-6)


def test_a_constant_target_is_predicted_as_such():
    task = make_task(make_features(20), 0.1)
    observed = task.data.splits["train"].observed.copy()
    observed[~np.isnan(observed[:, 2]), 2] = np.float32(np.log(1e-4))
    fitted = linear_probe.LinearProbe.fit(with_split(task, "train", observed=observed))
    assert (fitted.predict(task.data.splits["test"].features)[:, 2] == np.float32(np.log(1e-4))).all()
    assert fitted.table[2]["validation_cross_gene"] is None and fitted.table[3]["validation_cross_gene"] is not None


def test_constant_features_predict_the_mean():
    task = make_task(np.full((100, 4), 7.3, np.float32), 0.1)
    predicted = linear_probe.LinearProbe.fit(task).predict(task.data.splits["test"].features)
    means = np.nanmean(task.data.splits["train"].observed, axis=0)
    np.testing.assert_allclose(predicted, np.tile(means, (10, 1)), rtol=1e-6)


def test_bad_input_is_named():
    task = make_task(make_features(20))
    train, validation = task.data.splits["train"], task.data.splits["val"]
    lonely, unseen = train.observed.copy(), validation.observed.copy()
    lonely[1:, 3] = np.nan
    unseen[:, [1, 5]] = np.nan
    broken, infinite = train.features.features.copy(), validation.features.features.copy()
    broken[12, 4], infinite[3, 0] = np.nan, np.inf
    cases = [
        (with_split(task, "train", observed=lonely), "tissue3 has 1 training genes.*1 of 6"),
        (with_split(task, "val", observed=unseen), "tissue1 has 0 validation genes.*2 of 6"),
        (with_split(task, "train", features=broken), "row 12, column 4: nan is no value of a feature"),
        (with_split(task, "val", features=infinite), "row 3, column 0: inf is no value"),
        (with_split(task, "train", features=np.zeros((60, 4, 20))), "one mean a track.*central_means"),
        (with_split(task, "train", features=np.zeros((60, 200))), "one mean a track.*central_means"),
        (replace(task, loss=Hybrid(alpha=1, beta=1)), "squared error.*a loss that is one"),
    ]
    for given, message in cases:
        with pytest.raises(InputError, match=message):
            linear_probe.LinearProbe.fit(given)


def test_a_saved_probe_predicts_the_same_and_saves_the_same_bytes(tmp_path):
    task = make_task(make_features(20), 0.1)
    fitted = linear_probe.LinearProbe.fit(task)
    fitted.save(tmp_path / "one.pt")
    linear_probe.LinearProbe.fit(task).save(tmp_path / "two.pt")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    saved = linear_probe.LinearProbe.load(tmp_path / "one.pt")
    assert saved.coefficients.shape == (20, TISSUES) and saved.coefficients.dtype == np.float64
    assert saved.metadata["tissue"] == [f"tissue{index}" for index in range(TISSUES)]
    assert saved.metadata["inputs"] == {"source": "made up", "bins": 4}
    assert saved.metadata["track_id"] == task.data.track_id.tolist()
    features = task.data.splits["test"].features
    predicted = features.features @ saved.coefficients + saved.intercept
    np.testing.assert_allclose(fitted.predict(features), predicted, rtol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_the_same():
    task = make_task(make_features(20), 0.15)
    on_gpu = linear_probe.LinearProbe.fit(replace(task, device=torch.device("cuda")))
    np.testing.assert_allclose(on_gpu.coefficients, linear_probe.LinearProbe.fit(task).coefficients, atol=1e-9)


def test_the_config_gives_a_probe_no_grid_and_refuses_one():
    rules = linear_probe.LinearProbe.declares["schema"]
    section = schema._with_defaults({"features": "central_means"}, rules, rules)
    assert section == {"features": "central_means", "settings": {}, "grid": {}}
    assert not list(schema._rejected(section, rules))
    for key, value in (("grid", {"penalty": [1]}), ("settings", {"x": 1}), ("features", "spatial_basis")):
        assert list(schema._rejected({**section, key: value}, rules))


def test_from_the_store_to_the_files_of_a_run(tmp_path):
    """Expression planted in the embedding at the TSS is found through the reduced file by the script."""
    random = np.random.default_rng(6)
    geometry = Geometry.centred(2560, 20, 128)
    embedding = random.normal(0, 1, (300, 8)).astype(np.float32)
    gene_id = [f"gene{row}" for row in range(300)]
    with ShardWriter(
        tmp_path / "s.h5",
        gene_id=gene_id,
        strand=random.choice(["+", "-"], 300),
        track_id=["a"],
        track_type=["chromatin"],
        bins=20,
        bin_size=128,
        provenance={"source": "planted", "central_bins": "10"},
        means={"central_tracks": 1, "central_embedding": 8},
    ) as writer:
        writer.write(0, np.ones((300, 20, 1)), central_tracks=np.ones((300, 1)), central_embedding=embedding)
    reduce_store(tmp_path / "s.h5", tmp_path / "features.h5", "central_means", geometry, 10, "embedding")
    observed = embedding @ random.normal(0, 1, (8, TISSUES)) - 1
    missing = random.random(observed.shape) < 0.1
    write_split(tmp_path / "split.tsv", gene_id, np.repeat(["train", "val", "test"], [200, 50, 50]))
    write_expression(tmp_path / "expression.h5", np.where(missing, np.nan, observed), gene_id)
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
            type="probe",
            tracks="embedding",
            orientation="gene",
            bins=0,
            features="central_means",
            loss={"type": "hybrid", "alpha": 0, "beta": 1},
            settings={},
            grid={},
            batch_size=64,
            max_epochs=0,
            patience=0,
            select_by="validation_loss",
            seed=1,
            job=0,
            jobs=1,
        ),
        threads=torch.get_num_threads(),
        resources=SimpleNamespace(allow_cpu=0, gpu=1),
        log=[str(tmp_path / "log.txt")],
    )
    runpy.run_path(scripts.path("fit_head.py"), {"snakemake": snakemake})
    with h5py.File(tmp_path / "run" / "predictions.h5") as file:
        test = file["split"].asstr()[:] == "test"
        np.testing.assert_allclose(file["predicted"][test], observed[250:], atol=1e-5)
    with open(tmp_path / "run" / "grid.tsv") as handle:
        assert handle.readline() == "tissue\ttraining_genes\trank\tvalidation_cross_gene\tvalidation_genes\tchosen\n"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [row["rank"] for row in summary["chosen"]] == [8] * TISSUES
    assert summary["inputs"] == {"source": "planted", "tracks": "embedding", "orientation": "gene", "bins": 10}
    assert summary["validation"]["cross_gene"]["n"] == TISSUES
