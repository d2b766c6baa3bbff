"""The bundle of single-tissue CNNs against each network trained alone."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import cnn, run_files, single_cnn, tasks, training
from chrom2expr.heads.tasks import Split
from chrom2expr.heads.training import expand
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks.store_reader import FeatureStore
from chrom2expr.tracks.store_writer import ShardWriter

BINS, TRACKS, TISSUES = 16, 5, 3
GENES = {"train": 121, "val": 31, "test": 20}
NETWORK = {"width": 6, "kernel_size": 3, "blocks": 2}
GRID = {"learning_rate": [1e-3, 2e-2], "dropout": [0.0, 0.3]}
PER_GENE = BINS * TRACKS * 2
# Sums are taken in another order, and AdamW divides by the gradients' size.
CLOSE = {"rtol": 2e-3, "atol": 2e-4}
CLOSE_DOUBLE = {"rtol": 1e-6, "atol": 1e-8}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A store, and the expression of each tissue made from a track of its own."""
    genes = sum(GENES.values())
    random = np.random.default_rng(2)
    tracks = random.gamma(0.5, 2, (genes, BINS, TRACKS)).astype(np.float16)
    path = tmp_path_factory.mktemp("store") / "features.h5"
    with ShardWriter(
        path,
        gene_id=[f"gene{row}" for row in range(genes)],
        strand=np.where(np.arange(genes) % 2, "-", "+"),
        track_id=[f"track{column}" for column in range(TRACKS)],
        track_type=["chromatin"] * TRACKS,
        bins=BINS,
        bin_size=128,
        provenance={"source": "planted"},
    ) as writer:
        writer.write(0, tracks)
    level = np.log1p(tracks[:, 6:10, :TISSUES].astype(np.float64)).sum(axis=1)
    observed = 2 * (level - level.mean(axis=0)) / level.std(axis=0) - 3 + random.normal(0, 0.3, level.shape)
    return SimpleNamespace(path=path, observed=observed.astype(np.float32))


@pytest.fixture
def double(monkeypatch):
    """Everything in float64, so that two ways to the same result agree far closer than any mistake would let them."""
    prepare = cnn.ExpressionCNN.prepare
    monkeypatch.setattr(cnn.ExpressionCNN, "prepare", lambda self, features: prepare(self, features).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_task(planted, observed=None, tissues=range(TISSUES), bundle=0, **changes):
    tissues = list(tissues)
    observed = planted.observed if observed is None else observed
    store, splits, gene_id, start = FeatureStore(planted.path), {}, {}, 0
    for name, count in GENES.items():
        rows = slice(start, start := start + count)
        gene_id[name] = store.gene_id[rows].astype(object)
        splits[name] = Split(store.select(gene_id[name]), observed[rows][:, tissues])
    task = tasks.Task(
        data=tasks.Data(
            splits,
            gene_id,
            np.array([f"tissue{t}" for t in tissues], dtype=object),
            store.track_id,
            {"bins": BINS},
            1e-4,
        ),
        loss=Hybrid(alpha=0, beta=1),
        settings={**NETWORK, "transform": "log1p", "weight_decay": 0.01, "bundle": bundle},
        grid=GRID,
        batch_size=20,
        max_epochs=3,
        patience=2,
        select_by="validation_cross_gene",
        seed=5,
        device=torch.device("cpu"),
    )
    return replace(task, **changes)


def with_missing(planted):
    """A quarter of the values missing, tissue 1 nearly everywhere, so that whole batches of it are, and one gene."""
    random = np.random.default_rng(4)
    observed = planted.observed.copy()
    absent = random.random(observed.shape) < 0.25
    absent[: GENES["train"], 1] = random.random(GENES["train"]) < 0.96
    absent[3] = True
    observed[absent] = np.nan
    return observed


def states(fitted):
    return [fitted.network.state(tissue) for tissue in range(len(fitted.metadata["tissue"]))]


def assert_same_rows(table, expected):
    for row, other in zip(table, expected, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            # A Spearman over 31 genes moves in steps, where two predictions are close to a tie.
            close = isinstance(value, float)
            assert value == (pytest.approx(other[name], rel=2e-3, abs=5e-3) if close else other[name]), (name, row)


@pytest.mark.parametrize(
    ("select_by", "close"),
    [("validation_loss", CLOSE), ("validation_loss", CLOSE_DOUBLE), ("validation_cross_gene", CLOSE_DOUBLE)],
)
def test_a_bundle_is_every_network_trained_alone_by_the_other_loop(planted, select_by, close, request):
    if close is CLOSE_DOUBLE:
        request.getfixturevalue("double")
    task = make_task(planted, select_by=select_by)
    fitted = single_cnn.SingleTissueCNNs.fit(task)
    predicted = fitted.predict(task.data.splits["test"].features)
    for tissue in range(TISSUES):
        alone = make_task(planted, tissues=[tissue], select_by=select_by)
        alone.settings.pop("bundle")
        train, validation = alone.data.splits["train"], alone.data.splits["val"]
        options, shape = training.TrainingOptions.of(alone), train.features.shape[1:]

        def build(point, tissue=tissue, shape=shape, train=train, settings=alone.settings):
            seed, start = single_cnn.network_seed(5, f"tissue{tissue}"), training.target_means(train.observed)
            return cnn.MultiTissueCNN.build(shape, 1, settings, point, seed, start)

        model, table = training.fit_grid(build, expand(GRID), train, validation, options, torch.device("cpu"))
        rows = [row for row in fitted.table if row["tissue"] == f"tissue{tissue}"]
        # The other loop chooses among the same points.
        assert_same_rows(rows, [{"tissue": f"tissue{tissue}", **row} for row in table])
        state = fitted.network.state(tissue)
        for name, value in model.state_dict().items():
            if value.dim():
                torch.testing.assert_close(state[name], value, **close)
        [expected] = training.predict([model], alone.data.splits["test"].features, 7, torch.device("cpu"))
        np.testing.assert_allclose(predicted[:, tissue], expected[:, 0], rtol=1e-3, atol=2e-3)


def test_a_tissue_alone_ends_as_in_company_whatever_the_others_lack(planted, double):
    observed = with_missing(planted)
    whole = single_cnn.SingleTissueCNNs.fit(make_task(planted, observed))
    test = make_task(planted).data.splits["test"].features
    for tissue in range(TISSUES):
        alone = single_cnn.SingleTissueCNNs.fit(make_task(planted, observed, tissues=[tissue]))
        assert_same_rows([row for row in whole.table if row["tissue"] == f"tissue{tissue}"], alone.table)
        for name, value in alone.network.state(0).items():
            if value.dim():
                torch.testing.assert_close(whole.network.state(tissue)[name], value, **CLOSE_DOUBLE)
        np.testing.assert_allclose(alone.predict(test)[:, 0], whole.predict(test)[:, tissue], rtol=1e-4, atol=1e-5)


def test_missing_values_against_a_slow_loop(planted, double):
    observed = with_missing(planted)
    task = make_task(planted, observed, grid={"learning_rate": [5e-3], "dropout": [0.3]}, max_epochs=1)
    fitted = single_cnn.SingleTissueCNNs.fit(task)
    train = task.data.splits["train"]
    order = np.random.default_rng(5).permutation(GENES["train"])
    if len(order) % 20 == 1:
        order = order[:-1]  # a batch of one gene has no statistics
    skipped = 0
    for tissue in range(TISSUES):
        model = cnn.ExpressionCNN(
            TRACKS,
            BINS,
            1,
            **NETWORK,
            dropout=0.3,
            seed=single_cnn.network_seed(5, f"tissue{tissue}"),
            start=np.nanmean(train.observed[:, [tissue]], axis=0),
        )
        optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
        for start in range(0, len(order), 20):
            batch = order[start : start + 20]
            target = train.observed[batch, tissue]
            present = ~np.isnan(target)
            predicted = model(model.prepare(torch.from_numpy(train.features.read(batch))))[:, 0]
            if present.any():
                optimiser.zero_grad()
                (predicted[present] - torch.from_numpy(target[present])).square().mean().backward()
                optimiser.step()
            else:
                skipped += 1
        state = fitted.network.state(tissue)
        for name, value in model.state_dict().items():
            if value.dim():
                torch.testing.assert_close(state[name], value, **CLOSE_DOUBLE)
    assert skipped, "no batch without a tissue was tried"


def test_the_size_of_the_bundle_does_not_matter_and_stopped_networks_leave_it(planted, monkeypatch, double):
    observed = with_missing(planted)
    changes = {"max_epochs": 5, "patience": 1, "grid": {"learning_rate": [1e-3, 2e-2], "dropout": [0.3]}}
    sizes = []
    pick = single_cnn.Bundle.pick
    monkeypatch.setattr(single_cnn.Bundle, "pick", lambda self, keep: sizes.append(len(keep)) or pick(self, keep))
    whole = single_cnn.SingleTissueCNNs.fit(make_task(planted, observed, **changes))
    assert sizes and max(sizes) < len(whole.table) and len({row["epochs"] for row in whole.table}) > 2
    assert [row["chosen"] for row in whole.table].count("yes") == TISSUES
    test = make_task(planted).data.splits["test"].features
    for bundle in (1, 4):
        parts = single_cnn.SingleTissueCNNs.fit(make_task(planted, observed, bundle=bundle, **changes))
        assert_same_rows(parts.table, whole.table)
        for state, other in zip(states(parts), states(whole), strict=True):
            for name, value in state.items():
                if value.dim():
                    torch.testing.assert_close(value, other[name], **CLOSE_DOUBLE)
        np.testing.assert_allclose(parts.predict(test), whole.predict(test), rtol=1e-4, atol=1e-5)


def test_every_bundle_reads_the_store_once_an_epoch_whatever_its_size(planted):
    for bundle, times, points in ((0, 1, 4), (0, 1, 1), (4, 3, 4)):
        grid = {**GRID, "dropout": [0.3] * (points // 2) or [0.3], "learning_rate": [1e-3, 2e-3][: min(points, 2)]}
        task = make_task(planted, bundle=bundle, grid=grid)
        fitted = single_cnn.SingleTissueCNNs.fit(task)
        train, validation, test = (task.data.splits[name].features for name in tasks.SPLITS)
        assert all(row["epochs"] == 3 for row in fitted.table)
        # 121 training genes are six batches and a gene that sits the epoch out.
        assert train.bytes_read == times * 3 * 120 * PER_GENE
        assert validation.bytes_read == times * 3 * GENES["val"] * PER_GENE
        fitted.predict(test)
        assert test.bytes_read == GENES["test"] * PER_GENE


def test_other_tissues_do_not_matter(planted):
    all_of_them, one = (
        single_cnn.SingleTissueCNNs.fit(make_task(planted, tissues=tissues)) for tissues in (range(TISSUES), [2])
    )
    for name, value in all_of_them.network.state(2).items():
        torch.testing.assert_close(one.network.state(0)[name], value, **CLOSE)
    first = (all_of_them.network.state(tissue)["stem.weight"] for tissue in range(TISSUES))
    assert single_cnn.network_seed(5, "tissue0") != single_cnn.network_seed(5, "tissue1")
    assert single_cnn.network_seed(5, "tissue0") != single_cnn.network_seed(6, "tissue0")
    assert len({value.sum().item() for value in first}) == TISSUES


def test_the_seed_decides_every_bit(planted):
    first, again = (single_cnn.SingleTissueCNNs.fit(make_task(planted)) for _ in range(2))
    assert first.table == again.table
    for state, other in zip(states(first), states(again)):
        assert all(torch.equal(state[name], other[name]) for name in state)
    assert single_cnn.SingleTissueCNNs.fit(make_task(planted, seed=6)).table != first.table


def test_adamw_is_torchs(planted):
    shape = {"tracks": TRACKS, "bins": BINS, "transform": "none", **NETWORK}
    solos = [cnn.ExpressionCNN(**shape, tissues=1, dropout=0, seed=seed) for seed in range(3)]
    bundle = single_cnn.Bundle(shape, [solo.state_dict() for solo in solos], [solo.dropout for solo in solos])
    rates = [1e-3, 1e-2, 0.1]
    optimiser = single_cnn.AdamW(bundle, torch.tensor(rates, dtype=torch.float64), 0.3)
    references = [torch.optim.AdamW(solo.parameters(), lr=rate, weight_decay=0.3) for solo, rate in zip(solos, rates)]
    generator = torch.Generator().manual_seed(0)
    for step in range(9):
        # The first two take their first step late, the second sits another one out.
        taking = torch.tensor([step > 1, step > 0 and step != 5, True])
        for parts in zip(bundle.parameters(), *(solo.parameters() for solo in solos), strict=True):
            whole, shares = parts[0], parts[1:]
            gradients = [torch.randn(share.shape, generator=generator) * bool(t) for share, t in zip(shares, taking)]
            whole.grad = torch.cat(gradients)
            for share, gradient, takes in zip(shares, gradients, taking):
                share.grad = gradient if takes else None
        optimiser.step(taking)
        for reference in references:
            reference.step()
        if step == 6:
            bundle = bundle.pick([0, 2])
            optimiser.pick([0, 2], bundle)
            solos, references = solos[::2], references[::2]
            break
    for index, solo in enumerate(solos):
        for name, value in solo.named_parameters():
            torch.testing.assert_close(bundle.state(index)[name], value.detach(), rtol=1e-5, atol=1e-6)
    for parts in zip(bundle.parameters(), *(solo.parameters() for solo in solos), strict=True):
        gradients = [torch.randn(share.shape, generator=generator) for share in parts[1:]]
        parts[0].grad = torch.cat(gradients)
        for share, gradient in zip(parts[1:], gradients):
            share.grad = gradient
    optimiser.step(torch.tensor([True, True]))
    for reference in references:
        reference.step()
    for index, solo in enumerate(solos):
        for name, value in solo.named_parameters():
            torch.testing.assert_close(bundle.state(index)[name], value.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("select_by", ["validation_loss", "validation_cross_gene"])
def test_each_tissue_has_its_own_best_point_and_finds_its_signal(planted, select_by):
    task = make_task(planted, select_by=select_by, max_epochs=12, patience=3)
    fitted = single_cnn.SingleTissueCNNs.fit(task)
    splits = task.data.splits
    predicted = fitted.predict(splits["val"].features)
    scores = metrics.cross_gene(predicted, splits["val"].observed)
    errors = ((predicted - splits["val"].observed) ** 2).mean(axis=0)
    assert list(fitted.table[0]) == [
        "tissue",
        "learning_rate",
        "dropout",
        "status",
        "epochs",
        "epoch",
        "validation_loss",
        "validation_cross_gene",
        "validation_tissues",
        "chosen",
    ]
    for tissue in range(TISSUES):
        rows = [row for row in fitted.table if row["tissue"] == f"tissue{tissue}"]
        [chosen] = [row for row in rows if row["chosen"] == "yes"]
        best = min if select_by == "validation_loss" else max
        assert chosen[select_by] == best(row[select_by] for row in rows)
        # What is kept is the chosen network at its chosen epoch.
        assert scores[tissue] == pytest.approx(chosen["validation_cross_gene"], abs=5e-3)
        assert errors[tissue] == pytest.approx(chosen["validation_loss"], rel=1e-4)
    test = metrics.cross_gene(fitted.predict(splits["test"].features), splits["test"].observed)
    assert test.mean() > 0.6, test


def test_a_saved_model_predicts_the_same_and_saves_the_same_bytes(planted, tmp_path):
    task = make_task(planted)
    fitted = single_cnn.SingleTissueCNNs.fit(task)
    fitted.save(tmp_path / "one.pt")
    fitted.save(tmp_path / "two.pt")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    loaded = single_cnn.SingleTissueCNNs.load(tmp_path / "one.pt")
    model, metadata = loaded.network, loaded.metadata
    assert metadata == fitted.metadata
    assert metadata["tissue"] == ["tissue0", "tissue1", "tissue2"] and metadata["inputs"] == {"bins": BINS}
    features = task.data.splits["test"].features
    again = model(model.prepare(torch.from_numpy(features.read(np.arange(20))))).detach().numpy()
    np.testing.assert_allclose(again, fitted.predict(features), rtol=1e-5, atol=1e-5)


def test_the_files_of_a_run(planted, tmp_path):
    task = make_task(planted, grid={"learning_rate": [1e-3, 1e30], "dropout": [0.1]})
    names = ("model.pt", "grid.tsv", "predictions.h5", "summary.json")
    run_files.write_run(task, single_cnn.SingleTissueCNNs.fit(task), *(tmp_path / name for name in names))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["tissue"] for row in summary["chosen"]] == ["tissue0", "tissue1", "tissue2"]
    assert summary["diverged"] == TISSUES
    assert (tmp_path / "grid.tsv").read_text().count("\tdiverged\t") == TISSUES


def test_diverging_networks_leave_the_others_alone(planted, capsys):
    rates = {"learning_rate": [1e30, 2e-3], "dropout": [0.3]}
    fitted = single_cnn.SingleTissueCNNs.fit(make_task(planted, grid=rates))
    assert "Warning: 3 of 6 networks diverged" in capsys.readouterr().out
    alone = single_cnn.SingleTissueCNNs.fit(make_task(planted, grid={**rates, "learning_rate": [2e-3]}))
    assert [row["status"] for row in fitted.table] == ["diverged", "ok"] * TISSUES
    assert fitted.table[0]["epoch"] is None and fitted.table[0]["chosen"] == "no"
    assert_same_rows(fitted.table[1::2], alone.table)
    for state, again in zip(states(fitted), states(alone)):
        assert all(value.isfinite().all() for value in state.values())
        torch.testing.assert_close(state["stem.weight"], again["stem.weight"], **CLOSE)
    with pytest.raises(InputError, match="all networks of 3 of 3 tissues diverged.*tissue0, tissue1.*learning"):
        single_cnn.SingleTissueCNNs.fit(make_task(planted, grid={**rates, "learning_rate": [1e30]}))


def test_a_constant_target_is_named_and_takes_the_lowest_loss(planted, capsys):
    observed = planted.observed.copy()
    observed[:, 1] = -9.2
    fitted = single_cnn.SingleTissueCNNs.fit(make_task(planted, observed))
    assert "in 1 of 3 tissues the validation correlation is undefined" in (out := capsys.readouterr().out)
    assert ": tissue1; their" in out
    rows = [row for row in fitted.table if row["tissue"] == "tissue1"]
    assert all(row["validation_cross_gene"] is None and row["validation_tissues"] == 0 for row in rows)
    [chosen] = [row for row in rows if row["chosen"] == "yes"]
    assert chosen["validation_loss"] == min(row["validation_loss"] for row in rows)


def test_an_edge_of_the_learning_rates_is_said(planted, capsys):
    single_cnn.SingleTissueCNNs.fit(make_task(planted, grid={"learning_rate": [1e-6, 1e-2], "dropout": [0.0]}))
    assert "for 3 of 3 tissues the best learning rate, 0.01, is the largest one tried" in capsys.readouterr().out


def test_bad_input_is_said_before_anything_is_read(planted):
    few = planted.observed.copy()
    few[: GENES["train"] - 1, 2] = np.nan
    for task, message in (
        (make_task(planted, loss=Hybrid(alpha=1, beta=1)), "compares tissues|a loss that is one"),
        (make_task(planted, few), "tissue tissue2 has 1 training genes with a value"),
    ):
        with pytest.raises(InputError, match=message):
            single_cnn.SingleTissueCNNs.fit(task)
        assert task.data.splits["train"].features.bytes_read == 0
