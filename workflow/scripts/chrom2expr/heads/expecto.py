"""ExPecto's published models as a head: linear models of ExPecto's spatial features that are read, not trained."""

from typing import Any, Self

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.heads import expecto_models, linear
from chrom2expr.heads.tasks import Task, described


class ExPecto(linear.LinearHead):
    """The models of a list, one a tissue: base score + bias + weights x features (see expecto_models)."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "models": "models",
        "schema": {
            "description": "ExPecto's published models, which are not trained: they are read from their text dumps.",
            "advice": "[docs/expecto.md](../docs/expecto.md) says how to get and use them.",
            "required": ["settings"],
            "properties": {
                "features": {"const": "spatial_basis", "description": "ExPecto's spatial features."},
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["models"],
                    "properties": {
                        "models": {
                            "type": "string",
                            "description": "The resource that lists the models, with their dumps where it says.",
                            "advice": "ExPecto's own is `resources/modellist`.",
                        },
                        "base_score": {
                            "type": "number",
                            "default": 2,
                            "description": "What is added to every prediction.",
                            "origin": "publisher",
                            "advice": "The models' file names say it (basescore2), the files themselves do not.",
                        },
                    },
                },
                "grid": {"type": "object", "additionalProperties": False, "default": {}, "description": "It has none."},
            },
        },
        "run": {
            "properties": {
                "source": {
                    "properties": {
                        "kind": {"const": "predicted", "description": "The models' features are Beluga's predictions."},
                    },
                },
                "inputs": {
                    "properties": {
                        "bins": {"const": 0, "description": "The models sum over all bins."},
                    },
                },
                "loss": {
                    "properties": {
                        "squared_error": {"const": True, "description": "The models were fitted by the squared error."},
                    },
                },
            },
        },
    }

    @classmethod
    def fit(cls, task: Task) -> Self:
        """Read the models of `task.models`, a list, that the task's tissues have; nothing is fitted.

        `task.settings["base_score"]` (2 if absent) is added to all predictions. Only the validation genes are read, for
        the table, which has a row for each tissue: tissue, model (its file), pseudocount (that it was fitted with, None
        where its file's name says none), validation_cross_gene (None where undefined), validation_genes, chosen (yes).

        Raises InputError when a tissue has no model, the models have other tracks than the features, or a feature is
        not a finite number.
        """
        if task.models is None:
            raise InputError(
                "ExPecto's models are read from a list: give it as a resource (heads: NAME: settings: models)"
            )
        found = expecto_models.read_models(task.models)
        models = found.of(task.data.tissue, task.models)
        _check_features(task, models)
        print(f"{len(models.listed)} of {len(found.listed)} models, {models.weights.shape[2]:,} tracks", flush=True)
        _warn_of_pseudocounts(task, models)
        coefficients = models.weights.reshape(len(models.listed), -1).T.copy()
        base_score = float(task.settings.get("base_score", 2))
        intercept = models.bias + base_score
        held_out = linear.read_features(task, "val", np.arange(len(task.data.splits["val"].observed)))
        table = _table(task, models, held_out @ coefficients + intercept)
        metadata = {**described(task), "base_score": base_score}
        fitted = cls(table, metadata, coefficients=coefficients, intercept=intercept)
        fitted.batch_size = task.batch_size
        return fitted


def _check_features(task: Task, models: expecto_models.Models) -> None:
    shape, tracks = task.data.splits["val"].features.shape[1:], models.weights.shape[2]
    if shape != (expecto_models.BLOCKS * tracks,):
        raise InputError(
            f"{task.models}: the models have {expecto_models.BLOCKS} weights for each of {tracks:,} tracks, but a gene "
            f"has {shape[0]:,} features of {len(task.data.track_id):,} tracks: the source must be predictions of all "
            "of Beluga's tracks, in the order of its list"
        )


def _warn_of_pseudocounts(task: Task, models: expecto_models.Models) -> None:
    own = models.pseudocounts()
    ours = np.broadcast_to(task.data.pseudocount, own.shape)
    if other := int((~np.isnan(own) & ~np.isclose(own, ours)).sum()):
        print(
            f"Warning: {other} of {len(own)} models were fitted to another pseudocount than the targets have, so that "
            "profiles over tissues are not comparable: grid.tsv lists theirs, for a table by tissue under expression: "
            "pseudocount in the config"
        )


def _table(task: Task, models: expecto_models.Models, predicted: np.ndarray) -> list[dict[str, Any]]:
    observed = task.data.splits["val"].observed
    scores, genes = metrics.cross_gene(predicted, observed), (~np.isnan(observed)).sum(axis=0)
    return [
        {
            "tissue": str(tissue),
            "model": row.dump.name,
            "pseudocount": None if np.isnan(pseudocount) else float(pseudocount),
            "validation_cross_gene": None if np.isnan(score) else float(score),
            "validation_genes": int(count),
            "chosen": "yes",
        }
        for tissue, row, pseudocount, score, count in zip(
            task.data.tissue, models.listed, models.pseudocounts(), scores, genes, strict=True
        )
    ]
