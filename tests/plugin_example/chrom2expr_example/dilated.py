"""A backbone: dilated convolutions, then the mean or the maximum over each bin."""

from torch import nn
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

POOLS = {"mean": functional.avg_pool1d, "max": functional.max_pool1d}


class DilatedConvolutions(Backbone):
    """A convolution over the bases, `layers` dilated ones that are added to it, and bins of what comes out."""

    declares = {
        "api": 1,
        "offers": ["tracks", "embedding", "trunk"],
        "schema": {
            "properties": {
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "width": {"type": "integer", "minimum": 1, "default": 64, "description": "Channels."},
                        "layers": {"type": "integer", "minimum": 0, "default": 6, "description": "Dilated layers."},
                        "pooling": {
                            "enum": ["mean", "max"],
                            "default": "mean",
                            "description": "Of the bases of a bin.",
                        },
                    },
                },
                "network": {"type": "object", "additionalProperties": False, "description": "The settings say it all."},
            },
            "examples": [
                {
                    "geometry": {"sequence_length": 72, "bins": 7, "bin_size": 8},
                    "settings": {"width": 8, "layers": 2, "pooling": "mean"},
                    "network": {},
                },
            ],
        },
    }

    def __init__(self, geometry, tracks, width, layers, pooling):
        super().__init__(geometry)
        self.embedding_width, self.pool = width, POOLS[pooling]
        self.first = nn.Conv1d(4, width, 15, padding=7)
        steps = [2 ** (layer + 1) for layer in range(layers)]
        self.dilated = nn.ModuleList(nn.Conv1d(width, width, 3, padding=step, dilation=step) for step in steps)
        self.tracks = nn.Linear(width, tracks) if tracks else None

    @classmethod
    def load(cls, weights, geometry, settings, tracks=None):
        state = read_checkpoint(weights)
        if tracks is None:
            state = {name: tensor for name, tensor in state.items() if not name.startswith("tracks.")}
        else:
            check_track_count(weights, len(state.get("tracks.bias", ())), tracks)
        backbone = cls(geometry, tracks, **settings)
        load_exactly(backbone, state, weights)
        return backbone

    @classmethod
    def build(cls, network, geometry, settings, tracks=None):
        return cls(geometry, tracks, **settings)

    def describe(self):
        return {}

    def save(self, weights):
        write_checkpoint(self.state_dict(), weights)

    def forward(self, sequence):
        embedding = self.embedding(sequence)
        return Prediction(functional.softplus(self.tracks(embedding)), embedding)

    def embedding(self, sequence, checkpointing=False):
        values = functional.gelu(self.first(as_one_hot(sequence)))
        for layer in self.dilated:
            values = values + functional.gelu(layer(values))
        margin, bin_size = self.geometry.margin, self.geometry.bin_size
        inside = values[:, :, margin : margin + self.geometry.bins * bin_size]
        return self.pool(inside, bin_size).transpose(1, 2)
