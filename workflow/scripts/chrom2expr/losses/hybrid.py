"""The hybrid loss of the thesis: Pearson across the tissues of a gene, and mean squared error."""

import math

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

from chrom2expr.losses.loss import Loss


class Hybrid(Loss):
    """L = alpha * (1 - Pearson over the tissues of a gene) + beta * MSE (thesis, section 3.3; see hybrid_loss)."""

    declares = {
        "api": 1,
        "schema": {
            "description": "alpha x (1 - Pearson over the tissues of a gene) + beta x mean squared error, averaged "
            "over genes.",
            "advice": "The thesis has six weightings for the CNN and four for fine-tuning. It states the weights 0, "
            "10 and 100; 0.1 and 1 are our choice.",
            "properties": {
                "alpha": {
                    "type": "number",
                    "minimum": 0,
                    "description": "Weight of 1 - Pearson over the tissues.",
                    "origin": "thesis",
                    "advice": "Ridge and linear probes minimise the squared error, so it is 0 for them; so it is for "
                    "networks of one tissue.",
                },
                "beta": {
                    "type": "number",
                    "minimum": 0,
                    "description": "Weight of the mean squared error.",
                    "origin": "thesis",
                },
            },
            "required": ["alpha", "beta"],
            "not": {
                "properties": {"alpha": {"const": 0}, "beta": {"const": 0}},
                "description": "alpha and beta are both 0, so nothing would be learned",
            },
        },
        "labels": [
            [{"alpha": 0}, "MSE"],
            [{"beta": 0}, "Pearson only"],
            [{"beta": 1}, "α = {alpha:g}"],
            [{}, "α = {alpha:g}, β = {beta:g}"],
        ],
        "traits": {"squared_error": [{"alpha": 0}], "one_tissue": [{"alpha": 0}]},
    }

    def __init__(self, alpha: float, beta: float) -> None:
        super().__init__(alpha=alpha, beta=beta)
        self.alpha, self.beta = alpha, beta

    def __call__(self, predicted: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        return hybrid_loss(predicted, observed, self.alpha, self.beta)

    def of_each_tissue(self, predicted: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """beta * MSE of each column, (tissue,); 0 where all are missing. A single tissue has no Pearson term."""
        present = ~observed.isnan()
        squares = torch.where(present, predicted - observed, 0).square()
        return self.beta * (squares.sum(dim=0) / present.sum(dim=0).clamp(min=1))


def hybrid_loss(predicted: torch.Tensor, observed: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    """L = alpha * (1 - Pearson over the tissues of a gene) + beta * MSE, averaged over genes (thesis, section 3.3).

    `predicted` and `observed` are (gene, tissue); NaN in `observed` is a missing value and takes no part. The MSE of a
    gene is the mean over its observed tissues. A gene that has no Pearson correlation (fewer than two observed tissues,
    or no variance in either argument) is left out of the Pearson term, and a gene without observed values out of both;
    a term that no gene is left for is 0. A term of weight 0 is not computed. NaN in `predicted` gives NaN. Every gene
    weighs the same, so over a whole split the value does not depend on how its predictions were batched.

    >>> observed = torch.tensor([[0.0, 1.0, 2.0]])
    >>> round(hybrid_loss(observed + 1, observed, alpha=10, beta=1).item(), 4)
    1.0
    """
    return _HybridLoss.apply(predicted, observed, alpha, beta)


class _HybridLoss(torch.autograd.Function):
    """The loss with its gradient by hand: a step of a small network is mostly the small operations of its loss."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, predicted: torch.Tensor, observed: torch.Tensor, alpha: float, beta: float
    ) -> torch.Tensor:
        missing = observed.isnan()
        both = torch.stack((predicted, observed)).masked_fill_(missing, 0)
        count = (~missing).sum(dim=1, keepdim=True, dtype=both.dtype)
        tissues = count.clamp(min=1)
        loss, gradient = both.new_zeros(()), torch.zeros_like(predicted)
        if alpha:
            centred = (both - both.sum(dim=2, keepdim=True) / tissues).masked_fill_(missing, 0)
            norm, largest = (
                torch.linalg.vector_norm(values, order, dim=2, keepdim=True)
                for values, order in ((centred, 2), (both, math.inf))
            )
            for values, given in zip(largest, (predicted, observed), strict=True):
                values *= 4 * torch.finfo(given.dtype).eps
            # Up to rounding. Written so that NaN varies: a diverged model must give NaN, not a loss without its genes.
            constant = norm <= tissues.sqrt() * largest
            norm.masked_fill_(constant, 1)
            norm.masked_fill_(norm.isinf(), math.nan)  # whose squares are too large for their type
            of_predicted, of_observed = centred.div_(norm)
            correlation = (of_predicted * of_observed).sum(dim=1, keepdim=True)
            defined = (~constant.any(dim=0)).to(both.dtype)
            weight = alpha * defined / defined.sum().clamp(min=1)
            loss = loss + ((1 - correlation) * weight).sum()
            # d r / d p, of which the mean over the tissues is 0 as it stands.
            gradient = (correlation * of_predicted - of_observed) * (weight / norm[0])
        if beta:
            residual = both[0] - both[1]
            weight = beta / (tissues * (count > 0).sum().clamp(min=1))  # 0 is what is left of a gene without values
            weighted = weight * residual
            loss = loss + (weighted * residual).sum()
            gradient = gradient + 2 * weighted
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, outer: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer * gradient, None, None, None
