"""Training's reads from the feature store against plain reads of the same files by one thread, warm and cold.

Warm, from the page cache, this compares the work that is done on every byte (checksum, copy, turning minus-strand genes
round) with none, by two plain reads: `passing`, into a MiB that is used again, so that what is read is never kept; and
`kept`, into a batch's memory, the faster of reading right there and of copying from that MiB. Cold, the files are
dropped from the page cache first, and the disk decides. Run: python benchmarks/store.py [folder on the disk to measure]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.tracks.store_reader import FeatureStore, merge
from chrom2expr.tracks.store_writer import ShardWriter

BATCH, PASSES, ROUNDS = 32, 30, 3
# The files are read once when they are cold: the first touch of large batches' memory would take longer than the disk.
COLD_BATCH = 2
MIB, GIGA = 1 << 20, 1e9


def write(folder: Path, genes: int, bins: int, tracks: int, by: str) -> Path:
    """A store of four shards, of genes or of tracks, with an eighth of the tracks CAGE."""
    values = np.random.default_rng(0).random((1, bins, tracks), dtype=np.float32).astype(np.float16)
    kinds = np.where(np.arange(tracks) < tracks * 7 // 8, "chromatin", "cage")
    shards = []
    for number in range(4):
        rows = np.array_split(np.arange(genes), 4)[number] if by == "genes" else np.arange(genes)
        columns = np.array_split(np.arange(tracks), 4)[number] if by == "tracks" else np.arange(tracks)
        shards.append(folder / by / f"{number}.h5")
        with ShardWriter(
            shards[-1],
            gene_id=[f"g{gene}" for gene in rows],
            strand=np.where(rows % 2, "-", "+"),
            track_id=[f"t{column}" for column in columns],
            track_type=kinds[columns],
            bins=bins,
            bin_size=128,
            provenance={},
        ) as writer:
            for row in range(len(rows)):
                writer.write(row, values[:, :, columns])
    merge(shards, folder / f"{by}.h5")
    return folder / f"{by}.h5"


def plain(folder: Path, buffer: np.ndarray, target: np.ndarray | None = None) -> float:
    """Bytes a second of reading the shards from end to end into `buffer`, and from there into `target`, if given."""
    count = place = 0
    started = time.perf_counter()
    for path in sorted(folder.iterdir()):
        with open(path, "rb", buffering=0) as file:
            while read := file.readinto(buffer):
                count += read
                if target is not None:
                    place = place + read if place + 2 * read <= len(target) else 0
                    target[place : place + read] = buffer[:read]
    return count / (time.perf_counter() - started)


def training(path: Path, kind: str, bins: int | None = None, passes: int = PASSES, batch_size: int = BATCH) -> float:
    """Bytes a second of bins read from the files, all tracks of them, in an epoch of `passes` over the genes.

    Tracks that are not asked for are read and checked all the same.
    """
    random = np.random.default_rng(1)
    with FeatureStore(path) as store:
        selection = store.select(store.gene_id, kind, bins=bins)
        order = np.concatenate([random.permutation(len(store.gene_id)) for _ in range(passes)])
        read = len(order) * selection.shape[1] * len(store.track_id) * 2
        started = time.perf_counter()
        for _, batch in selection.batches(order, batch_size):
            del batch
        return read / (time.perf_counter() - started)


def cold(folder: Path, measure: Callable[[], float]) -> float:
    """`measure` after the files' pages have been written and dropped."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return measure()


def measure(path: Path, bins: int, tracks: int) -> list[float]:
    """One round, in the order of the table's columns."""
    shards, buffer = path.with_suffix(""), np.zeros(MIB, np.uint8)
    batch = np.ones(BATCH * bins * tracks * 2, np.uint8)
    return [
        plain(shards, buffer),
        max(plain(shards, batch), plain(shards, buffer, batch)),
        training(path, "all"),
        training(path, "chromatin"),
        training(path, "all", bins // 4),
        cold(shards, lambda: plain(shards, buffer)),
        cold(shards, lambda: training(path, "all", passes=1, batch_size=COLD_BATCH)),
    ]


def main() -> None:
    print(
        f"Batches of {BATCH} genes, random order; GB/s, median of {ROUNDS}; % of kept / of passing; cold, of cold plain"
    )
    names = ("passing", "kept", "all tracks", "chromatin", "central bins", "cold plain", "cold all")
    print(f"{'bins x tracks':>14}{'shards by':>10}" + "".join(f"{name:>16}" for name in names))
    for genes, bins, tracks in ((64, 896, 5313), (512, 200, 2002)):
        for by in ("genes", "tracks"):
            with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
                path = write(Path(folder), genes, bins, tracks, by)
                rates = np.median([measure(path, bins, tracks) for _ in range(ROUNDS)], axis=0) / GIGA
            passing, kept, *warm, cold_plain, cold_all = rates
            cells = [f"{passing:.2f}", f"{kept:.2f}"]
            cells += [f"{rate:.2f} {rate / kept:.0%}/{rate / passing:.0%}" for rate in warm]
            cells += [f"{cold_plain:.2f}", f"{cold_all:.2f} {cold_all / cold_plain:.0%}"]
            print(f"{f'{bins} x {tracks}':>14}{by:>10}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
