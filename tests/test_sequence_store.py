"""Sequence shards, read: the right encoded of any gene in any order, cropped in the middle; and what is wrong with them."""

import numpy as np
import pytest
import torch

from checked_files import write_checked
from chrom2expr.errors import InputError
from chrom2expr.genome.batching import batches
from chrom2expr.genome.sequence_store import FORMAT, SequenceStore
from chrom2expr.genome.windows import Geometry

LENGTH, SIZES = 40, (3, 1, 4)


def write(path, encoded, gene_id, **attributes):
    strand = ["+" if int(gene[4:]) % 3 else "-" for gene in gene_id]
    attributes = {"assembly": "grch38", "genome_sha256": "abc", **attributes}
    return write_checked(path, FORMAT, attributes, ["encoded"], encoded=encoded, gene_id=gene_id, strand=strand)


@pytest.fixture
def shards(tmp_path):
    encoded = np.random.default_rng(0).integers(0, 5, (sum(SIZES), LENGTH), dtype=np.uint8)
    parts = np.split(np.arange(len(encoded)), np.cumsum(SIZES)[:-1])
    return encoded, [
        write(tmp_path / f"{number:03d}.h5", encoded[rows], [f"gene{row}" for row in rows])
        for number, rows in enumerate(parts)
    ]


def test_genes_of_several_shards_in_any_order(shards):
    encoded, paths = shards
    wanted = [6, 0, 3, 7, 2, 4]
    with SequenceStore(paths, LENGTH) as store:
        assert store.gene_id.tolist() == [f"gene{row}" for row in range(8)]
        assert store.strand.tolist() == ["-", "+", "+", "-", "+", "+", "-", "+"]
        assert store.provenance == {"assembly": "grch38", "genome_sha256": "abc"}
        sequences = store.select([f"gene{row}" for row in wanted])
        assert sequences.shape == (6, LENGTH) and sequences.bytes_read == 0
        for rows in ([0, 1, 2, 3, 4, 5], [5, 0, 0, 2], []):
            assert np.array_equal(sequences.read(np.array(rows)), encoded[[wanted[row] for row in rows]])
        assert sequences.bytes_read == 10 * LENGTH
        read = [(rows.tolist(), found) for rows, found in sequences.batches(np.array([3, 1, 4, 0, 2]), 2)]
        assert [rows for rows, _ in read] == [[3, 1], [4, 0], [2]]
        assert np.array_equal(np.concatenate([found for _, found in read]), encoded[[7, 0, 2, 6, 3]])


@pytest.mark.parametrize("length", [40, 38, 12, 2])
def test_a_window_keeps_the_tss_where_its_geometry_says(shards, length):
    encoded, paths = shards
    whole, window = Geometry.centred(LENGTH, 1, LENGTH), Geometry.centred(length, 1, length)
    with SequenceStore(paths, length) as store:
        found = store.select(store.gene_id).read(np.arange(8))
    assert found.shape == (8, length)
    assert np.array_equal(found[:, window.tss_index_plus], encoded[:, whole.tss_index_plus])
    first = whole.tss_index_plus - window.tss_index_plus
    assert np.array_equal(found, encoded[:, first : first + length])


def test_shards_that_cannot_be_used(shards, tmp_path):
    encoded, paths = shards
    for length in (42, 39):
        with pytest.raises(InputError, match=f"000.h5: sequences of 40 bp, but the geometry needs {length} bp"):
            SequenceStore(paths, length)
    other = write(tmp_path / "other.h5", encoded[:1], ["gene9"], genome_sha256="def")
    with pytest.raises(InputError, match="other.h5: not of the same genome as .*000.h5"):
        SequenceStore([*paths, other], LENGTH)
    twice = write(tmp_path / "twice.h5", encoded[:1], ["gene4"])
    with pytest.raises(InputError, match="twice.h5: gene gene4 is twice in them"):
        SequenceStore([*paths, twice], LENGTH)
    with (
        SequenceStore(paths, LENGTH) as store,
        pytest.raises(InputError, match=r"gene9 has no sequence there \(1 of 2"),
    ):
        store.select(["gene1", "gene9"])
    with pytest.raises(InputError, match="missing.h5: there is no such file"):
        SequenceStore([tmp_path / "missing.h5"], LENGTH)


def test_errors_of_the_reading_thread_reach_the_consumer():
    def read(rows, out):
        if 3 in rows:
            raise InputError("damaged at gene 3")
        out[:] = rows
        return out

    seen = []
    with pytest.raises(InputError, match="damaged at gene 3"):
        for rows, _ in batches(read, np.arange(6), 2, (), int):
            seen += rows.tolist()
    assert seen == [0, 1]
    assert list(batches(read, np.arange(0), 2, (), int)) == []


def test_memory_of_batches_is_used_again_unless_somebody_holds_it():
    made = []

    def read(rows, out):
        made.append(out.ctypes.data)
        out[:] = rows[:, None]
        return out

    for _, _ in batches(read, np.arange(20), 2, (3,), float):
        pass
    assert len(set(made)) <= 3
    made.clear()
    kept = [found for _, found in batches(read, np.arange(20), 2, (3,), float)]
    assert len(set(made)) == 10
    assert np.concatenate(kept)[:, 1].tolist() == list(range(20))
    made.clear()
    parts = [found[1:, :1] for _, found in batches(read, np.arange(20), 2, (3,), float)]
    assert np.concatenate(parts).ravel().tolist() == list(range(1, 20, 2))
    tensors = [torch.from_numpy(found)[:1] for _, found in batches(read, np.arange(20), 2, (3,), float)]
    assert torch.cat(tensors)[:, 0].tolist() == list(range(0, 20, 2))
