"""Attention of the TSS at the thesis's size, 50,048 bp, through an Enformer as large as the published one.

    .venv/bin/python benchmarks/attention.py [--genes 8]

Random weights, on the GPU if there is one. Ours keeps a row of each gene; the other way is enformer-pytorch's forward
with hooks, which keeps all maps of 11 layers and 8 heads (54 MB a gene, 830 MB at 196,608 bp) until the rows are taken
from them at the end. Prints seconds and the peak of memory above the model of both, and the largest difference. The
memory of the thesis's 420 test genes is that of ours and what their maps take: few genes are run, and theirs are counted.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.backbones import attention, enformer
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.backbones.device import choose_device
from chrom2expr.genome.windows import Geometry

GEOMETRY = Geometry.centred(sequence_length=50048, bins=391, bin_size=128)
TRACKS, TEST_GENES = 5313, 420


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, or VmHWM, the most since the mark was set."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def watched(work: Callable[[], torch.Tensor], device: torch.device) -> tuple[torch.Tensor, float, int]:
    """What comes out, the seconds, and the peak of memory above what was there before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        before = resident("VmRSS")
        # Sets the mark of the peak to what is in memory now.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    started = time.perf_counter()
    found = work().cpu()
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else resident("VmHWM")
    return found, seconds, peak - before


@torch.inference_mode()
def with_full_maps(network: enformer.Network, genes: torch.Tensor, query: int) -> torch.Tensor:
    """Rows of attention (gene, bin) by enformer-pytorch's forward, every map kept."""
    kept: list[torch.Tensor] = []
    hooks = [
        layer[0].fn[1].attn_dropout.register_forward_hook(lambda _, given, __: kept.append(given[0]))
        for layer in network.transformer
    ]
    for gene in genes:
        network(one_hot(gene[None]), return_only_embeddings=True)
    for hook in hooks:
        hook.remove()
    rows = torch.stack([maps[0, :, query].mean(0) for maps in kept])
    return rows.reshape(len(genes), len(hooks), -1).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=8)
    given = parser.parse_args()
    device, query = choose_device(), attention.tss_bin(GEOMETRY)
    torch.manual_seed(0)
    network = enformer.build_for(GEOMETRY, {"output_heads": {"human": TRACKS}}, "config").eval().to(device)
    random = np.random.default_rng(0)
    genes = torch.from_numpy(random.integers(0, 5, (given.genes, GEOMETRY.sequence_length), dtype=np.uint8)).to(device)
    network(one_hot(genes[:1]), return_only_embeddings=True)
    full, slow, most = watched(lambda: with_full_maps(network, genes, query), device)
    backbone = enformer.Enformer(network, GEOMETRY)
    ours, fast, least = watched(lambda: torch.cat([backbone.attend(gene[None], query) for gene in genes]), device)
    print(
        f"{given.genes} genes of {GEOMETRY.sequence_length:,} bp, {ours.shape[1]} bins, {torch.get_num_threads()} threads"
    )
    layers, heads = len(network.transformer), network.config.heads
    maps = TEST_GENES * 4 * layers * heads * ours.shape[1] ** 2
    print(f"full maps kept: {slow:.1f} s, peak above the model {most / 2**30:.2f} GiB")
    print(f"ours: {fast:.1f} s, peak {least / 2**30:.2f} GiB; largest difference {(full - ours).abs().max():.1e}")
    print(f"maps of {TEST_GENES} genes: {maps / 2**30:.1f} GiB")
    result("attention_memory", (least + maps) / least)
    result("attention_time", slow / fast)


if __name__ == "__main__":
    main()
