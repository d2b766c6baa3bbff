"""The full-size Enformer: enformer-pytorch's plain forward, ours, and the rate at which the device multiplies matrices.

    .venv/bin/python benchmarks/enformer.py [--bp 196608] [--repeats 2] [--precision fp32] [--device cuda --batch 8]
        [--store 256]

Random weights. Prints the seconds of both, their ratio, the largest difference, and what ours reaches of the rate of
one large product on as many threads, in the same precision; the operations are counted, not estimated. The plain
forward computes in float32, one sequence at a time. With `--precision bf16` ours computes in bfloat16. With `--store`,
also the seconds of a sequence where so many are read from a file and their tracks are written to the feature store. A
smaller window is quicker to try: 49152.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import sequences
from measured import result

from chrom2expr.backbones import enformer, predicting
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry

CROPPED, BIN, TRACKS = 640, 128, 5313
SIDE = 4096


def fastest(work: Callable[[], torch.Tensor], repeats: int) -> tuple[float, torch.Tensor]:
    """Seconds of the fastest of a few runs, and what the last gave."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = work()
        if found.is_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds), found


def matrix_rate(device: torch.device, precision: str, repeats: int) -> float:
    """Operations a second of one large product."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = torch.randn(2, SIDE, SIDE, dtype=dtype, device=device)
    seconds, _ = fastest(lambda: one @ other, repeats + 2)
    return 2 * SIDE**3 / seconds


def stored(backbone: enformer.Enformer, genes: int, batch: int, device: torch.device) -> float:
    """Seconds of a sequence, from a file of them to a shard of the feature store."""
    geometry = backbone.geometry
    with tempfile.TemporaryDirectory() as name:
        drawn = np.random.default_rng(1).integers(0, 5, (genes, geometry.sequence_length), dtype=np.uint8)
        sequences.write(Path(name) / "encoded.h5", drawn)
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            predicting.predict_shard(
                backbone,
                Path(name) / "encoded.h5",
                Path(name) / "store.h5",
                tracks=pd.DataFrame(
                    {"track_id": [f"track{track}" for track in range(TRACKS)], "track_type": "chromatin"}
                ),
                geometry=geometry,
                batch_size=batch,
                reverse_complement=False,
                central_bins=0,
                provenance={},
                device=device,
            )
        return (time.perf_counter() - started) / genes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bp", type=int, default=196_608)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, default=1, help="sequences that ours takes at a time")
    parser.add_argument("--store", type=int, default=0, metavar="GENES", help="write the tracks of so many, too")
    given = parser.parse_args()
    device = torch.device(given.device)
    # As many bins are cropped at full length as the published network crops; of a shorter window, none.
    bins = given.bp // BIN
    geometry = Geometry.centred(given.bp, bins - CROPPED if bins > 2 * CROPPED else bins, BIN)
    torch.manual_seed(0)
    network = enformer.build({"target_length": geometry.bins, "output_heads": {"human": TRACKS}})
    network = network.eval().to(device)
    for name, parameter in network.named_parameters():
        if name.endswith(("to_out.weight", "to_attn_logits.weight")):
            # enformer-pytorch starts these at zero and at the identity, which would hide a difference.
            parameter.data += 0.02 * torch.randn_like(parameter)
    random = np.random.default_rng(0)
    encoded = torch.from_numpy(random.integers(0, 5, (given.batch, given.bp), dtype=np.uint8)).to(device)
    with torch.inference_mode():
        plain_seconds, plain = fastest(lambda: network(one_hot(encoded[:1]), head="human"), given.repeats)
    backbone = enformer.Enformer(network, geometry)
    backbone.precision = given.precision
    backbone = backbone.for_inference()
    with FlopCounterMode(display=False) as counted:
        backbone.predict(encoded)
    our_seconds, ours = fastest(lambda: backbone.predict(encoded).tracks, given.repeats)
    our_seconds, ours = our_seconds / given.batch, ours[:1]
    rate, operations = matrix_rate(device, given.precision, given.repeats), counted.get_total_flops() / given.batch
    print(
        f"{device}, {torch.get_num_threads()} threads, {given.bp:,} bp, {geometry.bins} bins, {operations / 1e12:.2f} TFLOP"
    )
    print(
        f"a sequence: enformer-pytorch {plain_seconds:.2f} s, ours {our_seconds:.2f} s, ratio {plain_seconds / our_seconds:.2f}"
    )
    error = (plain - ours).norm(dim=(0, 1)) / plain.norm(dim=(0, 1))
    print(f"largest difference {(plain - ours).abs().max():.2g}, standard deviation {plain.std():.2g}")
    print(f"L2 error of a track {error.mean():.2%} on average, {error.max():.2%} at most")
    print(
        f"one product of {SIDE:,} x {SIDE:,}: {rate / 1e9:.0f} GFLOP/s; ours {operations / our_seconds / 1e9:.0f}, "
        f"{operations / our_seconds / rate:.0%} of it"
    )
    share = operations / our_seconds / rate
    if device.type == "cuda":
        result("enformer_gpu", plain_seconds / our_seconds)
        result("enformer_gpu_rate", share)
    elif given.precision == "fp32":
        result("enformer_fp32", share)
    else:
        result("enformer_bf16", plain_seconds / our_seconds)
    if given.store:
        with_store = stored(backbone, given.store, given.batch, device)
        print(f"{given.store} sequences read, and their tracks written: {with_store:.2f} s a sequence")
        if device.type == "cuda":
            result("enformer_gpu_store", our_seconds / with_store)


if __name__ == "__main__":
    main()
