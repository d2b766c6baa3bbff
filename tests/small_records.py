"""Small data sets in Basenji's format, written by hand: TFRecords of protocol buffers, and the tables beside them."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from crc32c import crc32c


def masked(data: bytes) -> int:
    rotated = int(f"{crc32c(data):032b}"[-15:] + f"{crc32c(data):032b}"[:-15], 2)
    return (rotated + 0xA282EAD8) % 2**32


def record(data: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that is bytes or a message."""
    length, size = len(content), b""
    while length > 127:
        size, length = size + bytes([length % 128 + 128]), length // 128
    return bytes([number * 8 + 2]) + size + bytes([length]) + content


def example(features: Mapping[str, bytes], floats: Sequence[str] = ()) -> bytes:
    """A tf.train.Example; of features named in `floats` a list of floats."""
    entries = b""
    for name, content in features.items():
        feature = field(2 if name in floats else 1, field(1, content))
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def one_hot(encoded: np.ndarray) -> bytes:
    """Encoded bases (base,), 4 for N, as (base, 4) uint8."""
    return (encoded[:, None] == np.arange(4)).astype(np.uint8).tobytes()


def write_file(path: Path, records: Sequence[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zlib.compress(b"".join(map(record, records)), 1))


def write_data_set(
    folder: Path,
    genome: Mapping[str, np.ndarray],
    rows: Sequence[tuple[str, int, str]],
    targets: Sequence[np.ndarray],
    tracks: Sequence[str],
    *,
    length: int,
    pool: int,
    crop: int = 0,
    a_file: int | None = None,
    floats: Sequence[str] = (),
    **statistics: Any,
) -> Path:
    """A folder as basenji_data.py leaves it.

    genome: encoded contigs; rows: (chrom, start, fold) of sequences of `length` bp; targets: a (bin, track) array of
    its type for each; a_file: rows a file, which statistics.json then says.
    """
    folder.mkdir(parents=True)
    lines = [f"{chrom}\t{start}\t{start + length}\t{fold}" for chrom, start, fold in rows]
    (folder / "sequences.bed").write_text("\n".join(lines) + "\n")
    table = [f"{number}\t{track}\tx.bw\t2\t1\tmean\tDNASE:{track}" for number, track in enumerate(tracks)]
    header = "index\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription"
    (folder / "targets.txt").write_text("\n".join([header, *table]) + "\n")
    numbers = {"num_targets": len(tracks), "seq_length": length, "pool_width": pool, "crop_bp": crop}
    numbers["target_length"] = (length - 2 * crop) // pool
    folds: dict[str, list[bytes]] = {}
    for (chrom, start, fold), target in zip(rows, targets, strict=True):
        bases = np.full(length, 4, np.uint8)
        first, last = max(start, 0), min(start + length, len(genome[chrom]))
        bases[first - start : last - start] = genome[chrom][first:last]
        features = {"sequence": one_hot(bases), "target": target.tobytes()}
        folds.setdefault(fold, []).append(example(features, floats))
    for fold, records in folds.items():
        numbers[f"{fold}_seqs"] = len(records)
        size = a_file or 256
        for number, first in enumerate(range(0, len(records), size)):
            write_file(folder / "tfrecords" / f"{fold}-{number}.tfr", records[first : first + size])
    numbers |= ({"seqs_per_tfr": a_file} if a_file else {}) | statistics
    (folder / "statistics.json").write_text(json.dumps(numbers, indent=4))
    return folder
