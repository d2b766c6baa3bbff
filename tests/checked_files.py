"""HDF5 files of this workflow's formats, with right checksums, for tests that need one with certain content."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from chrom2expr.files import whole
from chrom2expr.files.hdf5 import CHECKSUMS, create_file
from chrom2expr.files.whole import Format


def write_checked(path: Path, kind: Format, attributes: dict[str, Any], rows: Sequence[str], **datasets: Any) -> Path:
    """A file with these datasets, those named in `rows` to be read by rows."""
    with create_file(path, kind, attributes) as file:
        for name, values in datasets.items():
            values = np.asarray(values)
            if name in rows:
                file.create(name, values.shape, values.dtype)
                file.put(name, 0, values)
            else:
                file.write(name, values)
    return path


def alter(path: Path, kind: Format, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Write a file anew after `change(datasets, attributes)` has edited its content in place."""
    with h5py.File(path) as file:
        datasets = {name: file[name][()] for name in file if name != CHECKSUMS}
        datasets = {name: np.char.decode(v, "utf-8") if v.dtype.kind == "S" else v for name, v in datasets.items()}
        rows = [name for name, sums in file[CHECKSUMS].items() if "step" in sums.attrs]
        attributes = {k: v for k, v in file.attrs.items() if k not in ("format", "version", "digest")}
    change(datasets, attributes)
    write_checked(path, kind, attributes, rows, **datasets)


def leftover(name: str) -> str:
    """What a killed writer of a file called `name` leaves: its temporary file's name, with the id of an ended process."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return whole.partial_name(name, ended.pid, "1")
