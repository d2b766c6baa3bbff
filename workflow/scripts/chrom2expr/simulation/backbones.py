"""Small Enformer and Beluga networks, trained on a simulated genome's measured tracks in about a minute each.

They are the classes of the real backbones, with fewer channels and layers, and are saved in the same formats, so that
all that follows reads them as it reads the published weights. The demo's predictions carry real signal because of
this training, not by construction; but to get there in a minute, the first convolution starts from the motifs that
were planted (both strands) instead of from random filters alone. The convolutions above start near the identity, so
that a motif's signal reaches the top. Nothing else is known to the networks: which tracks a motif appears in, and how
strongly, they learn from the training genes of the split that the tracks' source names. The held-out genes only
score them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from chrom2expr.backbones.backbone import Backbone, as_one_hot, one_hot, other_strand
from chrom2expr.backbones.beluga import CHANNELS, Beluga
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.errors import InputError
from chrom2expr.genome import windows
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.job import Progress
from chrom2expr.tracks.store_reader import FeatureStore

# A batch is (encoded (batch, length) uint8, tracks (batch, bin, track) float32), bins in genomic order.
Batch = tuple[Tensor, Tensor]


class Examples:
    """Sequences and measured tracks of some genes, in memory: a demo's worth, some hundred genes."""

    def __init__(
        self, encoded: Sequence[str | Path], length: int, features: str | Path, gene_ids: Sequence[str]
    ) -> None:
        """`encoded` are the sequence shards, cropped to `length` bp, `features` a measured feature store.

        Genes are in the order of `gene_ids`. Raises InputError as the two stores do.
        """
        everything = np.arange(len(gene_ids))
        with SequenceStore(encoded, length) as sequences:
            self.encoded = torch.from_numpy(sequences.select(gene_ids).read(everything))
        with FeatureStore(features) as store:
            selection = store.select(gene_ids, tracks="all", orientation="genomic")
            self.tracks = torch.from_numpy(selection.read(everything)).float()

    def __len__(self) -> int:
        return len(self.encoded)

    def batch(self, rows: Tensor, shift: int, flip: bool) -> Batch:
        """The examples `rows`, moved by `shift` bp (N at the end that opens), on the other strand if `flip`."""
        encoded, tracks = self.encoded[rows], self.tracks[rows]
        if shift:
            encoded = encoded.roll(shift, 1)
            encoded[:, :shift] = windows.N if shift > 0 else encoded[:, :shift]
            encoded[:, shift:] = windows.N if shift < 0 else encoded[:, shift:]
        return (other_strand(encoded), tracks.flip(1)) if flip else (encoded, tracks)


def start_at_motifs(weight: Tensor, motifs: Sequence[np.ndarray], channels: str, gain: float = 0.5) -> None:
    """Set the first filters of `weight` (filter, 4, kernel) to the motifs and their reverse complements, in place.

    A motif is in the middle of a longer filter; a filter shorter than the motif takes the motif's middle.
    """
    kernel = weight.shape[-1]
    both = [strand for motif in motifs for strand in (motif, windows.reverse_complement(motif))]
    with torch.no_grad():
        for filter_, motif in zip(weight, both):
            cut = max(0, len(motif) - kernel) // 2
            motif = torch.from_numpy(motif[cut : cut + kernel].copy())[None]
            left = (kernel - motif.shape[1]) // 2
            filter_.zero_()
            filter_[:, left : left + motif.shape[1]] = gain * (one_hot(motif, channels)[0].T - 0.25)


def pass_through(convolution: nn.Conv1d | nn.Conv2d) -> None:
    """Add the identity to a convolution's weights, in place, so that each motif's signal reaches the layers above."""
    weight = convolution.weight  # (channel out, channel in, ..., kernel)
    with torch.no_grad():
        weight.mul_(0.1)
        for channel in range(min(weight.shape[:2])):
            weight[channel, channel, ..., weight.shape[-1] // 2] += 1


def train(
    type: str,
    examples: Examples,
    held_out: Examples,
    motifs: Sequence[np.ndarray],
    geometry: windows.Geometry,
    settings: Mapping[str, Any],
    seed: int,
) -> Backbone:
    """Train a small network of a type of backbone, and print its correlation on the held-out genes.

    `settings`: network (what the backbone's `build` takes), epochs, batch_size, learning_rate, shift (bp, at most).
    Returns the network in eval mode. Random choices follow from `seed` alone. Raises InputError for a type that nobody
    has written down how to train.
    """
    if type not in TRAINERS:
        raise InputError(
            f"simulation: backbones: there is no recipe to train a small {type}, only {' and '.join(TRAINERS)}: give "
            "the other backbones weights of their own"
        )
    torch.manual_seed(seed)
    trainer = TRAINERS[type](examples, motifs, geometry, settings["network"])
    network = trainer.backbone
    print(f"{type}: {sum(weight.numel() for weight in network.parameters()):,} parameters, {len(examples)} genes")
    optimiser = torch.optim.AdamW(network.parameters(), settings["learning_rate"], weight_decay=1e-3)
    size, epochs, most = settings["batch_size"], settings["epochs"], settings["shift"]
    steps = epochs * (len(examples) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["learning_rate"], steps, pct_start=0.15)
    progress = Progress(steps, "steps")
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(examples)).split(size)[: len(examples) // size]:
            shift, flip = int(torch.randint(-most, most + 1, ())), bool(torch.randint(2, ()))
            loss = trainer.loss(*examples.batch(rows, shift, flip))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            progress.advance(1)
    network.eval()
    correlation = _correlation(trainer.predict, held_out, size)
    print(
        f"held-out correlation over genes and bins: mean of tracks {correlation.mean():.3f}, "
        f"lowest {correlation.min():.3f}, highest {correlation.max():.3f}"
    )
    return network


class _Enformer:
    """Enformer's trainable network, its motif start and its loss (Poisson, as published)."""

    def __init__(
        self, examples: Examples, motifs: Sequence[np.ndarray], geometry: windows.Geometry, network: Mapping[str, Any]
    ) -> None:
        self.backbone = Enformer.build(network, geometry, {}, examples.tracks.shape[2])
        plain = self.backbone.network
        start_at_motifs(plain.stem[0].weight, motifs, windows.BASES, gain=1.0)
        for stage in plain.conv_tower:
            pass_through(stage[0][2])
        with torch.no_grad():
            for stage in [plain.stem, *plain.conv_tower]:
                stage[1].fn[2].weight.mul_(0.1)  # the residual block's convolution
        # Each track starts at its mean: softplus(bias) = mean.
        mean = examples.tracks.mean((0, 1)).clamp(min=1e-3)
        with torch.no_grad():
            plain.heads["human"][0].bias.copy_(mean.expm1().log())

    def predict(self, encoded: Tensor) -> Tensor:
        return self.backbone(encoded).tracks

    def loss(self, encoded: Tensor, tracks: Tensor) -> Tensor:
        return functional.poisson_nll_loss(self.predict(encoded), tracks, log_input=False)


class _Beluga:
    """Beluga's trainable network, its motif start and its loss.

    Its outputs are probabilities of a peak, so the measured signal is scaled to 0 … 1: a track's 99th percentile over
    the training bins is a certain peak. The loss is the binary cross entropy against that, as for DeepSEA's labels.
    """

    def __init__(
        self, examples: Examples, motifs: Sequence[np.ndarray], geometry: windows.Geometry, network: Mapping[str, Any]
    ) -> None:
        bins = examples.tracks.flatten(0, 1)
        self.peak = bins.quantile(0.99, dim=0).clamp(min=1e-3)
        self.backbone = Beluga.build(network, geometry, {}, bins.shape[1])
        plain = self.backbone.network
        for module in plain.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                # PyTorch's own start lets the signal fade: six convolutions follow one another without normalisation.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Dropout):
                module.p = 0.05  # the published rates are for a network 1,000 times as large
        first, *above = (layer for layer in plain.model[0] if isinstance(layer, nn.Conv2d))
        for layer in above:
            pass_through(layer)
        start_at_motifs(first.weight[:, :, 0], motifs, CHANNELS, gain=1.0)
        with torch.no_grad():
            # Half of what a motif's middle gives: chance matches stay below it.
            first.bias[: 2 * len(motifs)] = -3.0
            mean = (bins / self.peak).clamp(0, 1).mean(0)
            plain.model[1][4][1].weight.mul_(0.1)
            plain.model[1][4][1].bias.copy_(mean.logit())

    def predict(self, encoded: Tensor) -> Tensor:
        # All regions at once: here they are short.
        return self.backbone.scan(as_one_hot(encoded, CHANNELS))

    def loss(self, encoded: Tensor, tracks: Tensor) -> Tensor:
        target = (tracks / self.peak).clamp(0, 1)
        return functional.binary_cross_entropy(self.predict(encoded), target)


# How a small backbone of a type is trained.
TRAINERS = {"enformer": _Enformer, "beluga": _Beluga}


def _correlation(predict: Callable[[Tensor], Tensor], examples: Examples, batch_size: int) -> np.ndarray:
    """Pearson correlation (track,) between prediction and measurement over all bins of all genes."""
    with torch.inference_mode():
        batches = examples.encoded.split(batch_size)
        predicted = torch.cat([predict(encoded) for encoded in batches]).flatten(0, 1).numpy()
    observed = examples.tracks.flatten(0, 1).numpy()
    predicted, observed = predicted - predicted.mean(0), observed - observed.mean(0)
    norm = np.sqrt((predicted**2).sum(0) * (observed**2).sum(0))
    return (predicted * observed).sum(0) / np.maximum(norm, 1e-12)
