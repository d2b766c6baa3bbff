"""Effects of SNVs on one gene by a run on full-size Beluga, ours and three slower ways; memory; and a small Enformer.

Random weights and genome; 200 windows of 2,000 bp, 2,002 tracks, both strands, ridge on spatial features, 218 tissues.

- Ours: effects.Predictor for a few numbers of SNVs, with the gene's reference in each.
- Window by window: each of the 200 windows by itself, for both alleles and strands, 800 an SNV. One SNV is done in full,
  and its expression compared with ours (at most 1e-5 of its scale apart); of the time, some windows are measured in
  turn with ours, and multiplied. At least 20 times ours are asked for, and a time that grows no faster than the SNVs.
- ExPecto's way: nine windows around the SNV, both alleles and strands, 36 in a batch; the network alone.
- Memory: the peak with few and with many SNVs, on a tiny network with as many tracks, bins and tissues (flat is asked
  for: 32 MiB more at most).
- Enformer, which reads a window as a whole: one reference for all alternatives, and one for each (2 n / (n + 1) is the
  most that this can give).

Times are of the CPU, and the best of three, taken in turn, since a busy machine slows even these.
Run: python benchmarks/variants.py [--threads 1]
"""

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from chrom2expr.application import expecto, variant_genes
from chrom2expr.application.effects import Expression, Predictor
from chrom2expr.application.trained_run import TrainedRun
from chrom2expr.application.variants import Variant
from chrom2expr.backbones import beluga, inference
from chrom2expr.backbones.backbone import Backbone, one_hot, other_strand
from chrom2expr.backbones.enformer import Enformer
from chrom2expr.genome.sequences import Genome, temporarily_indexed
from chrom2expr.genome.windows import Geometry, decode
from chrom2expr.heads.ridge import Ridge
from chrom2expr.tracks import reductions
from chrom2expr.tracks.reduction import Reduction

CONTIG, TSS, WINDOW, TRACKS, TISSUES = 100_000, 50_000, 2000, 2002, 218
SLIDING = Geometry.sliding(window=WINDOW, bins=200, bin_size=200)
CENTRED = Geometry.centred(sequence_length=24_576, bins=128, bin_size=128)
TINY = {"channels": [2, 2, 2], "hidden": 2}
SMALL = {"dim": 384, "depth": 4, "dim_divisible_by": 32}
COUNTS, MANY, MEASURED, ROUNDS = (2, 8, 32), (128, 512, 1024), 40, 3
ENOUGH, SAME, FLAT = 20, 1e-5, 32  # times, of the expression's scale, MiB
GENES = pd.DataFrame({"gene_id": ["G"], "chrom": ["chr1"], "tss": [TSS], "strand": ["+"]})


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def trained(backbone: Backbone, name: str, tracks: int, both_strands: bool, reduction: Reduction) -> TrainedRun:
    """A run with a ridge head of random coefficients."""
    features, random = tracks * reduction.features_per_track, np.random.default_rng(0)
    head = Ridge(
        [],
        {"tissue": [f"tissue{row}" for row in range(TISSUES)], "track_id": [f"track{row}" for row in range(tracks)]},
        coefficients=random.normal(size=(features, TISSUES)) / features**0.5,
        intercept=random.normal(size=TISSUES),
        penalties=np.ones(TISSUES),
    )
    described = inference.described(name, {}, backbone.geometry, both_strands, tracks=tracks)
    model = {"backbone": described, "columns": [[0, tracks]], "reduced_from": "tracks"}
    model |= {"assembly": "random", "genome_sha256": ""}
    inputs = {"bins": backbone.geometry.bins, "orientation": "gene"}
    summary = {"head": "ridge", "loss": {}, "inputs": inputs, "sequence_model": model, "unit": "", "pseudocount": 1}
    return TrainedRun(head, summary, backbone, reduction)


def on_beluga(**sizes: Any) -> TrainedRun:
    network = beluga.Network(TRACKS, WINDOW, **sizes).eval()
    for parameter in network.parameters():
        # Larger weights than PyTorch's start, so that the output varies and a wrong window would show.
        parameter.data *= 2
    return trained(beluga.Beluga(network, SLIDING), "beluga", TRACKS, True, reductions.SpatialBasis(SLIDING, 200))


def snvs(bases: np.ndarray, geometry: Geometry, count: int) -> list[Variant]:
    """SNVs at random places of the gene's window, none twice."""
    random, start = np.random.default_rng(count), geometry.sequence_start(TSS, "+")
    places = start + random.choice(geometry.sequence_length, count, replace=False)
    alleles = [(decode(bases[at : at + 1]), "ACGT"[(bases[at] + random.integers(1, 4)) % 4]) for at in places]
    return [
        Variant(f"v{row}", "chr1", int(at), *pair, row, "chr1", int(at) + 1, *pair)
        for row, (at, pair) in enumerate(zip(places, alleles, strict=True))
    ]


def ours(run: TrainedRun, genome: Genome, variants: list[Variant]) -> Expression:
    pairs = variant_genes.holding(variants, GENES, run.geometry)
    return Predictor(run, genome, GENES).predict(variants, pairs)


def changed(bases: np.ndarray, variant: Variant) -> np.ndarray:
    """The contig with the alternative allele."""
    other = bases.copy()
    other[variant.start] = "ACGT".index(variant.alt)
    return other


def tracks_of(network: beluga.Network, windows: torch.Tensor) -> torch.Tensor:
    """Tracks (window, track) of encoded windows (window, base) in one batch."""
    return network(one_hot(windows, beluga.CHANNELS).transpose(1, 2).unsqueeze(2))


def window_by_window(network: beluga.Network, bases: np.ndarray, bins: range) -> np.ndarray:
    """Tracks (bin, track) of some of the gene's bins, the mean of both strands: two windows a bin."""
    start, found = SLIDING.sequence_start(TSS, "+"), []
    for place in (start + number * SLIDING.bin_size for number in bins):
        window = torch.from_numpy(bases[None, place : place + WINDOW])
        found.append((tracks_of(network, window) + tracks_of(network, other_strand(window)))[0] / 2)
    return torch.stack(found).numpy()


def nine_shifts(network: beluga.Network, bases: np.ndarray, variant: Variant) -> torch.Tensor:
    """Chromatin effects (shift, track) of a variant, as ExPecto's chromatin.py has them."""
    starts = [variant.start + shift - WINDOW // 2 for shift in expecto.SHIFTS]
    alleles = [allele[start : start + WINDOW] for allele in (bases, changed(bases, variant)) for start in starts]
    forward = torch.from_numpy(np.stack(alleles))
    reference, alternative = (
        tracks_of(network, torch.cat([forward, other_strand(forward)])).unflatten(0, (2, 2, len(starts))).mean(0)
    )
    return alternative - reference


def memory(genome: Genome, bases: np.ndarray) -> None:
    """A process's peak never falls: nothing large may come before."""
    run, peaks = on_beluga(**TINY), []
    variants = snvs(bases, SLIDING, MANY[-1])
    pairs, predictor = variant_genes.holding(variants, GENES, SLIDING), Predictor(run, genome, GENES)
    for start, end in itertools.pairwise((0, *MANY)):
        predictor.predict(variants, variant_genes.Pairs(*(column[start:end] for column in pairs)))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print("peak memory", ", ".join(f"{n:,} SNVs {peak:.0f} MiB" for n, peak in zip(MANY, peaks, strict=True)))
    assert peaks[-1] - peaks[0] <= FLAT, "memory grows with the variants"


def on_whole_beluga(genome: Genome, bases: np.ndarray) -> None:
    run = on_beluga()
    network = run.backbone.network
    asked = {count: snvs(bases, SLIDING, count) for count in COUNTS}
    seconds = {name: [] for name in (*COUNTS, "window", "nine")}
    for _ in range(ROUNDS):
        for count, variants in asked.items():
            spent, found = timed(lambda variants=variants: ours(run, genome, variants))
            seconds[count].append(spent)
            if count == COUNTS[0]:
                compared = found
        spread = range(0, SLIDING.bins, 2 * SLIDING.bins // MEASURED)
        spent, _ = timed(lambda bins=spread: window_by_window(network, bases, bins))
        seconds["window"].append(spent / MEASURED)
        seconds["nine"].append(timed(lambda: nine_shifts(network, bases, asked[COUNTS[0]][0]))[0])
    best = {name: min(all_of) for name, all_of in seconds.items()}
    slow, nine = 4 * SLIDING.bins * best["window"], best["nine"]
    print(
        f"an SNV window by window {slow:.0f} s ({MEASURED} of 800 windows measured), ExPecto's nine shifts {nine:.2f} s"
    )
    for count in COUNTS:
        each = best[count] / count
        print(
            f"ours, {count} SNVs with their reference {best[count]:.1f} s, {each:.2f} s an SNV: "
            f"{slow / each:.0f}x window by window, {nine / each:.1f}x nine shifts"
        )
    few, some, many = COUNTS
    steps = [(best[b] - best[a]) / (b - a) for a, b in itertools.pairwise(COUNTS)]
    print(f"another SNV: {steps[0]:.2f} s from {few} to {some}, {steps[1]:.2f} s from {some} to {many}")
    assert slow * many / best[many] >= ENOUGH, f"less than {ENOUGH} times as fast"
    assert best[many] / best[some] <= many / some, "more than linear"
    agree(run, bases, asked[few][0], compared)


def agree(run: TrainedRun, bases: np.ndarray, variant: Variant, found: Expression) -> None:
    """One SNV, the first, in full: 800 windows."""
    basis = reductions.weights(SLIDING).astype(np.float64)

    def expression(contig: np.ndarray) -> np.ndarray:
        tracks = window_by_window(run.backbone.network, contig, range(SLIDING.bins))
        return (basis @ tracks).reshape(-1) @ run.head.coefficients + run.head.intercept

    spent, both = timed(lambda: np.stack([expression(bases), expression(changed(bases, variant))]))
    given = np.stack([found.reference[0], found.alternative[0]])
    away, effect = np.abs(both - given).max() / both.std(), np.abs(both[1] - both[0]).max() / both.std()
    apart = np.abs((both[1] - both[0]) - (given[1] - given[0])).max() / both.std()
    print(
        f"that SNV in full {spent:.0f} s; of the expression's scale: largest difference {away:.1e}, largest effect "
        f"{effect:.1e}, largest difference of effects {apart:.1e}"
    )
    assert away <= SAME < effect, "not the same expression"


def on_small_enformer(genome: Genome, bases: np.ndarray, count: int = 8) -> None:
    backbone = Enformer.build(SMALL, CENTRED, {}, tracks=64).for_inference()
    run = trained(backbone, "enformer", 64, False, reductions.CentralMeans(CENTRED, CENTRED.bins))
    variants, shared, each = snvs(bases, CENTRED, count), [], []
    for _ in range(ROUNDS):
        shared.append(timed(lambda: ours(run, genome, variants))[0])
        each.append(timed(lambda: [ours(run, genome, [variant]) for variant in variants])[0])
    print(
        f"Enformer of {CENTRED.sequence_length:,} bp, {count} SNVs: {min(shared):.1f} s, "
        f"{min(each):.1f} s with a reference for each: {min(each) / min(shared):.2f}x of {2 * count / (count + 1):.2f}"
    )


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    bases = np.random.default_rng(0).integers(0, 4, CONTIG, dtype=np.uint8)
    print(
        f"{torch.get_num_threads()} threads; {SLIDING.bins} windows of {WINDOW:,} bp, {TRACKS:,} tracks, both strands"
    )
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "genome.fa"
        fasta.write_text(f">chr1\n{decode(bases)}\n", encoding="ascii")
        with temporarily_indexed(fasta) as (genome, _):
            memory(genome, bases)
            on_small_enformer(genome, bases)
            on_whole_beluga(genome, bases)


if __name__ == "__main__":
    main()
