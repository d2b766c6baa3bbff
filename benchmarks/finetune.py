"""Unfrozen fine-tuning of Enformer: genes a second, share of the card's matrix rate, validation loss; fp32 and bf16.

    .venv/bin/python benchmarks/finetune.py [--genes N]

On a GPU the network, window and batch are the thesis's, with random weights; on a CPU they are small, and bf16 is slower
than fp32 where the CPU has no instructions for it. Operations are counted in one training step; the matrix rate is that
of one large product in the same precision. Both precisions train on the same genes in the same order.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import sequences
from measured import result

from chrom2expr.backbones.device import choose_device
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned, resumable_training, tasks, training
from chrom2expr.heads.adaptations import AllParameters
from chrom2expr.losses import loss

# network, geometry, tissues
FULL = ({"dim": 1536, "depth": 11, "heads": 8}, Geometry.centred(50048, 391, 128), 218)
DEMO = {"dim": 48, "depth": 1, "heads": 4, "attn_dim_key": 12, "dim_divisible_by": 12}
SMALL = (DEMO, Geometry.centred(8064, 63, 128), 24)
BINS, BATCH, VALIDATION = 10, 2, 16
LOSS = loss.build({"type": "hybrid", "alpha": 1.0, "beta": 1.0})


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of a square matrix product."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, dtype=dtype, device=device)
    for _ in range(3):
        a @ a
    finish(device)
    started, times = time.perf_counter(), 10
    for _ in range(times):
        a @ a
    finish(device)
    return 2 * size**3 * times / (time.perf_counter() - started)


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def make_task(
    store: SequenceStore, observed: np.ndarray, device: torch.device, precision: str, epochs: int
) -> tasks.Task:
    rows = {"train": slice(0, -VALIDATION), "val": slice(-VALIDATION, None)}
    ids = {name: store.gene_id[part] for name, part in rows.items()}
    splits = {name: training.Split(store.select(ids[name]), observed[part]) for name, part in rows.items()}
    tuned = {"weight_decay": 1e-3, "warmup_steps": 10, "gradient_clip": 0.2, "accumulation": 1, "precision": precision}
    return tasks.Task(
        data=tasks.Data(
            splits, ids, np.array([f"tissue{i}" for i in range(observed.shape[1])]), np.array([]), {}, 1e-4
        ),
        loss=LOSS,
        settings={**tuned, "activation_checkpointing": False},
        grid={"learning_rate": [1e-4]},
        batch_size=BATCH,
        max_epochs=epochs,
        patience=epochs,
        select_by="validation_loss",
        seed=1,
        device=device,
    )


def operations(
    trunk: finetuned.Trunk, encoded: np.ndarray, tissues: int, precision: str, device: torch.device
) -> float:
    """Operations of training on one gene."""
    backbone = trunk.load()
    pool = finetuned.AttentionPool(backbone.embedding_width, tissues)
    tuned = finetuned.FineTuned(backbone, pool, BINS, AllParameters(), precision=precision).to(device).train()
    sequences = torch.from_numpy(encoded).to(device)
    with FlopCounterMode(display=False) as counter:
        LOSS(tuned(sequences), torch.zeros(len(encoded), tissues, device=device)).backward()
    return counter.get_total_flops() / len(encoded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, help="training genes; 1,024 on a GPU, where checkpoints take time")
    given, device = parser.parse_args(), choose_device()
    genes = given.genes or (1024 if device.type == "cuda" else 64)
    network, geometry, tissues = FULL if device.type == "cuda" else SMALL
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    encoded = random.integers(0, 4, (genes + VALIDATION, geometry.sequence_length), dtype=np.uint8)
    observed = random.normal(-3, 2, (len(encoded), tissues)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Enformer.build(network, geometry, {}, tracks=8).save(folder)
        sequences.write(folder / "encoded.h5", encoded)
        trunk = finetuned.Trunk("enformer", folder, geometry, BINS, {}, {"type": "all"}, "random weights")
        rates: dict[str, float] = {}
        with SequenceStore([folder / "encoded.h5"], geometry.sequence_length) as store:
            for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                count = operations(trunk, encoded[:BATCH], tissues, precision, device)
                spent, losses = [], []
                for epochs in (1, 2):  # their difference has no start in it
                    task = make_task(store, observed, device, precision, epochs)
                    started = time.perf_counter()
                    with contextlib.redirect_stdout(io.StringIO()):
                        left = resumable_training.Checkpoints(folder / f"{precision}{epochs}")
                        fitted = finetuned.FineTunedBackbone.fit(task, trunk, left)
                    finish(device)
                    spent.append(time.perf_counter() - started)
                    losses.append(fitted.table[0]["validation_loss"])
                    left.remove()
                rate = rates[precision] = genes / (spent[1] - spent[0])
                share = rate * count / matrix_rate(dtype, device)
                print(
                    f"{precision}: {rate:.3g} genes a second, validation and checkpoint of the epoch included, "
                    f"{count / 1e12:.3g} TFLOP a gene, {share:.0%} of the matrix rate; validation loss {losses[1]:.5f}",
                    flush=True,
                )
    result("unfrozen_gpu" if device.type == "cuda" else "unfrozen_bf16", rates["bf16"] / rates["fp32"])


if __name__ == "__main__":
    main()
