"""One spelling for every change: against bcftools, which pysam brings, and by all spellings that there are."""

import numpy as np
import pysam.bcftools
import pytest

from chrom2expr.application.variants import Skipped, bases_of, freedom, left_aligned, trimmed
from made_variants import genome_of, variant, vcf


@pytest.fixture
def text():
    """A contig of few letters, so that most indels can move."""
    rng = np.random.default_rng(5)
    units = [str(rng.choice(["A", "CA", "CAG", "TT", "ACGT"])) * int(rng.integers(1, 30)) for _ in range(40)]
    return "".join(units)


@pytest.fixture
def genome(tmp_path, text):
    return genome_of(tmp_path / "g.fa", chr1=text)


def random_changes(text, count, seed=1):
    """(start, ref, alt) with a base or two that need not be there, at the contig's ends too."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        start = int(rng.choice([0, len(text) - 6, rng.integers(len(text) - 6)]))
        ref = text[start : start + int(rng.integers(1, 6))]
        copied = text[start : start + int(rng.integers(0, 9))]
        alt = rng.choice(["".join(rng.choice(list("ACGT"), rng.integers(1, 6))), ref[0] + copied, ref[:1]])
        if alt != ref:
            yield start, ref, str(alt)


def changed(text, start, ref, alt):
    assert text[start : start + len(ref)] == ref
    return text[:start] + alt + text[start + len(ref) :]


@pytest.mark.parametrize(
    "given, expected",
    [
        ((9, "A", "G"), (9, "A", "G")),
        ((9, "ACG", "ATT"), (10, "CG", "TT")),
        ((9, "A", "ATT"), (10, "", "TT")),
        ((9, "TT", "T"), (9, "T", "")),
        ((9, "ACA", "A"), (9, "AC", "")),
        ((9, "CAT", "CAGAT"), (10, "", "AG")),
        ((9, "AC", "GTT"), (9, "AC", "GTT")),
        ((9, "AC", "AC"), (9, "", "")),
    ],
)
def test_alleles_lose_what_they_share(given, expected):
    assert trimmed(*given) == expected


def test_variants_are_placed_as_bcftools_norm_places_them(tmp_path, genome, text):
    changes = list(random_changes(text, 600))
    rows = [f"chr1 {start + 1} v{number} {ref} {alt}" for number, (start, ref, alt) in enumerate(changes)]
    (tmp_path / "v.vcf").write_text(vcf(*rows, contigs=f"##contig=<ID=chr1,length={len(text)}>\n"))
    normal = pysam.bcftools.norm("-f", str(tmp_path / "g.fa"), str(tmp_path / "v.vcf"))
    found = {row.split("\t")[2]: row.split("\t") for row in normal.splitlines() if row[0] != "#"}
    assert len(found) == len(changes) > 400
    moved = 0
    for number, change in enumerate(changes):
        _, pos, _, ref, alt, *_ = found[f"v{number}"]
        ours = left_aligned(*change, bases_of(genome, "chr1"))
        assert ours == trimmed(int(pos) - 1, ref, alt), change
        moved += ours != trimmed(*change)
    assert moved > 100


def test_an_indel_has_one_spelling_and_all_that_there_are_lie_within_its_freedom(genome, text):
    bases = bases_of(genome, "chr1")
    free = set()
    for change in random_changes(text, 300, seed=2):
        start, ref, alt = left_aligned(*change, bases)
        result = changed(text, *change)
        assert changed(text, start, ref, alt) == result
        longer = len(alt) - len(ref)
        spellings = []
        for other in range(len(text) + 1 if longer and not (ref and alt) else 0):
            replaced = text[other : other + len(ref)]
            inserted = result[other : other + len(alt)]
            if len(replaced) == len(ref) and text[:other] + inserted + text[other + len(ref) :] == result:
                spellings.append((other, replaced, inserted))
                assert left_aligned(*spellings[-1], bases) == (start, ref, alt)
        if spellings:
            assert spellings[0] == (start, ref, alt)
            most = freedom(variant(start, ref, alt), bases)
            assert [at for at, *_ in spellings] == list(range(start, start + most + 1))
            free.add(most)
        else:
            assert freedom(variant(start, ref, alt), bases) == 0
    assert max(free) > 70 and 0 in free


def test_those_left_out_are_counted_and_the_watched_ones_explained():
    skipped = Skipped(watched=["b"])
    for name, reason in (("a", "x"), ("b", "y"), ("c", "x")):
        skipped.add(name, reason)
    assert str(skipped) == "2 with x, 1 with y" and skipped.why == {"b": "y"} and not str(Skipped())
