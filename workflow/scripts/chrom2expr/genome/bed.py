"""The genes of a BED file, a line each."""

from pathlib import Path

import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.genome.genes import check_genes

_FIELDS = ("chrom", "start", "end", "name", "score", "strand")
# How lines for a browser begin.
HEADINGS = ("track ", "browser ")


def fields_of(line: str) -> list[str]:
    r"""The fields of a line, with tabs between them or, where it has none, blanks; none for one without data.

    >>> fields_of("chr1\t10\t20\tmy gene\n"), fields_of("chr1 10 20"), fields_of("track name=mine")
    (['chr1', '10', '20', 'my gene'], ['chr1', '10', '20'], [])
    """
    if not line.strip() or line.startswith(("#", *HEADINGS)):
        return []
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def read_bed(path: str | Path) -> pd.DataFrame:
    """The genes of a BED file of six or more columns, with the columns of genes.read_annotation, in the file's order.

    A BED counts from 0 and leaves the end out: the TSS (1-based) is start + 1 on the + strand, the end on the other.
    The name is the gene's id and symbol; it has no type. Raises InputError, naming file and line, for a line of fewer
    columns, a start or end that is no whole number, a stop before the start, a missing strand, chromosome or name, a
    name that stands twice, and a file without any gene.
    """
    rows = []
    with open_text(path, "a BED") as handle:
        for number, line in enumerate(handle, start=1):
            if fields := fields_of(line):
                rows.append(_gene(fields, f"{path}, line {number}") | {"line": number})
    if not rows:
        raise InputError(f"{path}: a BED file without genes")
    table = pd.DataFrame(rows)
    check_genes(table, path, ["chrom"], ["tss"], ["strand"])
    return table.astype({"tss": int})


def _gene(fields: list[str], where: str) -> dict[str, str]:
    if len(fields) < len(_FIELDS):
        raise InputError(
            f"{where}: {len(fields)} columns; a BED of genes has at least six, {', '.join(_FIELDS)}, with tabs between"
        )
    chrom, start, end, name, _, strand = fields[: len(_FIELDS)]
    for what, text in (("start", start), ("end", end)):
        if not (text.isascii() and text.isdecimal()):
            raise InputError(f"{where}: the {what} of {name} is '{text}', which is not a whole number")
    if int(end) <= int(start):
        raise InputError(f"{where}: {name} stops at {end}, which is not after its start, {start}")
    tss = str(int(start) + 1 if strand == "+" else int(end))
    return {"gene_id": name, "symbol": name, "gene_type": "", "strand": strand, "chrom": chrom, "tss": tss}
