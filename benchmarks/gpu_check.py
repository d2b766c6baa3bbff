"""What a GPU makes of all that runs on one: exact or not, milliseconds, memory. One card, about ten minutes.

    .venv/bin/python benchmarks/gpu_check.py [--small] [--device cpu] [--demo]

Prints a line for each check as it is done: the attention's kernels and a float32 product against float64; the tracks of
a bfloat16 trunk against float32; milliseconds and peak memory of predicting, of a step of fine-tuning with and without
checkpointed activations, and of a step of a bundle of single-tissue CNNs with and without cudnn.benchmark; the
Cholesky factor of ridge. With `--demo` the whole demo is run in the end. Weights are random, sizes the thesis's;
`--small --device cpu` shows no more than that the checks run.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.backbones.device import choose_device, tensor_float32
from chrom2expr.backbones.enformer import Enformer, FusedAttention, KeptPositions, positional_features
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned
from chrom2expr.heads.adaptations import AllParameters
from chrom2expr.heads.cnn import ExpressionCNN
from chrom2expr.heads.ridge_fits import Factor
from chrom2expr.heads.single_cnn import Bundle
from chrom2expr.losses import loss

ROOT = Path(__file__).resolve().parents[1]


class Sizes(NamedTuple):
    """How large the checks are. cnn: tracks, bins, width, blocks, genes in a step; bundles: networks side by side."""

    network: dict[str, int]
    predicted: Geometry
    tuned: Geometry
    tracks: int
    batches: tuple[int, ...]
    cnn: tuple[int, int, int, int, int]
    bundles: tuple[int, ...]
    genes: int


FULL = Sizes(
    {"dim": 1536, "depth": 11, "heads": 8},
    Geometry.centred(196608, 896, 128),
    Geometry.centred(50048, 391, 128),
    5313,
    (1, 2, 4, 8),
    (4675, 896, 128, 7, 32),
    (32, 64, 128),
    21988,
)
SMALL = Sizes(
    {"dim": 24, "depth": 1, "heads": 2, "attn_dim_key": 4, "dim_divisible_by": 4, "num_downsamples": 3},
    Geometry.centred(128, 8, 8),
    Geometry.centred(72, 9, 8),
    9,
    (1, 2),
    (13, 16, 4, 2, 4),
    (2,),
    64,
)
BINS, TISSUES = 4, 218


def error(found: Tensor, exact: Tensor) -> float:
    """Relative L2 error."""
    return float((found.double() - exact).norm() / exact.norm())


def measure(work: Callable[[], object], device: torch.device, repeats: int = 3) -> str:
    """Milliseconds of the fastest of some runs, after one to warm up, and the peak of the GPU's memory."""
    cuda, times = device.type == "cuda", []
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        for _ in range(repeats + 1):
            started = time.perf_counter()
            work()
            if cuda:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
    except torch.OutOfMemoryError:
        return "out of memory"
    peak = f", {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB" if cuda else ""
    return f"{1000 * min(times[1:] or times):.1f} ms{peak}"


def encoded(batch: int, geometry: Geometry, device: torch.device) -> Tensor:
    return torch.randint(0, 5, (batch, geometry.sequence_length), dtype=torch.uint8, device=device)


def trunk(sizes: Sizes, geometry: Geometry, device: torch.device, tracks: int | None = None) -> Enformer:
    """With attention that is not zero, as it starts."""
    backbone = Enformer.build(sizes.network, geometry, {}, tracks)
    for name, parameter in backbone.named_parameters():
        if name.endswith(("to_out.weight", "to_attn_logits.weight")):
            parameter.data += 0.1 * torch.randn_like(parameter)
    return backbone.to(device)


@torch.inference_mode()
def attention(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """The fused layer against the plain one in float64."""
    for geometry in (sizes.predicted, sizes.tuned):
        backbone = trunk(sizes, geometry, torch.device("cpu")).eval()
        bins = geometry.sequence_length // geometry.bin_size
        layer: KeptPositions = backbone.network.transformer[0][0].fn[1]
        fused = FusedAttention(layer, positional_features(backbone.network, bins)).to(device)
        given = torch.randn(2, bins, backbone.network.dim, device=device)
        narrow = torch.autocast(device.type, torch.bfloat16)
        found = {"float32": fused(given)}
        with narrow:
            found["bfloat16"] = fused(given)
            plain = layer(given)
        exact = layer.double()(given.double())
        yield f"attention, {bins:,} bins, plain in bfloat16", f"error {error(plain, exact):.1e}"
        for precision, result in found.items():
            yield f"attention, {bins:,} bins, fused in {precision}", f"error {error(result, exact):.1e}"


def products(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """Whether float32 is what it says, in a product and a convolution; TensorFloat-32 has errors of about 1e-4."""
    a, b = (torch.randn(512, 512, device=device) for _ in "ab")
    kernel = b[:, :, None, None]

    def errors() -> str:
        image = torch.nn.functional.conv2d(a[:, :, None, None], kernel)[:, :, 0, 0]
        product, convolved = error(a @ b.T, a.double() @ b.double().T), error(image, a.double() @ b.double().T)
        return f"error {product:.1e}, of a convolution {convolved:.1e}"

    yield "float32 product", errors()
    with tensor_float32():
        yield "float32 product, in training networks", errors()


def predicting(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """The workflow's prediction against float32, then time and memory by batch."""
    backbone = trunk(sizes, sizes.predicted, device, sizes.tracks).for_inference()
    one = encoded(1, sizes.predicted, device)
    with torch.inference_mode():
        plain = backbone(one).tracks.double()
    yield "tracks against float32", f"error {error(backbone.predict(one).tracks, plain):.1e}"
    for batch in sizes.batches:
        given = encoded(batch, sizes.predicted, device)
        yield f"predict, batch {batch}", measure(lambda given=given: backbone.predict(given), device)


def finetuning(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """A step of two genes."""
    measured = loss.build({"type": "hybrid", "alpha": 1.0, "beta": 1.0})
    given, targets = encoded(2, sizes.tuned, device), torch.randn(2, TISSUES, device=device)

    def stepping(**options: object) -> Callable[[], None]:
        backbone = trunk(sizes, sizes.tuned, device)
        pool = finetuned.AttentionPool(backbone.embedding_width, TISSUES)
        network = finetuned.FineTuned(backbone, pool, BINS, AllParameters(), **options).to(device).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

        def step() -> None:
            measured(network(given), targets).backward()
            optimiser.step()
            optimiser.zero_grad()

        return step

    for precision in ("fp32", "bf16"):
        for checkpointing in (False, True):
            how = ", checkpointed" if checkpointing else ""
            # The last network is gone when the next is made.
            found = measure(stepping(activation_checkpointing=checkpointing, precision=precision), device)
            yield f"fine-tuning step, {precision}{how}", found


def bundles(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """A step of so many networks, without the optimiser's."""
    tracks, bins, width, blocks, genes = sizes.cnn
    shape = {"tracks": tracks, "bins": bins, "width": width, "kernel_size": 5, "blocks": blocks, "transform": "log1p"}
    features = torch.rand(genes, bins, tracks, device=device).half()

    def stepping(count: int) -> Callable[[], None]:
        one = ExpressionCNN(**shape, tissues=1, dropout=0.2)
        bundle = Bundle(shape, [one.state_dict()] * count, [one.dropout] * count).to(device).train()

        def step() -> None:
            bundle(bundle.prepare(features)).square().sum().backward()
            bundle.zero_grad()

        return step

    for count in sizes.bundles:
        for benchmark in (False, True):
            torch.backends.cudnn.benchmark = benchmark
            with tensor_float32():
                found = measure(stepping(count), device)
            yield f"bundle of {count}{', cudnn.benchmark' if benchmark else ''}", found
    torch.backends.cudnn.benchmark = False


def ridge(sizes: Sizes, device: torch.device) -> Iterator[tuple[str, str]]:
    """The factor of a penalty alone, once."""
    factor = torch.randn(sizes.genes, 256, dtype=torch.float64, device=device)
    gram = factor @ factor.T
    del factor
    space = torch.empty_like(gram).T
    name = f"Cholesky factor of {sizes.genes:,} x {sizes.genes:,}"
    yield name, measure(lambda: Factor(gram, 1.0, space), device, 0)


CHECKS = (products, attention, predicting, finetuning, bundles, ridge)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cuda unless you say otherwise")
    parser.add_argument("--small", action="store_true", help="sizes that show no more than that the checks run")
    parser.add_argument("--demo", action="store_true", help="run the demo in the end")
    given = parser.parse_args(arguments)
    device = choose_device(cards=given.device == "cuda")
    if device.type != given.device:
        print("No GPU is here. --device cpu --small shows that the checks run.", file=sys.stderr)
        return 1
    torch.manual_seed(0)
    for check in CHECKS:
        try:
            for what, found in check(SMALL if given.small else FULL, device):
                print(f"{what:45} {found}", flush=True)
        except torch.OutOfMemoryError:
            print(f"{check.__name__:45} out of memory", flush=True)
    if given.demo:
        demo = ["--cores", "all", "--resources", "gpu=1", "--configfile", "config/demo.yaml"]
        return subprocess.run([sys.executable, "-m", "snakemake", *demo], cwd=ROOT, check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
