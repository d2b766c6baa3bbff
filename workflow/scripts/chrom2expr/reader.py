"""Read feature stores: merge shards in one, and hand heads the genes, bins and tracks they ask for (see `store`)."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os.path import relpath
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import h5py
import numpy as np

from chrom2expr.batching import batches
from chrom2expr.errors import InputError
from chrom2expr.files import whole_file
from chrom2expr.store import read_labels, write_labels
from chrom2expr.windows import central, turned

Orientation = Literal["gene", "genomic"]
Kind = Literal["chromatin", "cage", "all", "embedding"]
Means = Literal["central_tracks", "central_embedding"]
# Shards of one store may come from different machines; everything else that describes them must agree.
MAY_DIFFER = ("software", "device")


def merge(shards: Sequence[str | Path], output: str | Path) -> None:
    """Join shards in one file that refers to them by relative paths: move the folder as a whole, and keep the shards.

    Shards of different genes are joined along genes, those of different tracks along tracks, in the order given.
    Raises InputError on a damaged or incomplete shard and on shards that do not belong together.
    """
    output = Path(output)
    with ExitStack() as stack:
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
        partial = stack.enter_context(whole_file(output))
        with h5py.File(partial, "w", libver=("v110", "v110")) as file:
            for name, values in labels.items():
                write_labels(file, name, values)
            for name in _datasets(first):
                # An embedding has no track axis, and every shard of tracks would repeat it.
                if name == "central_embedding" and along_tracks:
                    continue
                _write_virtual(file, name, stores, output, min(axis, len(first.file[name].shape) - 1))
            for key in first.provenance:
                file.attrs[key] = "; ".join(dict.fromkeys(s.provenance[key] for s in stores))
            file.attrs.update(bin_order="genomic", bin_size=first.bin_size, complete=True)
            file.attrs["clipped"] = sum(int(s.file.attrs["clipped"]) for s in stores)


class FeatureStore:
    """A shard or a merged store, open for reading. Close it, or use it in a `with` block.

    gene_id, strand: (gene,); track_id, track_type: (track,); bins; bin_size in bp; provenance: strings by name.
    Raises InputError if the file or one of its shards is missing, damaged or incomplete.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with ExitStack() as stack:
            self.file = stack.enter_context(_open(self.path))
            with damage(self.path):
                self.gene_id, self.strand, self.track_id, self.track_type = (
                    read_labels(self.file[name]) for name in ("gene_id", "strand", "track_id", "track_type")
                )
                self.bins, self.bin_size = self.file["tracks"].shape[1], int(self.file.attrs["bin_size"])
                attributes = {name: value for name, value in self.file.attrs.items() if isinstance(value, str)}
                self.provenance = {name: value for name, value in attributes.items() if name != "bin_order"}
            self._pieces = self._open_pieces(stack)
            self._stack = stack.pop_all()

    def _open_pieces(self, stack: ExitStack) -> list["_Piece"]:
        """The files the tracks lie in. They are read directly: HDF5 would take a missing shard for zeros."""
        tracks = self.file["tracks"]
        genes, _, count = tracks.shape
        if not tracks.is_virtual:
            return [_Piece(self.path, tracks, range(genes), range(count))]
        pieces = []
        for source in tracks.virtual_sources():
            shard = self.path.parent / source.file_name
            file = stack.enter_context(_open(shard))
            low, high = source.vspace.get_select_bounds()
            piece = _Piece(shard, file["tracks"], range(low[0], high[0] + 1), range(low[2], high[2] + 1))
            if piece.tracks.shape != (len(piece.genes), self.bins, len(piece.columns)):
                raise InputError(f"{shard}: not the shard that {self.path} was merged from; delete that file and rerun")
            pieces.append(piece)
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

    def means(self, name: Means, genes: range) -> np.ndarray:
        """Means over the central bins, (len(genes), width) float32, of some of the store's genes, one after another.

        Raises InputError, naming the shard, if it is damaged there. Not every store has them: see `name in file`.
        """
        means = np.empty((len(genes), self.file[name].shape[1]), dtype=np.float32)
        for piece in self._pieces:
            here = range(max(genes.start, piece.genes.start), min(genes.stop, piece.genes.stop))
            columns = slice(piece.columns.start, piece.columns.stop) if name == "central_tracks" else slice(None)
            if here:
                with damage(piece.path):
                    source = piece.tracks.parent[name]
                    means[here.start - genes.start : here.stop - genes.start, columns] = source[
                        here.start - piece.genes.start : here.stop - piece.genes.start
                    ]
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


class Selection:
    """Genes x bins x tracks of a store, read batch by batch. `bytes_read` counts the bytes of tracks handed out."""

    def __init__(
        self, store: FeatureStore, genes: np.ndarray, columns: np.ndarray, orientation: Orientation, bins: slice
    ) -> None:
        self.shape = (len(genes), bins.stop - bins.start, len(columns))
        self.bytes_read = 0
        self._bins = bins
        self._gene_id, self._genes, self._track_id = store.gene_id, genes, store.track_id[columns]
        self._flip = turned(store.strand[genes], orientation)
        self._parts = [part for piece in store._pieces if (part := _part(piece, columns)) is not None]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Features (len(rows), bin, track) float16 of the selected genes with these indices, in any order.

        Raises InputError, naming shard and gene, if the file is damaged there.
        """
        rows = np.asarray(rows, dtype=np.intp)
        genes, flip = self._genes[rows], self._flip[rows]
        features = np.empty((len(rows), *self.shape[1:]), dtype=np.float16)
        for piece, source, pick, target in self._parts:
            here = np.flatnonzero((genes >= piece.genes.start) & (genes < piece.genes.stop))
            whole = pick is None and target == slice(0, self.shape[2])
            scratch = np.empty((1, self.shape[1], source.stop - source.start), dtype=np.float16)
            # In the order of the file.
            for row in here[np.argsort(genes[here], kind="stable")]:
                straight = whole and not flip[row]
                selected = np.s_[genes[row] - piece.genes.start, self._bins, source]
                try:
                    piece.tracks.read_direct(features[row] if straight else scratch[0], selected)
                except OSError as error:
                    raise InputError(
                        f"{piece.path}: damaged at gene {self._gene_id[genes[row]]} ({error}); delete it and rerun"
                    ) from error
                if not straight:
                    turned = scratch[0, ::-1] if flip[row] else scratch[0]
                    features[row, :, target] = turned if pick is None else turned[:, pick]
        self.bytes_read += features.nbytes
        return features

    def where(self, row: int, bin_index: int, column: int) -> str:
        """File, gene and track of the value at [bin_index, column] of a selected gene."""
        gene = self._genes[row]
        [path] = {
            piece.path
            for piece, _, _, target in self._parts
            if gene in piece.genes and target.start <= column < target.stop
        }
        return f"{path}: gene {self._gene_id[gene]}, track {self._track_id[column]}"

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through `order` (indices of selected genes): (rows, features), the last batch possibly smaller.

        A thread reads the next batch meanwhile (see batching).
        """
        return batches(self.read, order, batch_size)


class _Piece(NamedTuple):
    """The part of a store that lies in one file: which genes and which columns of the store it holds."""

    path: Path
    tracks: h5py.Dataset
    genes: range
    columns: range


class _Part(NamedTuple):
    """What a selection takes from a piece: a run of its columns, perhaps picked from, and where they go."""

    piece: _Piece
    source: slice
    pick: np.ndarray | None
    target: slice


def _part(piece: _Piece, columns: np.ndarray) -> _Part | None:
    low, high = np.searchsorted(columns, [piece.columns.start, piece.columns.stop])
    if low == high:
        return None
    wanted = columns[low:high] - piece.columns.start
    source = slice(int(wanted[0]), int(wanted[-1]) + 1)
    contiguous = source.stop - source.start == len(wanted)
    return _Part(piece, source, None if contiguous else wanted - wanted[0], slice(int(low), int(high)))


def refuse_broken(selection: "Selection", rows: np.ndarray, features: np.ndarray) -> None:
    """Raise InputError where one of the `features` read for these rows of a selection is not a finite number."""
    broken = np.argwhere(~np.isfinite(features))
    if len(broken):
        row, *place = broken[0].tolist()
        raise InputError(
            f"{selection.where(rows[row], *place)}: {features[row][tuple(place)]} is no value of a feature; no rule "
            "writes it, so the file was changed since: delete it and rerun"
        )


def _datasets(store: FeatureStore) -> list[str]:
    return [name for name in ("tracks", "covered", *get_args(Means)) if name in store.file]


def _write_virtual(file: h5py.File, name: str, stores: Sequence[FeatureStore], output: Path, axis: int) -> None:
    shapes = [store.file[name].shape for store in stores]
    shape = list(shapes[0])
    shape[axis] = sum(shape[axis] for shape in shapes)
    layout = h5py.VirtualLayout(tuple(shape), stores[0].file[name].dtype)
    start = 0
    for store, part in zip(stores, shapes):
        place = [slice(None)] * len(shape)
        place[axis] = slice(start, start + part[axis])
        if part[axis]:
            shard = relpath(store.path.resolve(), output.parent.resolve())
            layout[tuple(place)] = h5py.VirtualSource(shard, name, part, store.file[name].dtype)
        start += part[axis]
    file.create_virtual_dataset(name, layout)


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


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"{path}: the feature file is missing; run the workflow again to make it")
    with damage(path):
        # Every chunk is read once and whole, so a cache would only copy it.
        file = h5py.File(path, "r", rdcc_nbytes=0)
    with damage(path):
        if not file.attrs.get("complete", False) or "tracks" not in file:
            file.close()
            raise InputError(f"{path}: not a complete feature file; delete it and rerun")
    return file


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Say what to do about a file that HDF5 cannot read."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(f"{path}: damaged or not a feature file ({error}); delete it and rerun") from error
