"""Full-size Beluga over one gene's region: window by window, and in the shared-convolution form that we use.

    .venv/bin/python benchmarks/beluga.py [--precision bf16]

Random weights. Prints the seconds of both, their ratio and the largest difference (at most 1e-6). With `--precision
bf16`, ours is run in float32 and in bfloat16, which pays on a CPU that has instructions for it.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.backbones import beluga
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry

WINDOW = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    given = parser.parse_args()
    torch.manual_seed(0)
    geometry = Geometry.sliding(window=WINDOW, bins=200, bin_size=200)
    network = beluga.Network(window=WINDOW).eval()
    for parameter in network.parameters():
        # Larger weights than PyTorch's start, so that the output varies and a wrong window would show.
        parameter.data *= 2
    encoded = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (1, geometry.sequence_length), dtype=np.uint8))
    backbone = beluga.Beluga(network, geometry)
    if given.precision == "bf16":
        rounded(backbone, encoded)
        return
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
    result("beluga", (middle - started) / (ended - middle))
    print(f"standard deviation between windows {slow.std(0).mean():.2g}")
    print(f"largest difference {(slow - fast).abs().max():.2g}")


def rounded(backbone: beluga.Beluga, encoded: torch.Tensor) -> None:
    """Float32 against bfloat16: seconds, and how far the tracks are apart."""
    seconds, tracks = [], []
    for precision in ("fp32", "bf16"):
        backbone.precision = precision
        backbone.predict(encoded)
        started = time.perf_counter()
        tracks.append(backbone.predict(encoded).tracks)
        seconds.append(time.perf_counter() - started)
    plain, other = tracks
    error = (plain - other).norm(dim=(0, 1)) / plain.norm(dim=(0, 1))
    print(f"float32 {seconds[0]:.2f} s, bfloat16 {seconds[1]:.2f} s; L2 error of a track at most {error.max():.2%}")
    result("beluga_bf16", seconds[0] / seconds[1])


if __name__ == "__main__":
    main()
