"""What heads are fitted to: the features of genes, read by rows. All kinds of them have this interface."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.genome import batching


class Features(ABC):
    """Features of some genes in a certain order; a row is the index of a gene in it.

    A subclass defines `fill` and `where`.

    shape: (gene, ...), the numbers of genes and of what each has: (bin, track) of a feature store, (feature,) of
    reduced features, (base,) of encoded sequences. dtype: of what is read. bytes_read: bytes handed out so far.

    >>> class Ones(Features):
    ...     dtype, shape, bytes_read = np.float32, (5, 2), 0
    ...     def fill(self, rows, out):
    ...         out[:] = 1
    ...     def where(self, row, *place):
    ...         return f"gene {row}"
    >>> [(rows.tolist(), values.shape) for rows, values in Ones().batches(np.array([4, 0, 2]), 2)]
    [([4, 0], (2, 2)), ([2], (1, 2))]
    """

    shape: tuple[int, ...]
    dtype: np.typing.DTypeLike
    bytes_read: int = 0

    @abstractmethod
    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write the features of the genes with these indices, in any order, all of them known, to `out` (row, ...).

        Raises InputError, naming file and gene, if the file is damaged there.
        """

    @abstractmethod
    def where(self, row: int, *place: int) -> str:
        """File, gene and track of the value at this place (bin and track, feature, or base) of one gene."""

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Features (len(rows), ...) of the genes with these indices, in any order, written to `out` if that is given.

        Raises IndexError on an index that is not one of 0 ... shape[0] - 1, and InputError as `fill` does.
        """
        rows = np.asarray(rows, dtype=np.intp)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.shape[0]):
            raise IndexError(f"rows {rows.min()} to {rows.max()} are asked for, but there are {self.shape[0]} genes")
        found = np.empty((len(rows), *self.shape[1:]), self.dtype) if out is None else out
        self.fill(rows, found)
        self.bytes_read += found.nbytes
        return found

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through `order` (indices of genes): (rows, features), the last batch possibly smaller.

        A thread reads the next batch meanwhile (see batching).
        """
        return batching.batches(self.read, order, batch_size, self.shape[1:], self.dtype)


class InMemory(Features):
    """Other features, all of them read at once, for small batches that nobody reads ahead.

    The embeddings of the thesis's genes, ten bins each, take 1.4 GB.

    >>> class Numbers(Features):
    ...     dtype, shape = np.float32, (3, 1)
    ...     def fill(self, rows, out):
    ...         out[:, 0] = rows
    ...     def where(self, row, *place):
    ...         return f"gene {row}"
    >>> InMemory(Numbers()).read([2, 0]).tolist()
    [[2.0], [0.0]]
    """

    def __init__(self, features: Features) -> None:
        self.shape, self.dtype = features.shape, features.dtype
        self._source = features
        self._values = features.read(np.arange(features.shape[0]))

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        out[:] = self._values[rows]

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Without a thread: to wake one takes longer than a batch.
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, self.read(rows)

    def where(self, row: int, *place: int) -> str:
        return self._source.where(row, *place)


def refuse_broken(features: Features, rows: np.ndarray, values: np.ndarray) -> None:
    """Raise InputError where one of the values that were read of these rows is not a finite number."""
    broken = np.argwhere(~np.isfinite(values))
    if len(broken):
        row, *place = broken[0].tolist()
        raise InputError(
            f"{features.where(rows[row], *place)}: {values[row][tuple(place)]} is no value of a feature; no rule "
            "writes it, so the file was changed since: delete it and rerun"
        )


def look_for_broken(features: Features, rows: np.ndarray, batch_size: int) -> None:
    """Raise InputError where a feature of these rows is not a finite number: reads them all, once all has failed."""
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        refuse_broken(features, part, features.read(part))
