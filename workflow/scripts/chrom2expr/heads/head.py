"""What every head gives: it is fitted, predicts from stores and from tensors, and is saved and loaded."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from chrom2expr.errors import InputError
from chrom2expr.files.tensors import load_exactly, read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.genome.features import Features
from chrom2expr.heads import training
from chrom2expr.heads.tasks import Task, check_tissues, described

# Builds the network of a grid point.
Build = Callable[[Mapping[str, Any]], training.Model]


class Head(ABC):
    """A fitted model of expression, given features.

    `declares`, beside what all classes declare (see registry), holds `takes`: what it is fitted to, "store" (gene, bin,
    track), "reduced_features" (gene, feature), or "sequences" (gene, base). It may hold `run`: JSON schema of the runs
    that it can fit, which sees the sections of the config that a run names (source, backbone, inputs, head, loss; of a
    loss, whether it has each trait); `by_tissue`: true where a tissue learns nothing from others, so that jobs can be
    dealt some each (`jobs`) and `join` joins them; `devices`: true where several GPUs can share its work;
    `halves_bins`: the setting that says how often it halves the bins.

    table: the rows of grid.tsv, a row for each point tried, with `chosen` yes or no; empty of a head that was loaded.
    metadata: track_id, tissue, inputs and loss (see tasks.described), and what else the head says.
    """

    declares: ClassVar[Mapping[str, Any]]
    table: list[dict[str, Any]]
    metadata: dict[str, Any]
    batch_size: int = 32  # genes that are predicted at a time; results do not depend on it
    device: torch.device = torch.device("cpu")

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
                self(torch.from_numpy(batch).to(self.device)).float().cpu().numpy()
                for _, batch in features.batches(np.arange(features.shape[0]), self.batch_size)
            ]
        return np.concatenate(parts)

    @classmethod
    def join(cls, models: Sequence[str | Path], output: str | Path) -> None:
        """Write one file of several that were fitted to different tissues, in their order."""
        raise InputError(f"{cls.__name__} cannot be joined from heads of some tissues each: give it one job")


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
        """The network of a grid point for features (gene, *shape), on the CPU.

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
        network, table = cls.train(lambda point: cls.build(*asked, point, task.seed, start), task)
        [chosen] = [row for row in table if row["chosen"] == "yes"]
        point = {name: chosen[name] for name in task.grid}
        built = {"shape": list(shape), "tissues": asked[1], "settings": dict(task.settings), "point": point}
        fitted = cls(network, table, {"network": built, **described(task)})
        fitted.batch_size, fitted.device = task.batch_size, task.device
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
