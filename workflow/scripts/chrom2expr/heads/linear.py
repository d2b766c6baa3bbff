"""What linear heads share: reading reduced features, tissues by the genes they lack, and the fitted model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.genome.features import Features, refuse_broken
from chrom2expr.heads.head import Head
from chrom2expr.heads.tasks import Task

FORMAT = Format("chrom2expr linear model", 1)


class LinearHead(Head):
    """A linear model of each tissue: features (gene, feature) @ coefficients + intercept.

    coefficients: (feature, tissue), in the units of the features as they are in the file; intercept: (tissue,). Both
    are float64. Feature k * tracks + t is feature k of track t (see reductions).
    """

    precision = "float64"
    lower = "heads: NAME: devices to 0, which is the CPU"
    saved: ClassVar[tuple[str, ...]] = ("coefficients", "intercept")  # arrays that its file holds

    def __init__(self, table: list[dict[str, Any]], metadata: dict[str, Any], **arrays: np.ndarray) -> None:
        self.table, self.metadata = table, metadata
        self.arrays = {name: arrays[name] for name in self.saved}
        self.coefficients, self.intercept = arrays["coefficients"], arrays["intercept"]

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        coefficients, intercept = (
            torch.from_numpy(array).to(features.device) for array in (self.coefficients, self.intercept)
        )
        return features.double() @ coefficients + intercept

    def predict(self, features: Features) -> np.ndarray:
        predicted = np.empty((features.shape[0], len(self.intercept)), dtype=np.float32)
        for start in range(0, len(predicted), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(predicted)))
            predicted[rows] = features.read(rows) @ self.coefficients + self.intercept
        return predicted

    def save(self, path: str | Path) -> None:
        arrays = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        write_tensors(path, FORMAT, {**arrays, "metadata": self.metadata})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        found = read_tensors(path, FORMAT)
        return cls([], found["metadata"], **{name: found[name].numpy() for name in cls.saved})


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
