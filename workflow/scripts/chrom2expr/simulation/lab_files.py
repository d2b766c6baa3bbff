"""A small simulated genome as a lab has its own: a FASTA, a gene annotation, a matrix, a folder of bigWigs.

Two species: one with a GTF as GENCODE's and a GCT of TPM, one with other chromosomes, a GFF3 as Ensembl's and an h5ad
of single cells. What links sequence, tracks and expression is planted as in `genome`. Coordinates are 0-based half-open
here, and 1-based in the files that count so.
"""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import create_others
from chrom2expr.files.whole import whole_file
from chrom2expr.simulation import genome

# Another transcript of a gene begins so many bp further upstream.
_UPSTREAM = 400
# Exons of a transcript, in bp from its start in gene direction.
_EXONS = ((0, 600), (1500, 2400))
# Genes of the annotation without a row in the matrix, and rows of genes that the annotation lacks.
_ABSENT, _FOREIGN = 6, 9
# Of a cell: reads, and the standard deviation of ln expression. Of a cell type: the number of cells.
_READS, _CELL_SD, _CELLS = 4000, 0.5, (12, 30)


@dataclass(frozen=True)
class Species:
    """What a species' files are, beside genes by chromosome."""

    genes: Mapping[str, int]
    annotation: str
    matrix: str


SPECIES = {
    "human": Species({"chr1": 70, "chr2": 60, "chr3": 50, "chr4": 40, "chr5": 40}, "genes.gtf.gz", "expression.gct"),
    "fly": Species({"2L": 70, "2R": 60, "3L": 50, "3R": 40, "X": 40}, "genes.gff3.gz", "cells.h5ad"),
}
_SETTINGS = {
    "gene_spacing": 15000,
    "edit_spacing": 10**9,
    "longest_edit": 2,
    "unliftable": 0,
    "rrna": 0,
    "tissues": 12,
    "lineages": 4,
    "beluga_lineages": 1,
    "core_motifs": 4,
    "regulators": 6,
    "motif_length": 12,
    "mutation": 0.04,
    "enhancers": 3,
    "enhancer_distance": (800, 4000),
    "enhancer_decay": 4000,
    "baseline_sd": 2.5,
    "tissue_sd": 0.6,
    "gene_noise_sd": 0.8,
    "noise_sd": 0.3,
    "missing": 0.0,
    "track_noise": 0.3,
    "resolution": 64,
}


def write(folder: str | Path, species: str = "human", seed: int = 1) -> list[Path]:
    """Write the files of one of SPECIES into a folder that is made, and return their paths, the bigWigs' folder last.

    Raises InputError for another species, and for a folder that has anything in it.
    """
    if species not in SPECIES:
        raise InputError(f"there is no species {species}: {', '.join(SPECIES)}")
    folder, made = Path(folder), SPECIES[species]
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder")
    simulated = genome.simulate(genome.Settings(genes=made.genes, **_SETTINGS), seed)
    bigwigs = folder / "bigwigs"
    bigwigs.mkdir(parents=True)
    contigs, genes = simulated.grch37, simulated.genes
    lengths = {name: len(encoded) for name, encoded in contigs.items()}
    genome.write_fasta(folder / "genome.fa", contigs)
    lines = _gtf(genes, lengths) if species == "human" else _gff3(genes, lengths)
    with whole_file(folder / made.annotation) as partial:
        partial.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    tissues = [f"lineage{number % 4}_tissue{number}" for number in range(simulated.settings.tissues)]
    names = [*genes.id[_ABSENT:], *(f"ENSG{99_000_000_000 + number:011d}" for number in range(_FOREIGN))]
    rng = np.random.default_rng([seed, 9])
    others = rng.normal(0, 1, (_FOREIGN, len(tissues)))
    amounts = np.exp(np.concatenate([simulated.log_expression[_ABSENT:], others]))
    shares = amounts / amounts.sum(axis=0)
    if species == "human":
        _write_gct(folder / made.matrix, names, tissues, shares * 1e6)
    else:
        _write_h5ad(folder / made.matrix, names, tissues, shares, rng)
    tracks = [
        replace(track, identifier=f"{track.assay}_lineage{track.lineage}")
        for track in genome.enformer_tracks(simulated)
        if track.assay != "CAGE"
    ]
    genome.write_bigwigs(bigwigs, simulated, tracks, "grch37")
    return [folder / "genome.fa", folder / made.annotation, folder / made.matrix, bigwigs]


def _transcripts(genes: pd.DataFrame, lengths: Mapping[str, int]) -> Iterator[tuple[pd.Series, list[tuple[str, list]]]]:
    """Each gene with its transcripts: an id and exons (start, end), the representative one at the gene's TSS first.

    Every second gene has another transcript, which begins further upstream. What lies past a contig's end is left out.
    """
    for number, gene in enumerate(genes.itertuples()):
        found = []
        for copy, upstream in enumerate((0, _UPSTREAM)[: 1 + number % 2]):
            placed = []
            for start, end in _EXONS:
                start, end = start - upstream * (start == 0), end
                if gene.strand == "+":
                    exon = gene.tss + start, gene.tss + end
                else:
                    exon = gene.tss + 1 - end, gene.tss + 1 - start
                placed.append((max(0, exon[0]), min(lengths[gene.chrom], exon[1])))
            found.append((f"ENST{90_000_000_000 + 2 * number + copy:011d}", sorted(e for e in placed if e[0] < e[1])))
        yield gene, found


def _line(gene: pd.Series, feature: str, spans: list[tuple[int, int]], attributes: str) -> str:
    first, last = min(start for start, _ in spans) + 1, max(end for _, end in spans)
    fields = (gene.chrom, "SIM", feature, first, last, ".", gene.strand, ".", attributes)
    return "\t".join(map(str, fields))


def _gtf(genes: pd.DataFrame, lengths: Mapping[str, int]) -> Iterator[str]:
    """A GTF as GENCODE writes it."""
    yield "##description: a simulated genome"
    for gene, transcripts in _transcripts(genes, lengths):
        own = f'gene_id "{gene.id}.1"; gene_type "{gene.type}"; gene_name "{gene.symbol}";'
        yield _line(gene, "gene", [exon for _, exons in transcripts for exon in exons], own)
        for number, (name, exons) in enumerate(transcripts):
            tag = ' tag "basic";' + (' tag "Ensembl_canonical"; tag "MANE_Select";' if number == 0 else "")
            attributes = f'{own} transcript_id "{name}.1"; transcript_type "{gene.type}";{tag}'
            yield _line(gene, "transcript", exons, attributes)
            for exon in exons:
                yield _line(gene, "exon", [exon], attributes)


def _gff3(genes: pd.DataFrame, lengths: Mapping[str, int]) -> Iterator[str]:
    """A GFF3 as Ensembl writes it."""
    yield "##gff-version 3"
    for gene, transcripts in _transcripts(genes, lengths):
        spans = [exon for _, exons in transcripts for exon in exons]
        own = f"ID=gene:{gene.id};Name={gene.symbol};biotype={gene.type};gene_id={gene.id}"
        yield _line(gene, "gene", spans, own)
        for number, (name, exons) in enumerate(transcripts):
            attributes = f"ID=transcript:{name};Parent=gene:{gene.id};biotype={gene.type};transcript_id={name}"
            yield _line(gene, "mRNA", exons, attributes + (";tag=Ensembl_canonical" if number == 0 else ""))
            for exon in exons:
                yield _line(gene, "exon", [exon], f"Parent=transcript:{name}")


def _write_gct(path: Path, names: list[str], tissues: list[str], tpm: np.ndarray) -> None:
    """GCT 1.2, as GTEx publishes medians: ids with a version, symbols beside them."""
    lines = ["#1.2", f"{len(names)}\t{len(tissues)}", "\t".join(["Name", "Description", *tissues])]
    for name, row in zip(names, tpm, strict=True):
        lines.append("\t".join([f"{name}.2", f"symbol of {name}", *(f"{value:.4g}" for value in row)]))
    with whole_file(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_h5ad(path: Path, names: list[str], tissues: list[str], shares: np.ndarray, rng: np.random.Generator) -> None:
    """Reads of single cells (cell, gene), as AnnData writes them; obs has each cell's `cell_type`."""
    counts, kinds = [], []
    for tissue in range(len(tissues)):
        for _ in range(rng.integers(*_CELLS)):
            cell = shares[:, tissue] * rng.lognormal(0, _CELL_SD, len(names))
            counts.append(rng.multinomial(_READS, cell / cell.sum()))
            kinds.append(tissue)
    matrix = sparse.csr_matrix(np.array(counts, dtype=np.float32))
    text = h5py.string_dtype()
    with whole_file(path) as partial, create_others(partial) as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        obs, var, stored = (file.create_group(name) for name in ("obs", "var", "X"))
        obs.attrs["_index"] = var.attrs["_index"] = "_index"
        obs["_index"] = np.array([f"cell{number}" for number in range(len(kinds))], dtype=text)
        var["_index"] = np.array(names, dtype=text)
        column = obs.create_group("cell_type")
        column.attrs["encoding-type"] = "categorical"
        column["categories"], column["codes"] = np.array(tissues, dtype=text), np.array(kinds, dtype=np.int8)
        stored.attrs["encoding-type"], stored.attrs["shape"] = "csr_matrix", matrix.shape
        for part in ("data", "indices", "indptr"):
            stored[part] = getattr(matrix, part)
