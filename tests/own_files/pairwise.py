"""A loss of one's own: squared errors of the differences between tissues, which a gene's level does not matter to."""

import torch

from chrom2expr.losses.loss import Loss


class Pairwise(Loss):
    """Mean over a gene's pairs of tissues of the squared error of their difference, plus `level` times the MSE.

    Pairs of tissues that differed much in the training genes weigh more: the weights are prepared once.
    """

    declares = {
        "api": 1,
        "schema": {
            "properties": {
                "level": {"type": "number", "minimum": 0, "default": 0.1, "description": "Weight of the MSE."},
            },
        },
        "labels": [[{"level": 0}, "Pairs only"], [{}, "Pairs, level {level:g}"]],
    }

    def prepare(self, observed, pseudocount, tissues):
        values = torch.from_numpy(observed)
        differences = (values[:, :, None] - values[:, None, :]).square().nanmean(dim=0).nan_to_num()
        self.weights = differences / differences.mean()

    def state(self):
        return {"weights": self.weights}

    def restore(self, state):
        self.weights = state["weights"]

    def __call__(self, predicted, observed):
        present = ~observed.isnan()
        errors = torch.where(present, predicted - observed, 0)
        pairs = (present[:, :, None] & present[:, None, :]) * self.weights.to(predicted)
        squares = (errors[:, :, None] - errors[:, None, :]).square()
        of_pairs = (squares * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1e-6)
        of_level = errors.square().sum(dim=1) / present.sum(dim=1).clamp(min=1)
        return (of_pairs + self.settings["level"] * of_level).mean()
