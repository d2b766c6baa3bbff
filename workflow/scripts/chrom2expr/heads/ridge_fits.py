"""Fits of many tissues by ridge regression, with every penalty, some of their genes missing.

Of X'X and XX', whichever is smaller is made once; with a penalty on its diagonal, its Cholesky factor serves every
tissue. The genes that a tissue lacks enter as columns G without penalty, a one in each such row, which take up those
genes' residuals completely and so leave them out exactly; their coefficients solve a system as large as their number,
shared by the tissues that lack the same. Where that system is too ill-conditioned, since the genes that are lacking
decide some feature, such tissues are fitted from their own genes by themselves.

What is factorised is scaled to a diagonal of ones, and on the condition number of that alone the error of a Cholesky
factor depends (Demmel 1989): features of X'X whose scales differ by orders of magnitude cost no accuracy.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from chrom2expr.heads import linear
from chrom2expr.job import Progress

# Rows or columns that are float64 at one time; 2,048 columns of 22,828 genes are 370 MB.
BLOCK = 2048
# A fit moves by about the rounding times the condition number: it is uncertain where that is above a thousandth.
UNCERTAIN = 1000


class Design:
    """The training features, centred and perhaps standardised: X, (gene, feature), float64 block by block."""

    def __init__(self, features: np.ndarray, mean: np.ndarray, scale: np.ndarray, device: torch.device) -> None:
        self.features, self.mean, self.scale, self.device = features, mean, scale, device

    @classmethod
    def of(cls, features: np.ndarray, standardise: bool, device: torch.device) -> "Design":
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

    def unscaled(self, coefficients: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (feature, tissue) and intercept, float64, for features as they are in the file."""
        coefficients = coefficients / self.scale[:, None]
        return coefficients, intercept - self.mean @ coefficients


class System:
    """The equations (gram + penalty) a = right, of the training features: X'X or XX', and what follows from a solution.

    gram: (a, a) float64, its lower triangle; held_out: (validation gene, a), which takes a solution to predictions
    without the intercept. Both are on the design's device.
    """

    design: Design
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


class Dual(System):
    """gram = XX', (gene, gene); w = X'a."""

    def __init__(self, design: Design, held_out: np.ndarray) -> None:
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


class Primal(System):
    """gram = X'X, (feature, feature); w = a."""

    def __init__(self, design: Design, held_out: np.ndarray) -> None:
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

    def __init__(self, design: Design, factor: "Factor", rows: np.ndarray) -> None:
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


def equations(design: Design, held_out: np.ndarray) -> System:
    """The smaller of both; as many centred features as genes have an eigenvalue of 0, which the dual knows of."""
    genes, features = design.features.shape
    return (Primal if features < genes else Dual)(design, held_out)


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


class Fits(NamedTuple):
    """Every tissue's fit with every penalty; NaN where there is none.

    solutions: (penalty, a, tissue) float64, of a system; intercepts: (penalty, tissue) float64, for the centred
    features; uncertain: the penalties at which rounding may move a fit by more than a thousandth.
    """

    solutions: np.ndarray
    intercepts: np.ndarray
    uncertain: set[float]


def solve(system: System, observed: np.ndarray, penalties: np.ndarray) -> Fits:
    """Fit every tissue of `observed`, (gene, tissue) float64, NaN = missing, with every penalty.

    Features are centred, so that the intercept is the mean of y less that of the columns G of missing genes, and both
    are centred too. What y holds for a missing value has no influence.
    """
    solutions = np.full((len(penalties), len(system.gram), observed.shape[1]), np.nan)
    intercepts = np.full((len(penalties), observed.shape[1]), np.nan)
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
        smallest = factor.smallest() / (UNCERTAIN * rounding)
        if smallest < 1:
            uncertain.add(penalty)
        solution, intercept = factor.whole(factor.halved(right)), start.clone()
        if patterns:
            without = system.lacking(factor, penalty, lacking)
            alone |= _leave_out(without, patterns, targets, solution, intercept, smallest)
        solutions[index], intercepts[index] = solution.cpu().numpy(), intercept.cpu().numpy()
        progress.advance(1)
    del space
    for number in sorted(alone):
        rows, tissues = patterns[number]
        own = np.delete(np.arange(genes), rows)
        fits = _solve_alone(system.design, own, observed[np.ix_(own, tissues)], penalties)
        solutions[:, :, tissues], intercepts[:, tissues] = fits.solutions, fits.intercepts
        uncertain |= fits.uncertain
    return Fits(solutions, intercepts, uncertain)


def _leave_out(
    without: _Lacking,
    patterns: list[tuple[np.ndarray, np.ndarray]],
    targets: torch.Tensor,
    solution: torch.Tensor,
    intercept: torch.Tensor,
    smallest: float,
) -> set[int]:
    """Take the genes that tissues lack out of a penalty's fits, in place; the patterns that must be fitted alone.

    patterns: (genes, tissues that lack these). The coefficients c of G solve G'A^-1 G c = G'A^-1 y, where y are the
    centred targets and A is XX' + penalty; the solution follows from y - G c. smallest: the smallest eigenvalue of what
    was factorised, as a multiple of the one where a fit is uncertain. Where there is no fit, the intercept becomes NaN.
    """
    alone = set()
    for number, (rows, tissues) in enumerate(patterns):
        half, info = torch.linalg.cholesky_ex(without.border(rows))
        lost = info.item() > 0
        if without.cancels and (lost or half.diagonal().min().item() ** 2 * smallest < 1):
            alone.add(number)
        elif lost:
            intercept[tissues] = np.nan
        else:
            c = torch.cholesky_solve(without.residuals(rows, targets[:, tissues], solution[:, tissues]), half)
            solution[:, tissues] -= without.solution(rows, c)
            intercept[tissues] -= c.sum(dim=0) / len(targets)
    return alone


def _solve_alone(whole: Design, rows: np.ndarray, observed: np.ndarray, penalties: np.ndarray) -> Fits:
    """What `solve` gives for the primal of a design, of tissues that have values of these genes and no others."""
    design = Design.of(whole.features[rows], False, whole.device)
    design.scale = whole.scale
    system = equations(design, whole.features[:0])
    fits = solve(system, observed, penalties)
    coefficients = np.stack([system.coefficients(solution) for solution in fits.solutions])
    shift = (whole.mean - design.mean) / whole.scale
    return Fits(coefficients, fits.intercepts + shift @ coefficients, fits.uncertain)


def _add_lower(gram: torch.Tensor, block: torch.Tensor) -> None:
    """Add block @ block.T to the lower triangle of `gram`, in place; what is above the diagonal stays undefined."""
    for part in _blocks(len(gram)):
        gram[part, : part.stop].addmm_(block[part], block[: part.stop].T)


def _blocks(length: int) -> Iterator[slice]:
    """0 to `length`, BLOCK at a time."""
    for start in range(0, length, BLOCK):
        yield slice(start, min(start + BLOCK, length))
