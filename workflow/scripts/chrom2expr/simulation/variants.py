"""Variants of a simulated genome, and their true effects: planted sites weakened, deleted and created, and controls.

Of each gene one site is taken. `weakened`: a base of it that agrees with its motif is another; `deleted`: the site is
gone; `created`: an intact copy of its motif is inserted behind it; `control`: a base beside it, in no site, is another.
The effect is the difference of what the genome's own grammar expects of the sites after and before, without noise (see
Simulation.expected); what lies further from the TSS than an insertion or deletion moves with it.

Positions are of GRCh37, 0-based half-open; only the VCF counts from 1. Around the sites that are taken, GRCh38 has the
same bases, so that all variants lift.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.tables import write_table
from chrom2expr.files.whole import whole_file
from chrom2expr.genome import windows
from chrom2expr.simulation.genome import Simulation, strength

KINDS = ("weakened", "deleted", "created", "control")
# Controls are at most so many bp from the site's ends.
_BESIDE = 64


class Planted(NamedTuple):
    """A variant: `ref` at [start, start + len(ref)) of the contig becomes `alt`; either may be empty.

    `gene` is the row of the gene that it belongs to, `effect` (tissue,) the change of that gene's ln RPKM.
    """

    id: str
    gene: int
    kind: str
    chrom: str
    start: int
    ref: str
    alt: str
    effect: np.ndarray


def plant(simulation: Simulation, genes: Mapping[str, int]) -> list[Planted]:
    """One variant of each kind for so many genes of each chromosome, in the order of KINDS, gene by gene.

    Genes have no type rRNA and lift to GRCh38. Raises InputError where a chromosome has too few with a fit site.
    """
    rng = np.random.default_rng([simulation.seed, 4])
    expected = simulation.expected(simulation.sites)
    found = []
    for chrom, count in genes.items():
        fit = _fit_sites(simulation, chrom)
        able = np.unique(fit.gene)
        if len(able) < count:
            raise InputError(
                f"simulation.variants.{chrom}: {count} genes, but only {len(able)} have a site to change; ask for fewer"
            )
        for gene in np.sort(rng.choice(able, count, replace=False)):
            site = rng.choice(fit.index[fit.gene == gene])
            for kind, (start, ref, alt, sites) in zip(KINDS, _changes(simulation, site, rng), strict=True):
                effect = simulation.expected(sites)[gene] - expected[gene]
                name = f"{simulation.genes.symbol[gene]}_{kind}"
                found.append(Planted(name, int(gene), kind, chrom, int(start), ref, alt, effect))
    return found


def write_vcf(path: str | Path, simulation: Simulation, planted: Sequence[Planted]) -> None:
    """The variants as a VCF, sorted; an insertion or deletion with the base before it."""
    lines = ["##fileformat=VCFv4.3"]
    lines += [f"##contig=<ID={name},length={len(encoded)}>" for name, encoded in simulation.grch37.items()]
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]))
    contigs, rows = list(simulation.grch37), []
    for one in planted:
        start, ref, alt = one.start, one.ref, one.alt
        if not ref or not alt:
            start -= 1
            before = windows.decode(simulation.grch37[one.chrom][start : start + 1])
            ref, alt = before + ref, before + alt
        rows.append((contigs.index(one.chrom), start, one.id, ref, alt))
    for contig, start, name, ref, alt in sorted(rows):
        lines.append("\t".join([contigs[contig], str(start + 1), name, ref, alt, ".", "PASS", "."]))
    with whole_file(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_truth(path: str | Path, simulation: Simulation, planted: Sequence[Planted]) -> None:
    """The effects, a row for each variant and tissue: variant_id, gene_id, kind, tissue, effect (in ln RPKM)."""
    rows = [
        (one.id, simulation.genes.id[one.gene], one.kind, tissue, float(effect))
        for one in planted
        for tissue, effect in zip(simulation.settings.tissue_names, one.effect, strict=True)
    ]
    write_table(path, ("variant_id", "gene_id", "kind", "tissue", "effect"), rows)


def _fit_sites(simulation: Simulation, chrom: str) -> pd.DataFrame:
    """Sites of a chromosome beside the TSS that are whole or nearly so, around which GRCh38 reads as GRCh37 does."""
    genes, length = simulation.genes, simulation.settings.motif_length
    lifted = simulation.lift(chrom, genes.tss.to_numpy()) >= 0
    kept = ((genes.type != "rRNA") & (genes.chrom == chrom)).to_numpy() & lifted
    sites = simulation.sites
    here = sites[(sites.chrom == chrom) & kept[sites.gene] & (sites.strength >= strength(1))]
    tss = genes.tss.to_numpy()[here.gene]
    here = here[(here.start > tss) | (here.start + length <= tss)]
    return here[_alike(simulation, chrom, here.start.to_numpy() - _BESIDE, length + 2 * _BESIDE)]


def _alike(simulation: Simulation, chrom: str, start: np.ndarray, length: int) -> list[bool]:
    """Whether GRCh38 has the same `length` bases as GRCh37 from each `start` on."""
    old, new = simulation.grch37[chrom], simulation.grch38[chrom]
    return [
        0 <= a <= len(old) - length and b >= 0 and np.array_equal(old[a : a + length], new[b : b + length])
        for a, b in zip(start, simulation.lift(chrom, start), strict=True)
    ]


def _changes(
    simulation: Simulation, site: int, rng: np.random.Generator
) -> Iterator[tuple[int, str, str, pd.DataFrame]]:
    """Of each of KINDS: start, ref, alt, and the sites that the gene then has."""
    length, own = simulation.settings.motif_length, simulation.sites.loc[site]
    start, end, contig = own.start, own.start + length, simulation.grch37[own.chrom]
    sites = simulation.sites[simulation.sites.gene == own.gene]
    consensus = windows.encode(simulation.motifs.consensus[own.motif])
    intact = windows.reverse_complement(consensus) if own.reverse else consensus

    agreeing = np.flatnonzero(contig[start:end] == intact)
    weakened = sites.assign(strength=sites.strength.where(sites.index != site, strength(length - len(agreeing) + 1)))
    yield *_substituted(contig, start + rng.choice(agreeing), rng), weakened

    yield start, windows.decode(contig[start:end]), "", _moved(simulation, sites.drop(index=site), start, -length)

    # The TSS stays: before it, the copy takes the place of the site, which moves away.
    before_tss = end <= simulation.genes.tss[own.gene]
    copy = _at(simulation, sites.loc[[site]], start if before_tss else end).assign(strength=strength(0))
    yield end, "", windows.decode(intact), pd.concat([_moved(simulation, sites, end, length), copy])

    around = np.arange(start - _BESIDE, end + _BESIDE)
    planted = simulation.sites.start[simulation.sites.chrom == own.chrom].to_numpy()
    free = ~((around[:, None] >= planted) & (around[:, None] < planted + length)).any(axis=1)
    yield *_substituted(contig, rng.choice(around[free]), rng), sites


def _substituted(contig: np.ndarray, start: int, rng: np.random.Generator) -> tuple[int, str, str]:
    """Start, ref and alt of another base there."""
    base = contig[start : start + 1]
    return start, windows.decode(base), windows.decode((base + rng.integers(1, 4, dtype=np.uint8)) % 4)


def _moved(simulation: Simulation, sites: pd.DataFrame, at: int, change: int) -> pd.DataFrame:
    """A gene's sites after `change` bp are inserted before base `at`, or, if negative, deleted from there on."""
    left = at <= simulation.genes.tss.to_numpy()[sites.gene]
    beyond = np.where(left, sites.start < at, sites.start >= at)
    return _at(simulation, sites, sites.start + beyond * np.where(left, -change, change))


def _at(simulation: Simulation, sites: pd.DataFrame, start: pd.Series | int) -> pd.DataFrame:
    """A gene's sites, moved to these starts."""
    moved = sites.assign(start=start)
    tss = simulation.genes.tss.to_numpy()[moved.gene]
    forward = (simulation.genes.strand == "+").to_numpy()[moved.gene]
    last = moved.start + simulation.settings.motif_length - 1
    return moved.assign(distance=np.where(forward, moved.start - tss, tss - last))
