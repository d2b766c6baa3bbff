"""The training loop and the files of a fitted head, on small stores in which expression follows from the tracks."""

import csv
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

import scripts
from checked_files import alter
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.genome import targets
from chrom2expr.heads import cnn, training
from chrom2expr.heads.tasks import Split
from chrom2expr.heads.training import TrainingOptions, expand, fit_grid
from chrom2expr.losses.hybrid import Hybrid, hybrid_loss
from chrom2expr.tracks.store_reader import FeatureStore
from chrom2expr.tracks.store_writer import FORMAT, ShardWriter
from made_files import write_expression, write_split

GENES, BINS, TRACKS, TISSUES = 400, 32, 8, 12
NETWORK = {"width": 16, "kernel_size": 3, "blocks": 2}
OPTIONS = TrainingOptions(
    loss=Hybrid(alpha=1, beta=1),
    batch_size=40,
    max_epochs=2,
    patience=2,
    select_by="validation_loss",
    weight_decay=0.01,
    seed=4,
)
CPU = torch.device("cpu")
GRID = {"learning_rate": [1e-3, 3e-3], "dropout": [0.0, 0.2, 0.4]}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A store, and expression made from it: track 0 near the TSS sets a gene's level, tracks 1 to 4 its tissues.

    The level varies more between genes than anything does between tissues, as in real expression.
    """
    path = tmp_path_factory.mktemp("store") / "features.h5"
    random = np.random.default_rng(11)
    tracks = random.gamma(0.5, 2, (GENES, BINS, TRACKS)).astype(np.float16)
    gene_id = [f"gene{i}" for i in range(GENES)]
    with ShardWriter(
        path,
        gene_id=gene_id,
        strand=["+"] * GENES,
        track_id=[f"track{i}" for i in range(TRACKS)],
        track_type=["chromatin"] * (TRACKS - 1) + ["cage"],
        bins=BINS,
        bin_size=128,
        provenance={"source": "planted"},
    ) as writer:
        writer.write(0, tracks)
    middle = np.log1p(tracks[:, BINS // 2 - 4 : BINS // 2 + 4, :5].astype(np.float64)).sum(axis=1)
    middle = (middle - middle.mean(axis=0)) / middle.std(axis=0)
    observed = 2 * middle[:, :1] + 0.5 * middle[:, 1:] @ random.normal(size=(4, TISSUES)) - 3
    observed += random.normal(0, 0.3, observed.shape)
    observed[random.random(observed.shape) < 0.02] = np.nan
    return SimpleNamespace(path=path, gene_id=gene_id, observed=observed.astype(np.float32))


def _splits(planted, observed=None):
    """Fresh selections: 280 training, 60 validation and 60 test genes."""
    store = FeatureStore(planted.path)
    observed = planted.observed if observed is None else observed
    parts = np.split(np.arange(GENES), [280, 340])
    return [Split(store.select([planted.gene_id[row] for row in rows]), observed[rows]) for rows in parts]


def _build(point, seed=4):
    return cnn.ExpressionCNN(TRACKS - 1, BINS, TISSUES, **NETWORK, dropout=point["dropout"], seed=seed)


def _fit(planted, points, options=OPTIONS, splits=None):
    train, validation, _ = splits or _splits(planted)
    return fit_grid(_build, points, train, validation, options, CPU)


def test_expand_gives_every_combination_in_order():
    assert expand({"learning_rate": [1, 2], "dropout": [3, 4]}) == [
        {"learning_rate": 1, "dropout": 3},
        {"learning_rate": 1, "dropout": 4},
        {"learning_rate": 2, "dropout": 3},
        {"learning_rate": 2, "dropout": 4},
    ]


def test_a_grid_reads_no_more_than_one_point(planted):
    read = []
    for points in (expand(GRID)[:1], expand(GRID)):
        train, validation, _ = splits = _splits(planted)
        _fit(planted, points, splits=splits)
        read.append((train.features.bytes_read, validation.features.bytes_read))
    per_gene = BINS * (TRACKS - 1) * 2
    epochs = OPTIONS.max_epochs
    assert read == [(epochs * 280 * per_gene, epochs * 60 * per_gene)] * 2


def test_a_point_in_company_ends_in_the_same_bits_as_alone(planted):
    # The one that is chosen among all, so that its weights are seen; it has dropout.
    points = [{"learning_rate": rate, "dropout": dropout} for rate, dropout in ((1e-5, 0.4), (3e-3, 0.2), (1e-5, 0))]
    company, table = _fit(planted, points)
    torch.rand(5)
    alone, [row] = _fit(planted, points[1:2])
    assert table[1] == row
    assert row["chosen"] == "yes"
    for name, value in company.state_dict().items():
        assert torch.equal(value, alone.state_dict()[name]), name


def test_the_seed_decides_everything(planted):
    first, table = _fit(planted, expand(GRID))
    again, table_again = _fit(planted, expand(GRID))
    assert table == table_again
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    _, other = _fit(planted, expand(GRID), replace(OPTIONS, seed=5))
    assert other != table


@pytest.mark.parametrize("select_by", ["validation_loss", "validation_cross_gene"])
def test_the_best_point_and_epoch_are_returned(planted, select_by):
    splits = _splits(planted)
    options = replace(OPTIONS, select_by=select_by, max_epochs=4, loss=Hybrid(alpha=0, beta=1))
    model, table = _fit(planted, expand({**GRID, "learning_rate": [1e-3, 3e-2]}), options, splits)
    scores = [row[select_by] for row in table]
    best = int(np.argmin(scores) if select_by == "validation_loss" else np.argmax(scores))
    assert [row["chosen"] for row in table] == ["yes" if i == best else "no" for i in range(6)]
    # The model scores what the table says of it, computed here from its predictions in batches of another size.
    validation = splits[1]
    [predicted] = training.predict([model], validation.features, 7, CPU)
    assert metrics.cross_gene(predicted, validation.observed).mean() == pytest.approx(
        table[best]["validation_cross_gene"], abs=1e-3
    )
    squares = np.nanmean((predicted - validation.observed) ** 2, axis=1).mean()
    assert squares == pytest.approx(table[best]["validation_loss"], rel=1e-5)


def test_patience_stops_each_point_and_then_the_reading(planted):
    splits = _splits(planted)
    noise = np.random.default_rng(0).normal(size=(GENES, TISSUES)).astype(np.float32)
    splits[0] = Split(splits[0].features, noise[:280])
    model, table = _fit(planted, expand(GRID), replace(OPTIONS, max_epochs=50, patience=1), splits)
    epochs = [row["epochs"] for row in table]
    assert all(row["epochs"] == row["epoch"] + 1 < 50 for row in table)
    assert splits[0].features.bytes_read == max(epochs) * 280 * BINS * (TRACKS - 1) * 2
    # What comes back is the best epoch's weights, not the last one's.
    [predicted] = training.predict([model], splits[1].features, 40, CPU)
    loss = hybrid_loss(torch.from_numpy(predicted), torch.from_numpy(splits[1].observed), 1, 1)
    assert loss.item() == min(row["validation_loss"] for row in table)


def test_genes_without_expression_and_a_lonely_last_gene_take_no_part(planted):
    splits = _splits(planted)
    observed = splits[0].observed.copy()
    observed[:39] = np.nan  # 241 = 6 * 40 + 1 are left
    splits[0] = Split(splits[0].features, observed)
    seen = []
    original = splits[0].features.batches

    def batches(order, size):
        seen.append(order)
        return original(order, size)

    splits[0].features.batches = batches
    _fit(planted, expand(GRID)[:1], splits=splits)
    assert all(len(order) == 240 and order.min() >= 39 for order in seen)
    assert not np.array_equal(*seen)


def test_a_diverging_point_is_dropped_and_said(planted, capsys):
    points = [{"learning_rate": 1e30, "dropout": 0}, {"learning_rate": 1e-3, "dropout": 0}]
    model, table = _fit(planted, points)
    assert [row["status"] for row in table] == ["diverged", "ok"]
    assert table[0]["epoch"] is None and table[0]["chosen"] == "no" and table[1]["chosen"] == "yes"
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert "diverged, dropped" in capsys.readouterr().out
    with pytest.raises(InputError, match="learning_rate"):
        _fit(planted, points[:1])


def test_an_edge_of_the_learning_rates_is_said(planted, capsys):
    _fit(planted, [{"learning_rate": rate, "dropout": 0} for rate in (1e-6, 1e-5, 1e-3)])
    assert "0.001, is the largest one tried" in capsys.readouterr().out
    _fit(planted, [{"learning_rate": rate, "dropout": 0} for rate in (1e-5, 1e-3, 1e30)])
    assert "Warning" not in capsys.readouterr().out


def test_undefined_correlations_are_counted_and_no_reason_to_change_the_learning_rate(planted, capsys):
    train, validation, _ = _splits(planted)
    constant = validation.observed.copy()
    constant[:, 2] = -9
    _, [row] = _fit(planted, expand(GRID)[:1], splits=(train, Split(validation.features, constant), None))
    assert row["validation_tissues"] == TISSUES - 1 and "(1 tissues undefined)" in capsys.readouterr().out
    constant[:] = -9
    options = replace(OPTIONS, select_by="validation_cross_gene")
    with pytest.raises(InputError, match="every validation correlation is undefined.*select_by: validation_loss"):
        _fit(planted, expand(GRID)[:1], options, (train, Split(validation.features, constant), None))


def test_nothing_to_learn_from_is_said_before_anything_is_read(planted):
    empty = np.full((GENES, TISSUES), np.nan, dtype=np.float32)
    train, validation, _ = _splits(planted)
    nothing, unseen, _ = _splits(planted, empty)
    single = Split(train.features, train.observed[:, :1])
    for splits, message in (
        ((nothing, validation), "0 training genes"),
        ((train, unseen), "no validation gene"),
        ((single, Split(validation.features, validation.observed[:, :1])), "there is one tissue"),
    ):
        with pytest.raises(InputError, match=message):
            fit_grid(_build, expand(GRID), *splits, OPTIONS, CPU)
    assert train.features.bytes_read == 0


# From here on: the whole head, from files to files.


@pytest.fixture
def job(planted, tmp_path):
    """The snakemake object of the rule that fits a head, with its files in place; `shuffle` breaks gene and target."""
    write_split(tmp_path / "split.tsv", planted.gene_id, np.repeat(["train", "val", "test"], [280, 60, 60]))
    given = {"features": planted.path, "split": tmp_path / "split.tsv", "expression": tmp_path / "expression.h5"}

    def make(folder="run", shuffle=False, alpha=0, beta=1, **params):
        observed = planted.observed
        if shuffle:
            observed = observed[np.random.default_rng(8).permutation(GENES)]
        write_expression(given["expression"], observed, planted.gene_id, [f"tissue{i}" for i in range(TISSUES)])
        out = tmp_path / folder
        out.mkdir()
        made = {"model": "model.pt", "grid": "grid.tsv", "predictions": "predictions.h5", "summary": "summary.json"}
        defaults = {
            "type": "cnn",
            "tracks": "chromatin",
            "orientation": "gene",
            "features": "store",
            "bins": 0,
            "job": 0,
            "jobs": 1,
            "loss": {"type": "hybrid", "alpha": alpha, "beta": beta},
            "settings": {**NETWORK, "transform": "log1p", "weight_decay": 0.01},
            "grid": {"learning_rate": [1e-2], "dropout": [0.1]},
            "batch_size": 20,
            "max_epochs": 6,
            "patience": 3,
            "select_by": "validation_loss",
            "seed": 3,
        }
        return SimpleNamespace(
            input=SimpleNamespace(**{name: str(path) for name, path in given.items()}, shards=[], models=[]),
            output=SimpleNamespace(**{name: out / file for name, file in made.items()}),
            params=scripts.params(**{**defaults, **params}),
            threads=1,
            resources=SimpleNamespace(allow_cpu=0, gpu=1),
            log=[str(out / "log.txt")],
        )

    return make


def _run(snakemake):
    """Run the script as Snakemake does; the test genes' mean cross-gene and cross-celltype Spearman."""
    script = scripts.path("fit_head.py")
    threads = torch.get_num_threads()
    try:
        runpy.run_path(script, init_globals={"snakemake": snakemake})
    finally:
        torch.set_num_threads(threads)
    with h5py.File(snakemake.output.predictions) as file:
        test = file["split"].asstr()[:] == "test"
        predicted, observed = file["predicted"][test], file["observed"][test]
    return tuple(np.nanmean(metric(predicted, observed)) for metric in (metrics.cross_gene, metrics.cross_celltype))


def test_planted_signal_is_found_and_gone_when_shuffled_and_the_loss_decides_which(job):
    mse, shuffled = _run(job("mse")), _run(job("shuffled", shuffle=True))
    hybrid, pearson = _run(job("hybrid", alpha=100)), _run(job("pearson", alpha=1, beta=0))
    cross_gene, cross_celltype = zip(mse, hybrid, pearson)
    assert cross_gene[0] > 0.7, (mse, shuffled, hybrid, pearson)
    assert abs(shuffled[0]) < 0.25
    assert shuffled[1] < cross_celltype[0] - 0.2
    # The Pearson term helps across tissues; alone it does not learn the level of a gene.
    assert min(cross_celltype[1:]) > cross_celltype[0] + 0.02
    assert cross_gene[2] < cross_gene[0] - 0.4


def test_files_of_a_run(job, planted):
    few = {"grid": {"learning_rate": [1e-3, 1e30], "dropout": [0.1]}, "max_epochs": 1}
    first, second = job("first", **few), job("second", **few)
    _run(first)
    _run(second)
    for name, path in vars(first.output).items():
        assert path.read_bytes() == getattr(second.output, name).read_bytes(), name

    with open(first.output.grid) as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert [(row["learning_rate"], row["status"], row["chosen"]) for row in rows] == [
        ("0.001", "ok", "yes"),
        ("1e+30", "diverged", "no"),
    ]
    with h5py.File(first.output.predictions) as file:
        assert file["gene_id"].asstr()[:].tolist() == planted.gene_id[280:]
        assert file["split"].asstr()[:].tolist() == ["val"] * 60 + ["test"] * 60
        assert file["tissue"].asstr()[0] == "tissue0"
        assert file["predicted"].dtype == file["observed"].dtype == np.float32
        np.testing.assert_array_equal(file["observed"][:], planted.observed[280:])
        predicted = file["predicted"][:]
    summary = json.loads(first.output.summary.read_text())
    missing = int(np.isnan(planted.observed[:280]).sum())
    assert summary["genes"]["train"] == {"all": 280, "with_expression": 280, "missing_values": missing}
    assert (summary["diverged"], summary["device"], summary["tracks"]) == (1, "cpu", TRACKS - 1)
    assert summary["precision"] == "float32"
    assert summary["validation"]["cross_gene"]["mean"] == pytest.approx(float(rows[0]["validation_cross_gene"]))

    loaded = cnn.MultiTissueCNN.load(first.output.model)
    model, metadata = loaded.network, loaded.metadata
    assert metadata["track_id"] == [f"track{i}" for i in range(TRACKS - 1)]
    assert metadata["inputs"] == {"source": "planted", "tracks": "chromatin", "orientation": "gene", "bins": BINS}
    selection = FeatureStore(planted.path).select(planted.gene_id[280:])
    [again] = training.predict([model], selection, 16, CPU)
    np.testing.assert_allclose(again, predicted, atol=1e-5)


@pytest.mark.parametrize(("gene", "value"), [(7, np.nan), (300, -np.inf), (350, np.nan)])
@pytest.mark.parametrize("type", ["cnn", "single_cnn"])
def test_a_feature_that_is_no_number_is_named_in_any_split(job, planted, tmp_path, capsys, type, gene, value):
    store = tmp_path / "broken.h5"
    store.write_bytes(planted.path.read_bytes())

    def change(datasets, _):
        datasets["tracks"][gene, 3, 2] = value

    alter(store, FORMAT, change)
    snakemake = job("broken", max_epochs=2, type=type)
    snakemake.input.features = store
    with pytest.raises(SystemExit):
        _run(snakemake)
    said = Path(snakemake.log[0]).read_text()
    assert re.search(f"broken.h5: gene gene{gene}, track track2: {value} is no value of a feature", said), said
    assert [path.name for path in snakemake.output.model.parent.iterdir()] == ["log.txt"]


def _turn_expression_round(given):
    def change(datasets, _):
        datasets["gene_id"] = datasets["gene_id"][::-1]

    alter(given.expression, targets.FORMAT, change)


def _empty_validation(given):
    _edit(given.split, "\tval\n", "\ttrain\n")


def _rename_split(given):
    _edit(given.split, "\tsplit\n", "\tsplits\n")


def _rename_gene(given):
    _edit(given.split, "gene7\t", "geneX\t")

    def change(datasets, _):
        datasets["gene_id"][7] = "geneX"

    alter(given.expression, targets.FORMAT, change)


def _empty_tissue(given):
    def change(datasets, _):
        datasets["log_expression"][:280, 3] = np.nan

    alter(given.expression, targets.FORMAT, change)


def _edit(path, old, new):
    path = Path(path)
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_turn_expression_round, r"the genes of .*split.tsv are not among those of .*expression.h5"),
        (_empty_validation, r"split.tsv puts no gene into val: see splits"),
        (_rename_split, r"split.tsv, row 1: no column split"),
        (_rename_gene, r"features.h5: gene geneX"),
        (
            _empty_tissue,
            rf"tissue tissue3 has 0 training genes with a value \(1 of {TISSUES} tissues have fewer than 1\)",
        ),
    ],
)
def test_files_that_disagree_are_said_and_leave_nothing_half_written(job, spoil, message):
    snakemake = job()
    spoil(snakemake.input)
    with pytest.raises(SystemExit):
        _run(snakemake)
    assert re.search(message, Path(snakemake.log[0]).read_text())
    assert [path.name for path in snakemake.output.model.parent.iterdir()] == ["log.txt"]
