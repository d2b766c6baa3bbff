"""What fine-tuning puts on an embedding: attention over the bins, then one linear layer to the tissues."""

import numpy as np
import torch
from torch import nn

from chrom2expr.errors import InputError
from chrom2expr.heads import training


class AttentionPool(training.Model):
    """Softmax over the bins of a learned linear score, the embedding's mean with these weights, Linear to tissues.

    (Thesis, section 3.3.) `forward` takes the embedding (gene, bin, width) and returns (gene, tissue), in the units of
    the targets; the order of the bins does not matter. We chose: the output's bias starts at `start`, the mean of each
    tissue's training targets, and the score at zero, so that training starts from the plain mean over the bins. The
    initial weights follow from `seed` alone.
    """

    def __init__(self, width: int, tissues: int, seed: int = 0, start: np.ndarray | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.output = nn.Linear(width, tissues)
        # No bias: the softmax would not see it.
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)
        if start is not None:
            with torch.no_grad():
                self.output.bias.copy_(torch.as_tensor(start))

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        return features.float()

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        if prepared.shape[2] != self.output.in_features:
            raise InputError(
                f"the embedding is {prepared.shape[2]:,} wide, but the head was made for {self.output.in_features:,}: "
                "give it the embedding of the backbone that it was trained on"
            )
        weights = self.score(prepared).softmax(dim=1)  # (gene, bin, 1)
        return self.output((weights * prepared).sum(dim=1))
