"""Fine-tuning with a frozen trunk (thesis, section 3.2): only the attention pool and the linear layer are trained.

A frozen trunk is in eval mode and gives the same embedding in every epoch, so that it is computed once, into a feature
store of kind embedded (see embedding.embed_shard), and every loss and seed trains from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chrom2expr.files.whole import Format
from chrom2expr.genome.features import InMemory
from chrom2expr.heads import resumable_training, training
from chrom2expr.heads.attention_pool import AttentionPool
from chrom2expr.heads.network_head import Build, NetworkHead
from chrom2expr.heads.tasks import Task

FORMAT = Format("chrom2expr frozen-trunk model", 1)


class FrozenTrunk(NetworkHead):
    """The attention pool and linear layer of fine-tuning, on a stored embedding."""

    declares = {
        "api": 1,
        "takes": "store",
        "schema": {
            "description": "The attention pool and the linear layer of fine-tuning, on an embedding that is "
            "computed once.",
            "properties": {
                "batch_size": {"description": "Genes in a step.", "origin": "thesis, section 3.2"},
                "max_epochs": {"description": "Epochs at most.", "origin": "thesis, section 3.2"},
                "patience": {"description": "Epochs without improvement at the end.", "origin": "thesis, section 3.2"},
                "settings": {
                    "type": "object",
                    "default": {},
                    "additionalProperties": False,
                    "properties": {
                        "weight_decay": {
                            "type": "number",
                            "minimum": 0,
                            "default": 1e-3,
                            "description": "Weight decay of AdamW.",
                            "origin": "thesis, section 3.2",
                        },
                        "warmup_steps": {
                            "type": "integer",
                            "minimum": 0,
                            "default": 1000,
                            "description": "Steps over which the learning rate rises to its value.",
                            "origin": "thesis, section 3.2",
                            "advice": "After them the learning rate falls along a cosine, to 0 at the last of "
                            "`max_epochs`.",
                        },
                        "gradient_clip": {
                            "type": "number",
                            "minimum": 0,
                            "default": 0.2,
                            "description": "Largest norm of the gradient; 0 does not clip.",
                            "origin": "our choice",
                        },
                        "accumulation": {
                            "type": "integer",
                            "minimum": 1,
                            "default": 1,
                            "description": "Batches whose gradients make one step.",
                            "origin": "our choice",
                            "advice": "Gives the steps of a larger batch where memory holds only a small one.",
                        },
                    },
                },
                "grid": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["learning_rate"],
                    "properties": {
                        "learning_rate": {
                            "description": "Learning rate of AdamW, at its highest.",
                            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                            "origin": "thesis, section 3.2",
                        },
                    },
                },
            },
        },
        "run": {
            "properties": {
                "source": {
                    "properties": {
                        "kind": {
                            "const": "embedded",
                            "description": "It is trained on an embedding, which is held in memory.",
                        },
                    },
                },
            },
        },
    }
    format = FORMAT

    @classmethod
    def build(
        cls,
        shape: Sequence[int],
        tissues: int,
        settings: Mapping[str, Any],
        point: Mapping[str, Any],
        seed: int = 0,
        start: np.ndarray | None = None,
    ) -> AttentionPool:
        return AttentionPool(shape[1], tissues, seed, start)

    @classmethod
    def train(cls, build: Build, task: Task) -> tuple[training.Model, list[dict[str, Any]]]:
        """Fit the pool for every learning rate of the grid, and keep the best (see resumable_training.fit)."""
        train, validation = (
            replace(task.data.splits[name], features=InMemory(task.data.splits[name].features))
            for name in ("train", "val")
        )
        points, options = training.expand(task.grid), resumable_training.FineTuningOptions.of(task)
        return resumable_training.fit(
            build, points, train, validation, task.data.gene_id, options, task.device, resumable_training.Checkpoints()
        )
