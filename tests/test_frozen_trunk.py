"""The head on a frozen trunk: the same as running the trunk in every epoch, from embeddings read once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from snakemake.iocontainers import Namedlist

import scripts
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.heads import frozen_trunk, tasks, training
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks import store_reader
from chrom2expr.tracks.store_reader import FeatureStore
from chrom2expr.tracks.store_writer import ShardWriter
from small_enformer import BINS, DROPOUT, GEOMETRY, TISSUES, Files, fit, run


def embed(files, folder, **changes):
    """Run the script that embeds, for both shards, and merge them as the workflow does."""
    (folder / "window").mkdir()
    shards = []
    for encoded in files.shards:
        shards.append(folder / "window" / encoded.name)
        params = {"type": "enformer", "bins": BINS, "settings": {}, "source": "window", "reverse_complement": False}
        params["precision"] = "auto"
        geometry = {key: getattr(GEOMETRY, key) for key in ("sequence_length", "bins", "bin_size")}
        weights = [str(files.folder / "weights" / name) for name in ("config.json", "pytorch_model.bin")]
        snakemake = SimpleNamespace(
            input=SimpleNamespace(encoded=str(encoded), weights=Namedlist(weights)),
            output=[str(shards[-1])],
            params=scripts.params(**{**params, **changes}, geometry=geometry),
            resources=SimpleNamespace(batch_size=4, allow_cpu=0, gpu=1),
            threads=1,
            log=[str(folder / "log.txt")],
        )
        run("embed_sequences.py", snakemake)
    store_reader.merge(shards, folder / "window.h5")
    return folder / "window.h5"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"), **DROPOUT)


@pytest.fixture(scope="module")
def embedded(files, tmp_path_factory):
    return embed(files, tmp_path_factory.mktemp("embedded"))


def task(files, store, **changes):
    genes, expression = files.folder / "split.tsv", files.folder / "expression.h5"
    data = tasks.read_data(store, genes, expression, "embedding", "gene")
    settings = {"weight_decay": 1e-3, "warmup_steps": 3, "gradient_clip": 0.2, "accumulation": 1}
    return files.task(data, settings=settings, **changes)


def test_same_as_running_the_trunk_in_every_epoch(files, embedded, tmp_path):
    """Fine-tuning with a frozen trunk, whose embedding is not rounded as the store's is."""
    asked = task(files, embedded, max_epochs=4, grid={"learning_rate": [3e-3]})
    fitted = frozen_trunk.FrozenTrunk.fit(asked)
    slow, _ = fit(
        files.task(max_epochs=4, grid={"learning_rate": [3e-3]}),
        files.trunk(adaptation={"type": "frozen"}),
        tmp_path / "checkpoints",
    )
    assert slow.table[0]["epoch"] == fitted.table[0]["epoch"] and slow.table[0]["epochs"] == 4
    assert fitted.table[0]["validation_loss"] == pytest.approx(slow.table[0]["validation_loss"], rel=1e-3)
    for name, value in slow.network.pool.state_dict().items():
        torch.testing.assert_close(fitted.network.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    expected = slow.predict(files.data().splits["test"].features)
    np.testing.assert_allclose(fitted.predict(asked.data.splits["test"].features), expected, atol=5e-3)
    start = Enformer.load(files.folder / "weights", GEOMETRY, {}).state_dict()
    assert all(torch.equal(slow.backbone.state_dict()[name], value) for name, value in start.items())


def test_embeddings_are_read_once_whatever_the_epochs_and_the_grid(files, embedded):
    asked = task(files, embedded, max_epochs=3, grid={"learning_rate": [1e-3, 1e-2]})
    frozen_trunk.FrozenTrunk.fit(asked)
    a_gene = BINS * 48 * 2
    assert [asked.data.splits[name].features.bytes_read for name in ("train", "val", "test")] == [
        11 * a_gene,
        4 * a_gene,
        0,
    ]


def test_both_strands_are_embedded_if_the_backbone_reads_both(files, embedded, tmp_path):
    def read(path):
        with FeatureStore(path) as store:
            return store.select(store.gene_id, "embedding", "genomic").read(np.arange(len(store.gene_id)))

    backbone = Enformer.load(files.folder / "weights", GEOMETRY, {}).for_inference()
    margin = (files.encoded.shape[1] - GEOMETRY.sequence_length) // 2
    encoded = torch.from_numpy(files.encoded[:, margin : margin + GEOMETRY.sequence_length])
    found = read(embed(files, tmp_path, reverse_complement=True))
    np.testing.assert_allclose(found, backbone.embed(encoded, BINS, True), atol=1e-2)
    assert abs(found - read(embedded)).max() > 0.1


def test_the_seed_decides_everything_and_files_are_the_same_bytes(files, embedded, tmp_path):
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)
        frozen_trunk.FrozenTrunk.fit(task(files, embedded, seed=seed)).save(tmp_path / f"{name}.pt")
        written.append((tmp_path / f"{name}.pt").read_bytes())
    assert written[0] == written[1] != written[2]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_saved_head(files, embedded, tmp_path):
    asked = task(files, embedded)
    fitted = frozen_trunk.FrozenTrunk.fit(asked)
    fitted.save(tmp_path / "model.pt")
    loaded = frozen_trunk.FrozenTrunk.load(tmp_path / "model.pt")
    pool, metadata = loaded.network, loaded.metadata
    features = asked.data.splits["test"].features
    found = pool(pool.prepare(torch.from_numpy(features.read(np.arange(3))))).detach()
    np.testing.assert_allclose(found, fitted.predict(features), atol=1e-5)
    assert metadata["inputs"] == {"source": "window", "tracks": "embedding", "orientation": "gene", "bins": BINS}
    assert metadata["network"]["shape"] == [BINS, 48] and len(metadata["tissue"]) == TISSUES
    saved = read_tensors(tmp_path / "model.pt", frozen_trunk.FORMAT)
    saved["metadata"]["network"]["shape"] = [BINS, 24]
    write_tensors(tmp_path / "other.pt", frozen_trunk.FORMAT, saved)
    with pytest.raises(InputError, match="other.pt: the tensors do not fit"):
        frozen_trunk.FrozenTrunk.load(tmp_path / "other.pt")


def test_an_embedding_of_another_width_is_refused(files, embedded):
    fitted = frozen_trunk.FrozenTrunk.fit(task(files, embedded, max_epochs=1))
    narrow = SimpleNamespace(
        shape=(1, BINS, 24), batches=lambda *_: iter([(None, np.zeros((1, BINS, 24), np.float16))])
    )
    with pytest.raises(InputError, match="embedding is 24 wide, but the head was made for 48"):
        fitted.predict(narrow)


def test_planted_truth_is_found_in_one_bin(tmp_path):
    """Expression follows from the bin that a feature marks, among bins of noise: the pool must learn to look there."""
    random, genes = np.random.default_rng(5), 300
    embedding = random.normal(size=(genes, 10, 6))
    marked = random.integers(0, 10, genes)
    embedding[..., 5] = 0
    embedding[np.arange(genes), marked, 5] = 3
    level = embedding[np.arange(genes), marked, :5] @ random.normal(size=(5, 8)) - 2
    observed = (level + random.normal(0, 0.2, level.shape)).astype(np.float32)
    with ShardWriter(
        tmp_path / "store.h5",
        gene_id=[f"gene{row}" for row in range(genes)],
        strand=np.where(np.arange(genes) % 2, "+", "-"),
        track_id=[f"embedding_{feature:04d}" for feature in range(6)],
        track_type=["embedding"] * 6,
        bins=10,
        bin_size=128,
        provenance={"source": "planted"},
    ) as writer:
        writer.write(0, embedding)
    store = FeatureStore(tmp_path / "store.h5")
    parts = dict(zip(tasks.SPLITS, np.split(np.arange(genes), [200, 250]), strict=True))
    splits = {
        name: training.Split(store.select(store.gene_id[r], "embedding"), observed[r]) for name, r in parts.items()
    }
    ids = {name: store.gene_id[rows] for name, rows in parts.items()}
    settings = {"weight_decay": 1e-3, "warmup_steps": 20, "gradient_clip": 0, "accumulation": 1}
    asked = tasks.Task(
        data=tasks.Data(splits, ids, np.array([f"tissue{i}" for i in range(8)]), store.track_id, {}, 1e-4),
        loss=Hybrid(alpha=1, beta=1),
        settings=settings,
        grid={"learning_rate": [3e-2]},
        batch_size=8,
        max_epochs=25,
        patience=25,
        select_by="validation_loss",
        seed=0,
        device=torch.device("cpu"),
    )
    fitted = frozen_trunk.FrozenTrunk.fit(asked)
    predicted = fitted.predict(splits["test"].features)
    assert np.nanmean(metrics.cross_gene(predicted, observed[parts["test"]])) > 0.9
    assert np.nanmean(metrics.cross_celltype(predicted, observed[parts["test"]])) > 0.9
    weights = fitted.network.score(torch.from_numpy(embedding[parts["test"]]).float()).softmax(dim=1)[..., 0]
    assert (weights.argmax(dim=1).numpy() == marked[parts["test"]]).mean() > 0.95
