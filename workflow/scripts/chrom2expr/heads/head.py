"""What every head gives: it is fitted, predicts from stores and from tensors, and is saved and loaded."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from chrom2expr.backbones.device import to_device
from chrom2expr.errors import InputError
from chrom2expr.genome.features import Features
from chrom2expr.heads.tasks import Task


class Head(ABC):
    """A fitted model of expression, given features.

    `declares`, beside what all classes declare (see registry), holds `takes`: what it is fitted to, "store" (gene, bin,
    track), "reduced_features" (gene, feature), or "sequences" (gene, base). It may hold `run`: JSON schema of the runs
    that it can fit, which sees the sections of the config that a run names (source, backbone, inputs, head, loss; of a
    loss, whether it has each trait); `by_tissue`: true where a tissue learns nothing from others, so that jobs can be
    dealt some each (`jobs`) and `join` joins them; `devices`: true where several GPUs can share its work;
    `halves_bins`: the setting that says how often it halves the bins; `models`: the setting that names a resource, a
    list of fitted models that it reads (see expecto_models), which becomes the task's `models`.

    table: the rows of grid.tsv, a row for each point tried, with `chosen` yes or no; empty of a head that was loaded.
    metadata: track_id, tissue, inputs and loss (see tasks.described), and what else the head says.
    """

    declares: ClassVar[Mapping[str, Any]]
    table: list[dict[str, Any]]
    metadata: dict[str, Any]
    batch_size: int = 32  # genes that are predicted at a time; results do not depend on it
    device: torch.device = torch.device("cpu")
    precision: str = "float32"  # what `fit` computed in
    # What of the config leaves more of a GPU's memory where that is used up.
    lower: ClassVar[str] = "heads: NAME: batch_size"

    @classmethod
    @abstractmethod
    def fit(cls, task: Task) -> Self:
        """Fit every point of the task's grid and keep the best; `batch_size` and `device` are the task's.

        Raises InputError for a task that cannot be fitted, before any work where that can be known.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote, on the CPU. Raises InputError if the file is damaged."""

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write all that predicting takes into one file, whole or not at all (see tensors)."""

    @abstractmethod
    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """(gene, tissue) in the units of the targets, with gradients to `features`, a batch of what it is fitted to."""

    def predict(self, features: Features) -> np.ndarray:
        """(gene, tissue) float32, in the units of the targets, in the order of `features`."""
        with torch.inference_mode():
            parts = [
                self(to_device(batch, self.device)).float().cpu().numpy()
                for _, batch in features.batches(np.arange(features.shape[0]), self.batch_size)
            ]
        return np.concatenate(parts)

    @classmethod
    def join(cls, models: Sequence[str | Path], output: str | Path) -> None:
        """Write one file of several that were fitted to different tissues, in their order."""
        raise InputError(f"{cls.__name__} cannot be joined from heads of some tissues each: give it one job")
