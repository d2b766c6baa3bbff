"""Splits: halves by the seed, chromosomes, or a file of one's own; and files that cannot be used."""

import numpy as np
import pandas as pd
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import families, splits
from made_files import write_split

CHROMOSOMES = {"G1": "chr1", "G2": "chr1", "G3": "chr2", "G4": "chr2", "G5": "chr3", "G6": "chr1"}
# Of 31 genes, by the seed 20250501, as they have been since the first version: v(al) or t(est).
HALVES = "tttvvvttttttvtvttvvvttvvtvvvtvv"


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


# --- folds -------------------------------------------------------------------------------------------------------


def many(counts):
    """A gene table with so many genes on each chromosome."""
    chromosomes = [name for name, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"gene_id": [f"G{row}" for row in range(len(chromosomes))], "chrom_grch37": chromosomes})


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_about_equal_and_hold_every_chromosome_once(seed):
    rng = np.random.default_rng(seed)
    counts = {f"chr{number}": int(rng.integers(1, 400)) for number in range(1, 23)}
    chromosomes = rng.permutation([name for name, count in counts.items() for _ in range(count)])
    groups = splits.fold_groups(chromosomes, 5)
    assert sorted(name for group in groups for name in group) == sorted(name[3:] for name in counts)
    sizes = [sum(counts[f"chr{name}"] for name in group) for group in groups]
    for group, size in zip(groups, sizes):
        # The last one went to what was then the smallest group.
        assert all(size - counts[f"chr{group[-1]}"] <= other for other in sizes)
        dealt_out = [counts[f"chr{name}"] for name in group]
        assert dealt_out == sorted(dealt_out, reverse=True), "the largest come first"
    assert splits.fold_groups(sorted(chromosomes), 5) == groups, "whatever the order of the genes"


def test_ties_of_chromosomes_go_by_their_plain_names():
    assert splits.fold_groups(["chr2", "1", "chrX", "chr10"], 3) == [["1", "X"], ["10"], ["2"]]


def test_every_gene_is_for_test_in_one_fold_and_for_validation_in_the_one_before():
    genes = many({"chr1": 9, "chr2": 8, "chr3": 5, "chr4": 5, "chr5": 4})
    found = [split(genes, {"folds": 4, "fold": fold}, seed=fold) for fold in range(4)]
    for gene in genes["gene_id"]:
        parts = [fold[gene] for fold in found]
        assert sorted(parts) == ["test", "train", "train", "val"]
        assert parts[parts.index("test") - 1] == "val"
    for fold in found:
        parts = genes.groupby("chrom_grch37")["gene_id"].agg(lambda ids: len({fold[gene] for gene in ids}))
        assert (parts == 1).all()


def test_fewer_chromosomes_than_folds_are_refused(genes):
    message = r"tss.tsv: splits: mine: folds is 4, but there are genes on 3 chromosomes only \(1, 2, 3\)"
    with pytest.raises(InputError, match=message):
        split(genes, {"folds": 4, "fold": 0})


# --- several TSSs of a gene --------------------------------------------------------------------------------------


def rows_of(counts, chromosome="chr1"):
    ids = [f"{gene}@T{row}" if count > 1 else gene for gene, count in counts.items() for row in range(count)]
    return pd.DataFrame({"gene_id": ids, "chrom_grch37": chromosome})


def of_genes(found):
    """The parts that the rows of each gene are in."""
    parts = {}
    for row, part in found.items():
        parts.setdefault(row.partition("@")[0], set()).add(part)
    return parts


def several_tss():
    rng = np.random.default_rng(0)
    held = rows_of({f"H{gene}": int(count) for gene, count in enumerate(rng.integers(1, 5, 60))}, "chr8")
    return pd.concat([held, rows_of({f"G{gene}": 2 for gene in range(20)})]).sample(frac=1, random_state=1)


@pytest.mark.parametrize(
    "section",
    [
        {"held_out": ["chr8"]},
        {"families": {"test": 0.2, "validation": 0.2}},
        {"folds": 3, "fold": 1},
        {"validation": ["chr7"], "test": ["chr8"]},
    ],
)
def test_rows_of_a_gene_are_in_one_part(section):
    genes = pd.concat([several_tss(), rows_of({"Z1": 2, "Z2": 1, "Z3": 1}, "chr7")]).reset_index(drop=True)
    # One that lies on another chromosome than the first.
    genes.loc[len(genes)] = ["Z1@T9", "chr8"]
    found = split(genes, section, groups=families.groups(genes["gene_id"]))
    assert len(found) == len(genes) and all(len(parts) == 1 for parts in of_genes(found).values())
    assert {part for parts in of_genes(found).values() for part in parts} == {"train", "val", "test"}


def test_genes_rather_than_rows_are_halved():
    genes = several_tss()
    found = split(genes, {"held_out": ["chr8"]}, seed=3)
    first = genes[~genes["gene_id"].str.partition("@")[0].duplicated()]
    plain = splits.halved(first["chrom_grch37"], ["chr8"], 3)
    assert {gene: {part} for gene, part in zip(first["gene_id"].str.partition("@")[0], plain)} == of_genes(found)
    assert (plain == "val").sum() == 30


def test_halves_of_genes_with_one_row_are_what_they_were():
    genes = many({"chr1": 20, "chr8": 31})
    expected = "".join(part[0] for part in split(genes, {"held_out": ["chr8"]}, seed=20250501).values())
    assert expected == "t" * 20 + HALVES


def test_a_file_names_a_gene_or_a_row_of_it(tmp_path):
    genes = rows_of({"G1": 2, "G2": 2, "G3": 1, "G4": 1})
    found = split(genes, listed(tmp_path / "s.tsv", "G1 train", "G2@T1 val", "G4 test"))
    assert found == {"G1@T0": "train", "G1@T1": "train", "G2@T1": "val", "G4": "test"}


@pytest.mark.parametrize(
    "row, message",
    [
        ("G1@T1 train", "s.tsv, line 5: gene G1@T1 has a split already, on line 2"),
        ("G2 val", "s.tsv, line 5: gene G2 has a split already, on line 3"),
        ("G2@T0 test", "s.tsv, line 5: G2@T0 is for test, but another TSS of its gene is for val, on line 3"),
        ("G1@T7 train", "s.tsv, line 5: gene G1@T7 is not in the gene table"),
    ],
)
def test_rows_of_a_gene_in_a_file_must_agree(tmp_path, row, message):
    genes = rows_of({"G1": 2, "G2": 2, "G3": 1})
    section = listed(tmp_path / "s.tsv", "G1 train", "G2@T1 val", "G3 test", row)
    with pytest.raises(InputError, match=message):
        split(genes, section)


def test_versions_of_genes_and_of_transcripts_in_a_file_are_ignored(tmp_path):
    gene = "ENSG00000000001"
    ids = [f"{gene}.5@ENST00000000001.2", f"{gene}.5@ENST00000000002.1", "G2", "G3"]
    genes = pd.DataFrame({"gene_id": ids, "chrom_grch37": "chr1"})
    rows = [f"{gene}.4@ENST00000000001.1 val", f"{gene}@ENST00000000002 val", "G2 train", "G3 test"]
    assert list(split(genes, listed(tmp_path / "s.tsv", *rows)).values()) == ["val", "val", "train", "test"]


def test_few_genes_are_told_of(genes, capfd):
    split(genes, {"validation": ["chr3"], "test": ["chr2"]})
    assert "mine: few genes, 1 in val, 2 in test: a correlation over genes needs 3" in capfd.readouterr().err
    split(many({"chr1": 3, "chr2": 3, "chr3": 3}), {"validation": ["chr3"], "test": ["chr2"]})
    assert not capfd.readouterr().err
    split(
        rows_of({"G": 5, "H": 5, "I": 5}),
        {"families": {"test": 0.4, "validation": 0.4}},
        groups=np.repeat([0, 1, 2], 5),
    )
    assert "1 in train, 1 in val, 1 in test" in capfd.readouterr().err


# --- groups ------------------------------------------------------------------------------------------------------

SHARES = {"families": {"test": 0.2, "validation": 0.1}}


def grouped(seed):
    """Genes in groups of very different sizes, one of which is half of all, in any order."""
    rng = np.random.default_rng(seed)
    sizes = np.concatenate([rng.integers(1, 12, 60), [400]])
    groups = rng.permutation(np.repeat(rng.permutation(len(sizes)), sizes))
    return many({"chr1": len(groups)}), groups


@pytest.mark.parametrize("seed", range(8))
def test_whole_groups_are_dealt_out_until_a_part_has_its_share(seed):
    genes, groups = grouped(seed)
    found = pd.Series(list(split(genes, SHARES, seed=seed, groups=groups).values()))
    assert (found.groupby(groups).nunique() == 1).all()
    largest = int(np.bincount(groups).argmax())
    assert set(found[groups == largest]) == {"train"}
    for part, share in (("test", 0.2), ("val", 0.1)):
        wanted = round(share * len(genes))
        assert wanted <= (found == part).sum() < wanted + 11


def test_groups_are_dealt_out_by_the_seed_whatever_the_order_of_the_genes():
    genes, groups = grouped(0)
    one = split(genes, SHARES, groups=groups)
    order = np.random.default_rng(5).permutation(len(genes))
    renumbered = 1000 - groups[order]
    assert split(genes.iloc[order], SHARES, groups=renumbered) == one
    assert split(genes, SHARES, seed=2, groups=groups) != one


def test_one_group_of_all_genes_leaves_an_empty_split(genes):
    with pytest.raises(InputError, match="leaves an empty split .*raise families: shared"):
        split(genes, SHARES, groups=np.zeros(6, dtype=int))
