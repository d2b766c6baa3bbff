"""Fine-tuning a backbone on expression, from the sequence itself (thesis, section 3.2, with Enformer)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from chrom2expr import registry
from chrom2expr.backbones.backbone import Backbone
from chrom2expr.backbones.device import precision_of, say_precision
from chrom2expr.errors import InputError
from chrom2expr.files.tensors import load_exactly, read_tensors, write_tensors
from chrom2expr.files.whole import Format
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry, middle
from chrom2expr.heads import adaptation, resumable_training, tasks, training
from chrom2expr.heads.adaptation import Adaptation
from chrom2expr.heads.attention_pool import AttentionPool
from chrom2expr.heads.network_head import TrainedNetwork

FORMAT = Format("chrom2expr fine-tuned model", 2)
# What of a geometry a model.pt holds: that of one centred window.
SHAPE = ("sequence_length", "bins", "bin_size")


@dataclass(frozen=True)
class Trunk:
    """What fine-tuning starts from: a type of backbone, its weights, the window to set it to, and how it is adapted.

    bins: how many in the middle the pool reads; settings: those of the backbone's `load`; adaptation: a section of the
    config (see adaptation.build); weights_sha256 tells the weights from others when a fit goes on.
    """

    type: str
    weights: Path
    geometry: Geometry
    bins: int
    settings: Mapping[str, Any]
    adaptation: Mapping[str, Any]
    weights_sha256: str

    def load(self) -> Backbone:
        """The backbone with its weights and without its tracks, on the CPU."""
        return registry.find("backbones", self.type).load().load(self.weights, self.geometry, self.settings)

    def describe(self, backbone: Backbone) -> dict[str, Any]:
        """All that it takes to build the backbone, and adapt it, without its weights (see `rebuild`)."""
        return {
            "type": self.type,
            "network": backbone.describe(),
            "geometry": {key: getattr(self.geometry, key) for key in SHAPE},
            "settings": dict(self.settings),
            "adaptation": dict(self.adaptation),
            "bins": self.bins,
        }


def rebuild(description: Mapping[str, Any]) -> Backbone:
    """The backbone that Trunk.describe described, with fresh weights."""
    geometry = Geometry.centred(**description["geometry"])
    backbone = registry.find("backbones", description["type"]).load()
    return backbone.build(description["network"], geometry, description["settings"])


class FineTuned(training.Model):
    """A backbone's trunk, the central bins of its embedding, and the pool: from sequences to (gene, tissue).

    Sequences are encoded or one-hot (see backbone.Backbone). `adaptation` says what of the trunk is trained. precision
    is what the trunk computes in (see device.PRECISIONS), bfloat16 as autocast does; the pool computes in float32.

    Raises InputError where the window has fewer bins than the pool reads, where the pool's width is not the trunk's,
    and for checkpointed activations where BatchNorm takes each batch's statistics, which would count it twice.
    """

    def __init__(
        self,
        trunk: Backbone,
        pool: AttentionPool,
        bins: int,
        adaptation: Adaptation,
        *,
        activation_checkpointing: bool = False,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        if bins > trunk.geometry.bins:
            raise InputError(
                f"{bins} central bins are asked for, but the window has {trunk.geometry.bins}: change bins or "
                "geometry of the source"
            )
        if pool.output.in_features != trunk.embedding_width:
            raise InputError(
                f"the trunk's embedding is {trunk.embedding_width:,} wide, but the head was made for "
                f"{pool.output.in_features:,}: they are of different networks"
            )
        adaptation.prepare(trunk)
        self.trunk, self.pool, self.bins, self.adaptation = trunk, pool, bins, adaptation
        self.checkpointing, self.precision = activation_checkpointing, precision
        live = (module.training for module in self.train().trunk.modules() if isinstance(module, _BatchNorm))
        if activation_checkpointing and any(live):
            raise InputError(
                "heads: NAME: settings: activation_checkpointing computes parts of the network twice, and adaptation: "
                "batch_norm: train would count each batch twice; set batch_norm: frozen, or do without checkpointing"
            )

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.adaptation.set_mode(self.trunk, mode)
        return self

    def prepare(self, sequences: torch.Tensor) -> torch.Tensor:
        return sequences

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        # Here rather than around the call: the threads of several GPUs would not see it.
        rounded = precision_of(self.precision, sequences.device) == "bfloat16"
        with torch.autocast(sequences.device.type, torch.bfloat16, enabled=rounded):
            embedding = self.trunk.embedding(sequences, self.checkpointing and self.training)
        return self.pool(self.pool.prepare(embedding[:, middle(embedding.shape[1], self.bins)]))


def read_data(shards: Sequence[Path], split: Path, expression: Path, source: str, geometry: Geometry) -> tasks.Data:
    """The sequences of each split's genes, cropped to the geometry's, and the targets (see tasks.read_data)."""
    store = SequenceStore(shards, geometry.sequence_length)
    inputs = {"source": source, **store.provenance, "sequence_length": geometry.sequence_length}
    return tasks.split_data(split, expression, store.select, np.array([], dtype=str), inputs)


class FineTunedBackbone(TrainedNetwork):
    """A backbone's trunk, trained further, and the pool over its embedding."""

    declares = {
        "api": 1,
        "takes": "sequences",
        "devices": True,
        "schema": {
            "like": "frozen",
            "description": "A backbone's trunk, trained further, with an attention pool and a linear layer on its "
            "embedding.",
            "if": {
                "properties": {
                    "adaptation": {"required": ["batch_norm"], "properties": {"batch_norm": {"const": "train"}}},
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
                "batch_size": {"origin": "thesis, section 2.2"},
                "max_epochs": {"origin": "thesis, section 2.2"},
                "patience": {"origin": "thesis, section 2.2"},
                "settings": {
                    "properties": {
                        "weight_decay": {"origin": "thesis, section 2.2"},
                        "warmup_steps": {"origin": "thesis, section 2.2"},
                        "precision": {
                            "enum": ["fp32", "bf16", "auto"],
                            "default": "auto",
                            "description": "What the trunk is trained in: float32, bfloat16, or bfloat16 on a GPU and "
                            "float32 on a CPU.",
                            "origin": "our choice",
                        },
                        "activation_checkpointing": {
                            "type": "boolean",
                            "default": False,
                            "description": "Keep fewer activations for the gradients and compute them twice.",
                            "origin": "our choice",
                            "advice": "Saves memory, costs time; not with `batch_norm: train`.",
                        },
                    },
                },
                "grid": {"properties": {"learning_rate": {"origin": "thesis, section 2.2"}}},
            },
        },
    }
    network: FineTuned
    lower = "heads: NAME: batch_size (settings: accumulation keeps the size of a step)"

    @classmethod
    def fit(
        cls, task: tasks.Task, trunk: Trunk, checkpoints: resumable_training.Checkpoints | None = None, gpus: int = 1
    ) -> Self:
        """Fine-tune for every learning rate of the grid, and keep the best network (see resumable_training.fit).

        A killed run goes on from its `checkpoints`, if any are kept. Remove them when its files are written. `gpus` is
        how many of the GPUs that `task.devices` asks for it was given.

        Raises InputError as `resumable_training.fit` does, and then says what becomes of the checkpoints; and when a
        tissue has no training gene with a value.
        """
        data, settings = task.data, dict(task.settings)
        tasks.check_tissues(data, train=1, val=0)
        train, validation = data.splits["train"], data.splits["val"]
        options = resumable_training.FineTuningOptions.of(task)
        if options.devices > max(gpus, 1):  # none was asked for where there is none
            print(f"Warning: devices: {options.devices}, but this job was given {gpus}: see --resources gpu=N")
            options = replace(options, devices=gpus)
        own = {key: settings[key] for key in ("activation_checkpointing", "precision")}
        say_precision(settings["precision"], task.device, "heads: NAME: settings")
        start = training.target_means(train.observed)

        def build(_: Mapping[str, Any]) -> FineTuned:
            backbone = trunk.load()
            pool = AttentionPool(backbone.embedding_width, len(data.tissue), task.seed, start)
            # What an adaptation adds follows from the seed alone.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(task.seed)
                return FineTuned(backbone, pool, trunk.bins, adaptation.build(trunk.adaptation), **own)

        checkpoints = checkpoints or resumable_training.Checkpoints()
        checkpoints.identity = _identity(task, trunk)
        try:
            network, table = resumable_training.fit(
                build, training.expand(task.grid), train, validation, data.gene_id, options, task.device, checkpoints
            )
        except resumable_training.NotFinite as error:
            raise InputError(
                f"{error}, or set precision: fp32. The checkpoints of the last good epoch are kept in "
                f"{checkpoints.folder}; with another setting the run begins anew, once that folder is deleted"
            ) from None
        metadata = {
            "trunk": trunk.describe(network.trunk),
            **tasks.described(task),
            "inputs": {name: str(value) for name, value in data.inputs.items()},
            "weights_sha256": trunk.weights_sha256,
        }
        fitted = cls(network, table, metadata)
        fitted.batch_size, fitted.device = task.batch_size, task.device
        fitted.precision = precision_of(settings["precision"], task.device)
        return fitted

    @property
    def backbone(self) -> Backbone:
        """The trunk as it was adapted: what figures of attention look into."""
        return self.network.trunk

    def save(self, path: str | Path) -> None:
        state = {name: value.cpu() for name, value in self.network.state_dict().items()}
        write_tensors(path, FORMAT, {"state": state, "metadata": self.metadata})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The network of a model.pt, on the CPU in eval mode.

        Its metadata: trunk (see Trunk.describe), tissue, inputs, loss, weights_sha256. Raises InputError if the file is
        damaged or its tensors do not fit one another, and where its type of backbone is not here.
        """
        path, saved = Path(path), read_tensors(path, FORMAT)
        metadata = saved["metadata"]
        description = metadata["trunk"]
        trunk = rebuild(description)
        pool = AttentionPool(trunk.embedding_width, len(metadata["tissue"]))
        network = FineTuned(trunk, pool, description["bins"], adaptation.build(description["adaptation"]))
        load_exactly(network, saved["state"], path)
        return cls(network, [], metadata)


def _identity(task: tasks.Task, trunk: Trunk) -> dict[str, Any]:
    """What decides the result of a fit, by name (see resumable_training.Checkpoints)."""
    keys = ("settings", "grid", "batch_size", "max_epochs", "patience", "select_by", "seed")
    return {
        "loss": dict(task.loss.section),
        **{key: getattr(task, key) for key in keys},
        "geometry": {key: getattr(trunk.geometry, key) for key in SHAPE},
        "bins": trunk.bins,
        "backbone": trunk.type,
        "trunk": dict(trunk.settings),
        "adaptation": dict(trunk.adaptation),
        "weights": trunk.weights_sha256,
        "data": _checksum(task.data),
    }


def _checksum(data: tasks.Data) -> str:
    """SHA-256 of the genes, sequences and targets that a fit sees; reading them all first shows damage before work."""
    digest = hashlib.sha256("\n".join(map(str, data.tissue)).encode())
    for name in ("train", "val"):
        split = data.splits[name]
        digest.update("\n".join(map(str, data.gene_id[name])).encode())
        digest.update(np.ascontiguousarray(split.observed))
        for _, encoded in split.features.batches(np.arange(len(split.observed)), 64):
            digest.update(encoded)
    return digest.hexdigest()
