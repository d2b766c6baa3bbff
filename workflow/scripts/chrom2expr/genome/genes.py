"""The gene table: parsed, lifted over from GRCh37 to GRCh38 and filtered.

TSS positions are 1-based in the annotation and in tss.tsv, and in every column named `tss_*` here; `locate` turns
them into the 0-based positions that the rest of the library uses.
"""

import gzip
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pyliftover import LiftOver

from chrom2expr.errors import InputError, system_trouble
from chrom2expr.files import tables
from chrom2expr.files.csv_rows import numbered_rows

# ExPecto's column -> ours. Its TSS column is not used: CAGE_representative_TSS is the TSS everywhere.
ANNOTATION_COLUMNS = {
    "id": "gene_id",
    "symbol": "symbol",
    "type": "gene_type",
    "strand": "strand",
    "seqnames": "chrom_grch37",
    "CAGE_representative_TSS": "tss_grch37",
}
GENE_COLUMNS = [*ANNOTATION_COLUMNS.values(), "chrom_grch38", "tss_grch38", "strand_grch38"]
DROPPED_COLUMNS = ["gene_id", "symbol", "gene_type", "chrom_grch37", "tss_grch37", "line", "reason"]

# More genes than this that do not lift mean a wrong chain: of ExPecto's 24,339 genes, 3 do not.
MAX_UNLIFTED = 0.05

# Length of chr1, by which UCSC's assemblies are told apart.
_CHR1_LENGTHS = {
    245_522_847: "hg17",
    247_249_719: "hg18",
    249_250_621: "hg19 (GRCh37)",
    248_956_422: "hg38 (GRCh38)",
    248_387_328: "hs1 (T2T-CHM13)",
    197_195_432: "mm9",
    195_471_971: "mm10",
    195_154_279: "mm39",
}
_EXPECTED = ("hg19 (GRCh37)", "hg38 (GRCh38)")
_WANTED_CHAIN = "resources: liftover_chain must lead from GRCh37 to GRCh38 (UCSC's hg19ToHg38.over.chain.gz)"


def read_annotation(path: str | Path) -> pd.DataFrame:
    """ExPecto's gene table (geneanno.csv: id, symbol, seqnames, strand, TSS, CAGE_representative_TSS, type).

    Returns gene_id, symbol, gene_type, strand, chrom_grch37, tss_grch37 (1-based) and `line` (1-based line in the
    file), in file order. Raises InputError, naming file and line, for a missing column, a row of another width, a
    missing or repeated gene id, a missing chromosome, a bad strand, or a TSS that is not a positive whole number.
    """
    numbered = numbered_rows(path)
    _, header = next(numbered)
    missing = [name for name in ANNOTATION_COLUMNS if name not in header]
    if missing:
        found = ", ".join(header) or "none"
        raise InputError(f"{path}, line 1: no column {', '.join(missing)}. Found: {found}")
    rows, lines = [], []
    for line, row in numbered:
        rows.append(row)
        lines.append(line)
    if not rows:
        raise InputError(f"{path}: no genes below the header")
    table = pd.DataFrame(rows, columns=header)[list(ANNOTATION_COLUMNS)].rename(columns=ANNOTATION_COLUMNS)
    table["line"] = lines
    _check_genes(table, path, ["chrom_grch37"], ["tss_grch37"], ["strand"])
    return table.astype({"tss_grch37": int})


def _check_genes(
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


@dataclass(frozen=True)
class Chain:
    """A UCSC chain file: where positions of the source assembly lie in the target assembly, and both's contigs."""

    path: Path
    source: Mapping[str, int]
    target: Mapping[str, int]
    lift: LiftOver


def read_chain(path: str | Path) -> Chain:
    """Read a chain file, gzip-compressed or not.

    Raises InputError if it is damaged or no chain file, or if the length of chr1 tells that it leads between other
    assemblies than GRCh37 and GRCh38. Assemblies that are not UCSC's (a simulated genome) pass; see `check_chain`.
    """
    path = Path(path)
    with open(path, "rb") as handle:
        opened = gzip.open if handle.read(2) == b"\x1f\x8b" else open
    try:
        lift = LiftOver(opened(path, "rb"))
    except Exception as error:  # pyliftover raises plain Exceptions; a cut gzip stream, EOFError
        if trouble := system_trouble(error, path):
            raise trouble from error
        raise InputError(f"{path}: a damaged chain file ({type(error).__name__}: {error})") from None
    chains = lift.chain_file.chains
    if not chains:
        raise InputError(f"{path}: holds no chain. {_WANTED_CHAIN}")
    source = {chain.source_name: chain.source_size for chain in chains}
    target = {chain.target_name: chain.target_size for chain in chains}
    names = tuple(_CHR1_LENGTHS.get(sizes.get("chr1", sizes.get("1", 0))) for sizes in (source, target))
    if any(names) and names != _EXPECTED:
        found = " to ".join(name or "an unknown assembly" for name in names)
        raise InputError(f"{path}: by the length of chr1, this chain leads from {found}. {_WANTED_CHAIN}")
    return Chain(path, source, target, lift)


def check_chain(chain: Chain, assembly: str, contigs: Mapping[str, int]) -> None:
    """Raise InputError if a contig of the chain has another length in the genome of `assembly` ({name: length in bp}).

    Contigs that only one side knows are no contradiction (a genome without alternative contigs is a legal one), but a
    genome that shares no contig with the chain is.
    """
    sizes = chain.source if assembly == "grch37" else chain.target
    shared = sizes.keys() & contigs.keys()
    if not shared:
        raise InputError(
            f"{chain.path}: none of its {assembly} contigs ({_some(sizes)}) is in genome_{assembly} "
            f"({_some(contigs)}). {_WANTED_CHAIN}, with the names of the genomes"
        )
    # GRCh37 is published with two different chrM, and nothing here lies on it.
    wrong = sorted(name for name in shared if sizes[name] != contigs[name] and name != "chrM")
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{chain.path}: {name} is {sizes[name]:,} bp long in the chain, but {contigs[name]:,} bp in "
            f"genome_{assembly} ({len(wrong)} contigs differ). {_WANTED_CHAIN}, and fit the genomes"
        )


def lift_over(annotation: pd.DataFrame, chain: Chain) -> pd.DataFrame:
    """Columns chrom_grch38, tss_grch38 (1-based) and strand_grch38 of the genes; "" and 0 where a gene does not lift.

    pyliftover takes 0-based positions. Of several hits the one of the highest chain score counts, which is the first.
    Where a region is turned round between the assemblies, so is the gene: strand_grch38 is then the other strand (111
    of ExPecto's genes).
    """
    lifted = []
    for gene in annotation.itertuples():
        hits = chain.lift.convert_coordinate(gene.chrom_grch37, gene.tss_grch37 - 1, gene.strand)
        lifted.append((hits[0][0], hits[0][1] + 1, hits[0][2]) if hits else ("", 0, ""))
    return pd.DataFrame(lifted, columns=["chrom_grch38", "tss_grch38", "strand_grch38"], index=annotation.index)


def build_genes(
    annotation: pd.DataFrame,
    chain: Chain,
    annotation_path: str | Path,
    *,
    exclude_types: Sequence[str],
    exclude_chromosomes: Sequence[str],
    contigs: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The genes to work with (GENE_COLUMNS), and the dropped ones (DROPPED_COLUMNS), in the annotation's order.

    `contigs`: "all" keeps genes that lift to another contig than their chromosome, "primary" drops them. A dropped
    gene's `reason` names every reason there is.

    Raises InputError if a chromosome is unknown to the chain, a TSS lies past its end, more than MAX_UNLIFTED of the
    genes do not lift, or none is left.
    """
    excluded_chromosome = annotation["chrom_grch37"].isin(exclude_chromosomes)
    _check_positions(annotation[~excluded_chromosome], chain, annotation_path)
    lifted = lift_over(annotation, chain)
    table = annotation.join(lifted)
    unlifted = table["chrom_grch38"] == ""
    wanted = ~excluded_chromosome & ~table["gene_type"].isin(exclude_types)
    if (unlifted & wanted).sum() > MAX_UNLIFTED * wanted.sum():
        raise InputError(
            f"{chain.path}: {(unlifted & wanted).sum():,} of the {wanted.sum():,} genes in {annotation_path} do not "
            f"lift over, more than {MAX_UNLIFTED:.0%}. {_WANTED_CHAIN}"
        )

    reasons = pd.Series([[] for _ in range(len(table))], index=table.index)
    for gene_type in exclude_types:
        _drop(reasons, table["gene_type"] == gene_type, f"type {gene_type} is excluded (genes: exclude_types)")
    for chromosome in exclude_chromosomes:
        _drop(reasons, table["chrom_grch37"] == chromosome, f"{chromosome} is excluded (genes: exclude_chromosomes)")
    _drop(reasons, unlifted, "its TSS does not lift over to GRCh38")
    elsewhere = ~unlifted & (table["chrom_grch38"] != table["chrom_grch37"])
    if contigs == "primary":
        _drop(reasons, elsewhere, "lifts over to another contig than its chromosome (genes: contigs: primary)")

    kept = reasons.str.len() == 0
    genes = table.loc[kept, GENE_COLUMNS].copy()
    if genes.empty:
        raise InputError(f"{annotation_path}: every gene is excluded (config key genes)")
    dropped = table[~kept].assign(reason=reasons[~kept].str.join("; "))[DROPPED_COLUMNS]
    turned = (genes["strand_grch38"] != genes["strand"]).sum()
    print(
        f"{len(table):,} genes read, {unlifted.sum():,} do not lift over, {elsewhere.sum():,} lift to another contig; "
        f"{len(dropped):,} dropped, {len(genes):,} kept, {turned:,} of them on the other strand of GRCh38"
    )
    return genes, dropped


def _check_positions(annotation: pd.DataFrame, chain: Chain, path: str | Path) -> None:
    """Raise InputError for the first gene on a contig that the chain does not know, or past its end."""
    lengths = annotation["chrom_grch37"].map(chain.source)
    if lengths.isna().any():
        gene = annotation[lengths.isna()].iloc[0]
        raise InputError(
            f"{path}, line {gene['line']}: {gene['gene_id']} lies on {gene['chrom_grch37']}, which {chain.path} does "
            f"not know ({_some(chain.source)}). Use a chain with the same names, or add {gene['chrom_grch37']} to "
            "genes: exclude_chromosomes"
        )
    past = annotation["tss_grch37"] > lengths
    if past.any():
        gene = annotation[past].iloc[0]
        raise InputError(
            f"{path}, line {gene['line']}: the TSS of {gene['gene_id']}, {gene['chrom_grch37']}:{gene['tss_grch37']}, "
            f"lies past the contig's end at {chain.source[gene['chrom_grch37']]:,} in {chain.path}. Either the row is "
            f"wrong, or the table or the chain is of another assembly. {_WANTED_CHAIN}"
        )


def _drop(reasons: pd.Series, rows: pd.Series, reason: str) -> None:
    if not rows.any():
        print(f"No gene is dropped because {reason}")
    for found in reasons[rows]:
        found.append(reason)


def _some(names: Mapping[str, int]) -> str:
    """A few names, for a message."""
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f", … {len(listed)} in all" if len(listed) > 3 else "")


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
    missing = [name for name in GENE_COLUMNS if name not in table]
    if missing:
        raise InputError(f"{path}, line 1: no column {', '.join(missing)}")
    table = table.fillna("")
    tss = ["tss_grch37", "tss_grch38"]
    checked = table.assign(line=np.arange(len(table)) + 2)
    _check_genes(checked, path, ["chrom_grch37", "chrom_grch38"], tss, ["strand", "strand_grch38"])
    return table.astype(dict.fromkeys(tss, int))


def locate(genes: pd.DataFrame, assembly: str) -> pd.DataFrame:
    """Where the genes of a tss.tsv lie in `assembly` (grch37 | grch38): chrom, tss (0-based), strand (+ | -)."""
    return pd.DataFrame(
        {
            "chrom": genes[f"chrom_{assembly}"],
            "tss": genes[f"tss_{assembly}"] - 1,
            "strand": genes["strand" if assembly == "grch37" else "strand_grch38"],
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
        where = f"{path}, line {row + 2}: {gene} lies at {chrom}:{tss} of {assembly}, but genome_{assembly} "
        if chrom not in contigs:
            raise InputError(
                f"{where}has no {chrom}. Use a FASTA of {assembly} that has it (genes: contigs: primary drops genes "
                "that lift over to other contigs than their chromosome)"
            )
        raise InputError(f"{where}ends {chrom} at {contigs[chrom]}. Is it of another assembly?")
