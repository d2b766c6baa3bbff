"""What every loss gives: the value that heads which are trained step by step minimise."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from chrom2expr import registry


class Loss:
    """A loss over the tissues of genes; a subclass defines `__call__`.

    `declares`, beside what all classes declare (see registry), may hold: `labels`, a list of [when, text]: how figures
    call it, the first text whose `when`, settings with these values, holds; the text may name settings, {alpha:g}.
    `traits`, {trait: [when, ...]}, what heads demand of a loss: `squared_error` (its minimum is that of the mean
    squared error) and `one_tissue` (it is defined over a single tissue; others run over several).

    >>> class Absolute(Loss):
    ...     declares = {"api": 1, "schema": {}, "traits": {"one_tissue": [{}]}}
    ...     def __call__(self, predicted, observed):
    ...         return (predicted - observed).abs().nanmean()
    >>> Absolute()(torch.zeros(1, 3), torch.tensor([[1.0, 3.0, torch.nan]]))
    tensor(2.)
    """

    declares: ClassVar[Mapping[str, Any]]
    section: Mapping[str, Any] = {}  # of the config, which it was built from (see build)

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def prepare(self, observed: np.ndarray, pseudocount: float | np.ndarray, tissues: Sequence[str]) -> None:
        """Look at the training targets once, before anything is trained; by default there is nothing to see.

        observed: (gene, tissue) float32, ln(RPKM + pseudocount), NaN = missing; pseudocount: one, or one a tissue.
        """

    def state(self) -> dict[str, Any]:
        """What `prepare` found: tensors and plain values by name, which are saved with the model."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave, instead of `prepare`."""

    def __call__(self, predicted: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, a scalar; (gene, tissue) both, NaN in `observed` is a missing value and takes no part.

        Every gene should weigh the same, so that over a split the value does not depend on its batches.
        """
        raise NotImplementedError

    def of_each_tissue(self, predicted: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """The loss of each column by itself, (gene, tissue) twice -> (tissue,), where the loss has one_tissue."""
        columns = zip(predicted.T, observed.T, strict=True)
        return torch.stack([self(one[:, None], other[:, None]) for one, other in columns])

    def has(self, trait: str) -> bool:
        """Whether the loss, with its settings, has a trait that heads may demand."""
        return registry.has_trait(self.declares, trait, self.settings)


def build(section: Mapping[str, Any]) -> Loss:
    """The loss of a section of the config.

    >>> build({"type": "hybrid", "alpha": 10, "beta": 1}).has("squared_error")
    False

    Raises InputError for an unknown type.
    """
    loss = registry.build("losses", section)
    loss.section = dict(section)
    return loss
