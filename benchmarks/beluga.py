"""Full-size Beluga over one gene's region: window by window, and in the shared-convolution form that we use.

    .venv/bin/python benchmarks/beluga.py

Random weights. Prints the seconds of both, their ratio (at least 4 is asked for) and the largest difference (at most
1e-6).
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.backbones import beluga
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry

WINDOW = 2000


def main() -> None:
    torch.manual_seed(0)
    geometry = Geometry.sliding(window=WINDOW, bins=200, bin_size=200)
    network = beluga.Network(window=WINDOW).eval()
    for parameter in network.parameters():
        # Larger weights than PyTorch's start, so that the output varies and a wrong window would show.
        parameter.data *= 2
    encoded = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (1, geometry.sequence_length), dtype=np.uint8))
    backbone = beluga.Beluga(network, geometry)
    region = one_hot(encoded, beluga.CHANNELS).transpose(1, 2).unsqueeze(2)
    with torch.inference_mode():
        started = time.perf_counter()
        starts = range(0, geometry.bins * geometry.bin_size, geometry.bin_size)
        slow = torch.cat([network(region[..., start : start + WINDOW]) for start in starts])
        middle = time.perf_counter()
        fast = backbone.predict(encoded).tracks[0]
        ended = time.perf_counter()
    print(f"{torch.get_num_threads()} threads, {len(starts)} windows of {WINDOW:,} bp, {slow.shape[1]:,} tracks")
    print(f"window by window {middle - started:.2f} s, shared convolutions {ended - middle:.2f} s")
    print(f"ratio {(middle - started) / (ended - middle):.1f}")
    print(f"standard deviation between windows {slow.std(0).mean():.2g}")
    print(f"largest difference {(slow - fast).abs().max():.2g}")


if __name__ == "__main__":
    main()
