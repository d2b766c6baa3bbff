"""A small Enformer with its weights folder, sequence shards and targets: what fine-tuning's tests start from."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from snakemake.iocontainers import Namedlist

import scripts
from checked_files import write_checked
from chrom2expr.backbones import enformer
from chrom2expr.genome.sequence_store import FORMAT
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned, resumable_training, tasks
from chrom2expr.losses.loss import Loss, build
from made_files import write_expression, write_split

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
# The shards hold more than the window, as they do for the thesis.
STORED = 96
GEOMETRY = Geometry.centred(sequence_length=72, bins=9, bin_size=8)
BINS = 4
SPLITS = ["train"] * 11 + ["val"] * 4 + ["test"] * 3
TISSUES = 5
CONFIG = {
    "dim": 24,
    "depth": 1,
    "num_downsamples": 3,
    "heads": 2,
    "attn_dim_key": 4,
    "dim_divisible_by": 4,
    "target_length": 9,
    "output_heads": {"human": 9, "mouse": 3},
    "dropout_rate": 0,
    "attn_dropout": 0,
    "pos_dropout": 0,
}
DROPOUT = {"dropout_rate": 0.2, "attn_dropout": 0.1, "pos_dropout": 0.1}
SETTINGS = {
    "weight_decay": 1e-3,
    "warmup_steps": 3,
    "gradient_clip": 0.2,
    "accumulation": 1,
    "precision": "auto",
    "activation_checkpointing": False,
}


def network(**changes):
    """A network in which no layer is zero or the identity, and whose BatchNorm has seen a batch."""
    torch.manual_seed(0)
    net = enformer.build({**CONFIG, **changes})
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("to_out.weight", "to_attn_logits.weight", "to_rel_k.weight")):
                parameter += 0.15 * torch.randn_like(parameter)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.momentum = 1.0
        net.train()(torch.eye(4)[torch.randint(0, 4, (2, GEOMETRY.sequence_length))])
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.momentum = 0.1
    return net


def loss(alpha: float, beta: float) -> Loss:
    """The hybrid loss, as the config gives it."""
    return build({"type": "hybrid", "alpha": alpha, "beta": beta})


def fit(task, trunk, folder, gpus: int = 1) -> tuple[finetuned.FineTunedBackbone, resumable_training.Checkpoints]:
    """Fine-tune; the fitted head, and the checkpoints that are left in `folder`."""
    checkpoints = resumable_training.Checkpoints(folder)
    return finetuned.FineTunedBackbone.fit(task, trunk, checkpoints, gpus), checkpoints


def load(path: Path) -> tuple[finetuned.FineTuned, dict]:
    """The network and the metadata of a model.pt."""
    head = finetuned.FineTunedBackbone.load(path)
    return head.network, head.metadata


class Files:
    """Everything a run reads, in `folder`, and the `snakemake` objects of the scripts."""

    def __init__(self, folder: Path, **changes) -> None:
        self.folder, random = folder, np.random.default_rng(3)
        enformer.save(network(**changes), folder / "weights")
        self.gene_id = [f"gene{row}" for row in range(len(SPLITS))]
        self.encoded = random.integers(0, 5, (len(SPLITS), STORED), dtype=np.uint8)
        self.observed = random.normal(-3, 2, (len(SPLITS), TISSUES)).astype(np.float32)
        self.observed[2, 1], self.observed[5] = np.nan, np.nan
        self.shards = [folder / "000.h5", folder / "001.h5"]
        self.write_sequences()
        write_split(folder / "split.tsv", self.gene_id, SPLITS)
        self.write_expression()

    def write_sequences(self) -> None:
        for shard, rows in zip(self.shards, np.array_split(np.arange(len(SPLITS)), 2), strict=True):
            labels = {"gene_id": [self.gene_id[row] for row in rows], "strand": ["+-"[row % 2 - 1] for row in rows]}
            attributes = {"assembly": "grch38", "genome_sha256": "abc"}
            write_checked(shard, FORMAT, attributes, ["encoded"], encoded=self.encoded[rows], **labels)

    def write_expression(self) -> None:
        tissues = [f"tissue{index}" for index in range(TISSUES)]
        write_expression(self.folder / "expression.h5", self.observed, self.gene_id, tissues)

    def data(self) -> tasks.Data:
        genes, expression = self.folder / "split.tsv", self.folder / "expression.h5"
        return finetuned.read_data(self.shards, genes, expression, "window", GEOMETRY)

    def task(self, data: tasks.Data | None = None, **changes) -> tasks.Task:
        """A task on these files; a key of SETTINGS among `changes` replaces it there."""
        settings = {key: changes.pop(key, value) for key, value in SETTINGS.items()}
        keys = {"batch_size": 2, "max_epochs": 3, "patience": 3, "select_by": "validation_loss", "seed": 1}
        keys |= {"loss": loss(1, 1), "grid": {"learning_rate": [1e-3]}, "settings": settings}
        return tasks.Task(**{"data": data or self.data(), "device": torch.device("cpu"), **keys, **changes})

    def trunk(self, **changes) -> finetuned.Trunk:
        keys = {"type": "enformer", "weights": self.folder / "weights", "geometry": GEOMETRY, "bins": BINS}
        keys |= {"settings": {}, "adaptation": {"type": "all"}, "weights_sha256": "weights"}
        return finetuned.Trunk(**{**keys, **changes})

    def job(self, folder: Path, **changes) -> SimpleNamespace:
        """The snakemake object of the rule finetune_backbone, its outputs in `folder`."""
        task = self.task(**changes)
        folder.mkdir(exist_ok=True)
        made = {"model": "model.pt", "grid": "grid.tsv", "predictions": "predictions.h5", "summary": "summary.json"}
        weights = [str(self.folder / "weights" / name) for name in ("config.json", "pytorch_model.bin")]
        given = {"split": "split.tsv", "expression": "expression.h5"}
        keys = ("settings", "grid", "batch_size", "max_epochs", "patience", "select_by", "seed")
        geometry = {"sequence_length": GEOMETRY.sequence_length, "bins": GEOMETRY.bins, "bin_size": GEOMETRY.bin_size}
        return SimpleNamespace(
            input=SimpleNamespace(
                encoded=[str(shard) for shard in self.shards],
                weights=Namedlist(weights),
                **{name: str(self.folder / file) for name, file in given.items()},
            ),
            output=SimpleNamespace(**{name: str(folder / file) for name, file in made.items()}),
            params=scripts.params(
                type="finetuned",
                source="window",
                bins=BINS,
                trunk={},
                backbone_type="enformer",
                adaptation={"type": "all"},
                **{key: getattr(task, key) for key in keys},
                loss=dict(task.loss.section),
                devices=task.devices,
                geometry=geometry,
            ),
            threads=1,
            resources=SimpleNamespace(gpu=1, allow_cpu=0, owner_stale_after=60),
            log=[str(folder / "log.txt")],
        )


def run(script: str, snakemake: SimpleNamespace) -> None:
    """Run a script as Snakemake does."""
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": snakemake})
    finally:
        torch.set_num_threads(threads)
