"""The ridge head: one linear model a tissue, on reduced features, its penalty chosen by the validation genes.

Minimises |y - b - X w|^2 + penalty |w|^2 over the training genes with an observed value (Hoerl and Kennard 1970), as
scikit-learn's Ridge does. Of X'X and XX', whichever is smaller is made once; with a penalty on its diagonal, its
Cholesky factor serves every tissue. The genes that a tissue lacks enter as columns G without penalty, a one in each
such row, which take up those genes' residuals completely and so leave them out exactly; their coefficients solve a
system as large as their number, shared by the tissues that lack the same. Where that system is too ill-conditioned,
since the genes that are lacking decide some feature, such tissues are fitted from their own genes by themselves.

What is factorised is scaled to a diagonal of ones, and on the condition number of that alone the error of a Cholesky
factor depends (Demmel 1989): features of X'X whose scales differ by orders of magnitude cost no accuracy.

At thesis size, 21,988 training genes x 53,130 features, memory peaks in the factorisation: features, 4.7 GB as float32;
XX' and its factor, 3.9 GB each as float64.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import torch

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import linear
from chrom2expr.heads.tasks import Task, check_tissues, described
from chrom2expr.job import Progress

# Rows or columns that are float64 at one time; 2,048 columns of 22,828 genes are 370 MB.
BLOCK = 2048
# A fit moves by about the rounding times the condition number: warn where that is above a thousandth.
UNCERTAIN = 1000


class Ridge(linear.LinearHead):
    """Ridge regression of every tissue, and the penalties that were chosen, (tissue,) float64."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "description": "Ridge regression of every tissue, as ExPecto has it.",
            "advice": "At the thesis's size, 21,988 genes x 53,130 features, it takes about 12.5 GiB of memory "
            "(by count, not measured).",
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
                            "advice": "The best is kept for every tissue. A value costs one factorisation for all "
                            "tissues.",
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

        A penalty that is lost in the rounding of the features has no fit, and is named.

        The table has a row for each tissue and penalty: tissue, penalty, validation_cross_gene (None where undefined),
        validation_genes (over how many), chosen (yes or no).

        Raises InputError when the features are not reduced, the loss is not the squared error, a penalty is not above
        0, no penalty has a fit, a feature is not a finite number, or a tissue has fewer than two training or validation
        genes.
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
        system = _system(design, held_out)
        solutions, offsets, uncertain = _solve(system, observed, penalties)
        _warn_of_rounding(offsets, penalties, uncertain, task.data.tissue)
        scores = np.stack(
            [
                metrics.cross_gene(system.predict(solution) + offset, validation.observed)
                for solution, offset in zip(solutions, offsets, strict=True)
            ]
        )
        chosen = _choose(scores, ~np.isnan(offsets), penalties, task.data.tissue)
        tissues = np.arange(len(chosen))
        coefficients, intercept = design.unscaled(
            system.coefficients(solutions[chosen, :, tissues].T), offsets[chosen, tissues]
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


class _System:
    """The equations (gram + penalty) a = right, of the training features: X'X or XX', and what follows from a solution.

    gram: (a, a) float64, its lower triangle; held_out: (validation gene, a), which takes a solution to predictions
    without the intercept. Both are on the design's device.
    """

    design: _Design
    gram: torch.Tensor
    held_out: torch.Tensor

    def right(self, targets: torch.Tensor) -> torch.Tensor:
        """Right sides (a, tissue) for centred targets (gene, tissue)."""
        raise NotImplementedError

    def lacking(self, factor: "Factor", penalty: float, rows: np.ndarray) -> "_Lacking":
        """These genes as columns G. It may use the factor's memory: what needs that comes before."""
        raise NotImplementedError

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        """Coefficients w (feature, tissue) of a solution (a, tissue)."""
        raise NotImplementedError

    def predict(self, solution: np.ndarray) -> np.ndarray:
        """Predictions (validation gene, tissue) of a solution (a, tissue), without the intercept."""
        return (self.held_out @ self._tensor(solution)).cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.design.device)


class _Lacking:
    """Genes as columns G, which have a one in each gene's row, less its mean, at a penalty.

    `rows` are genes of those that it was made for; B is penalty (XX' + penalty)^-1, whose eigenvalues lie in 0 to 1.
    """

    cancels: ClassVar[bool]  # whether small eigenvalues of the border are differences of large numbers

    def border(self, rows: np.ndarray) -> torch.Tensor:
        """G'B G, (row, row)."""
        raise NotImplementedError

    def residuals(self, rows: np.ndarray, targets: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
        """G'B y, (row, tissue), of centred targets y and their solution with all genes."""
        raise NotImplementedError

    def solution(self, rows: np.ndarray, columns: torch.Tensor) -> torch.Tensor:
        """The solution (a, tissue) for targets G c, of c (row, tissue)."""
        raise NotImplementedError


class _Dual(_System):
    """gram = XX', (gene, gene); w = X'a."""

    def __init__(self, design: _Design, held_out: np.ndarray) -> None:
        self.design = design
        genes, features = design.features.shape
        self.gram = torch.zeros((genes, genes), dtype=torch.float64, device=design.device)
        self.held_out = torch.zeros((len(held_out), genes), dtype=torch.float64, device=design.device)
        progress = Progress(features, "features")
        for part, block in design.columns():
            _add_lower(self.gram, block)
            self.held_out.addmm_(design.block(held_out, slice(None), part), block.T)
            progress.advance(part.stop - part.start)
        # Centring has left an eigenvalue of 0, of the vector of ones, which no target has a part in: as large as the
        # mean of all, it makes no small penalty look lost.
        self.lifted = self.gram.diagonal().mean().item()
        self.gram += self.lifted / genes

    def right(self, targets: torch.Tensor) -> torch.Tensor:
        return targets

    def lacking(self, factor: "Factor", penalty: float, rows: np.ndarray) -> "_Lacking":
        return _DualLacking(factor.inverse(), penalty, self.lifted)

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        weights = self._tensor(solution)
        return np.concatenate([(block.T @ weights).cpu().numpy() for _, block in self.design.columns()])


class _DualLacking(_Lacking):
    cancels = False

    def __init__(self, inverse: torch.Tensor, penalty: float, lifted: float) -> None:
        self.inverse, self.penalty = inverse, penalty
        # What the inverse makes of a vector of ones over the number of genes.
        self.mean = 1 / (len(inverse) * (lifted + penalty))

    def border(self, rows: np.ndarray) -> torch.Tensor:
        return self.penalty * (self.inverse[rows][:, rows] - self.mean)

    def residuals(self, rows: np.ndarray, targets: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
        return self.penalty * solution[rows]

    def solution(self, rows: np.ndarray, columns: torch.Tensor) -> torch.Tensor:
        return self.inverse[rows].T @ columns - self.mean * columns.sum(dim=0)


class _Primal(_System):
    """gram = X'X, (feature, feature); w = a."""

    def __init__(self, design: _Design, held_out: np.ndarray) -> None:
        self.design = design
        genes, features = design.features.shape
        self.gram = torch.zeros((features, features), dtype=torch.float64, device=design.device)
        progress = Progress(genes, "genes")
        for part, block in design.rows():
            _add_lower(self.gram, block.T)
            progress.advance(part.stop - part.start)
        self.held_out = design.block(held_out, slice(None), slice(None))

    def right(self, targets: torch.Tensor) -> torch.Tensor:
        return sum(block.T @ targets[part] for part, block in self.design.rows())

    def lacking(self, factor: "Factor", penalty: float, rows: np.ndarray) -> "_Lacking":
        return _PrimalLacking(self.design, factor, rows)

    def coefficients(self, solution: np.ndarray) -> np.ndarray:
        return solution


class _PrimalLacking(_Lacking):
    """By B = 1 - X (X'X + penalty)^-1 X'; X is centred, so that G'X is the genes' own rows of it."""

    cancels = True

    def __init__(self, design: _Design, factor: "Factor", rows: np.ndarray) -> None:
        self.design, self.factor, self.rows = design, factor, rows
        shape = (design.features.shape[1], len(rows))
        self.halved = torch.empty(shape, dtype=torch.float64, device=design.device)
        for part in _blocks(len(rows)):
            self.halved[:, part] = factor.halved(design.block(design.features, rows[part], slice(None)).T)

    def border(self, rows: np.ndarray) -> torch.Tensor:
        halved = self._of(rows)
        border = halved.T @ halved
        border.neg_().diagonal().add_(1)
        return border - 1 / len(self.design.features)

    def residuals(self, rows: np.ndarray, targets: torch.Tensor, solution: torch.Tensor) -> torch.Tensor:
        return targets[rows] - self.design.block(self.design.features, rows, slice(None)) @ solution

    def solution(self, rows: np.ndarray, columns: torch.Tensor) -> torch.Tensor:
        return self.factor.whole(self._of(rows) @ columns)

    def _of(self, rows: np.ndarray) -> torch.Tensor:
        return self.halved[:, np.searchsorted(self.rows, rows)]


def _system(design: _Design, held_out: np.ndarray) -> _System:
    """The smaller of both; as many centred features as genes have an eigenvalue of 0, which the dual knows of."""
    genes, features = design.features.shape
    return (_Primal if features < genes else _Dual)(design, held_out)


class Factor:
    """L L' = S (gram + penalty) S, where the diagonal S brings that of the matrix to 1."""

    def __init__(self, gram: torch.Tensor, penalty: float, space: torch.Tensor) -> None:
        """`space`: (a, a) float64 in LAPACK's order, column by column; it becomes L.

        Raises ArithmeticError where rounding leaves the matrix no Cholesky factor.
        """
        self.scale = (gram.diagonal() + penalty).rsqrt()[:, None]
        space.copy_(gram).mul_(self.scale).mul_(self.scale.T).fill_diagonal_(1)
        info = torch.empty((), dtype=torch.int32, device=space.device)
        self.lower, info = torch.linalg.cholesky_ex(space, out=(space, info))
        if info.item():
            raise ArithmeticError(f"the first {info.item()} rows and columns have no Cholesky factor")

    def halved(self, right: torch.Tensor) -> torch.Tensor:
        """L^-1 S b: of two of them, a product is a' (gram + penalty)^-1 b."""
        return torch.linalg.solve_triangular(self.lower, self.scale * right, upper=False)

    def whole(self, halved: torch.Tensor) -> torch.Tensor:
        """(gram + penalty)^-1 b of what `halved` made of b."""
        return self.scale * torch.linalg.solve_triangular(self.lower.T, halved, upper=True)

    def inverse(self) -> torch.Tensor:
        """(gram + penalty)^-1, in the factor's place."""
        inverse = torch.cholesky_inverse(self.lower, out=self.lower)
        return inverse.mul_(self.scale).mul_(self.scale.T)

    def smallest(self) -> float:
        """An eigenvalue of S (gram + penalty) S that is about the smallest, by inverse iteration."""
        generator = torch.Generator().manual_seed(0)
        vector = torch.randn((len(self.lower), 1), dtype=torch.float64, generator=generator).to(self.lower.device)
        for _ in range(5):
            half = torch.linalg.solve_triangular(self.lower, vector / vector.norm(), upper=False)
            vector = torch.linalg.solve_triangular(self.lower.T, half, upper=True)
        return 1 / vector.norm().item()


def _solve(system: _System, observed: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray, set[float]]:
    """Every tissue's fit with every penalty: solutions (penalty, a, tissue) and intercepts (penalty, tissue), float64.

    Features are centred, so that the intercept is the mean of y less that of the columns G of missing genes, and both
    are centred too. The coefficients c of G solve G'A^-1 G c = G'A^-1 y, where A is XX' + penalty; the solution follows
    from y - G c. What y holds for a missing value has no influence. Where there is no fit, both are NaN. Third come the
    penalties at which rounding may move a fit.
    """
    solutions = np.full((len(penalties), len(system.gram), observed.shape[1]), np.nan)
    offsets = np.full((len(penalties), observed.shape[1]), np.nan)
    missing = np.isnan(observed)
    # From each tissue's first value on, a constant target is 0, and stays it through all that follows.
    first = observed[(~missing).argmax(axis=0), np.arange(observed.shape[1])]
    targets = torch.from_numpy(np.nan_to_num(observed - first)).to(system.design.device)
    genes, level = len(targets), targets.mean(dim=0)
    targets -= level
    right, lacking = system.right(targets), np.flatnonzero(missing.any(axis=1))
    patterns = [(rows, tissues) for rows, tissues in linear.by_missing(missing) if len(rows)]
    print(f"{len(penalties)} Cholesky factors of {len(system.gram):,} x {len(system.gram):,}", flush=True)
    space, start = torch.empty_like(system.gram).T, level + torch.from_numpy(first).to(level.device)
    rounding = np.finfo(np.float64).eps * len(system.gram)  # all eigenvalues add up to as many as there are
    alone, uncertain, progress = set(), set(), Progress(len(penalties), "penalties")
    for index, penalty in enumerate(penalties.tolist()):
        try:
            factor = Factor(system.gram, penalty, space)
        except ArithmeticError:
            progress.advance(1)
            continue
        smallest = factor.smallest()
        if smallest < UNCERTAIN * rounding:
            uncertain.add(penalty)
        solution, offset = factor.whole(factor.halved(right)), start.clone()
        without = system.lacking(factor, penalty, lacking) if patterns else None
        for number, (rows, tissues) in enumerate(patterns):
            half, info = torch.linalg.cholesky_ex(without.border(rows))
            lost = info.item() > 0
            if without.cancels and (lost or half.diagonal().min().item() ** 2 * smallest < UNCERTAIN * rounding):
                alone.add(number)
                continue
            if lost:
                offset[tissues] = np.nan
                continue
            c = torch.cholesky_solve(without.residuals(rows, targets[:, tissues], solution[:, tissues]), half)
            solution[:, tissues] -= without.solution(rows, c)
            offset[tissues] -= c.sum(dim=0) / genes
        solutions[index], offsets[index] = solution.cpu().numpy(), offset.cpu().numpy()
        progress.advance(1)
    del space
    for number in sorted(alone):
        rows, tissues = patterns[number]
        own = np.delete(np.arange(genes), rows)
        solutions[:, :, tissues], offsets[:, tissues], more = _solve_alone(
            system.design, own, observed[np.ix_(own, tissues)], penalties
        )
        uncertain |= more
    return solutions, offsets, uncertain


def _solve_alone(
    whole: _Design, rows: np.ndarray, observed: np.ndarray, penalties: np.ndarray
) -> tuple[np.ndarray, np.ndarray, set[float]]:
    """What `_solve` gives for the primal of a design, of tissues that have values of these genes and no others."""
    design = _Design.of(whole.features[rows], False, whole.device)
    design.scale = whole.scale
    system = _system(design, whole.features[:0])
    solutions, offsets, uncertain = _solve(system, observed, penalties)
    coefficients = np.stack([system.coefficients(solution) for solution in solutions])
    return coefficients, offsets + ((whole.mean - design.mean) / whole.scale) @ coefficients, uncertain


def _warn_of_rounding(offsets: np.ndarray, penalties: np.ndarray, uncertain: set[float], tissues: np.ndarray) -> None:
    """Print which penalties have no fit, or one that rounding may have moved.

    offsets: (penalty, tissue), NaN = no fit. Raises InputError when a tissue has none.
    """
    why = "they are small beside features that are nearly sums of others, or whose scales differ so much"
    remedy = "take larger ones (heads: NAME: grid: penalty), or set settings: standardise: true"
    lost = np.isnan(offsets)
    if lost.all(axis=0).any():
        named = ", ".join(tissues[lost.all(axis=0)][:5])
        raise InputError(f"no penalty rises above the rounding of the features (tissues {named}): {why}: {remedy}")
    for which, what in (
        (lost.any(axis=1), "are lost in rounding and left out"),
        (np.isin(penalties, list(uncertain)), "give fits that rounding may have moved by more than 0.1 %"),
    ):
        if which.any():
            listed = ", ".join(f"{penalty:g}" for penalty in penalties[which])
            print(f"Warning: penalties {listed} {what}: {why}: {remedy}")


def _add_lower(gram: torch.Tensor, block: torch.Tensor) -> None:
    """Add block @ block.T to the lower triangle of `gram`, in place; what is above the diagonal stays undefined."""
    for part in _blocks(len(gram)):
        gram[part, : part.stop].addmm_(block[part], block[: part.stop].T)


def _choose(scores: np.ndarray, fitted: np.ndarray, penalties: np.ndarray, tissues: np.ndarray) -> np.ndarray:
    """Index of each tissue's best penalty, (tissue,), from scores (penalty, tissue); prints what to be wary of.

    `fitted`, (penalty, tissue), says where there is a fit.
    """
    undefined = np.isnan(scores).all(axis=0)
    if undefined.all():
        raise InputError(
            "the validation correlation is undefined for every tissue and penalty: either the targets or the features "
            "are constant, check expression.h5 and the feature file"
        )
    filled = np.where(np.isnan(scores), -np.inf, scores)
    chosen = filled.argmax(axis=0)
    if undefined.any():
        average = np.where(np.isnan(scores), 0, scores)[:, ~undefined].mean(axis=1, keepdims=True)
        chosen[undefined] = np.where(fitted[:, undefined], average, -np.inf).argmax(axis=0)
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
