"""The linear probe: one ordinary linear regression a tissue, on the means over the bins at the TSS.

Minimises |y - b - X w|^2 over the training genes with an observed value; of several such w it is the shortest, as
scikit-learn's LinearRegression finds it. One decomposition of the centred features serves every tissue: X = Q R
(Householder), R = U diag(s) V'; then w = V diag(1 / s) U' Q' y, over the s above TOLERANCE times the largest. The
normal equations would be less work and lose half the digits, and many tracks are nearly the same.

A value that a tissue lacks is left out exactly: it is given the value that leaves its own residual at zero, and so has
no say. With the residual maker M = 1 - 1/n - B B', B = Q U, the values z of the missing genes m solve
M[m, m] z = -(M y)[m], where y is 0 there. M[m, m] is singular when the remaining genes do not determine what all genes
do; that tissue is then fitted from its own genes alone. What TOLERANCE cuts off is otherwise decided by all genes.

At thesis size, 21,988 training genes x 5,313 features, X and Q are 0.93 GB each as float64, R, U and V 0.23 GB; memory
peaks at 3.4 GiB (measured).
"""

from typing import Self

import numpy as np
import torch

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import linear
from chrom2expr.heads.tasks import Task, check_tissues, described
from chrom2expr.job import Progress

# scikit-learn's own (LinearRegression's tol, since 1.9).
TOLERANCE = 1e-6
# Below this eigenvalue of M[m, m], of 0 to 1, digits are lost, and a fit of the tissue's own genes is better.
SINGULAR = 1e-6


class LinearProbe(linear.LinearHead):
    """Ordinary least squares of every tissue."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "description": "Ordinary least squares of every tissue on the means over the bins at the TSS.",
            "properties": {
                "features": {"const": "central_means", "description": "Means over the bins at the TSS."},
                "settings": {"type": "object", "additionalProperties": False, "default": {}, "description": "None."},
                "grid": {"type": "object", "additionalProperties": False, "default": {}, "description": "It has none."},
            },
        },
        "run": {
            "properties": {
                "loss": {
                    "properties": {
                        "squared_error": {"const": True, "description": "A probe minimises the squared error."},
                    },
                },
            },
        },
    }

    @classmethod
    def fit(cls, task: Task) -> Self:
        """Fit every tissue. There is nothing to choose: the grid, the validation genes and the seed have no influence.

        Coefficients are float64. The table has a row for each tissue: tissue, training_genes (with a value), rank (of
        the centred features of the genes it was fitted from), validation_cross_gene (None where undefined),
        validation_genes, chosen (yes).

        Raises InputError when the features are not one mean a track, the loss is not the squared error, a feature is
        not a finite number, or a tissue has fewer than two training or validation genes.
        """
        _check(task)
        train, validation = task.data.splits["train"], task.data.splits["val"]
        rows = train.usable
        observed = train.observed[rows].astype(np.float64)
        features = linear.read_features(task, "train", rows)
        print(f"{observed.shape[1]} tissues, {len(rows):,} training genes x {features.shape[1]:,} features", flush=True)
        coefficients, intercept, rank = _solve(features, observed, task.device)
        held_out = linear.read_features(task, "val", np.arange(len(validation.observed)))
        scores = metrics.cross_gene(held_out @ coefficients + intercept, validation.observed)
        table = [
            {
                "tissue": str(tissue),
                "training_genes": int((~np.isnan(observed[:, column])).sum()),
                "rank": int(rank[column]),
                "validation_cross_gene": None if np.isnan(scores[column]) else float(scores[column]),
                "validation_genes": int((~np.isnan(validation.observed[:, column])).sum()),
                "chosen": "yes",
            }
            for column, tissue in enumerate(task.data.tissue)
        ]
        fitted = cls(table, described(task), coefficients=coefficients, intercept=intercept)
        fitted.batch_size = task.batch_size
        return fitted


class _Factors:
    """The decomposition of some genes' centred features. Tensors are float64 on `device`.

    mean: (feature,); basis: B, (gene, rank), orthonormal; solution: (feature, rank), from B'y to the coefficients.
    """

    def __init__(self, features: np.ndarray, device: torch.device) -> None:
        # Sums of one float32 value are exact in float64: a constant feature becomes 0.
        self.mean = features.mean(axis=0, dtype=np.float64)
        q, r = torch.linalg.qr(torch.from_numpy(features - self.mean).to(device))
        # By LAPACK, whatever the device: R is small.
        left, values, right = torch.linalg.svd(r.cpu(), full_matrices=False)
        self.rank = int((values > TOLERANCE * values[0]).sum())
        self.basis = q @ left[:, : self.rank].to(device)
        self.solution = (right[: self.rank].T / values[: self.rank]).to(device)

    def fit(self, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (feature, tissue) and intercepts (tissue,) for targets (gene, tissue)."""
        mean = targets.mean(dim=0)
        coefficients = (self.solution @ (self.basis.T @ (targets - mean))).cpu().numpy()
        return coefficients, mean.cpu().numpy() - self.mean @ coefficients

    def fill(self, targets: torch.Tensor, missing: np.ndarray) -> torch.Tensor | None:
        """Targets (gene, tissue), 0 in the rows `missing`, with the values there that leave no residual.

        None where no such values are determined, or where a fit of the other genes alone is the smaller work.
        """
        if not len(missing):
            return targets
        if len(missing) > self.rank:
            return None
        basis = self.basis[missing]
        maker = torch.eye(len(missing), dtype=basis.dtype, device=basis.device) - 1 / len(targets) - basis @ basis.T
        values, vectors = torch.linalg.eigh(maker)
        if values[0] < SINGULAR:
            return None
        mean = targets.mean(dim=0)
        residuals = -mean - basis @ (self.basis.T @ (targets - mean))
        filled = targets.clone()
        filled[missing] = -vectors @ ((vectors.T @ residuals) / values[:, None])
        return filled


def _solve(
    features: np.ndarray, observed: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients (feature, tissue), intercepts and ranks (tissue,) from features (gene, feature) float32."""
    tissues = observed.shape[1]
    coefficients = np.empty((features.shape[1], tissues))
    intercept, rank = np.empty(tissues), np.empty(tissues, dtype=np.intp)
    # From each tissue's first value on, a constant target is 0, and stays it through all that follows.
    first = observed[(~np.isnan(observed)).argmax(axis=0), np.arange(tissues)]
    targets = torch.from_numpy(np.nan_to_num(observed - first)).to(device)
    print(f"decomposing {len(features):,} genes x {features.shape[1]:,} features", flush=True)
    factors, alone, progress = _Factors(features, device), 0, Progress(tissues, "tissues")
    for missing, columns in linear.by_missing(np.isnan(observed)):
        used, filled = factors, factors.fill(targets[:, columns], missing)
        if filled is None:
            present = np.setdiff1d(np.arange(len(features)), missing)
            used, filled = _Factors(features[present], device), targets[present][:, columns]
            alone += len(columns)
        coefficients[:, columns], offsets = used.fit(filled)
        intercept[columns], rank[columns] = offsets + first[columns], used.rank
        progress.advance(len(columns))
    print(f"{factors.rank:,} independent features; {alone} of {tissues} tissues fitted from their own genes alone")
    return coefficients, intercept, rank


def _check(task: Task) -> None:
    """Raise InputError before anything is read."""
    if not task.loss.has("squared_error"):
        raise InputError("a probe minimises the squared error: fit it with a loss that is one (config: losses)")
    if task.data.splits["train"].features.shape[1:] != (len(task.data.track_id),):
        raise InputError(
            "a probe takes one mean a track, (gene, track), and was given something else: set heads: NAME: features to "
            "central_means"
        )
    check_tissues(task.data)
