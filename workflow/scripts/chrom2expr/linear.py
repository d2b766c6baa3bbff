"""What linear heads share: reading reduced features, tissues by the genes they lack, and the fitted model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from chrom2expr.files import Format
from chrom2expr.heads import Task
from chrom2expr.reader import refuse_broken
from chrom2expr.reduced import ReducedSelection
from chrom2expr.tensors import read_tensors, write_tensors

FORMAT = Format("chrom2expr linear model", 1)


@dataclass
class FittedLinear:
    """A linear model a tissue (see heads.Fitted): features (gene, feature) @ coefficients + intercept.

    coefficients: (feature, tissue), in the units of the features as they are in the file; intercept: (tissue,). Both
    are float64.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    table: list[dict[str, Any]]
    metadata: dict[str, Any]
    batch_size: int

    saved: ClassVar[tuple[str, ...]] = ("coefficients", "intercept")

    def predict(self, features: ReducedSelection) -> np.ndarray:
        predicted = np.empty((features.shape[0], len(self.intercept)), dtype=np.float32)
        for start in range(0, len(predicted), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(predicted)))
            predicted[rows] = features.read(rows) @ self.coefficients + self.intercept
        return predicted

    def save(self, path: Path) -> None:
        arrays = {name: torch.from_numpy(getattr(self, name)) for name in self.saved}
        write_tensors(path, FORMAT, {**arrays, "metadata": self.metadata})


def load(path: str | Path) -> dict[str, Any]:
    """What a model.pt holds: coefficients (feature, tissue), intercept (tissue,), metadata.

    Feature k * tracks + t is feature k of track t (see spatial); metadata has track_id, tissue, inputs.
    """
    return read_tensors(path, FORMAT)


def read_features(task: Task, split: str, rows: np.ndarray) -> np.ndarray:
    """Features (len(rows), feature) float32 of a split. Raises InputError when one is not a finite number."""
    selection = task.data.splits[split].features
    features = np.empty((len(rows), selection.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), task.batch_size):
        part = slice(start, start + task.batch_size)
        features[part] = selection.read(rows[part])
        refuse_broken(selection, rows[part], features[part])
    return features


def by_missing(missing: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The tissues that lack the same genes: (rows of those genes, tissues), from (gene, tissue) bool."""
    groups: dict[bytes, list[int]] = {}
    for tissue, pattern in enumerate(missing.T):
        groups.setdefault(pattern.tobytes(), []).append(tissue)
    for tissues in groups.values():
        yield np.flatnonzero(missing[:, tissues[0]]), np.array(tissues)
