"""The ridge head: one linear model a tissue, on reduced features, its penalty chosen by the validation genes.

Minimises |y - b - X w|^2 + penalty |w|^2 over the training genes with an observed value (Hoerl and Kennard 1970), as
scikit-learn's Ridge does. One eigendecomposition, of X'X or of XX', whichever is smaller, serves every tissue and every
penalty: in its basis a fit is a division. The genes that a tissue lacks enter as columns G without penalty, a one in
each such row, which take up those genes' residuals completely and so leave them out exactly; their coefficients solve a
system as large as their number, shared by the tissues that lack the same.

Features whose scales differ by orders of magnitude make a matrix whose small eigenvalues drown in the rounding of the
large ones. Rows and columns in ascending order of their norm keep them: a graded matrix is decomposed with an error
relative to each row's own size, if LAPACK starts at its large end (Barlow and Demmel 1990). CUDA's solver does not.

At thesis size, 21,988 training genes x 53,130 features, memory peaks in the decomposition: features, 4.7 GB as float32;
XX' and its eigenvectors, 3.9 GB each as float64. Measured: 12.5 GiB, in 30 minutes on two cores.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import scipy.linalg
import torch

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import linear
from chrom2expr.heads.tasks import Task, check_tissues, described
from chrom2expr.job import Progress

# Rows or columns that are float64 at one time; 2,048 columns of 22,828 genes are 370 MB.
BLOCK = 2048
# A fit moves by about the rounding of the largest eigenvalue over the penalty: warn where that is above a thousandth.
UNCERTAIN = 1000


class Ridge(linear.LinearHead):
    """Ridge regression of every tissue, and the penalties that were chosen, (tissue,) float64."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "description": "Ridge regression of every tissue, as ExPecto has it.",
            "advice": "At the thesis's size, 21,988 genes x 53,130 features, it takes 12.5 GiB of memory at most "
            "(measured).",
            "properties": {
                "select_by": {
                    "const": "validation_cross_gene",
                    "description": "Ridge chooses its penalties by the validation genes' Spearman.",
                },
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "standardise": {
                            "type": "boolean",
                            "default": False,
                            "description": "Bring every feature to mean 0 and variance 1 before the fit.",
                            "origin": "our choice",
                            "advice": "With true every feature has the same say, whatever its scale.",
                        },
                    },
                },
                "grid": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["penalty"],
                    "properties": {
                        "penalty": {
                            "description": "Weight of the squared coefficients beside the squared errors of all genes.",
                            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e300},
                            "origin": "our choice",
                            "advice": "The best is kept for every tissue. All come from one factorisation, so more "
                            "values cost little.",
                        },
                    },
                },
            },
        },
        "run": {
            "properties": {
                "loss": {
                    "properties": {
                        "squared_error": {"const": True, "description": "Ridge minimises the squared error."},
                    },
                },
            },
        },
    }
    saved = (*linear.LinearHead.saved, "penalties")

    @property
    def penalties(self) -> np.ndarray:
        return self.arrays["penalties"]

    @classmethod
    def fit(cls, task: Task) -> Self:
        """Fit every tissue with every penalty of `task.grid["penalty"]`; keep each tissue's best.

        The best has the highest cross-gene Spearman over the tissue's validation genes, the first of equals. A tissue
        where that is undefined for every penalty (a constant target) takes the penalty that is best on average for the
        others, and is named. `task.settings["standardise"]` (False if absent, as in ExPecto): bring every feature to
        mean 0 and variance 1 over the training genes first, those that a tissue lacks included. Constant features have
        no influence either way.

        The table has a row for each tissue and penalty: tissue, penalty, validation_cross_gene (None where undefined),
        validation_genes (over how many), chosen (yes or no).

        Raises InputError when the features are not reduced, the loss is not the squared error, a penalty is not above
        0, a feature is not a finite number, or a tissue has fewer than two training or validation genes.
        """
        penalties = _checked(task)
        train, validation = task.data.splits["train"], task.data.splits["val"]
        standardise = bool(task.settings.get("standardise", False))
        rows = train.usable
        observed = train.observed[rows].astype(np.float64)
        print(f"{len(task.data.tissue)} tissues x {len(penalties)} penalties, {len(rows):,} training genes")
        features = linear.read_features(task, "train", rows)
        design = _Design.of(features, standardise, task.device)
        held_out = linear.read_features(task, "val", np.arange(len(validation.observed)))
        factors = (_Primal if features.shape[1] <= len(rows) else _Dual)(design, held_out)
        factors.warn_of_rounding(penalties, int((~np.isnan(observed)).sum(axis=0).min()))
        solutions, offsets = _solve(factors, observed, penalties)
        scores = np.stack(
            [
                metrics.cross_gene(factors.predict(solution) + offset, validation.observed)
                for solution, offset in zip(solutions, offsets, strict=True)
            ]
        )
        chosen = _choose(scores, penalties, task.data.tissue)
        tissues = np.arange(len(chosen))
        coefficients, intercept = design.unscaled(
            factors.coefficients(solutions[chosen, :, tissues].T), offsets[chosen, tissues]
        )
        fitted = cls(
            _table(scores, chosen, penalties, task),
            {**described(task), "standardise": standardise},
            coefficients=coefficients,
            intercept=intercept,
            penalties=penalties[chosen],
        )
        fitted.batch_size = task.batch_size
        return fitted


class _Design:
    """The training features, centred and perhaps standardised: X, (gene, feature), float64 block by block."""

    def __init__(self, features: np.ndarray, mean: np.ndarray, scale: np.ndarray, device: torch.device) -> None:
        self.features, self.mean, self.scale, self.device = features, mean, scale, device

    @classmethod
    def of(cls, features: np.ndarray, standardise: bool, device: torch.device) -> "_Design":
        mean, scale = np.empty(features.shape[1]), np.ones(features.shape[1])
        for part in _blocks(features.shape[1]):
            block = features[:, part].astype(np.float64)
            varies = (block != block[0]).any(axis=0)
            # A constant feature is then exactly 0.
            mean[part] = np.where(varies, block.mean(axis=0), block[0])
            if standardise:
                scale[part] = np.where(varies, block.std(axis=0), 1)
        return cls(features, mean, scale, device)

    def block(self, features: np.ndarray, rows: slice | np.ndarray, columns: slice) -> torch.Tensor:
        """Some of `features`, on the scale of the training features, float64 on the device."""
        block = (features[rows, columns] - self.mean[columns]) / self.scale[columns]
        return torch.from_numpy(block).to(self.device)

    def columns(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """X, some features at a time."""
        for part in _blocks(self.features.shape[1]):
            yield part, self.block(self.features, slice(None), part)

    def rows(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """X, some genes at a time."""
        for part in _blocks(self.features.shape[0]):
            yield part, self.block(self.features, part, slice(None))

    def unscaled(self, coefficients: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (feature, tissue) and intercept, float64, for features as they are in the file."""
        coefficients = coefficients / self.scale[:, None]
        return coefficients, offset - self.mean @ coefficients


class _Factors:
    """An eigendecomposition of the training features: in its basis, a solution u is one division away from the targets.

    values: (u,) float64, the squared singular values of X; vectors: the eigenvectors, in columns; held_out: (validation
    gene, u), which takes a solution to predictions without the intercept. Tensors are float64 on the design's device.
    """

    design: _Design
    values: torch.Tensor
    vectors: torch.Tensor
    held_out: torch.Tensor

    def warn_of_rounding(self, penalties: np.ndarray, fewest: int) -> None:
        """Print the penalties that, with the smallest eigenvalue, hardly rise above the rounding of the largest.

        `fewest` is how many genes have a value in the tissue that has the fewest.
        """
        genes, features = self.design.features.shape
        # The smallest of all may be a centring's or a constant feature's 0, which does not matter.
        small, large = (float(self.values.sort().values[index]) for index in (1, -1))
        # Its own genes leave that tissue eigenvalues of 0.
        small = 0.0 if fewest < features <= genes else small
        lost = penalties[small + penalties < UNCERTAIN * np.finfo(np.float64).eps * large]
        if len(lost):
            print(
                f"Warning: at penalties {', '.join(f'{penalty:g}' for penalty in lost)} rounding may move a fit by "
                "more than 0.1 %, since the features' scales differ so much: take larger ones (heads: NAME: grid: "
                "penalty), or set settings: standardise: true"
            )

    def project(self, columns: torch.Tensor) -> torch.Tensor:
        """From (gene, column) to the basis, (u, column)."""
        raise NotImplementedError

    def project_genes(self, rows: np.ndarray) -> torch.Tensor:
        """What `project` makes of columns that are 1 in one of these rows each and 0 elsewhere, (u, row)."""
        raise NotImplementedError

    def border(self, product: torch.Tensor, left: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
        """a' (XX' + penalty)^-1 b, up to a factor that depends on the penalty alone; of `product` a'b, (a, b).

        `left` and `right` are `project` of a and b.
        """
        raise NotImplementedError

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        """Coefficients w (feature, tissue) of a solution (u, tissue)."""
        raise NotImplementedError

    def predict(self, solution: np.ndarray) -> np.ndarray:
        """Predictions (validation gene, tissue) of a solution (u, tissue), without the intercept."""
        return (self.held_out @ self._tensor(solution)).cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.design.device)


class _Dual(_Factors):
    """XX' = Q diag(values) Q', (gene, gene); w = X'Q u."""

    def __init__(self, design: _Design, held_out: np.ndarray) -> None:
        self.design = design
        genes, features = design.features.shape
        squares = sum(block.square().sum(dim=1) for _, block in design.columns())
        order = squares.argsort()
        gram = torch.zeros((genes, genes), dtype=torch.float64, device=design.device)
        cross = torch.zeros((len(held_out), genes), dtype=torch.float64, device=design.device)
        progress = Progress(features, "features")
        for part, block in design.columns():
            _add_lower(gram, block[order])
            cross.addmm_(design.block(held_out, slice(None), part), block.T)
            progress.advance(part.stop - part.start)
        self.values, self.vectors = _decompose(gram, order)
        self.held_out = cross @ self.vectors

    def project(self, columns: torch.Tensor) -> torch.Tensor:
        return self.vectors.T @ columns

    def project_genes(self, rows: np.ndarray) -> torch.Tensor:
        return self.vectors[rows].T

    def border(self, product: torch.Tensor, left: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
        return left.T @ (right / (self.values[:, None] + penalty))

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        weights = self.vectors @ self._tensor(solution)
        return np.concatenate([(block.T @ weights).cpu().numpy() for _, block in self.design.columns()])


class _Primal(_Factors):
    """X'X = V diag(values) V', (feature, feature); w = V u."""

    def __init__(self, design: _Design, held_out: np.ndarray) -> None:
        self.design = design
        genes, features = design.features.shape
        squares = sum(block.square().sum(dim=0) for _, block in design.rows())
        order = squares.argsort()
        gram = torch.zeros((features, features), dtype=torch.float64, device=design.device)
        progress = Progress(genes, "genes")
        for part, block in design.rows():
            _add_lower(gram, block[:, order].T)
            progress.advance(part.stop - part.start)
        self.values, self.vectors = _decompose(gram, order)
        self.held_out = design.block(held_out, slice(None), slice(None)) @ self.vectors

    def project(self, columns: torch.Tensor) -> torch.Tensor:
        return self.vectors.T @ sum(block.T @ columns[part] for part, block in self.design.rows())

    def project_genes(self, rows: np.ndarray) -> torch.Tensor:
        return self.vectors.T @ self.design.block(self.design.features, rows, slice(None)).T

    def border(self, product: torch.Tensor, left: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
        # (XX' + penalty)^-1 = (1 - X (X'X + penalty)^-1 X') / penalty
        return product - left.T @ (right / (self.values[:, None] + penalty))

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        return (self.vectors @ self._tensor(solution)).cpu().numpy()


def _solve(factors: _Factors, observed: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every tissue's fit with every penalty: solutions (penalty, u, tissue) and intercepts (penalty, tissue), float64.

    Features are centred, so that the intercept is the mean of y less that of the columns G of missing genes, and both
    are centred too; kept among G, the dual's eigenvalue of 0 would drown all others. The coefficients c of G solve
    G'A^-1 G c = G'A^-1 y, where A is XX' + penalty; u follows from y - G c. What y holds for a missing value has no
    influence.
    """
    solutions = np.empty((len(penalties), len(factors.values), observed.shape[1]))
    offsets = np.empty((len(penalties), observed.shape[1]))
    # From each tissue's first value on, a constant target is 0, and stays it through all that follows.
    first = observed[(~np.isnan(observed)).argmax(axis=0), np.arange(observed.shape[1])]
    targets = torch.from_numpy(np.nan_to_num(observed - first)).to(factors.design.device)
    genes, level = len(targets), targets.mean(dim=0)
    targets -= level
    ones = torch.full_like(targets[:, :1], 1 / genes)
    one, projected = factors.project(torch.hstack([ones, targets])).tensor_split([1], dim=1)
    progress = Progress(observed.shape[1], "tissues")
    for missing, tissues in linear.by_missing(np.isnan(observed)):
        y, z = targets[:, tissues], projected[:, tissues]
        free = torch.full((genes, len(missing)), -1 / genes, dtype=targets.dtype, device=targets.device)
        free[missing, np.arange(len(missing))] += 1
        g = factors.project_genes(missing) - one
        for index, penalty in enumerate(penalties.tolist()):
            c = torch.linalg.solve(
                factors.border(free.T @ free, g, g, penalty), factors.border(free.T @ y, g, z, penalty)
            )
            u = (z - g @ c) / (factors.values[:, None] + penalty)
            solutions[index][:, tissues] = u.cpu().numpy()
            offsets[index, tissues] = (level[tissues] - c.sum(dim=0) / genes).cpu().numpy() + first[tissues]
        progress.advance(len(tissues))
    return solutions, offsets


def _add_lower(gram: torch.Tensor, block: torch.Tensor) -> None:
    """Add block @ block.T to the lower triangle of `gram`, in place; what is above the diagonal stays undefined."""
    for part in _blocks(len(gram)):
        gram[part, : part.stop].addmm_(block[part], block[: part.stop].T)


def _decompose(gram: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues, not below 0, and eigenvectors in columns of a symmetric matrix given by its lower triangle.

    `order` says which row of the caller's each row of the matrix is, ascending by norm; vectors have the caller's rows.
    """
    print(f"decomposing a matrix of {len(gram):,} x {len(gram):,}", flush=True)
    if gram.is_cuda:
        values, vectors = torch.linalg.eigh(gram, UPLO="L")
    else:
        # The transpose is in LAPACK's order, and its triangle the upper one, which syevr takes up at the large end;
        # syevd, torch's own, loses the small one.
        found = scipy.linalg.eigh(gram.numpy().T, lower=False, overwrite_a=True, check_finite=False, driver="evr")
        values, vectors = map(torch.from_numpy, found)
    # The matrix is used up: its memory takes the vectors.
    return values.clamp_min(0), torch.index_select(vectors, 0, order.argsort(), out=gram)


def _choose(scores: np.ndarray, penalties: np.ndarray, tissues: np.ndarray) -> np.ndarray:
    """Index of each tissue's best penalty, (tissue,), from scores (penalty, tissue); prints what to be wary of."""
    undefined = np.isnan(scores).all(axis=0)
    if undefined.all():
        raise InputError(
            "the validation correlation is undefined for every tissue and penalty: either the targets or the features "
            "are constant, check expression.h5 and the feature file"
        )
    filled = np.where(np.isnan(scores), -np.inf, scores)
    chosen = filled.argmax(axis=0)
    if undefined.any():
        chosen[undefined] = np.where(np.isnan(scores), 0, scores)[:, ~undefined].mean(axis=1).argmax()
        print(
            f"Warning: in {undefined.sum()} of {len(tissues)} tissues the validation correlation is undefined, since "
            f"the training or the validation genes all have one value: {', '.join(tissues[undefined][:5])}"
            f"{', ...' if undefined.sum() > 5 else ''}; they take the penalty that is best on average for the others"
        )
    for index, side in ((penalties.argmin(), "smallest"), (penalties.argmax(), "largest")):
        at_end = np.count_nonzero(chosen[~undefined] == index)
        if at_end and len(penalties) > 1:
            print(
                f"Warning: for {at_end} of {len(tissues)} tissues the best penalty, {penalties[index]:g}, is the "
                f"{side} one tried: widen heads: NAME: grid: penalty beyond it"
            )
    return chosen


def _table(scores: np.ndarray, chosen: np.ndarray, penalties: np.ndarray, task: Task) -> list[dict[str, Any]]:
    """The rows of grid.tsv: tissue by tissue, penalty by penalty."""
    genes = (~np.isnan(task.data.splits["val"].observed)).sum(axis=0)
    return [
        {
            "tissue": str(tissue),
            "penalty": float(penalty),
            "validation_cross_gene": None if np.isnan(scores[index, column]) else float(scores[index, column]),
            "validation_genes": int(genes[column]),
            "chosen": "yes" if index == chosen[column] else "no",
        }
        for column, tissue in enumerate(task.data.tissue)
        for index, penalty in enumerate(penalties)
    ]


def _checked(task: Task) -> np.ndarray:
    """The penalties, (penalty,) float64. Raises InputError before anything is read."""
    if not task.loss.has("squared_error"):
        raise InputError("ridge minimises the squared error: fit it with a loss that is one (config: losses)")
    if task.select_by != "validation_cross_gene":
        raise InputError("ridge chooses its penalties by the validation genes: select_by must be validation_cross_gene")
    if len(task.data.splits["train"].features.shape) != 2:
        raise InputError("ridge takes reduced features, (gene, feature), and was given bins: set heads: NAME: features")
    penalties = np.array(task.grid["penalty"], dtype=np.float64)
    if not (np.isfinite(penalties) & (penalties > 0)).all():
        raise InputError(f"heads: NAME: grid: penalty is {task.grid['penalty']}: every penalty must be above 0")
    check_tissues(task.data)
    return penalties


def _blocks(length: int) -> Iterator[slice]:
    """0 to `length`, BLOCK at a time."""
    for start in range(0, length, BLOCK):
        yield slice(start, min(start + BLOCK, length))
