"""The single-tissue CNNs: a network of one output for every tissue and grid point, trained side by side as bundles.

The networks of a bundle lie beside one another in the channels of one wide network: the stem is one convolution from
the tracks to all networks' channels, and from there on the channels are grouped by network, so that no network sees
another. A batch is read and prepared once for all of them; each has its own initial weights and stream of dropout,
learning rate and early stop, and ends as it would have ended alone, but for the order in which floating-point sums are
taken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from chrom2expr.backbones.device import tensor_float32, to_device, training_precision
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.genome.features import Features, look_for_broken
from chrom2expr.heads import training
from chrom2expr.heads.cnn import Dropout, ExpressionCNN, ResidualConvBlock, Stem
from chrom2expr.heads.network_head import TrainedNetwork
from chrom2expr.heads.tasks import Split, Task, check_tissues, described
from chrom2expr.heads.training import TrainingOptions, Trial
from chrom2expr.job import Progress

FORMAT = Format("chrom2expr single-tissue CNN model", 1)

State = dict[str, torch.Tensor]


class Bundle(ExpressionCNN):
    """Networks of one tissue each, side by side: `forward` returns (gene, network), whatever the tissues.

    `shape` holds the arguments of ExpressionCNN (tracks, bins, width, kernel_size, blocks, transform) that they share.
    Its state is the networks' states, joined along the first dimension: a network's share is that of an ExpressionCNN
    of one tissue. `prepare` returns contiguous (gene, track, 1, bin): for a wide stem on a CPU, that takes half the
    time of tracks last, and the copy is made once for all networks.
    """

    def __init__(self, shape: Mapping[str, Any], states: Sequence[State], dropouts: Sequence[Dropout]) -> None:
        training.Model.__init__(self)
        self.shape, self.transform, self.networks = dict(shape), shape["transform"], len(dropouts)
        width, kernel_size = shape["width"] * self.networks, shape["kernel_size"]
        with torch.device("meta"):  # no weights are drawn only to be replaced
            self.stem = Stem(shape["tracks"], width, kernel_size)
            blocks = (ResidualConvBlock(width, kernel_size, self.networks) for _ in range(shape["blocks"]))
            self.blocks = nn.Sequential(*blocks)
            self.output = _Outputs(self.networks, shape["width"] * (shape["bins"] >> shape["blocks"]))
        self.dropout = _Dropouts(dropouts)
        self.load_state_dict(_join(states), assign=True)

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        return super().prepare(features).contiguous()

    def state(self, network: int) -> State:
        """A copy on the CPU of one network's state, which an ExpressionCNN of one tissue can load."""
        return {name: value.clone().cpu() for name, value in self._share([network]).items()}

    def pick(self, networks: Sequence[int]) -> "Bundle":
        """A bundle of some of these networks, which go on with the same streams of dropout."""
        return Bundle(self.shape, [self._share(networks)], [self.dropout.parts[index] for index in networks])

    def _share(self, networks: Sequence[int]) -> State:
        return {
            name: value.detach().unflatten(0, (self.networks, -1))[networks].flatten(0, 1) if value.dim() else value
            for name, value in self.state_dict().items()
        }


class _Dropouts(nn.Module):
    """Every network's own dropout: (gene, network * feature) in and out."""

    def __init__(self, parts: Sequence[Dropout]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not any(part.probability for part in self.parts):
            return x
        shares = x.chunk(len(self.parts), dim=1)
        return torch.cat([part(share) for part, share in zip(self.parts, shares, strict=True)], dim=1)


class _Outputs(nn.Module):
    """Every network's own linear output: (gene, network * feature) to (gene, network)."""

    def __init__(self, networks: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(networks, features))
        self.bias = nn.Parameter(torch.empty(networks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.unflatten(1, self.weight.shape) * self.weight).sum(dim=2) + self.bias


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) for a bundle, each network with its own learning rate and count of steps.

    The same update as torch.optim.AdamW's with betas 0.9 and 0.999 and eps 1e-8, which takes one learning rate for a
    whole tensor. learning_rates: (network,) float64, on the bundle's device.
    """

    FIRST, SECOND, EPS = 0.9, 0.999, 1e-8

    def __init__(self, bundle: Bundle, learning_rates: torch.Tensor, weight_decay: float) -> None:
        self.learning_rates, self.weight_decay = learning_rates, weight_decay
        self.steps = torch.zeros_like(learning_rates)
        self._attach(bundle)
        self.means = [torch.zeros_like(rows) for rows in self.rows]
        self.squares = [torch.zeros_like(rows) for rows in self.rows]

    def _attach(self, bundle: Bundle) -> None:
        self.parameters = list(bundle.parameters())
        # Views of the parameters, a network a row.
        self.rows = [parameter.detach().view(bundle.networks, -1) for parameter in self.parameters]

    def step(self, taking: torch.Tensor) -> None:
        """A step for the networks that `taking` (network,) bool is true of; the others' gradients must be 0.

        Nothing changes for those, neither weights nor moments nor the count of steps. The gradients are used up.
        """
        active = taking.to(self.steps.dtype)
        self.steps += active
        count = self.steps.clamp(min=1)

        def column(values: torch.Tensor) -> torch.Tensor:
            return values.to(self.rows[0].dtype)[:, None]

        size = column(-active * self.learning_rates / (1 - self.FIRST**count))
        correction = column((1 - self.SECOND**count).sqrt())
        decay = column(1 - active * self.learning_rates * self.weight_decay)
        first, second = column((1 - self.FIRST) * active), column(1 - (1 - self.SECOND) * active)
        for parameter, rows, mean, square in zip(self.parameters, self.rows, self.means, self.squares, strict=True):
            gradient = parameter.grad.reshape(rows.shape)
            mean.lerp_(gradient, first)
            square.mul_(second).addcmul_(gradient, gradient, value=1 - self.SECOND)
            update = square.sqrt().div_(correction).add_(self.EPS).reciprocal_().mul_(mean).mul_(size)
            rows.mul_(decay).add_(update)
            parameter.grad = None

    def pick(self, networks: Sequence[int], bundle: Bundle) -> None:
        """Go on with some of the networks: those of `bundle`, which is made of them."""
        self.learning_rates, self.steps = self.learning_rates[networks], self.steps[networks]
        self.means, self.squares = ([rows[networks] for rows in moments] for moments in (self.means, self.squares))
        self._attach(bundle)


class SingleTissueCNNs(TrainedNetwork):
    """The chosen network of every tissue, side by side; `bundle` of them predict at a time, from one reading."""

    declares = {
        "api": 1,
        "takes": "store",
        "halves_bins": "blocks",
        "by_tissue": True,
        "schema": {
            "like": "cnn",
            "description": "A convolutional network for each tissue.",
            "advice": "1,962 networks of the thesis's size are 2.6e18 floating-point operations and 155 readings of "
            "180 GB (31 bundles, 5 epochs): hours to a day on a large GPU, by estimate, since nobody has run it "
            "yet. With more `jobs` it is done sooner.",
            "properties": {
                "settings": {
                    "properties": {
                        "bundle": {
                            "type": "integer",
                            "minimum": 0,
                            "default": 64,
                            "description": "Networks trained at a time; 0 is all of them.",
                            "origin": "our choice",
                            "advice": "Networks are tissues x points of the grid, trained from one reading of the "
                            "data. At the thesis's size each takes about 0.25 GB. Results do not depend on it but "
                            "for rounding.",
                        },
                    },
                },
            },
        },
        "run": {
            "properties": {
                "loss": {
                    "properties": {
                        "one_tissue": {"const": True, "description": "It has no other tissue to compare."},
                    },
                },
            },
        },
    }
    lower = "heads: NAME: settings: bundle, or batch_size"
    bundle: int = 0

    @classmethod
    def fit(cls, task: Task) -> Self:
        """Train a network for every tissue and grid point (learning_rate x dropout), and keep each tissue's best.

        `task.settings`: those of the multi-tissue CNN (see cnn.ExpressionCNN), and `bundle`, the networks trained at a
        time (0 or absent: all), which bounds memory: a network takes four times its weights, and its activations for a
        batch, about batch_size * bins * width * 50 bytes. Every bundle reads the training and validation genes once an
        epoch, whatever its size, so half the size is twice the reading; results do not depend on it but for rounding.

        A network's best epoch and a tissue's best point are those of the highest Spearman over the tissue's validation
        genes (select_by validation_cross_gene; where it is undefined, of the lowest loss, and the tissue is named) or
        of the lowest mean squared error (validation_loss); the first of equals. Networks that have stopped or diverged
        leave the bundle at the end of the epoch.

        A batch holds any training genes, with values or without, in an order that follows from the seed. A gene that a
        tissue lacks is left out of that network's loss, though not of its BatchNorm's statistics; in a batch without
        any gene observed in its tissue, a network takes no step of AdamW. Initial weights and dropout follow from the
        seed and the tissue's name. So nothing of a network depends on which other tissues there are, or what they lack.

        The table has a row for each tissue and point: tissue, its settings, status (ok or diverged), epochs run, epoch
        chosen, validation_loss and validation_cross_gene there (None where undefined), validation_tissues (1 where
        defined, or 0), chosen (yes or no).

        Raises InputError when the loss is not defined over one tissue, a tissue has fewer than two training or
        validation genes, and when all networks of a tissue diverge.
        """
        if not task.loss.has("one_tissue"):
            raise InputError(
                "a network of one tissue needs a loss that is defined over one tissue, and this one compares tissues: "
                "fit it with another (config: losses)"
            )
        check_tissues(task.data)
        settings = {"transform": "log1p", **task.settings}
        size = settings.pop("bundle", 0)
        options = training.TrainingOptions.of(task)
        settings.pop("weight_decay", None)
        _, bins, tracks = task.data.splits["train"].features.shape
        shape = {"tracks": tracks, "bins": bins, "tissues": 1, **settings}
        train, validation = task.data.splits["train"], task.data.splits["val"]
        rows = np.arange(len(train.observed))  # not those usable to any tissue: which they are, others decide
        training.check(rows, train, validation, options)
        starts = training.target_means(train.observed)
        points = training.expand(task.grid)
        runs = [
            _TissueTrial(tissue, str(name), point) for tissue, name in enumerate(task.data.tissue) for point in points
        ]
        parts = _parts(len(runs), size)
        print(
            f"{len(task.data.tissue)} tissues x {len(points)} grid points = {len(runs)} networks in {len(parts)} "
            f"bundles of up to {len(parts[0])}, each at most {options.max_epochs} epochs of {len(rows):,} genes"
        )
        progress = Progress(len(parts) * options.max_epochs * len(rows), "genes (of all epochs and bundles)")
        for part in parts:
            chunk = [runs[index] for index in part]
            networks = (
                ExpressionCNN(
                    **shape,
                    dropout=run.point["dropout"],
                    seed=network_seed(task.seed, run.point["tissue"]),
                    start=starts[[run.tissue]],
                )
                for run in chunk
            )
            states, dropouts = zip(*((network.state_dict(), network.dropout) for network in networks), strict=True)
            bundle = Bundle(shape, states, dropouts).to(task.device)
            del states
            with tensor_float32():
                _train(bundle, chunk, rows, train, validation, options, progress)
            _keep_the_best(runs)
        best = _choose(runs, task.data.tissue, options)
        dropouts = [Dropout(run.point["dropout"], seed=0) for run in best]
        metadata = {"network": shape, "dropout": [run.point["dropout"] for run in best], **described(task)}
        fitted = cls(
            Bundle(shape, [run.state for run in best], dropouts),
            [run.row(chosen=run is best[run.tissue]) for run in runs],
            metadata,
        )
        fitted.bundle, fitted.batch_size, fitted.device = size, task.batch_size, task.device
        fitted.precision = training_precision(task.device)
        return fitted

    def predict(self, features: Features) -> np.ndarray:
        parts = [self.network.pick(part).to(self.device) for part in _parts(self.network.networks, self.bundle)]
        return np.hstack(training.predict(parts, features, self.batch_size, self.device))

    def save(self, path: str | Path) -> None:
        write_tensors(path, FORMAT, {"state": dict(self.network.state_dict()), "metadata": self.metadata})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        saved = read_tensors(path, FORMAT)
        metadata = saved["metadata"]
        dropouts = [Dropout(probability, seed=0) for probability in metadata["dropout"]]
        return cls(Bundle(metadata["network"], [saved["state"]], dropouts), [], metadata)

    @classmethod
    def join(cls, models: Sequence[str | Path], output: str | Path) -> None:
        saved = [read_tensors(path, FORMAT) for path in models]
        metadata = [part["metadata"] for part in saved]
        per_tissue = {name: [value for part in metadata for value in part[name]] for name in ("dropout", "tissue")}
        state = _join([part["state"] for part in saved])
        write_tensors(output, FORMAT, {"state": state, "metadata": {**metadata[0], **per_tissue}})


def network_seed(seed: int, tissue: str) -> int:
    """Where a tissue's streams of initial weights and dropout start; grid points share it, as the multi CNN's do."""
    return int(np.random.SeedSequence([seed, *tissue.encode()]).generate_state(1)[0])


class _TissueTrial(Trial):
    """A network's trial, the column of its tissue, and its state at the best epoch."""

    def __init__(self, tissue: int, name: str, point: Mapping[str, float]) -> None:
        super().__init__({"tissue": name, **point})
        self.tissue = tissue
        self.state: State = {}


def _train(
    bundle: Bundle,
    runs: Sequence[_TissueTrial],
    rows: np.ndarray,
    train: Split,
    validation: Split,
    options: TrainingOptions,
    progress: Progress,
) -> None:
    """Train a bundle until its last network stops, and record it in `runs`, one a network."""
    device = bundle.stem.weight.device
    rates = [run.point["learning_rate"] for run in runs]
    optimiser = AdamW(bundle, torch.tensor(rates, dtype=torch.float64, device=device), options.weight_decay)
    shuffle = np.random.default_rng(options.seed)
    observed = torch.from_numpy(train.observed).to(device)
    for epoch in range(1, options.max_epochs + 1):
        tissues = np.array([run.tissue for run in runs])
        targets = observed[:, torch.from_numpy(tissues).to(device)]
        # Stays on the device: looking at every step's losses would make a GPU wait for each.
        total = torch.zeros(len(runs), device=device)
        bundle.train()
        for batch, features in train.features.batches(
            training.shuffled(rows, shuffle, options.batch_size), options.batch_size
        ):
            prepared = bundle.prepare(to_device(features, device))
            target = targets[to_device(batch, device)]
            losses = options.loss.of_each_tissue(bundle(prepared), target)
            losses.sum().backward()
            optimiser.step(~target.isnan().all(dim=0))
            total += losses.detach()
            progress.advance(len(batch))
        _validate(bundle, runs, tissues, epoch, total.isfinite().tolist(), validation, options)
        going = [index for index, run in enumerate(runs) if not run.stopped]
        if all(run.diverged for run in runs):
            look_for_broken(train.features, rows, options.batch_size)
            look_for_broken(validation.features, np.arange(len(validation.observed)), options.batch_size)
        if not going:
            return
        if len(going) < len(runs):
            runs, bundle = [runs[index] for index in going], bundle.pick(going)
            optimiser.pick(going, bundle)


def _validate(
    bundle: Bundle,
    runs: Sequence[_TissueTrial],
    tissues: np.ndarray,
    epoch: int,
    finite: Sequence[bool],
    validation: Split,
    options: TrainingOptions,
) -> None:
    """Score every network on the validation genes, from one pass over their features; keep the states of new bests."""
    device = bundle.stem.weight.device
    [predicted] = training.predict([bundle], validation.features, options.batch_size, device)
    observed = validation.observed[:, tissues]
    losses = options.loss.of_each_tissue(torch.from_numpy(predicted), torch.from_numpy(observed)).numpy()
    correlations = metrics.cross_gene(predicted, observed)
    for index, run in enumerate(runs):
        found = float(correlations[index])
        scores = {"validation_loss": float(losses[index]), "validation_cross_gene": found}
        scores["validation_tissues"] = int(not np.isnan(found))
        if run.record(epoch, scores, finite[index], options):
            run.state = bundle.state(index)
        elif run.diverged:
            run.state = {}
    going = np.array([not run.diverged for run in runs])
    correlation = metrics.summarise(correlations[going])
    print(
        f"epoch {epoch}: {len(runs)} networks: mean validation loss {metrics.summarise(losses[going]).mean:.5g}, "
        f"cross-gene {correlation.mean:.4f} ({correlation.undefined} undefined); "
        f"{sum(run.stopped for run in runs)} stop here, {sum(run.diverged for run in runs)} of them diverged"
    )


def _keep_the_best(runs: Sequence[_TissueTrial]) -> None:
    """Forget the states that a finished network of the same tissue, or the first of equals, beats."""
    best: dict[int, _TissueTrial] = {}
    for run in runs:
        if run.state:
            former = best.setdefault(run.tissue, run)
            if run.score < former.score:
                former.state, best[run.tissue] = {}, run
            elif run is not former:
                run.state = {}


def _choose(runs: Sequence[_TissueTrial], tissues: np.ndarray, options: TrainingOptions) -> list[_TissueTrial]:
    """The best network of each tissue, those whose states were kept; prints what to be wary of."""
    best = {run.tissue: run for run in runs if run.state}
    if lost := [str(name) for tissue, name in enumerate(tissues) if tissue not in best]:
        raise InputError(
            f"all networks of {len(lost)} of {len(tissues)} tissues diverged, their losses became infinite or NaN: "
            f"{_some(lost)}. Add smaller values to heads: NAME: grid: learning_rate, and check the features for huge "
            "values (settings: transform: log1p tames them)"
        )
    chosen = [best[tissue] for tissue in range(len(tissues))]
    print(f"chosen by {options.select_by}: a network for each of {len(chosen)} tissues")
    if diverged := sum(run.diverged for run in runs):
        print(f"Warning: {diverged} of {len(runs)} networks diverged and were dropped: see grid.tsv")
    undefined = [run.point["tissue"] for run in chosen if np.isnan(run.best["validation_cross_gene"])]
    if undefined:
        print(
            f"Warning: in {len(undefined)} of {len(tissues)} tissues the validation correlation is undefined, since "
            f"the validation genes or their predictions all have one value: {_some(undefined)}; their networks are "
            "those of the lowest validation loss"
        )
    rates = sorted({run.point["learning_rate"] for run in runs})
    for rate, side in ((rates[0], "smallest"), (rates[-1], "largest")):
        at_end = sum(run.point["learning_rate"] == rate for run in chosen)
        if at_end and len(rates) > 1:
            print(
                f"Warning: for {at_end} of {len(tissues)} tissues the best learning rate, {rate:g}, is the {side} one "
                "tried: consider widening heads: NAME: grid: learning_rate"
            )
    return chosen


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _join(states: Sequence[Mapping[str, torch.Tensor]]) -> State:
    """The networks' states, one after another along the first dimension, contiguous."""
    return {
        # BatchNorm's count of batches has no dimension, and no use where its momentum is fixed.
        name: torch.cat([state[name].contiguous() for state in states]) if value.dim() else value.clone()
        for name, value in states[0].items()
    }


def _parts(count: int, size: int) -> list[list[int]]:
    """0 to `count`, `size` at a time; all at once if that is 0."""
    size = size or count
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]
