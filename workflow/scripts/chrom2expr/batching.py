"""Batches of something that is read from disk, the next one while the last one is in use."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def batches(
    read: Callable[[np.ndarray], np.ndarray], order: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through `order` (rows for `read`): (rows, what was read), the last batch possibly smaller.

    One thread reads the next batch meanwhile, so two or three are in memory. Its errors are raised here.
    """
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    # Leaving the block, also because the consumer stopped early, waits for the thread to end.
    with ThreadPoolExecutor(1, "reader") as reader:
        coming = reader.submit(read, parts[0]) if parts else None
        for rows, following in zip(parts, [*parts[1:], None]):
            found = coming.result()
            coming = reader.submit(read, following) if following is not None else None
            yield rows, found
            del found
