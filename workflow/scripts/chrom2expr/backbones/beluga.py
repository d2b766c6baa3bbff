"""Beluga, ExPecto's chromatin network (Zhou et al. 2018), over a whole TSS region at once.

A 2,000 bp window gives 2,002 tracks; a gene is 200 windows, 200 bp apart, which share nine tenths of their sequence.
`Network.scan` computes every convolution once for the region and reads each window's features out of it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from chrom2expr.backbones.backbone import (
    Backbone,
    Prediction,
    as_one_hot,
    check_track_count,
    read_checkpoint,
    write_checkpoint,
)
from chrom2expr.files.tensors import load_exactly
from chrom2expr.genome.windows import Geometry

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
        self.sizes = {"channels": list(channels), "hidden": hidden}
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
    """Beluga as a backbone: bin i of a region is the window whose middle `bin_size` bp it is. It keeps no embedding.

    Weights are a state dict in ExPecto's layout.
    """

    declares = {
        "api": 1,
        "offers": ["tracks"],
        "schema": {
            "description": "Beluga, the network of ExPecto.",
            "properties": {
                "settings": {"$ref": "#/$defs/sizes"},
                "network": {
                    "$ref": "#/$defs/sizes",
                    "description": "The same sizes, of a small network in simulation.backbones.",
                },
            },
            "$defs": {
                "sizes": {
                    "description": "Sizes of the network; the published ones where left out.",
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "channels": {
                            "description": "Channels of the three pairs of convolutions.",
                            "type": "array",
                            "minItems": 3,
                            "maxItems": 3,
                            "items": {"type": "integer", "minimum": 1},
                        },
                        "hidden": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "Units of the hidden dense layer.",
                        },
                    },
                },
            },
            "examples": [
                {
                    "geometry": {"window": 320, "bins": 6, "bin_size": 16},
                    "settings": {"channels": [4, 5, 6], "hidden": 5},
                    "network": {"channels": [4, 5, 6], "hidden": 5},
                },
            ],
        },
    }

    def __init__(self, network: Network, geometry: Geometry) -> None:
        super().__init__(geometry)
        self.network, self.reach = network, window_length(geometry)

    @classmethod
    def load(cls, weights: Path, geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None) -> Self:
        state = read_checkpoint(weights)
        if LAST_LAYER in state:
            tracks = len(state[LAST_LAYER]) if tracks is None else tracks
            check_track_count(weights, len(state[LAST_LAYER]), tracks)
        # Without that layer the state does not fit, whatever the number.
        backbone = cls.build(settings, geometry, settings, tracks)
        load_exactly(backbone.network, state, weights)
        return backbone

    @classmethod
    def build(
        cls, network: Mapping[str, Any], geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None
    ) -> Self:
        return cls(Network(1 if tracks is None else tracks, window_length(geometry), **network), geometry)

    def describe(self) -> dict[str, Any]:
        return dict(self.network.sizes)

    def save(self, weights: Path) -> None:
        write_checkpoint(self.network.state_dict(), weights)

    def forward(self, sequence: Tensor) -> Prediction:
        """One region after another, so that memory does not grow."""
        return Prediction(torch.cat([self.scan(region) for region in as_one_hot(sequence, CHANNELS).split(1)]), None)

    def scan(self, hot: Tensor) -> Tensor:
        """Tracks (batch, bin, track) of one-hot regions (batch, 4, base) in the network's order of channels."""
        return self.network.scan(hot.unsqueeze(2), self.geometry.bin_size)


def window_length(geometry: Geometry) -> int:
    """Length in bp of the windows of a sliding geometry."""
    return geometry.sequence_length - (geometry.bins - 1) * geometry.bin_size
