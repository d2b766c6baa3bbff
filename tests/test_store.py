import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from chrom2expr.errors import InputError
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import ShardWriter

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
GENES, BINS, TRACKS = 11, 7, 9
STRAND = np.array(["+", "-", "-", "+", "+", "-", "+", "-", "+", "-", "+"])
PROVENANCE = {"source": "test", "assembly": "grch38", "genome_sha256": "abc", "software": "one 1.0"}


def values(genes=GENES, bins=BINS, tracks=TRACKS):
    return np.random.default_rng(0).normal(size=(genes, bins, tracks)).astype(np.float16)


def names(letter, rows):
    return np.array([f"{letter}{row}é" for row in rows])


def kinds(columns):
    return np.where(np.asarray(columns) < 6, "chromatin", "cage")


def write_shard(path, array, genes=None, tracks=None, kind=None, block=3, provenance=PROVENANCE, **options):
    """A shard of some genes and tracks (indices) of `array`, written in blocks."""
    genes = np.arange(array.shape[0]) if genes is None else np.asarray(genes)
    tracks = np.arange(array.shape[2]) if tracks is None else np.asarray(tracks, dtype=int)
    part = array[genes][:, :, tracks]
    with ShardWriter(
        path,
        gene_id=names("g", genes),
        strand=STRAND[genes % GENES],
        track_id=names("t", tracks),
        track_type=kinds(tracks) if kind is None else kind,
        bins=array.shape[1],
        bin_size=128,
        provenance=provenance,
        **options,
    ) as writer:
        for start in range(0, len(genes), block):
            rows = slice(start, start + block)
            mask = {"covered": part[rows] > 0} if options.get("covered") else {}
            means = {name: part[rows].mean(1) for name in options.get("means", {})}
            writer.write(start, part[rows], **mask, **means)
    return path


@pytest.fixture(params=["genes", "tracks"])
def merged(request, tmp_path):
    """A store of three shards; 11 genes or 9 tracks are not evenly divided."""
    array = values()
    size = GENES if request.param == "genes" else TRACKS
    shards = [
        write_shard(
            tmp_path / "features" / "s" / f"{number:03}.h5",
            array,
            covered=True,
            **{request.param: part},
            means={"central_tracks": len(part) if request.param == "tracks" else TRACKS},
        )
        for number, part in enumerate(np.array_split(np.arange(size), 3))
    ]
    merge(shards, tmp_path / "features" / "s.h5")
    return tmp_path / "features" / "s.h5", array


def in_gene_orientation(array):
    return np.stack([gene[::-1] if strand == "-" else gene for gene, strand in zip(array, STRAND)])


def test_a_merged_store_reads_as_what_was_written(merged):
    path, array = merged
    with FeatureStore(path) as features:
        assert features.gene_id.tolist() == names("g", range(GENES)).tolist()
        assert features.track_id.tolist() == names("t", range(TRACKS)).tolist()
        assert features.strand.tolist() == STRAND.tolist()
        assert (features.bins, features.bin_size, features.provenance) == (BINS, 128, PROVENANCE)
        everything = features.select(features.gene_id, "all", "genomic")
        np.testing.assert_array_equal(everything.read(np.arange(GENES)), array)
        order = np.random.default_rng(1).permutation(GENES)
        shuffled = features.select(features.gene_id[order], "chromatin", "gene")
        assert shuffled.shape == (GENES, BINS, 6)
        rows = np.array([4, 0, 9, 4])
        read = shuffled.read(rows)
        assert read.dtype == np.float16
        np.testing.assert_array_equal(read, in_gene_orientation(array)[order][rows][:, :, :6])
        assert shuffled.bytes_read == 4 * BINS * 6 * 2


def test_the_means_of_some_genes_are_read_from_every_shard_they_lie_in(merged):
    path, array = merged
    with FeatureStore(path) as features:
        for genes in (range(GENES), range(2, 9), range(5, 6), range(3, 3)):
            found = features.means("central_tracks", genes)
            assert found.dtype == np.float32
            expected = array[genes.start : genes.stop].mean(1).astype(np.float32)
            np.testing.assert_array_equal(found, expected)


def test_other_programs_read_the_merged_file_through_hdf5(merged):
    path, array = merged
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["tracks"][:], array)
        np.testing.assert_array_equal(file["covered"][:], array > 0)
        np.testing.assert_array_equal(file["central_tracks"][:], array.mean(1).astype(np.float32))
        assert file["gene_id"].asstr()[3] == "g3é"


def test_the_folder_can_be_moved_and_the_working_directory_does_not_matter(merged, tmp_path, monkeypatch):
    path, array = merged
    shutil.move(path.parent, tmp_path / "elsewhere")
    # A decoy of the old shards' relative name, where HDF5 might look.
    write_shard(tmp_path / "cwd" / "s" / "000.h5", np.zeros_like(array))
    monkeypatch.chdir(tmp_path / "cwd")
    with FeatureStore("../elsewhere/s.h5") as features:
        np.testing.assert_array_equal(features.select(features.gene_id, "all", "genomic").read(np.arange(GENES)), array)


def test_tracks_that_are_not_next_to_each_other_are_picked(tmp_path):
    array = values()
    kind = np.array(["chromatin", "cage", "chromatin", "cage", "cage", "chromatin", "cage", "cage", "chromatin"])
    shards = [
        write_shard(tmp_path / f"{number}.h5", array, tracks=part, kind=kind[part])
        for number, part in enumerate(([0, 1, 2], [3, 4], [5, 6, 7, 8]))
    ]
    merge(shards, tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as features:
        read = features.select(features.gene_id, "chromatin", "gene").read(np.arange(GENES))
    np.testing.assert_array_equal(read, in_gene_orientation(array)[:, :, kind == "chromatin"])


@pytest.mark.parametrize("orientation", ["gene", "genomic"])
@pytest.mark.parametrize("bins", [1, 3, 7])
def test_the_bins_in_the_middle_alone(merged, orientation, bins):
    path, array = merged
    expected = in_gene_orientation(array) if orientation == "gene" else array
    with FeatureStore(path) as features:
        selection = features.select(features.gene_id, "chromatin", orientation, bins)
        assert selection.shape == (GENES, bins, 6)
        start = (BINS - bins) // 2
        np.testing.assert_array_equal(selection.read(np.arange(GENES)), expected[:, start : start + bins, :6])
        assert selection.bytes_read == GENES * bins * 6 * 2
        for wrong in (2, 0, 9):
            with pytest.raises(InputError, match=f"bins is {wrong}.* 7 bins .*odd number"):
                features.select(features.gene_id, bins=wrong)


def test_only_the_runs_of_the_central_bins_are_read(tmp_path):
    array = values(1, 896, 1300)
    path = write_shard(tmp_path / "x.h5", array, kind=["chromatin"] * 1300)
    assert step(path) == 12
    damage(path, needle=array[0, 700:703].tobytes())
    with FeatureStore(path) as features:
        central = features.select(features.gene_id, bins=296)
        np.testing.assert_array_equal(central.read([0])[0], array[0, 300:596])
        with pytest.raises(InputError, match="damaged"):
            features.select(features.gene_id).read([0])


def step(path):
    """How many bins share a checksum."""
    with h5py.File(path) as file:
        return int(file["checksums/tracks"].attrs["step"])


def test_a_checksum_is_of_one_gene_and_at_most_32_kib(tmp_path):
    def made(bins, tracks):
        return write_shard(tmp_path / "x.h5", np.zeros((1, bins, tracks), np.float16), kind=["cage"] * tracks)

    assert step(made(896, 5313)) == 3
    assert step(made(200, 2002)) == 8
    assert step(made(100, 130)) == 100
    with h5py.File(made(896, 5313)) as file:
        assert file["checksums/tracks"].shape == (1, 299) and file["tracks"].chunks is None


def test_finite_values_beyond_float16_are_clipped_and_the_first_is_named(tmp_path, capsys):
    array = np.array([[[1, -1, 65504, 65510, 1]], [[1e6, -3e38, 65504, 65510, 1]]], dtype=np.float32)
    write_shard(tmp_path / "x.h5", array)
    assert (
        "2 values beyond float16's range were clipped to +-65504, the first of gene g1é, t0é" in capsys.readouterr().out
    )
    with FeatureStore(tmp_path / "x.h5") as features, h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["clipped"] == 2
        assert features.select(["g1é"], "all").read([0]).tolist() == [[[65504, -65504, 65504, 65504, 1]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_refused_by_name_and_nothing_is_left(tmp_path, value, dtype):
    array = values().astype(dtype)
    array[4, 2, 5] = value
    with pytest.raises(InputError, match=rf"g4é, t5é, is not a finite number \({value}\)"):
        write_shard(tmp_path / "x.h5", array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_means_that_are_not_finite_are_refused_by_name(tmp_path, value):
    with pytest.raises(InputError, match=rf"gene g1é, central_tracks, is not a finite number \({value}\)"):
        with ShardWriter(
            tmp_path / "x.h5",
            gene_id=names("g", range(2)),
            strand=STRAND[:2],
            track_id=["a"],
            track_type=["cage"],
            bins=2,
            bin_size=1,
            provenance={},
            means={"central_tracks": 1},
        ) as writer:
            writer.write(0, np.zeros((2, 2, 1)), central_tracks=np.array([[0], [value]]))
    assert not list(tmp_path.iterdir())


def test_an_unknown_orientation_is_refused(merged):
    with FeatureStore(merged[0]) as features:
        for orientation in ("genomc", "Gene", None):
            with pytest.raises(InputError, match=f"orientation is {orientation!r}, but must be gene or genomic"):
                features.select(features.gene_id, "all", orientation)


def test_a_shard_with_genes_not_written_is_an_error_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(RuntimeError, match="10 genes were not written"),
        ShardWriter(
            tmp_path / "x.h5",
            gene_id=names("g", range(GENES)),
            strand=STRAND,
            track_id=["a"],
            track_type=["cage"],
            bins=2,
            bin_size=1,
            provenance={},
        ) as writer,
    ):
        writer.write(3, np.zeros((1, 2, 1)))
    assert not list(tmp_path.iterdir())


def test_a_wrong_shape_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="shape"),
        ShardWriter(
            tmp_path / "x.h5",
            gene_id=["a"],
            strand=["+"],
            track_id=["a"],
            track_type=["cage"],
            bins=2,
            bin_size=1,
            provenance={},
            means={"central_tracks": 1},
        ) as writer,
    ):
        writer.write(0, np.zeros((1, 1, 1)), central_tracks=np.zeros((1, 1)))


def test_a_writer_killed_in_the_middle_leaves_no_shard(tmp_path):
    code = f"""
import sys, time; sys.path.insert(0, {str(SCRIPTS)!r})
import numpy as np
from chrom2expr.tracks.store_writer import ShardWriter
with ShardWriter({str(tmp_path / "x.h5")!r}, gene_id=["a", "b"], strand="+-", track_id=["t"], track_type=["cage"],
                 bins=4, bin_size=1, provenance={{}}) as writer:
    writer.write(0, np.ones((1, 4, 1)))
    print("written", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "x.h5").exists()


def damage(path, fraction=None, needle=None):
    """Flip one bit, at a fraction of the file or where `needle` stands."""
    content = bytearray(path.read_bytes())
    place = content.index(needle) if needle else int(len(content) * fraction)
    content[place] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_seen_when_its_gene_is_read(merged):
    path, array = merged
    with FeatureStore(path) as features:
        shard = features._pieces[1].file.path
        gene, column = features._pieces[1].genes[1], features._pieces[1].columns
    damage(shard, needle=np.ascontiguousarray(array[gene][:, column.start : column.stop]).tobytes())
    merge(sorted((path.parent / "s").iterdir()), path)
    with FeatureStore(path) as features:
        selection = features.select(features.gene_id, "all")
        with pytest.raises(InputError, match=rf"001\.h5: damaged at gene g{gene}é.*delete it and run again"):
            selection.read([gene])
        with pytest.raises(InputError, match=f"g{gene}é"):
            list(selection.batches(np.arange(GENES), 2))
        np.testing.assert_array_equal(selection.read([0]), in_gene_orientation(array)[:1])


def test_a_truncated_or_flipped_shard_is_named_at_merge(merged):
    path, _ = merged
    shards = sorted((path.parent / "s").iterdir())
    content = shards[1].read_bytes()
    for broken in (content[:-200], content[:300], b"", b"not HDF5" * 100):
        shards[1].write_bytes(broken)
        for check in (lambda: merge(shards, path), lambda: FeatureStore(path)):
            with pytest.raises(InputError, match=r"001\.h5: .*delete it and run again"):
                check()
    shards[1].write_bytes(content)
    damage(shards[1], needle="g1é".encode() if b"g1" in content else "g5é".encode())
    with pytest.raises(InputError, match=r"001\.h5: damaged at gene_id"):
        merge(shards, path)


def test_a_missing_shard_or_another_one_is_named(merged):
    path, _ = merged
    shards = sorted((path.parent / "s").iterdir())
    other = write_shard(
        shards[2].with_name("other.h5"), values() + 1, *_of(shards[2]), covered=True, means=_means(shards[2])
    )
    whole = shards[2].read_bytes()
    other.replace(shards[2])
    with pytest.raises(InputError, match=r"002\.h5: not the shard that .*s\.h5 was merged from"):
        FeatureStore(path)
    shards[2].write_bytes(whole)
    FeatureStore(path).close()
    shards[2].unlink()
    with pytest.raises(InputError, match=r"002\.h5: there is no such file"):
        FeatureStore(path)


def _of(shard):
    """The genes and the tracks of a shard, as indices."""
    with h5py.File(shard) as file:
        return [[int(label[1:-1]) for label in file[name].asstr()[:]] for name in ("gene_id", "track_id")]


def _means(shard):
    with h5py.File(shard) as file:
        return {"central_tracks": file["central_tracks"].shape[1]}


def test_shards_that_do_not_belong_together_are_refused(tmp_path):
    array = values()
    first = write_shard(tmp_path / "a.h5", array, genes=[0, 1])
    others = {
        "genome_sha256": write_shard(tmp_path / "b.h5", array, [2], provenance=PROVENANCE | {"genome_sha256": "x"}),
        "bins": write_shard(tmp_path / "c.h5", array[:, :5], [2]),
        "tracks": write_shard(tmp_path / "d.h5", array, [2], [0, 1]),
        "datasets": write_shard(tmp_path / "e.h5", array, [2], covered=True),
        "gene g1é is twice": write_shard(tmp_path / "f.h5", array, [1, 2]),
    }
    for what, other in others.items():
        with pytest.raises(InputError, match=rf"{other.name}.*{what}|{what}.*{other.name}"):
            merge([first, other], tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()
    same_tracks = write_shard(tmp_path / "g.h5", array, [0, 1], [0, 1])
    with pytest.raises(InputError, match="track t0é is twice"):
        merge([first, same_tracks], tmp_path / "all.h5")


def test_shards_may_be_of_different_software(tmp_path):
    array = values()
    shards = [
        write_shard(tmp_path / f"{n}.h5", array, [n], provenance=PROVENANCE | {"software": f"v{n}"}) for n in range(2)
    ]
    merge(shards, tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as features:
        assert features.provenance["software"] == "v0; v1"


def test_a_shard_without_tracks_is_legal_unless_all_are(tmp_path):
    array = values()
    empty = [write_shard(tmp_path / f"{n}.h5", array, tracks=[], kind=[], covered=True) for n in range(2)]
    full = write_shard(tmp_path / "2.h5", array, tracks=[3, 4], covered=True)
    merge([empty[0], full, empty[1]], tmp_path / "all.h5")
    with FeatureStore(tmp_path / "all.h5") as features:
        np.testing.assert_array_equal(
            features.select(features.gene_id, "all", "genomic").read(np.arange(GENES)), array[:, :, 3:5]
        )
        with pytest.raises(InputError, match="'cage'"):
            features.select(features.gene_id, "cage")
    for shards in (empty, empty[:1]):
        with pytest.raises(InputError, match="none of the shards holds a track"):
            merge(shards, tmp_path / "none.h5")


def test_an_unknown_gene_is_named(merged):
    with FeatureStore(merged[0]) as features, pytest.raises(InputError, match="gene nobody is not in"):
        features.select(["g0é", "nobody"])


def test_batches_come_in_order_and_the_next_is_read_meanwhile(merged):
    path, array = merged
    order = np.random.default_rng(2).permutation(GENES)
    with FeatureStore(path) as features:
        selection = features.select(features.gene_id, "all")
        reads, plain = [], selection.read
        selection.read = lambda rows, out: (reads.append(threading.current_thread()), plain(rows, out))[1]
        batches = selection.batches(order, 4)
        first = next(batches)
        deadline = time.monotonic() + 10
        while len(reads) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(reads) == 2 and threading.main_thread() not in reads
        rest = list(batches)
        assert [len(rows) for rows, _ in [first, *rest]] == [4, 4, 3]
        np.testing.assert_array_equal(np.concatenate([rows for rows, _ in [first, *rest]]), order)
        np.testing.assert_array_equal(
            np.concatenate([batch for _, batch in [first, *rest]]), in_gene_orientation(array)[order]
        )
        assert selection.bytes_read == array.nbytes
        assert list(selection.batches(order[:0], 4)) == []


def test_the_reading_thread_ends_when_the_consumer_stops(merged):
    before = threading.active_count()
    with FeatureStore(merged[0]) as features:
        batches = features.select(features.gene_id).batches(np.arange(GENES), 2)
        next(batches)
        assert threading.active_count() > before
        batches.close()
    assert threading.active_count() == before


def test_reading_memory_does_not_grow_with_the_genes(tmp_path):
    array = np.zeros((200, 50, 100), np.float16)
    path = write_shard(tmp_path / "x.h5", array, kind=["chromatin"] * 100, block=200)
    with FeatureStore(path) as features:
        selection = features.select(features.gene_id)
        tracemalloc.start()
        for _ in selection.batches(np.arange(200), 4):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    batch = 4 * 50 * 100 * 2
    assert batch < peak < 6 * batch < array.nbytes / 8


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first, second = (write_shard(tmp_path / folder / "x.h5", values(), covered=True) for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
