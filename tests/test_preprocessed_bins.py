import doctest
import json
import re
import shutil
import tracemalloc
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile
from chrom2expr.genome import windows
from chrom2expr.genome.sequences import Genome, index_genome
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks import basenji, bigwig, preprocessed_bins, tfrecords
from chrom2expr.tracks.preprocessed_bins import Windows, bin_shard, overlapping, touched, unpack_group
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.track_tables import plain_tracks
from small_records import example, one_hot, write_data_set, write_file

CONTIGS = {"chr1": 6_000, "chr2": 2_500, "chr3": 900}
LENGTH, POOL, CROP = 400, 16, 40  # 20 bins a row
ROW_BINS = (LENGTH - 2 * CROP) // POOL
TRACKS = ["A", "B", "C", "D"]
GEOMETRY = Geometry.centred(sequence_length=256, bins=12, bin_size=16)


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """Encoded contigs, some of them N, and the indexed FASTA."""
    folder = tmp_path_factory.mktemp("genome")
    rng = np.random.default_rng(0)
    encoded = {name: rng.choice(5, length, p=[0.24] * 4 + [0.04]).astype(np.uint8) for name, length in CONTIGS.items()}
    lines = [f">{name}\n{windows.decode(bases)}\n" for name, bases in encoded.items()]
    (folder / "raw.fa").write_text("".join(lines).replace("ACG", "acg"))
    index_genome(folder / "raw.fa", folder / "genome.fa", folder / "genome.json")
    return SimpleNamespace(encoded=encoded, fasta=folder / "genome.fa")


def rows_and_targets(dtype=np.float16, seed=1):
    """Rows of three folds in random order, which overlap, leave gaps, and reach past a contig; (bin, track) each."""
    rng = np.random.default_rng(seed)
    starts = [("chr1", at) for at in [*range(0, 3_000, 230), *range(3_700, 5_600, 410)]]
    starts += [("chr2", at) for at in (-30, 300, 301, 1_500, 2_300)]
    folds = rng.choice(["train", "valid", "test"], len(starts), p=[0.7, 0.15, 0.15])
    order = rng.permutation(len(starts))
    rows = [(*starts[index], str(folds[index])) for index in order]
    # As in Basenji's, a fold after another.
    rows.sort(key=lambda row: ["train", "valid", "test"].index(row[2]))
    return rows, [rng.gamma(0.7, 3, (ROW_BINS, len(TRACKS))).astype(dtype) for _ in rows]


def written(folder, genome, rows, targets, a_file=4, **more):
    return write_data_set(
        folder, genome.encoded, rows, targets, TRACKS, length=LENGTH, pool=POOL, crop=CROP, a_file=a_file, **more
    )


def gene_table(count=40, seed=2):
    """Genes anywhere, at the contigs' ends too; chr3 has no rows."""
    rng = np.random.default_rng(seed)
    chrom = rng.choice(list(CONTIGS), count, p=[0.6, 0.3, 0.1])
    tss = np.array([rng.integers(1, CONTIGS[name] + 1) for name in chrom])
    chrom[:4], tss[:4] = ["chr1", "chr1", "chr2", "chr3"], [1, CONTIGS["chr1"], 40, 300]
    strand = rng.choice(["+", "-"], count)
    return pd.DataFrame(
        {"gene_id": [f"g{row}" for row in range(count)], "strand": strand, "chrom_grch38": chrom, "tss_grch38": tss}
    )


def run(
    folder,
    data,
    genome,
    genes,
    *,
    geometry=GEOMETRY,
    tracks=TRACKS,
    missing="error",
    groups=3,
    shards=2,
    order=1,
):
    """The merged store's values and coverage (gene, bin, track), by way of all jobs; `order` -1 turns the groups."""
    around = Windows.of(genes, "grch38", geometry)
    kept = [folder / f"kept{group}.h5" for group in range(groups)]
    for group, path in enumerate(kept):
        data_set = basenji.DataSet(data, Genome(genome.fasta))
        provenance = {"assembly": "grch38", "genome_sha256": "abc"}
        unpack_group(data_set, plain_tracks(tracks), missing, group, groups, around, path, provenance)
    paths = [folder / f"{shard}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        given = (genes, shard, shards, "grch38", geometry, "abc")
        bin_shard(kept[::order], *given, path, {"source": "test"})
    merge(paths, folder / "all.h5")
    with FeatureStore(folder / "all.h5") as store:
        assert store.gene_id.tolist() == genes["gene_id"].tolist()
        values = store.select(store.gene_id, "all", "genomic").read(np.arange(len(genes)))
    covered = np.concatenate([covered_of(path) for path in paths])
    return values.astype(float), covered


def covered_of(path):
    with h5py.File(path) as file:
        return file["covered"][:]


def slowly(rows, targets, genes, geometry, columns):
    """Every gene's bins against every bin of every row, base by base."""
    shape = (len(genes), geometry.bins, len(columns))
    values, covered = np.zeros(shape), np.zeros(shape, bool)
    for number, gene in enumerate(genes.itertuples()):
        start = geometry.bins_start(gene.tss_grch38 - 1, gene.strand)
        for index in range(geometry.bins):
            mine = set(range(start + index * geometry.bin_size, start + (index + 1) * geometry.bin_size))
            found = [
                target[k, columns].astype(float)
                for (chrom, first, _), target in zip(rows, targets)
                if chrom == gene.chrom_grch38 and abs(first - start) < 2 * (LENGTH + geometry.sequence_length)
                for k in range(ROW_BINS)
                if not mine.isdisjoint(range(first + CROP + k * POOL, first + CROP + (k + 1) * POOL))
            ]
            if found:
                values[number, index], covered[number, index] = np.mean(found, axis=0), True
    return values, covered


def test_examples_of_the_docstrings():
    assert doctest.testmod(preprocessed_bins).failed == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "geometry",
    [
        GEOMETRY,
        Geometry.centred(sequence_length=250, bins=10, bin_size=25),
        Geometry.centred(sequence_length=1_100, bins=20, bin_size=55),
        Geometry.centred(sequence_length=35, bins=5, bin_size=7),
        Geometry.sliding(window=64, bins=8, bin_size=16),
    ],
)
def test_stores_equal_a_slow_loop(tmp_path, genome, dtype, geometry):
    rows, targets = rows_and_targets(dtype)
    data = written(tmp_path / "data", genome, rows, targets)
    assert len(list((data / "tfrecords").iterdir())) > 5
    genes = gene_table()
    values, covered = run(tmp_path, data, genome, genes, geometry=geometry)
    expected, mask = slowly(rows, targets, genes, geometry, [0, 1, 2, 3])
    np.testing.assert_array_equal(covered, mask)
    np.testing.assert_allclose(values, expected, rtol=1e-3)
    assert 0.3 < covered.mean() < 1 and not values[~covered].any()
    assert not covered[genes["chrom_grch38"] == "chr3"].any()


def test_how_files_are_dealt_out_and_in_which_order_changes_no_bit(tmp_path, genome):
    rows, targets = rows_and_targets()
    data = written(tmp_path / "data", genome, rows, targets)
    genes = gene_table()
    given = (data, genome, genes)
    first = run(tmp_path, *given)
    for number, changes in enumerate(({"groups": 1}, {"groups": 5}, {"order": -1}, {"shards": 7})):
        (tmp_path / str(number)).mkdir()
        other = run(tmp_path / str(number), *given, **changes)
        np.testing.assert_array_equal(other, first)
    # Other files, each of other rows, of the same data.
    again = written(tmp_path / "again", genome, rows, targets, a_file=7)
    np.testing.assert_array_equal(run(tmp_path, again, genome, genes), first)


def test_a_list_of_floats_is_read_as_float32(tmp_path, genome):
    rows, targets = rows_and_targets(np.float32)
    genes = gene_table()
    plain = run(tmp_path, written(tmp_path / "data", genome, rows, targets), genome, genes)
    floats = written(tmp_path / "floats", genome, rows, targets, floats=["target"])
    np.testing.assert_array_equal(run(tmp_path, floats, genome, genes), plain)


def test_tracks_are_those_of_the_table_in_the_order_of_the_data(tmp_path, genome, capsys, monkeypatch):
    told = []
    monkeypatch.setattr(preprocessed_bins, "tell", told.append)
    rows, targets = rows_and_targets()
    data, genes = written(tmp_path / "data", genome, rows, targets), gene_table()
    with pytest.raises(InputError, match=r"targets.txt: has no X \(1 of 3 tracks are not there\)"):
        run(tmp_path, data, genome, genes, tracks=["D", "X", "B"])
    capsys.readouterr()
    values, _ = run(tmp_path, data, genome, genes, tracks=["D", "X", "B"], missing="skip")
    # On the console once, whatever the number of groups.
    assert [line[:24] for line in told] == ["1 of 3 tracks are not in"]
    said = capsys.readouterr().out
    assert said.count("1 of 3 tracks are not in") == 2 and said.count("missing: X") == 3
    np.testing.assert_allclose(values, slowly(rows, targets, genes, GEOMETRY, [1, 3])[0], rtol=1e-3)
    with FeatureStore(tmp_path / "all.h5") as store:
        assert store.track_id.tolist() == ["B", "D"]
        assert store.provenance["assembly"] == "grch38" and len(store.provenance["sequences_sha256"]) == 64
    with pytest.raises(InputError, match="has none of the 1 tracks of the source, such as X"):
        run(tmp_path, data, genome, genes, tracks=["X"], missing="skip")


def test_measured_from_bigwigs_and_from_records_agree(tmp_path, genome):
    """A signal that is constant over blocks of POOL bp is the same both ways where a gene's bins lie on the blocks."""
    rng = np.random.default_rng(3)
    blocks = {name: rng.gamma(0.7, 3, (length // POOL, len(TRACKS))) for name, length in CONTIGS.items()}
    rows = [("chr1", at - CROP, "train") for at in range(48, 5_500, 304)]
    targets = []
    for chrom, start, _ in rows:
        first = (start + CROP) // POOL
        targets.append(blocks[chrom][first : first + ROW_BINS].astype(np.float16))
    genes = gene_table()
    genes["chrom_grch38"] = "chr1"
    # Odd rows: the bins begin on a block; the others begin wherever.
    start = np.arange(40) * 16 * 9 + 96 + np.where(np.arange(40) % 2, 0, np.arange(40) % 16)
    genes["tss_grch38"] = start + 1
    values, covered = run(tmp_path, written(tmp_path / "data", genome, rows, targets), genome, genes)
    paths = []
    for column, track in enumerate(TRACKS):
        paths.append(str(tmp_path / f"{track}.bw"))
        with pyBigWig.open(paths[-1], "w") as file:
            file.addHeader([(name, length // POOL * POOL) for name, length in CONTIGS.items()])
            for name in CONTIGS:
                file.addEntries(name, 0, values=blocks[name][:, column].tolist(), span=POOL, step=POOL)
    manifest = plain_tracks(TRACKS).assign(path=paths, reason="")
    contigs = {name: length // POOL * POOL for name, length in CONTIGS.items()}
    bigwig.bin_group(manifest, genes, GEOMETRY, contigs, "grch38", tmp_path / "bw.h5", {"source": "test"})
    with FeatureStore(tmp_path / "bw.h5") as store:
        binned = store.select(store.gene_id, "all", "genomic").read(np.arange(40)).astype(float)
    both = covered & covered_of(tmp_path / "bw.h5")
    aligned = (genes["tss_grch38"] - 1 - GEOMETRY.tss_index_plus + GEOMETRY.margin) % POOL == 0
    assert both[aligned].mean() > 0.8 and aligned.sum() >= 20
    np.testing.assert_allclose(values[aligned][both[aligned]], binned[aligned][both[aligned]], rtol=2e-3)
    # Elsewhere a bin is the mean of two blocks here, and weighs them by its bases there: at most half their difference.
    jump = max(np.abs(np.diff(block, axis=0)).max() for block in blocks.values())
    others = np.abs(values - binned)[~aligned][both[~aligned]]
    assert others.mean() > 0.01 and others.max() <= jump / 2 * 1.01
    assert np.corrcoef(values[both], binned[both])[0, 1] > 0.9


def test_genes_where_there_are_no_records_are_not_covered(tmp_path, genome):
    data = written(tmp_path / "data", genome, *rows_and_targets())
    genes = gene_table()
    genes["chrom_grch38"], genes["tss_grch38"] = "chr3", 400
    values, covered = run(tmp_path, data, genome, genes)
    assert not values.any() and not covered.any()


def test_a_real_file_is_read_at_rows_of_its_own_bases(tmp_path, shared_data):
    """The file's own sequences make the genome, since its sequences.bed is not here: a contig for each record."""
    path = shared_data / "cage10-train-00000-of-00100.tfrecord"
    found = [
        {name: bytes(content) for name, content in tfrecords.features(one).items()}
        for one in tfrecords.records(path, 1 << 21)
    ]
    encoded = {}
    for number, features in enumerate(found):
        bases = np.frombuffer(features["sequence"], np.uint8).reshape(-1, 4)
        encoded[f"chr{number}"] = np.where(bases.any(axis=1), bases.argmax(axis=1), 4).astype(np.uint8)
    lines = [f">{name}\n{windows.decode(bases)}\n" for name, bases in encoded.items()]
    (tmp_path / "raw.fa").write_text("".join(lines))
    index_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", tmp_path / "genome.json")
    rows = [(name, 0, "train") for name in encoded]
    targets = [np.frombuffer(features["target"], np.float32).reshape(2_048, 10) for features in found]
    tracks = [f"CNhs{number}" for number in range(10)]
    data = write_data_set(tmp_path / "data", encoded, rows, targets, tracks, length=262_144, pool=128)
    shutil.copy(path, data / "tfrecords" / "train-0.tfr")
    data_set = basenji.DataSet(data, Genome(tmp_path / "genome.fa"))
    read = [(row, target.copy()) for row, target in data_set.read(data_set.files[0])]
    assert [row for row, _ in read] == list(range(10))
    np.testing.assert_array_equal(np.array([target for _, target in read]), np.array(targets))


# --- what is wrong is named --------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, genome):
    return written(tmp_path / "data", genome, *rows_and_targets())


def refused(tmp_path, data, genome, said, **changes):
    with pytest.raises(InputError, match=said):
        run(tmp_path, data, genome, gene_table(), **changes)


def test_a_swapped_row_is_named_with_file_record_and_line(tmp_path, data, genome):
    lines = (data / "sequences.bed").read_text().splitlines()
    lines[5], lines[6] = lines[6], lines[5]
    (data / "sequences.bed").write_text("\n".join(lines) + "\n")
    refused(tmp_path, data, genome, r"train-1.tfr, record 2: \d+ of its 400 bases are not those of .*, line 6, puts it")


def test_one_other_base_is_named_by_its_place(tmp_path, data, genome):
    rows, targets = rows_and_targets()
    other = {name: bases.copy() for name, bases in genome.encoded.items()}
    chrom, start, _ = rows[2]
    other[chrom][start + 7] = 4 if other[chrom][start + 7] < 4 else 0
    moved = written(tmp_path / "moved", SimpleNamespace(encoded=other), rows[:3], targets[:3])
    said = f"train-0.tfr, record 3: 1 of its 400 bases .*line 3, puts it, the first at {chrom}:{start + 8:,} "
    refused(tmp_path, moved, genome, said, groups=1)


def test_a_row_is_checked_where_no_gene_is(tmp_path, data, genome):
    lines = (data / "sequences.bed").read_text().splitlines()
    lines[0], lines[1] = lines[1], lines[0]
    (data / "sequences.bed").write_text("\n".join(lines) + "\n")
    genes = gene_table()
    genes["chrom_grch38"], genes["tss_grch38"] = "chr3", 400
    with pytest.raises(InputError, match="record 1: .* bases are not those of"):
        run(tmp_path, data, genome, genes)


def test_a_damaged_and_a_truncated_file_are_named(tmp_path, data, genome):
    path = data / "tfrecords" / "train-2.tfr"
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 255
    path.write_bytes(bytes(changed))
    refused(tmp_path, data, genome, r"train-2.tfr, record \d: ")
    path.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, data, genome, r"train-2.tfr, record \d: the file is cut short here")
    assert not list(tmp_path.glob("*.h5")) or not (tmp_path / "kept1.h5").exists()


def test_another_number_of_tracks_or_bins_than_the_target_has_is_named(tmp_path, data, genome):
    table, numbers = data / "targets.txt", data / "statistics.json"
    told, kept = json.loads(numbers.read_text()), table.read_text()
    table.write_text(kept + "4\tE\tx.bw\t2\t1\tmean\tDNASE:E\n")
    refused(tmp_path, data, genome, r"targets.txt: 5 tracks, but num_targets in .* is 4")
    numbers.write_text(json.dumps(told | {"num_targets": 5}))
    refused(
        tmp_path, data, genome, r"train-0.tfr, record 1: 160 bytes of target, but 20 bins .* 5 tracks .* are 200 as"
    )
    table.write_text(kept)
    numbers.write_text(json.dumps(told | {"target_length": 18, "crop_bp": 56}))
    refused(tmp_path, data, genome, r"record 1: 160 bytes of target, but 18 bins")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target_length": 19}, r"19 bins \(target_length\) of 16 bp \(pool_width\) are not the middle of 400 bp"),
        ({"target_length": 30}, "are not the middle of"),
        ({"crop_bp": 41}, "are not the middle of"),
        ({"pool_width": 0}, "pool_width is 0, but must be a whole number above 0"),
        ({"seq_length": None}, "seq_length is None"),
        ({"train_seqs": 3}, r"rows of the fold train, but train_seqs in .* is 3"),
        ({"seqs_per_tfr": 5}, r"5 a file, as seqs_per_tfr says, are \d files train-N.tfr, but there are more"),
        ({"seqs_per_tfr": 3}, r"but train-\d.tfr is not there \(\d are not\)"),
        ({"seq_length": 416, "crop_bp": 48}, "sequences.bed, line 1: from .* are not the 416 bp"),
    ],
)
def test_sizes_that_contradict_each_other_are_named(tmp_path, data, genome, changes, said):
    path = data / "statistics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    refused(tmp_path, data, genome, said)


def test_without_a_word_basenjis_own_number_of_rows_a_file_counts(tmp_path, data, genome):
    path = data / "statistics.json"
    numbers = json.loads(path.read_text())
    del numbers["seqs_per_tfr"]
    path.write_text(json.dumps(numbers))
    refused(tmp_path, data, genome, "256 a file, as is Basenji's default, are 1 files train-N.tfr, but there are more")
    whole = written(tmp_path / "whole", genome, *rows_and_targets(), a_file=None)
    assert "seqs_per_tfr" not in json.loads((whole / "statistics.json").read_text())
    files = basenji.DataSet(whole, Genome(genome.fasta)).files
    assert [file.path.name for file in files] == ["train-0.tfr", "valid-0.tfr", "test-0.tfr"]


@pytest.mark.parametrize("name", ["sequences.bed", "statistics.json", "targets.txt"])
def test_a_missing_part_is_named(tmp_path, data, genome, name):
    (data / name).unlink()
    refused(tmp_path, data, genome, f"{name}: is not there; the folder of Basenji's data has")


def test_files_of_other_numbers_of_records_are_named(tmp_path, data, genome):
    files = sorted((data / "tfrecords").glob("train-*.tfr"))
    first = files[0].read_bytes()
    rows, targets = rows_and_targets()
    bases = [genome.encoded[chrom][max(start, 0) : start + LENGTH] for chrom, start, _ in rows[:5]]
    assert all(len(one) == LENGTH for one in bases)
    records = [example({"sequence": one_hot(one), "target": t.tobytes()}) for one, t in zip(bases, targets)]
    write_file(files[0], records)
    refused(tmp_path, data, genome, r"train-0.tfr, record 5: .*sequences.bed has only 4 rows for this file")
    write_file(files[0], records[:3])
    refused(tmp_path, data, genome, r"train-0.tfr: 3 records, but .* has 4 rows for them")
    write_file(files[0], [example({"sequence": one_hot(bases[0])})])
    refused(tmp_path, data, genome, r"train-0.tfr, record 1: holds no target")
    write_file(files[0], [b"\x0a\x99"])
    refused(tmp_path, data, genome, r"train-0.tfr, record 1: no tf.train.Example")
    write_file(files[0], [example({"sequence": one_hot(bases[0][:300]), "target": targets[0].tobytes()})])
    refused(tmp_path, data, genome, r"record 1: 1,200 bytes of sequence, but 400 bases")
    files[0].write_bytes(first)
    files[1].unlink()
    refused(tmp_path, data, genome, r"but train-1.tfr is not there \(1 are not\)")


@pytest.mark.parametrize(("line", "said"), [("chr1\t0\t400", "3 columns"), ("chr1\tx\t400\ttrain", "from x to 400")])
def test_a_bad_row_is_named(tmp_path, data, genome, line, said):
    bed = data / "sequences.bed"
    bed.write_text(bed.read_text() + line + "\n")
    refused(tmp_path, data, genome, rf"sequences.bed, line \d+: {said}")


def test_contigs_may_be_called_otherwise_and_must_be_in_the_genome(tmp_path, data, genome, capsys):
    genes = gene_table()
    first = run(tmp_path, data, genome, genes)
    bed = data / "sequences.bed"
    bed.write_text(bed.read_text().replace("chr", ""))
    np.testing.assert_array_equal(run(tmp_path, data, genome, genes), first)
    assert "has other names of contigs" in capsys.readouterr().out
    bed.write_text(re.sub(r"(?m)^2\t", "chrUn\t", bed.read_text()))
    refused(tmp_path, data, genome, r"sequences.bed, line \d+: .*genome.fa has no chrUn")


@pytest.mark.parametrize(("dtype", "value"), [(np.float16, np.nan), (np.float32, np.nan), (np.float16, -np.inf)])
def test_values_that_are_no_numbers_are_named(tmp_path, genome, dtype, value):
    rows, targets = rows_and_targets(dtype)
    targets[1][:, 2] = value
    targets[0][:, 0] = np.finfo(np.float16).max  # the largest there is
    data = written(tmp_path / "data", genome, rows, targets)
    refused(tmp_path, data, genome, f"train-0.tfr, record 2: a value of C is {value}, no finite number")
    run(tmp_path, data, genome, gene_table(), tracks=["A", "B"])


def test_more_groups_than_files_are_refused(tmp_path, data, genome):
    refused(tmp_path, data, genome, "files of records cannot fill 99 groups", groups=99)


def test_kept_bins_of_other_genes_and_missing_groups_are_refused(tmp_path, data, genome):
    genes = gene_table()
    run(tmp_path, data, genome, genes)
    kept = [tmp_path / f"kept{group}.h5" for group in range(3)]
    given = (0, 1, "grch38", GEOMETRY)
    with pytest.raises(InputError, match=r"are the groups \[0, 2\], but there should be 3"):
        bin_shard([kept[0], kept[2]], genes, *given, "abc", tmp_path / "x.h5", {})
    with pytest.raises(InputError, match="kept0.h5: made for other genes"):
        bin_shard(kept, gene_table(seed=9), *given, "abc", tmp_path / "x.h5", {})
    with pytest.raises(InputError, match="kept0.h5: its genome_sha256 is abc, but should be def"):
        bin_shard(kept, genes, *given, "def", tmp_path / "x.h5", {})
    assert not (tmp_path / "x.h5").exists()


def test_damage_in_kept_bins_shows(tmp_path, data, genome):
    genes = gene_table()
    run(tmp_path, data, genome, genes)
    with CheckedFile(tmp_path / "kept1.h5", preprocessed_bins.FORMAT) as file:
        place = file.rows("values").offset + 1
    content = bytearray((tmp_path / "kept1.h5").read_bytes())
    content[place] ^= 1
    (tmp_path / "kept1.h5").write_bytes(bytes(content))
    kept = [tmp_path / f"kept{group}.h5" for group in range(3)]
    with pytest.raises(InputError, match="kept1.h5: damaged at row 0"):
        bin_shard(kept, genes, 0, 1, "grch38", GEOMETRY, "abc", tmp_path / "x.h5", {})


# --- parts -------------------------------------------------------------------------------------------------------


def test_overlaps_equal_sets_of_bases():
    rng = np.random.default_rng(0)
    for _ in range(200):
        bins, size, part = rng.integers(1, 12), rng.integers(1, 9), rng.integers(1, 30)
        edges = rng.integers(-80, 80) + part * np.arange(8)
        first, last = overlapping(edges, bins, size)
        for index in range(7):
            mine = set(range(edges[index], edges[index + 1]))
            found = [k for k in range(bins) if not mine.isdisjoint(range(k * size, (k + 1) * size))]
            assert list(range(first[index], last[index])) == found


def test_touched_bins_are_those_that_a_window_overlaps():
    rng = np.random.default_rng(0)
    for _ in range(50):
        around = Windows(np.full(9, "chr1"), rng.integers(-50, 500, 9), int(rng.integers(1, 60)))
        [stretches] = around.union().values()
        assert (stretches[1:, 0] > stretches[:-1, 1]).all()
        covered = {base for start in around.start for base in range(start, start + around.width)}
        start, bins, size = int(rng.integers(-20, 300)), int(rng.integers(1, 30)), int(rng.integers(1, 12))
        found = [k for run in touched(stretches, start, bins, size) for k in run]
        assert found == [k for k in range(bins) if covered & set(range(start + k * size, start + (k + 1) * size))]


def test_bins_that_no_gene_touches_are_not_kept(tmp_path, data, genome):
    genes = gene_table(count=4)
    run(tmp_path, data, genome, genes)
    kept = 0
    for group in range(3):
        with CheckedFile(tmp_path / f"kept{group}.h5", preprocessed_bins.FORMAT) as file:
            kept += file.shapes["values"][0]
            assert file.dtypes["values"] == np.float16
    # Each of the three genes with rows touches 13 bins at most of each row that it overlaps.
    assert 0 < kept <= 3 * 13 * 4 < 20 * 24


def test_memory_does_not_grow_with_the_records(tmp_path, genome):
    peaks = []
    for copies in (1, 4):
        rows, targets = rows_and_targets()
        folder = tmp_path / str(copies)
        data = written(folder / "data", genome, rows * copies, targets * copies)
        data_set = basenji.DataSet(data, Genome(genome.fasta))
        around = Windows.of(gene_table(), "grch38", GEOMETRY)
        given = (plain_tracks(TRACKS), "error", 0, 1, around, folder / "kept.h5")
        tracemalloc.start()
        unpack_group(data_set, *given, {"assembly": "grch38", "genome_sha256": "abc"})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
