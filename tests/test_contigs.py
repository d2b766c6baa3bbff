"""Contigs by whatever name a file has for them, in the genes, the chain, the genome, the splits and the bigWigs."""

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chrom2expr.errors import InputError
from chrom2expr.files.whole import read_json
from chrom2expr.genome import contigs, expression, genes, liftover, shared_tss, splits
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks import bigwig

GENOME = {"chr1": 4000, "chr2": 3000, "chrM": 16569}
GEOMETRY = Geometry.from_config({"window": 200, "bins": 4, "bin_size": 20})


def renamed(lengths, dialect):
    """A genome's contigs as another publisher names them."""
    return {{"chrM": "MT"}.get(name, name.removeprefix("chr")) if dialect == "ensembl" else name: length
            for name, length in lengths.items()}  # fmt: skip


@pytest.mark.parametrize(
    "names, found",
    [
        (["chr1", "chrM"], {"chr1": "1", "chrM": "MT"}),
        (["1", "MT"], {"1": "1", "MT": "MT"}),
        (["chr2", "chrUn_x"], {}),
        (["Chr1"], {"Chr1": "1"}),
        (["3"], {"3": "chr3"}),
        (["chr4"], {"chr4": "chr4"}),
        (["Chr4"], {}),
    ],
)
def test_a_name_is_found_in_its_one_other_spelling(names, found):
    assert contigs.called(names, ["1", "MT", "chr3", "chr4", "4"]) == found


def write_genes(path, dialect="ucsc"):
    rows = [("G1", "chr1", 500, "+"), ("G2", "chr1", 900, "-"), ("G3", "chr2", 1500, "+")]
    one = {"chr1": "1", "chr2": "2"} if dialect == "ensembl" else {"chr1": "chr1", "chr2": "chr2"}
    lines = ["id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type"]
    lines += [f"{gene},{gene},{one[chrom]},{strand},{tss},{tss},x" for gene, chrom, tss, strand in rows]
    path.write_text("\n".join(lines) + "\n")
    return genes.read_annotation(path)


def write_chain(path, source, target):
    lines = []
    for number, (name, length) in enumerate(GENOME.items(), 1):
        there = {**dict(zip(GENOME, target))}[name]
        here = {**dict(zip(GENOME, source))}[name]
        lines += [f"chain 1 {here} {length} + 0 {length} {there} {length} + 0 {length} {number}", str(length), ""]
    path.write_text("\n".join(lines) + "\n")
    return liftover.read_chain(path, "grch37", "grch38")


@pytest.mark.parametrize("table", ["ucsc", "ensembl"])
@pytest.mark.parametrize("source", ["ucsc", "ensembl"])
@pytest.mark.parametrize("target", ["ucsc", "ensembl"])
def test_genes_lift_whatever_the_names(tmp_path, capsys, table, source, target):
    annotation = write_genes(tmp_path / "genes.csv", table)
    chain = write_chain(tmp_path / "x.chain", renamed(GENOME, source), renamed(GENOME, target))
    kept, dropped = liftover.build_genes(
        annotation,
        "genes.csv",
        "grch37",
        [chain],
        chain.source,
        exclude_types=[],
        exclude_chromosomes=["chr2"],
        contigs="primary",
    )
    assert kept["gene_id"].tolist() == ["G1", "G2"] and dropped["gene_id"].tolist() == ["G3"]
    assert kept["chrom_grch38"].tolist() == kept["chrom_grch37"].tolist()
    assert kept["tss_grch38"].tolist() == [500, 900]
    said = capsys.readouterr().out
    assert said.count("has other names of contigs") == (table != source)
    split = splits.split_genes(
        pd.concat([kept, kept.assign(gene_id=["G4", "G5"], chrom_grch37="9")]), "tss", "s", {"held_out": ["chr9"]}, 1
    )
    assert set(split["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize("dialect", ["ucsc", "ensembl"])
def test_genes_are_called_as_in_the_genome(tmp_path, capsys, dialect):
    chain = write_chain(tmp_path / "x.chain", GENOME, GENOME)
    kept, _ = liftover.build_genes(
        write_genes(tmp_path / "g.csv"),
        "g",
        "grch37",
        [chain],
        chain.source,
        exclude_types=[],
        exclude_chromosomes=[],
        contigs="all",
    )
    genes.write_table(tmp_path / "tss.tsv", kept)
    lengths = renamed(GENOME, dialect)
    found = genes.read_genes_in(tmp_path / "tss.tsv", "grch38", lengths, liftover.contigs([chain]))
    assert set(found["chrom_grch38"]) <= set(lengths) and set(found["chrom_grch37"]) == {"chr1", "chr2"}
    assert ("the FASTA of grch38 has other names of contigs" in capsys.readouterr().out) == (dialect == "ensembl")
    with pytest.raises(InputError, match="is 4,000 bp long there, but 4,001 bp in the genome"):
        longer = {name: length + (length == 4000) for name, length in lengths.items()}
        genes.read_genes_in(tmp_path / "tss.tsv", "grch38", longer, liftover.contigs([chain]))


def bin_bigwigs(tmp_path, *files, genome=GENOME):
    manifest = pd.DataFrame(
        {"track_id": [f"t{n}" for n in range(len(files))], "track_type": "chromatin", "clip": np.inf, "scale": 1.0}
        | {"sum_stat": "mean", "path": [str(tmp_path / file) for file in files], "reason": ""}
    )
    chrom = ["chr1", "chr1", "chr2"]
    table = pd.DataFrame({"gene_id": ["G1", "G2", "G3"], "strand": "+", "strand_grch38": "+"})
    for assembly in ("grch37", "grch38"):
        table[f"chrom_{assembly}"], table[f"tss_{assembly}"] = chrom, [500, 900, 1500]
    bigwig.bin_group(manifest, table, GEOMETRY, genome, "grch38", tmp_path / "s.h5", {"source": "s"})
    with h5py.File(tmp_path / "s.h5") as store:
        return store["tracks"][:]


def write_bigwig(path, lengths, value):
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for name, length in lengths.items():
            file.addEntries([name], [0], ends=[length], values=[value])


def test_bigwigs_are_read_by_their_own_names_which_are_said_once(tmp_path, capsys):
    for number, dialect in enumerate(("ucsc", "ensembl", "ensembl")):
        write_bigwig(tmp_path / f"{number}.bw", renamed(GENOME, dialect), number + 1.0)
    values = bin_bigwigs(tmp_path, "0.bw", "1.bw", "2.bw")
    assert (values == np.array([1.0, 2.0, 3.0], dtype=np.float16)).all()
    assert capsys.readouterr().out.count("other names of contigs") == 1


@pytest.mark.parametrize("genome, file", [(16569, 16571), (16571, 16569)])
def test_a_contig_without_genes_stops_no_bigwig(tmp_path, capsys, genome, file):
    write_bigwig(tmp_path / "x.bw", GENOME | {"chrM": file}, 3.0)
    assert (bin_bigwigs(tmp_path, "x.bw", genome=GENOME | {"chrM": genome}) == 3).all()
    assert "chrM of another length than in the genome; no gene lies there" in capsys.readouterr().out
    write_bigwig(tmp_path / "x.bw", GENOME | {"chr2": 3001}, 3.0)
    with pytest.raises(InputError, match=r"x\.bw: chr2 is 3,001 bp long there.*another assembly"):
        bin_bigwigs(tmp_path, "x.bw")


def test_pairs_that_share_a_tss_are_listed_with_their_parts(tmp_path, capsys):
    table = pd.DataFrame(
        {
            "gene_id": ["A", "B", "C", "D", "E"],
            "chrom_grch37": "chr1",
            "tss_grch37": [10, 10, 20, 30, 40],
            "chrom_grch38": "chr1",
            "tss_grch38": [11, 11, 21, 21, 21],
        }
    )
    split = pd.DataFrame({"gene_id": ["A", "B", "C", "D"], "split": ["train", "train", "val", "test"]})
    found = shared_tss.pairs(table, split)
    assert found.values.tolist() == [
        ["grch37", "chr1", 10, "A", "train", "B", "train"],
        ["grch38", "chr1", 11, "A", "train", "B", "train"],
        ["grch38", "chr1", 21, "C", "val", "D", "test"],
    ]
    shared_tss.say("s", found, "t.tsv")
    said = capsys.readouterr().out
    assert (
        "share a TSS of grch38, but not their part of the split: 1 pairs" in said and "C in val and D in test" in said
    )
    assert "grch37" not in said
    table = table.drop(columns=["chrom_grch37", "tss_grch37"])
    mixed = table.assign(chrom_grch38=["chr1", "1", "chr1", "1", "2"])
    assert shared_tss.pairs(mixed, split).values.tolist() == found.values.tolist()[1:]
    everything = shared_tss.pairs(table, pd.DataFrame({"gene_id": table["gene_id"], "split": "train"}))
    assert len(everything) == 4
    shared_tss.write(tmp_path / "t.tsv", found)
    assert pd.read_csv(tmp_path / "t.tsv", sep="\t").values.tolist() == found.values.tolist()


def test_the_pairs_of_expectos_genes(shared_data):
    chain = liftover.read_chain(shared_data / "hg19ToHg38.over.chain.gz", "hg19", "hg38")
    annotation = genes.read_annotation(shared_data / "geneanno.csv")
    kept, dropped = liftover.build_genes(
        annotation,
        "geneanno.csv",
        "hg19",
        [chain],
        chain.source,
        exclude_types=["rRNA"],
        exclude_chromosomes=["chrX", "chrY"],
        contigs="all",
    )
    for chromosome, assembly, apart in (("chr8", "hg19", [{"USP17L3", "USP17L8"}]), ("chr14", "hg38", [])):
        split = splits.split_genes(kept, "tss", "s", {"held_out": [chromosome]}, 20250501)
        found = shared_tss.pairs(kept, split)
        found = found[found["assembly"] == assembly]
        symbols = dict(zip(kept["gene_id"], kept["symbol"]))
        across = found[(found["split"] != found["other_split"]) & (found["chrom"] == chromosome)]
        assert [{symbols[a], symbols[b]} for a, b in zip(across["gene_id"], across["other_gene_id"])] == apart


def test_the_case_of_two_mitochondria(shared_data, tmp_path):
    """A bigWig and a genome that differ in chrM alone, where no gene lies."""
    case = shared_data.parent / "cases/bigwig_chrM_length"
    info, chain = read_json(case / "genome.json"), liftover.read_chain(case / "over.chain", "grch37", "grch38")
    (tmp_path / "tss.tsv").write_text((case / "places.tsv").read_text().rstrip("\n") + "\n\n")
    table = genes.read_genes_in(tmp_path / "tss.tsv", "grch37", info["contigs"], liftover.contigs([chain]))
    manifest = pd.DataFrame(
        {"track_id": ["t"], "track_type": "chromatin", "clip": np.inf, "scale": 1.0, "sum_stat": "mean"}
        | {"path": str(case / "track.bw"), "reason": ""}
    )
    bigwig.bin_group(manifest, table, GEOMETRY, info["contigs"], "grch37", tmp_path / "s.h5", {"source": "s"})
    with h5py.File(tmp_path / "s.h5") as store:
        # 5 in [20,000, 21,000): genes at 20,000 and 21,000 see its two ends.
        assert store["tracks"][15:17, :, 0].tolist() == [[0, 0, 2.5, 5], [5, 5, 2.5, 0]]


def test_the_case_of_gencodes_ids_on_grch37(shared_data):
    case = shared_data.parent / "cases/gencode_lift37_versions"
    annotation = genes.read_annotation(case / "genes.csv")
    found = [expression.read_matrix(case / name, annotation, "genes.csv") for name in ("lift37.csv", "control.csv")]
    np.testing.assert_array_equal(found[0].values, found[1].values)
