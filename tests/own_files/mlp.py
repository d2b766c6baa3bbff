"""A head of one's own: a multilayer perceptron on reduced features."""

import torch
from torch import nn

from chrom2expr.files.whole import Format
from chrom2expr.heads.network_head import NetworkHead
from chrom2expr.heads.training import Model


class Perceptron(Model):
    """BatchNorm, then `layers` of Linear and GELU, then Linear to the tissues."""

    def __init__(self, features, tissues, width, layers, seed, start):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = [part for _ in range(layers - 1) for part in (nn.Linear(width, width), nn.GELU())]
            self.layers = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, width), nn.GELU(), *hidden)
            self.output = nn.Linear(width, tissues)
        if start is not None:
            self.output.bias.data.copy_(torch.as_tensor(start))

    def prepare(self, features):
        return features.float()

    def forward(self, prepared):
        return self.output(self.layers(prepared))


class MLP(NetworkHead):
    """The perceptron, over a grid of learning rates."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "properties": {
                "batch_size": {"minimum": 2, "description": "Genes in a step; BatchNorm needs two."},
                "settings": {
                    "additionalProperties": False,
                    "properties": {
                        "width": {"type": "integer", "minimum": 1, "default": 64, "description": "Hidden units."},
                        "layers": {"type": "integer", "minimum": 1, "default": 2, "description": "Hidden layers."},
                        "weight_decay": {"type": "number", "minimum": 0, "default": 0.01, "description": "Of AdamW."},
                    },
                },
                "grid": {"required": ["learning_rate"]},
            },
        },
    }
    format = Format("MLP on reduced features", 1)

    @classmethod
    def build(cls, shape, tissues, settings, point, seed=0, start=None):
        return Perceptron(shape[0], tissues, settings["width"], settings["layers"], seed, start)
