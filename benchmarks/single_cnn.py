"""The bundle of single-tissue CNNs against the same networks one after another, reading included, in one run.

One after another is what it would take without a bundle: the loop that trains the multi-tissue CNN, fit_grid, with one
network of one tissue at a time, which reads the store for each. Both train every network for the same epochs from the
same seeds on the same store (page cache), and their validation losses are compared. The gain is the shared reading and
preparation of each batch and fuller cores; the arithmetic of the convolutions stays, so it shrinks as networks widen.
Runs on a GPU where there is one, with networks and inputs of the thesis's width, and wants 10x there.
Run: python benchmarks/single_cnn.py [--threads 2] [--rounds 2]
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.backbones.device import choose_device
from chrom2expr.heads import cnn, single_cnn, tasks, training
from chrom2expr.heads.tasks import Split
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks.store_reader import FeatureStore
from chrom2expr.tracks.store_writer import ShardWriter

GENES, EPOCHS, BATCH = {"train": 64, "val": 32}, 1, 32
# bins, tracks, width, blocks, tissues
SIZES = {"cpu": [(256, 200, 16, 5, 12), (896, 400, 16, 7, 4)], "cuda": [(256, 200, 16, 5, 64), (896, 4675, 128, 7, 32)]}
ENOUGH = {"cpu": 1.5, "cuda": 10}
# On a GPU convolutions round to TF32.
CLOSE = {"cpu": 1e-3, "cuda": 2e-2}


def write_store(path: Path, bins: int, tracks: int) -> FeatureStore:
    random, genes = np.random.default_rng(0), sum(GENES.values())
    with ShardWriter(
        path,
        gene_id=[f"gene{row}" for row in range(genes)],
        strand=np.where(np.arange(genes) % 2, "-", "+"),
        track_id=[f"track{column}" for column in range(tracks)],
        track_type=["chromatin"] * tracks,
        bins=bins,
        bin_size=128,
        provenance={},
    ) as writer:
        for row in range(genes):
            writer.write(row, random.gamma(0.5, 2, (1, bins, tracks)).astype(np.float16))
    return FeatureStore(path)


def make_task(store: FeatureStore, width: int, blocks: int, observed: np.ndarray, device: torch.device) -> tasks.Task:
    parts = np.split(np.arange(len(observed)), [GENES["train"]])
    ids = {name: store.gene_id[rows] for name, rows in zip(GENES, parts, strict=True)}
    splits = {name: Split(store.select(ids[name]), observed[rows]) for name, rows in zip(GENES, parts, strict=True)}
    tissues = np.array([f"tissue{index}" for index in range(observed.shape[1])])
    return tasks.Task(
        data=tasks.Data(splits, ids, tissues, store.track_id, {}, 1e-4),
        loss=Hybrid(alpha=0, beta=1),
        settings={"transform": "log1p", "width": width, "kernel_size": 5, "blocks": blocks, "weight_decay": 0.01},
        # Small, since AdamW blows up rounding: its first steps have the size of the rate, however small the gradient.
        grid={"learning_rate": [1e-5, 1e-4], "dropout": [0.2]},
        batch_size=BATCH,
        max_epochs=EPOCHS,
        patience=EPOCHS,
        select_by="validation_loss",
        seed=1,
        device=device,
    )


def one_after_another(task: tasks.Task) -> list[float]:
    """Every network's validation loss, each from a fit of its own."""
    options, shape = training.TrainingOptions.of(task), task.data.splits["train"].features.shape[1:]
    losses = []
    for column, tissue in enumerate(task.data.tissue):
        train, validation = (
            Split(task.data.splits[name].features, task.data.splits[name].observed[:, [column]])
            for name in ("train", "val")
        )
        seed, start = single_cnn.network_seed(task.seed, tissue), training.target_means(train.observed)
        for point in training.expand(task.grid):
            _, [row] = training.fit_grid(
                lambda point: cnn.MultiTissueCNN.build(shape, 1, task.settings, point, seed, start),
                [point],
                train,
                validation,
                options,
                task.device,
            )
            losses.append(row["validation_loss"])
    return losses


def bundle(task: tasks.Task) -> list[float]:
    return [row["validation_loss"] for row in single_cnn.SingleTissueCNNs.fit(task).table]


def timed(fit, task: tasks.Task) -> tuple[list[float], float]:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        losses = fit(task)
    return losses, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = choose_device()
    ratios = []
    for bins, tracks, width, blocks, tissues in SIZES[device.type]:
        with tempfile.TemporaryDirectory() as folder, write_store(Path(folder) / "store.h5", bins, tracks) as store:
            observed = np.random.default_rng(1).normal(0, 1, (sum(GENES.values()), tissues)).astype(np.float32)
            task = make_task(store, width, blocks, observed, device)
            seconds = {one_after_another: [], bundle: []}
            # Turn about, so that a busy machine slows both.
            for _ in range(given.rounds):
                for fit, spent in seconds.items():
                    losses, took = timed(fit, task)
                    spent.append(took)
                    if fit is one_after_another:
                        expected = losses
            np.testing.assert_allclose(losses, expected, rtol=CLOSE[device.type])
            networks = len(losses)
            alone, together = (float(np.median(spent)) for spent in seconds.values())
            ratios.append(alone / together)
            print(
                f"{networks} networks of width {width} on {bins} bins x {tracks} tracks, {device}, {given.threads} "
                f"threads: {alone:.2f} s one after another, {together:.2f} s as a bundle: {ratios[-1]:.1f}x; largest "
                f"difference of validation losses {np.abs(np.divide(losses, expected) - 1).max():.0e}",
                flush=True,
            )
    result("bundle" if device.type == "cpu" else "bundle_gpu", min(ratios))
    assert min(ratios) >= ENOUGH[device.type], f"less than {ENOUGH[device.type]} times as fast"


if __name__ == "__main__":
    main()
