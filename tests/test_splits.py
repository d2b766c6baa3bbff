"""Splits: halves by the seed, chromosomes, or a file of one's own; and files that cannot be used."""

import pandas as pd
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import splits
from made_files import write_split

CHROMOSOMES = {"G1": "chr1", "G2": "chr1", "G3": "chr2", "G4": "chr2", "G5": "chr3", "G6": "chr1"}


@pytest.fixture
def genes():
    return pd.DataFrame({"gene_id": list(CHROMOSOMES), "chrom_grch37": list(CHROMOSOMES.values())})


def split(genes, section, **given):
    table = splits.split_genes(genes, "tss.tsv", "mine", section, **{"seed": 1, **given})
    return dict(table.itertuples(index=False, name=None))


def listed(path, *rows):
    path.write_text("\n".join(["gene_id\tchrom\tsplit", *(row.replace(" ", "\tx\t") for row in rows)]) + "\n")
    return {"file": str(path)}


def test_held_out_chromosomes_are_halved_by_the_seed():
    chromosomes = ["chr1"] * 100 + ["chr8"] * 31
    found = splits.halved(chromosomes, ["chr8"], 7)
    assert (found[:100] == "train").all()
    assert (found == "val").sum() == 15 and (found == "test").sum() == 16
    assert (found == splits.halved(chromosomes, ["chr8"], 7)).all()
    assert (found != splits.halved(chromosomes, ["chr8"], 8)).any()


def test_the_held_out_half_is_that_of_halved(genes):
    found = split(genes, {"held_out": ["chr2", "chr3"]}, seed=4)
    assert list(found.values()) == splits.halved(genes["chrom_grch37"], ["chr2", "chr3"], 4).tolist()
    assert list(found) == list(CHROMOSOMES)


def test_chromosomes_for_validation_and_for_test(genes):
    found = split(genes, {"validation": ["chr3"], "test": ["chr2"]})
    assert found == {"G1": "train", "G2": "train", "G3": "test", "G4": "test", "G5": "val", "G6": "train"}


def test_a_file_of_ones_own_leaves_genes_out(genes, tmp_path, capsys):
    rows = ["G5 test", "G1 train", "G3 validation", "G2 val", "X9 train"]
    found = split(genes, listed(tmp_path / "s.tsv", *rows), dropped=["X9"])
    assert list(found.items()) == [("G1", "train"), ("G2", "val"), ("G3", "val"), ("G5", "test")]
    assert "mine: 1 train, 2 val, 1 test, 2 without" in capsys.readouterr().out


@pytest.mark.parametrize(
    "row, message",
    [
        ("G5 tset", "s.tsv, line 5: split is 'tset', not one of train, validation, val, test"),
        ("X9 test", "s.tsv, line 5: gene X9 is not in the gene table"),
        ("G1 test", "s.tsv, line 5: gene G1 has a split already, on line 2"),
        ("G5 train", "s.tsv: splits: mine leaves an empty split"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(genes, tmp_path, row, message):
    section = listed(tmp_path / "s.tsv", "G1 train", "G2 train", "G3 val", row)
    with pytest.raises(InputError, match=message):
        split(genes, section)


def test_a_file_without_a_column_or_that_is_absent(genes, tmp_path):
    (tmp_path / "s.tsv").write_text("gene\tsplit\nG1\ttrain\n")
    with pytest.raises(InputError, match="s.tsv, row 1: no column gene_id"):
        split(genes, {"file": str(tmp_path / "s.tsv")})


@pytest.mark.parametrize(
    "section, message",
    [
        ({"held_out": ["chr14"]}, "tss.tsv: no gene on chr14, which splits: mine: held_out names"),
        ({"validation": ["chr2"], "test": ["chrX"]}, "no gene on chrX, which splits: mine: test names"),
        ({"held_out": ["chr1", "chr2", "chr3"]}, "splits: mine leaves an empty split"),
        ({"held_out": ["chr3"]}, "leaves an empty split .*'val': 0"),
    ],
)
def test_chromosomes_must_make_three_splits(genes, section, message):
    with pytest.raises(InputError, match=message):
        split(genes, section)


def test_a_split_comes_back_as_it_was(genes, tmp_path):
    table = splits.split_genes(genes, "tss.tsv", "mine", {"validation": ["chr3"], "test": ["chr2"]}, 1)
    splits.write_split(tmp_path / "s.tsv", table)
    gene_id, found = splits.read_split(tmp_path / "s.tsv")
    assert gene_id.tolist() == table["gene_id"].tolist() and found.tolist() == table["split"].tolist()


@pytest.mark.parametrize(
    "gene_id, found, message",
    [
        ("abcd", ["train", "val", "test", "dev"], "s.tsv, line 5: split is 'dev'"),
        ("abca", ["train", "val", "test", "test"], "s.tsv, line 5: gene a has a split already"),
        ("abc", ["train", "test", "test"], "s.tsv puts no gene into val"),
    ],
)
def test_a_damaged_split_is_refused(tmp_path, gene_id, found, message):
    with pytest.raises(InputError, match=message):
        splits.read_split(write_split(tmp_path / "s.tsv", gene_id, found))


@pytest.mark.parametrize("version", ["", ".5", ".5_2"])
def test_versions_in_a_file_of_ones_own_are_ignored(tmp_path, version):
    ids = [f"ENSG{number:011}" for number in range(4)]
    table = pd.DataFrame({"gene_id": [f"{gene}.7" for gene in ids[:3]], "chrom_grch37": "chr1"})
    parts = ["train", "val", "test", "test"]
    section = listed(tmp_path / "s.tsv", *(f"{gene}{version} {part}" for gene, part in zip(ids, parts)))
    assert list(split(table, section, dropped=[f"{ids[3]}.1"]).values()) == parts[:3]
    twice = table.assign(gene_id=[f"{ids[0]}.7", f"{ids[0]}.8", ids[2]])
    with pytest.raises(InputError, match="is not in the gene table"):
        split(twice, section)
