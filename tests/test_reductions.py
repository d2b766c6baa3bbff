"""The spatial basis against its formula, gene by gene, bin by bin; and the file of reduced features."""

import math
import runpy
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import scripts
from checked_files import alter
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks import reduced_features, reduction, reductions
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import FORMAT, ShardWriter

DECAYS = [0.01, 0.02, 0.05, 0.1, 0.2]
ENFORMER = Geometry.centred(196_608, 896, 128)
BELUGA = Geometry.sliding(2000, 200, 200)
STRAND = ["+", "-", "-", "+", "-"]
KINDS = ["chromatin", "cage", "chromatin"]


def write_store(path, geometry, tracks, kinds=KINDS, **means):
    """A merged store of two shards: tracks (gene, bin, track) in genomic order, means (gene, width) by name."""
    shards = []
    for number, genes in enumerate(np.array_split(np.arange(len(tracks)), 2)):
        shards.append(path.with_suffix("") / f"{number:03}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"gene{gene}" for gene in genes],
            strand=[STRAND[gene] for gene in genes],
            track_id=[f"track{track}" for track in range(tracks.shape[2])],
            track_type=kinds,
            bins=geometry.bins,
            bin_size=geometry.bin_size,
            provenance={"source": "made up", "assembly": "grch38", **({"central_bins": "10"} if means else {})},
            means={name: values.shape[1] for name, values in means.items()},
        ) as writer:
            writer.write(0, tracks[genes], **{name: values[genes] for name, values in means.items()})
    merge(shards, path)
    return path


def random_tracks(geometry, seed=0):
    return np.random.default_rng(seed).gamma(1, 3, (len(STRAND), geometry.bins, 3)).astype(np.float16)


def direct(tracks, strand, geometry, distance, keep):
    """The reduction written out, in Python floats; `distance` is from bin (gene orientation) to s, None if left out."""
    sums = np.zeros((len(tracks), 10, len(keep)))
    for gene in range(len(tracks)):
        for index in range(geometry.bins):
            s = distance(index)
            if s is None:
                continue
            genomic = index if strand[gene] == "+" else geometry.bins - 1 - index
            for k in range(10):
                if (k < 5 and s <= 0) or (k >= 5 and s >= 0):
                    weight = math.exp(-DECAYS[k % 5] * abs(s) / 200)
                    for column, track in enumerate(keep):
                        sums[gene, k, column] += weight * float(tracks[gene, genomic, track])
    return sums.reshape(len(tracks), -1)


def sums(store, output, *asked):
    reduction.reduce_store(store, output, "spatial_basis", *asked)


def means_of(store, output, *asked):
    reduction.reduce_store(store, output, "central_means", *asked)


def read_all(path, **options):
    with reduced_features.ReducedFeatureStore(path) as store:
        return store.select(store.gene_id, **options).read(np.arange(len(store.gene_id)))


def test_shifts_are_expectos_and_enformers_bins_are_symmetric():
    assert reductions.shifts(BELUGA).tolist() == list(range(-20_000, 20_000, 200))
    assert reductions.shifts(ENFORMER)[445:451].tolist() == [-320, -192, -64, 64, 192, 320]
    odd = reductions.shifts(Geometry.centred(50_048, 391, 128))
    assert odd[195] == 0 and odd[0] == -195 * 128 and odd[-1] == 195 * 128
    central = reductions.shifts(ENFORMER, 314)
    assert len(central) == 314 and central[0] == -central[-1] == -20_032


@pytest.mark.parametrize("geometry", [ENFORMER, BELUGA, Geometry.centred(1280, 9, 128), Geometry.sliding(400, 7, 100)])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_shifts_are_distances_of_bin_centres_on_either_strand(geometry, strand):
    tss, sign = 10**6, 1 if strand == "+" else -1
    edges = geometry.bins_start(tss, strand) + geometry.bin_size * np.arange(geometry.bins + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    in_gene_orientation = sign * (centres[::sign] - tss)
    # Half of the TSS base's own length, and as much where a window of even length has its middle between two bases.
    assert np.abs(reductions.shifts(geometry) - in_gene_orientation).max() <= 1


def test_weights_are_the_formula_and_the_tss_counts_on_both_sides():
    basis = reductions.weights(BELUGA)
    assert basis.shape == (10, 200) and basis.dtype == np.float32
    assert basis[:, 100].tolist() == [1] * 10
    assert not basis[:5, 101:].any() and not basis[5:, :100].any()
    np.testing.assert_allclose(basis[:5, 98], [math.exp(-a * 2) for a in DECAYS], rtol=1e-6)
    np.testing.assert_allclose(basis[5:, 103], [math.exp(-a * 3) for a in DECAYS], rtol=1e-6)
    np.testing.assert_array_equal(reductions.weights(ENFORMER, 314), reductions.weights(ENFORMER)[:, 291:605])


@pytest.mark.parametrize(("tracks", "keep"), [("chromatin", [0, 2]), ("all", [0, 1, 2])])
def test_beluga_equals_a_direct_loop(tmp_path, tracks, keep):
    values = random_tracks(BELUGA)
    sums(write_store(tmp_path / "s.h5", BELUGA, values), tmp_path / "r.h5", BELUGA, None, tracks)
    expected = direct(values, STRAND, BELUGA, lambda index: -20_000 + 200 * index, keep)
    np.testing.assert_allclose(read_all(tmp_path / "r.h5", tracks=tracks), expected, rtol=1e-5)


@pytest.mark.parametrize("bins", [None, 314])
def test_enformer_equals_a_direct_loop(tmp_path, bins):
    values = random_tracks(ENFORMER)
    sums(write_store(tmp_path / "s.h5", ENFORMER, values), tmp_path / "r.h5", ENFORMER, bins)
    inside = range(896) if bins is None else range(291, 605)
    expected = direct(
        values, STRAND, ENFORMER, lambda index: -57_280 + 128 * index if index in inside else None, [0, 2]
    )
    np.testing.assert_allclose(read_all(tmp_path / "r.h5", bins=bins), expected, rtol=1e-5)


def test_a_single_bin_lands_where_it_was_planted(tmp_path):
    values = np.zeros((5, 200, 3), np.float16)
    values[0, 101, 0] = 7  # plus strand, 200 bp downstream
    values[1, 101, 2] = 3  # minus strand: bin 98 in gene orientation, 400 bp upstream
    sums(write_store(tmp_path / "s.h5", BELUGA, values), tmp_path / "r.h5", BELUGA)
    found = read_all(tmp_path / "r.h5").reshape(5, 10, 2)
    np.testing.assert_allclose(found[0, 5:, 0], [7 * math.exp(-a) for a in DECAYS], rtol=1e-6)
    np.testing.assert_allclose(found[1, :5, 1], [3 * math.exp(-2 * a) for a in DECAYS], rtol=1e-6)
    assert np.count_nonzero(found) == 10


def test_the_size_of_a_batch_does_not_matter_and_the_store_is_read_once(tmp_path, monkeypatch):
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA))
    sums(store, tmp_path / "one.h5", BELUGA)
    handed_out = []
    plain = reduction.FeatureStore.select

    def select(*given):
        handed_out.append(plain(*given))
        return handed_out[0]

    monkeypatch.setattr(reduction.FeatureStore, "select", select)
    monkeypatch.setattr(reduction, "BATCH_BYTES", 2 * 200 * 2 * 2)
    sums(store, tmp_path / "two.h5", BELUGA)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    assert [selection.bytes_read for selection in handed_out] == [5 * 200 * 2 * 2]


def test_the_reader_gives_rows_in_any_order_and_knows_what_it_holds(tmp_path):
    sums(write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA)), tmp_path / "r.h5", BELUGA, 100)
    whole = read_all(tmp_path / "r.h5")
    with reduced_features.ReducedFeatureStore(tmp_path / "r.h5") as store:
        assert store.track_id.tolist() == ["track0", "track2"] and store.track_type.tolist() == ["chromatin"] * 2
        assert (store.bins, store.provenance["source"], store.kind("chromatin").tolist()) == (100, "made up", [0, 1])
        selection = store.select(["gene4", "gene0", "gene2"])
        assert selection.shape == (3, 20)
        read = selection.read([2, 0, 2])
        assert read.dtype == np.float32 and selection.bytes_read == read.nbytes == 3 * 20 * 4
        np.testing.assert_array_equal(read, whole[[2, 4, 2]])
        assert selection.where(1, 2 * 3 + 1) == f"{tmp_path / 'r.h5'}: gene gene0, feature 3 of track track2"
        for asked, message in (
            ({"tracks": "all"}, "tracks chromatin, but all"),
            ({"bins": 200}, "bins 100, but 200"),
            ({"orientation": "genomic"}, "orientation gene, but genomic"),
            ({"orientation": "genomc"}, "orientation is 'genomc', but must be gene or genomic"),
        ):
            with pytest.raises(InputError, match=message):
                store.select(["gene0"], **asked)
        with pytest.raises(InputError, match="gene nobody is not among"):
            store.select(["gene0", "nobody"])
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["features"].shape[1] == 20 and file["features"].dtype == np.float32
        assert file["gene_id"].asstr()[3] == "gene3"


AVERAGED = pytest.mark.parametrize(("tracks", "keep"), [("chromatin", [0, 2]), ("cage", [1]), ("all", [0, 1, 2])])


@AVERAGED
@pytest.mark.parametrize("orientation", ["gene", "genomic"])
def test_means_of_the_bins_equal_a_direct_loop(tmp_path, tracks, keep, orientation, monkeypatch):
    monkeypatch.setattr(reduction, "BATCH_BYTES", 2 * 10 * 2 * 2)
    values = random_tracks(ENFORMER)
    means_of(write_store(tmp_path / "s.h5", ENFORMER, values), tmp_path / "r.h5", ENFORMER, 10, tracks)
    expected = [
        [sum(float(values[gene, index, track]) for index in range(443, 453)) / 10 for track in keep]
        for gene in range(len(STRAND))
    ]
    # The middle is the same either way.
    found = read_all(tmp_path / "r.h5", tracks=tracks, orientation=orientation)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@AVERAGED
def test_means_that_the_store_holds_are_taken_as_they_are(tmp_path, tracks, keep, monkeypatch):
    monkeypatch.setattr(reduction, "BATCH_BYTES", 2 * 4 * 3)
    means = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA), central_tracks=means)
    means_of(store, tmp_path / "r.h5", BELUGA, 10, tracks)
    np.testing.assert_array_equal(read_all(tmp_path / "r.h5", tracks=tracks), means[:, keep])
    with reduced_features.ReducedFeatureStore(tmp_path / "r.h5") as read:
        assert read.track_id.tolist() == [f"track{track}" for track in keep]
        assert read.track_type.tolist() == [KINDS[track] for track in keep]
        assert (read.reduction, read.bins, read.tracks) == ("central_means", 10, tracks)


def test_the_embedding_is_averaged_too(tmp_path):
    embedding = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA), central_embedding=embedding)
    means_of(store, tmp_path / "r.h5", BELUGA, 10, "embedding")
    np.testing.assert_array_equal(read_all(tmp_path / "r.h5", tracks="embedding"), embedding)
    with reduced_features.ReducedFeatureStore(tmp_path / "r.h5") as read:
        assert read.track_id.tolist() == ["embedding_0000", "embedding_0001", "embedding_0002", "embedding_0003"]
        assert read.track_type.tolist() == ["embedding"] * 4 and read.provenance["source"] == "made up"
        for asked, message in (("chromatin", "tracks embedding, but chromatin"), ("all", "but all")):
            with pytest.raises(InputError, match=message):
                read.select(read.gene_id, asked)
    # Of a store whose tracks are an embedding, bin by bin.
    values = random_tracks(BELUGA)
    store = write_store(tmp_path / "e.h5", BELUGA, values, ["embedding"] * 3)
    means_of(store, tmp_path / "b.h5", BELUGA, 200, "embedding")
    found = read_all(tmp_path / "b.h5", tracks="embedding")
    np.testing.assert_allclose(found, values.astype(float).mean(axis=1), rtol=1e-6)


def test_the_means_of_tracks_in_several_shards(tmp_path):
    """Shards of tracks rather than of genes; and damage to one is named."""
    values, means = random_tracks(BELUGA), np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    shards = []
    for columns in ([0, 1], [2]):
        shards.append(tmp_path / f"{columns[0]}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"gene{gene}" for gene in range(5)],
            strand=STRAND,
            track_id=[f"track{column}" for column in columns],
            track_type=[KINDS[column] for column in columns],
            bins=200,
            bin_size=200,
            provenance={"source": "made up", "central_bins": "10"},
            means={"central_tracks": len(columns)},
        ) as writer:
            writer.write(0, values[:, :, columns], central_tracks=means[:, columns])
    merge(shards, tmp_path / "s.h5")
    means_of(tmp_path / "s.h5", tmp_path / "r.h5", BELUGA, 10, "chromatin")
    np.testing.assert_array_equal(read_all(tmp_path / "r.h5"), means[:, [0, 2]])
    content = shards[1].read_bytes()
    place = content.index(means[3, 2].tobytes())
    shards[1].write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with FeatureStore(tmp_path / "s.h5") as store, pytest.raises(InputError, match=r"2\.h5: damaged.*delete it"):
        store.means("central_tracks", range(2, 4))


@pytest.mark.parametrize("tracks", ["chromatin", "embedding"])
def test_means_over_other_bins_than_those_asked_for_are_refused(tmp_path, tracks):
    means = np.ones((5, 3), dtype=np.float32)
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA), central_tracks=means, central_embedding=means)
    with pytest.raises(InputError, match="s.h5: its central_.* are means over 10 bins, but 8 are asked for .*rerun"):
        means_of(store, tmp_path / "r.h5", BELUGA, 8, tracks)
    for shard in sorted((tmp_path / "s").iterdir()):
        alter(shard, FORMAT, lambda _, attributes: attributes.pop("central_bins"))
    merge(sorted((tmp_path / "s").iterdir()), store)
    with pytest.raises(InputError, match="means over an unknown number of bins, but 10 are asked for"):
        means_of(store, tmp_path / "r.h5", BELUGA, 10, tracks)
    assert not list(tmp_path.glob("*r.h5*"))


def test_shards_of_means_over_other_bins_are_not_merged(tmp_path):
    shards = []
    for number, bins in enumerate(["10", "8"]):
        shards.append(tmp_path / f"{number}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"gene{number}"],
            strand=["+"],
            track_id=["a"],
            track_type=["cage"],
            bins=12,
            bin_size=1,
            provenance={"source": "made up", "central_bins": bins},
            means={"central_tracks": 1},
        ) as writer:
            writer.write(0, np.zeros((1, 12, 1)), central_tracks=np.zeros((1, 1)))
    with pytest.raises(InputError, match=r"1.h5: differs from .*0.h5 in central_bins \(10 and 8\)"):
        merge(shards, tmp_path / "s.h5")


def test_a_file_whose_reduction_was_changed_is_refused(tmp_path):
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA))
    means_of(store, tmp_path / "r.h5", BELUGA, 10)
    for name in ("spatial_basis", "medians"):
        with h5py.File(tmp_path / "r.h5", "r+") as file:
            file.attrs["reduction"] = name
        with pytest.raises(InputError, match=r"r\.h5: its checksum does not match.*delete it and run again"):
            reduced_features.ReducedFeatureStore(tmp_path / "r.h5")


def test_bad_input_is_named_and_nothing_is_left(tmp_path):
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA))
    cage = write_store(tmp_path / "c.h5", BELUGA, random_tracks(BELUGA), ["cage"] * 3)
    for given, message in (
        ((store, tmp_path / "r.h5", ENFORMER), "200 bins of 200 bp.*896 of 128 bp"),
        ((store, tmp_path / "r.h5", BELUGA, 99), "bins is 99.*even number"),
        ((store, tmp_path / "r.h5", BELUGA, 202), "bins is 202"),
        ((cage, tmp_path / "r.h5", BELUGA), "of the kind 'chromatin'"),
    ):
        with pytest.raises(InputError, match=message):
            sums(*given)
    for given, message in (
        ((store, tmp_path / "r.h5", ENFORMER, 10), "200 bins of 200 bp.*896 of 128 bp"),
        ((store, tmp_path / "r.h5", BELUGA, 202), "bins is 202"),
        ((cage, tmp_path / "r.h5", BELUGA, 10), "of the kind 'chromatin'"),
        ((store, tmp_path / "r.h5", BELUGA, 10, "embedding"), "of the kind 'embedding'"),
    ):
        with pytest.raises(InputError, match=message):
            means_of(*given)
    assert not list(tmp_path.glob("*r.h5*"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named_in_the_store(tmp_path, value):
    store = write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA))

    def change(datasets, _):
        datasets["tracks"][0, 100, 2] = value

    shards = sorted((tmp_path / "s").iterdir())
    alter(shards[1], FORMAT, change)
    merge(shards, store)
    for make in (sums, lambda *given: means_of(*given, 10)):
        with pytest.raises(InputError, match=f"s/001.h5: gene gene3, track track2: {value} is no value"):
            make(store, tmp_path / "r.h5", BELUGA)
    assert not list(tmp_path.glob("*r.h5*"))


def test_a_damaged_or_incomplete_file_is_named(tmp_path):
    sums(write_store(tmp_path / "s.h5", BELUGA, random_tracks(BELUGA)), tmp_path / "r.h5", BELUGA)
    content = (tmp_path / "r.h5").read_bytes()
    place = content.index(read_all(tmp_path / "r.h5")[3].tobytes())
    (tmp_path / "r.h5").write_bytes(content[:place] + b"?" + content[place + 1 :])
    with pytest.raises(InputError, match=r"r\.h5: damaged.*delete it and run again"):
        read_all(tmp_path / "r.h5")
    (tmp_path / "r.h5").write_bytes(content[:-300])
    with pytest.raises(InputError, match=r"r\.h5: damaged"):
        reduced_features.ReducedFeatureStore(tmp_path / "r.h5")


@pytest.mark.parametrize(("name", "bins"), [("spatial_basis", 314), ("central_means", 10)])
def test_the_script_reduces_what_its_params_say(tmp_path, name, bins):
    store = write_store(tmp_path / "s.h5", ENFORMER, random_tracks(ENFORMER))
    geometry = {"sequence_length": 196_608, "bins": 896, "bin_size": 128}
    snakemake = scripts.snakemake(
        input=SimpleNamespace(features=str(store), shards=[]),
        output=[str(tmp_path / "made.h5")],
        params=scripts.params(reduction=name, geometry=geometry, bins=bins, tracks="all"),
        log=[str(tmp_path / "log.txt")],
    )
    runpy.run_path(scripts.path("reduce_features.py"), {"snakemake": snakemake})
    reduction.reduce_store(store, tmp_path / "direct.h5", name, ENFORMER, bins, "all")
    assert (tmp_path / "made.h5").read_bytes() == (tmp_path / "direct.h5").read_bytes()
