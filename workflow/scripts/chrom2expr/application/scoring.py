"""Score a file of variants by a trained run: read, lifted if need be, paired with genes, predicted, written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from chrom2expr.application import effect_files, variant_files, variant_genes
from chrom2expr.application.effects import Predictor
from chrom2expr.application.lifted_variants import lift
from chrom2expr.application.trained_run import TrainedRun
from chrom2expr.application.variant_genes import Pairs, Wanted
from chrom2expr.application.variants import Skipped, Variant
from chrom2expr.backbones.device import precision_of
from chrom2expr.errors import InputError
from chrom2expr.genome.contigs import called, check_lengths
from chrom2expr.genome.liftover import Chain
from chrom2expr.genome.sequences import Genome
from chrom2expr.job import Progress

# Pairs whose effects are written at a time; a few of their tables are in memory.
_PAIRS = 2000


@dataclass(frozen=True)
class Question:
    """What is asked of a run: which variants, and of which genes.

    vcf: VCF, packed by bgzip or not, or BCF. genome: the FASTA of the run's assembly. genes: a table with gene_id,
    chrom, tss (0-based) and strand there. wanted: a table of pairs, variant_id and gene_id; without it, all genes whose
    windows hold a variant. chain, source: of variants on another assembly, the chain to the run's, and their FASTA.
    on_mismatch: what becomes of a row whose REF is not the FASTA's.
    """

    vcf: Path
    genome: Genome
    genes: pd.DataFrame
    wanted: Path | None = None
    chain: Chain | None = None
    source: Genome | None = None
    on_mismatch: Literal["error", "skip"] = "error"


def score(
    run: TrainedRun,
    output: str | Path,
    asked: Question,
    *,
    shard: int = 0,
    shards: int = 1,
    size: int = 1,
    device: torch.device | None = None,
) -> None:
    """Write the effects of variants on the genes of a shard, 0-based, of `shards` (see effect_files).

    The file of variants is read twice: once to the end, so that what is wrong in it stops before work starts; then
    block by block, so that memory does not grow with it. `size` sequences are computed at a time. Raises InputError as
    variant_files.read and variant_genes do, and writes nothing then.
    """
    device = device or torch.device("cpu")
    if asked.chain and asked.source:
        for contigs, genome in ((asked.chain.source, asked.source), (asked.chain.target, asked.genome)):
            what = f"{asked.chain.path}: leads between other genomes than {genome.fasta}"
            check_lengths(called(contigs, genome.contigs).values(), contigs, genome.contigs, what, asked.chain.wanted)
    ordered = _by_place(asked.genes)
    part = _neighbours(ordered, shard, shards)
    genes = ordered[part]
    wanted = variant_genes.read_wanted(asked.wanted, ordered) if asked.wanted else None
    skipped, ids, total, count = Skipped(watched=wanted or ()), set(), 0, 0
    for variants, pairs in _found(run, asked, ordered, part, wanted, skipped):
        total, count = total + len(pairs.gene), count + len(variants)
        ids |= {one.id for one in variants if wanted and one.id in wanted}
    if wanted and asked.wanted:
        variant_genes.refuse_unknown(asked.wanted, wanted, ids | skipped.why.keys())
    print(f"{count:,} variants, {total:,} pairs of a variant and one of {len(genes):,} genes")
    if skipped.counts:
        print(f"left out: {skipped}")
    progress = Progress(total, "pairs")
    predictor = Predictor(run, asked.genome, genes, size, device)
    gene_id = genes["gene_id"].tolist()

    def blocks() -> Iterator[effect_files.Effects]:
        for variants, pairs in _found(run, asked, ordered, part, wanted, Skipped()):
            for start in range(0, len(pairs.gene), _PAIRS):
                some = Pairs(*(column[start : start + _PAIRS] for column in pairs))
                yield effect_files.effects(variants, some, gene_id, predictor.predict(variants, some))
                progress.advance(len(some.gene))

    about = {
        "run": run.provenance,
        "unit": run.unit,
        "pseudocount": run.pseudocount,
        "assembly": run.assembly,
        "genome_sha256": run.genome_sha256,
        "device": device.type,
        "precision": precision_of(run.precision, device),
        "variants": asked.vcf.name,
        "left_out": dict(skipped.counts),
    }
    effect_files.write(output, blocks(), run.tissues, about)


def _found(
    run: TrainedRun, asked: Question, genes: pd.DataFrame, part: slice, wanted: Wanted | None, skipped: Skipped
) -> Iterator[tuple[list[Variant], Pairs]]:
    """Blocks of variants in the run's assembly, with their pairs with a part of the genes, by their rows in it."""
    there = asked.source or asked.genome
    for block in variant_files.read(asked.vcf, there, skipped, asked.on_mismatch):
        variants = lift(block, asked.chain, there, asked.genome, skipped) if asked.chain else block
        if wanted is None:
            yield variants, variant_genes.holding(variants, genes[part], run.geometry)
        else:
            # Among all genes, so that every shard counts the same as left out.
            yield variants, _within(variant_genes.listed(variants, genes, run.geometry, wanted, skipped), part)


def _by_place(genes: pd.DataFrame) -> pd.DataFrame:
    order = np.lexsort((genes["tss"].to_numpy(), genes["chrom"].to_numpy(dtype=str)))
    return genes.iloc[order].reset_index(drop=True)


def _neighbours(genes: pd.DataFrame, shard: int, shards: int) -> slice:
    """The genes of a shard: those that lie beside one another, equally many to within one."""
    if shards > len(genes):
        raise InputError(f"{len(genes)} genes cannot fill {shards} shards: lower variants: NAME: shards")
    rows = np.array_split(np.arange(len(genes)), shards)[shard]
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _within(pairs: Pairs, part: slice) -> Pairs:
    """The pairs with the genes of a part, by their rows in it."""
    inside = (pairs.gene >= part.start) & (pairs.gene < part.stop)
    return Pairs(pairs.variant[inside], pairs.gene[inside] - part.start, pairs.distance[inside])
