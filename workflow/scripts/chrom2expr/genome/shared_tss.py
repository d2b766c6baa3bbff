"""Genes that share a TSS: what a model is given of them is the same, whichever part of a split they are in."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from chrom2expr.files import tables
from chrom2expr.genome.contigs import called_alike
from chrom2expr.genome.genes import located_in
from chrom2expr.job import tell

COLUMNS = ("assembly", "chrom", "tss", "gene_id", "split", "other_gene_id", "other_split")


def pairs(genes: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """Every pair of genes of a split that have their TSS at one base of an assembly (COLUMNS, tss 1-based).

    What a model is given of the two is the same. TSSs that lie apart in one assembly may lift to one base of another.
    """
    parts = dict(zip(split["gene_id"], split["split"]))
    rows = []
    for assembly in located_in(genes):
        place = [f"chrom_{assembly}", f"tss_{assembly}"]
        taking_part = genes[genes["gene_id"].isin(parts)]
        taking_part = taking_part.assign(**{place[0]: called_alike(taking_part[place[0]])})
        for (chrom, tss), alike in taking_part[taking_part.duplicated(place, keep=False)].groupby(place, sort=False):
            for one, other in combinations(alike["gene_id"], 2):
                rows.append((assembly, chrom, tss, one, parts[one], other, parts[other]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def say(name: str, shared: pd.DataFrame, path: str | Path) -> None:
    """Say, on the console too, how many genes of the split `name` share a TSS across its parts; `path` lists them."""
    apart = shared[shared["split"] != shared["other_split"]]
    for assembly, found in apart.groupby("assembly"):
        first = found.iloc[0]
        tell(
            f"{name}: genes that share a TSS of {assembly}, but not their part of the split: {len(found):,} pairs, at "
            f"first {first['gene_id']} in {first['split']} and {first['other_gene_id']} in {first['other_split']}. A "
            f"model that has seen the sequence of the one has seen the other's; all are in {path}"
        )


def write(path: str | Path, shared: pd.DataFrame) -> None:
    """Write what `pairs` gave, whole or not at all."""
    tables.write_table(path, COLUMNS, shared.itertuples(index=False, name=None))
