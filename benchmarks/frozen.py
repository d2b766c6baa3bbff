"""Training on a frozen trunk with all four losses: from embeddings computed once, and running the trunk every epoch.

The demo's network, window, genes, batches and epochs; random weights and sequences. Both ways are files to fitted
heads: one embeds every gene into a feature store and fits four heads from it, the other trains the same heads with the
trunk, in eval mode and without gradients, in front of them. Of the other way one epoch of one loss is run, after a
first one to warm up, and multiplied: all its epochs are alike. The losses of that epoch are compared. A larger network
gains more, and so do larger batches: most of the time of small ones is what every step costs.
Run: python benchmarks/frozen.py [--threads 1]
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import sequences
from measured import result

from chrom2expr.backbones import embedding
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned, tasks, training
from chrom2expr.heads.frozen_trunk import FrozenTrunk
from chrom2expr.losses import loss
from chrom2expr.tracks.store_reader import FeatureStore

CPU = torch.device("cpu")
NETWORK = {"dim": 48, "depth": 1, "heads": 4, "attn_dim_key": 12, "dim_divisible_by": 12, "dropout_rate": 0.05}
GEOMETRY, BINS, TISSUES = Geometry.centred(8064, 63, 128), 10, 24
GENES = {"train": 760, "val": 70, "test": 70}
LOSSES = [loss.build({"type": "hybrid", "alpha": alpha, "beta": 1}) for alpha in (0, 1, 10, 100)]
BATCH, EPOCHS, ENOUGH = 4, 30, 10


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        result = work()
    return time.perf_counter() - started, result


def make_task(store: SequenceStore | FeatureStore, select: Callable, observed: np.ndarray) -> tasks.Task:
    rows = dict(zip(GENES, np.split(np.arange(len(observed)), np.cumsum([*GENES.values()])[:-1]), strict=True))
    ids = {name: store.gene_id[part] for name, part in rows.items()}
    splits = {name: training.Split(select(ids[name]), observed[part]) for name, part in rows.items()}
    tissues = np.array([f"tissue{index}" for index in range(TISSUES)])
    return tasks.Task(
        data=tasks.Data(splits, ids, tissues, np.array([]), {}, 1e-4),
        loss=LOSSES[1],
        settings={"weight_decay": 1e-3, "warmup_steps": 100, "gradient_clip": 0.2, "accumulation": 1}
        | {"precision": "fp32", "activation_checkpointing": False},
        grid={"learning_rate": [1e-3]},
        batch_size=BATCH,
        max_epochs=EPOCHS,
        patience=EPOCHS,
        select_by="validation_loss",
        seed=1,
        device=CPU,
    )


def with_trunk(task: tasks.Task, weights: Path, epochs: int) -> list[dict[str, Any]]:
    """The table of a head trained with the frozen trunk in front of it."""
    trunk = finetuned.Trunk("enformer", weights, GEOMETRY, BINS, {}, {"type": "frozen"}, "random weights")
    return finetuned.FineTunedBackbone.fit(replace(task, max_epochs=epochs), trunk).table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    random, genes = np.random.default_rng(0), sum(GENES.values())
    observed = random.normal(-3, 2, (genes, TISSUES)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Enformer.build(NETWORK, GEOMETRY, {}, tracks=48).save(folder)
        encoded = random.integers(0, 4, (genes, GEOMETRY.sequence_length), dtype=np.uint8)
        sequences.write(folder / "encoded.h5", encoded)
        embed = {"geometry": GEOMETRY, "bins": BINS, "batch_size": BATCH, "provenance": {}, "device": CPU}
        embed["reverse_complement"] = False

        def from_store() -> list[dict[str, Any]]:
            backbone = Enformer.load(folder, GEOMETRY, {}).for_inference()
            embedding.embed_shard(backbone, folder / "encoded.h5", folder / "store.h5", **embed)
            with FeatureStore(folder / "store.h5") as store:
                task = make_task(store, lambda ids: store.select(ids, "embedding"), observed)
                return [FrozenTrunk.fit(replace(task, loss=one)).table[0] for one in LOSSES]

        with SequenceStore([folder / "encoded.h5"], GEOMETRY.sequence_length) as stored:
            task = make_task(stored, stored.select, observed)
            timed(lambda: with_trunk(task, folder, epochs=1))
            an_epoch, [slow] = timed(lambda: with_trunk(task, folder, epochs=1))
        once, table = timed(from_store)
        with FeatureStore(folder / "store.h5") as store:
            one = make_task(store, lambda ids: store.select(ids, "embedding"), observed)
            _, [quick] = timed(lambda: FrozenTrunk.fit(replace(one, max_epochs=1)).table)
    # The store rounds the embedding to float16.
    np.testing.assert_allclose(quick["validation_loss"], slow["validation_loss"], rtol=1e-3)
    epochs = sum(row["epochs"] for row in table)
    every = an_epoch * epochs
    print(
        f"{genes} genes of {GEOMETRY.sequence_length:,} bp, four losses, {epochs} epochs in all, batches of {BATCH}, "
        f"{torch.get_num_threads()} threads: {once:.1f} s from embeddings computed once, {an_epoch:.1f} s an epoch or "
        f"{every:.0f} s with the trunk in every epoch: {every / once:.0f}x; validation loss after one epoch "
        f"{quick['validation_loss']:.6f} and {slow['validation_loss']:.6f}"
    )
    result("frozen", every / once)
    assert every >= ENOUGH * once, f"less than {ENOUGH} times as fast"


if __name__ == "__main__":
    main()
