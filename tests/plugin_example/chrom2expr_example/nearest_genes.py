"""A head: a gene is expected to be expressed as those training genes are whose features are most like its own."""

import math

import numpy as np
import torch

from chrom2expr.evaluation import metrics
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.heads.head import Head
from chrom2expr.heads.linear import read_features
from chrom2expr.heads.tasks import check_tissues, described

FORMAT = Format("nearest genes", 1)


class NearestGenes(Head):
    """The weighted mean over the nearest genes, by standardised features; closer ones weigh more."""

    declares = {
        "api": 1,
        "takes": "reduced_features",
        "schema": {
            "properties": {
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "sharpness": {
                            "type": "number",
                            "exclusiveMinimum": 0,
                            "default": 1.0,
                            "description": "How much more closer genes weigh.",
                        },
                    },
                },
                "grid": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["neighbours"],
                    "properties": {
                        "neighbours": {
                            "items": {"type": "integer", "minimum": 1},
                            "examples": [[4, 8]],
                            "description": "How many genes are near.",
                        },
                    },
                },
            },
        },
    }

    def __init__(self, table, metadata, arrays):
        self.table, self.metadata, self.arrays = table, metadata, arrays

    @classmethod
    def fit(cls, task):
        check_tissues(task.data)
        train, validation = task.data.splits["train"], task.data.splits["val"]
        features = torch.from_numpy(read_features(task, "train", train.usable)).double()
        observed = torch.from_numpy(train.observed[train.usable]).double()
        spread = features.std(dim=0)
        arrays = {
            "features": features,
            # A missing value counts as the mean of its tissue.
            "observed": torch.where(observed.isnan(), observed.nanmean(dim=0), observed),
            "mean": features.mean(dim=0),
            "spread": torch.where(spread > 0, spread, 1),
        }
        heads, table, scores = [], [], []
        for neighbours in task.grid["neighbours"]:
            point = {"neighbours": min(neighbours, len(features)), "sharpness": task.settings["sharpness"]}
            head = cls(table, {**point, **described(task)}, arrays)
            head.batch_size, head.device = task.batch_size, task.device
            predicted = head.predict(validation.features)
            loss = task.loss(torch.from_numpy(predicted), torch.from_numpy(validation.observed)).item()
            correlation = metrics.summarise(metrics.cross_gene(predicted, validation.observed)).mean
            row = {"neighbours": neighbours, "validation_loss": loss, "validation_cross_gene": correlation}
            table.append({name: None if math.isnan(value) else value for name, value in row.items()} | {"chosen": "no"})
            scores.append(loss if task.select_by == "validation_loss" else -correlation)
            heads.append(head)
        best = int(np.argmin(np.nan_to_num(scores, nan=np.inf)))
        table[best]["chosen"] = "yes"
        return heads[best]

    def __call__(self, features):
        there, observed, mean, spread = (
            self.arrays[name].to(features.device) for name in ("features", "observed", "mean", "spread")
        )
        here, there = ((values.double() - mean) / spread for values in (features, there))
        distances = torch.cdist(here, there) / math.sqrt(len(mean))
        nearest = distances.topk(self.metadata["neighbours"], largest=False)
        weights = (-self.metadata["sharpness"] * nearest.values).softmax(dim=1)
        return (weights[:, :, None] * observed[nearest.indices]).sum(dim=1)

    def save(self, path):
        write_tensors(path, FORMAT, {**self.arrays, "metadata": self.metadata})

    @classmethod
    def load(cls, path):
        arrays = read_tensors(path, FORMAT)
        return cls([], arrays.pop("metadata"), arrays)
