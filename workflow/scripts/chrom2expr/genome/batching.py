"""Batches of something that is read from disk, the next one while the last one is in use."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def batches(
    read: Callable[[np.ndarray, np.ndarray], np.ndarray],
    order: np.ndarray,
    batch_size: int,
    shape: tuple[int, ...],
    dtype: np.typing.DTypeLike,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through `order` (rows for `read`): (rows, what was read), the last batch possibly smaller.

    `read(rows, out)` fills `out` (row, *shape) of `dtype` and returns it. One thread reads the next batch meanwhile, so
    two or three are in memory. Its errors are raised here.
    """
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    buffers = _Buffers((batch_size, *shape), dtype)

    def fill(rows: np.ndarray) -> np.ndarray:
        return read(rows, buffers.take()[: len(rows)])

    # Leaving the block, also because the consumer stopped early, waits for the thread to end.
    with ThreadPoolExecutor(1, "reader") as reader:
        coming = reader.submit(fill, parts[0]) if parts else None
        for rows, following in zip(parts, [*parts[1:], None]):
            found = coming.result()
            coming = reader.submit(fill, following) if following is not None else None
            yield rows, found
            del found


class _Buffers:
    """Arrays that are used again once nobody holds them: fresh memory costs as much time as filling it."""

    def __init__(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> None:
        self._shape, self._dtype = shape, dtype
        self._all: list[np.ndarray] = [np.empty(0, dtype)]
        self._unused = self._holders(0)

    def take(self) -> np.ndarray:
        """An array of the shape, in nobody's hands; what it holds does not matter."""
        for index in range(1, len(self._all)):
            if self._holders(index) == self._unused:
                return self._all[index]
        self._all.append(np.empty(self._shape, self._dtype))
        return self._all[-1]

    def _holders(self, index: int) -> int:
        """How many references there are to an array; a view of it, or a tensor made from it, is one."""
        return sys.getrefcount(self._all[index])
