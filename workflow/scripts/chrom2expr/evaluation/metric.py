"""What every metric of a run gives: a score for each tissue or each test gene, and its scores in resamples."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chrom2expr import registry


class Metric(ABC):
    """How good predictions are; a subclass defines `score`.

    `declares`, beside what all classes declare (see registry), holds `label`, its name in figures (cross-gene);
    `quantity`, what their axis shows (Spearman correlation); `unit`, what has a score each, "tissue" or "gene". It may
    hold `limits`, the least and the greatest score there can be.

    >>> class MeanError(Metric):
    ...     declares = {"api": 1, "label": "Error", "quantity": "Mean absolute error", "unit": "gene"}
    ...     def score(self, predicted, observed):
    ...         return np.nanmean(np.abs(predicted - observed), axis=1)
    >>> MeanError().score(np.zeros((1, 2)), np.array([[3.0, np.nan]])).tolist()
    [3.0]
    """

    declares: ClassVar[Mapping[str, Any]]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def score(self, predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """(gene, tissue) twice -> (unit,) float64, NaN where it is undefined. NaN in `observed` is a missing value."""

    def resampled(self, predicted: np.ndarray, observed: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """The tissues' scores in every resample of the genes: (resample, tissue); `drawn` as in statistics.draw_genes.

        Asked of metrics by tissue only: a gene's own score is the same in every resample that holds it. This writes
        every resample out, which any metric allows; define it where there is a faster way.
        """
        resamples = (np.repeat(np.arange(len(times)), times) for times in drawn)
        return np.stack([self.score(predicted[genes], observed[genes]) for genes in resamples])


def build(sections: Sequence[Mapping[str, Any]]) -> dict[str, Metric]:
    """The metrics of sections of the config, each with its `name`, by name and in their order.

    >>> list(build([{"name": "mine", "type": "cross_gene"}]))
    ['mine']

    Raises InputError for an unknown type.
    """
    own = ({key: value for key, value in section.items() if key != "name"} for section in sections)
    return {section["name"]: registry.build("metrics", rest) for section, rest in zip(sections, own, strict=True)}
