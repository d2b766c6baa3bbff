"""Windows of new genes: from a file of genes and a genome, one gene in memory at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chrom2expr.application.allele_windows import reference
from chrom2expr.files.csv_rows import numbered_rows
from chrom2expr.genome import annotation
from chrom2expr.genome.contigs import called, lacking, listed
from chrom2expr.genome.genes import locate, read_genes
from chrom2expr.genome.liftover import build_genes
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.transcripts import Choice
from chrom2expr.genome.windows import Geometry

# What a plain table calls its columns, where it does not call them as ExPecto does.
_PLAIN = ("gene_id", "symbol", "chrom", "tss", "strand")


@dataclass(frozen=True)
class NewSequences:
    """Windows to predict expression of.

    genes: a row each, in their order, with gene_id, strand, tss (1-based) and what else is known of them; windows: goes
    through them in that order, each encoded (length,) uint8 (see windows.encode), on the forward strand.
    """

    genes: pd.DataFrame
    windows: Callable[[], Iterator[np.ndarray]]


def of_genes(
    path: str | Path, genome: Genome, geometry: Geometry, assembly: str, choice: Choice = "canonical"
) -> NewSequences:
    """The genes of a file, each with the window around its TSS, N past a contig's end.

    The file is a GTF, GFF3 or BED, a table with the columns gene_id, chrom, tss (1-based) and strand, or with those of
    ExPecto's, or a tss.tsv that has places in `assembly`, the genome's. `choice`: see transcripts.with_tss. Genes on
    contigs that the genome lacks are left out, and a line says so.

    Raises InputError if these are half of the genes, for a TSS past its contig's end, and as annotation.read.
    """
    found = _read(path, assembly, choice, genome.contigs)
    absent = lacking(found["chrom"], path, genome.contigs, "the FASTA")
    if absent:
        print(f"{path}: genes on {listed(absent, 'contig')} that the FASTA lacks are left out")
    kept, _ = build_genes(
        found, path, assembly, [], genome.contigs, exclude_types=[], exclude_chromosomes=absent, contigs="all"
    )
    names = called(kept[f"chrom_{assembly}"], genome.contigs)
    genes = pd.DataFrame(
        {
            "gene_id": kept["gene_id"],
            "symbol": kept["symbol"],
            "chrom": kept[f"chrom_{assembly}"].map(names),
            "tss": kept[f"tss_{assembly}"],
            "strand": kept["strand"],
        }
    ).reset_index(drop=True)
    places = genes.assign(tss=genes["tss"] - 1)
    return NewSequences(genes, lambda: (reference(genome, gene, geometry) for gene in places.itertuples()))


def _read(path: str | Path, assembly: str, choice: Choice, contigs: dict[str, int]) -> pd.DataFrame:
    """The genes as annotation.read gives them, also of a tss.tsv, or a table with the columns of _PLAIN."""
    columns = {}
    if annotation.format_of(path) == "table":
        _, header = next(numbered_rows(path))
        if "gene_id" in header and any(name.startswith("chrom_") for name in header):
            genes = read_genes(path)
            places = locate(genes, assembly)
            lines = np.arange(len(genes)) + 2
            return genes[["gene_id", "symbol", "gene_type"]].join(places.assign(tss=places["tss"] + 1, line=lines))
        if "gene_id" in header:
            columns = {name: name for name in _PLAIN if name != "symbol" or name in header}
    return annotation.read(path, choice, columns, contigs)
