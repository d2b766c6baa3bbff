"""Which variants are predicted for which genes: all whose windows hold them, or the pairs of a list.

Genes are a table with gene_id, chrom, tss (0-based) and strand (see genes.locate), in the assembly of the variants.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.application.variants import Skipped, Variant
from chrom2expr.errors import InputError
from chrom2expr.files.tables import read_table
from chrom2expr.genome.gene_ids import compared_by
from chrom2expr.genome.genes import gene_of
from chrom2expr.genome.windows import Geometry

# {id of a variant: {row of a gene: line of the list}}
Wanted = Mapping[str, Mapping[int, int]]


class Pairs(NamedTuple):
    """Variants and genes, (pair,) int64 each, sorted by gene, so that all variants of one follow each other.

    `variant` and `gene` are rows of what was given; `distance` is from the TSS to the variant's first changed base,
    leftmost in the genome on both strands, in bp, positive downstream of the TSS.
    """

    variant: np.ndarray
    gene: np.ndarray
    distance: np.ndarray


def holding(variants: Sequence[Variant], genes: pd.DataFrame, geometry: Geometry) -> Pairs:
    """All pairs of a variant and a gene whose window holds a base that changes, also where that is past a contig's end.

    An insertion lies between two bases, and a window holds it if it holds both: one at a window's edge changes nothing
    in it.

    >>> gene = pd.DataFrame({"gene_id": ["G"], "chrom": ["chr1"], "tss": [100], "strand": ["-"]})
    >>> snv = Variant("rs1", "chr1", 102, "A", "G", 1, "1", 103, "A", "G")
    >>> holding([snv], gene, Geometry.centred(10, 1, 10)).distance
    array([-2])
    """
    chrom, starts = genes["chrom"].to_numpy(dtype=str), _window_starts(genes, geometry)
    found = [np.empty((2, 0), dtype=np.int64)]
    for contig, held in _places(variants).groupby("contig"):
        rows = np.flatnonzero(chrom == contig)
        rows = rows[np.argsort(starts[rows], kind="stable")]
        # Windows are equally long: those that hold something are neighbours in the order of their starts.
        first = np.searchsorted(starts[rows], held["start"].to_numpy() - geometry.sequence_length, side="right")
        last = np.searchsorted(starts[rows], held["end"].to_numpy(), side="left")
        counts = last - first
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found.append(np.array([held.index.to_numpy().repeat(counts), rows[first.repeat(counts) + within]]))
    return _pairs(*np.concatenate(found, axis=1), variants, genes)


def read_wanted(path: str | Path, genes: pd.DataFrame) -> Wanted:
    """The pairs of a tab-separated table with the columns variant_id and gene_id.

    A gene whose TSSs have a row each is all of these, or one by gene@transcript; versions of Ensembl's ids count only
    where the genes cannot be told apart without. Raises InputError, naming the row, for a gene that is not there.
    """
    same = compared_by(genes["gene_id"])
    rows = defaultdict(list)
    for row, gene in enumerate(genes["gene_id"]):
        for name in {same(gene), same(gene_of(gene))}:
            rows[name].append(row)
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for line, cells in read_table(path, ("variant_id", "gene_id"), ours=False):
        if same(cells["gene_id"]) not in rows:
            raise InputError(
                f"{path}, row {line}: no gene {cells['gene_id']!r} among those that are worked with; correct the row "
                "or delete it"
            )
        for row in rows[same(cells["gene_id"])]:
            wanted[cells["variant_id"]].setdefault(row, line)
    if not wanted:
        raise InputError(f"{path}: no pairs below the header")
    return dict(wanted)


def refuse_unknown(path: str | Path, wanted: Wanted, known: Collection[str]) -> None:
    """Raise InputError for the first wanted variant, of the list `path`, whose id is not among those `known`."""
    for name, genes in wanted.items():
        if name not in known:
            raise InputError(
                f"{path}, row {min(genes.values())}: no variant {name!r} in the file of variants. A variant is called "
                "by its ID there, or as chrom:pos:ref:alt where that is '.'"
            )


def listed(
    variants: Sequence[Variant], genes: pd.DataFrame, geometry: Geometry, wanted: Wanted, skipped: Skipped
) -> Pairs:
    """The pairs that are wanted of these variants; those whose window does not hold the variant are counted."""
    asked = np.array(
        [(row, gene) for row, one in enumerate(variants) for gene in wanted.get(one.id, ())], dtype=np.int64
    ).reshape(-1, 2)
    variant, gene = asked.T
    chrom, starts = genes["chrom"].to_numpy(dtype=str)[gene], _window_starts(genes, geometry)[gene]
    places = _places(variants).iloc[variant]
    after, before = starts < places["end"], starts > places["start"] - geometry.sequence_length
    held = ((places["contig"] == chrom) & after & before).to_numpy()
    for row in variant[~held]:
        skipped.add(variants[row].id, "a gene in the list whose window does not hold it")
    return _pairs(variant[held], gene[held], variants, genes)


def _places(variants: Sequence[Variant]) -> pd.DataFrame:
    rows = [(one.contig, one.start, one.end) for one in variants]
    return pd.DataFrame(rows, columns=["contig", "start", "end"]).astype({"contig": str, "start": int, "end": int})


def _window_starts(genes: pd.DataFrame, geometry: Geometry) -> np.ndarray:
    before = np.where(genes["strand"] == "+", geometry.tss_index_plus, geometry.tss_index_minus)
    return genes["tss"].to_numpy(dtype=np.int64) - before


def _pairs(variant: np.ndarray, gene: np.ndarray, variants: Sequence[Variant], genes: pd.DataFrame) -> Pairs:
    order = np.lexsort((variant, gene))
    variant, gene = variant[order], gene[order]
    start = _places(variants)["start"].to_numpy()[variant]
    direction = np.where(genes["strand"] == "+", 1, -1)
    return Pairs(variant, gene, (start - genes["tss"].to_numpy(dtype=np.int64)[gene]) * direction[gene])
