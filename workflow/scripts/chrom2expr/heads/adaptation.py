"""How a backbone is adapted to expression: which parameters of its trunk are trained, and in which mode it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from chrom2expr import registry
from chrom2expr.backbones.backbone import Backbone


class Adaptation(ABC):
    """What fine-tuning does to a backbone that offers a trunk, before it is trained and meanwhile.

    The keys of its section (heads: NAME: adaptation), `type` left out, are the arguments that it is made with;
    `declares` holds no more than what all classes declare (see registry).

    >>> class Biases(Adaptation):
    ...     declares = {"api": 1, "schema": {}}
    ...     def prepare(self, trunk):
    ...         for name, parameter in trunk.named_parameters():
    ...             parameter.requires_grad_(name.endswith("bias"))
    ...     def set_mode(self, trunk, training):
    ...         trunk.train(training)
    >>> from torch import nn
    >>> layer = nn.Linear(2, 1)
    >>> Biases().prepare(layer)
    >>> [name for name, parameter in layer.named_parameters() if parameter.requires_grad]
    ['bias']
    """

    declares: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def prepare(self, trunk: Backbone) -> None:
        """Say which parameters are trained (requires_grad), and add or replace layers where that is the idea.

        Called once for every network: before it is trained, and before a saved one's state is loaded into it, so that
        the layers are there. New layers draw from PyTorch's random stream, which follows from the run's seed.
        """

    @abstractmethod
    def set_mode(self, trunk: Backbone, training: bool) -> None:
        """Put the trunk into the mode that it has while the head is trained, or (False) validated and used."""


def build(section: Mapping[str, Any]) -> Adaptation:
    """The adaptation of a section of the config.

    >>> build({"type": "all", "batch_norm": "train"}).batch_norm
    'train'

    Raises InputError for an unknown type.
    """
    return registry.build("adaptations", section)
