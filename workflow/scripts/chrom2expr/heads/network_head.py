"""Heads that are a network, trained by gradient descent."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from chrom2expr.backbones.device import tensor_float32, training_precision
from chrom2expr.files.tensors import load_exactly, read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.heads import training
from chrom2expr.heads.head import Head
from chrom2expr.heads.tasks import Task, check_tissues, described

# Builds the network of a grid point.
Build = Callable[[Mapping[str, Any]], training.Model]


class TrainedNetwork(Head):
    """A head whose predictions are those of one network, with a `training.Model`'s interface."""

    network: training.Model

    def __init__(self, network: training.Model, table: list[dict[str, Any]], metadata: dict[str, Any]) -> None:
        self.network, self.table, self.metadata = network.eval(), table, metadata

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return self.network(self.network.prepare(features))


class NetworkHead(TrainedNetwork):
    """A network that `build` makes for each point of the grid; a subclass defines it, and the format of the file.

    The metadata's `network` is what it takes to build it again: shape, tissues, settings, and the point of the grid.
    """

    format: ClassVar[Format]

    @classmethod
    @abstractmethod
    def build(
        cls,
        shape: Sequence[int],
        tissues: int,
        settings: Mapping[str, Any],
        point: Mapping[str, Any],
        seed: int = 0,
        start: np.ndarray | None = None,
    ) -> training.Model:
        """The network of a grid point for features (gene, ...) of this `shape`, on the CPU.

        Its initial weights follow from `seed`; `start` (tissue,) is each tissue's mean over the training genes, where a
        good output starts.
        """

    @classmethod
    def train(cls, build: Build, task: Task) -> tuple[training.Model, list[dict[str, Any]]]:
        """Train the grid: the best network, on the task's device in eval mode, and the table (training.fit_grid)."""
        train, validation = task.data.splits["train"], task.data.splits["val"]
        options = training.TrainingOptions.of(task)
        return training.fit_grid(build, training.expand(task.grid), train, validation, options, task.device)

    @classmethod
    def fit(cls, task: Task) -> Self:
        """Train a network for every point of the grid, and keep the best.

        Raises InputError as `train` does, and when a tissue has no training gene with a value.
        """
        check_tissues(task.data, train=1, val=0)
        train = task.data.splits["train"]
        shape, start = train.features.shape[1:], training.target_means(train.observed)
        asked = (shape, len(task.data.tissue), task.settings)
        with tensor_float32():
            network, table = cls.train(lambda point: cls.build(*asked, point, task.seed, start), task)
        [chosen] = [row for row in table if row["chosen"] == "yes"]
        point = {name: chosen[name] for name in task.grid}
        built = {"shape": list(shape), "tissues": asked[1], "settings": dict(task.settings), "point": point}
        fitted = cls(network, table, {"network": built, **described(task)})
        fitted.batch_size, fitted.device = task.batch_size, task.device
        fitted.precision = training_precision(task.device)
        return fitted

    def save(self, path: str | Path) -> None:
        state = {name: value.cpu() for name, value in self.network.state_dict().items()}
        write_tensors(path, self.format, {"state": state, "metadata": self.metadata})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        saved = read_tensors(path, cls.format)
        network = cls.build(**saved["metadata"]["network"])
        load_exactly(network, saved["state"], Path(path))
        return cls(network, [], saved["metadata"])
