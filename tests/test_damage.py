"""No damage is used: flipped bits and cuts in every kind of file are named, or change nothing of what is read."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import small_enformer
from checked_files import write_checked
from chrom2expr.backbones import attention, enformer
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metric, predictions, scores
from chrom2expr.figures import figure
from chrom2expr.figures.rows import Bar
from chrom2expr.files import tables
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import read_json, write_json
from chrom2expr.genome import splits, targets
from chrom2expr.genome.genes import GENE_COLUMNS, read_genes
from chrom2expr.genome.sequence_store import FORMAT as SEQUENCE
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import (
    adaptation,
    cnn,
    finetuned,
    frozen_trunk,
    linear,
    linear_probe,
    resumable_training,
    single_cnn,
)
from chrom2expr.heads.attention_pool import AttentionPool
from chrom2expr.heads.cnn import Dropout, ExpressionCNN
from chrom2expr.tracks.reduced_features import ReducedFeatureStore
from chrom2expr.tracks.reduction import reduce_store
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import FORMAT as FEATURE
from chrom2expr.tracks.store_writer import ShardWriter
from made_files import write_expression

FLIPS, CUTS = 160, 40
GENES, BINS, TRACKS = 6, 8, 5
RANDOM = np.random.default_rng(0)
GEOMETRY = Geometry.centred(BINS * 8, BINS, 8)


def shard(path, genes=range(GENES), **changes):
    tracks = RANDOM.normal(size=(len(genes), BINS, TRACKS)).astype(np.float16)
    with ShardWriter(
        path,
        gene_id=[f"gene{gene}" for gene in genes],
        strand=["+-"[gene % 2] for gene in genes],
        track_id=[f"track{track}" for track in range(TRACKS)],
        track_type=["chromatin", "cage"] * 2 + ["chromatin"],
        bins=BINS,
        bin_size=8,
        provenance={"source": "made up", "precision": "float32", "software": "one 1.0", "central_bins": "4"} | changes,
        covered=True,
        means={"central_tracks": TRACKS},
    ) as writer:
        writer.write(0, tracks, tracks > 0, central_tracks=tracks.mean(axis=1))
    return path


def read_features(path):
    with FeatureStore(path) as store:
        selection = store.select(store.gene_id, "all", "gene")
        found = [
            selection.read(np.arange(len(store.gene_id))),
            store.means("central_tracks", range(len(store.gene_id))),
        ]
        found += [store.gene_id, store.strand, store.track_id, store.track_type, store.bin_size, store.provenance]
        return [*found, store.file.attributes, store.file.read("covered") if "covered" not in store.file.virtual else 0]


def merged(path):
    merge([shard(path.with_name(f"{n}.h5"), range(3 * n, 3 * n + 3)) for n in range(2)], path)


def sequences(path):
    encoded = RANDOM.integers(0, 5, (GENES, 40), dtype=np.uint8)
    labels = {"gene_id": [f"gene{n}" for n in range(GENES)], "strand": list("+-+-+-")}
    write_checked(path, SEQUENCE, {"assembly": "grch38"}, ["encoded"], encoded=encoded, **labels)


def read_sequences(path):
    with SequenceStore([path], 36) as store:
        return [store.select(store.gene_id).read(np.arange(GENES)), store.gene_id, store.strand, store.provenance]


def made_predictions(path):
    values = RANDOM.normal(size=(2, GENES, 3)).astype(np.float32)
    genes, split = np.array([f"gene{n}" for n in range(GENES)]), np.array(["val", "test"] * 3)
    predictions.write_predictions(path, predictions.Predictions(*values, genes, np.array(["a", "b", "c"]), split))


METRICS = metric.build([{"name": name, "type": name} for name in ("cross_gene", "cross_celltype")])


def score_files(bootstrap):
    return scores.ScoreFiles({name: bootstrap.with_name(f"{name}.tsv") for name in METRICS}, bootstrap)


def bootstrap(path):
    made_predictions(path.with_name("p.h5"))
    run = predictions.read_predictions(path.with_name("p.h5"))
    scores.evaluate(run, METRICS, score_files(path), resamples=20, seed=1)


def read_bootstrap(path):
    found = scores.read_scores(score_files(path), METRICS)
    return [*found.values.values(), found.drawn, *found.resampled.values()]


def rows_of_attention(path):
    rows = RANDOM.random((GENES, 9)).astype(np.float32)
    attributes = {"query_bin": 4, "bin_size": 8, "orientation": "gene"}
    genes = [f"gene{n}" for n in range(GENES)]
    write_checked(path, attention.FORMAT, attributes, ["attention"], attention=rows, gene_id=genes)


def reduced(path):
    reduce_store(shard(path.with_name("s.h5")), path, "spatial_basis", GEOMETRY)


def read_reduced(path):
    with ReducedFeatureStore(path) as store:
        return [store.select(store.gene_id).read(np.arange(GENES)), store.gene_id, store.track_id, store.provenance]


METADATA = {"tissue": ["a", "b"], "track_id": ["t"], "inputs": {"source": "made up", "bins": 8}}
SHAPE = {"tracks": 3, "bins": 8, "tissues": 2, "width": 4, "kernel_size": 3, "blocks": 2}


def multi_cnn(path):
    settings = {name: SHAPE[name] for name in ("width", "kernel_size", "blocks")}
    built = {"shape": [8, 3], "tissues": 2, "settings": settings, "point": {"dropout": 0.1}}
    network = cnn.MultiTissueCNN.build(**built)
    cnn.MultiTissueCNN(network, [], {**METADATA, "network": built}).save(path)


def single_cnns(path):
    shape = {**SHAPE, "tissues": 1, "transform": "log1p"}
    network = ExpressionCNN(**shape, dropout=0.1)
    bundle = single_cnn.Bundle(shape, [network.state_dict()] * 2, [Dropout(0.1, 0), Dropout(0.2, 0)])
    metadata = {**METADATA, "network": shape, "dropout": [0.1, 0.2]}
    write_tensors(path, single_cnn.FORMAT, {"state": dict(bundle.state_dict()), "metadata": metadata})


def read_network(load):
    def read(path):
        head = load(path)
        return [*head.network.state_dict().values(), head.metadata]

    return read


def linear_model(path):
    arrays = {name: torch.from_numpy(RANDOM.normal(size=(4, 2))) for name in ("coefficients", "intercept")}
    write_tensors(path, linear.FORMAT, {**arrays, "metadata": METADATA})


def pool(path):
    network = AttentionPool(4, 2)
    metadata = {**METADATA, "network": {"shape": [9, 4], "tissues": 2, "settings": {}, "point": {}}}
    write_tensors(path, frozen_trunk.FORMAT, {"state": dict(network.state_dict()), "metadata": metadata})


def checkpoint(path):
    network = AttentionPool(4, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(2, 3, 4)).sum().backward()
    optimiser.step()
    write_tensors(
        path, resumable_training.CHECKPOINT, {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    )


def fine_tuned(path):
    weights = path.with_name("weights")
    enformer.save(small_enformer.network(), weights)
    start = finetuned.Trunk(
        "enformer", weights, small_enformer.GEOMETRY, small_enformer.BINS, {}, {"type": "all"}, "abc"
    )
    backbone = start.load()
    pool = AttentionPool(backbone.embedding_width, 2)
    model = finetuned.FineTuned(backbone, pool, start.bins, adaptation.build(start.adaptation))
    metadata = {**METADATA, "trunk": start.describe(backbone), "weights_sha256": "abc"}
    finetuned.FineTunedBackbone(model, [], metadata).save(path)


KINDS = {
    "feature shard": (shard, read_features),
    "merged store": (merged, read_features),
    "sequence shard": (sequences, read_sequences),
    "expression": (
        lambda path: write_expression(path, RANDOM.normal(size=(GENES, 3)), [f"gene{n}" for n in range(GENES)]),
        lambda path: list(targets.read_targets(path)),
    ),
    "predictions": (made_predictions, lambda path: list(predictions.read_predictions(path))),
    "bootstrap": (bootstrap, read_bootstrap),
    "attention": (rows_of_attention, lambda path: list(attention.read_attention(path))),
    "reduced features": (reduced, read_reduced),
    "multi-tissue CNN": (multi_cnn, read_network(cnn.MultiTissueCNN.load)),
    "single-tissue CNNs": (single_cnns, read_network(single_cnn.SingleTissueCNNs.load)),
    "linear model": (
        linear_model,
        lambda path: [*(head := linear_probe.LinearProbe.load(path)).arrays.values(), head.metadata],
    ),
    "pool": (pool, read_network(frozen_trunk.FrozenTrunk.load)),
    "fine-tuned Enformer": (fine_tuned, read_network(finetuned.FineTunedBackbone.load)),
    "checkpoint": (checkpoint, lambda path: list(read_tensors(path, resumable_training.CHECKPOINT).values())),
}


def same(left, right):
    """Whether two contents are the same, whatever they are made of."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray | torch.Tensor):
        left, right = np.asarray(left), np.asarray(right)
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    return left == right


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_or_a_cut_is_named_or_changes_nothing(tmp_path, kind):
    make, read = KINDS[kind]
    path = tmp_path / "made.file"
    make(path)
    whole, content = path.read_bytes(), read(path)
    random = np.random.default_rng(len(whole))
    places = random.integers(0, 8 * len(whole), FLIPS)
    flips = [
        whole[: place // 8] + bytes([whole[place // 8] ^ 1 << place % 8]) + whole[place // 8 + 1 :] for place in places
    ]
    cuts = [whole[:end] for end in np.linspace(0, len(whole) - 1, CUTS).astype(int)]
    named = 0
    for damaged in (*flips, *cuts):
        path.write_bytes(damaged)
        try:
            found = read(path)
        except InputError as error:
            named += 1
            assert str(path) in str(error) and "weights_only" not in str(error) and "\n" not in str(error)
        else:
            assert same(found, content)
    assert named > FLIPS / 4


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_file_or_another_version_is_named(tmp_path, kind):
    make, read = KINDS[kind]
    path, other = tmp_path / "made.file", tmp_path / "other" / "made.file"
    other.parent.mkdir()
    make(path)
    strangers = [
        make for name, (make, _) in KINDS.items() if name != kind and "store" not in name and "shard" not in name
    ]
    for stranger in strangers[:3]:
        stranger(other)
        path.write_bytes(other.read_bytes())
        with pytest.raises(InputError, match=str(path)):
            read(path)
    make(path)
    if h5py.is_hdf5(path):
        with h5py.File(path, "r+") as file:
            file.attrs["version"] += 1
    else:
        saved = torch.load(path, weights_only=True)
        torch.save(saved | {"version": saved["version"] + 1}, path)
    with pytest.raises(InputError, match=r"file of version \d, but this chrom2expr reads version \d"):
        read(path)


def test_checksums_are_crc_32c_of_what_plain_hdf5_reads(tmp_path):
    """Another program can check a file from its documentation alone."""

    def crc(data):
        """CRC-32C (Castagnoli) of bytes, bit by bit."""
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value ^ 0xFFFFFFFF

    with h5py.File(shard(tmp_path / "x.h5")) as file:
        assert set(file["checksums"]) == set(file) - {"checksums"}
        for name, sums in file["checksums"].items():
            values = file[name][()]
            if "step" not in sums.attrs:
                assert sums[()] == crc(values.tobytes())
                continue
            step = sums.attrs["step"]
            for row, run in np.ndindex(sums.shape):
                assert sums[row, run] == crc(values[row, run * step : (run + 1) * step].tobytes())


def test_a_file_says_what_it_is(tmp_path):
    with h5py.File(shard(tmp_path / "x.h5")) as file:
        assert (file.attrs["format"], file.attrs["version"]) == ("chrom2expr feature", 1)
        assert len(file.attrs["digest"]) == 64


def test_the_same_content_gives_the_same_bytes_a_second_later(tmp_path):
    """Merged files held the time of day."""
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from chrom2expr.tracks.store_reader import merge\n"
        "merge(sys.argv[1:2], sys.argv[2])\n"
    )
    made = []
    for number in range(2):
        command = [sys.executable, "-c", code, shard_of_ones(tmp_path), tmp_path / f"{number}.h5", *sys.path]
        subprocess.run(list(map(str, command)), check=True)
        made.append((tmp_path / f"{number}.h5").read_bytes())
    assert made[0] == made[1]


def shard_of_ones(folder):
    path = folder / "ones.h5"
    if not path.exists():
        with ShardWriter(
            path, gene_id=["a"], strand=["+"], track_id=["t"], track_type=["cage"], bins=2, bin_size=1, provenance={}
        ) as writer:
            writer.write(0, np.ones((1, 2, 1)))
    return path


def test_a_shard_that_was_made_again_is_not_read_through_the_old_merged_file(tmp_path):
    merged(tmp_path / "s.h5")
    read_features(tmp_path / "s.h5")
    shard(tmp_path / "1.h5", range(3, 6), precision="bfloat16")
    with pytest.raises(InputError, match="1.h5: not the shard that .*s.h5 was merged from"):
        read_features(tmp_path / "s.h5")


def test_shards_of_another_precision_are_not_merged(tmp_path):
    shards = [shard(tmp_path / "0.h5", range(3)), shard(tmp_path / "1.h5", range(3, 6), precision="bfloat16")]
    with pytest.raises(InputError, match=r"1.h5: differs from .*0.h5 in precision \(float32 and bfloat16\)"):
        merge(shards, tmp_path / "s.h5")


PLACES = ("chrom_a", "tss_a", "chrom_b", "tss_b", "strand_b")
FIGURE = figure.build("scores", "f", {})
TABLES = {
    "genes": (
        lambda path: tables.write_table(
            path, [*GENE_COLUMNS, *PLACES], [["g", "s", "t", "+", "chr1", 10, "chr1", 12, "-"]]
        ),
        lambda path: read_genes(path).to_dict("list"),
    ),
    "split": (
        lambda path: tables.write_table(path, splits.COLUMNS, [["a", "train"], ["b", "val"], ["c", "test"]]),
        lambda path: [part.tolist() for part in splits.read_split(path)],
    ),
    "figure": (
        lambda path: FIGURE.write(
            path,
            [
                Bar("f", "p", f"s{n}", "x", 0.5, 0.1, 3, 0, 0.25, 0.4, 0.6, "run", "m", "q", "u", "red")
                for n in range(3)
            ],
        ),
        FIGURE.read,
    ),
    "scores": (
        lambda path: tables.write_table(path, ("tissue", "score", "genes"), [["a", "0.123456", 7]] * 4),
        lambda path: list(tables.read_table(path, ("tissue", "score"))),
    ),
    "summary": (lambda path: write_json(path, {"a": [1, 2], "b": "é"}, indent=2), read_json),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_cut_text_file_is_named(tmp_path, kind):
    make, read = TABLES[kind]
    path = tmp_path / "made.txt"
    make(path)
    whole, content = path.read_bytes(), read(path)
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            assert read(path) == content
            assert kind == "summary" and end >= len(whole.rstrip())  # only an empty line is missing
        except InputError as error:
            assert str(path) in str(error)


def test_other_programs_read_tables_as_they_are(tmp_path):
    import csv

    import pandas

    TABLES["figure"][0](tmp_path / "t.tsv")
    assert len(pandas.read_csv(tmp_path / "t.tsv", sep="\t")) == 3
    with open(tmp_path / "t.tsv", newline="") as handle:
        assert len(list(csv.DictReader(handle, delimiter="\t"))) == 3
    assert np.genfromtxt(tmp_path / "t.tsv", delimiter="\t", names=True, dtype=None, encoding="utf-8").shape == (3,)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="stopped"), create_file(tmp_path / "x.h5", FEATURE) as file:
        file.write("gene_id", np.array(["a"]))
        raise RuntimeError("stopped")
    assert not list(tmp_path.iterdir())


def test_rows_are_read_from_any_place_on(tmp_path):
    values = RANDOM.integers(0, 255, (3, 20, 2)).astype(np.uint8)
    with create_file(tmp_path / "x.h5", FEATURE) as file:
        file.create("v", values.shape, np.uint8, step=6)
        for row in (2, 0, 1):
            file.put("v", row, values[row : row + 1])
    with CheckedFile(Path(tmp_path / "x.h5"), FEATURE) as file:
        np.testing.assert_array_equal(file.read("v"), values)
        for start in range(20):
            for end in range(start, 21):
                target = np.zeros((end - start, 2), np.uint8)
                file.read_row("v", 1, target, start)
                np.testing.assert_array_equal(target, values[1, start:end])
