"""The adaptations that the config names by `heads: NAME: adaptation: type`."""

from typing import Literal

from torch.nn.modules.batchnorm import _BatchNorm

from chrom2expr.backbones.backbone import Backbone
from chrom2expr.heads.adaptation import Adaptation


class AllParameters(Adaptation):
    """Every parameter of the trunk is trained.

    BatchNorm is `frozen` (our choice): it normalises with the statistics of the pretraining, in training too, and only
    its weights and biases are learned. A batch of two genes gives statistics that are off, and not those that the
    network is validated and used with, which is known to spoil fine-tuning (enformer-pytorch #16); `train` takes them
    all the same.
    """

    declares = {
        "api": 1,
        "schema": {
            "description": "Every parameter of the trunk is trained.",
            "properties": {
                "batch_norm": {
                    "enum": ["frozen", "train"],
                    "default": "frozen",
                    "description": "Statistics of the pretraining or of each batch.",
                    "origin": "our choice",
                    "advice": "With `frozen`, the pretraining's: the two genes of a batch are too few for "
                    "statistics of their own.",
                },
            },
        },
    }

    def __init__(self, batch_norm: Literal["frozen", "train"] = "frozen") -> None:
        self.batch_norm = batch_norm

    def prepare(self, trunk: Backbone) -> None:
        trunk.requires_grad_(True)

    def set_mode(self, trunk: Backbone, training: bool) -> None:
        trunk.train(training)
        if self.batch_norm == "frozen":
            for module in trunk.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()


class Frozen(Adaptation):
    """Nothing of the trunk is trained, and it is in eval mode throughout: what is added to it learns alone.

    The head `frozen` learns the same from a stored embedding, which it computes once and not in every epoch.
    """

    declares = {
        "api": 1,
        "schema": {
            "description": "Nothing of the trunk is trained.",
            "advice": "It fits the same models as the head type `frozen`, but slower: it embeds the sequences in "
            "every epoch.",
            "properties": {},
        },
    }

    def prepare(self, trunk: Backbone) -> None:
        trunk.requires_grad_(False)

    def set_mode(self, trunk: Backbone, training: bool) -> None:
        trunk.eval()
