"""Genes from a GFF3, a BED and tables of any columns, and every TSS of a gene as a row."""

import bz2
import gzip
import lzma
import random
import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote, unquote

import pyranges
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, genes, liftover

EXAMPLES = Path(pyranges.__file__).parent / "example_data"
PUBLISHED = ["gencode_human.gtf.gz", "ensembl_human.gtf.gz", "ensembl.gtf"]
WITHOUT_LINE = ["gene_id", "symbol", "gene_type", "strand", "chrom", "tss"]


def gff3(kind, start=101, end=200, strand="+", chrom="chr1", **attributes):
    text = ";".join(f"{name}={value}" for name, value in attributes.items())
    return "\t".join([chrom, "lab", kind, str(start), str(end), ".", strand, ".", text or "."]) + "\n"


def gtf(start=101, end=200, strand="+", chrom="chr1", gene_id="G1", transcript_id="T1", **attributes):
    attributes = {"gene_id": gene_id, "transcript_id": transcript_id} | attributes
    text = " ".join(f'{name} "{value}";' for name, value in attributes.items())
    return "\t".join([chrom, "lab", "transcript", str(start), str(end), ".", strand, ".", text]) + "\n"


def save(path, *lines):
    path.write_text("".join(lines))
    return path


def rows(path, choice="canonical", columns=(*WITHOUT_LINE, "line"), named=None):
    return annotation.read(path, choice, named)[list(columns)].values.tolist()


# The first genes of chr1 as each of the publishers writes them, shortened.
DIALECTS = {
    "gencode": [
        "##gff-version 3\n",
        gff3("gene", 11869, 14409, ID="ENSG1.5", gene_id="ENSG1.5", gene_type="lncRNA", gene_name="DDX", level="2"),
        gff3("transcript", 11869, 14409, ID="ENST1.2", Parent="ENSG1.5", gene_id="ENSG1.5", transcript_id="ENST1.2")
        .replace("\n", ";gene_type=lncRNA;gene_name=DDX;tag=basic\n"),
        gff3("exon", 11869, 12227, ID="exon:ENST1.2:1", Parent="ENST1.2", gene_id="ENSG1.5", transcript_id="ENST1.2"),
        gff3("transcript", 12010, 13670, ID="ENST2.2", Parent="ENSG1.5", gene_id="ENSG1.5", transcript_id="ENST2.2")
        .replace("\n", ";gene_type=lncRNA;gene_name=DDX;tag=basic,Ensembl_canonical,MANE_Select\n"),
    ],
    "ensembl": [
        "##gff-version   3\n",
        gff3("chromosome", 1, 248956422, ".", ID="chromosome:1", Alias="CM000663.2,chr1,NC_000001.11"),
        "###\n",
        gff3("ncRNA_gene", 11869, 14409, ID="gene:ENSG1", Name="DDX", biotype="lncRNA", gene_id="ENSG1", version="5"),
        gff3("lnc_RNA", 11869, 14409, ID="transcript:ENST1", Parent="gene:ENSG1", Name="DDX-202", biotype="retained")
        .replace("\n", ";tag=basic;transcript_id=ENST1\n"),
        gff3("exon", 11869, 12227, Parent="transcript:ENST1", Name="ENSE1", exon_id="ENSE1"),
        gff3("lnc_RNA", 12010, 13670, ID="transcript:ENST2", Parent="gene:ENSG1", Name="DDX-201", biotype="retained")
        .replace("\n", ";tag=basic,Ensembl_canonical;transcript_id=ENST2\n"),
    ],
    "refseq": [
        "##gff-version 3\n",
        gff3("gene", 11869, 14409, ID="gene-DDX", Name="DDX", gbkey="Gene", gene="DDX", gene_biotype="lncRNA"),
        gff3("lnc_RNA", 11869, 14409, ID="rna-NR_1.2", Parent="gene-DDX", Name="NR_1.2", gene="DDX")
        .replace("\n", ";product=DEAD/H-box %3B like;transcript_id=NR_1.2\n"),
        gff3("exon", 11869, 12227, ID="exon-NR_1.2-1", Parent="rna-NR_1.2", gene="DDX"),
        gff3("mRNA", 12010, 13670, ID="rna-NM_1.2", Parent="gene-DDX", Name="NM_1.2", gene="DDX")
        .replace("\n", ";tag=MANE Select;transcript_id=NM_1.2\n"),
    ],
}  # fmt: skip
IDS = {"gencode": "ENSG1.5", "ensembl": "ENSG1", "refseq": "DDX"}
FIRST = {"gencode": "ENST1.2", "ensembl": "ENST1", "refseq": "NR_1.2"}


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_gff3_as_it_is_published(tmp_path, dialect, packed):
    path = tmp_path / "genes"
    path.write_bytes(packed("".join(DIALECTS[dialect]).encode()))
    gene = [IDS[dialect], "DDX", "lncRNA", "+", "chr1"]
    last = len(DIALECTS[dialect])
    assert annotation.format_of(path) == "GFF3"
    assert rows(path) == [[*gene, 12010, last]]
    assert rows(path, "most_upstream") == [[*gene, 11869, last - 2]]
    found = rows(path, "all", ["gene_id", "tss"])
    assert found[0] == [f"{IDS[dialect]}@{FIRST[dialect]}", 11869] and [tss for _, tss in found] == [11869, 12010]


def converted(name, dialect):
    """A published GTF's lines as those of a GFF3."""
    opened = gzip.open if name.endswith("gz") else open
    prefix = ("gene:", "transcript:") if dialect == "ensembl" else ("", "")
    with opened(EXAMPLES / name, "rt") as handle:
        for row in handle:
            if row.startswith("#"):
                continue
            *fields, text = row.rstrip("\n").split("\t")
            given = defaultdict(list)
            for key, value in re.findall(r'(\w+) "?([^";]+)"?;', text):
                given[key].append(quote(value, safe=" -.()"))
            kept = {key: ",".join(values) for key, values in given.items()}
            gene, transcript = prefix[0] + kept["gene_id"], prefix[1] + kept.get("transcript_id", "")
            if fields[2] == "gene":
                kept |= {"ID": gene, "Name": kept["gene_name"]}
            elif fields[2] == "transcript":
                kept |= {"ID": transcript, "Parent": gene}
            else:
                kept |= {"Parent": transcript}
            yield "\t".join([*fields, ";".join(f"{key}={value}" for key, value in kept.items())]) + "\n"


@pytest.mark.parametrize("choice", ["canonical", "most_upstream", "all"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_gtf_and_the_same_as_a_gff3_are_alike(tmp_path, name, choice):
    path = save(tmp_path / "x.gff3", *converted(name, name.split("_")[0]))
    assert rows(path, choice, WITHOUT_LINE) == rows(EXAMPLES / name, choice, WITHOUT_LINE)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tss_by_a_slow_loop(name):
    opened = gzip.open if name.endswith("gz") else open
    starts = defaultdict(lambda: defaultdict(list))
    with opened(EXAMPLES / name, "rt") as handle:
        for row in handle:
            fields = row.split("\t")
            if len(fields) == 9 and fields[2] == "transcript":
                gene, transcript = (re.search(f'{key} "([^"]+)"', row)[1] for key in ("gene_id", "transcript_id"))
                starts[gene][int(fields[3] if fields[6] == "+" else fields[4]), fields[6]].append(transcript)
    expected = []
    for gene, places in starts.items():
        for tss, strand in sorted(places, key=lambda place: place[0] if place[1] == "+" else -place[0]):
            expected.append([f"{gene}@{min(places[tss, strand])}", tss, strand])
    found = annotation.read(EXAMPLES / name, "all")
    assert found[["gene_id", "tss", "strand"]].values.tolist() == expected
    assert found["gene_id"].is_unique and len(found) > len(starts)
    canonical = annotation.read(EXAMPLES / name)
    own = list(zip(map(genes.gene_of, found["gene_id"]), found["tss"]))
    assert set(zip(canonical["gene_id"], canonical["tss"])) <= set(own)
    assert list(dict.fromkeys(gene for gene, _ in own)) == canonical["gene_id"].tolist()


def slow(lines):
    """{gene's id: (symbol, type, most upstream TSS)} of the lines of a GFF3, one after the other."""
    parsed = []
    for row in lines:
        fields = row.rstrip("\n").split("\t")
        pairs = [pair.split("=", 1) for pair in fields[8].split(";")]
        parsed.append((fields, dict(pairs)))
    found = {}
    for fields, own in parsed:
        if not fields[2].endswith("gene"):
            continue
        starts = []
        for below, theirs in parsed:
            if own["ID"] in theirs.get("Parent", "").split(",") and below[2] not in ("exon", "CDS"):
                starts.append(below)
        plus = fields[6] == "+"
        ends = [int(below[3]) if plus else int(below[4]) for below in starts or [fields]]
        gene = unquote(own["ID"]).removeprefix("gene-")
        symbol = unquote(own.get("Name", own.get("gene", gene)))
        found[gene] = (symbol, unquote(own.get("gene_biotype", "")), min(ends) if plus else max(ends))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_gff3_in_any_order_by_a_slow_loop(tmp_path, seed):
    draw = random.Random(seed)
    lines = []
    for number in range(draw.randint(3, 12)):
        strand, gene = draw.choice("+-"), f"gene-G{number}{draw.choice(['', '%3B', '%2C1', '#2', ' b'])}"
        optional = {"Name": f"N%25{number}", "gene": f"S{number}", "gene_biotype": draw.choice(["a", "b%3D"])}
        kept = {name: value for name, value in optional.items() if draw.random() < 0.7}
        chrom = draw.choice(["chr1", "2"])
        place = {"strand": strand, "chrom": chrom}
        lines.append(gff3(draw.choice(["gene", "pseudogene", "ncRNA_gene"]), 100, 900, **place, ID=gene, **kept))
        for below in range(draw.randint(0, 4) if number else 1):
            start = draw.randint(100, 400)
            kind, rna = draw.choice(["mRNA", "transcript", "tRNA"]), f"rna-T{number}.{below}"
            more = {"Note": "a=b#c", "Parent": gene}
            lines.append(gff3(kind, start, start + draw.randint(1, 500), **place, ID=rna, **more))
            lines.append(gff3("exon", start, start + 1, **place, ID=f"e{rna}", Parent=rna))
            lines.append(gff3("miRNA", 1, 2000, **place, ID=f"mi{rna}", Parent=rna))
        if draw.random() < 0.5:
            lines.append(gff3(draw.choice(["exon", "CDS"]), 90, 1000, **place, ID=f"e{gene}", Parent=gene))
    draw.shuffle(lines)
    found = annotation.read(save(tmp_path / "x.gff3", *lines), "most_upstream").set_index("gene_id")
    expected = slow(lines)
    assert set(found.index) == set(expected)
    for gene, values in expected.items():
        assert tuple(found.loc[gene, ["symbol", "gene_type", "tss"]]) == values


def test_a_gene_without_transcripts_counts_with_its_own_start(tmp_path, capsys):
    path = save(
        tmp_path / "x.gff3",
        gff3("gene", 50, 90, ID="gene-ND1", gene="ND1", gene_biotype="protein_coding"),
        gff3("CDS", 60, 90, ID="cds-1", Parent="gene-ND1"),
        gff3("gene", ID="gene-A"),
        gff3("mRNA", ID="rna-A", Parent="gene-A"),
        gff3("pseudogene", 300, 400, "-", ID="gene-P"),
        gff3("exon", 300, 310, "-", ID="e1", Parent="gene-P"),
        gff3("exon", 390, 400, "-", ID="e2", Parent="gene-P"),
    )
    expected = [["ND1", "ND1", "protein_coding", "+", "chr1", 50, 1], ["A", "A", "", "+", "chr1", 101, 4]]
    expected.append(["P", "P", "", "-", "chr1", 400, 5])
    assert rows(path) == expected
    assert "3 genes of 3 transcripts, their TSS 2 by the gene's own start" in capsys.readouterr().out
    assert rows(path, "all", ["gene_id", "tss"]) == [["ND1@ND1", 50], ["A@A", 101], ["P@P", 400]]


def test_a_transcript_may_have_several_genes_and_a_genes_type(tmp_path):
    path = save(
        tmp_path / "x.gff3",
        gff3("gene", ID="A"),
        gff3("gene", ID="B"),
        gff3("mRNA", 120, ID="T", Parent="A,B"),
        gff3("pseudogene", 110, ID="U", Parent="B"),
        gff3("gene", 90, ID="C", Parent="operon"),
    )
    assert rows(path, "most_upstream", ["gene_id", "tss"]) == [["A", 120], ["B", 110], ["C", 90]]


def test_what_is_encoded_is_decoded_once(tmp_path):
    lines = [gff3("gene", ID="A%2525", Name="%2542"), gff3("mRNA", ID="T%2C1", Parent="A%2525")]
    path = save(tmp_path / "x.gff3", *lines)
    assert rows(path, "all", ["gene_id", "symbol"]) == [["A%25@T,1", "%42"]]


def test_sequences_below_a_gff3_are_passed_over(tmp_path):
    lines = [gff3("gene", ID="A"), gff3("mRNA", ID="T", Parent="A")]
    for end in ("##FASTA\n>chr1\nACGT\n", ">chr1\nACGT\n"):
        assert rows(save(tmp_path / "x.gff3", *lines, end), columns=["gene_id"]) == [["A"]]


REGIONS = [
    gff3("region", 1, 900, chrom="NC_000001.11", ID="r1", Name="1", chromosome="1", genome="chromosome"),
    gff3("region", 1, 900, chrom="NT_187361.1", ID="r2", Name="1", chromosome="1", genome="genomic"),
    gff3("region", 1, 900, chrom="NC_012920.1", ID="r3", Name="MT", genome="mitochondrion"),
    gff3("region", 1, 900, chrom="mine", ID="r4", Name="7", chromosome="7", genome="chromosome"),
]
CONTIGS = ["NC_000001.11", "NT_187361.1", "NC_012920.1", "mine", "NC_000009.1"]


def on(contigs):
    for number, contig in enumerate(contigs):
        yield gff3("gene", chrom=contig, ID=f"gene-{number}")
        yield gff3("mRNA", chrom=contig, ID=f"rna-{number}", Parent=f"gene-{number}")


def test_accessions_are_called_as_their_chromosomes(tmp_path, capsys):
    path = save(tmp_path / "x.gff3", *REGIONS, *on(CONTIGS))
    assert rows(path, columns=["chrom"]) == [["1"], ["NT_187361.1"], ["MT"], ["mine"], ["NC_000009.1"]]
    said = [line for line in capsys.readouterr().out.splitlines() if "region" in line]
    assert len(said) == 1 and said[0].endswith("say: NC_000001.11 is 1, NC_012920.1 is MT")
    kept = annotation.read(path, contigs=["NC_000001.11", "MT"])["chrom"].tolist()
    assert kept == ["NC_000001.11", "NT_187361.1", "MT", "mine", "NC_000009.1"]


def test_two_contigs_of_one_chromosome_keep_their_names(tmp_path, capsys):
    other = REGIONS[0].replace("NC_000001.11", "NC_000002.1")
    path = save(tmp_path / "x.gff3", REGIONS[0], other, *on(["NC_000001.11", "NC_000002.1"]))
    assert rows(path, columns=["chrom"]) == [["NC_000001.11"], ["NC_000002.1"]]
    assert "region" not in capsys.readouterr().out


@pytest.mark.parametrize("choice", ["canonical", "most_upstream", "all"])
def test_of_a_gene_in_several_places_the_first_counts(tmp_path, capsys, choice):
    """As Ensembl's genes of the pseudoautosomal regions; two spellings of a contig are one."""
    path = save(
        tmp_path / "x.gtf",
        gtf(chrom="X", start=200, end=300),
        gtf(chrom="chrX", start=180, end=300, transcript_id="T2"),
        gtf(chrom="Y", start=50, transcript_id="T3", tag="MANE_Select"),
        gtf(chrom="X", strand="-", start=10, transcript_id="T4", tag="MANE_Select"),
        gtf(gene_id="G2"),
    )
    found = rows(path, choice, ["chrom", "strand", "tss"])
    assert found[0] == ["chrX", "+", 180] and found[-1] == ["chr1", "+", 101]
    assert found[1:-1] == ([["X", "+", 200]] if choice == "all" else [])
    said = [line for line in capsys.readouterr().out.splitlines() if "several contigs" in line]
    assert len(said) == 1 and "1 of the genes lie on several" in said[0]
    assert "G1, for one, on X + (line 1), not on Y + (line 3)" in said[0]


def test_a_contig_in_two_spellings_is_one_and_said_once(tmp_path, capsys):
    chain = save(tmp_path / "x.chain", "chain 1 chr1 1000 + 0 1000 chr1 1000 + 0 1000 1\n1000\n\n")
    numbers = [gtf(gene_id=f"G{n}", chrom=["chr1", "1"][n % 2], start=101 + n) for n in range(6)]
    read = annotation.read(save(tmp_path / "x.gtf", *numbers), "all")
    kept, _ = liftover.build_genes(
        read,
        "x.gtf",
        "a",
        [liftover.read_chain(chain, "a", "b")],
        {},
        exclude_types=[],
        exclude_chromosomes=[],
        contigs="primary",
    )
    assert kept["tss_b"].tolist() == kept["tss_a"].tolist() == list(range(101, 107))
    assert capsys.readouterr().out.count("taken for the same") == 1
    with pytest.raises(InputError, match="every gene is excluded"):
        settings = {"exclude_types": [], "exclude_chromosomes": ["1"], "contigs": "all"}
        liftover.build_genes(read, "x.gtf", "a", [liftover.read_chain(chain, "a", "b")], {}, **settings)


@pytest.mark.parametrize("numbers", [["1", "2"], ["01", "02"], ["1", "X"], ["NA", "nan"], ["HG2#1#chr1", "a b"]])
def test_contigs_keep_their_names_whatever_they_look_like(tmp_path, numbers):
    expected = [[name] for name in numbers]
    below = [gtf(gene_id=f"G{n}", chrom=name) for n, name in enumerate(numbers)]
    assert rows(save(tmp_path / "x.gtf", *below), columns=["chrom"]) == expected
    assert rows(save(tmp_path / "x.gff3", *on(numbers)), columns=["chrom"]) == expected


GENE, MRNA = gff3("gene", ID="gene:A"), gff3("mRNA", ID="T", Parent="gene:A")


@pytest.mark.parametrize(
    "choice, lines, message",
    [
        ("canonical", [MRNA], "x.gff3: holds no genes"),
        ("canonical", [GENE, gff3("exon", ID="e", Parent="gene:A")], "x.gff3: holds no transcripts"),
        ("canonical", [GENE, MRNA.replace("gene:A", "gene:B")], "x.gff3: holds no transcripts"),
        ("canonical", [GENE, MRNA, "chr1\tx\n"], "x.gff3, line 3: not a line of a GFF3"),
        ("canonical", [GENE, MRNA.replace("101", "1e3")], "x.gff3, line 2: not a line of a GFF3, .*whole numbers"),
        ("canonical", [GENE, MRNA.replace("200", "100")], "x.gff3, line 2: transcript T: it stops before its start"),
        ("canonical", [GENE, MRNA.replace("101", "0")], "x.gff3, line 2: transcript T: it starts before 1"),
        ("canonical", [GENE, MRNA.replace("+", "?")], "x.gff3, line 2: transcript T: its strand is neither"),
        ("canonical", [GENE, MRNA, gff3("gene", strand=".", ID="B")], "x.gff3, line 3: gene B: its strand"),
        ("canonical", [GENE, MRNA, gff3("gene", Name="B")], "x.gff3, line 3: the gene has no gene_id"),
        ("canonical", [GENE, MRNA, MRNA.replace("ID=T;", "")], "x.gff3, line 3: the transcript has no transcript_id"),
        ("all", [GENE.replace("A", "A@1"), MRNA.replace("A", "A@1")], "x.gff3, line 2: gene id A@1 has an @"),
        ("all", [GENE, MRNA.replace("101", "99"), MRNA], "x.gff3, line 3: transcript T of A is already on line 2"),
        ("all", [GENE, MRNA, MRNA.replace("101", "99")], "x.gff3, line 3: transcript T of A is already on line 2"),
    ],
)
def test_what_cannot_be_used_of_a_gff3_is_named(tmp_path, choice, lines, message):
    with pytest.raises(InputError, match=message):
        annotation.read(save(tmp_path / "x.gff3", *lines), choice)


BED = "chr1\t100\t200\tA\t0\t+\n2\t50\t70\tB b\t.\t-\textra\t0\n"


@pytest.mark.parametrize("before", ["", 'track name="mine"\n', "browser position chr1\n\n#chrom\tstart\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_bed(tmp_path, before, end):
    path = tmp_path / "x.txt"
    path.write_bytes((before + BED).replace("\n", end).encode())
    first = before.count("\n") + 1
    assert annotation.format_of(path) == "BED"
    expected = [["A", "A", "", "+", "chr1", 101, first], ["B b", "B b", "", "-", "2", 70, first + 1]]
    assert rows(path) == rows(path, "most_upstream") == expected
    path.write_text("chr1 100 200 A 0 +\n")
    assert rows(path) == [["A", "A", "", "+", "chr1", 101, 1]]


def test_a_published_bed_by_a_slow_loop(tmp_path):
    text = (EXAMPLES / "exons.bed").read_text()
    expected = []
    for row in text.splitlines():
        chrom, start, end, name, _, strand = row.split("\t")
        expected.append([name, chrom, int(start) + 1 if strand == "+" else int(end)])
    (tmp_path / "x.gz").write_bytes(gzip.compress(text.encode()))
    for path in (EXAMPLES / "exons.bed", tmp_path / "x.gz"):
        assert rows(path, columns=["gene_id", "chrom", "tss"]) == expected and len(expected) == 1000


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("B b", "A", "line 2: gene id A is already on line 1"),
        ("50", "5x", "line 2: the start of B b is '5x', which is not a whole number"),
        ("100", "-100", "line 1: the start of A is '-100'"),
        ("70", "", "line 2: the end of B b is ''"),
        ("70", "50", "line 2: B b stops at 50, which is not after its start, 50"),
        ("-\textra", ".\textra", "line 2: B b has strand '.', which is neither"),
        ("B b", "", "line 2: the gene id is missing"),
        ("2\t50", "\t50", "line 2: B b has no chromosome"),
        ("\tB b\t.\t-\textra\t0", "", "line 2: 3 columns; a BED of genes has at least six"),
        (BED, "track name=x\n", "a BED file without genes"),
    ],
)
def test_what_cannot_be_used_of_a_bed_is_named(tmp_path, old, new, message):
    with pytest.raises(InputError, match=f"x.bed(, |: ){re.escape(message)}"):
        annotation.read(save(tmp_path / "x.bed", BED.replace(old, new)))


TABLE = "name;where;way;from;what;label\nA;chr1;+;101;x;a\nB;2;-;70;y;b\n"
NAMES = {"gene_id": "name", "chrom": "where", "strand": "way", "tss": "from"}


@pytest.mark.parametrize("separator", ",\t")
def test_a_table_with_columns_of_other_names(tmp_path, separator):
    path = save(tmp_path / "x.txt", TABLE.replace(";", separator))
    assert annotation.format_of(path) == "table"
    everything = NAMES | {"symbol": "label", "gene_type": "what"}
    assert rows(path, named=everything) == [["A", "a", "x", "+", "chr1", 101, 2], ["B", "b", "y", "-", "2", 70, 3]]
    assert rows(path, named=NAMES) == [["A", "A", "", "+", "chr1", 101, 2], ["B", "B", "", "-", "2", 70, 3]]
    with_defaults = path.read_text().replace("label", "symbol").replace("what", "type")
    assert rows(save(path, with_defaults), named=NAMES) == rows(
        save(path, TABLE.replace(";", separator)), named=everything
    )
    assert rows(path, named=NAMES | {"symbol": "name"}, columns=["gene_id", "symbol"]) == [["A", "A"], ["B", "B"]]


@pytest.mark.parametrize(
    "named, message",
    [
        ({}, "line 1: no column id, strand, seqnames, CAGE_representative_TSS. Found: name, where.*genes: columns"),
        (NAMES | {"symbol": "alias"}, "line 1: no column alias. Found"),
        (NAMES | {"gene_type": "type"}, "line 1: no column type. Found"),
        (NAMES | {"tss": "what"}, "line 2: A has TSS 'x', which is not a positive whole number"),
        (NAMES | {"strand": "where"}, "line 2: A has strand 'chr1'"),
        (NAMES | {"gene_id": "more"}, "line 1: no column more"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, named, message):
    with pytest.raises(InputError, match=f"x.csv, {message}"):
        annotation.read(save(tmp_path / "x.csv", TABLE.replace(";", ",")), columns=named)


@pytest.mark.parametrize(
    "text, named, choice, message",
    [
        (TABLE.replace(";", ","), NAMES, "all", "genes: tss: all .* but a table has one TSS"),
        (BED, {}, "all", "genes: tss: all .* but a BED has one TSS"),
        (BED, NAMES, "canonical", "genes: columns .* but this is a BED"),
        (gtf(), NAMES, "canonical", "genes: columns .* but this is a GTF"),
        (GENE + MRNA, NAMES, "canonical", "genes: columns .* but this is a GFF3"),
    ],
)
def test_settings_that_a_file_has_no_use_for_are_refused(tmp_path, text, named, choice, message):
    with pytest.raises(InputError, match=f"x: {message}"):
        annotation.read(save(tmp_path / "x", text), choice, named)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("id,symbol\nA,B\n", "table"),
        ("", "table"),
        ("# nothing\n", "table"),
        ("track\tid\tsymbol\n1\t2\t3\n", "table"),
        (BED, "BED"),
        ("chr1\tx\t200\tA\t0\t+\n", "BED"),
        ("chr1\t1\t9\t5\t7\t+\t1\t9\t0\n", "BED"),
        (gtf(), "GTF"),
        (gtf(start="x"), "GTF"),
        (gff3("gene"), "GTF"),
        (gff3("chromosome", strand=".") + GENE, "GFF3"),
        (gff3("chromosome", strand=".") + gtf(), "GTF"),
        ("#!genome\n##gff-version 3\n\n" + GENE, "GFF3"),
    ],
)
def test_the_format_is_told_by_the_content(tmp_path, text, expected):
    (tmp_path / "x").write_bytes(gzip.compress(text.encode()))
    assert annotation.format_of(tmp_path / "x") == expected
