"""The hybrid loss of the thesis: Pearson across the tissues of a gene, and mean squared error."""

import torch

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
    present = ~observed.isnan()
    predicted = torch.where(present, predicted, 0)
    observed = torch.where(present, observed, 0)
    loss = predicted.new_zeros(())
    if alpha:
        loss = loss + alpha * _one_minus_pearson(predicted, observed, present)
    if beta:
        count = present.sum(dim=1)
        squares = (predicted - observed).square().sum(dim=1) / count.clamp(min=1)
        loss = loss + beta * squares.sum() / (count > 0).sum().clamp(min=1)
    return loss


def _one_minus_pearson(predicted: torch.Tensor, observed: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Mean of 1 - Pearson over the genes that have one; both arguments hold 0 where a value is missing."""
    predicted, predicted_norm, predicted_constant = _centre(predicted, present)
    observed, observed_norm, observed_constant = _centre(observed, present)
    defined = ~(predicted_constant | observed_constant)
    correlation = (predicted * observed).sum(dim=1) / (predicted_norm * observed_norm)
    return torch.where(defined, 1 - correlation, 0).sum() / defined.sum().clamp(min=1)


def _centre(values: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each row minus its mean over the present values, its norm, and whether it is constant up to rounding."""
    mean = values.sum(dim=1, keepdim=True) / present.sum(dim=1, keepdim=True).clamp(min=1)
    centred = torch.where(present, values - mean, 0)
    squares = centred.square().sum(dim=1)
    largest = values.detach().abs().amax(dim=1)
    # Written so that NaN counts as varying: a diverged model must give NaN, not a loss without its genes.
    constant = squares <= present.sum(dim=1) * (4 * torch.finfo(values.dtype).eps * largest).square()
    # The 1 keeps the gradient of the square root finite where the row is left out anyway.
    return centred, torch.where(constant, 1, squares).sqrt(), constant
