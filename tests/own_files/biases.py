"""An adaptation of one's own: of a backbone's parameters, the biases alone are trained."""

from chrom2expr.heads.adaptation import Adaptation


class Biases(Adaptation):
    """Biases are few, so that there is little to forget. BatchNorm and dropout are as in the trained network."""

    declares = {
        "api": 1,
        "schema": {
            "properties": {
                "norms": {"type": "boolean", "default": False, "description": "Whether weights of norms learn too."},
            },
        },
    }

    def __init__(self, norms=False):
        self.norms = norms

    def prepare(self, trunk):
        for name, parameter in trunk.named_parameters():
            is_norm = name.endswith(".weight") and parameter.dim() == 1
            parameter.requires_grad_(name.endswith(".bias") or (self.norms and is_norm))

    def set_mode(self, trunk, training):
        trunk.eval()
