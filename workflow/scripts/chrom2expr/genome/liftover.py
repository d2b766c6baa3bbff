"""Genes placed in every assembly that is worked with, and filtered: the gene table in, the genes to work with out."""

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
from chrom2expr.genome.genes import GENE_COLUMNS, some

# More genes than this that do not lift mean a wrong chain: of ExPecto's 24,339 genes, 3 do not.
MAX_UNLIFTED = 0.05

# UCSC's assemblies, with their other names, are told apart by the length of chr1.
_CHR1_LENGTHS = {
    245_522_847: ("hg17", "grch35"),
    247_249_719: ("hg18", "ncbi36"),
    249_250_621: ("hg19", "grch37"),
    248_956_422: ("hg38", "grch38"),
    248_387_328: ("hs1", "t2t_chm13", "chm13", "t2t"),
    197_195_432: ("mm9", "ncbi37"),
    195_471_971: ("mm10", "grcm38"),
    195_154_279: ("mm39", "grcm39"),
}


@dataclass(frozen=True)
class Chain:
    """A UCSC chain file: where positions of one assembly lie in another, {contig: length in bp} of both.

    `wanted` says which chain the config needs there, for messages.
    """

    path: Path
    from_assembly: str
    to_assembly: str
    source: Mapping[str, int]
    target: Mapping[str, int]
    lift: LiftOver

    @property
    def wanted(self) -> str:
        return _wanted(self.from_assembly, self.to_assembly)


def _wanted(from_assembly: str, to_assembly: str) -> str:
    return (
        f"assemblies: {from_assembly}: lift_to: {to_assembly} must name a chain that leads from {from_assembly} to "
        f"{to_assembly}"
    )


def read_chain(path: str | Path, from_assembly: str, to_assembly: str) -> Chain:
    """Read a chain file, as it is or packed by gzip, bzip2 or xz, that is to lead between these assemblies.

    Raises InputError if it is damaged or no chain file, or if the length of chr1 tells that it leads between other
    assemblies than their names say (see _CHR1_LENGTHS). Assemblies of other names pass, and so do contigs that are not
    UCSC's (a simulated genome): genes.check_contigs holds them to their genomes.
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
    wanted = _wanted(from_assembly, to_assembly)
    if not chains:
        raise InputError(f"{path}: holds no chain. {wanted}")
    source = {chain.source_name: chain.source_size for chain in chains}
    target = {chain.target_name: chain.target_size for chain in chains}
    found = [_CHR1_LENGTHS.get(sizes.get("chr1", sizes.get("1", 0)), ()) for sizes in (source, target)]
    if any(found) and any(map(_contradicts, (from_assembly, to_assembly), found)):
        named = " to ".join(names[0] if names else "an unknown assembly" for names in found)
        raise InputError(f"{path}: by the length of chr1, this chain leads from {named}. {wanted}")
    return Chain(path, from_assembly, to_assembly, source, target, lift)


def _contradicts(assembly: str, found: Sequence[str]) -> bool:
    """Whether an assembly's name is one of UCSC's, and not among those `found` by the length of chr1."""
    name = assembly.lower().replace("-", "_")
    return any(name in names for names in _CHR1_LENGTHS.values()) and name not in found


def contigs(chains: Sequence[Chain]) -> dict[str, Any]:
    """The chains, each with its file's name and the contigs of both assemblies, {name: length in bp}: contigs.json."""
    return {
        "chains": [
            {
                "file": chain.path.name,
                "wanted": chain.wanted,
                "contigs": {chain.from_assembly: dict(chain.source), chain.to_assembly: dict(chain.target)},
            }
            for chain in chains
        ]
    }


def lift_over(annotation: pd.DataFrame, chain: Chain) -> pd.DataFrame:
    """Columns chrom, tss (1-based) and strand of the genes by the chain; "" and 0 where a gene does not lift.

    pyliftover takes 0-based positions. Of several hits the one of the highest chain score counts, which is the first.
    A contig that only the chain calls otherwise (1 for chr1) keeps the name that the gene table gives it. Where a
    region is turned round between the assemblies, so is the gene, which then has the other strand (111 of ExPecto's
    genes).
    """
    names = called(annotation["chrom"], chain.source)
    lifted = []
    for gene in annotation.itertuples():
        chrom = gene.chrom
        hits = chain.lift.convert_coordinate(names.get(chrom, chrom), gene.tss - 1, gene.strand)
        target, position, strand, *_ = hits[0] if hits else ("", -1, "")
        lifted.append((chrom if plain(target) == plain(chrom) else target, position + 1, strand))
    return pd.DataFrame(lifted, columns=["chrom", "tss", "strand"], index=annotation.index)


def build_genes(
    annotation: pd.DataFrame,
    annotation_path: str | Path,
    assembly: str,
    chains: Sequence[Chain],
    lengths: Mapping[str, int],
    *,
    only_types: Sequence[str] = (),
    exclude_types: Sequence[str],
    exclude_chromosomes: Sequence[str],
    contigs: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The genes to work with, and the dropped ones with line and reason, in the annotation's order.

    The genes lie in `assembly`, whose contigs have these `lengths` (bp), and are lifted over to those that the `chains`
    lead to. The table of genes has GENE_COLUMNS, `chrom_` and `tss_` of their assembly, then
    `chrom_`, `tss_` and `strand_` of each further one. `contigs`: "all" keeps genes that lift to another contig than
    their chromosome, "primary" drops them. A dropped gene's `reason` names every reason there is.

    Raises InputError if a chromosome is unknown to a chain or the genome, a TSS lies past its end, more than
    MAX_UNLIFTED of the genes do not lift, or none is left; and if no gene has one of `only_types`, where any are given.
    """
    chromosomes = annotation["chrom"].map(plain)
    excluded_chromosome = chromosomes.isin(map(plain, exclude_chromosomes))
    other_type = ~annotation["gene_type"].isin(only_types) if only_types else pd.Series(False, annotation.index)
    wanted = ~excluded_chromosome & ~other_type & ~annotation["gene_type"].isin(exclude_types)
    own = [f"chrom_{assembly}", f"tss_{assembly}"]
    table = annotation.rename(columns=dict(zip(("chrom", "tss"), own)))
    columns = [*GENE_COLUMNS, *own]
    reasons = pd.Series([[] for _ in range(len(table))], index=table.index)
    if only_types:
        _refuse_unknown(only_types, annotation["gene_type"], annotation_path)
        _drop(reasons, other_type, f"its type is not {' or '.join(only_types)} (genes: only_types)")
    for gene_type in exclude_types:
        _drop(reasons, table["gene_type"] == gene_type, f"type {gene_type} is excluded (genes: exclude_types)")
    for chromosome in exclude_chromosomes:
        _drop(reasons, chromosomes == plain(chromosome), f"{chromosome} is excluded (genes: exclude_chromosomes)")
    if not chains:
        _check_positions(annotation[~excluded_chromosome], lengths, f"the FASTA of {assembly}", annotation_path)
    for chain in chains:
        _check_positions(
            annotation[~excluded_chromosome], chain.source, str(chain.path), annotation_path, f" {chain.wanted}"
        )
        lifted = lift_over(annotation, chain)
        unlifted = lifted["chrom"] == ""
        if (unlifted & wanted).sum() > MAX_UNLIFTED * wanted.sum():
            raise InputError(
                f"{chain.path}: {(unlifted & wanted).sum():,} of the {wanted.sum():,} genes in {annotation_path} do "
                f"not lift over, more than {MAX_UNLIFTED:.0%}. {chain.wanted}"
            )
        _drop(reasons, unlifted, f"its TSS does not lift over to {chain.to_assembly}")
        elsewhere = ~unlifted & (lifted["chrom"] != annotation["chrom"])
        if contigs == "primary":
            _drop(reasons, elsewhere, "lifts over to another contig than its chromosome (genes: contigs: primary)")
        lifted = lifted.add_suffix(f"_{chain.to_assembly}")
        table = table.join(lifted)
        columns += list(lifted)
        print(
            f"{chain.path}: {unlifted.sum():,} of {len(table):,} genes do not lift over to {chain.to_assembly}, "
            f"{elsewhere.sum():,} lift to another contig"
        )

    kept = reasons.str.len() == 0
    genes = table.loc[kept, columns].copy()
    if genes.empty:
        raise InputError(f"{annotation_path}: every gene is excluded (config key genes)")
    dropped = table[~kept].assign(reason=reasons[~kept].str.join("; "))
    for chain in chains:
        _say_coinciding(genes, assembly, chain.to_assembly)
        turned = (genes[f"strand_{chain.to_assembly}"] != genes["strand"]).sum()
        print(f"{turned:,} of the genes kept are on the other strand of {chain.to_assembly}")
    print(f"{len(table):,} genes read, {len(dropped):,} dropped, {len(genes):,} kept")
    return genes, dropped[["gene_id", "symbol", "gene_type", *own, "line", "reason"]]


def _refuse_unknown(wanted: Sequence[str], gene_type: pd.Series, path: str | Path) -> None:
    """Raise InputError for the first type that is `wanted` and that no gene has."""
    counts = gene_type.value_counts()
    for name in wanted:
        if name not in counts:
            found = ", ".join(f"{count:,} {kind or 'without a type'}" for kind, count in counts.head(5).items())
            raise InputError(f"{path}: no gene is of type {name} (genes: only_types); it has {found}")


def _say_coinciding(genes: pd.DataFrame, assembly: str, other: str) -> None:
    """Say how many TSSs that lie apart in `assembly` lift to one base of the other (see shared_tss)."""
    target = [f"chrom_{other}", f"tss_{other}"]
    places = genes[[f"chrom_{assembly}", f"tss_{assembly}", *target]].drop_duplicates()
    together = places.duplicated(target, keep=False)
    if together.any():
        bases = len(places[together].drop_duplicates(target))
        print(f"{together.sum():,} TSSs that lie apart in {assembly} lift to {bases:,} bases of {other}")


def _check_positions(
    annotation: pd.DataFrame, contigs: Mapping[str, int], where: str, path: str | Path, wanted: str = ""
) -> None:
    """Raise InputError for the first gene on none of the `contigs`, which are those of `where`, or past its end."""
    names = called(annotation["chrom"], contigs)
    say_renamed(names, where)
    lengths = annotation["chrom"].map({name: contigs[other] for name, other in names.items()})
    if lengths.isna().any():
        gene, unknown = annotation[lengths.isna()].iloc[0], annotation.loc[lengths.isna(), "chrom"].unique()
        others = f"{gene['chrom']} ({len(unknown)} in all: {', '.join(unknown)})" if len(unknown) > 1 else unknown[0]
        raise InputError(
            f"{path}, line {gene['line']}: {gene['gene_id']} lies on {gene['chrom']}, which {where} does not know "
            f"({some(contigs)}). Use one with the same names, or add {others} to genes: exclude_chromosomes"
        )
    past = annotation["tss"] > lengths
    if past.any():
        gene = annotation[past].iloc[0]
        raise InputError(
            f"{path}, line {gene['line']}: the TSS of {gene['gene_id']}, {gene['chrom']}:{gene['tss']}, lies past the "
            f"contig's end at {int(lengths[past].iloc[0]):,} in {where}. Either the row is wrong, or the two are of "
            f"different assemblies.{wanted}"
        )


def _drop(reasons: pd.Series, rows: pd.Series, reason: str) -> None:
    if not rows.any():
        print(f"No gene is dropped because {reason}")
    for found in reasons[rows]:
        found.append(reason)
