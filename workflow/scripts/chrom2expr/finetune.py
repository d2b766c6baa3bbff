"""Fine-tuning Enformer on expression (thesis, section 3.2): every parameter trains, from the sequence itself."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from enformer_pytorch import Enformer
from torch import nn

from chrom2expr import enformer, heads, training, tuning
from chrom2expr.backbone import load_exactly, one_hot
from chrom2expr.codes import SequenceStore
from chrom2expr.errors import InputError
from chrom2expr.files import Format
from chrom2expr.head import Head
from chrom2expr.pool import AttentionPool
from chrom2expr.tensors import read_tensors, write_tensors
from chrom2expr.windows import Geometry, middle

FORMAT = Format("chrom2expr fine-tuned model", 1)


@dataclass(frozen=True)
class Trunk:
    """What fine-tuning starts from: a weights folder, the window to set it to, how many central bins the pool reads.

    `settings` are those of enformer.read; `weights_sha256` tells the weights from others when a fit goes on.
    """

    weights: Path
    geometry: Geometry
    bins: int
    settings: Mapping[str, Any]
    weights_sha256: str


class FineTuned(training.Model):
    """Enformer's trunk, the central bins of its embedding, and the pool: from codes (gene, length) to (gene, tissue).

    `trunk` is a plain enformer-pytorch network; here it gets faster pools, which give the same. BatchNorm is `frozen`
    (our choice): it normalises with the statistics of the pretraining, in training too, and only its weights and biases
    are learned. A batch of two genes gives statistics that are off, and not those that the network is validated and
    used with, which is known to spoil fine-tuning (enformer-pytorch #16); `train` takes them all the same. precision
    `bf16` computes the trunk in bfloat16 autocast on CUDA, and nothing else; on a CPU everything is float32.

    Raises InputError where the window has fewer bins than the pool reads, where the pool's width is not the trunk's,
    and for checkpointed activations with batch_norm train, whose statistics would take in every batch twice.
    """

    def __init__(
        self,
        trunk: Enformer,
        pool: AttentionPool,
        bins: int,
        *,
        batch_norm: str = "frozen",
        activation_checkpointing: bool = False,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        if bins > trunk.config.target_length:
            raise InputError(
                f"{bins} central bins are asked for, but the window has {trunk.config.target_length}: change bins or "
                "geometry of the source"
            )
        if pool.output.in_features != 2 * trunk.dim:
            raise InputError(
                f"the trunk's embedding is {2 * trunk.dim:,} wide, but the head was made for "
                f"{pool.output.in_features:,}: they are of different networks"
            )
        if activation_checkpointing and batch_norm == "train":
            raise InputError(
                "heads: NAME: settings: activation_checkpointing computes parts of the network twice, and batch_norm: "
                "train would count each batch twice; set batch_norm: frozen, or do without checkpointing"
            )
        enformer.take_pair_pools(trunk)
        self.trunk, self.pool, self.bins = trunk, pool, bins
        self.batch_norm, self.checkpointing, self.precision = batch_norm, activation_checkpointing, precision

    def train(self, mode: bool = True) -> "FineTuned":
        super().train(mode)
        if self.batch_norm == "frozen":
            for module in self.trunk.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()
        return self

    def prepare(self, codes: torch.Tensor) -> torch.Tensor:
        return one_hot(codes)

    def forward(self, hot: torch.Tensor) -> torch.Tensor:
        # Here rather than around the call: the threads of several GPUs would not see it.
        with torch.autocast("cuda", torch.bfloat16, enabled=self.precision == "bf16" and hot.is_cuda):
            embedding = enformer.embed(self.trunk, hot, self.checkpointing and self.training)
        return self.pool(self.pool.prepare(embedding[:, middle(embedding.shape[1], self.bins)]))

    def named_once(self) -> nn.Module:
        """The modules, each under one name only, as a model.pt holds them."""
        return nn.ModuleDict({"trunk": enformer.WithoutCopies(self.trunk), "pool": self.pool})


def read_data(
    shards: Sequence[Path], genes: Path, expression: Path, source: str, geometry: Geometry
) -> heads.Data:
    """The sequences of each split's genes, cropped to the geometry's, and the targets (see heads.read_data)."""
    store = SequenceStore(shards, geometry.sequence_length)
    inputs = {"source": source, **store.provenance, "sequence_length": geometry.sequence_length}
    return heads.split_data(genes, expression, store.select, np.array([], dtype=str), inputs)


class FineTunedBackbone(Head):
    """A backbone's trunk, trained further, and the pool over its embedding."""

    declares = {
        "api": 1,
        "takes": "sequences",
        "devices": True,
        "schema": {
            "if": {
                "properties": {
                    "settings": {"required": ["batch_norm"], "properties": {"batch_norm": {"const": "train"}}},
                },
            },
            "then": {
                "properties": {
                    "batch_size": {"minimum": 2, "description": "Genes in a step; batch_norm: train needs two."},
                    "settings": {
                        "properties": {
                            "activation_checkpointing": {
                                "const": False,
                                "description": "Computing activations twice would count batches twice.",
                            },
                        },
                    },
                },
            },
            "properties": {
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
                        },
                        "warmup_steps": {
                            "type": "integer",
                            "minimum": 0,
                            "default": 1000,
                            "description": "Steps over which the learning rate rises to its value.",
                        },
                        "gradient_clip": {
                            "type": "number",
                            "minimum": 0,
                            "default": 0.2,
                            "description": "Largest norm of the gradient; 0 does not clip.",
                        },
                        "accumulation": {
                            "type": "integer",
                            "minimum": 1,
                            "default": 1,
                            "description": "Batches whose gradients make one step.",
                        },
                        "precision": {
                            "enum": ["bf16", "fp32"],
                            "default": "bf16",
                            "description": "Precision of the trunk on a GPU; a CPU always computes in fp32.",
                        },
                        "activation_checkpointing": {
                            "type": "boolean",
                            "default": False,
                            "description": "Keep fewer activations for the gradients and compute them twice.",
                        },
                        "batch_norm": {
                            "enum": ["frozen", "train"],
                            "default": "frozen",
                            "description": "Statistics of the pretraining or of each batch.",
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
                        },
                    },
                },
            },
        },
    }
    network: FineTuned

    def __init__(self, network: FineTuned, table: list[dict[str, Any]], metadata: dict[str, Any]) -> None:
        self.network, self.table, self.metadata = network.eval(), table, metadata

    @classmethod
    def fit(
        cls, task: heads.Task, trunk: Trunk, checkpoints: tuning.Checkpoints | None = None, gpus: int = 1
    ) -> Self:
        """Fine-tune for every learning rate of the grid, and keep the best network (see tuning.fit).

        A killed run goes on from its `checkpoints`, if any are kept. Remove them when its files are written. `gpus` is
        how many of the GPUs that `task.devices` asks for it was given.

        Raises InputError as `tuning.fit` does, and then says what becomes of the checkpoints; and when a tissue has no
        training gene with a value.
        """
        data, settings = task.data, dict(task.settings)
        heads.check_tissues(data, train=1, val=0)
        train, validation = data.splits["train"], data.splits["val"]
        options = tuning.FineTuningOptions.of(task)
        if options.devices > max(gpus, 1):  # none was asked for where there is none
            print(f"Warning: devices: {options.devices}, but this job was given {gpus}: see --resources gpu=N")
            options = replace(options, devices=gpus)
        own = {key: settings[key] for key in ("batch_norm", "activation_checkpointing", "precision")}
        start = training.target_means(train.observed)

        def build(_: Mapping[str, Any]) -> FineTuned:
            network = enformer.read(trunk.weights, trunk.geometry, **trunk.settings)
            # Unused, and the larger part of what is not the trunk.
            network.heads.clear()
            pool = AttentionPool(2 * network.dim, len(data.tissue), task.seed, start)
            return FineTuned(network, pool, trunk.bins, **own)

        checkpoints = checkpoints or tuning.Checkpoints()
        checkpoints.identity = _identity(task, trunk)
        try:
            network, table = tuning.fit(
                build, training.expand(task.grid), train, validation, data.gene_id, options, task.device, checkpoints
            )
        except tuning.NotFinite as error:
            raise InputError(
                f"{error}, or set precision: fp32. The checkpoints of the last good epoch are kept in "
                f"{checkpoints.folder}; with another setting the run begins anew, once that folder is deleted"
            ) from None
        shape = {key: getattr(trunk.geometry, key) for key in ("sequence_length", "bins", "bin_size")}
        metadata = {
            "config": {**network.trunk.config.to_diff_dict(), "output_heads": {}},
            "geometry": shape,
            "settings": dict(trunk.settings),
            "bins": trunk.bins,
            **heads.described(task),
            "inputs": {name: str(value) for name, value in data.inputs.items()},
            "weights_sha256": trunk.weights_sha256,
        }
        fitted = cls(network, table, metadata)
        fitted.batch_size, fitted.device = task.batch_size, task.device
        return fitted

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return self.network(self.network.prepare(features))

    def save(self, path: str | Path) -> None:
        state = {name: value.cpu() for name, value in self.network.named_once().state_dict().items()}
        write_tensors(path, FORMAT, {"state": state, "metadata": self.metadata})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The network of a model.pt, on the CPU in eval mode.

        Its metadata: config (of the trunk), geometry (sequence_length, bins, bin_size), settings (of enformer.read),
        bins, tissue, inputs, loss, weights_sha256. Raises InputError if the file is damaged or its tensors do not fit
        one another.
        """
        path, saved = Path(path), read_tensors(path, FORMAT)
        metadata = saved["metadata"]
        geometry = Geometry.centred(**metadata["geometry"])
        trunk = enformer.build_for(geometry, metadata["config"], path, **metadata["settings"])
        network = FineTuned(trunk, AttentionPool(2 * trunk.dim, len(metadata["tissue"])), metadata["bins"])
        load_exactly(network.named_once(), saved["state"], path)
        return cls(network, [], metadata)


def _identity(task: heads.Task, trunk: Trunk) -> dict[str, Any]:
    """What decides the result of a fit, by name (see tuning.Checkpoints)."""
    keys = ("settings", "grid", "batch_size", "max_epochs", "patience", "select_by", "seed")
    return {
        "loss": dict(task.loss.section),
        **{key: getattr(task, key) for key in keys},
        "geometry": {key: getattr(trunk.geometry, key) for key in ("sequence_length", "bins", "bin_size")},
        "bins": trunk.bins,
        "trunk": dict(trunk.settings),
        "weights": trunk.weights_sha256,
        "data": _checksum(task.data),
    }


def _checksum(data: heads.Data) -> str:
    """SHA-256 of the genes, sequences and targets that a fit sees; reading them all first shows damage before work."""
    digest = hashlib.sha256("\n".join(map(str, data.tissue)).encode())
    for name in ("train", "val"):
        split = data.splits[name]
        digest.update("\n".join(map(str, data.gene_id[name])).encode())
        digest.update(np.ascontiguousarray(split.observed))
        for _, codes in split.features.batches(np.arange(len(split.observed)), 64):
            digest.update(codes)
    return digest.hexdigest()
