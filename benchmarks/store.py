"""Training's reads from the feature store against a raw sequential read of the same files.

Both read from the page cache, so this compares the work that is done on every byte (checksum, copy, turning minus-
strand genes round) with none; a disk slower than the rates below hides that work. Run: python benchmarks/store.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.reader import FeatureStore, merge
from chrom2expr.store import ShardWriter

GENES, BATCH, ROUNDS = 32, 8, 3
GIGA = 1e9


def write(folder: Path, bins: int, tracks: int, by: str) -> Path:
    """A store of four shards, of genes or of tracks, with an eighth of the tracks CAGE."""
    values = np.random.default_rng(0).random((1, bins, tracks), dtype=np.float32).astype(np.float16)
    kinds = np.where(np.arange(tracks) < tracks * 7 // 8, "chromatin", "cage")
    shards = []
    for number in range(4):
        genes = np.array_split(np.arange(GENES), 4)[number] if by == "genes" else np.arange(GENES)
        columns = np.array_split(np.arange(tracks), 4)[number] if by == "tracks" else np.arange(tracks)
        shards.append(folder / by / f"{number}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"g{gene}" for gene in genes],
            strand=np.where(genes % 2, "-", "+"),
            track_id=[f"t{column}" for column in columns],
            track_type=kinds[columns],
            bins=bins,
            bin_size=128,
            provenance={},
        ) as writer:
            for row in range(len(genes)):
                writer.write(row, values[:, :, columns])
    merge(shards, folder / f"{by}.h5")
    return folder / f"{by}.h5"


def raw(folder: Path) -> float:
    """Bytes a second of reading the shards from one end to the other, a batch's worth at a time."""
    buffer, count, started = bytearray(64 << 20), 0, time.perf_counter()
    for path in sorted(folder.iterdir()):
        with open(path, "rb", buffering=0) as file:
            while read := file.readinto(buffer):
                count += read
    return count / (time.perf_counter() - started)


def training(path: Path, kind: str) -> float:
    """Bytes a second of one epoch in random order."""
    with FeatureStore(path) as store:
        selection = store.select(store.gene_id, kind)
        order = np.random.default_rng(1).permutation(GENES)
        started = time.perf_counter()
        for _, batch in selection.batches(order, BATCH):
            del batch
        return selection.bytes_read / (time.perf_counter() - started)


def main() -> None:
    print(f"{GENES} genes, batches of {BATCH}, random order; GB/s, median of {ROUNDS}, and the ratio to the raw read")
    print(f"{'bins x tracks':>15} {'shards by':>10}{'raw':>8}{'all tracks':>18}{'chromatin':>18}")
    for bins, tracks in ((896, 5313), (200, 2002)):
        for by in ("genes", "tracks"):
            with tempfile.TemporaryDirectory() as folder:
                path = write(Path(folder), bins, tracks, by)
                rounds = [
                    (raw(path.with_suffix("")), training(path, "all"), training(path, "chromatin"))
                    for _ in range(ROUNDS)
                ]
            whole, *epochs = np.median(rounds, axis=0)
            shown = "".join(f"{epoch / GIGA:11.2f} {epoch / whole:6.0%}" for epoch in epochs)
            print(f"{f'{bins} x {tracks}':>15} {by:>10}{whole / GIGA:8.2f}{shown}")


if __name__ == "__main__":
    main()
