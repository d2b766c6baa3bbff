"""The loop that fine-tunes: warm-up and cosine, accumulation, clipping, early stop, and resuming from its last epoch.

Unlike `training`, which trains a grid of small networks side by side, it trains one large network at a time, one point
of the grid after another, and leaves checkpoints to go on from. Every epoch draws its order of genes and its dropout
from streams that start from the seed and the epoch's number alone, so that an epoch after a restart is the same to the
bit (on a CPU) as one of an undisturbed run.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chrom2expr.backbones.device import cards_held, to_device
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import Format, clear_partials
from chrom2expr.heads import training
from chrom2expr.heads.tasks import Split
from chrom2expr.heads.training import Trial
from chrom2expr.job import Progress

# What a run that is killed goes on from.
CHECKPOINT = Format("chrom2expr checkpoint", 2)


class NotFinite(InputError):
    """A loss, or its gradient, is no number; the message names the genes."""


@dataclass(frozen=True)
class FineTuningOptions(training.TrainingOptions):
    """What fine-tuning adds to the options of all training.

    warmup_steps: steps of the optimiser over which the learning rate rises to the grid's; gradient_clip: largest norm
    of the gradient of all parameters, 0 for any; accumulation: batches a step; devices: GPUs that share a batch.
    """

    warmup_steps: int = 0
    gradient_clip: float = 0.0
    accumulation: int = 1
    devices: int = 1


def rate(step: int, warmup: int, total: int) -> float:
    """Share of the learning rate at `step` (1 … total): a linear rise over `warmup` steps, half a cosine to 0.

    >>> [rate(step, warmup=2, total=4) for step in (1, 2, 3, 4)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if step <= warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


class Checkpoints:
    """`last.pt`, from which a killed run goes on, and `best.pt`, the network at the best epoch; no more than these.

    `identity`, set before `resume`, is what decides the result, by name, possibly nested; a run with another one is
    refused. `check` is called before anything is written or removed, and raises if the folder is no longer this
    process's (see `ownership`). Without a `folder` nothing is written, and the best network is kept in memory.
    """

    def __init__(
        self,
        folder: Path | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.check = folder, check
        self.identity: Mapping[str, Any] = {}
        self.kind = CHECKPOINT._replace(advice=f"to begin this run anew, delete the folder {folder}")
        self._best: dict[str, Tensor] = {}
        if folder is not None:
            clear_partials(folder)
            if self._removed.is_dir():
                self._bring_back()

    def save(self, trials: Sequence[Trial], network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Keep the state after an epoch of the last of `trials`, and the network if that epoch is the best of all."""
        state = network.state_dict()
        if self.folder is None:
            if _last_is_best(trials):
                self._best = {name: value.detach().clone() for name, value in state.items()}
            return
        last = {
            "identity": dict(self.identity),
            "trials": [asdict(trial) for trial in trials],
            "network": state,
            "optimiser": optimiser.state_dict(),
        }
        # In this order: killed in between, `resume` finds the best network in last.pt.
        self._keep("last.pt", last)
        if _last_is_best(trials):
            self._keep("best.pt", state)

    def resume(self) -> dict[str, Any] | None:
        """What `save` kept last: trials, network and optimiser; None if there is nothing.

        Raises InputError if it was kept by a run of another identity, naming what differs, or if it, or the best
        network, cannot be read.
        """
        if self.folder is None or not (self.folder / "last.pt").is_file():
            return None
        last = self._read("last.pt")
        there, here = _flat(last["identity"]), _flat(self.identity)
        differing = [
            f"{name} ({there.get(name, 'none')} there, {here.get(name, 'none')} here)"
            for name in sorted({*there, *here})
            if there.get(name) != here.get(name)
        ]
        if differing:
            raise InputError(
                f"{self.folder / 'last.pt'}: left by a run that differs in {', '.join(differing)}. To go on with that "
                f"run, put this back; to begin anew, delete {self.folder}"
            )
        last["trials"] = [Trial(**trial) for trial in last["trials"]]
        if _last_is_best(last["trials"]):
            self._keep("best.pt", last["network"])
        elif _best(last["trials"]).best:
            self._read("best.pt")  # now, rather than after all other epochs
        return last

    def best(self) -> dict[str, Tensor]:
        """The state of the network at the best epoch."""
        return self._best if self.folder is None else self._read("best.pt")

    def _read(self, name: str) -> dict[str, Any]:
        return read_tensors(self.folder / name, self.kind)

    def _keep(self, name: str, content: Mapping[str, Any]) -> None:
        self.check()
        write_tensors(self.folder / name, self.kind, content)

    def _bring_back(self) -> None:
        """Undo a removal that was stopped before anything was lost, since its job did not end; else end it."""
        whole = all((self._removed / name).is_file() for name in ("last.pt", "best.pt"))
        if whole and not self.folder.exists():
            self._removed.rename(self.folder)
        else:
            rmtree(self._removed)

    @property
    def _removed(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.removed")

    def remove(self, written: Iterable[str | Path] = ()) -> None:
        """Remove the folder, once the run's files are `written`; InputError, and it stays, if one of them is gone."""
        self.check()
        if gone := [str(file) for file in written if not Path(file).is_file()]:
            raise InputError(
                f"{gone[0]} was written, and removed by another job at once. The checkpoints are kept: see that no "
                "other job of this run is under way, then run again"
            )
        if self.folder is not None and self.folder.is_dir():
            # By one rename, so that a kill leaves nothing that looks like a run to go on with.
            self.folder.rename(self._removed)
            # The run is whole: what cannot be removed now, the next run removes.
            rmtree(self._removed, ignore_errors=True)


def fit(
    build: Callable[[Mapping[str, Any]], training.Model],
    points: Sequence[Mapping[str, float]],
    train: Split,
    validation: Split,
    gene_id: Mapping[str, Sequence[str]],
    options: FineTuningOptions,
    device: torch.device,
    checkpoints: Checkpoints,
) -> tuple[training.Model, list[dict[str, Any]]]:
    """Train `build(point)` for every point of the grid: the best network, on `device` in eval mode, and the table.

    A point's only key is learning_rate. `gene_id` names the genes of the splits train and val. The best epoch, the
    early stop and the table are those of training.fit_grid, but a point that diverges is not dropped: InputError names
    the genes of the batch whose loss is not a number, and the checkpoints of the last good epoch stay.
    """
    rows = train.usable
    training.check(rows, train, validation, options)
    last = checkpoints.resume()
    trials = last["trials"] if last else []
    if last:
        print(f"going on after epoch {trials[-1].epochs} of grid point {len(trials)}, from {checkpoints.folder}")
    steps = options.max_epochs * math.ceil(len(rows) / (options.batch_size * options.accumulation))
    if options.warmup_steps >= steps:
        print(f"Warning: {options.warmup_steps:,} warm-up steps, but {steps:,} at most: the rate will only rise")
    for number, point in enumerate(points):
        if number < len(trials) - 1 or (number < len(trials) and _ended(trials[number], options)):
            continue
        network = build(point).to(device)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=point["learning_rate"], weight_decay=options.weight_decay, fused=True
        )
        if number < len(trials):
            network.load_state_dict(last["network"])
            optimiser.load_state_dict(last["optimiser"])
        else:
            trials.append(Trial(dict(point)))
        trial, last = trials[number], None
        progress = Progress((options.max_epochs - trial.epochs) * len(rows), f"genes (of all epochs, {dict(point)})")
        while not _ended(trial, options):
            epoch = trial.epochs + 1
            _train(network, optimiser, trial, train, rows, gene_id["train"], options, device, progress)
            scores = _validate(network, validation, gene_id["val"], options, device)
            better = trial.record(epoch, scores, True, options)
            checkpoints.save(trials, network, optimiser)
            print(
                f"epoch {epoch}: validation loss {scores['validation_loss']:.5g}, cross-gene "
                f"{scores['validation_cross_gene']:.4f}{' (the best so far)' if better else ''}"
            )
        del network, optimiser
    chosen = _best(trials)
    if not math.isfinite(chosen.score[0]):
        raise InputError(
            "no epoch could be chosen: every validation correlation is undefined; use select_by: validation_loss"
        )
    print(f"chosen by {options.select_by}: {chosen.point}, epoch {chosen.best_epoch}")
    network = build(chosen.point).to(device)
    network.load_state_dict(checkpoints.best())
    return network.eval(), [trial.row(chosen=trial is chosen) for trial in trials]


def _train(
    network: training.Model,
    optimiser: torch.optim.Optimizer,
    trial: Trial,
    train: Split,
    rows: np.ndarray,
    gene_id: Sequence[str],
    options: FineTuningOptions,
    device: torch.device,
    progress: Progress,
) -> None:
    """The trial's next epoch: one pass over the training genes."""
    stream = np.random.default_rng([options.seed, trial.epochs])
    order, seed = stream.permutation(rows), int(stream.integers(2**62))
    group = options.batch_size * options.accumulation
    an_epoch = math.ceil(len(order) / group)
    step, done = trial.epochs * an_epoch, 0
    parameters, seen = list(network.parameters()), _Finite(gene_id, options)
    targets = torch.from_numpy(train.observed).to(device)
    forward = _parallel(network, options.devices, device)
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for batch, features in train.features.batches(order, options.batch_size):
            predicted = forward(network.prepare(to_device(features, device)))
            loss = options.loss(predicted, targets[to_device(batch, device)])
            # The mean over the genes of the step, whose last batch may be smaller.
            of_step = min(group, len(order) - done // group * group)
            (loss * (len(batch) / of_step)).backward()
            done += len(batch)
            seen.add("training loss", loss, batch)
            if done % group == 0 or done == len(order):
                norm = nn.utils.clip_grad_norm_(parameters, options.gradient_clip or math.inf)
                seen.add("gradient of the training loss", norm, order[done - of_step : done])
                step += 1
                for settings in optimiser.param_groups:
                    share = rate(step, options.warmup_steps, options.max_epochs * an_epoch)
                    settings["lr"] = trial.point["learning_rate"] * share
                optimiser.step()
                optimiser.zero_grad()
            progress.advance(len(batch))
    seen.look()


class _Finite:
    """Whether an epoch's losses and gradients are finite: looked at now and then, since a GPU waits for every look.

    What is trained on one that is not is given up: an epoch is kept once all of them were seen.
    """

    EVERY = 100

    def __init__(self, gene_id: Sequence[str], options: FineTuningOptions) -> None:
        self.gene_id, self.options = gene_id, options
        self.unseen: list[tuple[str, Tensor, np.ndarray]] = []

    def add(self, what: str, value: Tensor, rows: np.ndarray) -> None:
        """`what` has this value, a single number, at the genes in these rows. Raises NotFinite as `look` does."""
        self.unseen.append((what, value.detach(), rows))
        if len(self.unseen) == self.EVERY:
            self.look()

    def look(self) -> None:
        """Raise NotFinite, with its genes, for the first of the values that is no number."""
        values = torch.stack([value for _, value, _ in self.unseen]) if self.unseen else torch.zeros(0)
        if broken := torch.nonzero(~values.isfinite()).flatten().tolist():
            what, _, rows = self.unseen[broken[0]]
            _refuse(what, rows, self.gene_id, self.options)
        self.unseen = []


def _validate(
    network: training.Model, validation: Split, gene_id: Sequence[str], options: FineTuningOptions, device: torch.device
) -> dict[str, float]:
    """Loss and cross-gene correlation of the validation genes."""
    predicted = training.predict([network], validation.features, options.batch_size, device)[0]
    observed = validation.observed
    loss = options.loss(torch.from_numpy(predicted), torch.from_numpy(observed))
    if not math.isfinite(loss):
        genes = zip(torch.from_numpy(predicted)[:, None], torch.from_numpy(observed)[:, None], strict=True)
        losses = [options.loss(*gene) for gene in genes]
        broken = np.flatnonzero(~np.isfinite(losses))
        # Each may be finite and their sum not: then all are too large.
        _refuse("validation loss", broken if len(broken) else np.arange(len(losses)), gene_id, options)
    correlation, _, tissues, _ = metrics.summarise(metrics.cross_gene(predicted, observed))
    return {"validation_loss": float(loss), "validation_cross_gene": correlation, "validation_tissues": tissues}


def _refuse(what: str, rows: np.ndarray, gene_id: Sequence[str], options: FineTuningOptions) -> None:
    names = [gene_id[row] for row in rows]
    some = ", ".join(names[:32]) + (f", ... ({len(names)} in all)" if len(names) > 32 else "")
    raise NotFinite(
        f"the {what} is not a finite number, at genes {some}. Check their features and expression; if they are in "
        f"order, lower heads: NAME: grid: learning_rate or settings: gradient_clip ({options.gradient_clip:g})"
    )


def _parallel(network: nn.Module, devices: int, device: torch.device) -> nn.Module:
    """The network, or the network on as many of the GPUs asked for as were taken, which share each batch."""
    cards = cards_held()[:devices] if device.type == "cuda" else []
    return nn.DataParallel(network, cards) if len(cards) > 1 else network


def _ended(trial: Trial, options: FineTuningOptions) -> bool:
    return trial.stopped or trial.epochs >= options.max_epochs


def _best(trials: Sequence[Trial]) -> Trial:
    """The best trial, the first of equals."""
    return min(trials, key=lambda trial: trial.score)


def _last_is_best(trials: Sequence[Trial]) -> bool:
    """Whether the epoch run last is the best of all."""
    return _best(trials) is trials[-1] and trials[-1].best_epoch == trials[-1].epochs


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a.b": value} of {"a": {"b": value}}."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
