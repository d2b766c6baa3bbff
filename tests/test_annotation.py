"""Genes from GTFs: which transcript's start is the TSS, and what cannot be used."""

import gzip
import re
from pathlib import Path

import pyranges
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, liftover

EXAMPLES = Path(pyranges.__file__).parent / "example_data"


def line(feature="transcript", start=101, end=200, strand="+", chrom="chr1", **attributes):
    attributes = {"gene_id": "G1", "transcript_id": "T1", "gene_type": "protein_coding", "gene_name": "AB"} | attributes
    text = " ".join(
        f'{name} "{value}";'
        for name, values in attributes.items()
        for value in (values if isinstance(values, list) else [values])
    )
    return "\t".join([chrom, "lab", feature, str(start), str(end), ".", strand, ".", text]) + "\n"


def save(path, *lines):
    path.write_text("#!genome-build GRCh37\n" + "".join(lines))
    return path


def tss(path, choice="canonical"):
    return dict(annotation.read(path, choice)[["gene_id", "tss"]].itertuples(index=False, name=None))


MARKED = [
    line(start=150, transcript_id="T1", tag=["basic", "MANE_Select"]),
    line(start=140, transcript_id="T2", tag="Ensembl_canonical"),
    line(start=130, transcript_id="T3", tag="appris_principal_1"),
    line(start=120, transcript_id="T4", tag="appris_principal_2"),
    line(start=110, transcript_id="T5"),
]


@pytest.mark.parametrize("first, expected", enumerate([150, 140, 130, 120, 110]))
def test_the_best_marked_transcript_counts(tmp_path, first, expected):
    path = save(tmp_path / "x.gtf", *MARKED[first:][::-1], line("exon", start=1))
    assert tss(path) == {"G1": expected}
    assert tss(path, "most_upstream") == {"G1": 110}


def test_upstream_is_in_the_direction_of_the_gene_and_ties_go_to_the_lower_id(tmp_path):
    path = save(
        tmp_path / "x.gtf",
        line(end=300, strand="-", gene_id="G2", transcript_id="B"),
        line(end=400, strand="-", gene_id="G2", transcript_id="C"),
        line(start=101, gene_id="G1", transcript_id="T2"),
        line(start=101, gene_id="G1", transcript_id="T1"),
    )
    found = annotation.read(path)
    assert found["gene_id"].tolist() == ["G2", "G1"] and found["tss"].tolist() == [400, 101]
    assert found["line"].tolist() == [3, 5] and found["strand"].tolist() == ["-", "+"]


def test_refseq_and_ensembl_call_things_otherwise(tmp_path):
    text = line(tag="MANE Select", start=120, transcript_id="N1") + line(start=110, transcript_id="N2")
    text = text.replace("gene_type", "gene_biotype").replace('gene_name "AB"', 'gene "AB"')
    (tmp_path / "x.gtf").write_text(text)
    found = annotation.read(tmp_path / "x.gtf")
    assert found[["symbol", "gene_type", "tss"]].values.tolist() == [["AB", "protein_coding", 120]]


@pytest.mark.parametrize("name", ["gencode_human.gtf.gz", "ensembl_human.gtf.gz", "ensembl.gtf"])
def test_published_files_by_a_slow_loop(name):
    """Each gene's most upstream transcript in files as GENCODE and Ensembl publish them."""
    opened = gzip.open if name.endswith("gz") else open
    expected = {}
    with opened(EXAMPLES / name, "rt") as handle:
        for row in handle:
            fields = row.split("\t")
            if len(fields) < 9 or fields[2] != "transcript":
                continue
            gene = re.search('gene_id "([^"]+)"', fields[8])[1]
            start = int(fields[3]) if fields[6] == "+" else -int(fields[4])
            expected[gene] = min(start, expected.get(gene, start))
    found = tss(EXAMPLES / name, "most_upstream")
    assert list(found.items()) == [(gene, abs(start)) for gene, start in expected.items()] and len(found) >= 10


@pytest.mark.parametrize(
    "lines, message",
    [
        ([line("gene"), line("exon")], "holds no transcripts"),
        ([line(), line(start=300, end=200)], "line 3: transcript T1: it stops before its start"),
        ([line(strand=".")], "line 2: transcript T1: its strand is neither"),
        ([line().replace('gene_id "G1"; ', "")], "line 2: the transcript has no gene_id"),
        ([line(), line().replace('gene_id "G1"; ', "")], "line 3: the transcript has no gene_id"),
        ([line(), "chr1\tx\n"], "line 3: not a line of a GTF"),
        ([line(), line().replace('gene_id "G1"', "ID=G1")], "line 3: GFF3, but the lines above are of a GTF"),
        ([line(), line().rstrip().rstrip(";") + "; pseudo;\n"], "line 3: its attributes are not those of a GTF"),
        ([line(start=0)], "line 2: transcript T1: it starts before 1"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, lines, message):
    with pytest.raises(InputError, match=f"x.gtf(, |: ){message}"):
        annotation.read(save(tmp_path / "x.gtf", *lines))


def test_mixed_and_unknown_contigs(tmp_path):
    chain = tmp_path / "x.chain"
    chain.write_text("chain 1 chr1 1000 + 0 1000 chr1 1000 + 0 1000 1\n1000\n\n")
    settings = {"exclude_types": [], "exclude_chromosomes": [], "contigs": "all"}
    table = annotation.read(save(tmp_path / "x.gtf", line(), line(gene_id="G2", chrom="1", start=111)))
    kept, _ = liftover.build_genes(table, "x.gtf", "a", [liftover.read_chain(chain, "a", "b")], {}, **settings)
    assert kept["tss_b"].tolist() == [101, 111]
    table = annotation.read(
        save(tmp_path / "x.gtf", line(), line(gene_id="G2", chrom="GL1"), line(gene_id="G3", chrom="GL2"))
    )
    with pytest.raises(InputError, match=r"line 3: G2 lies on GL1.*or add GL1 \(2 in all: GL1, GL2\) to genes"):
        liftover.build_genes(table, "x.gtf", "a", [liftover.read_chain(chain, "a", "b")], {}, **settings)


def test_the_log_counts_the_genes_by_what_decided(tmp_path, capsys):
    tags = ["MANE_Select", "appris_principal_1", "appris_principal_3", "basic"]
    annotation.read(save(tmp_path / "x.gtf", *(line(gene_id=f"G{n}", tag=tag) for n, tag in enumerate(tags))))
    said = capsys.readouterr().out
    assert "4 genes of 4 transcripts" in said and "2 by APPRIS principal" in said
    assert "1 by MANE Select" in said and "1 by the most upstream start" in said
