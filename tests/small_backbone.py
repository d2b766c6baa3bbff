"""A backbone of one's own, in a file: convolutions and one layer of attention, which offers all that there is."""

from pathlib import Path

import torch
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
from chrom2expr.genome.windows import Geometry

TYPE = f"{Path(__file__).resolve()}:Convolutions"
# Not that of chrom2expr.
CHANNELS = "TGCA"


class Convolutions(Backbone):
    """Two convolutions, a mean over each bin, and bins that look at one another."""

    declares = {
        "api": 1,
        "offers": ["tracks", "embedding", "trunk", "attention"],
        "schema": {
            "properties": {
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "sharpness": {
                            "type": "number",
                            "exclusiveMinimum": 0,
                            "default": 2.0,
                            "description": "Factor of the logits of its attention.",
                        },
                    },
                },
                "network": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "width": {"type": "integer", "minimum": 1, "default": 8, "description": "Channels."},
                    },
                },
            },
            "examples": [
                {
                    "geometry": {"sequence_length": 72, "bins": 7, "bin_size": 8},
                    "settings": {"sharpness": 2.0},
                    "network": {"width": 8},
                },
            ],
        },
    }

    def __init__(self, geometry: Geometry, width: int, tracks: int | None, sharpness: float = 2.0) -> None:
        super().__init__(geometry)
        self.embedding_width, self.sharpness = width, sharpness
        self.first = nn.Conv1d(len(CHANNELS), width, 9, padding=4)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.tracks = nn.Linear(width, tracks) if tracks else None

    @classmethod
    def load(cls, weights, geometry, settings, tracks=None):
        state = read_checkpoint(weights)
        if tracks is None:
            state = {name: tensor for name, tensor in state.items() if not name.startswith("tracks.")}
        else:
            check_track_count(weights, len(state["tracks.bias"]), tracks)
        backbone = cls(geometry, len(state["first.bias"]), tracks, **settings)
        load_exactly(backbone, state, weights)
        return backbone

    @classmethod
    def build(cls, network, geometry, settings, tracks=None):
        return cls(geometry, network["width"], tracks, **settings)

    def describe(self):
        return {"width": self.embedding_width}

    def save(self, weights):
        write_checkpoint(self.state_dict(), weights)

    def forward(self, sequence):
        embedding = self.embedding(sequence)
        return Prediction(functional.softplus(self.tracks(embedding)), embedding)

    def embedding(self, sequence, checkpointing=False):
        bins = self.bins(sequence)
        attended = bins + self.weights(bins) @ self.value(bins)
        margin = self.geometry.margin // self.geometry.bin_size
        return attended[:, margin : margin + self.geometry.bins]

    @torch.inference_mode()
    def attend(self, sequence, query):
        return self.eval().weights(self.bins(sequence))[:, query]

    def bins(self, sequence):
        """(batch, bin, width) of all bins."""
        features = functional.gelu(self.norm(self.first(as_one_hot(sequence, CHANNELS))))
        return functional.avg_pool1d(functional.gelu(self.second(features)), self.geometry.bin_size).transpose(1, 2)

    def weights(self, bins):
        """(batch, bin, bin)"""
        logits = self.query(bins) @ self.key(bins).transpose(1, 2)
        return (self.sharpness * logits).softmax(-1)
