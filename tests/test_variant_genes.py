"""Which variants go with which genes, against all pairs looked at one by one."""

import numpy as np
import pandas as pd
import pytest

from chrom2expr.application.allele_windows import Gene, alternative, reference
from chrom2expr.application.variant_genes import holding, listed, read_wanted, refuse_unknown
from chrom2expr.application.variants import Skipped
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from made_variants import genome_of, variant

GEOMETRY = Geometry.sliding(40, 5, 4)


def gene_table(rng, count=30):
    return pd.DataFrame(
        {
            "gene_id": [f"G{number}" for number in range(count)],
            "chrom": rng.choice(["chr1", "chr2"], count),
            "tss": rng.integers(0, 300, count),
            "strand": rng.choice(["+", "-"], count),
        }
    )


@pytest.fixture
def text():
    return "".join(np.random.default_rng(0).choice(list("ACGT"), 300))


@pytest.fixture
def variants(text):
    rng = np.random.default_rng(1)
    found = []
    for number in range(150):
        start, replaced, put = int(rng.integers(300)), int(rng.choice([0, 1, 5, 80])), int(rng.integers(1, 6))
        ref = text[start : start + replaced]
        alt = "".join("CATG"["ACGT".index(base)] for base in ref) if len(ref) == 1 else "ACGTA"[:put]
        found.append(variant(start, ref, alt, str(rng.choice(["chr1", "chr2", "chr3"])), f"v{number}"))
    return found


def test_the_pairs_are_those_whose_windows_hold_a_changed_base(variants):
    genes = gene_table(np.random.default_rng(2))
    expected = []
    for row, gene in enumerate(genes.itertuples()):
        start = GEOMETRY.sequence_start(gene.tss, gene.strand)
        for number, one in enumerate(variants):
            bases = set(range(start, start + GEOMETRY.sequence_length))
            needed = {one.start - 1, one.start} if not one.ref else set()
            held = needed <= bases if needed else bool(bases & set(range(one.start, one.end)))
            if held and one.contig == gene.chrom:
                expected.append((number, row, (one.start - gene.tss) * (1 if gene.strand == "+" else -1)))
    found = holding(variants, genes, GEOMETRY)
    assert list(zip(*map(np.ndarray.tolist, found))) == expected and len(expected) > 300
    assert all(part.dtype == np.int64 for part in found)


def test_a_pair_is_one_whose_window_differs(tmp_path, text, variants):
    """SNVs, and indels of whatever length in a genome without repeats, show in every window that holds them."""
    genome = genome_of(tmp_path / "g.fa", chr1=text)
    genes = gene_table(np.random.default_rng(3)).assign(chrom="chr1")
    here = [one for one in variants if one.contig == "chr1"]
    pairs = holding(here, genes, GEOMETRY)
    held = set(zip(pairs.variant.tolist(), pairs.gene.tolist()))
    told = set()
    for row, gene in enumerate(genes.itertuples()):
        place = Gene(gene.chrom, gene.tss, gene.strand)
        before = reference(genome, place, GEOMETRY)
        for number, one in enumerate(here):
            found, changed = alternative(genome, place, GEOMETRY, one)
            assert ((number, row) in held) == (changed.start < changed.stop)
            if (found != before).any():
                told.add((number, row))
    assert told <= held and len(held - told) < 0.05 * len(held)


def test_nothing_to_pair_gives_no_pairs(variants):
    genes = gene_table(np.random.default_rng(2))
    for some, table in (([], genes), (variants, genes[:0]), (variants, genes.assign(chrom="chr9"))):
        assert [len(part) for part in holding(some, table, GEOMETRY)] == [0, 0, 0]
        assert [len(part) for part in listed(some, table[:0], GEOMETRY, {}, Skipped())] == [0, 0, 0]


def test_listed_pairs_are_those_of_the_list_that_hold(tmp_path, variants):
    genes = gene_table(np.random.default_rng(2))
    start = GEOMETRY.sequence_start(genes["tss"][0], genes["strand"][0])
    edges = [start, start + GEOMETRY.sequence_length]
    chrom = genes["chrom"][0]
    at_edges = [variant(edge + shift, ref, "T", chrom) for edge in edges for shift in (-1, 0, 1) for ref in ("", "A")]
    variants = variants[:-12] + [one._replace(id=f"v{138 + n}") for n, one in enumerate(at_edges)]
    every = holding(variants, genes, GEOMETRY)
    rng = np.random.default_rng(4)
    asked = {(int(rng.integers(150)), int(rng.integers(30))) for _ in range(400)}
    asked |= {(number, 0) for number in range(138, 150)}
    rows = [f"note\tG{gene}\tv{number}\n" for number, gene in asked]
    (tmp_path / "pairs.tsv").write_text("note\tgene_id\tvariant_id\n" + "".join(rows + rows[:9]))
    wanted = read_wanted(tmp_path / "pairs.tsv", genes)
    skipped = Skipped()
    found = listed(variants, genes, GEOMETRY, wanted, skipped)
    kept = [pair for pair in zip(*map(np.ndarray.tolist, every)) if pair[:2] in asked]
    assert list(zip(*map(np.ndarray.tolist, found))) == kept and len(kept) > 20
    assert len([pair for pair in kept if pair[0] >= 138 and pair[1] == 0]) == 5
    assert skipped.counts == {"a gene in the list whose window does not hold it": len(asked) - len(kept)}


def test_genes_are_found_by_gene_transcript_and_without_versions(tmp_path):
    ids = ["ENSG00000000001.5@ENST00000000001.1", "ENSG00000000001.5@ENST00000000002.1", "ENSG00000000002.3"]
    names = ["ENSG00000000001.4", "ENSG00000000001.9@ENST00000000002", "ENSG00000000002"]
    (tmp_path / "p.tsv").write_text(
        "variant_id\tgene_id\n" + "".join(f"v{n}\t{name}\n" for n, name in enumerate(names))
    )
    wanted = read_wanted(tmp_path / "p.tsv", pd.DataFrame({"gene_id": ids}))
    assert wanted == {"v0": {0: 2, 1: 2}, "v1": {1: 3}, "v2": {2: 4}}


@pytest.mark.parametrize(
    "text, words",
    [
        ("variant_id\tgene_id\nv1\tG1\nv2\tG99\n", "p.tsv, row 3: no gene 'G99' among those"),
        ("variant_id\tgene_id\n", "p.tsv: no pairs below the header"),
        ("variant\tgene_id\nv1\tG1\n", "p.tsv, row 1: no column variant_id"),
        ("variant_id\tgene_id\nv1\n", "p.tsv, row 2: fewer cells"),
        ("", "p.tsv: is empty"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, text, words):
    (tmp_path / "p.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_wanted(tmp_path / "p.tsv", pd.DataFrame({"gene_id": ["G1"]}))


def test_a_listed_variant_that_is_nowhere_is_named_by_its_row(tmp_path):
    (tmp_path / "p.tsv").write_text("variant_id\tgene_id\nv1\tG1\nv2\tG1\n")
    wanted = read_wanted(tmp_path / "p.tsv", pd.DataFrame({"gene_id": ["G1"]}))
    refuse_unknown("p.tsv", wanted, {"v1", "v2"})
    with pytest.raises(InputError, match="p.tsv, row 3: no variant 'v2'.*chrom:pos:ref:alt"):
        refuse_unknown("p.tsv", wanted, {"v1"})
