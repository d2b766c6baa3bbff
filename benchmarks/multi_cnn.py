"""An epoch of the multi-tissue CNN at the thesis's width: reading the store, against the same loop that reads nothing.

    .venv/bin/python benchmarks/multi_cnn.py [--genes 96] [--points 1]

Both train the network of the thesis (896 bins, 4,675 tracks, 218 tissues) by the same steps. One reads its batches from
a store of two shards in the page cache, with checksums, and turns minus-strand genes round; the other is handed one
batch again and again. Runs on a GPU where there is one. Prints seconds of a gene and the share of the second in the
first: 100 % is reading that hides behind computing altogether.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.backbones.device import choose_device
from chrom2expr.genome.features import Features
from chrom2expr.heads import cnn, training
from chrom2expr.losses.hybrid import Hybrid
from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import ShardWriter

BINS, TRACKS, TISSUES, BATCH, ROUNDS = 896, 4675, 218, 32, 2
SETTINGS = {"transform": "log1p", "width": 128, "kernel_size": 5, "blocks": 7}


class OneBatch(Features):
    """The same batch for all rows, which nobody reads."""

    dtype = np.float16

    def __init__(self, batch: np.ndarray, genes: int) -> None:
        self.batch, self.shape = batch, (genes, *batch.shape[1:])

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        raise NotImplementedError

    def where(self, row: int, *place: int) -> str:
        return f"row {row}"

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, self.batch[: len(rows)]


def write_store(folder: Path, genes: int) -> FeatureStore:
    random, shards = np.random.default_rng(0), []
    for number, rows in enumerate(np.array_split(np.arange(genes), 2)):
        shards.append(folder / f"{number}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"gene{row}" for row in rows],
            strand=np.where(rows % 2, "-", "+"),
            track_id=[f"track{column}" for column in range(TRACKS)],
            track_type=["chromatin"] * TRACKS,
            bins=BINS,
            bin_size=128,
            provenance={},
        ) as writer:
            for row in range(len(rows)):
                writer.write(row, random.random((1, BINS, TRACKS), dtype=np.float32).astype(np.float16))
    merge(shards, folder / "store.h5")
    return FeatureStore(folder / "store.h5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=96)
    parser.add_argument("--points", type=int, default=1, help="of the grid, trained side by side from one reading")
    given = parser.parse_args()
    device = choose_device()
    points = [{"learning_rate": 1e-4, "dropout": 0.2}] * given.points
    options = training.TrainingOptions(
        loss=Hybrid(alpha=0, beta=1), batch_size=BATCH, max_epochs=1, patience=1, select_by="validation_loss", seed=1
    )
    observed = np.random.default_rng(1).normal(-3, 2, (given.genes, TISSUES)).astype(np.float32)

    def epoch(features: Features) -> float:
        split = training.Split(features, observed)
        validation = training.Split(OneBatch(features.batches(np.arange(2), 2).__next__()[1], 2), observed[:2])
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            training.fit_grid(
                lambda point: cnn.MultiTissueCNN.build((BINS, TRACKS), TISSUES, SETTINGS, point, 1, observed.mean(0)),
                points,
                split,
                validation,
                options,
                device,
            )
        return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as name, write_store(Path(name), given.genes) as store:
        stored = store.select(store.gene_id)
        loop = OneBatch(stored.read(np.arange(BATCH)), given.genes)
        seconds = {"reading": [], "without": []}
        epoch(loop)
        for _ in range(ROUNDS):  # turn about, so that a busy machine slows both
            seconds["reading"].append(epoch(stored))
            seconds["without"].append(epoch(loop))
    reading, without = (min(spent) for spent in seconds.values())
    print(
        f"{given.genes} genes of {BINS} bins x {TRACKS:,} tracks, {given.points} grid points, {device}, "
        f"{torch.get_num_threads()} threads: {reading / given.genes:.3f} s a gene with reading, "
        f"{without / given.genes:.3f} s without: {without / reading:.0%}"
    )
    result("cnn_epoch", without / reading)


if __name__ == "__main__":
    main()
