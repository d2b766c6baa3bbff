"""From the transcripts of an annotation to its genes: which transcript's start is a gene's TSS."""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.genome.contigs import plain

# Which transcript's TSS is a gene's; canonical: that which the annotation marks, the first of RANKS; all: each is one.
Choice = Literal["canonical", "most_upstream", "all"]
RANKS = ("MANE_Select", "Ensembl_canonical", "appris_principal")
# The ranks of a transcript without any mark, and of a gene's own line.
_UNMARKED, _GENE_LINE = 99, 100


def with_tss(table: pd.DataFrame, path: str | Path, choice: Choice = "canonical") -> pd.DataFrame:
    """The genes of the annotation `path`, in the order in which they first come, as genes.read_annotation gives them.

    `table` has a transcript a row, in the file's order: gene_id, transcript_id, symbol, gene_type, chrom, strand, start
    and end (0-based, half open), tags (with commas between), line (1-based) and gene_line, true where a gene without
    transcripts stands for itself.

    The TSS is that of one transcript: with "canonical" the one that is MANE Select, else Ensembl canonical, else
    APPRIS principal (the lowest number), else the most upstream; with "most_upstream" always that. Ties go to the lower
    transcript id. With "all" every TSS of a gene is a row, the most upstream first, whose gene_id is GENE@TRANSCRIPT,
    the lowest id of those that start there (see genes.gene_of). `line` is the transcript's.

    Of a gene in several places (a pseudoautosomal region; spellings of one contig are one) the contig and strand that
    come first count, and a line says so. Raises InputError, naming file and line, for a transcript without an id of its
    own or of its gene, a start before 1, a stop before the start, a strand that is neither, and, with "all", for a gene
    id with an @ or two starts of transcripts of one id.
    """
    _check(table, path)
    here = _first_places(table, path)
    forward = here["strand"] == "+"
    found = here.assign(tss=np.where(forward, here["start"] + 1, here["end"]))
    found["upstream"] = np.where(forward, found["tss"], -found["tss"])
    marked = [_rank(tags) for tags in here["tags"]] if choice == "canonical" else _UNMARKED
    found["rank"] = np.where(here["gene_line"], _GENE_LINE, marked)
    order = {gene: row for row, gene in enumerate(dict.fromkeys(found["gene_id"]))}
    if choice == "all":
        chosen = _every_tss(found, path, order)
    else:
        chosen = found.sort_values(["rank", "upstream", "transcript_id"], kind="stable").drop_duplicates("gene_id")
        chosen = chosen.sort_values("gene_id", key=lambda ids: ids.map(order)).reset_index(drop=True)
        counts = chosen["rank"].map(_named).value_counts()
        said = ", ".join(f"{count:,} by {name}" for name, count in counts.items())
        print(f"{path}: {len(chosen):,} genes of {len(table):,} transcripts, their TSS {said}")
    return chosen[["gene_id", "symbol", "gene_type", "strand", "chrom", "tss", "line"]]


def _check(table: pd.DataFrame, path: str | Path) -> None:
    """Raise InputError for the first transcript that cannot be used."""
    for column in ("gene_id", "transcript_id"):
        lacking = table[column] == ""
        if lacking.any():
            row = table[lacking].iloc[0]
            what = "gene" if row["gene_line"] else "transcript"
            raise InputError(f"{path}, line {row['line']}: the {what} has no {column}")
    for bad, said in (
        (table["start"] < 0, "it starts before 1, the first base"),
        (table["end"] <= table["start"], "it stops before its start"),
        (~table["strand"].isin(["+", "-"]), "its strand is neither + nor -"),
    ):
        if bad.any():
            row = table[bad].iloc[0]
            what = "gene" if row["gene_line"] else "transcript"
            raise InputError(f"{path}, line {row['line']}: {what} {row['transcript_id']}: {said}")


def _first_places(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """The transcripts on the contig and strand on which their gene first comes; print which genes have others."""
    place = table["chrom"].map(plain) + " " + table["strand"]
    first = place.groupby(table["gene_id"]).transform("first")
    away = table[place != first].drop_duplicates("gene_id")
    if not away.empty:
        row = away.iloc[0]
        own = table[table["gene_id"] == row["gene_id"]].iloc[0]
        print(
            f"{path}: {len(away):,} of the genes lie on several contigs or strands, of which the first counts: "
            f"{row['gene_id']}, for one, on {own['chrom']} {own['strand']} (line {own['line']}), not on "
            f"{row['chrom']} {row['strand']} (line {row['line']})"
        )
    return table[place == first]


def _every_tss(found: pd.DataFrame, path: str | Path, order: dict[str, int]) -> pd.DataFrame:
    """A row for every TSS of every gene, called GENE@TRANSCRIPT; `order` says which gene comes before which."""
    spoilt = found[found["gene_id"].str.contains("@", regex=False)]
    if not spoilt.empty:
        row = spoilt.iloc[0]
        raise InputError(
            f"{path}, line {row['line']}: gene id {row['gene_id']} has an @, which sets off the transcript where each "
            "TSS is a row (genes: tss: all): rename it, or choose another tss"
        )
    chosen = found.sort_values(["transcript_id"], kind="stable").drop_duplicates(["gene_id", "tss"])
    chosen = chosen.assign(place=chosen["gene_id"].map(order)).sort_values(["place", "upstream"], kind="stable")
    twice = chosen.duplicated(["gene_id", "transcript_id"])
    if twice.any():
        row = chosen[twice].iloc[0]
        same = (chosen["gene_id"] == row["gene_id"]) & (chosen["transcript_id"] == row["transcript_id"])
        first, second = sorted(chosen.loc[same, "line"])[:2]
        raise InputError(
            f"{path}, line {second}: transcript {row['transcript_id']} of {row['gene_id']} is already on line {first}, "
            "with another start"
        )
    print(f"{path}: {len(chosen):,} TSSs of {len(order):,} genes, of {len(found):,} transcripts, each a row")
    return chosen.assign(gene_id=chosen["gene_id"] + "@" + chosen["transcript_id"]).reset_index(drop=True)


def _rank(tags: str) -> int:
    """How far from being its gene's representative a transcript is: 0 is MANE Select, 99 nothing of the kind."""
    named = {tag.strip().replace(" ", "_") for tag in tags.split(",")}
    for rank, marker in enumerate(RANKS[:2]):
        if marker in named:
            return rank
    numbers = [int(match[1] or 0) for tag in named if (match := re.fullmatch(r"appris_principal(?:_(\d+))?", tag))]
    return 10 + min(numbers) if numbers else _UNMARKED


def _named(rank: int) -> str:
    if rank < 2:
        return RANKS[rank].replace("_", " ")
    if rank == _GENE_LINE:
        return "the gene's own start, for want of a transcript"
    return "APPRIS principal" if rank < _UNMARKED else "the most upstream start"
