"""A smaller Enformer: enformer-pytorch's plain forward, and ours with cached positions and halved pooling.

    .venv/bin/python benchmarks/enformer.py

Random weights, 49,152 bp. Prints the seconds of both, their ratio and the largest difference.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.backbones import enformer
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry

GEOMETRY = Geometry.centred(sequence_length=49152, bins=224, bin_size=128)
CONFIG = {"dim": 384, "depth": 4, "dim_divisible_by": 32, "target_length": 224, "output_heads": {"human": 5313}}
REPEATS = 3


def fastest(work: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Seconds of the fastest of a few runs, and the result."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def main() -> None:
    torch.manual_seed(0)
    network = enformer.build(CONFIG).eval()
    for name, parameter in network.named_parameters():
        if name.endswith(("to_out.weight", "to_attn_logits.weight")):
            # enformer-pytorch starts these at zero and at the identity, which would hide a difference.
            parameter.data += 0.1 * torch.randn_like(parameter)
    encoded = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (1, GEOMETRY.sequence_length), dtype=np.uint8))
    with torch.inference_mode():
        plain_seconds, plain = fastest(lambda: network(one_hot(encoded), head="human"))
    backbone = enformer.Enformer(network, GEOMETRY).for_inference()
    our_seconds, ours = fastest(lambda: backbone.predict(encoded).tracks)
    print(f"{torch.get_num_threads()} threads, {GEOMETRY.sequence_length:,} bp, {plain.shape[-1]:,} tracks")
    print(f"enformer-pytorch {plain_seconds:.2f} s, ours {our_seconds:.2f} s, ratio {plain_seconds / our_seconds:.2f}")
    print(f"largest difference {(plain - ours).abs().max():.2g}")


if __name__ == "__main__":
    main()
