"""Windows of both alleles, against windows cut from the whole chromosome with the variant in it."""

import numpy as np
import pytest

from chrom2expr.application.allele_windows import Gene, alternative, reference
from chrom2expr.application.variants import bases_of, left_aligned
from chrom2expr.genome.windows import Geometry, decode
from made_variants import genome_of, variant

LENGTH = 400
GEOMETRIES = {"centred": Geometry.centred(60, 3, 16), "sliding": Geometry.sliding(40, 5, 4)}


@pytest.fixture
def text():
    return "".join(np.random.default_rng(3).choice(list("ACGT"), LENGTH))


@pytest.fixture
def genome(tmp_path, text):
    return genome_of(tmp_path / "g.fa", chr1=text)


def slow(text, gene, geometry, one):
    """The alternative chromosome, the index of the base that stays in it, and the window around that, letter by letter."""
    chromosome = text[: one.start] + one.alt + text[one.start + len(one.ref) :]
    index = geometry.tss_index_plus if gene.strand == "+" else geometry.tss_index_minus
    here = [*range(one.start), *["new"] * len(one.alt), *range(one.end, len(text))]
    assert len(here) == len(chromosome)
    kept = gene.tss if gene.tss in here or len(one.ref) == len(one.alt) else one.start - 1
    tss = here.index(kept) if kept in here else kept
    window = ""
    for offset in range(geometry.sequence_length):
        # Where the TSS's base is lost, the window is counted from the base before the variant.
        place = tss + (gene.tss - kept) - index + offset
        window += chromosome[place] if 0 <= place < len(chromosome) else "N"
    return window


def random_variants(rng, text, around, count):
    """SNVs, MNVs, insertions, deletions and replacements by another length, `around` a position and at contig ends."""
    for _ in range(count):
        start = int(np.clip(around + rng.integers(-60, 60), 0, len(text)))
        replaced, put = rng.integers(0, 9, 2)
        kind = rng.choice(["snv", "mnv", "insertion", "deletion", "both", "long"])
        replaced = {"snv": 1, "mnv": replaced, "insertion": 0, "long": 90}.get(kind, replaced)
        ref = text[start : start + replaced]
        size = {"deletion": 0, "long": rng.integers(0, 90)}.get(kind, len(ref) if kind in ("snv", "mnv") else put)
        yield variant(start, ref, "".join(rng.choice(list("ACGT"), size)))


@pytest.mark.parametrize("strand", "+-")
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("tss", [0, 3, 200, LENGTH - 20, LENGTH - 1])
def test_the_alternative_window_is_that_of_the_alternative_chromosome(genome, text, geometry, strand, tss):
    gene = Gene("chr1", tss, strand)
    before = reference(genome, gene, geometry)
    assert decode(before) == slow(text, gene, geometry, variant(0, "", ""))
    lost = 0
    for one in random_variants(np.random.default_rng(tss), text, tss, 250):
        found, changed = alternative(genome, gene, geometry, one)
        assert found.dtype == np.uint8 and decode(found) == slow(text, gene, geometry, one), one
        outside = np.ones(len(found), dtype=bool)
        outside[changed] = False
        assert (found == before)[outside].all(), one
        assert 0 <= changed.start <= changed.stop <= len(found)
        lost += one.start <= tss < one.end
    assert lost > 10


@pytest.mark.parametrize("strand", "+-")
def test_the_base_of_the_tss_stays_where_it_is(genome, text, strand):
    geometry, gene = GEOMETRIES["sliding"], Gene("chr1", 200, strand)
    index = geometry.tss_index_plus if strand == "+" else geometry.tss_index_minus
    before = decode(reference(genome, gene, geometry))
    for one in (variant(200, "", "GG"), variant(190, text[190:200], ""), variant(180, text[180:190], "A")):
        found = decode(alternative(genome, gene, geometry, one).encoded)
        assert found[index:] == before[index:] and found[:index] != before[:index]
    for one in (variant(201, "", "GG"), variant(201, text[201:215], ""), variant(205, text[205:215], "A")):
        found = decode(alternative(genome, gene, geometry, one).encoded)
        assert found[: index + 1] == before[: index + 1] and found[index + 1 :] != before[index + 1 :]


def test_what_changes_is_told(genome, text):
    geometry, gene = Geometry.centred(60, 3, 16), Gene("chr1", 200, "+")  # the window is [170, 230)

    def changed(start, ref, alt):
        part = alternative(genome, gene, geometry, variant(start, text[start : start + ref], alt)).changed
        return part.start, part.stop

    assert (
        changed(180, 1, "A") == (10, 11) and changed(228, 4, "ACGT") == (58, 60) and changed(168, 4, "ACGT") == (0, 2)
    )
    assert changed(180, 0, "A") == (0, 10) and changed(180, 5, "") == (0, 15) and changed(165, 8, "") == (0, 3)
    assert changed(210, 0, "A") == (40, 60) and changed(225, 30, "") == (55, 60)
    assert changed(195, 10, "") == (25, 60) and changed(100, 150, "") == (0, 60)
    for start, ref, alt in ((170, 0, "A"), (230, 0, "A"), (160, 10, ""), (230, 4, ""), (230, 1, "A"), (169, 1, "A")):
        first, last = changed(start, ref, alt)
        assert first == last
        same = alternative(genome, gene, geometry, variant(start, text[start : start + ref], alt)).encoded
        assert (same == reference(genome, gene, geometry)).all()


def test_an_indel_beside_the_tss_is_undone_by_its_opposite(tmp_path, genome, text):
    """As if the genome had been the other one, with the TSS at its base there."""
    geometry = GEOMETRIES["centred"]
    for start, ref, alt in ((190, "", "ACGTA"), (203, "", "AC"), (185, text[185:191], ""), (210, text[210:215], "T")):
        one = variant(start, ref, alt)
        other = genome_of(tmp_path / "h.fa", chr1=text[:start] + alt + text[one.end :])
        there = Gene("chr1", 200 + (len(alt) - len(ref)) * (one.end <= 200), "+")
        back = alternative(other, there, geometry, variant(start, alt, ref)).encoded
        assert (back == reference(genome, Gene("chr1", 200, "+"), geometry)).all()
        assert (
            reference(other, there, geometry) == alternative(genome, Gene("chr1", 200, "+"), geometry, one).encoded
        ).all()


def test_two_spellings_give_one_window(tmp_path):
    """Of a repeat across the TSS, too, where the two would otherwise shift different sides."""
    text = "GATTACAG" * 10 + "CA" * 20 + "TTGACCAT" * 10
    genome, geometry = genome_of(tmp_path / "g.fa", chr1=text), Geometry.centred(60, 3, 16)
    bases = bases_of(genome, "chr1")
    found = set()
    for start in range(81, 115, 2):
        one = variant(*left_aligned(start - 1, text[start - 1 : start + 2], text[start - 1], bases))
        found.add(decode(alternative(genome, Gene("chr1", 95, "+"), geometry, one).encoded))
    assert len(found) == 1
