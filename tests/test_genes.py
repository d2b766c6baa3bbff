"""The gene table: parsing, lift-over and filters, on a small table and chain, and on the real ones."""

import gzip

import pandas as pd
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import genes, liftover, splits

HEADER = "id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type"
ROWS = [
    "G1,AAA,chr1,+,99,101,protein_coding",
    "G2,BBB,chr1,-,499,501,lincRNA",
    "G3,CCC,chr2,+,49,51,protein_coding",
    "G4,DDD,chr2,-,59,61,protein_coding",
    "G5,EEE,chr2,+,69,71,rRNA",
    "G6,FFF,chrX,+,79,81,protein_coding",
    "G7,GGG,chr2,+,89,91,protein_coding",
    "G8,HHH,chr1,+,949,951,protein_coding",
]
# chr1 gains 10 bp at its start, and its last 100 bp move to another contig; chr2 is turned round; chrX stays.
CHAIN = """chain 100 chr1 1000 + 0 900 chr1 950 + 10 910 1
900

chain 90 chr1 1000 + 900 1000 chr1_alt 300 + 200 300 2
100

chain 80 chr2 200 + 0 200 chr2 200 - 0 200 3
200

chain 70 chrX 100 + 0 100 chrX 100 + 0 100 4
100

chain 5 chr1 1000 + 100 110 chr2 200 + 0 10 5
10
"""


DROPPED = ["gene_id", "symbol", "gene_type", "chrom_grch37", "tss_grch37", "line", "reason"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "genes.csv"
    path.write_text("\r\n".join([HEADER, *ROWS]) + "\r\n", newline="")
    return path


@pytest.fixture
def chain_file(tmp_path):
    path = tmp_path / "over.chain"
    path.write_text(CHAIN)
    return path


def read_chain(path):
    return liftover.read_chain(path, "grch37", "grch38")


def build(table, chain_file, **settings):
    defaults = dict(exclude_types=["rRNA"], exclude_chromosomes=["chrX"], contigs="all")
    annotation = genes.read_annotation(table)
    chains = [read_chain(chain_file)]
    return liftover.build_genes(annotation, table, "grch37", chains, {}, **(defaults | settings))


def test_every_gene_is_kept_or_explained(table, chain_file):
    kept, dropped = build(table, chain_file)
    assert kept["gene_id"].tolist() == ["G1", "G2", "G3", "G4", "G7", "G8"]
    assert dropped[["gene_id", "line"]].values.tolist() == [["G5", 6], ["G6", 7]]
    assert "rRNA" in dropped["reason"].iloc[0] and "chrX" in dropped["reason"].iloc[1]
    assert list(dropped) == DROPPED
    assert list(kept) == [
        *("gene_id", "symbol", "gene_type", "strand", "chrom_grch37", "tss_grch37"),
        *("chrom_grch38", "tss_grch38", "strand_grch38"),
    ]


def test_a_gene_dropped_twice_names_both_reasons(table, chain_file):
    _, dropped = build(table, chain_file, exclude_types=["rRNA", "protein_coding"])
    reason = dropped.set_index("gene_id").loc["G6", "reason"]
    assert "protein_coding" in reason and "chrX" in reason


def test_lift_over_positions_contigs_and_strands(table, chain_file):
    annotation = genes.read_annotation(table)
    lifted = liftover.lift_over(annotation, read_chain(chain_file)).set_index(annotation["gene_id"])
    # G1 has a second hit, of a lower score, on chr2.
    assert lifted.loc["G1"].tolist() == ["chr1", 111, "+"]
    assert lifted.loc["G2"].tolist() == ["chr1", 511, "-"]
    # Base 51 of 200, counted from the other end, is base 150; the gene is read the other way there.
    assert lifted.loc["G3"].tolist() == ["chr2", 150, "-"]
    assert lifted.loc["G4"].tolist() == ["chr2", 140, "+"]
    assert lifted.loc["G8"].tolist() == ["chr1_alt", 251, "+"]


def test_only_genes_of_some_types(table, chain_file):
    every, _ = build(table, chain_file)
    kept, dropped = build(table, chain_file, only_types=["lincRNA"])
    assert kept["gene_id"].tolist() == every["gene_id"][every["gene_type"] == "lincRNA"].tolist() != []
    assert "its type is not lincRNA" in dropped.set_index("gene_id").loc["G1", "reason"]
    with pytest.raises(InputError, match=r"no gene is of type lncRNA \(genes: only_types\); it has \d+ protein_coding"):
        build(table, chain_file, only_types=["lincRNA", "lncRNA"])


def test_contigs_primary_drops_genes_that_leave_their_chromosome(table, chain_file):
    kept, dropped = build(table, chain_file, contigs="primary")
    assert "G8" not in set(kept["gene_id"])
    assert "another contig" in dropped.set_index("gene_id").loc["G8", "reason"]


def test_a_gene_that_does_not_lift_is_dropped(table, chain_file, monkeypatch):
    monkeypatch.setattr(liftover, "MAX_UNLIFTED", 0.5)
    table.write_text("\n".join([HEADER, *ROWS]).replace(",501,", ",901,"))
    shorter = "chr1 1000 + 910 1000 chr1_alt 300 + 210 300 2\n90"
    chain_file.write_text(CHAIN.replace("chr1 1000 + 900 1000 chr1_alt 300 + 200 300 2\n100", shorter))
    kept, dropped = build(table, chain_file)
    assert "does not lift" in dropped.set_index("gene_id").loc["G2", "reason"]
    assert "G2" not in set(kept["gene_id"])


def test_tss_tsv_comes_back_as_it_was(table, chain_file, tmp_path):
    kept, dropped = build(table, chain_file)
    kept.loc[kept.index[0], "symbol"] = "NA"
    genes.write_table(tmp_path / "tss.tsv", kept)
    pd.testing.assert_frame_equal(genes.read_genes(tmp_path / "tss.tsv"), kept.reset_index(drop=True))
    genes.write_table(tmp_path / "dropped.tsv", dropped)
    assert (tmp_path / "dropped.tsv").read_text().splitlines()[0].split("\t") == DROPPED


def test_locate_is_0_based_and_knows_each_assemblys_strand(table, chain_file):
    kept, _ = build(table, chain_file)
    row = kept["gene_id"].tolist().index("G3")
    assert genes.locate(kept, "grch37").iloc[row].tolist() == ["chr2", 50, "+"]
    assert genes.locate(kept, "grch38").iloc[row].tolist() == ["chr2", 149, "-"]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("G4,", "G2,", ["line 5", "G2", "line 3"]),
        ("G4,", ",", ["line 5", "missing"]),
        ("chr2,-,59", "chr2,*,59", ["line 5", "strand", "'*'"]),
        ("59,61", "59,61.5", ["line 5", "'61.5'"]),
        ("59,61", "59,-61", ["line 5", "'-61'"]),
        ("59,61", "59,0", ["line 5", "1-based"]),
        ("59,61", "59,", ["line 5", "''"]),
        ("DDD,chr2", "DDD,", ["line 5", "no chromosome"]),
        ("59,61,protein_coding", "59,61", ["line 5", "6 fields"]),
        ("CAGE_representative_TSS", "CAGE", ["line 1", "no column CAGE_representative_TSS"]),
    ],
)
def test_bad_rows_are_named(table, old, new, words):
    table.write_text("\n".join([HEADER, *ROWS]).replace(old, new))
    with pytest.raises(InputError) as error:
        genes.read_annotation(table)
    for word in [str(table), *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("content", [b"", HEADER.encode(), b"\x1f\x8b\x08\xff\xfe"])
def test_a_file_that_is_no_gene_table_is_refused(table, content):
    table.write_bytes(content)
    with pytest.raises(InputError, match="genes.csv"):
        genes.read_annotation(table)


@pytest.mark.parametrize(
    "column, value, words",
    [
        ("gene_id", "G2", ["line 2", "line 3"]),
        ("strand_grch38", "", ["line 2", "strand"]),
        ("tss_grch38", "x", ["line 2", "'x'"]),
        ("chrom_grch38", "", ["line 2", "no chromosome"]),
    ],
)
def test_a_damaged_tss_tsv_is_refused(table, chain_file, tmp_path, column, value, words):
    kept, _ = build(table, chain_file)
    kept = kept.astype(object).iloc[[1, 0, 2, 3]]
    if column == "gene_id":
        kept = kept.iloc[[1, 0, 2, 3]]
        kept.iloc[1, 0] = kept.iloc[0, 0]
        words = ["line 3", "line 2"]
    else:
        kept.iloc[0, kept.columns.get_loc(column)] = value
    genes.write_table(tmp_path / "tss.tsv", kept)
    with pytest.raises(InputError) as error:
        genes.read_genes(tmp_path / "tss.tsv")
    for word in ["tss.tsv", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("missing", ["strand", "tss_grch37"])
def test_tss_tsv_without_a_column_is_refused(table, chain_file, tmp_path, missing):
    kept, _ = build(table, chain_file)
    genes.write_table(tmp_path / "tss.tsv", kept.drop(columns=missing))
    with pytest.raises(InputError, match=missing):
        genes.read_genes(tmp_path / "tss.tsv")


def test_a_gzipped_chain_is_read_whatever_its_name(chain_file):
    expected = read_chain(chain_file)
    chain_file.write_bytes(gzip.compress(CHAIN.encode()))
    assert read_chain(chain_file).source == expected.source == {"chr1": 1000, "chr2": 200, "chrX": 100}
    assert expected.target == {"chr1": 950, "chr1_alt": 300, "chr2": 200, "chrX": 100}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b">chr1\nACGT\n",
        CHAIN[:60].encode(),
        gzip.compress(CHAIN.encode())[:-20],
        CHAIN.replace("900\n\n", "899\n\n", 1).encode(),
        CHAIN.replace("chr1 1000 + 900", "chr1 1001 + 900").encode(),
    ],
)
def test_a_damaged_chain_is_refused(chain_file, content):
    chain_file.write_bytes(content)
    with pytest.raises(InputError, match="over.chain"):
        read_chain(chain_file)


@pytest.mark.parametrize(
    "source, target, words",
    [
        (248_956_422, 249_250_621, ["hg38 to hg19"]),
        (247_249_719, 248_956_422, ["from hg18 to hg38"]),
        (249_250_621, 248_387_328, ["hg19 to hs1"]),
        (249_250_621, 228_573_443, ["hg19 to an unknown assembly"]),
        (195_471_971, 248_956_422, ["from mm10"]),
    ],
)
def test_a_chain_of_other_assemblies_is_recognised(chain_file, source, target, words):
    chain_file.write_text(f"chain 1 chr1 {source} + 0 10 chr1 {target} + 0 10 1\n10\n")
    with pytest.raises(InputError) as error:
        read_chain(chain_file)
    for word in ["over.chain", "assemblies: grch37: lift_to: grch38", *words]:
        assert word in str(error.value)


def test_the_chain_must_fit_the_genomes(chain_file):
    lifted = liftover.contigs([read_chain(chain_file)])
    grch37 = {"chr1": 1000, "chr2": 200, "chrX": 100, "chrUn": 5}
    grch38 = {"chr1": 950, "chr2": 200}
    used = ["chr1", "chr2"]
    genes.check_contigs(lifted, "grch37", grch37, used)
    genes.check_contigs(lifted, "grch38", grch38, used)
    with pytest.raises(
        InputError, match=r"over\.chain \(grch37\): chr2 is 200 bp long there, but 201 bp in the genome"
    ):
        genes.check_contigs(lifted, "grch37", grch37 | {"chr2": 201}, used)
    with pytest.raises(InputError, match=r"over\.chain \(grch38\): chr1 is 950 bp .* but 1,000 bp in the genome"):
        genes.check_contigs(lifted, "grch38", grch37, used)
    with pytest.raises(InputError, match="none of its contigs of grch37"):
        genes.check_contigs(lifted, "grch37", {"scaffold_1": 1000}, [])
    with pytest.raises(InputError, match="chr1 is 1,000 bp long there, but 999 bp in the genome"):
        genes.check_contigs(lifted, "grch37", {"1": 999}, ["1"])


def test_contigs_that_no_gene_lies_on_are_told_of_but_stop_nothing(chain_file, capsys):
    lifted = liftover.contigs([read_chain(chain_file)])
    genes.check_contigs(lifted, "grch37", {"chr1": 1000, "chr2": 201}, ["chr1"])
    assert "chr2 of another length than in the genome; no gene lies there" in capsys.readouterr().out


def test_a_gene_the_chain_cannot_know_is_refused(table, chain_file):
    table.write_text("\n".join([HEADER, *ROWS]).replace("DDD,chr2", "DDD,chr9"))
    with pytest.raises(InputError, match=r"genes\.csv, line 5: G4 lies on chr9"):
        build(table, chain_file)
    build(table, chain_file, exclude_chromosomes=["chrX", "chr9"])
    table.write_text("\n".join([HEADER, *ROWS]).replace("59,61", "59,201"))
    with pytest.raises(InputError, match=r"genes\.csv, line 5: the TSS of G4, chr2:201, lies past .* 200 "):
        build(table, chain_file)


def test_many_genes_that_do_not_lift_are_an_error(table, chain_file):
    shorter = "chr2 200 + 0 2 chr2 200 - 0 2 3\n2"
    chain_file.write_text(CHAIN.replace("chr2 200 + 0 200 chr2 200 - 0 200 3\n200", shorter))
    with pytest.raises(InputError, match=r"over\.chain: 3 of the 6 genes"):
        build(table, chain_file)


def test_excluding_every_gene_is_an_error(table, chain_file):
    with pytest.raises(InputError, match="every gene is excluded"):
        build(table, chain_file, exclude_types=["rRNA", "protein_coding", "lincRNA"])


def test_the_real_files_give_the_thesiss_counts(shared_data):
    path, chain_path = shared_data / "geneanno.csv", shared_data / "hg19ToHg38.over.chain.gz"
    annotation, chain = genes.read_annotation(path), read_chain(chain_path)
    assert len(annotation) == 24_339
    lifted = liftover.lift_over(annotation, chain)
    assert (lifted["chrom"] == "").sum() == 3
    moved = (lifted["chrom"] != "") & (lifted["chrom"] != annotation["chrom"])
    assert moved.sum() == 22
    turned = (lifted["strand"] != "") & (lifted["strand"] != annotation["strand"])
    assert turned.sum() == 111

    kept, dropped = liftover.build_genes(
        annotation,
        path,
        "grch37",
        [chain],
        chain.source,
        exclude_types=["rRNA"],
        exclude_chromosomes=["chrX", "chrY"],
        contigs="all",
    )
    assert len(kept) == 22_828 and len(dropped) == 24_339 - 22_828
    assert set(kept["gene_id"]) | set(dropped["gene_id"]) == set(annotation["gene_id"])
    assert (dropped["reason"] != "").all()
    for chromosome, sizes in {"chr14": (21_988, 420, 420), "chr8": (21_838, 495, 495)}.items():
        found = splits.split_genes(kept, path, "thesis", {"held_out": [chromosome]}, 20250501)
        assert found["gene_id"].tolist() == kept["gene_id"].tolist()
        assert tuple((found["split"] == part).sum() for part in splits.SPLITS) == sizes
        assert set(kept["chrom_grch37"][(found["split"] != "train").to_numpy()]) == {chromosome}
