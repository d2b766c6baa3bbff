import errno
import os
import re
import resource
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pybigtools
import pyBigWig
import pytest

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks import bigwig
from chrom2expr.tracks.bigwig import BigWig, bin_group, merge_windows, transform
from chrom2expr.tracks.store_reader import FeatureStore

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"
CONTIGS = {"chr1": 50_000, "chr2": 9_000, "chr3": 7_000}
ABSENT = "chr3"  # of the assembly, but in no bigWig
BINS, SIZE = 12, 16
GEOMETRY = Geometry.centred(sequence_length=256, bins=BINS, bin_size=SIZE)


def write_bigwig(path, seed=0, contigs=CONTIGS, holes=0.4):
    """Intervals of random length and value with holes between them; returns one value a base, NaN in holes."""
    rng = np.random.default_rng(seed)
    truth = {}
    with pyBigWig.open(str(path), "w") as file:
        present = {name: length for name, length in contigs.items() if name != ABSENT}
        file.addHeader(list(present.items()))
        for name, length in present.items():
            edges = np.unique(np.append(rng.integers(0, length, length // 15), [0, length]))
            kept = rng.random(len(edges) - 1) > holes
            starts, ends = edges[:-1][kept], edges[1:][kept]
            values = rng.gamma(1, 20, len(starts)).astype(np.float32)
            file.addEntries([name] * len(starts), starts.tolist(), ends=ends.tolist(), values=values.tolist())
            truth[name] = np.full(length, np.nan)
            for start, end, value in zip(starts, ends, values):
                truth[name][start:end] = value
    return truth


def gene_table(count=60, seed=1, contigs=CONTIGS):
    """Genes anywhere, some within half a window of a contig's end, some on a contig that the bigWigs do not have."""
    rng = np.random.default_rng(seed)
    chrom = rng.choice(list(contigs), count)
    tss = np.array([rng.integers(1, contigs[name] + 1) for name in chrom])
    chrom[:3], tss[:3] = ["chr1", "chr1", "chr2"], [1, contigs["chr1"], 40]
    return pd.DataFrame(
        {
            "gene_id": [f"g{row}" for row in range(count)],
            "strand": "?",
            "strand_grch38": rng.choice(["+", "-"], count),
            "chrom_grch38": chrom,
            "tss_grch38": tss,
        }
    )


def slow_bins(truth, start, length):
    """Sum and coverage of a window's bins, base by base."""
    sums, covered = np.zeros(BINS), np.zeros(BINS, bool)
    for index in range(BINS * SIZE):
        base = start + index
        if 0 <= base < length and truth is not None and not np.isnan(truth[base]):
            sums[index // SIZE] += truth[base]
            covered[index // SIZE] = True
    return sums, covered


def slow_transform(total, statistic, clip, scale):
    value = total / SIZE if statistic == "mean" else total
    if value > clip:
        value = clip + (value - clip) ** 0.5
    return value * scale


def manifest(paths, statistic="mean", clip=np.inf, scale=1.0):
    return pd.DataFrame(
        {
            "track_id": [f"t{row}" for row in range(len(paths))],
            "track_type": "chromatin",
            "clip": clip,
            "scale": scale,
            "sum_stat": statistic,
            "path": [str(path) for path in paths],
            "reason": "",
        }
    )


def run(table, genes, output, geometry=GEOMETRY):
    bin_group(table, genes, geometry, CONTIGS, "grch38", output, {"source": "test"})
    with h5py.File(output) as file:
        return file["tracks"][:].astype(float), file["covered"][:]


@pytest.mark.parametrize("geometry", [GEOMETRY, Geometry.sliding(window=64, bins=BINS, bin_size=SIZE)])
def test_a_group_equals_a_slow_loop(tmp_path, monkeypatch, geometry, capsys):
    monkeypatch.setattr(bigwig, "SPAN", 700)
    monkeypatch.setattr(bigwig, "BLOCK", 3 * BINS * 13)
    truths = [write_bigwig(tmp_path / f"{seed}.bw", seed) for seed in range(3)]
    table = manifest([tmp_path / "0.bw", "", tmp_path / "1.bw", tmp_path / "2.bw"])
    rules = {"t0": ("mean", 8, 2), "t2": ("sum", 100, 1), "t3": ("mean", np.inf, 0.5)}
    for track, rule in rules.items():
        table.loc[table["track_id"] == track, ["sum_stat", "clip", "scale"]] = rule
    genes = gene_table()
    values, covered = run(table, genes, tmp_path / "x.h5", geometry)
    assert values.shape == (60, BINS, 3)
    for row, gene in enumerate(genes.itertuples()):
        start = geometry.bins_start(gene.tss_grch38 - 1, gene.strand_grch38)
        for column, (truth, rule) in enumerate(zip(truths, rules.values())):
            sums, mask = slow_bins(truth.get(gene.chrom_grch38), start, CONTIGS[gene.chrom_grch38])
            expected = [slow_transform(total, *rule) for total in sums]
            np.testing.assert_allclose(values[row, :, column], expected, rtol=1e-3)
            np.testing.assert_array_equal(covered[row, :, column], mask)
    assert 0 < covered.mean() < 1 and not values[~covered].any()
    said = capsys.readouterr().out
    assert f"{(genes['chrom_grch38'] == ABSENT).sum()} genes lie on 1 contigs it does not have" in said
    with FeatureStore(tmp_path / "x.h5") as store:
        assert store.track_id.tolist() == ["t0", "t2", "t3"]
        assert store.strand.tolist() == genes["strand_grch38"].tolist()
        assert store.provenance == {"source": "test", "assembly": "grch38"}


def test_sums_equal_pybigwigs_exact_statistics(tmp_path):
    write_bigwig(tmp_path / "x.bw")
    start = np.random.default_rng(0).integers(0, CONTIGS["chr1"] - BINS * SIZE, 100)
    chrom = np.full(100, "chr1")
    with BigWig(tmp_path / "x.bw", CONTIGS, CONTIGS) as file, pyBigWig.open(str(tmp_path / "x.bw")) as reference:
        sums, covered = file.sums(merge_windows(chrom, start, BINS * SIZE), start, BINS, SIZE)
        for row, first in enumerate(start.tolist()):
            for index, low in enumerate(range(first, first + BINS * SIZE, SIZE)):
                (total,) = reference.stats("chr1", low, low + SIZE, type="sum", exact=True)
                assert covered[row, index] == (total is not None)
                assert sums[row, index] == pytest.approx(total or 0, rel=1e-5)


def test_sums_equal_those_of_another_reader(tmp_path):
    write_bigwig(tmp_path / "x.bw")
    start = np.random.default_rng(1).integers(0, CONTIGS["chr2"] - BINS * SIZE, 50)
    with BigWig(tmp_path / "x.bw", CONTIGS, CONTIGS) as file:
        sums, _ = file.sums(merge_windows(np.full(50, "chr2"), start, BINS * SIZE), start, BINS, SIZE)
    other = pybigtools.open(str(tmp_path / "x.bw"))
    for row, first in zip(sums, start.tolist(), strict=True):
        found = other.values("chr2", first, first + BINS * SIZE, bins=BINS, summary="sum", exact=True, fillna=0)
        np.testing.assert_allclose(row, found, rtol=1e-5)


def test_spans_hold_every_window_once_and_stay_short(monkeypatch):
    monkeypatch.setattr(bigwig, "SPAN", 500)
    rng = np.random.default_rng(0)
    chrom, start = rng.choice(["chr1", "chr2"], 200), rng.integers(-50, 9000, 200)
    spans = merge_windows(chrom, start, 100)
    assert sorted(window for span in spans for window in span.windows) == list(range(200))
    for span in spans:
        assert span.high - span.low <= 500
        inside = span.windows
        assert set(chrom[inside]) == {span.chrom}
        assert start[inside].min() == span.low and start[inside].max() + 100 == span.high
    assert any(len(span.windows) > 2 for span in spans)


def test_the_clip_is_soft_and_comes_before_the_scale():
    sums = np.array([8, 16, 400, -8], dtype=np.float32)
    np.testing.assert_allclose(transform(sums, 4, "mean", 4, 3), [6, 12, 3 * (4 + 96**0.5), -6], rtol=1e-6)
    np.testing.assert_allclose(transform(sums, 4, "sum", np.inf, 1), sums)


def test_a_group_without_files_is_an_empty_shard(tmp_path):
    values, _ = run(manifest(["", ""]), gene_table(), tmp_path / "x.h5")
    assert values.shape == (60, BINS, 0)


def refused(tmp_path, message, path="x.bw", genes=None):
    with pytest.raises(InputError, match=message):
        run(manifest([tmp_path / path]), gene_table() if genes is None else genes, tmp_path / "x.h5")
    assert not [file for file in tmp_path.iterdir() if ".h5" in file.name]


def test_files_that_are_no_bigwigs_are_refused(tmp_path, capfd):
    write_bigwig(tmp_path / "good.bw")
    content = (tmp_path / "good.bw").read_bytes()
    for bad in (b"chr1 1 2 3\n" * 50, content[: len(content) // 3], content[:100]):
        (tmp_path / "x.bw").write_bytes(bad)
        refused(tmp_path, r"x\.bw: cut short, or not a bigWig")
    refused(tmp_path, r"nowhere\.bw: missing", path="nowhere.bw")


def test_a_disk_that_fails_in_the_middle_is_not_called_damage(tmp_path, monkeypatch):
    write_bigwig(tmp_path / "x.bw")
    content = bytearray((tmp_path / "x.bw").read_bytes())
    content[2_000:12_000] = bytes(10_000)
    (tmp_path / "x.bw").write_bytes(content)

    def fail(path):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(bigwig, "sha256", fail)
    with pytest.raises(SystemTrouble, match=r"x\.bw: its disk failed"):
        refused(tmp_path, "")


def test_a_file_damaged_in_the_middle_is_named_and_leaves_nothing(tmp_path, capfd):
    write_bigwig(tmp_path / "x.bw")
    content = bytearray((tmp_path / "x.bw").read_bytes())
    # The compressed values follow the header, zoom headers and contigs.
    content[2_000:12_000] = bytes(10_000)
    (tmp_path / "x.bw").write_bytes(content)
    refused(tmp_path, r"x\.bw: cannot be read at chr\d:.*damaged")


def write_values(path, *values):
    """A bigWig that covers chr1 with 1, but for these (place, length, value)."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(CONTIGS.items()))
        whole = np.ones(CONTIGS["chr1"], dtype=np.float32)
        for place, length, value in values:
            whole[place : place + length] = value
        file.addEntries("chr1", 0, values=whole, span=1, step=1)
    return path


def one_gene(tss=1001):
    columns = {"gene_id": ["g"], "strand": "+", "strand_grch38": "+", "chrom_grch38": "chr1", "tss_grch38": [tss]}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("statistic", ["sum", "mean"])
@pytest.mark.parametrize("clip", [32, np.inf])
def test_an_infinite_value_is_named_by_its_place(tmp_path, value, statistic, clip):
    # The gene's bins are [904, 1096) of chr1.
    write_values(tmp_path / "x.bw", (990, 20, value), (1050, 1, -value), (1090, 1, np.nan))
    table = manifest([tmp_path / "x.bw"], statistic, clip)
    with pytest.raises(InputError, match=rf"x\.bw: the value at chr1:991 \(1-based\) is {value}"):
        run(table, one_gene(), tmp_path / "x.h5")
    assert not list(tmp_path.glob("*.h5*"))
    write_values(tmp_path / "x.bw", (903, 1, value), (1096, 1, value))
    tracks, _ = run(table, one_gene(), tmp_path / "x.h5")
    assert np.isfinite(tracks).all(), "no bin of a gene holds it"


def test_values_whose_sum_is_infinite_are_refused_and_large_ones_are_named(tmp_path, capsys):
    write_values(tmp_path / "x.bw", (990, 20, 3e38))
    refused(tmp_path, r"x\.bw: the values in chr1:905-1,096 \(1-based\) are so large", genes=one_gene())
    write_values(tmp_path / "x.bw", (990, 20, 1e6))
    run(manifest([tmp_path / "x.bw"]), one_gene(), tmp_path / "x.h5")
    assert "2 values beyond float16's range were clipped to +-65504, the first of gene g, t0" in capsys.readouterr().out


def many_files(folder, count, *limits):
    """The end of a process that bins `count` bigWigs with these soft and hard limits of open files."""
    write_bigwig(folder / "0.bw")
    for number in range(1, count):
        shutil.copy(folder / "0.bw", folder / f"{number}.bw")
    script = f"import test_bigwig as t; t.bin_copies({count}, {str(folder)!r})"
    return subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(Path(__file__).parent)])},
        capture_output=True,
        text=True,
    )


def bin_copies(count, folder):
    run(manifest([f"{folder}/{number}.bw" for number in range(count)]), gene_table(), f"{folder}/x.h5")


def test_a_limit_of_open_files_is_raised_where_the_system_lets_it(tmp_path):
    ended = many_files(tmp_path, 80, 64, 256)
    assert ended.returncode == 0, ended.stderr
    with FeatureStore(tmp_path / "x.h5") as store:
        assert len(store.track_id) == 80


def test_a_limit_of_open_files_that_cannot_be_raised_is_named_with_its_cures(tmp_path):
    ended = many_files(tmp_path, 80, 64, 64)
    assert re.search(r"SystemTrouble: 80 files must be open .* only 64 open .*ulimit -n \d+.*groups", ended.stderr)
    assert "fetch it again" not in ended.stderr and not (tmp_path / "x.h5").exists()


def test_an_error_of_the_system_is_not_called_damage(tmp_path, monkeypatch):
    write_bigwig(tmp_path / "x.bw")
    (tmp_path / "folder.bw").mkdir()
    with pytest.raises(IsADirectoryError):
        BigWig(tmp_path / "folder.bw", CONTIGS, CONTIGS)
    for number in (errno.EMFILE, errno.EIO, errno.ESTALE, errno.EACCES):

        def fail(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(bigwig, "open", fail, raising=False)
        with pytest.raises(OSError, match=re.escape(os.strerror(number))):
            BigWig(tmp_path / "x.bw", CONTIGS, CONTIGS)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_a_permission_that_is_missing_is_not_called_damage(tmp_path):
    write_bigwig(tmp_path / "x.bw")
    (tmp_path / "x.bw").chmod(0)
    child = os.fork()
    if not child:
        os.chdir(tmp_path)  # pytest's folders are root's own
        os.setuid(65534)
        try:
            BigWig("x.bw", CONTIGS, CONTIGS)
        except PermissionError:
            os._exit(0)
        except BaseException:
            os._exit(1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_bigwig_of_another_assembly_is_refused(tmp_path):
    write_bigwig(tmp_path / "x.bw", contigs={"chr1": 50_000, "chr2": 9_001})
    refused(tmp_path, r"x\.bw: chr2 is 9,001 bp long there, but 9,000 bp in the genome; .*another assembly")


def test_a_bigwig_with_other_names_is_refused(tmp_path):
    write_bigwig(tmp_path / "x.bw", contigs={"NC_1": 50_000, "NC_2": 9_000})
    refused(tmp_path, r"x\.bw: has none of the genes' contigs \(chr1, chr2, chr3, ...\) but NC_1, NC_2")


def test_memory_does_not_grow_with_the_genes(tmp_path, monkeypatch):
    bins = 960
    monkeypatch.setattr(bigwig, "BLOCK", bins * 20)
    write_bigwig(tmp_path / "x.bw")
    geometry, table = Geometry.centred(sequence_length=bins * 4, bins=bins, bin_size=4), manifest([tmp_path / "x.bw"])

    def peak(count):
        genes = gene_table(count)
        tracemalloc.start()
        bin_group(table, genes, geometry, CONTIGS, "grch38", tmp_path / "x.h5", {"source": "test"})
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(20)  # what is loaded once
    # A gene's values and mask take 4,800 bytes; its name and place may be kept.
    assert peak(220) - peak(20) < 200 * bins * 5 / 2
