"""The genes of a GTF or GFF3, as GENCODE, Ensembl and RefSeq publish them."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyranges

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.genome.transcripts import Choice, with_tss

_FIELDS = 9
# What lies below transcripts, most of a file; none is a transcript, even where it hangs on a gene.
_PARTS = re.compile(r".*exon|CDS|intron|.*UTR|.*codon.*")
# What is read of a GFF3's attributes. The others, most of RefSeq's text, are left out.
_WANTED = ("ID", "Parent", "Name", "gene", "gene_id", "gene_name", "transcript_id", "tag")
_WANTED += ("gene_type", "gene_biotype", "biotype", "chromosome", "genome")
_ACCESSION = re.compile(r"[A-Z]{1,2}_?\d{5,}\.\d+")


def fields_of(line: str) -> list[str]:
    r"""The nine fields of a line of a GTF or GFF3; none if it is of another kind.

    >>> fields_of("1\tlab\tgene\t5\t9\t.\t+\t.\tID=a\n")[-1], fields_of("1\tlab\tgene\tx\t9\t.\t+\t.\tID=a\n")
    ('ID=a', [])
    """
    fields = line.rstrip("\r\n").split("\t")
    return fields if len(fields) == _FIELDS and fields[3].isdecimal() and fields[4].isdecimal() else []


def has_gff3_attributes(text: str) -> bool:
    """Whether attributes are a GFF3's, NAME=VALUE, and not a GTF's.

    >>> has_gff3_attributes("ID=gene:a;Name=b"), has_gff3_attributes('gene_id "a=b";')
    (True, False)
    """
    return re.match(r'\s*[^\s=;"]+=', text) is not None


def read_gtf(path: str | Path, choice: Choice = "canonical") -> pd.DataFrame:
    """The genes of a GTF, each with its TSS: see transcripts.with_tss.

    Raises InputError, naming file and line, as with_tss, for a file without transcripts, and for a line of another
    kind.
    """
    table = _through_pyranges(_gtf_transcripts(path), partial(pyranges.read_gtf, duplicate_attr=True))
    if table.empty:
        raise InputError(
            f"{path}: holds no transcripts, whose starts are the TSSs; use a GTF with features 'transcript'"
        )
    gene_id = _first_of(table, "gene_id")
    columns = {
        "gene_id": gene_id,
        "transcript_id": _first_of(table, "transcript_id"),
        "symbol": _first_of(table, "gene_name", "gene", otherwise=gene_id),
        "gene_type": _first_of(table, "gene_type", "gene_biotype"),
        "tags": _first_of(table, "tag"),
        "gene_line": False,
    }
    return with_tss(table[["chrom", "strand", "start", "end", "line"]].assign(**columns), path, choice)


def read_gff3(path: str | Path, choice: Choice = "canonical", contigs: Collection[str] = ()) -> pd.DataFrame:
    """The genes of a GFF3, each with its TSS: see transcripts.with_tss.

    A gene is a feature whose type ends in `gene`; a transcript is one whose Parent is a gene, whatever its type, but
    for exons, coding sequences and the like. A gene without transcripts (RefSeq's of chrM, pseudogenes) counts with its
    own start. A gene's id is the gene_id of the transcript, else of the gene, else the gene's ID without `gene:` or
    `gene-`; its symbol is gene_name, Name or gene, its type gene_type, biotype or gene_biotype of the gene's line.
    Where features `region` say which chromosomes contigs called by accessions are (RefSeq's NC_000001.11), they are
    called by these, and a line says so; but not what is among `contigs`, as the genome calls its own.

    Raises InputError, naming file and line, as with_tss, for a file without transcripts of genes, and for a line of
    another kind.
    """
    table = _through_pyranges(_gff3_features(path), pyranges.read_gff3)
    if table.empty or not (is_gene := table["Feature"].str.endswith("gene")).any():
        raise InputError(f"{path}: holds no genes; use a GFF3 with features 'gene' that are Parents of transcripts")
    parents = _first_of(table, "Parent").str.split(",")
    for name in table.columns.intersection(["chrom", *_WANTED]):
        table[name] = table[name].map(unquote)
    table["chrom"] = _by_chromosome(table, path, contigs)
    genes = table[is_gene]
    found = table.assign(parent=parents).explode("parent").query("parent != ''")
    found["parent"] = found["parent"].map(unquote)
    found = found[found["parent"].isin(genes["ID"])]
    if found.empty:
        raise InputError(
            f"{path}: holds no transcripts, whose starts are the TSSs; use a GFF3 in which genes are their Parents"
        )
    alone = genes[~genes["ID"].isin(found["parent"]) & ~genes["line"].isin(found["line"])]
    # A row of `own` is the gene of the same row of `found`.
    own = pd.concat([genes.drop_duplicates("ID").set_index("ID", drop=False).loc[found["parent"]], alone])
    found = pd.concat([found.assign(gene_line=False), alone.assign(gene_line=True)], ignore_index=True)
    own = own.reset_index(drop=True)
    of_gene = _first_of(own, "gene_id", otherwise=own["ID"].map(bare))
    gene_id = _first_of(found, "gene_id", otherwise=of_gene)
    columns = {
        "gene_id": gene_id,
        "transcript_id": _first_of(found, "transcript_id", otherwise=found["ID"].map(bare)),
        "symbol": _first_of(own, "gene_name", "Name", "gene", otherwise=gene_id),
        "gene_type": _first_of(own, "gene_type", "biotype", "gene_biotype"),
        "tags": _first_of(found, "tag"),
    }
    found = found[["chrom", "strand", "start", "end", "line", "gene_line"]].assign(**columns)
    return with_tss(found.sort_values("line", kind="stable", ignore_index=True), path, choice)


def _through_pyranges(features: Iterable[tuple[int, list[str]]], read: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Features, each with its line's number, as pyranges reads them: with chrom, strand, start and end (0-based, half
    open), line (1-based), Feature, and text for each attribute, "" where a feature has none.
    """
    lines, contigs = [], []
    with tempfile.NamedTemporaryFile("w", suffix=".gff", encoding="utf-8") as kept:
        for number, fields in features:
            kept.write("\t".join(fields) + "\n")
            lines.append(number)
            contigs.append(fields[0])
        kept.flush()
        if not lines:
            return pd.DataFrame()
        table = read(kept.name, as_df=True)
    texts = table.columns.difference(["Start", "End"])
    table = table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))
    table = table.rename(columns={"Strand": "strand", "Start": "start", "End": "end"})
    # pyranges makes numbers of contigs called 1, 2, ... (or 01).
    return table.assign(chrom=pd.Series(contigs, dtype=object, index=table.index), line=lines)


def _gtf_transcripts(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """The transcripts of a GTF; the other features, most of a file, are left out before they take memory."""
    for number, fields in lines(path, "GTF"):
        if fields[2] != "transcript":
            continue
        if has_gff3_attributes(fields[8]):
            raise InputError(f"{path}, line {number}: GFF3, but the lines above are of a GTF; keep one of the two")
        if any(len(pair.split(None, 1)) != 2 for pair in fields[8].rstrip("; ").split("; ")):
            raise InputError(f'{path}, line {number}: its attributes are not those of a GTF, NAME "VALUE"; for each')
        yield number, fields


def _gff3_features(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """The genes of a GFF3, all that may be their transcripts, and what says how contigs are called."""
    for number, (contig, _, kind, start, end, _, strand, _, text) in lines(path, "GFF3"):
        below = "Parent=" in text and _PARTS.fullmatch(kind) is None
        if below or kind.endswith("gene") or kind == "region" and "genome=" in text:
            # pyranges takes # for the start of a comment.
            yield number, [contig.replace("#", "%23"), ".", kind, start, end, ".", strand, ".", _wanted(text)]


def _wanted(attributes: str) -> str:
    """The attributes of a GFF3 that are read, with a = or # inside a value encoded, as pyranges has it.

    >>> _wanted("Note=a long one;ID=gene:a; Name=b=c#1;")
    'ID=gene:a;Name=b%3Dc%231'
    """
    pairs = [pair.partition("=") for pair in attributes.split(";")]
    found = {"ID": ""} | {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _WANTED}
    return ";".join(f"{name}={value.replace('=', '%3D').replace('#', '%23')}" for name, value in found.items())


def lines(path: str | Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each feature, down to the sequences that a GFF3 may end with."""
    with open_text(path, f"a {kind}") as handle:
        for number, line in enumerate(handle, start=1):
            if line.startswith(("##FASTA", ">")):
                return
            if line.startswith("#") or not line.strip():
                continue
            if not (fields := fields_of(line)):
                raise InputError(
                    f"{path}, line {number}: not a line of a {kind}, which has nine fields with tabs between, the "
                    "fourth and fifth of them whole numbers"
                )
            yield number, fields


def _by_chromosome(table: pd.DataFrame, path: str | Path, known: Collection[str]) -> pd.Series:
    """The contigs of features, by the names of their chromosomes where they are accessions and a `region` has these."""
    regions = table[table["Feature"] == "region"]
    names = {}
    for contig, genome, chromosome in zip(
        regions["chrom"], _first_of(regions, "genome"), _first_of(regions, "chromosome")
    ):
        name = {"chromosome": chromosome, "mitochondrion": "MT"}.get(genome, "")
        if name and contig not in known and _ACCESSION.fullmatch(contig):
            names[contig] = name
    times = Counter(names.values())
    names = {contig: name for contig, name in names.items() if times[name] == 1}
    if names:
        shown = ", ".join(f"{contig} is {name}" for contig, name in list(names.items())[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(f"{path}: contigs are called by their chromosomes, as its features 'region' say: {shown}{more}")
    return table["chrom"].replace(names)


def bare(feature_id: str) -> str:
    """A feature's ID without what Ensembl and RefSeq set before it.

    >>> bare("gene:ENSG00000223972"), bare("rna-NR_046018.2"), bare("mygene-1")
    ('ENSG00000223972', 'NR_046018.2', 'mygene-1')
    """
    return re.sub(r"^(gene|transcript|rna)[:-]", "", feature_id)


def _first_of(table: pd.DataFrame, *columns: str, otherwise: object = "") -> pd.Series:
    """The first of these attributes that each feature has."""
    found = pd.Series(otherwise, index=table.index, dtype=object)
    for name in reversed(columns):
        if name in table:
            found = table[name].where(table[name] != "", found)
    return found
