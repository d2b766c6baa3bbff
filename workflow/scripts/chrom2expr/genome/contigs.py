"""What a file calls the contigs of a genome: chr1 or 1, chrM or MT."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from chrom2expr.errors import InputError


def plain(name: str) -> str:
    """A contig's name without `chr`, and M for MT: the same for all spellings of one name.

    >>> plain("chrMT"), plain("1"), plain("chrUn_gl000220")
    ('M', '1', 'Un_gl000220')
    """
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
