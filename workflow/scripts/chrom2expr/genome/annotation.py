"""The genes as they are given: a table, or a GTF as GENCODE, Ensembl and RefSeq publish it, with one TSS a gene."""

import re
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyranges

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.genome.genes import read_annotation

# Which transcript's TSS is a gene's; canonical: that which the annotation marks, the first of RANKS.
Choice = Literal["canonical", "most_upstream"]
RANKS = ("MANE_Select", "Ensembl_canonical", "appris_principal")
_FIELDS = 9


def read(path: str | Path, choice: Choice = "canonical") -> pd.DataFrame:
    """Genes of a GTF (`read_gtf`), or of a table with a TSS of each (`genes.read_annotation`), whichever a file is."""
    return read_gtf(path, choice) if is_gtf(path) else read_annotation(path)


def is_gtf(path: str | Path) -> bool:
    """Whether a file, packed or not, is a GTF or GFF: nine fields below its comments, the fourth and fifth numbers."""
    with open_text(path) as handle:
        for line in handle:
            if line.strip() and not line.startswith("#"):
                return bool(_fields(line))
    return False


def _fields(line: str) -> list[str]:
    """The nine fields of a line of a GTF or GFF; none if it is of another kind."""
    fields = line.split("\t")
    return fields if len(fields) == _FIELDS and fields[3].isdecimal() and fields[4].isdecimal() else []


def read_gtf(path: str | Path, choice: Choice = "canonical") -> pd.DataFrame:
    """The genes of a GTF, in the order in which they first come, with the columns of genes.read_annotation.

    The TSS is that of one transcript: with "canonical" the one that is MANE Select, else Ensembl canonical, else
    APPRIS principal (the lowest number), else the most upstream; with "most_upstream" always that. Ties go to the lower
    transcript id. `line` is the transcript's. Raises InputError, naming file and line, for a file without transcripts,
    a transcript without an id of its own or of its gene, a stop before its start, and a strand that is neither.
    """
    table, lines = _transcripts(path)
    if table.empty:
        raise InputError(
            f"{path}: holds no transcripts, whose starts are the TSSs; use a GTF with features 'transcript'"
        )
    for column in ("gene_id", "transcript_id"):
        lacking = table[column].eq("") if column in table else pd.Series(True, index=table.index)
        if lacking.any():
            raise InputError(f"{path}, line {lines[int(np.argmax(lacking))]}: the transcript has no {column}")
    for bad, said in (
        (table["End"] <= table["Start"], "it stops before its start"),
        (~table["Strand"].isin(["+", "-"]), "its strand is neither + nor -"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(f"{path}, line {lines[row]}: transcript {table['transcript_id'].iloc[row]}: {said}")
    forward = table["Strand"] == "+"
    found = pd.DataFrame(
        {
            "gene_id": table["gene_id"],
            "symbol": _first_of(table, ("gene_name", "gene"), table["gene_id"]),
            "gene_type": _first_of(table, ("gene_type", "gene_biotype"), ""),
            "strand": table["Strand"],
            "chrom": table["Chromosome"],
            "tss": np.where(forward, table["Start"] + 1, table["End"]),
            "line": lines,
            "transcript_id": table["transcript_id"],
            "rank": [_rank(tags) for tags in _first_of(table, ("tag",), "")] if choice == "canonical" else 99,
        }
    )
    found["upstream"] = np.where(forward, found["tss"], -found["tss"])
    chosen = found.sort_values(["rank", "upstream", "transcript_id"], kind="stable").drop_duplicates("gene_id")
    order = {gene: row for row, gene in enumerate(dict.fromkeys(found["gene_id"]))}
    chosen = chosen.sort_values("gene_id", key=lambda ids: ids.map(order)).reset_index(drop=True)
    counts = chosen["rank"].map(_named).value_counts()
    said = ", ".join(f"{count:,} by {name}" for name, count in counts.items())
    print(f"{path}: {len(chosen):,} genes of {len(found):,} transcripts, their TSS {said}")
    return chosen.drop(columns=["transcript_id", "rank", "upstream"])


def _transcripts(path: str | Path) -> tuple[pd.DataFrame, list[int]]:
    """The transcripts of a GTF as pyranges reads them (Start 0-based), text where it is not; and their lines (1-based).

    The other features, most of a file, are left out before they take memory.
    """
    lines: list[int] = []
    with tempfile.NamedTemporaryFile("w", suffix=".gtf", encoding="utf-8") as kept, open_text(path, "a GTF") as handle:
        for number, line in enumerate(handle, start=1):
            if line.startswith("#") or not line.strip():
                continue
            if not (fields := _fields(line)):
                raise InputError(f"{path}, line {number}: not a line of a GTF, which has nine fields with tabs between")
            if fields[2] == "transcript":
                if re.search(r"(^|;)\s*\w+=", fields[8]):
                    raise InputError(f"{path}, line {number}: GFF3, not GTF; convert it (gffread -T)")
                kept.write(line.rstrip("\r\n") + "\n")
                lines.append(number)
        kept.flush()
        if not lines:
            return pd.DataFrame(), lines
        table = pyranges.read_gtf(kept.name, as_df=True, duplicate_attr=True)
    texts = table.columns.difference(["Start", "End"])
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, "")), lines


def _first_of(table: pd.DataFrame, columns: tuple[str, ...], otherwise: object) -> pd.Series:
    """The first of these attributes that each transcript has."""
    found = pd.Series(otherwise, index=table.index, dtype=object)
    for name in reversed(columns):
        if name in table:
            found = table[name].where(table[name] != "", found)
    return found


def _rank(tags: str) -> int:
    """How far from being its gene's representative a transcript is: 0 is MANE Select, 99 nothing of the kind."""
    named = {tag.strip().replace(" ", "_") for tag in tags.split(",")}
    for rank, marker in enumerate(RANKS[:2]):
        if marker in named:
            return rank
    numbers = [int(match[1] or 0) for tag in named if (match := re.fullmatch(r"appris_principal(?:_(\d+))?", tag))]
    return 10 + min(numbers) if numbers else 99


def _named(rank: int) -> str:
    if rank < 2:
        return RANKS[rank].replace("_", " ")
    return "APPRIS principal" if rank < 99 else "the most upstream start"
