"""Our reading of Basenji's records against a plain reader of the same bytes: GB/s of unpacked bytes, and ratios.

The plain reader unpacks the ZLIB stream and walks from record to record, and checks nothing; it does so in one go and
in pieces, and the faster counts. `read` also compares all checksums, and every record's bases with the FASTA; `job` is
all of a group's job: it looks for broken values too, and writes the bins around genes with checksums of their own.
Run: python benchmarks/records.py [records]
"""

import io
import struct
import sys
import tempfile
import time
import zlib
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from chrom2expr.genome import windows
from chrom2expr.genome.sequences import Genome, index_genome
from chrom2expr.tracks.basenji import DataSet
from chrom2expr.tracks.preprocessed_bins import Windows, unpack_group
from chrom2expr.tracks.track_tables import plain_tracks
from small_records import write_data_set

# Sizes of Basenji2's human data.
LENGTH, CROP, POOL, TRACKS = 131_072, 8_192, 128, 5_313
CONTIG, WIDTH = 3_000_000, 896 * 128
ROUNDS, PIECE, GIGA = 5, 1 << 20, 1e9
ENOUGH = 0.5


def write(folder: Path, count: int, step: float) -> None:
    """A genome, and `count` records of it, whose values are multiples of `step`: the larger, the better they pack."""
    rng = np.random.default_rng(0)
    bases = rng.integers(0, 4, CONTIG, dtype=np.uint8)
    text = windows.decode(bases)
    lines = "".join(f"{text[at : at + 60]}\n" for at in range(0, CONTIG, 60))
    (folder / "raw.fa").write_text(f">chr1\n{lines}", encoding="utf-8")
    index_genome(folder / "raw.fa", folder / "genome.fa", folder / "genome.json")
    rows = [("chr1", int(start), "train") for start in rng.integers(0, CONTIG - LENGTH, count)]
    bins = (LENGTH - 2 * CROP) // POOL
    targets = [(np.round(rng.gamma(0.7, 1, (bins, TRACKS)) / step) * step).astype(np.float16) for _ in rows]
    names = [f"t{number}" for number in range(TRACKS)]
    write_data_set(folder / "data", {"chr1": bases}, rows, targets, names, length=LENGTH, pool=POOL, crop=CROP)


def at_once(path: Path) -> int:
    """Bytes of a file, unpacked whole and walked."""
    data = zlib.decompress(path.read_bytes())
    at = 0
    while at < len(data):
        at += 16 + struct.unpack_from("<Q", data, at)[0]
    return at


def in_pieces(path: Path) -> int:
    """Bytes of a file, unpacked and walked piece by piece."""
    stream, count, left, head = zlib.decompressobj(), 0, 0, b""
    with open(path, "rb", buffering=0) as file:
        while packed := stream.unconsumed_tail or file.read(PIECE):
            piece = stream.decompress(packed, PIECE)
            count, at = count + len(piece), 0
            while at < len(piece):
                if left:
                    step = min(left, len(piece) - at)
                    at, left = at + step, left - step
                    continue
                head += (part := piece[at : at + 8 - len(head)])
                at += len(part)
                if len(head) == 8:
                    left, head = struct.unpack("<Q", head)[0] + 8, b""
    return count


def clocked(function, *arguments) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def measure(folder: Path, count: int, step: float) -> None:
    """Print a line of the table."""
    write(folder, count, step)
    path = folder / "data" / "tfrecords" / "train-0.tfr"
    size = at_once(path)
    assert in_pieces(path) == size
    data = DataSet(folder / "data", Genome(folder / "genome.fa"))
    start = np.random.default_rng(1).integers(0, CONTIG - WIDTH, 20)  # about as dense as in the human genome
    around = Windows(np.full(20, "chr1"), start, WIDTH)
    given = (data, plain_tracks(data.track_id.tolist()), "error", 0, 1, around, folder / "kept.h5")
    rounds = []
    for _ in range(ROUNDS):
        plain = min(clocked(at_once, path), clocked(in_pieces, path))
        with redirect_stdout(io.StringIO()):
            job = clocked(unpack_group, *given, {"assembly": "x", "genome_sha256": "x"})
        rounds.append((plain, clocked(lambda: [None for _ in data.read(data.files[0])]), job))
    plain, read, job = np.median(rounds, axis=0)
    cells = [f"{path.stat().st_size / size:.0%}", f"{size / GIGA / plain:.2f}"]
    cells += [f"{size / GIGA / took:.2f} {plain / took:.0%}" for took in (read, job)]
    print("".join(f"{cell:>12}" for cell in cells), flush=True)
    assert min(plain / read, plain / job) >= ENOUGH, f"less than {ENOUGH:.0%} of a plain reader's rate"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    print(f"{count} records of {LENGTH:,} bp and {TRACKS:,} tracks; GB/s, median of {ROUNDS}; % of plain")
    print("".join(f"{name:>12}" for name in ("packed to", "plain", "read", "job")))
    for step in (1e-3, 0.5):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), count, step)


if __name__ == "__main__":
    main()
