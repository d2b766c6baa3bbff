"""A loss: squared errors, but large ones count in proportion, so that single genes decide less."""

import torch
from torch.nn import functional

from chrom2expr.losses.loss import Loss


class Huber(Loss):
    """Huber's loss over the observed tissues of a gene, then the mean over genes."""

    declares = {
        "api": 1,
        "schema": {
            "properties": {
                "delta": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "default": 1.0,
                    "description": "Errors above this count in proportion.",
                },
            },
        },
        "labels": [[{}, "Huber, δ = {delta:g}"]],
        "traits": {"one_tissue": [{}]},
    }

    def __call__(self, predicted, observed):
        present = ~observed.isnan()
        observed = torch.where(present, observed, predicted.detach())
        errors = functional.huber_loss(predicted, observed, reduction="none", delta=self.settings["delta"])
        count = present.sum(dim=1)
        of_genes = torch.where(present, errors, 0).sum(dim=1) / count.clamp(min=1)
        return of_genes.sum() / (count > 0).sum().clamp(min=1)
