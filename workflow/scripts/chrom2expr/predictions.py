"""predictions.h5, what a fitted head says of the validation and test genes: written and read."""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files import whole_file


class Predictions(NamedTuple):
    """Predicted and observed ln(RPKM + pseudocount), (gene, tissue) float32 with NaN = missing, and their names.

    `gene_id` and `split` ("val" or "test") are (gene,), `tissue` is (tissue,).
    """

    predicted: np.ndarray
    observed: np.ndarray
    gene_id: np.ndarray
    tissue: np.ndarray
    split: np.ndarray

    def of(self, split: str) -> "Predictions":
        """The genes of one split, possibly none."""
        rows = self.split == split
        return Predictions(self.predicted[rows], self.observed[rows], self.gene_id[rows], self.tissue, self.split[rows])


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write predictions.h5: a dataset for each field."""
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        for name, values in predictions._asdict().items():
            dtype = h5py.string_dtype() if values.dtype == object else np.float32
            file.create_dataset(name, data=values, dtype=dtype, track_times=False)


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote. Raises InputError if the file is damaged or its parts do not match."""
    try:
        with h5py.File(path, "r") as file:
            if missing := [name for name in Predictions._fields if name not in file]:
                raise InputError(f"{path} has no dataset {', '.join(missing)}; fit this run again.")
            found = Predictions(
                *(file[name][:] for name in ("predicted", "observed")),
                *(file[name].asstr()[:] for name in ("gene_id", "tissue", "split")),
            )
    except (OSError, TypeError) as error:
        raise InputError(f"{path} cannot be read as predictions ({error}); delete it and fit this run again.") from None
    shape = len(found.gene_id), len(found.tissue)
    for name, values in (("predicted", found.predicted), ("observed", found.observed)):
        if values.shape != shape:
            raise InputError(
                f"{path}: {name} has shape {values.shape}, but there are {shape[0]} gene ids and {shape[1]} tissues; "
                "fit this run again."
            )
    if len(found.split) != shape[0]:
        raise InputError(f"{path}: {shape[0]} gene ids but {len(found.split)} entries in split; fit this run again.")
    for kind, ids in (("gene", found.gene_id), ("tissue", found.tissue)):
        values, count = np.unique(ids, return_counts=True)
        if (count > 1).any():
            raise InputError(f"{path}: {kind} {values[count > 1][0]} occurs twice; fit this run again.")
    return found
