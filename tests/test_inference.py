"""A shard through a backbone into the store: the numbers, whatever the batch size, and nothing left by a failure."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from checked_files import write_checked
from chrom2expr.backbones import embedding, predicting
from chrom2expr.backbones.backbone import Backbone, Prediction, one_hot, other_strand
from chrom2expr.errors import InputError
from chrom2expr.genome.sequence_store import FORMAT
from chrom2expr.genome.windows import Geometry, reverse_complement
from chrom2expr.tracks.store_reader import FeatureStore

GEOMETRY = Geometry.centred(sequence_length=64, bins=6, bin_size=8)
GENES = 7
TRACKS = pd.DataFrame({"track_id": ["a", "b", "c"], "track_type": ["chromatin", "chromatin", "cage"]})
CPU = torch.device("cpu")


class Toy(Backbone):
    """Each bin's share of A, C and G as tracks; of all four bases, times 100, as embedding."""

    embedding_width = 4

    def __init__(self) -> None:
        super().__init__(GEOMETRY)

    def forward(self, encoded: torch.Tensor) -> Prediction:
        margin = GEOMETRY.margin
        bases = one_hot(encoded)[:, margin:-margin].unflatten(1, (GEOMETRY.bins, GEOMETRY.bin_size)).mean(2)
        return Prediction(bases[..., :3], 100 * bases)


@pytest.fixture
def sequences_path(tmp_path):
    rng = np.random.default_rng(0)
    encoded = rng.integers(0, 5, (GENES, GEOMETRY.sequence_length), dtype=np.uint8)
    return write_sequences(tmp_path / "encoded.h5", encoded)


def write_sequences(path, encoded):
    labels = {"gene_id": [f"gene{row}" for row in range(len(encoded))], "strand": ["+", "-"] * 3 + ["+"]}
    labels = {name: values[: len(encoded)] for name, values in labels.items()}
    attributes = {"assembly": "grch38", "genome_sha256": "abc"}
    return write_checked(path, FORMAT, attributes, ["encoded"], encoded=encoded, **labels)


def predict(sequences_path, output, backbone=None, **changes):
    settings = {"batch_size": 3, "reverse_complement": False, "central_bins": 2} | changes
    predicting.predict_shard(
        backbone or Toy(),
        sequences_path,
        output,
        tracks=TRACKS,
        geometry=GEOMETRY,
        provenance={"source": "toy", "weights_sha256": "def"},
        device=CPU,
        **settings,
    )
    return output


def share(encoded: np.ndarray, base: int) -> np.ndarray:
    """Share of a base in every bin, (gene, bin), by a slow loop."""
    return np.array([[np.mean(gene[8 + 8 * b : 16 + 8 * b] == base) for b in range(GEOMETRY.bins)] for gene in encoded])


def test_shard(sequences_path, tmp_path):
    with h5py.File(sequences_path) as file:
        encoded = file["encoded"][:]
    with h5py.File(predict(sequences_path, tmp_path / "shard.h5")) as shard:
        expected = np.stack([share(encoded, base) for base in range(3)], axis=-1)
        assert shard["tracks"].dtype == np.float16
        np.testing.assert_allclose(shard["tracks"][:], expected, atol=1e-3)
        assert shard["central_tracks"].dtype == np.float32
        np.testing.assert_allclose(shard["central_tracks"][:], expected[:, 2:4].mean(1), atol=1e-6)
        assert shard["central_embedding"].shape == (GENES, 4)
        np.testing.assert_allclose(shard["central_embedding"][:, 3], 100 * share(encoded, 3)[:, 2:4].mean(1), atol=1e-4)
        assert list(shard["gene_id"].asstr()) == [f"gene{row}" for row in range(GENES)]
        assert list(shard["strand"].asstr()) == ["+", "-"] * 3 + ["+"]
        assert list(shard["track_id"].asstr()) == ["a", "b", "c"]
        attributes = {name: shard.attrs[name] for name in ("source", "assembly", "genome_sha256", "weights_sha256")}
        assert attributes == {"source": "toy", "assembly": "grch38", "genome_sha256": "abc", "weights_sha256": "def"}


def test_both_strands(sequences_path, tmp_path):
    with h5py.File(sequences_path) as file:
        encoded = file["encoded"][:]
    with h5py.File(predict(sequences_path, tmp_path / "shard.h5", reverse_complement=True)) as shard:
        np.testing.assert_allclose(shard["tracks"][..., 0], (share(encoded, 0) + share(encoded, 3)) / 2, atol=1e-3)
        np.testing.assert_allclose(shard["tracks"][..., 1], (share(encoded, 1) + share(encoded, 2)) / 2, atol=1e-3)


def test_batch_size_does_not_matter(sequences_path, tmp_path):
    def contents(path):
        with h5py.File(path) as shard:
            return {name: shard[name][()].tolist() for name in shard if name != "checksums"}

    shards = [contents(predict(sequences_path, tmp_path / f"{size}.h5", batch_size=size)) for size in (1, 3, 7, 100)]
    assert all(shard == shards[0] for shard in shards)


def test_same_bytes_again(sequences_path, tmp_path):
    first, second = (predict(sequences_path, tmp_path / name).read_bytes() for name in ("a.h5", "b.h5"))
    assert first == second


def test_no_means(sequences_path, tmp_path):
    with h5py.File(predict(sequences_path, tmp_path / "none.h5", central_bins=0)) as shard:
        assert not {"central_tracks", "central_embedding"} & set(shard)

    class NoEmbedding(Toy):
        embedding_width = None

        def forward(self, encoded):
            return Prediction(super().forward(encoded).tracks, None)

    with h5py.File(predict(sequences_path, tmp_path / "some.h5", NoEmbedding(), reverse_complement=True)) as shard:
        assert "central_tracks" in shard and "central_embedding" not in shard


class Embedder(Toy):
    def embed(self, encoded, bins, reverse_complement=False):
        return self.predict(encoded, reverse_complement).embedding[:, (GEOMETRY.bins - bins) // 2 :][:, :bins]


def embed(sequences_path, output, backbone=None, **changes):
    settings = {"bins": 3, "batch_size": 3, "geometry": GEOMETRY, "reverse_complement": False} | changes
    provenance = {"source": "toy", "weights_sha256": "def"}
    embedding.embed_shard(backbone or Embedder(), sequences_path, output, provenance=provenance, device=CPU, **settings)
    return output


def test_embedding(sequences_path, tmp_path):
    with h5py.File(sequences_path) as file:
        encoded = file["encoded"][:]
    with FeatureStore(embed(sequences_path, tmp_path / "shard.h5")) as store:
        found = store.select(store.gene_id, "embedding", "genomic").read(np.arange(GENES))
        expected = np.stack([100 * share(encoded, base)[:, 1:4] for base in range(4)], axis=-1)
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        assert store.gene_id.tolist() == [f"gene{row}" for row in range(GENES)]
        assert store.strand.tolist() == ["+", "-"] * 3 + ["+"]
        assert store.track_id.tolist() == [f"embedding_{feature:04d}" for feature in range(4)]
        assert set(store.track_type) == {"embedding"} and (store.bins, store.bin_size) == (3, 8)
        assert store.provenance == {
            "source": "toy",
            "assembly": "grch38",
            "genome_sha256": "abc",
            "weights_sha256": "def",
        }
        turned = store.select(store.gene_id, "embedding", "gene").read(np.arange(GENES))
        assert np.array_equal(turned[1], found[1, ::-1]) and np.array_equal(turned[2], found[2])
    again = embed(sequences_path, tmp_path / "again.h5", batch_size=100).read_bytes()
    assert again == (tmp_path / "shard.h5").read_bytes()


def test_embedding_of_both_strands(sequences_path, tmp_path):
    with h5py.File(sequences_path) as file:
        encoded = file["encoded"][:]
    with h5py.File(embed(sequences_path, tmp_path / "shard.h5", reverse_complement=True)) as shard:
        both = 50 * (share(encoded, 0) + share(encoded, 3))
        np.testing.assert_allclose(shard["tracks"][..., 0], both[:, 1:4], rtol=1e-3)


def test_embedding_of_a_window_of_the_sequences(sequences_path, tmp_path):
    with h5py.File(sequences_path) as file:
        encoded = file["encoded"][:]
    seen = []

    class Window(Embedder):
        def embed(self, encoded, bins, reverse_complement):
            seen.append(encoded.clone())
            return torch.zeros(len(encoded), bins, 4)

    embed(sequences_path, tmp_path / "shard.h5", Window(), geometry=Geometry.centred(24, 3, 8))
    assert np.array_equal(torch.cat(seen).numpy(), encoded[:, 20:44])


def test_embeddings_that_cannot_be_made(sequences_path, tmp_path):
    with pytest.raises(InputError, match="7 central bins are asked for, but 64 bp give 6 only"):
        embed(sequences_path, tmp_path / "shard.h5", bins=7)

    class Broken(Embedder):
        def embed(self, encoded, bins, reverse_complement):
            embedding = super().embed(encoded, bins, reverse_complement)
            return embedding.where(embedding != embedding.max(), float("nan"))

    with pytest.raises(InputError, match="gene.*, embedding_000"):
        embed(sequences_path, tmp_path / "shard.h5", Broken())
    with pytest.raises(InputError, match="encoded.h5: sequences of 64 bp, but the geometry needs 80 bp"):
        embed(sequences_path, tmp_path / "shard.h5", geometry=Geometry.centred(80, 10, 8))
    assert not (tmp_path / "shard.h5").exists()


def test_not_a_number(sequences_path, tmp_path):
    class Broken(Toy):
        def forward(self, encoded):
            tracks, embedding = super().forward(encoded)
            unlucky = (encoded == torch.from_numpy(h5py.File(sequences_path)["encoded"][4])).all(1)
            tracks[unlucky, 2, 1] = float("nan")
            return Prediction(tracks, embedding)

    with pytest.raises(InputError, match="gene4"):
        predict(sequences_path, tmp_path / "out" / "shard.h5", Broken())
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("value, clipped", [(1e6, 65504), (float("inf"), None), (float("-inf"), None)])
def test_a_large_prediction_is_clipped_and_an_infinite_one_refused(sequences_path, tmp_path, capsys, value, clipped):
    class Large(Toy):
        def forward(self, encoded):
            tracks, embedding = super().forward(encoded)
            unlucky = (encoded == torch.from_numpy(h5py.File(sequences_path)["encoded"][4])).all(1)
            tracks[unlucky, 0, 1] = value
            return Prediction(tracks, embedding)

    if clipped is None:
        with pytest.raises(InputError, match=f"gene gene4, b, is not a finite number .{value}"):
            predict(sequences_path, tmp_path / "shard.h5", Large())
        return
    with h5py.File(predict(sequences_path, tmp_path / "shard.h5", Large())) as shard:
        assert shard["tracks"][4, 0, 1] == clipped
    assert (
        "1 values beyond float16's range were clipped to +-65504, the first of gene gene4, b" in capsys.readouterr().out
    )


def test_central_bins(sequences_path, tmp_path):
    for count in (3, 8):
        with pytest.raises(InputError, match=f"bins is {count}: the middle of 6 bins"):
            predict(sequences_path, tmp_path / "shard.h5", central_bins=count)
    assert not (tmp_path / "shard.h5").exists()
    with FeatureStore(predict(sequences_path, tmp_path / "shard.h5", central_bins=4)) as store:
        assert store.provenance["central_bins"] == "4"
    with FeatureStore(predict(sequences_path, tmp_path / "shard.h5", central_bins=0)) as store:
        assert "central_bins" not in store.provenance


def test_failure_in_the_middle(sequences_path, tmp_path, monkeypatch):
    class Dies(Toy):
        calls = 0

        def forward(self, encoded):
            self.calls += 1
            if self.calls == 3:
                raise RuntimeError("out of memory")
            return super().forward(encoded)

    with pytest.raises(RuntimeError, match="out of memory"):
        predict(sequences_path, tmp_path / "out" / "shard.h5", Dies())
    assert not list((tmp_path / "out").iterdir())

    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(predicting.ShardWriter, "write", full)
    for size in (1, 100):  # in an earlier batch, in the last one
        with pytest.raises(OSError, match="no space left"):
            predict(sequences_path, tmp_path / "out" / "shard.h5", batch_size=size)
    assert not list((tmp_path / "out").iterdir())


def test_sequence_shards_that_cannot_be_used(sequences_path, tmp_path):
    write_sequences(tmp_path / "short.h5", np.zeros((2, 32), np.uint8))
    with pytest.raises(InputError, match="short.h5: sequences of 32 bp, but the geometry needs 64 bp"):
        predict(tmp_path / "short.h5", tmp_path / "shard.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["encoded"] = np.zeros((2, 64), np.uint8)
    with pytest.raises(InputError, match=r"bare.h5: no chrom2expr sequence file \(it names no format\)"):
        predict(tmp_path / "bare.h5", tmp_path / "shard.h5")
    sequences_path.write_bytes(sequences_path.read_bytes()[:1000])
    with pytest.raises(InputError, match="encoded.h5: damaged, or no chrom2expr sequence file"):
        predict(sequences_path, tmp_path / "shard.h5")
    assert not (tmp_path / "shard.h5").exists()


def test_other_strand_and_one_hot():
    encoded = np.random.default_rng(1).integers(0, 5, (3, 20), dtype=np.uint8)
    assert np.array_equal(other_strand(torch.from_numpy(encoded)).numpy(), reverse_complement(encoded))
    hot = one_hot(torch.tensor([[0, 1, 2, 3, 4]], dtype=torch.uint8), "AGCT")
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert hot.dtype == torch.float32 and hot[0].tolist() == expected
