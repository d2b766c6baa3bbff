"""Attention of the TSS at the thesis's size: one gene, 50,048 bp, through an Enformer as large as the published one.

    .venv/bin/python benchmarks/attention.py

Random weights, on the GPU if there is one. Prints the seconds and the peak of memory above the model, and fails above
3 GiB. The whole maps of 11 layers and 8 heads, which are never held together, would take 54 MB (830 MB at 196,608 bp).
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.backbones import attention
from chrom2expr.backbones.device import choose_device
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.genome.windows import Geometry

GEOMETRY = Geometry.centred(sequence_length=50048, bins=391, bin_size=128)
TRACKS = 5313
LIMIT = 3 * 2**30


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, or VmHWM, the most since the mark was set."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith(f"{name}:")
    )
    return int(line.split()[1]) * 1024


def main() -> None:
    device = choose_device()
    torch.manual_seed(0)
    backbone = Enformer.build({}, GEOMETRY, {}, TRACKS).to(device)
    encoded = np.random.default_rng(0).integers(0, 5, (1, GEOMETRY.sequence_length), dtype=np.uint8)
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text(
            "5", encoding="ascii"
        )  # sets the mark of the peak to what is in memory now
    started = time.perf_counter()
    row = backbone.attend(torch.from_numpy(encoded).to(device), attention.tss_bin(GEOMETRY)).cpu()
    seconds = time.perf_counter() - started
    peak = (torch.cuda.max_memory_allocated() if device.type == "cuda" else resident("VmHWM")) - before
    print(f"{GEOMETRY.sequence_length:,} bp, {row.shape[1]} bins, row sums to {row.sum():.6f}")
    print(f"{seconds:.1f} s; peak above the model {peak / 2**30:.2f} GiB, at most {LIMIT / 2**30:.0f} GiB wanted")
    if peak > LIMIT:
        raise SystemExit("too much memory")


if __name__ == "__main__":
    main()
