"""The gene table, as it is given and as the rest of the workflow reads it (tss.tsv).

TSS positions are 1-based in the annotation and in tss.tsv, and in every column named `tss_*` here; `locate` turns
them into the 0-based positions that the rest of the library uses.
"""

import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files import tables
from chrom2expr.files.csv_rows import numbered_rows, refuse_repeated
from chrom2expr.genome.contigs import called, check_lengths, say_renamed

# ExPecto's column -> ours. Its TSS column is not used: CAGE_representative_TSS is the TSS everywhere.
ANNOTATION_COLUMNS = {
    "id": "gene_id",
    "symbol": "symbol",
    "type": "gene_type",
    "strand": "strand",
    "seqnames": "chrom",
    "CAGE_representative_TSS": "tss",
}
# What a table may lack.
OPTIONAL_COLUMNS = ("symbol", "gene_type")
# What every tss.tsv has of a gene, beside where it lies in each assembly (see `located_in`).
GENE_COLUMNS = ("gene_id", "symbol", "gene_type", "strand")


def read_annotation(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A table of genes with a header: ExPecto's (geneanno.csv), or one whose `columns` the config names.

    `columns` is our name -> the file's; what it leaves out is called as ExPecto calls it (ANNOTATION_COLUMNS). A file
    may lack a symbol, which then is the gene's id, and a type, which then is empty, where `columns` does not name them.

    Returns gene_id, symbol, gene_type, strand, chrom, tss (1-based) and `line` (1-based line in the file), in file
    order. Raises InputError, naming file and line, for a missing column, a row of another width, a missing or repeated
    gene id, a missing chromosome, a bad strand, or a TSS that is not a positive whole number.
    """
    numbered = numbered_rows(path)
    _, header = next(numbered)
    named = {ours: theirs for theirs, ours in ANNOTATION_COLUMNS.items()} | dict(columns or {})
    absent = {ours for ours in OPTIONAL_COLUMNS if ours not in (columns or {}) and named[ours] not in header}
    named = {ours: theirs for ours, theirs in named.items() if ours not in absent}
    missing = [name for name in named.values() if name not in header]
    if missing:
        found = ", ".join(header) or "none"
        raise InputError(
            f"{path}, line 1: no column {', '.join(missing)}. Found: {found}. genes: columns can say what they are "
            "called"
        )
    refuse_repeated(path, header, list(named.values()))
    rows, lines = [], []
    for line, row in numbered:
        rows.append(row)
        lines.append(line)
    if not rows:
        raise InputError(f"{path}: no genes below the header")
    given = pd.DataFrame(rows, columns=header)
    table = pd.DataFrame({ours: given[theirs] for ours, theirs in named.items()})
    for ours in sorted(absent):
        table[ours] = table["gene_id"] if ours == "symbol" else ""
    table = table[list(ANNOTATION_COLUMNS.values())]
    table["line"] = lines
    check_genes(table, path, ["chrom"], ["tss"], ["strand"])
    return table.astype({"tss": int})


def check_genes(
    table: pd.DataFrame,
    path: str | Path,
    chrom_columns: Sequence[str],
    tss_columns: Sequence[str],
    strand_columns: Sequence[str],
) -> None:
    """Raise InputError for the first bad field of a table of strings with a `line` column."""

    def fail(bad: np.ndarray, text: str) -> None:
        if np.any(bad):
            row = table.iloc[int(np.argmax(bad))].to_dict()
            raise InputError(f"{path}, line {row['line']}: " + text.format(**row))

    fail(table["gene_id"] == "", "the gene id is missing")
    duplicated = table["gene_id"].duplicated()
    if duplicated.any():
        row = table[duplicated].iloc[0]
        first = table.loc[table["gene_id"] == row["gene_id"], "line"].iloc[0]
        raise InputError(f"{path}, line {row['line']}: gene id {row['gene_id']} is already on line {first}")
    for column in chrom_columns:
        fail(table[column] == "", "{gene_id} has no chromosome")
    for column in strand_columns:
        fail(~table[column].isin(["+", "-"]), f"{{gene_id}} has strand '{{{column}}}', which is neither + nor -")
    for column in tss_columns:
        bad = [re.fullmatch(r"0*[1-9][0-9]*", value) is None for value in table[column]]
        fail(bad, f"{{gene_id}} has TSS '{{{column}}}', which is not a positive whole number (positions are 1-based)")


def without_version(gene_id: str) -> str:
    """An Ensembl gene's id without the version of its annotation; other ids are left alone.

    GENCODE's releases on GRCh37 add a number of their own, and a gene of chrY's pseudoautosomal region is another one.

    >>> without_version("ENSG00000223972.5_2"), without_version("ENSG00000182378.14_PAR_Y"), without_version("A.1")
    ('ENSG00000223972', 'ENSG00000182378_PAR_Y', 'A.1')
    """
    return re.sub(r"^(ENS[A-Z]*G\d{11})\.\d+(?:_\d+)?(_PAR_Y)?(?:_\d+)?$", r"\1\2", gene_id)


def gene_of(row_id: str) -> str:
    """The own id of the gene of a row: what is before @, which sets off the transcript where each TSS has a row.

    >>> gene_of("ENSG00000223972.5@ENST00000456328.2"), gene_of("ENSG00000223972.5")
    ('ENSG00000223972.5', 'ENSG00000223972.5')
    """
    return row_id.partition("@")[0]


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write tss.tsv or dropped.tsv, whole or not at all."""
    tables.write_table(path, list(table), table.itertuples(index=False, name=None))


def read_genes(path: str | Path) -> pd.DataFrame:
    """A tss.tsv as a table with index 0 … n-1; `tss_*` are whole numbers, 1-based.

    Row i is line i + 2 of the file.

    Raises InputError, naming file and line, for what `read_annotation` rejects, in either assembly.
    """
    try:
        lines = io.StringIO(tables.read_lines(path))
        table = pd.read_csv(lines, sep="\t", dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a gene table ({error})") from None
    assemblies = located_in(table)
    places = [f"{part}_{name}" for name in assemblies for part in ("chrom", "tss")]
    missing = [name for name in (*GENE_COLUMNS, *(places or ["chrom_ASSEMBLY"])) if name not in table]
    if missing:
        raise InputError(f"{path}, line 1: no column {', '.join(missing)}")
    table = table.fillna("")
    tss = [f"tss_{name}" for name in assemblies]
    checked = table.assign(line=np.arange(len(table)) + 2)
    strands = [name for name in table if name.startswith("strand")]
    check_genes(checked, path, [f"chrom_{name}" for name in assemblies], tss, strands)
    return table.astype(dict.fromkeys(tss, int))


def located_in(genes: pd.DataFrame) -> list[str]:
    """The assemblies that a tss.tsv has places in: first the genes' own, then those that they were lifted over to."""
    return [name.removeprefix("chrom_") for name in genes if name.startswith("chrom_")]


def locate(genes: pd.DataFrame, assembly: str) -> pd.DataFrame:
    """Where the genes of a tss.tsv lie in `assembly`: chrom, tss (0-based), strand (+ | -).

    Raises InputError if the table has no places in that assembly.

    >>> table = pd.DataFrame({"gene_id": ["A"], "strand": ["-"], "chrom_mm39": ["chr1"], "tss_mm39": [101]})
    >>> locate(table, "mm39").to_dict("list")
    {'chrom': ['chr1'], 'tss': [100], 'strand': ['-']}
    """
    if assembly not in (known := located_in(genes)):
        raise InputError(f"the genes have no places in {assembly}, only in {', '.join(known)}: make tss.tsv again")
    turned = f"strand_{assembly}"
    return pd.DataFrame(
        {
            "chrom": genes[f"chrom_{assembly}"],
            "tss": genes[f"tss_{assembly}"] - 1,
            "strand": genes[turned if turned in genes else "strand"],
        }
    )


def check_tss(genes: pd.DataFrame, contigs: Mapping[str, int], assembly: str, path: str | Path) -> None:
    """Raise InputError for the first gene of the table `path` on a contig that the genome lacks, or past its end.

    `contigs`: the genome's, {name: length in bp}.
    """
    located = locate(genes, assembly)
    lengths = located["chrom"].map(contigs)
    for row in np.flatnonzero(lengths.isna() | (located["tss"] >= lengths))[:1]:
        gene, chrom, tss = genes["gene_id"].iloc[row], located["chrom"].iloc[row], located["tss"].iloc[row] + 1
        where = f"{path}, line {row + 2}: {gene} lies at {chrom}:{tss} of {assembly}, but its FASTA "
        if chrom not in contigs:
            raise InputError(
                f"{where}has no {chrom}. Use one that has it (genes: contigs: primary drops genes that lift over to "
                "other contigs than their chromosome)"
            )
        raise InputError(f"{where}ends {chrom} at {contigs[chrom]}. Is it of another assembly?")


def read_genes_in(
    path: str | Path, assembly: str, contigs: Mapping[str, int], lifted: Mapping[str, Any]
) -> pd.DataFrame:
    """`read_genes`, of a genome of `assembly` with these contigs, {name: length in bp}; `lifted`: see check_contigs.

    Contigs of `assembly` are called as in the genome.

    Raises InputError as read_genes, check_contigs and check_tss.
    """
    genes = read_genes(path)
    column = f"chrom_{assembly}"
    names = called(genes[column], contigs)
    say_renamed(names, f"the FASTA of {assembly}")
    genes[column] = [names.get(name, name) for name in genes[column]]
    check_contigs(lifted, assembly, contigs, names.values())
    check_tss(genes, contigs, assembly, path)
    return genes


def check_contigs(lifted: Mapping[str, Any], assembly: str, contigs: Mapping[str, int], used: Collection[str]) -> None:
    """Raise InputError if a contig has another length in the genome of `assembly` than in a chain of the lift-over.

    `contigs` is the genome's {name: length in bp}, of which genes lie on those `used`; `lifted` is contigs.json
    (liftover.contigs). Contigs that only one side knows are no contradiction (a genome without alternative contigs is a
    legal one), but a genome that shares no contig with the chain is; see contigs.check_lengths.
    """
    for chain in lifted["chains"]:
        if assembly not in chain["contigs"]:
            continue
        lengths = chain["contigs"][assembly]
        if not called(contigs, lengths):
            raise InputError(
                f"{chain['file']}: none of its contigs of {assembly} ({some(lengths)}) is in the FASTA of {assembly} "
                f"({some(contigs)}). {chain['wanted']}, with the names of the genomes"
            )
        what, advice = f"{chain['file']} ({assembly})", f"{chain['wanted']}, and fit the genomes"
        check_lengths(used, lengths, contigs, what, advice)


def some(names: Mapping[str, int]) -> str:
    """A few names, for a message."""
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f", … {len(listed)} in all" if len(listed) > 3 else "")
