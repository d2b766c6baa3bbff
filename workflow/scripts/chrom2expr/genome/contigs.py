"""What a file calls the contigs of a genome: chr1 or 1, chrM or MT, and RefSeq's NC_000001.11 of a human one."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from chrom2expr.errors import InputError

# With a larger share of the genes on contigs that the genome lacks, the two do not belong together.
_MOST_UNKNOWN = 0.5


def plain(name: str) -> str:
    """A contig's name without `chr`, and M for MT: the same for all spellings of one name.

    RefSeq's accessions of the human chromosomes, which dbSNP's files use, are such spellings in any version: which
    assembly they are of shows in their lengths.

    >>> plain("chrMT"), plain("1"), plain("chrUn_gl000220"), plain("NC_000023.11"), plain("NC_012920.1")
    ('M', '1', 'Un_gl000220', 'X', 'M')
    """
    if human := re.fullmatch(r"NC_0000(0[1-9]|1\d|2[0-4])\.\d+", name):
        number = int(human[1])
        return {23: "X", 24: "Y"}.get(number, str(number))
    if re.fullmatch(r"NC_012920\.\d+", name):
        return "M"
    bare = re.sub(r"^chr", "", name, flags=re.IGNORECASE)
    return "M" if bare == "MT" else bare


def called(names: Iterable[str], contigs: Collection[str]) -> dict[str, str]:
    """What `contigs` have for each of `names`: the name itself, or the one other spelling of it that is there.

    Names that are not there, or in two other spellings, are left out.

    >>> called(["chr1", "chrM", "chr2"], {"1": 50, "MT": 20})
    {'chr1': '1', 'chrM': 'MT'}
    """
    spellings = defaultdict(list)
    for contig in contigs:
        spellings[plain(contig)].append(contig)
    found = {}
    for name in dict.fromkeys(names):
        if name in contigs:
            found[name] = name
        elif len(spellings[plain(name)]) == 1:
            found[name] = spellings[plain(name)][0]
    return found


def called_alike(names: Iterable[str]) -> list[str]:
    """The names, each as the first of its spellings among them.

    >>> called_alike(["chr1", "2", "1"])
    ['chr1', '2', 'chr1']
    """
    first: dict[str, str] = {}
    return [first.setdefault(plain(name), name) for name in names]


def say_renamed(found: Mapping[str, str], where: str) -> None:
    """Print, once for a file, that it calls contigs otherwise; `found`: see `called`."""
    if renamed := [f"{other} for {name}" for name, other in found.items() if name != other]:
        more = f" and {len(renamed) - 3} more" if len(renamed) > 3 else ""
        print(f"{where} has other names of contigs, which are taken for the same: {', '.join(renamed[:3])}{more}")


def check_lengths(
    used: Iterable[str], lengths: Mapping[str, int], contigs: Mapping[str, int], what: str, advice: str
) -> None:
    """Hold the contigs of a file, {name: length in bp}, to a genome's.

    Raises InputError, which says `what` is wrong and gives `advice`, if a contig that genes lie on (`used`, as the
    genome calls them) has another length there. Others that differ are told of: no gene lies on them, and one name has
    two sequences in some assemblies (GRCh37's chrM of 16,569 and of 16,571 bp).
    """
    names = called(contigs, lengths)
    wrong = [name for name, other in names.items() if lengths[other] != contigs[name]]
    for name in sorted({*wrong} & {*used}):
        raise InputError(
            f"{what}: {names[name]} is {lengths[names[name]]:,} bp long there, but {contigs[name]:,} bp in the genome"
            f"{f' ({len(wrong)} contigs differ)' if len(wrong) > 1 else ''}; {advice}"
        )
    if wrong:
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        print(f"{what}: {named} of another length than in the genome; no gene lies there, so nothing depends on it")


def lacking(chrom: pd.Series, path: str | Path, contigs: Collection[str], fasta: str | Path) -> list[str]:
    """The contigs that genes of the file `path` lie on, `chrom` (gene,), and a genome lacks, which has `contigs`.

    Raises InputError if it lacks those of half of the genes.
    """
    unknown = ~chrom.isin(called(chrom, contigs))
    found = [*chrom[unknown].unique()]
    if unknown.mean() > _MOST_UNKNOWN:
        raise InputError(
            f"{path}: {unknown.sum():,} of {len(chrom):,} genes lie on contigs that {fasta} lacks: they are "
            f"{listed(found, 'contig')}, the genome has {listed([*contigs], 'contig')}. Is one of the two of another "
            "species, or another release?"
        )
    return found


def listed(names: Sequence[str], what: str) -> str:
    """How many there are, and the first of them.

    >>> listed(["a", "b", "c", "d"], "tissue"), listed(["a"], "tissue")
    ('4 tissues (a, b, c, …)', '1 tissue (a)')
    """
    return f"{len(names):,} {what}{'s' * (len(names) != 1)} ({', '.join(names[:3])}{', …' * (len(names) > 3)})"
