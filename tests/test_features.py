"""What all features must do: those of stores, reduced features, sequences, and features in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from checked_files import write_checked
from chrom2expr import registry
from chrom2expr.errors import InputError
from chrom2expr.genome import sequence_store
from chrom2expr.genome.features import InMemory, look_for_broken, refuse_broken
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import tasks
from chrom2expr.losses.loss import build
from chrom2expr.tracks import reduced_features
from chrom2expr.tracks.reduction import reduce_store
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import ShardWriter

HERE = Path(__file__).parent
GENES, TRACKS = 40, 3
GEOMETRY = Geometry.centred(64, 8, 8)
GENE_ID = np.array([f"gene{gene}" for gene in range(GENES)])
STRAND = np.where(np.arange(GENES) % 3, "+", "-")
# The genes selected, and so what row 0 is.
CHOSEN = GENE_ID[::-1][:30]


def tracks():
    return np.random.default_rng(0).gamma(1, 3, (GENES, 8, TRACKS)).astype(np.float16)


def feature_store(folder):
    shards = []
    for number, genes in enumerate(np.array_split(np.arange(GENES), 2)):
        shards.append(folder / f"{number}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=GENE_ID[genes],
            strand=STRAND[genes],
            track_id=["a", "b", "c"],
            track_type=["chromatin", "cage", "chromatin"],
            bins=8,
            bin_size=8,
            provenance={"source": "made up"},
        ) as writer:
            writer.write(0, tracks()[genes])
    merge(shards, folder / "store.h5")
    return folder / "store.h5"


def reduced_file(folder):
    reduce_store(feature_store(folder), folder / "reduced.h5", "spatial_basis", GEOMETRY, None, "all")
    return folder / "reduced.h5"


def sequence_shards(folder):
    values = np.random.default_rng(1).integers(0, 5, (GENES, 60), dtype=np.uint8)
    parts = []
    for number, genes in enumerate(np.array_split(np.arange(GENES), 2)):
        path, labels = folder / f"{number}.h5", {"gene_id": GENE_ID[genes], "strand": STRAND[genes]}
        parts.append(
            write_checked(
                path, sequence_store.FORMAT, {"assembly": "grch38"}, ["encoded"], encoded=values[genes], **labels
            )
        )
    return parts


# How each kind is made, its type of numbers, a place in a gene, and what `where` says of it in the first row.
KINDS = {
    "store": (
        lambda folder: FeatureStore(feature_store(folder)).select(CHOSEN, "all"),
        np.float16, (5, 1), "1.h5: gene gene39, track b",
    ),
    "reduced": (
        lambda folder: reduced_features.ReducedFeatureStore(reduced_file(folder)).select(CHOSEN, "all"),
        np.float32, (7,), "reduced.h5: gene gene39, feature 2 of track b",
    ),
    "sequences": (
        lambda folder: sequence_store.SequenceStore(sequence_shards(folder), 56).select(CHOSEN),
        np.uint8, (3,), "1.h5: gene gene39, base 3 of its window",
    ),
}  # fmt: skip
KINDS |= {
    f"{name} in memory": (lambda folder, make=make: InMemory(make(folder)), *rest)
    for name, (make, *rest) in KINDS.items()
}


@pytest.fixture(params=KINDS)
def made(request, tmp_path):
    """The features, and what is said of them."""
    make, *said = KINDS[request.param]
    return make(tmp_path), *said


def test_rows_are_read_in_any_order(made):
    features, dtype, *_ = made
    whole = features.read(np.arange(30))
    assert whole.shape == features.shape and whole.dtype == features.dtype == dtype
    assert len(np.unique(whole.reshape(30, -1), axis=0)) == 30
    for rows in ([], [29, 0, 5, 5, 2], range(30)):
        assert np.array_equal(features.read(rows), whole[list(rows)])


def test_batches_of_any_size_give_what_is_read(made):
    features, *_ = made
    whole, order = features.read(np.arange(30)), np.random.default_rng(0).permutation(30)[:23]
    for size in (1, 7, 23, 100):
        rows, batches = zip(*((rows, batch.copy()) for rows, batch in features.batches(order, size)), strict=True)
        assert [len(part) for part in rows] == [len(part) for part in batches]
        assert all(len(part) == size for part in rows[:-1]) and np.array_equal(np.concatenate(rows), order)
        assert np.array_equal(np.concatenate(batches), whole[order])
    assert not list(features.batches(np.arange(0), 4))


def test_what_is_given_to_read_into_is_filled_and_returned(made):
    features, dtype, *_ = made
    out = np.zeros((4, *features.shape[1:]), dtype)
    assert features.read([9, 3, 28, 0], out) is out
    assert np.array_equal(out, features.read(np.arange(30))[[9, 3, 28, 0]])


def test_bytes_are_counted(made):
    features, *_ = made
    before = features.bytes_read
    handed_out = features.read([3, 1]).nbytes + sum(batch.nbytes for _, batch in features.batches(np.arange(5), 2))
    assert features.bytes_read - before == handed_out == 7 * features.read([0]).nbytes


@pytest.mark.parametrize("rows", [[30], [-1], [0, 31, 2]])
def test_a_row_that_is_not_there_is_refused(made, rows):
    features, *_ = made
    with pytest.raises(IndexError, match="but there are 30 genes"):
        features.read(rows)
    with pytest.raises(IndexError):
        list(features.batches(np.array(rows), 2))


def test_a_place_is_told_by_file_gene_and_track(made):
    features, _, place, said = made
    assert features.where(0, *place).endswith(said)
    assert "gene gene30" in features.where(9, *place)


def test_what_is_not_finite_is_named(made):
    features, _, place, said = made
    values = features.read([0, 1]).astype(np.float32)
    refuse_broken(features, np.array([0, 1]), values)
    look_for_broken(features, np.arange(30), 8)
    values[(1, *place)] = np.nan
    with pytest.raises(InputError, match=f"{said}: nan is no value of a feature"):
        refuse_broken(features, np.array([4, 0]), values)


def test_a_head_of_ones_own_on_one_page_fits_reduced_features(tmp_path):
    """The perceptron of own_files, from a file, as the workflow gives it; the targets follow from the features."""
    store = reduced_features.ReducedFeatureStore(reduced_file(tmp_path))
    select = {"train": GENE_ID[:24], "val": GENE_ID[24:32], "test": GENE_ID[32:]}
    weights = np.random.default_rng(2).normal(0, 0.1, (10 * TRACKS, 4))
    splits = {}
    for name, genes in select.items():
        features = store.select(genes, "all")
        splits[name] = tasks.Split(features, (features.read(np.arange(len(genes))) @ weights).astype(np.float32))
    tissue, section = np.array(list("abcd")), {"type": "hybrid", "alpha": 0, "beta": 1}
    task = tasks.Task(
        data=tasks.Data(splits, select, tissue, store.track_id, {"source": "made up"}, 1e-4),
        loss=build(section), settings={"width": 16, "layers": 2, "weight_decay": 0.01}, grid={"learning_rate": [1e-2]},
        batch_size=4, max_epochs=15, patience=15, select_by="validation_loss", seed=1, device=torch.device("cpu"),
    )  # fmt: skip
    head = registry.find("heads", f"{HERE}/own_files/mlp.py:MLP").load().fit(task)
    observed = splits["val"].observed
    assert np.square(head.predict(splits["val"].features) - observed).mean() < 0.8 * observed.var()
