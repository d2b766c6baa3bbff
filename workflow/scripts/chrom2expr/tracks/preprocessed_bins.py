"""Measured tracks of Basenji's preprocessed data: what genes touch of it, kept in files, and averaged over their bins.

The files of records are read from beginning to end, and their rows lie anywhere in the genome. So jobs that read some
of the files each, every record once, keep the preprocessed bins that any gene's bins overlap, as they are; then jobs of
some genes each read what theirs overlap, from all of these. The value of a gene's bin is the mean of all preprocessed
bins that overlap it, by however little; where there is none, it is not covered. Values are clipped and scaled already.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format, allow_open_files
from chrom2expr.genome.genes import locate
from chrom2expr.genome.sequences import shard_of
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import Progress, tell
from chrom2expr.tracks.basenji import DataSet
from chrom2expr.tracks.store_writer import ShardWriter

FORMAT = Format("chrom2expr preprocessed bins", 1)
# What all files of kept bins must have in common with one another, and with the genes that are averaged over them.
PROVENANCE = ("assembly", "genome_sha256", "sequences_sha256")
COMMON = (*PROVENANCE, "bin_size", "groups", "windows")
# Whole numbers as wide as float16 and float32.
_BITS = {2: np.uint16, 4: np.uint32}


class Windows(NamedTuple):
    """Where the bins of genes lie: chrom and start (gene,), 0-based, and the width of each in bp."""

    chrom: np.ndarray
    start: np.ndarray
    width: int

    @classmethod
    def of(cls, genes: pd.DataFrame, assembly: str, geometry: Geometry) -> "Windows":
        """The windows of the genes of a tss.tsv."""
        located = locate(genes, assembly)
        start = [geometry.bins_start(tss, strand) for tss, strand in zip(located["tss"], located["strand"])]
        return cls(located["chrom"].to_numpy(dtype=str), np.array(start), geometry.bins * geometry.bin_size)

    def union(self) -> dict[str, np.ndarray]:
        """The stretches that they cover, by contig: (stretch, 2), start and end, ascending and apart.

        >>> found = Windows(np.array(["chr1", "chr1", "chr1"]), np.array([30, 0, 5]), 10).union()
        >>> found["chr1"].tolist()
        [[0, 15], [30, 40]]
        """
        found = {}
        for chrom in np.unique(self.chrom).tolist():
            start = np.sort(self.start[self.chrom == chrom])
            first = np.flatnonzero(np.append(True, start[1:] > start[:-1] + self.width))
            last = np.append(first[1:], len(start)) - 1
            found[chrom] = np.stack([start[first], start[last] + self.width], axis=1)
        return found

    def digest(self) -> str:
        """SHA-256 of where they lie, whatever their order."""
        listed = sorted(zip(self.chrom.tolist(), self.start.tolist()))
        return hashlib.sha256(repr((listed, self.width)).encode()).hexdigest()


def overlapping(edges: np.ndarray, bins: int, bin_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `bins` bins, the first of which begins at 0, overlap each part between two edges: first, and last + 1.

    edges: (part + 1,), ascending, in bp; returns (part,) twice, equal where no bin overlaps.

    >>> [found.tolist() for found in overlapping(np.array([-10, 0, 10, 26, 60]), 5, 8)]
    [[0, 0, 1, 3], [0, 2, 4, 5]]
    """
    first = np.clip(edges[:-1] // bin_size, 0, bins)
    return first, np.clip(-(-edges[1:] // bin_size), first, bins)


def touched(stretches: np.ndarray, start: int, bins: int, bin_size: int) -> list[range]:
    """The runs of a row's bins, which begin at `start`, that any of the stretches (stretch, 2) overlaps.

    >>> touched(np.array([[0, 15], [30, 40]]), 10, 4, 8)
    [range(0, 1), range(2, 4)]
    """
    near = (stretches[:, 0] < start + bins * bin_size) & (stretches[:, 1] > start)
    wanted = np.zeros(bins + 2, dtype=bool)
    for stretch in stretches[near]:
        (low,), (high,) = overlapping(stretch - start, bins, bin_size)
        wanted[low + 1 : high + 1] = True
    edges = np.flatnonzero(wanted[1:] != wanted[:-1])
    return [range(low, high) for low, high in edges.reshape(-1, 2).tolist()]


def choose_tracks(data: DataSet, tracks: pd.DataFrame, missing: str, told: bool) -> tuple[np.ndarray, pd.DataFrame]:
    """The columns (track,) of the data's tracks that a table of tracks names, ascending, and the table's rows for them.

    A track that the data do not have is an InputError if `missing` is "error", and left out if it is "skip", which is
    counted in the log and, if `told`, on the console. Raises InputError if they have none.
    """
    rows = {identifier: row for row, identifier in enumerate(tracks["track_id"])}
    columns = [column for column, identifier in enumerate(data.track_id.tolist()) if identifier in rows]
    absent = tracks["track_id"][~tracks["track_id"].isin(data.track_id)].tolist()
    where = data.folder / "targets.txt"
    if not columns:
        raise InputError(f"{where}: has none of the {len(tracks):,} tracks of the source, such as {absent[0]}")
    if absent and missing == "error":
        raise InputError(
            f"{where}: has no {absent[0]} ({len(absent):,} of {len(tracks):,} tracks are not there); correct the "
            "source's table of tracks, or set missing_bigwigs: skip to go on without them"
        )
    say = tell if absent and told else print
    say(f"{len(absent):,} of {len(tracks):,} tracks are not in {where}")
    for identifier in absent:
        print(f"missing: {identifier}")
    return np.array(columns), tracks.iloc[[rows[identifier] for identifier in data.track_id[columns].tolist()]]


def unpack_group(
    data: DataSet,
    tracks: pd.DataFrame,
    missing: str,
    group: int,
    groups: int,
    windows: Windows,
    output: str | Path,
    provenance: Mapping[str, str],
) -> None:
    """Read one of `groups` groups of a data set's files, and keep the bins that any of the windows overlaps.

    tracks: as of `track_tables.read_tracks`; missing: see choose_tracks. Writes `values` (kept bin, track), run after
    run; chrom, start, bins, row (run,): where the first bin of each run begins, how many there are, and the row of
    sequences.bed; track_id, track_type. One record is in memory at a time, and every one is checked, those that no
    window overlaps too. Raises InputError as `choose_tracks` and DataSet.read do, and for a value that is no finite
    number.
    """
    columns, table = choose_tracks(data, tracks, missing, told=group == 0)
    if groups > len(data.files):
        raise InputError(f"{len(data.files)} files of records cannot fill {groups} groups: lower the source's groups")
    files = [data.files[index] for index in np.array_split(np.arange(len(data.files)), groups)[group]]
    rows = np.concatenate([file.rows for file in files])
    runs = _runs(data, rows, windows)
    in_order = [(row, run) for row, own in runs.items() for run in own]
    kept = sum(len(run) for _, run in in_order)
    print(f"{len(files)} of {len(data.files)} files, {len(rows):,} records; {kept:,} of their bins are around genes")
    every = len(columns) == len(data.track_id)
    attributes = {**provenance, "bin_size": data.bin_size, "sequences_sha256": data.digest, "group": group}
    with create_file(output, FORMAT, attributes | {"groups": groups, "windows": windows.digest()}) as file:
        file.write("track_id", table["track_id"].to_numpy(dtype=str))
        file.write("track_type", table["track_type"].to_numpy(dtype=str))
        file.write("chrom", np.array([data.chrom[row] for row, _ in in_order], dtype=str))
        start = [data.start[row] + run.start * data.bin_size for row, run in in_order]
        file.write("start", np.array(start, dtype=np.int64))
        file.write("bins", np.array([len(run) for _, run in in_order], dtype=np.int64))
        file.write("row", np.array([row for row, _ in in_order], dtype=np.int64))
        progress, at, dtype = Progress(len(rows), "records"), 0, None
        for record_file in files:
            for number, (row, target) in enumerate(data.read(record_file), start=1):
                if dtype is None:
                    dtype = target.dtype
                    file.create("values", (kept, len(columns)), dtype)
                where = f"{record_file.path}, record {number}"
                if target.dtype != dtype:
                    raise InputError(f"{where}: its target is {target.dtype}, but those before it are {dtype}")
                for run in runs[row]:
                    values = target[run.start : run.stop] if every else target[run.start : run.stop, columns]
                    _refuse_broken(values, table, where)
                    file.put("values", at, values)
                    at += len(run)
                progress.advance(1)


def _runs(data: DataSet, rows: np.ndarray, windows: Windows) -> dict[int, list[range]]:
    """The runs of bins of each row that any window overlaps."""
    stretches, none = windows.union(), np.empty((0, 2), dtype=np.int64)
    return {
        row: touched(stretches.get(data.chrom[row], none), data.start[row], data.bins, data.bin_size)
        for row in rows.tolist()
    }


def _refuse_broken(values: np.ndarray, tracks: pd.DataFrame, where: str) -> None:
    """Raise InputError for the first of a record's values (bin, track) that is no finite number."""
    # The exponent's bits are all set in infinities and NaN, and looking at the bits is far faster than comparing.
    infinity = np.array(np.inf, values.dtype).view(_BITS[values.itemsize])
    if (values.view(infinity.dtype) & infinity).max() < infinity:
        return
    bin_index, column = np.argwhere(~np.isfinite(values))[0]
    raise InputError(
        f"{where}: a value of {tracks['track_id'].iloc[column]} is {values[bin_index, column]}, no finite number; "
        "leave the track out, or get the file again"
    )


class KeptBins:
    """A file that `unpack_group` wrote, open for reading: chrom, start, bins, row (run,), track_id and track_type."""

    def __init__(self, path: str | Path, stack: ExitStack) -> None:
        self.file = stack.enter_context(CheckedFile(path, FORMAT))
        self.chrom, self.start, self.bins, self.row, self.track_id, self.track_type = (
            self.file.read(name) for name in ("chrom", "start", "bins", "row", "track_id", "track_type")
        )
        self._first = np.append(0, np.cumsum(self.bins))[:-1]

    def read(self, run: int, low: int, high: int) -> np.ndarray:
        """The bins from `low` to `high` of a run, (bin, track) float32. Raises InputError where the file is damaged."""
        rows = self.file.rows("values")
        values = np.empty((high - low, rows.shape[1]), rows.dtype)
        for index, place in enumerate(range(self._first[run] + low, self._first[run] + high)):
            self.file.read_row("values", place, values[index])
        return values.astype(np.float32, copy=False)


def bin_shard(
    kept: Sequence[str | Path],
    genes: pd.DataFrame,
    shard: int,
    shards: int,
    assembly: str,
    geometry: Geometry,
    genome_sha256: str,
    output: str | Path,
    provenance: Mapping[str, str],
) -> None:
    """Average the bins that all groups kept over those of one of `shards` shards of genes, into a feature shard.

    kept: the files of `unpack_group`, in any order; genes: all of them, of `genes.read_genes`. One gene, and what one
    row has of it, is in memory at a time. The result does not depend on how files were dealt out to groups. Raises
    InputError if a file is damaged, if they are not of one data set, these genes and this genome, or one is missing.
    """
    own = shard_of(genes, shard, shards)
    windows = Windows.of(own, assembly, geometry)
    wanted = {"assembly": assembly, "genome_sha256": genome_sha256}
    wanted["windows"] = Windows.of(genes, assembly, geometry).digest()
    with ExitStack() as stack:
        allow_open_files(len(kept), "deal the files of records out to fewer jobs (sources: NAME: groups)")
        files = [KeptBins(path, stack) for path in kept]
        _check_match(files, wanted)
        attributes = files[0].file.attributes
        writer = stack.enter_context(
            ShardWriter(
                output,
                gene_id=own["gene_id"].to_numpy(),
                strand=locate(own, assembly)["strand"].to_numpy(),
                track_id=files[0].track_id,
                track_type=files[0].track_type,
                bins=geometry.bins,
                bin_size=geometry.bin_size,
                provenance={**provenance, **{name: str(attributes[name]) for name in PROVENANCE}},
                covered=True,
            )
        )
        runs, progress = _Runs(files), Progress(len(own), "genes")
        for row, (chrom, start) in enumerate(zip(windows.chrom.tolist(), windows.start.tolist())):
            values, covered = runs.mean(chrom, start + geometry.bin_size * np.arange(geometry.bins + 1))
            writer.write(row, values[None], covered[None])
            progress.advance(1)


def _check_match(files: Sequence[KeptBins], wanted: Mapping[str, str]) -> None:
    """Raise InputError unless files of kept bins belong together, are all there, and are of what is `wanted`."""
    first = files[0].file
    for file in files:
        for name in COMMON:
            expected = wanted.get(name, first.attributes[name])
            found = file.file.attributes[name]
            if found != expected:
                what = f"its {name} is {found!s:.80}, but should be {expected!s:.80}"
                if name == "windows":
                    what = "made for other genes, or for other bins around them"
                raise InputError(f"{file.file.path}: {what}; delete it and run again")
        if not np.array_equal(file.track_id, files[0].track_id):
            raise InputError(f"{file.file.path}: has other tracks than {first.path}; delete both and run again")
    groups = sorted(int(file.file.attributes["group"]) for file in files)
    if groups != list(range(int(first.attributes["groups"]))):
        raise InputError(
            f"{first.path} and its like are the groups {groups}, but there should be {first.attributes['groups']}, "
            "each once; delete them and run again"
        )


class _Runs:
    """The runs of all files, contig by contig, in the order of their rows."""

    def __init__(self, files: Sequence[KeptBins]) -> None:
        self._files, self._bin_size = files, int(files[0].file.attributes["bin_size"])
        table = pd.DataFrame(
            {
                "file": np.repeat(np.arange(len(files)), [len(file.start) for file in files]),
                "run": np.concatenate([np.arange(len(file.start)) for file in files]),
                **{
                    name: np.concatenate([getattr(file, name) for file in files])
                    for name in ("chrom", "start", "bins", "row")
                },
            }
        )
        self._contigs = dict(tuple(table.sort_values(["row", "start"]).groupby("chrom")))

    def mean(self, chrom: str, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the bins that overlap each part between two edges (part + 1,) on a contig, the mean, and whether any does.

        Returns (part, track) float32, 0 where none does, and (part, track) bool, the same for all tracks.
        """
        sums = np.zeros((len(edges) - 1, len(self._files[0].track_id)), dtype=np.float32)
        counts = np.zeros((len(sums), 1), dtype=np.float32)
        for file, run in self._near(chrom, edges[0], edges[-1]):
            first, last = overlapping(edges - file.start[run], int(file.bins[run]), self._bin_size)
            low = int(first[first < last].min())
            values = file.read(run, low, int(last.max()))
            for step in range(int((last - first).max())):
                here = np.flatnonzero(first + step < last)
                sums[here] += values[first[here] + step - low]
                counts[here] += 1
        covered = counts > 0
        return np.divide(sums, counts, out=sums, where=covered), np.broadcast_to(covered, sums.shape)

    def _near(self, chrom: str, start: int, end: int) -> list[tuple[KeptBins, int]]:
        """The runs that overlap [start, end) of a contig, each with its file."""
        if chrom not in self._contigs:
            return []
        own = self._contigs[chrom]
        found = own[(own["start"] < end) & (own["start"] + own["bins"] * self._bin_size > start)]
        return [(self._files[file], run) for file, run in zip(found["file"].tolist(), found["run"].tolist())]
