"""Feature stores, read: merge shards in one, and hand heads the genes, bins and tracks they want (see store_writer)."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from os.path import relpath
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import h5py
import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile, Rows, Writer, create_file
from chrom2expr.files.whole import allow_open_files
from chrom2expr.genome.features import Features
from chrom2expr.genome.windows import central, turned
from chrom2expr.tracks.store_writer import FORMAT

Orientation = Literal["gene", "genomic"]
Kind = Literal["chromatin", "cage", "all", "embedding"]
Means = Literal["central_tracks", "central_embedding"]
# Shards of one store may come from different machines; everything else that describes them must agree.
MAY_DIFFER = ("software", "device", "weights")
_FEWER = "deal the features out to fewer files (backbones: NAME: shards; sources: NAME: groups)"
# What a thread reads at once: it stays in a core's cache until it is checked and copied.
_READ_BYTES = 1 << 20
# Threads that read: one a core, but a disk gains nothing from more than a few.
_THREADS = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def merge(shards: Sequence[str | Path], output: str | Path) -> None:
    """Join shards in one file that refers to them by relative paths: move the folder as a whole, and keep the shards.

    Shards of different genes are joined along genes, those of different tracks along tracks, in the order given. The
    file knows the shards' digests, and no others are read through it. Raises InputError on a damaged shard and on
    shards that do not belong together.
    """
    output = Path(output)
    with ExitStack() as stack:
        allow_open_files(len(shards), _FEWER)
        stores = [stack.enter_context(FeatureStore(shard)) for shard in shards]
        first = stores[0]
        along_tracks = len(stores) > 1 and all(np.array_equal(s.gene_id, first.gene_id) for s in stores)
        for store in stores[1:]:
            _check_match(first, store, along_tracks)
        joined, axis = ("track", 2) if along_tracks else ("gene", 0)
        names = {"gene": ("gene_id", "strand"), "track": ("track_id", "track_type")}
        labels = {name: getattr(first, name) for name in (*names["gene"], *names["track"])}
        labels |= {name: np.concatenate([getattr(s, name) for s in stores]) for name in names[joined]}
        _check_unique(output, stores, labels[f"{joined}_id"], joined)
        if not labels["track_id"].size:
            raise InputError(f"{output}: none of the shards holds a track; give at least one bigWig (config: bigwigs)")
        attributes = {key: "; ".join(dict.fromkeys(s.provenance[key] for s in stores)) for key in first.provenance}
        attributes |= {"bin_order": "genomic", "bin_size": first.bin_size}
        attributes["clipped"] = sum(int(s.file.attributes["clipped"]) for s in stores)
        with create_file(output, FORMAT, attributes) as file:
            for name, values in labels.items():
                file.write(name, values)
            file.write("shard", np.array([_relative(store, output) for store in stores]))
            file.write("shard_digest", np.array([store.file.digest for store in stores]))
            for name in _datasets(first):
                # An embedding has no track axis, and every shard of tracks would repeat it.
                if name == "central_embedding" and along_tracks:
                    continue
                _link(file, name, stores, output, min(axis, len(first.file.shapes[name]) - 1))


class FeatureStore:
    """A shard or a merged store, open for reading. Close it, or use it in a `with` block.

    gene_id, strand: (gene,); track_id, track_type: (track,); bins; bin_size in bp; provenance: strings by name.
    Raises InputError if the file or one of its shards is missing, damaged, or not the one that was merged.

    >>> from tempfile import TemporaryDirectory
    >>> from chrom2expr.tracks.store_writer import ShardWriter
    >>> labels = dict(gene_id=["A", "B"], strand=["+", "-"], track_id=["DNase"], track_type=["chromatin"])
    >>> with TemporaryDirectory() as folder:
    ...     with ShardWriter(f"{folder}/store.h5", **labels, bins=3, bin_size=128, provenance={}) as shard:
    ...         shard.write(0, np.arange(6).reshape(2, 3, 1))
    ...     with FeatureStore(f"{folder}/store.h5") as store:
    ...         store.select(["B", "A"], "chromatin", "gene").read([0, 1])[..., 0].tolist()
    [[5.0, 4.0, 3.0], [0.0, 1.0, 2.0]]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with ExitStack() as stack:
            self.file = stack.enter_context(CheckedFile(self.path, FORMAT))
            self.gene_id, self.strand, self.track_id, self.track_type = (
                self.file.read(name) for name in ("gene_id", "strand", "track_id", "track_type")
            )
            self.bins, self.bin_size = self.file.shapes["tracks"][1], int(self.file.attributes["bin_size"])
            attributes = {name: value for name, value in self.file.attributes.items() if isinstance(value, str)}
            self.provenance = {name: value for name, value in attributes.items() if name != "bin_order"}
            self._pieces = self._open_pieces(stack)
            self._threads = stack.enter_context(ThreadPoolExecutor(_THREADS, "reader"))
            self._stack = stack.pop_all()

    def _open_pieces(self, stack: ExitStack) -> list["_Piece"]:
        """The files the tracks lie in. They are read directly: HDF5 would take a missing shard for zeros."""
        if "tracks" not in self.file.virtual:
            return [_Piece(self.file, range(len(self.gene_id)), range(len(self.track_id)))]
        digests = dict(zip(self.file.read("shard").tolist(), self.file.read("shard_digest").tolist(), strict=True))
        allow_open_files(len(digests), _FEWER)
        pieces = []
        for name, _, low, high in self.file.virtual["tracks"]:
            shard = stack.enter_context(CheckedFile(self.path.parent / name, FORMAT))
            if shard.digest != digests[name]:
                raise InputError(
                    f"{shard.path}: not the shard that {self.path} was merged from; delete that file and run again"
                )
            pieces.append(_Piece(shard, range(low[0], high[0] + 1), range(low[2], high[2] + 1)))
        return pieces

    def __enter__(self) -> "FeatureStore":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def kind(self, tracks: Kind) -> np.ndarray:
        """Indices of the tracks of a kind, (track,), ascending. Raises InputError when there are none."""
        columns = np.arange(len(self.track_id)) if tracks == "all" else np.flatnonzero(self.track_type == tracks)
        if not columns.size:
            raise InputError(f"{self.path}: none of its {len(self.track_id)} tracks is of the kind {tracks!r}")
        return columns

    columns = kind

    def means(self, name: Means, genes: range) -> np.ndarray:
        """Means over the central bins, (len(genes), width) float32, of some of the store's genes, one after another.

        Raises InputError, naming the shard, if it is damaged there. Not every store has them: see `name in store.file`.
        """
        means = np.empty((len(genes), self.file.shapes[name][1]), dtype=np.float32)
        for piece in self._pieces:
            columns = piece.columns if name == "central_tracks" else range(means.shape[1])
            for gene in range(max(genes.start, piece.genes.start), min(genes.stop, piece.genes.stop)):
                target = means[gene - genes.start, columns.start : columns.stop]
                piece.file.read_row(name, gene - piece.genes.start, target)
        return means

    def select(
        self,
        gene_ids: Sequence[str],
        tracks: Kind = "chromatin",
        orientation: Orientation = "gene",
        bins: int | None = None,
    ) -> "Selection":
        """The features of some genes, in the order given; nothing is read yet.

        orientation: "gene" turns the bins of minus-strand genes round, so that they run from upstream to downstream;
        "genomic" leaves them. bins: only so many, in the middle. Raises InputError on an unknown gene, when no track is
        of the kind asked for, and when that many bins have no middle (see windows.central).
        """
        rows = {gene: row for row, gene in enumerate(self.gene_id.tolist())}
        if unknown := [gene for gene in gene_ids if gene not in rows]:
            raise InputError(
                f"{self.path}: gene {unknown[0]} is not in the feature store ({len(unknown)} of {len(gene_ids)} are "
                "not); it was made from another gene table, delete it and rerun"
            )
        genes = np.array([rows[gene] for gene in gene_ids], dtype=np.intp)
        return Selection(self, genes, self.kind(tracks), orientation, central(self.bins, bins))


class Selection(Features):
    """Genes x bins x tracks of a store, read by several threads; float16, as the store has them.

    `bytes_read` counts the bytes of tracks handed out.
    """

    dtype = np.float16

    def __init__(
        self, store: FeatureStore, genes: np.ndarray, columns: np.ndarray, orientation: Orientation, bins: slice
    ) -> None:
        self.shape = (len(genes), bins.stop - bins.start, len(columns))
        self._bins = bins
        self._gene_id, self._genes, self._track_id = store.gene_id, genes, store.track_id[columns]
        self._threads = store._threads
        self._flip = turned(store.strand[genes], orientation)
        parts = (_part(piece, columns, bins) for piece in store._pieces)
        self._parts = [part for part in parts if part is not None]

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write features (row, bin, track); an InputError names shard and gene."""
        genes = self._genes[rows].tolist()
        # In the order of the files; each thread takes the next one.
        order = np.argsort(genes, kind="stable").tolist()
        work = iter(
            [
                (part, genes[index], runs, self._flip[rows[index]], out[index])
                for part in self._parts
                for index in order
                if genes[index] in part.piece.genes
                for runs in part.spans
            ]
        )
        for done in [self._threads.submit(self._read_runs, work) for _ in range(_THREADS)]:
            done.result()

    def _read_runs(self, work: Iterator[tuple["_Part", int, range, bool, np.ndarray]]) -> None:
        """Read runs of bins of single genes, each into its place in the gene's features (bin, track)."""
        try:
            self._read_each(work)
        except BaseException:
            for _ in work:  # so that the other threads end too
                pass
            raise

    def _read_each(self, work: Iterator[tuple["_Part", int, range, bool, np.ndarray]]) -> None:
        first, last, scratch = self._bins.start, self._bins.stop, np.empty(0, np.uint8)
        for part, gene, runs, flip, features in work:
            rows, file = part.rows, part.piece.file
            low, size = runs.start * rows.step, len(runs) * rows.step * rows.place_bytes
            if scratch.size < size:
                scratch = np.empty(size, np.uint8)
            values = file.read_runs(rows, gene - part.piece.genes.start, runs, scratch, f"gene {self._gene_id[gene]}")
            values = values[max(first - low, 0) : last - low, part.source]
            if part.pick is not None:
                values = values[:, part.pick]
            start = max(low - first, 0)
            if flip:
                start, values = last - first - start - len(values), values[::-1]
            features[start : start + len(values), part.target] = values

    def where(self, row: int, bin_index: int, column: int) -> str:
        """File, gene and track of the value at [bin_index, column] of a selected gene."""
        gene = self._genes[row]
        [path] = {
            part.piece.file.path
            for part in self._parts
            if gene in part.piece.genes and part.target.start <= column < part.target.stop
        }
        return f"{path}: gene {self._gene_id[gene]}, track {self._track_id[column]}"


class _Piece(NamedTuple):
    """The part of a store that lies in one file: which genes and which columns of the store it holds."""

    file: CheckedFile
    genes: range
    columns: range


class _Part(NamedTuple):
    """What a selection takes from a piece: runs of bins, as many as are read at once; columns, and where these go."""

    piece: _Piece
    rows: Rows
    spans: list[range]
    source: slice
    pick: np.ndarray | None
    target: slice


def _part(piece: _Piece, columns: np.ndarray, bins: slice) -> _Part | None:
    low, high = np.searchsorted(columns, [piece.columns.start, piece.columns.stop])
    if low == high:
        return None
    wanted = columns[low:high] - piece.columns.start
    source = slice(int(wanted[0]), int(wanted[-1]) + 1)
    contiguous = source.stop - source.start == len(wanted)
    rows = piece.file.rows("tracks")
    runs, at_once = rows.runs(bins.start, bins.stop), max(1, _READ_BYTES // (rows.step * rows.place_bytes))
    spans = [runs[start : start + at_once] for start in range(0, len(runs), at_once)]
    return _Part(piece, rows, spans, source, None if contiguous else wanted - wanted[0], slice(int(low), int(high)))


def _datasets(store: FeatureStore) -> list[str]:
    return [name for name in ("tracks", "covered", *get_args(Means)) if name in store.file]


def _relative(store: FeatureStore, output: Path) -> str:
    """Where a shard lies, from the folder of the file that refers to it."""
    return relpath(store.path.resolve(), output.parent.resolve())


def _link(file: Writer, name: str, stores: Sequence[FeatureStore], output: Path, axis: int) -> None:
    """A virtual dataset that joins the shards' along an axis."""
    shapes = [store.file.shapes[name] for store in stores]
    shape = list(shapes[0])
    shape[axis] = sum(shape[axis] for shape in shapes)
    kind = stores[0].file.dtypes[name]
    layout = h5py.VirtualLayout(tuple(shape), kind)
    start = 0
    for store, part in zip(stores, shapes):
        place = [slice(None)] * len(shape)
        place[axis] = slice(start, start + part[axis])
        if part[axis]:
            layout[tuple(place)] = h5py.VirtualSource(_relative(store, output), name, part, kind)
        start += part[axis]
    file.link(name, layout)


def _check_match(first: FeatureStore, other: FeatureStore, along_tracks: bool) -> None:
    """Raise InputError unless two shards have in common what shards of one store must."""

    def common(store: FeatureStore) -> dict[str, object]:
        return {
            "bins": store.bins,
            "bin_size": store.bin_size,
            "datasets": _datasets(store),
            **{key: value for key, value in store.provenance.items() if key not in MAY_DIFFER},
            "names of the attributes": sorted(store.provenance),
            **({} if along_tracks else {"tracks": list(zip(store.track_id.tolist(), store.track_type.tolist()))}),
        }

    left, right = common(first), common(other)
    for key in {**left, **right}:
        if left.get(key) != right.get(key):
            values = f"({left.get(key)!s:.80} and {right.get(key)!s:.80})"
            raise InputError(
                f"{other.path}: differs from {first.path} in {key} {values}; delete what is out of date and rerun"
            )


def _check_unique(output: Path, stores: Sequence[FeatureStore], ids: np.ndarray, kind: str) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        holders = [str(store.path) for store in stores if twice in getattr(store, f"{kind}_id")]
        raise InputError(f"{output}: {kind} {twice} is twice in its shards {', '.join(holders)}; delete them and rerun")
