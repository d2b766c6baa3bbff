"""HDF5 files that show every damage: a format with a version, and checksums of all that they hold.

Attributes `format` and `version` say what a file is. Every dataset NAME that holds data has `checksums/NAME`, CRC-32C
of its values as they are in memory: one of them all, or, for data that is read by rows, of every run of `step` places
along the second axis in every row, (row, run) uint32. The attribute `digest` is a SHA-256 of everything else: the
attributes, the names, types and shapes of the datasets, and the checksums. Any HDF5 library reads such a file.

Data read by rows lies in one piece in the file, row after row. It is read around the HDF5 library, which holds a lock
of its own while it reads, so that several threads read and check at once. Files are neither locked nor kept open by
HDF5, since not every file system of a cluster has locks.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from crc32c import crc32c

from chrom2expr.errors import InputError, reading, system_errors_named
from chrom2expr.files.whole import Format, whole_file

CHECKSUMS = "checksums"
_OWN = ("format", "version", "digest")


@dataclass(frozen=True)
class Rows:
    """A dataset (row, place, ...) that is read by rows: where its data begin in the file, in bytes, and its checksums.

    A run is `step` places of a row; checksums: (row, run). row_bytes, place_bytes: of a row, and of one of its places.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    step: int
    checksums: np.ndarray
    row_bytes: int = field(init=False)
    place_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        object.__setattr__(self, "row_bytes", row_bytes)
        object.__setattr__(self, "place_bytes", row_bytes // max(1, self.shape[1]))

    def runs(self, start: int, end: int) -> range:
        """The runs that hold the places from `start` to `end`."""
        return range(start // self.step, -(-end // self.step))


class Writer:
    """A file under way: `write` whole datasets, `create` and `put` the rows of others; see `create_file`."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self._checksums: dict[str, np.ndarray] = {}
        self._steps: dict[str, int] = {}
        self.attributes: dict[str, Any] = {}

    def write(self, name: str, values: np.ndarray, **options: Any) -> None:
        """A dataset, whole; strings are kept at a fixed length, since HDF5 has no checksums of others."""
        values = np.asarray(values)
        if values.dtype.kind in "OU":
            values = _encoded(values)
        self.file.create_dataset(name, data=values, track_times=False, **options)
        self._checksums[name] = np.array(_checksum(values), dtype=np.uint32)

    def create(self, name: str, shape: tuple[int, ...], dtype: type, step: int | None = None, **options: Any) -> None:
        """A dataset (row, place, ...) that `put` fills; `step` places along the second axis share a checksum.

        With `options` (compression) it is stored in chunks of one checksum each, and is not read by rows.
        """
        step = step or max(1, shape[1])
        self._steps[name] = step
        self._checksums[name] = np.zeros((shape[0], -(-shape[1] // step)), dtype=np.uint32)
        if options and np.prod(shape):
            self.file.create_dataset(
                name, shape, dtype, chunks=(1, min(step, shape[1]), *shape[2:]), track_times=False, **options
            )
            return
        # Its place in the file is known from the beginning, and no zeros are written there first.
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        plan.set_obj_track_times(False)
        kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
        h5py.h5d.create(self.file.id, name.encode(), kind, h5py.h5s.create_simple(shape), plan)

    def put(self, name: str, start: int, rows: np.ndarray) -> None:
        """Fill the rows from `start` on with (row, place, ...)."""
        dataset = self.file[name]
        rows = np.ascontiguousarray(rows, dtype=dataset.dtype)
        if rows.shape[1:] != dataset.shape[1:] or start + len(rows) > len(dataset):
            raise ValueError(f"{name}: shape {rows.shape} at row {start}, but the dataset is {dataset.shape}")
        if rows.size:
            dataset[start : start + len(rows)] = rows
        sums, step = self._checksums[name], self._steps[name]
        for row, values in enumerate(rows, start):
            for run in range(sums.shape[1]):
                sums[row, run] = _checksum(values[run * step : (run + 1) * step])

    def link(self, name: str, layout: h5py.VirtualLayout) -> None:
        """A virtual dataset, whose data lie in other files and are checked there."""
        layout.dcpl.set_obj_track_times(False)
        self.file.create_virtual_dataset(name, layout)

    def _finish(self, kind: Format) -> None:
        self.file.attrs.update(self.attributes)
        self.file.attrs.update(format=kind.name, version=kind.version)
        for name, sums in self._checksums.items():
            self.file.create_dataset(f"{CHECKSUMS}/{name}", data=sums, track_times=False)
            if name in self._steps:
                self.file[f"{CHECKSUMS}/{name}"].attrs["step"] = self._steps[name]
        self.file.attrs["digest"] = _digest(self.file, self._checksums, self._steps)


@contextmanager
def create_file(path: str | Path, kind: Format, attributes: Mapping[str, Any] | None = None) -> Iterator[Writer]:
    """Write a file: it appears under its name, with its checksums, when the block ends well.

    The same content gives the same bytes. Raises SystemTrouble where the disk is full, or the like.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with create_file(f"{folder}/mine.h5", Format("mine", 1), {"unit": "TPM"}) as file:
    ...         file.write("values", np.arange(3))
    ...     with CheckedFile(f"{folder}/mine.h5", Format("mine", 1)) as file:
    ...         file.attributes, file.read("values").tolist()
    ({'unit': 'TPM'}, [0, 1, 2])
    """
    # This format of HDF5 keeps checksums of its own structures too.
    with (
        system_errors_named(path),
        whole_file(path, durable=True) as partial,
        h5py.File(partial, "w", libver=("v110", "v110"), locking=False) as file,
    ):
        group = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        group.set_obj_track_times(False)
        h5py.h5g.create(file.id, CHECKSUMS.encode(), gcpl=group)
        writer = Writer(file)
        writer.attributes.update(attributes or {})
        yield writer
        writer._finish(kind)


def create_others(path: str | Path) -> h5py.File:
    """A new HDF5 file in another program's format: never locked, and without checksums of ours."""
    return h5py.File(path, "w", locking=False)


def open_others(path: str | Path) -> h5py.File:
    """An HDF5 file of another program's, to be read: never locked, and without checksums of ours."""
    return h5py.File(path, "r", locking=False)


class CheckedFile:
    """A file that `create_file` wrote, open for reading; close it, or use it in a `with` block.

    attributes: all that its writer gave; digest: of all that it holds. Raises InputError, naming the file, if it is
    damaged, of another kind or of another version, on opening or when the damaged part is read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with create_file(f"{folder}/mine.h5", Format("mine", 1)) as file:
    ...         file.write("values", np.arange(3))
    ...     with CheckedFile(f"{folder}/mine.h5", Format("mine", 2)) as file:
    ...         pass
    Traceback (most recent call last):
    ...
    chrom2expr.errors.InputError: ...mine.h5: a mine file of version 1, but this chrom2expr reads version 2; ...
    """

    def __init__(self, path: str | Path, kind: Format) -> None:
        self.path, self.kind = Path(path), kind
        with self.reading():
            with h5py.File(self.path, "r", locking=False) as file:
                self._check_kind(file)
                stored = file[CHECKSUMS]
                sums = {name: np.asarray(stored[name][()]) for name in stored}
                steps = {name: int(stored[name].attrs["step"]) for name in stored if "step" in stored[name].attrs}
                self.attributes = dict(file.attrs)
                self.digest = self.attributes.get("digest")
                if _digest(file, sums, steps) != self.digest:
                    raise InputError(f"{self.path}: its checksum does not match its content; {kind.advice}")
                self.attributes = {name: value for name, value in self.attributes.items() if name not in _OWN}
                self.shapes = {name: file[name].shape for name in file if name != CHECKSUMS}
                self.dtypes = {name: file[name].dtype for name in self.shapes}
                self.virtual = {name: _sources(file[name]) for name in self.shapes if file[name].is_virtual}
                self._whole = {name: int(sums[name]) for name in sums if name not in steps}
                self._rows = {
                    name: Rows(file[name].shape, file[name].dtype, file[name].id.get_offset(), step, sums[name])
                    for name, step in steps.items()
                    if file[name].chunks is None
                }
                self._chunked = {name: (steps[name], sums[name]) for name in steps if file[name].chunks}
            self._handle = os.open(self.path, os.O_RDONLY)

    def _check_kind(self, file: h5py.File) -> None:
        name, version = file.attrs.get("format"), file.attrs.get("version")
        if name != self.kind.name:
            found = f"its format is {name!r}" if name else "it names no format"
            raise InputError(f"{self.path}: no {self.kind.name} file ({found}); {self.kind.advice}")
        if version != self.kind.version:
            raise InputError(
                f"{self.path}: a {self.kind.name} file of version {version}, but this chrom2expr reads version "
                f"{self.kind.version}; make the file again, or use the chrom2expr that wrote it"
            )

    def __enter__(self) -> "CheckedFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def reading(self) -> Any:
        """Say plainly what is wrong with this file (see errors.reading)."""
        return reading(self.path, f"{self.kind.name} file", self.kind.advice)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def read(self, name: str) -> np.ndarray:
        """A dataset, whole and checked; strings as (length,) str. Raises InputError if it is absent or damaged."""
        if name not in self.shapes:
            raise InputError(f"{self.path}: holds no {name}; {self.kind.advice}")
        if name in self.virtual:
            raise ValueError(f"{self.path}: {name} lies in other files, which know its checksums")
        if name in self._rows:
            shape = self.shapes[name]
            values = np.empty(shape, self._rows[name].dtype)
            for row in range(shape[0]):
                self.read_row(name, row, values[row])
            return values
        with self.reading(), h5py.File(self.path, "r", locking=False) as file:
            values = file[name][()]
        if name in self._chunked:
            step, sums = self._chunked[name]
            for row, run in np.ndindex(sums.shape):
                if _checksum(values[row, run * step : (run + 1) * step]) != sums[row, run]:
                    raise self._damaged(f"row {row} of {name}")
        elif name in self._whole and _checksum(values) != self._whole[name]:
            raise self._damaged(name)
        return values if values.dtype.kind != "S" else np.char.decode(values, "utf-8")

    def rows(self, name: str) -> Rows:
        """How the rows of a dataset lie in the file."""
        return self._rows[name]

    def read_runs(self, rows: Rows, row: int, runs: range, scratch: np.ndarray, what: str = "") -> np.ndarray:
        """The values (place, ...) of neighbouring runs of a row, checked; they lie in `scratch` (bytes, long enough).

        May be called from several threads at once. Raises InputError, naming `what`, where a checksum does not match.
        """
        low, high = runs.start * rows.step, min(runs.stop * rows.step, rows.shape[1])
        buffer, run_bytes = scratch[: (high - low) * rows.place_bytes], rows.step * rows.place_bytes
        with system_errors_named(self.path):
            got = _read_fully(self._handle, buffer, rows.offset + row * rows.row_bytes + low * rows.place_bytes)
        view = memoryview(buffer)
        found = [crc32c(view[start : start + run_bytes]) for start in range(0, len(view), run_bytes)]
        if got != len(view) or found != rows.checksums[row, runs.start : runs.stop].tolist():
            raise self._damaged(what or f"row {row}")
        return buffer.view(rows.dtype).reshape(high - low, *rows.shape[2:])

    def read_row(self, name: str, row: int, target: np.ndarray, start: int = 0, what: str = "") -> None:
        """Fill `target` (place, ...) with the places of a row from `start` on, checked; else as read_runs."""
        rows, end = self._rows[name], start + len(target)
        if target.size:
            runs = rows.runs(start, end)
            scratch = np.empty(len(runs) * rows.step * rows.place_bytes, np.uint8)
            first = start - runs.start * rows.step
            target[...] = self.read_runs(rows, row, runs, scratch, what)[first : first + len(target)]

    def _damaged(self, what: str) -> InputError:
        return InputError(f"{self.path}: damaged at {what}, whose checksum does not match; {self.kind.advice}")


def _read_fully(handle: int, buffer: np.ndarray, offset: int) -> int:
    """Fill `buffer` (bytes) from `offset` of a file on; how many bytes there were."""
    count = os.preadv(handle, [buffer], offset)
    while 0 < count < len(buffer) and (got := os.preadv(handle, [buffer[count:]], offset + count)):
        count += got
    return count


def _checksum(values: np.ndarray) -> int:
    """CRC-32C of the values' bytes, in C order."""
    values = np.ascontiguousarray(values)
    return crc32c(values.view(np.uint8).reshape(-1)) if values.size else 0


def _encoded(labels: np.ndarray) -> np.ndarray:
    """Labels as UTF-8 of one length, that of the longest."""
    encoded = [str(label).encode() for label in labels.tolist()]
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max([1, *map(len, encoded)])))


def _sources(dataset: h5py.Dataset) -> list[tuple[str, str, tuple[int, ...], tuple[int, ...]]]:
    """(file, dataset, first, last index) of the pieces of a virtual dataset."""
    return [
        (source.file_name, source.dset_name, *map(tuple, source.vspace.get_select_bounds()))
        for source in dataset.virtual_sources()
    ]


def _digest(file: h5py.File, checksums: Mapping[str, np.ndarray], steps: Mapping[str, int]) -> str:
    """SHA-256 of a file's attributes, of the datasets' names, types and shapes, and of their checksums."""

    def plain(value: Any) -> Any:
        return str(value) if isinstance(value, str) else [np.asarray(value).dtype.str, np.asarray(value).tolist()]

    datasets = {
        name: [dataset.dtype.str, list(dataset.shape), steps.get(name), _sources(dataset) if dataset.is_virtual else []]
        for name, dataset in file.items()
        if name != CHECKSUMS
    }
    attributes = {name: plain(value) for name, value in file.attrs.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps([attributes, datasets], sort_keys=True, default=int).encode())
    for name in sorted(checksums):
        digest.update(f"{name} {checksums[name].shape}".encode())
        digest.update(np.ascontiguousarray(checksums[name], dtype="<u4"))
    return digest.hexdigest()
