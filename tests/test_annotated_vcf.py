"""Files of variants with their effects in them, against the files that they are made of, line by line."""

import gzip
from urllib.parse import unquote

import numpy as np
import pysam
import pysam.bcftools
import pytest

from chrom2expr.application import annotated_vcf, effect_files
from chrom2expr.errors import InputError
from made_variants import bgzipped

TISSUES = ["Lung", "T cell; CD4=1,2 |50%|"]
ABOUT = {"run": {"head": "ridge", "inputs": 'a "name"'}, "unit": "TPM", "pseudocount": 1, "variants": "v.vcf"}
HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=q10,Description="Low">
##contig=<ID=1>
##contig=<ID=2>
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tfather/son\tB
"""
ROWS = [
    "1 10 rs1 A C,G 50 PASS AF=0.10,0.5 GT 0/1 1|2",
    "1 10 rs1 A C . . . GT . ./.",
    "1 10 . A <DEL> . . AF=0.25 GT 0/0 .",
    "1 900 rs2 ca c 7.50 . . GT 0/0 1/1",
    "2 5 . T G . q10 . GT 0/1 0/1",
    "2 6 . T * . . . GT 0/1 0/1",
]
# Variant, chrom, pos, ref, alt, gene, distance, effect in each tissue, flags.
EFFECTS = [
    ("rs1", "1", 10, "A", "C", "G;1", -5, (0.5, -2.0), ""),
    ("rs1", "1", 10, "A", "G", "G;1", -5, (0.25, 0.125), "reference_swapped;unchanged"),
    ("rs1", "1", 10, "A", "C", "G2", 7, (3.0, 0), ""),
    # As a row that stands twice in a file gives it.
    ("rs1", "1", 10, "A", "C", "G2", 7, (3.0, 0), ""),
    ("rs2", "1", 900, "ca", "c", "G2", 99, (-1.0, 0), ""),
]


def text(rows=ROWS, header=HEADER):
    return header + "".join("\t".join(row.split(" ")) + "\n" for row in rows)


@pytest.fixture
def annotate(tmp_path):
    """Annotates a file with EFFECTS, and says what the output's lines are."""
    columns = dict(zip((*effect_files._PAIR, "effect", "flags"), zip(*EFFECTS, strict=True), strict=True))
    effect = np.array(columns.pop("effect"), dtype=np.float32)
    block = effect_files.Effects(columns, np.zeros_like(effect), effect, effect)
    effect_files.write(tmp_path / "part.parquet", [block], TISSUES, ABOUT)
    effect_files.join([tmp_path / "part.parquet"], tmp_path / "e.parquet", tmp_path / "e.tsv.gz")
    out = tmp_path / "out"
    out.mkdir()

    def annotate(path):
        annotated_vcf.annotate(path, tmp_path / "e.parquet", tmp_path / "e.tsv.gz", out / "x.vcf.gz")
        return gzip.open(out / "x.vcf.gz", "rb").read().decode().splitlines()

    annotate.out = out
    return annotate


def written(tmp_path, content, kind="vcf"):
    path = tmp_path / f"v.{kind}"
    if kind == "vcf.gz":
        return bgzipped(path, content)
    path.write_bytes(content.replace("\n", "\r\n" if kind == "crlf" else "\n").encode())
    if kind == "bcf":
        plain = tmp_path / "plain.vcf"
        plain.write_text(content)
        pysam.bcftools.view("-Ob", "-o", str(path), str(plain), catch_stdout=False)
    return path


def without(line):
    """A record without its effects, and these."""
    cells = line.split("\t")
    kept = [entry for entry in cells[7].split(";") if not entry.startswith("CHROM2EXPR=")]
    effects = [entry.removeprefix("CHROM2EXPR=") for entry in cells[7].split(";") if entry not in kept]
    return "\t".join([*cells[:7], ";".join(kept) or ".", *cells[8:]]), effects


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "crlf", "bcf"])
def test_records_stay_as_they_are_but_for_their_effects(tmp_path, annotate, kind):
    given = written(tmp_path, text(), kind)
    lines = annotate(given)
    added = [line for line in lines if line.startswith(("##INFO=<ID=CHROM2EXPR,", "##chrom2expr="))]
    kept, effects = zip(*(without(line) if line[0] != "#" else (line, []) for line in lines if line not in added))
    expected = text().splitlines()
    if kind == "bcf":  # which holds numbers, not how they were written, and knows all filters
        expected = pysam.bcftools.view("--no-version", str(given)).splitlines()
    assert [*kept] == expected and len(added) == 2
    found = [entry for line in effects for entry in line]
    first = "C|G%3B1|T%20cell%3B%20CD4%3D1%2C2%20%7C50%25%7C|-2|-5|"
    assert found == [
        f"{first},C|G2|Lung|3|7|,G|G%3B1|Lung|0.25|-5|reference_swapped&unchanged",
        f"{first},C|G2|Lung|3|7|",
        "c|G2|Lung|-1|99|",
    ]
    assert any("\t.\tCHROM2EXPR=c|" in line for line in lines)
    assert unquote(first.split("|")[1]) == "G;1" and unquote(first.split("|")[2]) == TISSUES[1]


def test_other_programs_read_it_by_its_index(tmp_path, annotate):
    annotate(written(tmp_path, text()))
    assert sorted(path.name for path in annotate.out.iterdir()) == ["x.vcf.gz", "x.vcf.gz.tbi"]
    with pysam.VariantFile(str(annotate.out / "x.vcf.gz")) as file:
        assert [*file.header.samples] == ["father/son", "B"]
        described = file.header.info["CHROM2EXPR"]
        assert described.type == "String" and described.number == "." and "in TPM + 1" in described.description
        assert '"unit": "TPM"' in str(file.header)
        [record] = file.fetch("1", 800, 1000)
        assert record.info["CHROM2EXPR"] == ("c|G2|Lung|-1|99|",)
        assert [one.pos for one in file.fetch("2")] == [5, 6]
    assert pysam.bcftools.view("-H", "-r", "1:900", str(annotate.out / "x.vcf.gz")).count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([ROWS[3], ROWS[0]], HEADER, r"v.vcf, line 9: 1:10 comes after 1:900.*bcftools sort"),
        ([ROWS[0], ROWS[4], ROWS[3]], HEADER, r"v.vcf, line 10: 1:900 comes after 2:5.*bcftools sort"),
        (ROWS, HEADER.replace("ID=AF", "ID=CHROM2EXPR"), "has a field CHROM2EXPR already"),
        (
            ["1 536870912 . A C . . . GT . .", "1 536870912 . AC C . . . GT . ."],
            HEADER,
            "line 9: .*beyond 536,870,912",
        ),
        (["1 5 . A C"], HEADER, "line 8: not a row of a VCF"),
    ],
)
def test_what_cannot_be_annotated_is_refused_before_anything_is_written(tmp_path, annotate, rows, header, message):
    path = written(tmp_path, text(rows, header))
    for refused in (annotate, annotated_vcf.check):
        with pytest.raises(InputError, match=message):
            refused(path)
    assert not [*annotate.out.iterdir()]


def test_a_file_may_reach_to_the_end_of_its_index(tmp_path, annotate):
    annotate(written(tmp_path, text(["1 536870912 . A C . . . GT . ."])))
    with pysam.TabixFile(str(annotate.out / "x.vcf.gz")) as file:
        assert len([*file.fetch("1", 536870911, 536870912)]) == 1


@pytest.mark.parametrize("broken", ["_with_effects", "pysam.tabix_index"])
def test_a_write_that_is_broken_off_leaves_nothing(tmp_path, annotate, broken, monkeypatch):
    def fail(*_, **__):
        raise KeyboardInterrupt

    path = written(tmp_path, text())
    monkeypatch.setattr(f"chrom2expr.application.annotated_vcf.{broken}", fail)
    with pytest.raises(KeyboardInterrupt):
        annotate(path)
    assert not [*annotate.out.iterdir()]
