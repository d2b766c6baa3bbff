"""Beluga, ExPecto's chromatin network (Zhou et al. 2018), over a whole TSS region at once.

A 2,000 bp window gives 2,002 tracks; a gene is 200 windows, 200 bp apart, which share nine tenths of their sequence.
`Network.scan` computes every convolution once for the region and reads each window's features out of it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from chrom2expr.backbone import (
    Backbone,
    Prediction,
    check_track_count,
    load_exactly,
    one_hot,
    read_checkpoint,
    write_checkpoint,
)
from chrom2expr.windows import Geometry

# The order of the input channels in ExPecto's code; not alphabetical.
CHANNELS = "AGCT"
KERNEL, POOL = 8, 4
LAST_LAYER = "model.1.4.1.weight"


class Network(nn.Module):
    """Beluga with the module tree, and so the checkpoint, of ExPecto's code; the defaults are the published sizes.

    Input is one-hot (batch, 4, 1, length) with channels A, G, C, T; `window` is the length in bp that the dense layers
    are made for.
    """

    def __init__(
        self,
        tracks: int = 2002,
        window: int = 2000,
        channels: Sequence[int] = (320, 480, 640),
        hidden: int = 2003,
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.window, self.width = window, self._features_of(window)

        def convolution(before: int, after: int) -> tuple[nn.Module, nn.Module]:
            return nn.Conv2d(before, after, (1, KERNEL)), nn.ReLU()

        def dense(before: int, after: int) -> nn.Module:
            # In ExPecto's checkpoint each linear layer is the second of a pair.
            return nn.Sequential(nn.Identity(), nn.Linear(before, after))

        self.model = nn.Sequential(
            nn.Sequential(
                *convolution(4, first),
                *convolution(first, first),
                nn.Dropout(0.2),
                nn.MaxPool2d((1, POOL)),
                *convolution(first, second),
                *convolution(second, second),
                nn.Dropout(0.2),
                nn.MaxPool2d((1, POOL)),
                *convolution(second, third),
                *convolution(third, third),
            ),
            nn.Sequential(
                nn.Dropout(0.5),
                nn.Flatten(),
                dense(third * self.width, hidden),
                nn.ReLU(),
                dense(hidden, tracks),
            ),
            nn.Sigmoid(),
        )

    @staticmethod
    def _features_of(window: int) -> int:
        """Length of the last convolution's output for a window: 106 for 2,000 bp."""
        two_convolutions = 2 * (KERNEL - 1)
        return ((window - two_convolutions) // POOL - two_convolutions) // POOL - two_convolutions

    def forward(self, sequence: Tensor) -> Tensor:
        """Tracks (batch, track), each in 0 … 1, of windows (batch, 4, 1, window)."""
        return self.model(sequence)

    def scan(self, sequence: Tensor, step: int) -> Tensor:
        """Tracks (batch, window, track) of all windows, `step` bp apart, in regions (batch, 4, 1, length).

        The same numbers as `forward` on each window. A pooling layer moves by the largest stride that keeps every
        window's own positions; what a window then sees lies `dilation` positions apart, in it and in the layers above.
        """
        convolutions, dense, output = self.model
        features, dilation = sequence, 1
        count = (sequence.shape[-1] - self.window) // step + 1
        for layer in convolutions:
            if isinstance(layer, nn.Conv2d):
                features = functional.conv2d(features, layer.weight, layer.bias, dilation=(1, dilation))
            elif isinstance(layer, nn.MaxPool2d):
                stride = math.gcd(step, POOL * dilation)
                features = functional.max_pool2d(features, (1, POOL), (1, stride), dilation=(1, dilation))
                step, dilation = step // stride, POOL * dilation // stride
            else:
                features = layer(features)
        # (batch, channel, 1, position) -> (batch, channel, window, position in the window)
        # Pools drop up to 10 bp at a window's end; in those, a short step would find one more.
        windows = features.squeeze(2).unfold(-1, (self.width - 1) * dilation + 1, step)[:, :, :count, ::dilation]
        return output(dense(windows.transpose(1, 2).flatten(0, 1))).unflatten(0, (len(sequence), count))


class Beluga(Backbone):
    """Beluga as a backbone: bin i of a region is the window whose middle `bin_size` bp it is. It keeps no embedding."""

    def __init__(self, network: Network, geometry: Geometry) -> None:
        super().__init__()
        self.network, self.step = network.eval(), geometry.bin_size

    def forward(self, codes: Tensor) -> Prediction:
        """Prediction for codes (batch, length) uint8; one region after another, so that memory does not grow."""
        regions = one_hot(codes, CHANNELS).transpose(1, 2).unsqueeze(2).split(1)
        return Prediction(torch.cat([self.network.scan(region, self.step) for region in regions]), None)


def window_length(geometry: Geometry) -> int:
    """Length in bp of the windows of a sliding geometry."""
    return geometry.sequence_length - (geometry.bins - 1) * geometry.bin_size


def load(
    weights: Path, geometry: Geometry, tracks: int, settings: Mapping[str, Any], device: torch.device
) -> Backbone:
    """Beluga from a state dict in ExPecto's layout; `settings` may hold `channels` and `hidden` of a smaller network.

    Raises InputError if the file is unreadable, does not fit the network, or predicts another number of tracks.
    """
    state = read_checkpoint(weights)
    if LAST_LAYER in state:
        check_track_count(weights, len(state[LAST_LAYER]), tracks)
    network = Network(tracks, window_length(geometry), **settings)
    load_exactly(network, state, weights)
    return Beluga(network, geometry).to(device)


def save(network: Network, weights: Path) -> None:
    """Write a network as `load` reads it."""
    write_checkpoint(network.state_dict(), weights)
