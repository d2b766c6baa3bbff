"""Fine-tuning with a frozen trunk (thesis, section 3.2): only the attention pool and the linear layer are trained.

A frozen trunk is in eval mode and gives the same embedding in every epoch, so that it is computed once, into a feature
store of kind embedded (see inference.embed_shard), and every loss and seed trains from there.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chrom2expr import backbone, training, tuning
from chrom2expr.files import Format
from chrom2expr.heads import Task, check_tissues
from chrom2expr.pool import AttentionPool
from chrom2expr.reader import Selection
from chrom2expr.tensors import read_tensors

FORMAT = Format("chrom2expr frozen-trunk model", 1)


class InMemory:
    """A selection, all of it read: ten bins of Enformer's embedding are 60 kB a gene, 1.4 GB for the thesis's genes."""

    def __init__(self, features: Selection) -> None:
        self.shape = features.shape
        self.features = features.read(np.arange(features.shape[0]))

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through `order`: (rows, features), the last batch possibly smaller."""
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, self.features[rows]


def fit(task: Task) -> tuning.Fitted:
    """Fit the pool for every learning rate of the grid, and keep the best (see tuning.fit).

    Raises InputError as that does, and when a tissue has no training gene with a value.
    """
    data = task.data
    check_tissues(data, train=1, val=0)
    train, validation = (
        replace(data.splits[name], features=InMemory(data.splits[name].features)) for name in ("train", "val")
    )
    shape = {"width": train.features.shape[2], "tissues": len(data.tissue)}
    start = training.target_means(train.observed)
    pool, table = tuning.fit(
        lambda: AttentionPool(**shape, seed=task.seed, start=start),
        training.expand(task.grid),
        train,
        validation,
        data.gene_id,
        tuning.Recipe.of(task),
        task.device,
        tuning.Checkpoints(),
    )
    metadata = {"network": shape, "tissue": [str(name) for name in data.tissue], "inputs": dict(data.inputs)}
    return tuning.Fitted(pool, pool, FORMAT, table, metadata, task.batch_size, task.device)


def load(path: str | Path) -> tuple[AttentionPool, dict[str, Any]]:
    """The pool of a model.pt, on the CPU in eval mode, and its metadata: network, tissue, inputs."""
    saved = read_tensors(path, FORMAT)
    pool = AttentionPool(**saved["metadata"]["network"])
    backbone.load_exactly(pool, saved["state"], Path(path))
    return pool.eval(), saved["metadata"]
