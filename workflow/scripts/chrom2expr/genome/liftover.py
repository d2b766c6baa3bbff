"""Genes lifted over from GRCh37 to GRCh38, and filtered: the gene table in, the genes to work with out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyliftover import LiftOver

from chrom2expr.errors import InputError, system_trouble
from chrom2expr.files.foreign import foreign_table, start_of
from chrom2expr.files.packed import opener
from chrom2expr.genome.contigs import called, plain, say_renamed
from chrom2expr.genome.genes import GENE_COLUMNS, WANTED_CHAIN, some

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


@dataclass(frozen=True)
class Chain:
    """A UCSC chain file: where positions of the source assembly lie in the target assembly, and both's contigs."""

    path: Path
    source: Mapping[str, int]
    target: Mapping[str, int]
    lift: LiftOver


def read_chain(path: str | Path) -> Chain:
    """Read a chain file, as it is or packed by gzip, bzip2 or xz.

    Raises InputError if it is damaged or no chain file, or if the length of chr1 tells that it leads between other
    assemblies than GRCh37 and GRCh38. Assemblies that are not UCSC's (a simulated genome) pass; genes.check_contigs
    holds them to their genomes.
    """
    path = Path(path)
    start = start_of(path, foreign_table)
    try:
        lift = LiftOver(opener(start)(path, "rb"))
    except Exception as error:  # pyliftover raises plain Exceptions; a cut gzip stream, EOFError
        if trouble := system_trouble(error, path):
            raise trouble from error
        raise InputError(f"{path}: a damaged chain file ({type(error).__name__}: {error})") from None
    chains = lift.chain_file.chains
    if not chains:
        raise InputError(f"{path}: holds no chain. {WANTED_CHAIN}")
    source = {chain.source_name: chain.source_size for chain in chains}
    target = {chain.target_name: chain.target_size for chain in chains}
    names = tuple(_CHR1_LENGTHS.get(sizes.get("chr1", sizes.get("1", 0))) for sizes in (source, target))
    if any(names) and names != _EXPECTED:
        found = " to ".join(name or "an unknown assembly" for name in names)
        raise InputError(f"{path}: by the length of chr1, this chain leads from {found}. {WANTED_CHAIN}")
    return Chain(path, source, target, lift)


def contigs(chain: Chain) -> dict[str, Any]:
    """The name of the chain's file, and the contigs of both assemblies, {name: length in bp}: contigs.json."""
    return {"chain": chain.path.name, "grch37": dict(chain.source), "grch38": dict(chain.target)}


def lift_over(annotation: pd.DataFrame, chain: Chain) -> pd.DataFrame:
    """Columns chrom_grch38, tss_grch38 (1-based) and strand_grch38 of the genes; "" and 0 where a gene does not lift.

    pyliftover takes 0-based positions. Of several hits the one of the highest chain score counts, which is the first.
    A contig that only the chain calls otherwise (1 for chr1) keeps the name that the gene table gives it. Where a
    region is turned round between the assemblies, so is the gene: strand_grch38 is then the other strand (111 of
    ExPecto's genes).
    """
    names = called(annotation["chrom_grch37"], chain.source)
    lifted = []
    for gene in annotation.itertuples():
        chrom = gene.chrom_grch37
        hits = chain.lift.convert_coordinate(names.get(chrom, chrom), gene.tss_grch37 - 1, gene.strand)
        target, position, strand, *_ = hits[0] if hits else ("", -1, "")
        lifted.append((chrom if plain(target) == plain(chrom) else target, position + 1, strand))
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
    chromosomes = annotation["chrom_grch37"].map(plain)
    excluded_chromosome = chromosomes.isin(map(plain, exclude_chromosomes))
    _check_positions(annotation[~excluded_chromosome], chain, annotation_path)
    lifted = lift_over(annotation, chain)
    table = annotation.join(lifted)
    unlifted = table["chrom_grch38"] == ""
    wanted = ~excluded_chromosome & ~table["gene_type"].isin(exclude_types)
    if (unlifted & wanted).sum() > MAX_UNLIFTED * wanted.sum():
        raise InputError(
            f"{chain.path}: {(unlifted & wanted).sum():,} of the {wanted.sum():,} genes in {annotation_path} do not "
            f"lift over, more than {MAX_UNLIFTED:.0%}. {WANTED_CHAIN}"
        )

    reasons = pd.Series([[] for _ in range(len(table))], index=table.index)
    for gene_type in exclude_types:
        _drop(reasons, table["gene_type"] == gene_type, f"type {gene_type} is excluded (genes: exclude_types)")
    for chromosome in exclude_chromosomes:
        _drop(reasons, chromosomes == plain(chromosome), f"{chromosome} is excluded (genes: exclude_chromosomes)")
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
    _say_coinciding(genes)
    print(
        f"{len(table):,} genes read, {unlifted.sum():,} do not lift over, {elsewhere.sum():,} lift to another contig; "
        f"{len(dropped):,} dropped, {len(genes):,} kept, {turned:,} of them on the other strand of GRCh38"
    )
    return genes, dropped


def _say_coinciding(genes: pd.DataFrame) -> None:
    """Say how many TSSs that lie apart in GRCh37 lift to one base (see shared_tss)."""
    places = genes[["chrom_grch37", "tss_grch37", "chrom_grch38", "tss_grch38"]].drop_duplicates()
    together = places.duplicated(["chrom_grch38", "tss_grch38"], keep=False)
    if together.any():
        bases = len(places[together].drop_duplicates(["chrom_grch38", "tss_grch38"]))
        print(f"{together.sum():,} TSSs that lie apart in GRCh37 lift to {bases:,} bases of GRCh38")


def _check_positions(annotation: pd.DataFrame, chain: Chain, path: str | Path) -> None:
    """Raise InputError for the first gene on a contig that the chain does not know, or past its end."""
    names = called(annotation["chrom_grch37"], chain.source)
    say_renamed(names, str(chain.path))
    lengths = annotation["chrom_grch37"].map({name: chain.source[other] for name, other in names.items()})
    if lengths.isna().any():
        gene, unknown = annotation[lengths.isna()].iloc[0], annotation.loc[lengths.isna(), "chrom_grch37"].unique()
        others = (
            f"{gene['chrom_grch37']} ({len(unknown)} in all: {', '.join(unknown)})" if len(unknown) > 1 else unknown[0]
        )
        raise InputError(
            f"{path}, line {gene['line']}: {gene['gene_id']} lies on {gene['chrom_grch37']}, which {chain.path} does "
            f"not know ({some(chain.source)}). Use a chain with the same names, or add {others} to genes: "
            "exclude_chromosomes"
        )
    past = annotation["tss_grch37"] > lengths
    if past.any():
        gene = annotation[past].iloc[0]
        raise InputError(
            f"{path}, line {gene['line']}: the TSS of {gene['gene_id']}, {gene['chrom_grch37']}:{gene['tss_grch37']}, "
            f"lies past the contig's end at {int(lengths[past].iloc[0]):,} in {chain.path}. Either the row is "
            f"wrong, or the table or the chain is of another assembly. {WANTED_CHAIN}"
        )


def _drop(reasons: pd.Series, rows: pd.Series, reason: str) -> None:
    if not rows.any():
        print(f"No gene is dropped because {reason}")
    for found in reasons[rows]:
        found.append(reason)
