"""The feature store: what a backbone predicts, or an experiment measured, at every bin around every gene.

An HDF5 file with `tracks` (gene, bin, track) float16, bins in ascending genomic order for every gene; `gene_id`,
`strand`, `track_id`, `track_type` ("chromatin" or "cage"); the attributes `bin_size` in bp, `bin_order` and the
provenance, each a string. Where they apply: `covered` (gene, bin, track) bool, False where nothing was measured (the
value there is 0), and means over the central bins, `central_tracks` (gene, track) and `central_embedding` (gene,
width), float32. Independent jobs write shards, of some genes or of some tracks; `merge` joins them in a virtual
dataset that copies nothing. Everything in a shard carries a checksum, so that damage is seen when it is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from os.path import relpath
from pathlib import Path
from typing import Literal, NamedTuple

import h5py
import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files import whole_file
from chrom2expr.windows import central

Orientation = Literal["gene", "genomic"]

# A chunk is one gene, all tracks of the file, and as many bins as fit in this: a gene is then one run of the file, its
# central bins are a part of that run, and a damaged chunk costs little.
CHUNK_BYTES = 1 << 20
LARGEST = np.finfo(np.float16).max
_INFINITY = np.uint16(0x7C00)
CENTRAL = ("central_tracks", "central_embedding")
# Shards of one store may come from different machines; everything else that describes them must agree.
MAY_DIFFER = ("software", "device")


class ShardWriter:
    """Write one shard; it appears under its name when the `with` block ends well and every gene has been written.

    gene_id, strand: (gene,); track_id, track_type: (track,), possibly empty; bin_size in bp; provenance: strings;
    covered: keep a coverage mask; means: width of each (gene, width) dataset of central means to keep, by name.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        gene_id: Sequence[str],
        strand: Sequence[str],
        track_id: Sequence[str],
        track_type: Sequence[str],
        bins: int,
        bin_size: int,
        provenance: Mapping[str, str],
        covered: bool = False,
        means: Mapping[str, int] | None = None,
    ) -> None:
        self.path = Path(path)
        self.gene_id, self.track_id = np.asarray(gene_id, dtype=str), np.asarray(track_id, dtype=str)
        self.clipped = 0
        self._labels = {
            "gene_id": self.gene_id,
            "strand": np.asarray(strand, dtype=str),
            "track_id": self.track_id,
            "track_type": np.asarray(track_type, dtype=str),
        }
        self._shape = (len(self.gene_id), bins, len(self.track_id))
        self._attributes = {**provenance, "bin_order": "genomic", "bin_size": bin_size}
        self._covered, self._means = covered, dict(means or {})
        self._written = np.zeros(len(self.gene_id), dtype=bool)

    def __enter__(self) -> "ShardWriter":
        with ExitStack() as stack:
            partial = stack.enter_context(whole_file(self.path))
            # This format of HDF5 keeps checksums of its own structures too.
            self._file = stack.enter_context(h5py.File(partial, "w", libver=("v110", "v110")))
            for name, labels in self._labels.items():
                write_labels(self._file, name, labels)
            _create(self._file, "tracks", self._shape, np.float16)
            if self._covered:
                _create(self._file, "covered", self._shape, bool, compression="gzip", compression_opts=1)
            for name, width in self._means.items():
                _create(self._file, name, (len(self.gene_id), width), np.float32)
            self._file.attrs.update(self._attributes)
            self._data = {name: self._file[name] for name in ("tracks", "covered", *self._means) if name in self._file}
            self._stack = stack.pop_all()
        return self

    def write(
        self, start: int, tracks: np.ndarray, covered: np.ndarray | None = None, **means: np.ndarray
    ) -> None:
        """Write the genes from row `start` on: tracks (gene, bin, track) in genomic order, covered the same shape.

        Values that float16 cannot hold are clipped to +-65504 and counted. Raises InputError on NaN.
        """
        rows = slice(start, start + len(tracks))
        arrays = {"tracks": self._as_float16(start, np.asarray(tracks)), **means}
        if self._covered:
            arrays["covered"] = covered
        for name, array in arrays.items():
            expected = (rows.stop - rows.start, *self._data[name].shape[1:])
            if np.shape(array) != expected or rows.stop > len(self.gene_id):
                raise ValueError(f"{name}: shape {np.shape(array)} at row {start}, expected {expected}")
            if name in means and np.isnan(array).any():
                self._refuse_nan(start, array, [name] * expected[1])
            if array.size:
                self._data[name][rows] = array
        if missing := self._means.keys() - means.keys():
            raise ValueError(f"no {', '.join(missing)} given for rows {start} to {rows.stop}")
        self._written[rows] = True

    def _as_float16(self, start: int, tracks: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            half = tracks.astype(np.float16, copy=False)
        # The exponent's bits are all set in infinities and NaN, and looking at the bits is far faster than comparing.
        special = (half.view(np.uint16) & _INFINITY) == _INFINITY
        if not special.any():
            return half
        if np.isnan(half).any():
            self._refuse_nan(start, half, self.track_id)
        self.clipped += np.count_nonzero(special)
        return np.clip(half, -LARGEST, LARGEST)

    def _refuse_nan(self, start: int, values: np.ndarray, columns: Sequence[str]) -> None:
        gene, *_, column = np.argwhere(np.isnan(values))[0]
        raise InputError(
            f"{self.path}: the value of gene {self.gene_id[start + gene]}, {columns[column]}, is not a number; "
            "check the input it was computed from"
        )

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._stack.__exit__(*error)
            return
        with self._stack:
            if not self._written.all():
                missing = np.flatnonzero(~self._written)
                raise RuntimeError(f"{self.path}: {len(missing)} genes were not written, the first in row {missing[0]}")
            if self.clipped:
                print(f"{self.path}: {self.clipped:,} values beyond float16's range were clipped to +-{LARGEST:.0f}")
            self._file.attrs["clipped"] = self.clipped
            self._file.attrs["complete"] = True


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

    def kind(self, tracks: Literal["chromatin", "all"]) -> np.ndarray:
        """Indices of the tracks of a kind, (track,), ascending. Raises InputError when there are none."""
        columns = np.arange(len(self.track_id)) if tracks == "all" else np.flatnonzero(self.track_type == tracks)
        if not columns.size:
            raise InputError(f"{self.path}: none of its {len(self.track_id)} tracks is of the kind {tracks!r}")
        return columns

    def select(
        self,
        gene_ids: Sequence[str],
        tracks: Literal["chromatin", "all"] = "chromatin",
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
        self._gene_id, self._genes = store.gene_id, genes
        self._flip = (store.strand[genes] == "-") & (orientation == "gene")
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

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through `order` (indices of selected genes): (rows, features), the last batch possibly smaller.

        One thread reads the next batch meanwhile, so two or three are in memory. Its errors are raised here.
        """
        parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        # Leaving the block, also because the consumer stopped early, waits for the thread to end.
        with ThreadPoolExecutor(1, "feature reader") as reader:
            coming = reader.submit(self.read, parts[0]) if parts else None
            for rows, following in zip(parts, [*parts[1:], None]):
                features = coming.result()
                coming = reader.submit(self.read, following) if following is not None else None
                yield rows, features
                del features


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


def _create(file: h5py.File, name: str, shape: tuple[int, ...], dtype: type, **options: object) -> None:
    """A dataset with checksums, in chunks of one gene and up to CHUNK_BYTES; without tracks it has no chunks."""
    if not np.prod(shape):
        file.create_dataset(name, shape, dtype)
        return
    chunk = [1, *shape[1:]]
    if len(shape) == 3:
        parts = -(-shape[1] * shape[2] * np.dtype(dtype).itemsize // CHUNK_BYTES)
        chunk[1] = -(-shape[1] // parts)
    file.create_dataset(name, shape, dtype, chunks=tuple(chunk), fletcher32=True, **options)


def write_labels(file: h5py.File, name: str, labels: np.ndarray) -> None:
    """A dataset of strings with a checksum: of fixed length, since HDF5 keeps none of strings of variable length."""
    encoded = [label.encode() for label in labels.tolist()]
    values = np.array(encoded, dtype=h5py.string_dtype("utf-8", max([1, *map(len, encoded)])))
    options = {"chunks": values.shape, "fletcher32": True} if values.size else {}
    file.create_dataset(name, data=values, **options)


def read_labels(dataset: h5py.Dataset) -> np.ndarray:
    """The strings of a dataset, (length,) str."""
    return np.array(dataset.asstr()[:], dtype=str)


def _datasets(store: FeatureStore) -> list[str]:
    return [name for name in ("tracks", "covered", *CENTRAL) if name in store.file]


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
