"""Variants in another assembly, against both chromosomes built as text: what lifts makes the same change there."""

import numpy as np
import pytest

from chrom2expr.application.lifted_variants import lift
from chrom2expr.application.variants import Skipped, bases_of, left_aligned
from chrom2expr.genome.liftover import read_chain
from chrom2expr.genome.windows import decode, encode, reverse_complement
from made_variants import genome_of, variant

RNG = np.random.default_rng(7)


def random(length):
    return "".join(RNG.choice(list("ACGT"), length))


def turned(text):
    return decode(reverse_complement(encode(text)))


# A stretch that stays, one that is turned round, one with a repeat that is two bases longer in the target, and one that
# goes to another contig; the chain puts the difference at the repeat's end, a VCF at its start.
A, B, LEFT, RIGHT, AWAY, AHEAD = random(200), random(200), random(100) + "T", "G" + random(99), random(100), random(50)
REPEAT = "CA" * 8
SOURCE = A + B + LEFT + REPEAT + RIGHT + AWAY
TARGET = AHEAD + A + turned(B) + LEFT + REPEAT + "CA" + RIGHT
B_AT, C_AT, R_AT = 200, 400, 400 + len(LEFT)


@pytest.fixture
def chain(tmp_path):
    size, other = len(SOURCE), len(TARGET)
    end = C_AT + len(LEFT) + len(REPEAT) + len(RIGHT)
    lines = [
        f"chain 9 chr1 {size} + 0 200 chr1 {other} + 50 250 1\n200\n",
        f"chain 8 chr1 {size} + 200 400 chr1 {other} - {other - 450} {other - 250} 2\n200\n",
        f"chain 7 chr1 {size} + 400 {end} chr1 {other} + 450 {other} 3\n{len(LEFT) + len(REPEAT)} 0 2\n{len(RIGHT)}\n",
        f"chain 6 chr1 {size} + {end} {size} chr2 100 + 0 100 4\n100\n",
    ]
    (tmp_path / "x.chain").write_text("\n".join(lines) + "\n")
    return read_chain(tmp_path / "x.chain", "grch37", "grch38")


@pytest.fixture
def lifted(tmp_path, chain):
    """Lifts (start, ref, alt) between SOURCE and a target, and says why what did not lift."""
    number = iter(range(1000))

    def lifted(changes, target=TARGET, source_name="chr1"):
        source = genome_of(tmp_path / f"s{next(number)}.fa", **{source_name: SOURCE})
        other = genome_of(tmp_path / f"t{next(number)}.fa", chr1=target, chr2=AWAY)
        bases, skipped = bases_of(source, source_name), Skipped()
        given = [variant(*left_aligned(*one, bases), source_name, str(n)) for n, one in enumerate(changes)]
        found = lift(given, chain, source, other, skipped)
        for one in found:
            assert target[one.start : one.end] == one.ref
            assert left_aligned(one.start, one.ref, one.alt, bases_of(other, "chr1")) == one[2:5]
        return found, dict(skipped.counts)

    return lifted


def random_changes(rng, first, last, count):
    for _ in range(count):
        start, replaced = int(rng.integers(first, last - 8)), int(rng.integers(1, 6))
        yield start, SOURCE[start : start + replaced], "".join(rng.choice(list("ACGT"), rng.integers(1, 7)))


@pytest.mark.parametrize("stretch", ["stays", "turned"])
def test_a_lifted_variant_makes_the_same_change_in_the_target(lifted, stretch):
    first, last = {"stays": (2, 198), "turned": (202, 398)}[stretch]
    changes = [one for one in random_changes(np.random.default_rng(1), first, last, 150) if one[1] != one[2]]
    found, skipped = lifted(changes)
    assert len(found) == len(changes) and not skipped
    for one in found:
        start, ref, alt = changes[int(one.id)]
        new = SOURCE[:start] + alt + SOURCE[start + len(ref) :]
        ahead, longer = new[:200], len(alt) - len(ref)
        expected = AHEAD + new[: 200 + longer] + TARGET[250:]
        if stretch == "turned":
            expected = AHEAD + ahead + turned(new[200 : 400 + longer]) + TARGET[450:]
        assert TARGET[: one.start] + one.alt + TARGET[one.end :] == expected
        assert not one.reference_swapped and one.chrom == "chr1" and one.row == 1


def test_contigs_by_other_names_lift_too(lifted):
    found, _ = lifted([(10, SOURCE[10], "A" if SOURCE[10] != "A" else "C")], source_name="1")
    assert [(one.contig, one.start, one.chrom) for one in found] == [("chr1", 60, "1")]


@pytest.mark.parametrize("start", [10, 300])
def test_a_target_that_has_the_alternative_is_flagged(lifted, start):
    """The change is then from the user's ALT, which the FASTA has, to the user's REF."""
    alt = {"A": "C", "C": "G", "G": "T", "T": "A"}[SOURCE[start]]
    place = 60 if start == 10 else 449 - (start - B_AT)
    there = alt if start == 10 else turned(alt)
    target = TARGET[:place] + there + TARGET[place + 1 :]
    found, skipped = lifted([(start, SOURCE[start], alt)], target)
    [one] = found
    assert one.reference_swapped and (one.start, one.ref) == (place, there) and not skipped
    assert target[:place] + one.alt + target[place + 1 :] == TARGET
    assert (one.ref_in_file, one.alt_in_file) == (SOURCE[start], alt)
    third = TARGET[:place] + next(base for base in "ACGT" if base not in (TARGET[place], there)) + TARGET[place + 1 :]
    assert lifted([(start, SOURCE[start], alt)], third) == (
        [],
        {"neither REF nor ALT in the assembly it is lifted to": 1},
    )


def test_an_indel_that_the_target_has_already_is_flagged_wherever_the_chain_puts_it(lifted):
    found, skipped = lifted([(R_AT, "", "CA"), (R_AT + 6, "CA", "CACA"), (R_AT - 1, "TCA", "T"), (R_AT, "", "CACA")])
    assert [(one.id, one.start, one.ref, one.alt) for one in found] == [(name, R_AT + 50, "CA", "") for name in "01"]
    assert all(one.reference_swapped for one in found)
    assert skipped == {"neither REF nor ALT in the assembly it is lifted to": 2}


def test_what_does_not_lift_is_counted(lifted):
    end = len(SOURCE) - len(AWAY)
    found, skipped = lifted(
        [
            (end + 5, SOURCE[end + 5], "ACGT"["TGCA".index(SOURCE[end + 5])]),
            (end - 3, SOURCE[end - 3 : end + 3], ""),
            (195, SOURCE[195:205], ""),
            (0, SOURCE[0], ""),
            (395, SOURCE[395:405], turned(SOURCE[395:405])),
        ]
    )
    assert not found
    assert skipped == {
        "an end that lifts to another contig": 2,
        "ends that lift apart": 2,
        "an end that does not lift": 1,
    }


def test_ends_that_change_places_are_no_stretch(tmp_path):
    """Though nothing lies between them, as nothing does between the ends of an insertion."""
    source, target = (genome_of(tmp_path / f"{name}.fa", chr1=SOURCE[:200]) for name in "st")
    blocks = (
        "chain 2 chr1 200 + 0 100 chr1 200 + 0 100 1\n100\n\nchain 1 chr1 200 + 100 200 chr1 200 + 98 198 2\n100\n\n"
    )
    (tmp_path / "y.chain").write_text(blocks)
    skipped = Skipped()
    insertion = variant(100, "", {"A": "C", "C": "A"}.get(SOURCE[99], "A"))
    assert lift([insertion], read_chain(tmp_path / "y.chain", "grch37", "grch38"), source, target, skipped) == []
    assert skipped.counts == {"ends that lift apart": 1}
