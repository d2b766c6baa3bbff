"""predictions.h5, what a fitted head says of the validation and test genes: written and read."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format

FORMAT = Format("chrom2expr prediction", 1, "delete it and fit this run again")


class Predictions(NamedTuple):
    """Predicted and observed ln(RPKM + pseudocount), (gene, tissue) float32 with NaN = missing, and their names.

    `gene_id` and `split` ("val" or "test") are (gene,), `tissue` is (tissue,).

    >>> predicted, observed = np.zeros((2, 1)), np.ones((2, 1))
    >>> known = Predictions(predicted, observed, np.array(["A", "B"]), np.array(["liver"]), np.array(["val", "test"]))
    >>> known.of("test").gene_id.tolist()
    ['B']
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


def join(parts: Mapping[str, Predictions]) -> Predictions:
    """The test genes of several runs, by their files, one run after another: those of the folds of a split.

    Raises InputError if they have other tissues, or a gene in common.
    """
    names, first = list(parts), next(iter(parts.values()))
    tested = [part.of("test") for part in parts.values()]
    for name, part in parts.items():
        if not np.array_equal(part.tissue, first.tissue):
            raise InputError(f"{name} has other tissues than {names[0]}: fit both again")
    gene_id = np.concatenate([part.gene_id for part in tested])
    genes, counts = np.unique(gene_id, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"gene {genes[counts > 1][0]} is tested in several of {', '.join(names)}: fit them again")
    predicted, observed = (np.concatenate([getattr(part, key) for part in tested]) for key in ("predicted", "observed"))
    return Predictions(predicted, observed, gene_id, first.tissue, np.full(len(gene_id), "test", dtype=object))


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write predictions.h5: a dataset for each field."""
    with create_file(path, FORMAT) as file:
        for name, values in predictions._asdict().items():
            file.write(name, values.astype(np.float32) if name in ("predicted", "observed") else values)


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote. Raises InputError if the file is damaged.

    >>> from tempfile import TemporaryDirectory
    >>> names = np.array(["A"]), np.array(["liver"]), np.array(["test"])
    >>> with TemporaryDirectory() as folder:
    ...     write_predictions(f"{folder}/predictions.h5", Predictions(np.zeros((1, 1)), np.ones((1, 1)), *names))
    ...     read_predictions(f"{folder}/predictions.h5").observed.tolist()
    [[1.0]]
    """
    with CheckedFile(path, FORMAT) as file:
        return Predictions(*map(file.read, Predictions._fields))
