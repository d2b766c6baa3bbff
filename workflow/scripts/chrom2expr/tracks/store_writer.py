"""The feature store: what a backbone predicts, or an experiment measured, at every bin around every gene.

An HDF5 file (see `hdf5`) with `tracks` (gene, bin, track) float16, bins in ascending genomic order for every gene;
`gene_id`, `strand`, `track_id`, `track_type` ("chromatin", "cage" or "embedding"); the attributes `bin_size` in bp,
`bin_order` and the provenance, each a string. Where they apply: `covered` (gene, bin, track) bool, False where nothing
was measured (the value there is 0), and means over the central bins, `central_tracks` (gene, track) and
`central_embedding` (gene, width), float32. Independent jobs write shards, of some genes or of some tracks;
`store_reader.merge` joins them in a virtual dataset that copies nothing.

`tracks` lie in one piece, gene after gene, so that a gene, or its central bins, are one run of the file. A checksum is
over one gene, all tracks of the file, and as many bins as fit in RUN_BYTES.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import create_file
from chrom2expr.files.whole import Format

FORMAT = Format("chrom2expr feature", 1)
# Small, so that little more is read than the bins that are asked for; a checksum of so much takes two microseconds.
RUN_BYTES = 1 << 15
LARGEST = np.finfo(np.float16).max
_INFINITY = np.uint16(0x7C00)


class ShardWriter:
    """Write one shard; it appears under its name when the `with` block ends well and every gene has been written.

    gene_id, strand: (gene,); track_id, track_type: (track,), possibly empty; bin_size in bp; provenance: strings;
    covered: keep a coverage mask; means: width of each (gene, width) dataset of central means to keep, by name.

    >>> from tempfile import TemporaryDirectory
    >>> labels = dict(gene_id=["A", "B"], strand=["+", "-"], track_id=["DNase"], track_type=["chromatin"])
    >>> with TemporaryDirectory() as folder:
    ...     with ShardWriter(f"{folder}/store.h5", **labels, bins=3, bin_size=128, provenance={}) as shard:
    ...         shard.write(0, np.arange(6).reshape(2, 3, 1))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['store.h5']
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
        genes, bins, tracks = self._shape
        step = max(1, RUN_BYTES // max(1, tracks * np.dtype(np.float16).itemsize))
        with ExitStack() as stack:
            self._file = stack.enter_context(create_file(self.path, FORMAT, self._attributes))
            for name, labels in self._labels.items():
                self._file.write(name, labels)
            self._file.create("tracks", self._shape, np.float16, min(step, bins))
            self._widths = {"tracks": (bins, tracks)}
            if self._covered:
                self._file.create("covered", self._shape, bool, min(step, bins), compression="gzip", compression_opts=1)
                self._widths["covered"] = (bins, tracks)
            for name, width in self._means.items():
                self._file.create(name, (genes, width), np.float32)
                self._widths[name] = (width,)
            self._stack = stack.pop_all()
        return self

    def write(self, start: int, tracks: np.ndarray, covered: np.ndarray | None = None, **means: np.ndarray) -> None:
        """Write the genes from row `start` on: tracks (gene, bin, track) in genomic order, covered the same shape.

        Finite values that float16 cannot hold are clipped to +-65504 and counted. Raises InputError on others.
        """
        rows = slice(start, start + len(tracks))
        arrays = {"tracks": self._as_float16(start, np.asarray(tracks)), **means}
        if self._covered:
            arrays["covered"] = covered
        for name, array in arrays.items():
            expected = (rows.stop - rows.start, *self._widths[name])
            if np.shape(array) != expected or rows.stop > len(self.gene_id):
                raise ValueError(f"{name}: shape {np.shape(array)} at row {start}, expected {expected}")
            if name in means and not np.isfinite(array).all():
                self._refuse(start, array, [name] * expected[1])
            self._file.put(name, start, array)
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
        if not np.isfinite(tracks).all():
            self._refuse(start, tracks, self.track_id)
        if not self.clipped:
            gene, *_, column = np.argwhere(special)[0]
            self.first_clipped = f"gene {self.gene_id[start + gene]}, {self.track_id[column]}"
        self.clipped += np.count_nonzero(special)
        return np.clip(half, -LARGEST, LARGEST)

    def _refuse(self, start: int, values: np.ndarray, columns: Sequence[str]) -> None:
        gene, *_, column = place = tuple(np.argwhere(~np.isfinite(values))[0])
        raise InputError(
            f"{self.path}: the value of gene {self.gene_id[start + gene]}, {columns[column]}, is not a finite number "
            f"({values[place]}); check the input it was computed from"
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
                print(
                    f"{self.path}: {self.clipped:,} values beyond float16's range were clipped to +-{LARGEST:.0f}, "
                    f"the first of {self.first_clipped}"
                )
            self._file.attributes["clipped"] = self.clipped


def embedding_names(width: int) -> np.ndarray:
    """What the features of an embedding are called, (width,) str."""
    return np.array([f"embedding_{feature:04}" for feature in range(width)])
