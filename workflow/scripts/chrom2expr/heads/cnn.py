"""The thesis's CNN head (section 2.3, figure 2.2): from the tracks of every bin to expression in every tissue."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chrom2expr.errors import InputError
from chrom2expr.files.whole import Format
from chrom2expr.heads import training
from chrom2expr.heads.network_head import NetworkHead

FORMAT = Format("chrom2expr multi-tissue CNN model", 1)
# A GPU's fast kernels want a number of tracks that is a multiple of this; zeros fill them up.
ALIGNED = 8


class ExpressionCNN(training.Model):
    """Stem convolution, `blocks` x [ResidualConvBlock, MaxPool 2], flatten, dropout, Linear to tissues.

    A ResidualConvBlock is BatchNorm -> GELU -> convolution with a residual connection around it. Eight convolutions are
    the stem and seven blocks: Enformer's 896 bins are 2^7 * 7, so seven pools leave 7 positions. A pool drops an odd
    last bin.

    `prepare` takes (gene, bin, track), bins in gene orientation, and returns (gene, track, 1, bin) float32,
    transformed: `log1p` is sign(x) * ln(1 + |x|), since measured tracks may be negative; `none` leaves them. `forward`
    takes that and returns (gene, tissue), in the units of the targets. The convolutions run along the bins of an image
    one pixel high: only images have a memory format with the tracks last, which is the store's, so that nothing is
    transposed, and a step takes a tenth to a third less time on a CPU.

    The thesis does not say, and we chose: there is one dropout, before the Linear; all convolutions have `width`
    channels and zero padding; the output's bias starts at `start`, the mean of each tissue's training targets, so that
    the few epochs need not be spent on it. Every model draws its initial weights and its dropout from streams of its
    own, both started from `seed`, so that models trained in company are the same to the bit as models trained alone.

    Raises InputError for an unknown transform, or too few bins for the number of blocks.
    """

    def __init__(
        self,
        tracks: int,
        bins: int,
        tissues: int,
        *,
        width: int,
        kernel_size: int,
        blocks: int,
        dropout: float,
        transform: str = "log1p",
        seed: int = 0,
        start: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        if bins >> blocks == 0:
            raise InputError(
                f"{bins} bins are too few for {blocks} blocks, each of which halves them: set heads: NAME: settings: "
                f"blocks to at most {int(math.log2(bins))}, or backbones: NAME: geometry: bins to at least {2**blocks}"
            )
        if transform not in ("log1p", "none"):
            raise InputError(f"heads: NAME: settings: transform is {transform!r}: it must be log1p or none")
        self.transform = transform
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = Stem(tracks, width, kernel_size)
            self.blocks = nn.Sequential(*(ResidualConvBlock(width, kernel_size) for _ in range(blocks)))
            self.dropout = Dropout(dropout, seed)
            self.output = nn.Linear(width * (bins >> blocks), tissues)
        if start is not None:
            with torch.no_grad():
                self.output.bias.copy_(torch.as_tensor(start))
        self.to(memory_format=torch.channels_last)

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        if features.is_cuda:
            features = nn.functional.pad(features, (0, -features.shape[-1] % ALIGNED))
        x = features.float()
        if self.transform == "log1p":
            x = torch.copysign(x.abs().log1p(), x)
        return x.transpose(1, 2).unsqueeze(2)  # a view: (gene, track, 1, bin), tracks last in memory

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        x = self.stem(prepared)  # (gene, width, 1, bin)
        for block in self.blocks:
            x = nn.functional.max_pool2d(block(x), (1, 2))
        return self.output(self.dropout(x.flatten(1)))


class Stem(nn.Conv2d):
    """The convolution that takes the tracks, and any that are zeros behind them: the result is the same."""

    def __init__(self, tracks: int, width: int, kernel_size: int) -> None:
        super().__init__(tracks, width, (1, kernel_size), padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zeros = x.shape[1] - self.in_channels
        weight = nn.functional.pad(self.weight, (0, 0, 0, 0, 0, zeros)) if zeros else self.weight
        return self._conv_forward(x, weight, self.bias)


class ResidualConvBlock(nn.Module):
    """x + Conv(GELU(BatchNorm(x))), (gene, width, 1, bin) in and out; `groups` of channels do not mix."""

    def __init__(self, width: int, kernel_size: int, groups: int = 1) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.convolution = convolution(width, width, kernel_size, groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.convolution(nn.functional.gelu(self.norm(x)))


def convolution(channels: int, width: int, kernel_size: int, groups: int = 1) -> nn.Conv2d:
    """Along the bins of (gene, channel, 1, bin), which stay as many."""
    return nn.Conv2d(channels, width, (1, kernel_size), padding="same", groups=groups)


class Dropout(nn.Module):
    """Dropout that draws from a random stream of its own, started from `seed` at the first draw on a device."""

    def __init__(self, probability: float, seed: int) -> None:
        super().__init__()
        self.probability, self.seed = probability, seed
        self.stream: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.probability:
            return x
        if self.stream is None or self.stream.device != x.device:
            self.stream = torch.Generator(x.device).manual_seed(self.seed)
        kept = 1 - self.probability
        return x * torch.empty_like(x).bernoulli_(kept, generator=self.stream) / kept


class MultiTissueCNN(NetworkHead):
    """The CNN with one output for each tissue, over the grid of learning rate and dropout."""

    declares = {
        "api": 1,
        "takes": "store",
        "halves_bins": "blocks",
        "schema": {
            "description": "A convolutional network with an output for each tissue.",
            "advice": "Every point of the grid is trained in one pass over the data.",
            "properties": {
                "batch_size": {"minimum": 2, "description": "Genes in a step; BatchNorm needs two."},
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "transform": {
                            "enum": ["log1p", "none"],
                            "default": "log1p",
                            "description": "What is done to the tracks first.",
                            "origin": "our choice",
                            "advice": "`none` is for tracks that are on a log scale already.",
                        },
                        "width": {
                            "type": "integer",
                            "minimum": 1,
                            "default": 128,
                            "description": "Channels of every convolution.",
                            "origin": "our choice",
                        },
                        "kernel_size": {
                            "type": "integer",
                            "minimum": 1,
                            "not": {"multipleOf": 2},
                            "default": 5,
                            "description": "Bins that a convolution sees; odd.",
                            "origin": "our choice",
                        },
                        "blocks": {
                            "type": "integer",
                            "minimum": 0,
                            "default": 7,
                            "description": "Residual blocks, each of which halves the bins.",
                            "origin": "thesis, figure 2.2",
                            "advice": "Each is followed by a pool of 2, so there must be at least 2 to this power "
                            "bins.",
                        },
                        "weight_decay": {
                            "type": "number",
                            "minimum": 0,
                            "default": 1e-2,
                            "description": "Weight decay of AdamW.",
                            "origin": "our choice",
                        },
                    },
                },
                "grid": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["learning_rate", "dropout"],
                    "properties": {
                        "learning_rate": {
                            "description": "Learning rate of AdamW.",
                            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                            "origin": "our choice",
                            "advice": "The thesis names learning rate and dropout; the values are ours.",
                        },
                        "dropout": {
                            "description": "Probability that the last layer does not see a feature.",
                            "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                            "origin": "our choice",
                        },
                    },
                },
            },
        },
    }
    format = FORMAT

    @classmethod
    def build(
        cls,
        shape: Sequence[int],
        tissues: int,
        settings: Mapping[str, Any],
        point: Mapping[str, Any],
        seed: int = 0,
        start: np.ndarray | None = None,
    ) -> ExpressionCNN:
        bins, tracks = shape
        sizes = {name: value for name, value in settings.items() if name != "weight_decay"}
        return ExpressionCNN(tracks, bins, tissues, **sizes, dropout=point["dropout"], seed=seed, start=start)
