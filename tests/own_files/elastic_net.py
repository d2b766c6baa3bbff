"""A head of one's own: scikit-learn's elastic net for every tissue, its penalty chosen by the validation genes."""

import numpy as np
from sklearn.linear_model import ElasticNet as Regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chrom2expr.evaluation import metrics
from chrom2expr.heads import linear
from chrom2expr.heads.tasks import check_tissues, described


class ElasticNet(linear.LinearHead):
    """Squared error with L1 and L2 penalties, on standardised features."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "properties": {
                "settings": {
                    "additionalProperties": False,
                    "properties": {
                        "l1_ratio": {
                            "type": "number",
                            "minimum": 0,
                            "maximum": 1,
                            "default": 0.5,
                            "description": "Share of the L1 penalty.",
                        },
                    },
                },
                "grid": {"required": ["penalty"]},
            },
        },
        "run": {"properties": {"loss": {"properties": {"squared_error": {"const": True}}}}},
    }

    @classmethod
    def fit(cls, task):
        check_tissues(task.data)
        train, validation = task.data.splits["train"], task.data.splits["val"]
        features = linear.read_features(task, "train", train.usable)
        held_out = linear.read_features(task, "val", np.arange(len(validation.observed)))
        coefficients, intercept, table = [], [], []
        for column, tissue in enumerate(task.data.tissue):
            observed = train.observed[train.usable, column]
            rows, fits = ~np.isnan(observed), []
            for penalty in task.grid["penalty"]:
                model = make_pipeline(StandardScaler(), Regression(alpha=penalty, l1_ratio=task.settings["l1_ratio"]))
                model.fit(features[rows], observed[rows])
                predicted = model.predict(held_out)[:, None]
                [score] = metrics.cross_gene(predicted, validation.observed[:, [column]])
                fits.append((np.nan_to_num(score, nan=-1), model))
                row = {"tissue": str(tissue), "penalty": penalty}
                table.append(
                    {**row, "validation_cross_gene": None if np.isnan(score) else float(score), "chosen": "no"}
                )
            best = int(np.argmax([score for score, _ in fits]))
            table[best - len(fits)]["chosen"] = "yes"
            scaler, regression = fits[best][1]
            coefficients.append(regression.coef_ / scaler.scale_)
            intercept.append(regression.intercept_ - scaler.mean_ @ coefficients[-1])
        arrays = {"coefficients": np.stack(coefficients, axis=1), "intercept": np.array(intercept)}
        return cls(table, described(task), **arrays)
