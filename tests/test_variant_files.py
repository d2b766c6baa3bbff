"""Variants from files, whole and broken: each is read, counted as left out, or refused with its row."""

import tracemalloc
from itertools import chain

import numpy as np
import pysam.bcftools
import pytest

from chrom2expr.application import variant_files
from chrom2expr.application.variants import Skipped
from chrom2expr.errors import InputError
from made_variants import COLUMNS, bgzipped, genome_of, gzipped, vcf

TEXT = "ACGTACGTaacagacacacattgNNRGT" + "ACCA" * 100


@pytest.fixture
def genome(tmp_path):
    return genome_of(tmp_path / "g.fa", chr1=TEXT, chrM="ACGT")


@pytest.fixture
def read(tmp_path, genome):
    """Reads a VCF given as text, or as a path, and says what was left out."""

    def read(given, **options):
        path = given
        if isinstance(given, (str, bytes)):
            path = tmp_path / "v.vcf"
            path.write_bytes(given if isinstance(given, bytes) else given.encode())
        skipped = Skipped()
        blocks = variant_files.read(path, genome, skipped, **options)
        return list(chain.from_iterable(blocks)), dict(skipped.counts)

    return read


def changes(variants):
    return [(one.start, one.ref, one.alt) for one in variants]


def test_each_alternative_is_a_variant_that_keeps_what_its_row_says(read):
    found, skipped = read(vcf("chr1 1 rs1 A C,G", "chr1 11 . CAG CG,c"))
    assert not skipped
    assert [tuple(one) for one in found] == [
        ("rs1", "chr1", 0, "A", "C", 3, "chr1", 1, "A", "C", False),
        ("rs1", "chr1", 0, "A", "G", 3, "chr1", 1, "A", "G", False),
        ("chr1:11:CAG:CG", "chr1", 11, "A", "", 4, "chr1", 11, "CAG", "CG", False),
        ("chr1:11:CAG:c", "chr1", 11, "AG", "", 4, "chr1", 11, "CAG", "c", False),
    ]


def test_spellings_of_one_change_are_one(read):
    found, _ = read(
        vcf("chr1 12 . agac aac", "chr1 13 . G .,GAC", "chr1 17 . CA CACA", "chr1 18 . aca a", "chr1 13 . GAC G")
    )
    assert changes(found) == [(12, "G", ""), (13, "", "AC"), (13, "", "AC"), (13, "AC", ""), (13, "AC", "")]


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "bcf", "crlf", "misnamed"])
def test_every_packing_gives_the_same_variants(tmp_path, read, kind):
    text = vcf("chr1 1 rs1 A C,<DEL>", "chr1 11 . CAG CG", contigs="##contig=<ID=chr1>\n")
    path = tmp_path / f"x.{kind}"
    if kind in ("vcf.gz", "misnamed"):
        bgzipped(path, text)
    elif kind == "bcf":
        (tmp_path / "x.vcf").write_text(text)
        pysam.bcftools.view("-Ob", "-o", str(path), str(tmp_path / "x.vcf"), catch_stdout=False)
    else:
        path.write_bytes(text.replace("\n", "\r\n" if kind == "crlf" else "\n").encode())
    found, skipped = read(path)
    assert changes(found) == [(0, "A", "C"), (11, "A", "")] and skipped == {"a symbolic allele": 1}
    assert [one.row for one in found] == ([1, 2] if kind == "bcf" else [4, 5])


def test_what_no_sequence_replaces_is_counted(read):
    found, skipped = read(
        vcf(
            "chr1 1 . A *,<DEL>,<*>,G]chr1:5],[chr1:5[G,.G,G.,N,R,-,A,C",
            "chr1 1 . A .",
            "chrQ 1 . A C",
            "chr1 1 . R C",
            "chr1 1 . A ",
        )
    )
    assert changes(found) == [(0, "A", "C")]
    assert skipped == {
        "the allele *, a deletion of another row": 1,
        "a symbolic allele": 2,
        "a breakend": 4,
        "letters other than A, C, G and T": 4,
        "an alternative that is the REF": 1,
        "no alternative": 2,
        "a contig that the FASTA lacks": 1,
    }


def test_contigs_by_other_names_are_found_and_said_once(read, capsys):
    found, _ = read(vcf("1 1 . A C", "MT 2 . C G", "1 2 . C G"))
    assert [one.contig for one in found] == ["chr1", "chrM", "chr1"] and found[1].id == "MT:2:C:G"
    assert (
        capsys.readouterr().out.count("other names of contigs, which are taken for the same: 1 for chr1, MT for chrM")
        == 1
    )


def test_contigs_by_refseqs_accessions_as_dbsnp_has_them(read):
    found, skipped = read(vcf("NC_000001.11 1 rs1 A C", "NC_012920.1 2 rs2 C G", "NC_000067.7 1 rs3 A C"))
    assert [one.contig for one in found] == ["chr1", "chrM"]
    assert skipped == {"a contig that the FASTA lacks": 1}


def test_rows_in_any_order_and_ten_thousand_alternatives(read):
    alternatives = [bin(number)[2:].replace("0", "G").replace("1", "T") for number in range(1, 10_001)]
    found, skipped = read(vcf("chr1 9 . A C", "chr1 1 . A " + ",".join(alternatives), "chr1 5 . A C"))
    assert len(found) == 10_002 and not skipped
    assert {(one.start, one.alt) for one in found[1:-1]} == {(0, alt) for alt in alternatives}


@pytest.mark.parametrize(
    "row, words",
    [
        ("chr1 2 . A C", r"line 4: REF is A at chr1:2, but the FASTA has C there.*another assembly"),
        ("chr1 24 . A C", "line 4: REF is A at chr1:24, but the FASTA has N there"),
        ("chr1 26 . A C", "line 4: REF is A at chr1:26, but the FASTA has N there"),
        ("chr1 429 . A C", "line 4: REF is A at chr1:429, but the FASTA has N there .its chr1 is 428 bp long"),
        ("chr1 99999999999 . A C", "FASTA has N there .its chr1 is 428 bp"),
        ("chr1 428 . AG C", "line 4: REF is AG at chr1:428, but the FASTA has AN there"),
        ("chr1 0 . A C", "line 4: REF is A at chr1:0, but the FASTA has N there"),
        ("MT 1 . C G", "line 4: REF is C at MT:1, but the FASTA has A there"),
    ],
)
def test_a_ref_that_is_not_the_fastas_is_an_error_or_counted(read, row, words):
    text = vcf("chr1 1 . A C", row, "chr1 2 . C A,G")
    with pytest.raises(InputError, match=words):
        read(text)
    found, skipped = read(text, on_mismatch="skip")
    assert changes(found) == [(0, "A", "C"), (1, "C", "A"), (1, "C", "G")]
    assert skipped == {"a REF that is not the FASTA's": 1}


BROKEN = {
    "no file format": (COLUMNS + "chr1\t1\t.\tA\tC\t.\t.\t.\n", "no VCF or BCF file with a header.*begins with ##fileformat"),
    "no columns": ("##fileformat=VCFv4.2\nchr1\t1\t.\tA\tC\t.\t.\t.\n", "no VCF or BCF file with a header"),
    "five columns": (vcf(columns="#CHROM\tPOS\tID\tREF\tALT\n"), "no VCF or BCF file with a header"),
    "repeated samples": (vcf(columns=COLUMNS[:-1] + "\tFORMAT\ta\ta\n"), "each sample once"),
    "empty": ("", "is empty: get it again"),
    "a web page": ("<html><body>Not found</body></html>", "a web page"),
    "a workbook": (b"PK\x03\x04" + bytes(50), "Excel"),
    "noise": (bytes(range(128, 256)), "no VCF or BCF file"),
    "no variants": (vcf(), "no variant to work with: it holds none"),
    "nothing of use": (vcf("chr1 1 . A <DEL>"), "no variant to work with: it has 1 with a symbolic allele"),
    "other contigs": (vcf("NC_1 1 . A C"), "contig that the FASTA lacks; its contigs are NC_1, the FASTA's are chr1, chrM"),
    "no position": (vcf("chr1 1 . A C", "chr1 x . A C"), r"line 4: not a row of a VCF.*'chr1\\tx"),
    "a position below 0": (vcf("chr1 -1 . A C"), "line 3: not a row of a VCF"),
    "no alternative": (vcf("chr1 1 . A C") + "chr1\t1\t.\tA\n", "line 4: not a row of a VCF"),
    "blanks": (vcf("chr1 1 . A C") + "chr1 1 . A C . . .\n", "line 4: not a row of a VCF"),
    "an empty line": (vcf("chr1 1 . A C") + "\n", "line 4: an empty line: delete it"),
    "a cut row": (vcf("chr1 1 . A C", "chr1 1 . A C")[:-9], "line 4: not a row of a VCF.*or cut short"),
    "a contig of another length": (
        vcf("1 1 . A C", contigs="##contig=<ID=1,length=429>\n"),
        r"v\.vcf, header: 1 is 429 bp long there, but 428 bp in the genome; the variants must be",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_and_its_row_named(read, name, capfd):
    text, words = BROKEN[name]
    with pytest.raises(InputError, match=words):
        read(text)
    assert not capfd.readouterr().err


def test_a_missing_file_is_named(read, tmp_path):
    with pytest.raises(InputError, match="absent.vcf: there is no such file"):
        read(tmp_path / "absent.vcf")


@pytest.fixture
def long_vcf():
    rng = np.random.default_rng(0)
    return vcf(*(f"chr1 1 rs{rng.integers(1 << 40)} A C" for _ in range(40_000)))


def test_a_packed_file_that_is_cut_is_refused(read, tmp_path, long_vcf):
    """Anywhere: between two blocks of bgzip too, where all that is missing is the mark of the end."""
    whole = bgzipped(tmp_path / "x.vcf.gz", long_vcf).read_bytes()
    blocks = [0]
    while blocks[-1] < len(whole):
        blocks.append(blocks[-1] + 1 + int.from_bytes(whole[blocks[-1] + 16 : blocks[-1] + 18], "little"))
    assert blocks[-1] == len(whole) and blocks[-2] == len(whole) - 28
    for cut in (blocks[1], blocks[-2], len(whole) - 1, len(whole) // 2):
        (tmp_path / "y.vcf.gz").write_bytes(whole[:cut])
        with pytest.raises(InputError, match="y.vcf.gz: damaged.*truncated.*get it again"):
            read(tmp_path / "y.vcf.gz")
    damaged = bytearray(whole)
    damaged[blocks[1] + 300] ^= 255
    (tmp_path / "y.vcf.gz").write_bytes(damaged)
    with pytest.raises(InputError, match="y.vcf.gz: a damaged or truncated packed file"):
        read(tmp_path / "y.vcf.gz")


def test_plain_gzip_is_refused_with_what_to_do(read, tmp_path):
    with pytest.raises(InputError, match="packed, but not by bgzip.*gunzip.*then pack it by bgzip"):
        read(gzipped(tmp_path / "x.vcf.gz", vcf("chr1 1 . A C")))


def test_a_cut_bcf_is_refused(read, tmp_path, long_vcf):
    (tmp_path / "x.vcf").write_text(long_vcf.replace("#CHROM", "##contig=<ID=chr1>\n#CHROM"))
    pysam.bcftools.view("-Ob", "-o", str(tmp_path / "x.bcf"), str(tmp_path / "x.vcf"), catch_stdout=False)
    (tmp_path / "y.bcf").write_bytes((tmp_path / "x.bcf").read_bytes()[:-30])
    with pytest.raises(InputError, match="y.bcf: damaged.*truncated"):
        read(tmp_path / "y.bcf")


def test_a_last_line_without_end_is_told_of(read, capsys):
    text = vcf("chr1 1 . A C")
    assert read(text[:-1])[0] == read(text)[0]
    assert capsys.readouterr().out.count("its last line has no end") == 1


def test_genotypes_are_not_read_whatever_the_samples_are_called(read):
    columns = COLUMNS[:-1] + "\tFORMAT\ta/b\t../c d\n"
    rows = "chr1\t1\t.\tA\tC\t.\t.\t.\tGT\t0/1\t./.\nchr1\t2\t.\tC\tA\t.\t.\t.\tGT:XX\tnonsense\t7\n"
    found, _ = read(vcf(columns=columns) + rows)
    assert changes(found) == [(0, "A", "C"), (1, "C", "A")]


def test_blocks_hold_all_variants_whatever_their_size(read, monkeypatch):
    text = vcf(*(f"chr1 {place} . {TEXT[place - 1]} {'AC'[TEXT[place - 1] == 'A']}" for place in (1, 3, 4, 5)))
    expected = read(text)
    for size in (1, 2, 3, 4, 5):
        monkeypatch.setattr(variant_files, "BLOCK", size)
        assert read(text) == expected and len(expected[0]) == 4


def test_memory_stays_flat(tmp_path, genome, long_vcf, monkeypatch):
    monkeypatch.setattr(variant_files, "BLOCK", 100)
    (tmp_path / "v.vcf").write_text(long_vcf)
    blocks = variant_files.read(tmp_path / "v.vcf", genome, Skipped())
    next(blocks)
    tracemalloc.start()
    for _ in zip(range(30), blocks):
        pass
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 500_000
