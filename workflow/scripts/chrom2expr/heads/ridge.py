"""The ridge head: one linear model a tissue, on reduced features, its penalty chosen by the validation genes.

Minimises |y - b - X w|^2 + penalty |w|^2 over the training genes with an observed value (Hoerl and Kennard 1970), as
scikit-learn's Ridge does; `ridge_fits` solves for them.

At thesis size, 21,988 training genes x 53,130 features, memory peaks in the factorisation: features, 4.7 GB as float32;
XX' and its factor, 3.9 GB each as float64.
"""

from typing import Any, Self

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import linear, ridge_fits
from chrom2expr.heads.tasks import Task, check_tissues, described


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
        design = ridge_fits.Design.of(features, standardise, task.device)
        held_out = linear.read_features(task, "val", np.arange(len(validation.observed)))
        system = ridge_fits.equations(design, held_out)
        fits = ridge_fits.solve(system, observed, penalties)
        _warn_of_rounding(fits, penalties, task.data.tissue)
        scores = np.stack(
            [
                metrics.cross_gene(system.predict(solution) + intercept, validation.observed)
                for solution, intercept in zip(fits.solutions, fits.intercepts, strict=True)
            ]
        )
        chosen = _choose(scores, ~np.isnan(fits.intercepts), penalties, task.data.tissue)
        tissues = np.arange(len(chosen))
        coefficients, intercept = design.unscaled(
            system.coefficients(fits.solutions[chosen, :, tissues].T), fits.intercepts[chosen, tissues]
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


def _warn_of_rounding(fits: ridge_fits.Fits, penalties: np.ndarray, tissues: np.ndarray) -> None:
    """Print which penalties have no fit, or one that rounding may have moved; InputError when a tissue has no fit."""
    why = "they are small beside features that are nearly sums of others, or whose scales differ so much"
    remedy = "take larger ones (heads: NAME: grid: penalty), or set settings: standardise: true"
    lost = np.isnan(fits.intercepts)
    if lost.all(axis=0).any():
        named = ", ".join(tissues[lost.all(axis=0)][:5])
        raise InputError(f"no penalty rises above the rounding of the features (tissues {named}): {why}: {remedy}")
    for which, what in (
        (lost.any(axis=1), "are lost in rounding and left out"),
        (np.isin(penalties, list(fits.uncertain)), "give fits that rounding may have moved by more than 0.1 %"),
    ):
        if which.any():
            listed = ", ".join(f"{penalty:g}" for penalty in penalties[which])
            print(f"Warning: penalties {listed} {what}: {why}: {remedy}")


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
