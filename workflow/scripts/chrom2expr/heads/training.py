"""Train a whole grid of models on one pass over the data an epoch, and keep the best by the validation genes."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np
import torch

from chrom2expr.backbones.device import to_device
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.genome.features import Features, look_for_broken
from chrom2expr.heads.tasks import Split, Task
from chrom2expr.job import Progress
from chrom2expr.losses.loss import Loss


@dataclass(frozen=True)
class TrainingOptions:
    """How to train: the loss, the loop, AdamW's weight decay, and what the best epoch is chosen by."""

    loss: Loss
    batch_size: int
    max_epochs: int
    patience: int
    select_by: Literal["validation_loss", "validation_cross_gene"]
    seed: int
    weight_decay: float = 0.0

    @classmethod
    def of(cls, task: Task) -> Self:
        """The options of a task, of which the head's settings give those that it has."""
        names = {field.name for field in fields(cls)}
        own = {name: getattr(task, name) for name in names if hasattr(task, name)}
        return cls(**own, **{name: value for name, value in task.settings.items() if name in names - own.keys()})


class Model(torch.nn.Module):
    """What the loop trains: `prepare` is the part that all models of a grid share, `forward` takes what it returns."""

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        """From a batch of the store, (gene, bin, track) float16, to the network's input; holds no parameters."""
        raise NotImplementedError


def expand(grid: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Every combination of the grid's values, the last key's changing fastest.

    >>> expand({"learning_rate": [1e-3, 1e-2], "dropout": [0]})
    [{'learning_rate': 0.001, 'dropout': 0}, {'learning_rate': 0.01, 'dropout': 0}]
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def fit_grid(
    build: Callable[[Mapping[str, float]], Model],
    points: Sequence[Mapping[str, float]],
    train: Split,
    validation: Split,
    options: TrainingOptions,
    device: torch.device,
) -> tuple[Model, list[dict[str, Any]]]:
    """Train `build(point)` for every point of the grid; return the best model, on `device` in eval mode, and the table.

    Each epoch reads the training genes once, in an order drawn from the seed, and the validation genes once; every
    point that has not stopped takes its own AdamW step (learning rate: `point["learning_rate"]`) on each batch. A
    point's best epoch is kept by `options.select_by`; it stops after `patience` epochs without a better one, and is
    dropped when its loss is no longer finite. Points do not influence one another: one trained alone ends in the same
    bits.

    A last batch of a single gene is no basis for BatchNorm: that gene, another one each epoch, sits the epoch out.
    Genes without any observed value take no part.

    The table has a row for each point: its settings, `status` (ok or diverged), `epochs` run, `epoch` chosen (1-based),
    `validation_loss` and `validation_cross_gene` (mean over the tissues where it is defined) at that epoch,
    `validation_tissues` (how many those are), `chosen` (yes or no).

    Raises InputError when there is nothing to train on, when the loss has fewer tissues than it needs, and when
    every point diverges.
    """
    rows = train.usable
    check(rows, train, validation, options)
    runs = [_NetworkTrial(dict(point), build(point).to(device), options.weight_decay) for point in points]
    shuffle = np.random.default_rng(options.seed)
    targets = torch.from_numpy(train.observed).to(device)
    print(f"{len(runs)} grid points, at most {options.max_epochs} epochs of {len(rows):,} training genes")
    progress = Progress(options.max_epochs * len(rows), "genes (of all epochs)")
    for epoch in range(1, options.max_epochs + 1):
        active = [run for run in runs if not run.stopped]
        if not active:
            break
        order = shuffled(rows, shuffle, options.batch_size)
        for batch, features in train.features.batches(order, options.batch_size):
            prepared = active[0].model.prepare(to_device(features, device))
            observed = targets[to_device(batch, device)]
            for run in active:
                run.step(prepared, observed, options)
            progress.advance(len(batch))
        _validate(active, epoch, validation, options, device)
        if all(run.diverged for run in active):
            look_for_broken(train.features, rows, options.batch_size)
            look_for_broken(validation.features, np.arange(validation.features.shape[0]), options.batch_size)
    best = _choose(runs, options)
    best.model.load_state_dict(best.state)
    return best.model.eval(), [run.row(chosen=run is best) for run in runs]


def target_means(observed: np.ndarray) -> np.ndarray:
    """Mean of each tissue's observed values, (tissue,); 0 for a tissue without any."""
    present = ~np.isnan(observed)
    return np.where(present, observed, 0).sum(axis=0, dtype=np.float64) / np.maximum(present.sum(axis=0), 1)


def shuffled(rows: np.ndarray, shuffle: np.random.Generator, batch_size: int) -> np.ndarray:
    """An epoch's order of the training genes; the one that would be a batch by itself is left out (see fit_grid)."""
    order = shuffle.permutation(rows)
    return order[:-1] if batch_size > 1 and len(order) % batch_size == 1 else order


def predict(models: Sequence[Model], features: Features, batch_size: int, device: torch.device) -> list[np.ndarray]:
    """Predictions (gene, tissue) float32 of each model for every gene, in order, from one pass over the features."""
    predicted: list[list[np.ndarray]] = [[] for _ in models]
    for model in models:
        model.eval()
    with torch.inference_mode():
        for _, batch in features.batches(np.arange(features.shape[0]), batch_size):
            prepared = models[0].prepare(to_device(batch, device))
            for model, parts in zip(models, predicted, strict=True):
                parts.append(model(prepared).float().cpu().numpy())
    return [np.concatenate(parts) for parts in predicted]


@dataclass
class Trial:
    """One point of the grid on its way: the epochs run, the best of them, and whether it has stopped.

    `score` is what is minimised, and a pair: by validation_cross_gene, an undefined correlation (NaN) is behind every
    defined one, and the validation loss ranks those.
    """

    point: Mapping[str, Any]
    epochs: int = 0
    best_epoch: int = 0
    score: tuple[float, float] = (float("inf"), float("inf"))
    best: dict[str, float] = field(default_factory=dict)
    stopped: bool = False
    diverged: bool = False

    def record(self, epoch: int, scores: dict[str, float], finite: bool, options: TrainingOptions) -> bool:
        """Take in an epoch's validation scores, and whether its training losses were finite: is it the best so far?

        Afterwards `stopped` says whether patience has run out, or `diverged` too that a loss was not finite.
        """
        self.epochs = epoch
        if not finite or not np.isfinite(scores["validation_loss"]):
            self.stopped = self.diverged = True
            return False
        score = (0.0, scores["validation_loss"])
        if options.select_by == "validation_cross_gene":
            correlation = scores["validation_cross_gene"]
            score = (float("inf"), score[1]) if np.isnan(correlation) else (-correlation, 0.0)
        better = score < self.score
        if better:
            self.score, self.best_epoch, self.best = score, epoch, scores
        self.stopped = epoch - self.best_epoch >= options.patience
        return better

    def row(self, chosen: bool) -> dict[str, Any]:
        """This point's row of grid.tsv; a diverged point has no epoch and no scores."""
        scores = {} if self.diverged else self.best
        names = ("validation_loss", "validation_cross_gene", "validation_tissues")
        found = {name: scores.get(name) for name in names}
        return {
            **self.point,
            "status": "diverged" if self.diverged else "ok",
            "epochs": self.epochs,
            "epoch": self.best_epoch if scores else None,
            **{name: None if value is None or np.isnan(value) else value for name, value in found.items()},
            "chosen": "yes" if chosen else "no",
        }


class _NetworkTrial(Trial):
    """A trial with its model and optimiser, and the model's state at the best epoch."""

    def __init__(self, point: dict[str, float], model: Model, weight_decay: float) -> None:
        super().__init__(point)
        self.model = model
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=point["learning_rate"], weight_decay=weight_decay, fused=True
        )
        self.total_loss: torch.Tensor | float = 0.0
        self.state: dict[str, torch.Tensor] = {}

    def step(self, prepared: torch.Tensor, observed: torch.Tensor, options: TrainingOptions) -> None:
        self.model.train()
        self.optimiser.zero_grad()
        loss = options.loss(self.model(prepared), observed)
        loss.backward()
        self.optimiser.step()
        # Stays on the device: looking at every step's loss would make a GPU wait for each.
        self.total_loss = self.total_loss + loss.detach()

    def record(self, epoch: int, scores: dict[str, float], finite: bool, options: TrainingOptions) -> bool:
        better = super().record(epoch, scores, finite, options)
        self.total_loss = 0.0
        if better:
            self.state = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
        elif self.diverged:
            self.state = {}
        return better


def _validate(
    active: Sequence[_NetworkTrial], epoch: int, validation: Split, options: TrainingOptions, device: torch.device
) -> None:
    """Score every active point on the validation genes, from one pass over their features."""
    observed = torch.from_numpy(validation.observed)
    predictions = predict([run.model for run in active], validation.features, options.batch_size, device)
    for run, predicted in zip(active, predictions, strict=True):
        loss = options.loss(torch.from_numpy(predicted), observed)
        correlation, _, tissues, undefined = metrics.summarise(metrics.cross_gene(predicted, validation.observed))
        scores = {"validation_loss": float(loss), "validation_cross_gene": correlation, "validation_tissues": tissues}
        run.record(epoch, scores, np.isfinite(float(run.total_loss)), options)
        settings = ", ".join(f"{name} {value:g}" for name, value in run.point.items())
        state = "diverged, dropped" if run.diverged else "stopped" if run.stopped else ""
        lost = f" ({undefined} tissues undefined)" if undefined else ""
        found = f"validation loss {loss:.5g}, cross-gene {correlation:.4f}{lost}"
        print(f"epoch {epoch}: {settings}: {found} {state}".rstrip())


def _choose(runs: Sequence[_NetworkTrial], options: TrainingOptions) -> _NetworkTrial:
    """The best point of all, the first of equals; says so when it lies on an edge of the learning rates tried."""
    candidates = [run for run in runs if run.state and np.isfinite(run.score[0])]
    if not candidates and any(run.state for run in runs):
        raise InputError(
            "no point of the grid could be chosen: every validation correlation is undefined, since the targets or the "
            "predictions of the validation genes all have one value, or one gene is all there is. Check the expression "
            "matrix, or set heads: NAME: select_by: validation_loss"
        )
    if not candidates:
        raise InputError(
            "no point of the grid could be chosen: every loss became infinite or NaN. Add smaller values to heads: "
            "NAME: grid: learning_rate, and check the features for huge values (settings: transform: log1p tames them)"
        )
    best = min(candidates, key=lambda run: run.score)
    rates = sorted({run.point["learning_rate"] for run in runs})
    rate = best.point["learning_rate"]
    print(f"chosen by {options.select_by}: {best.point}, epoch {best.best_epoch}")
    if len(rates) > 1 and rate in (rates[0], rates[-1]):
        side = "smallest" if rate == rates[0] else "largest"
        print(f"Warning: the best learning rate, {rate:g}, is the {side} one tried: consider widening the grid")
    return best


def check(rows: np.ndarray, train: Split, validation: Split, options: TrainingOptions) -> None:
    """Raise InputError before any work where training could not mean anything."""
    if len(rows) < 2:
        raise InputError(f"{len(rows)} training genes have an observed expression value: at least two are needed")
    if not len(validation.usable):
        raise InputError("no validation gene has an observed expression value: nothing to choose the model by")
    if train.observed.shape[1] < 2 and not options.loss.has("one_tissue"):
        raise InputError(
            "the loss compares the tissues of a gene, and there is one tissue: take a loss that one tissue is enough "
            "for (config: losses)"
        )
