"""Families of genes: of a table, of planted windows, of both; and the script that splits by them."""

import json
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import scripts
from chrom2expr.errors import InputError
from chrom2expr.files.whole import read_json, write_json
from chrom2expr.genome import families, genes, sequences, windows

EVERY = 3_000


def listed(path, *rows):
    path.write_text("\n".join(["gene_id\tfamily", *(row.replace(" ", "\t") for row in rows)]) + "\n")
    return path


def together(group):
    """The groups of several rows, whatever their numbers."""
    rows = pd.Series(range(len(group))).groupby(np.asarray(group)).agg(tuple)
    return {one for one in rows if len(one) > 1}


def test_what_links_join_hangs_together():
    links = [np.array([[0, 3], [5, 6]]), np.empty((0, 2), dtype=int), np.array([[3, 6], [1, 1]])]
    assert together(families.joined(8, links)) == {(0, 3, 5, 6)}


def test_joined_is_what_a_slow_search_finds():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 60, (40, 2))
    reached = {row: {row} for row in range(60)}
    for _ in range(60):
        for one, other in pairs.tolist():
            reached[one] = reached[other] = reached[one] | reached[other]
            for row in reached[one]:
                reached[row] = reached[one]
    wanted = {tuple(sorted(rows)) for rows in reached.values() if len(rows) > 1}
    assert together(families.joined(60, np.split(pairs, [7, 20]))) == wanted


def test_genes_of_a_table_and_their_rows_hang_together(tmp_path, capsys):
    ids = ["A", "B@T1", "C", "B@T2", "D", "E", "F"]
    rows = ["A x", "B y", "C x", "C z", "D y", "E z", "F w", "P x", "Q w", "E ", "L w"]
    found = families.groups(ids, table=listed(tmp_path / "f.tsv", *rows), dropped=["L@T1"])
    assert together(found) == {(0, 2, 5), (1, 3, 4)}
    said = capsys.readouterr().out
    assert "4 families, 3 of several genes; 2 ids that the gene table lacks are passed over" in said
    assert "3 groups of genes, the largest of 3; 1 of one gene" in said
    assert together(families.groups(ids)) == {(1, 3)}


def test_versions_in_a_table_are_ignored(tmp_path):
    one, other = "ENSG00000000001", "ENSG00000000002"
    table = listed(tmp_path / "f.tsv", f"{one} x", f"{other}.9_2 x")
    assert together(families.groups([f"{one}.3", "G", f"{other}.1"], table=table)) == {(0, 2)}


def test_a_table_of_other_genes_is_refused(tmp_path):
    table = listed(tmp_path / "f.tsv", "Q1 x", "Q2 x", "Q3 y", "Q4 y")
    message = r"f.tsv: no family .* such genes as Q1, Q2, Q3, the gene table such as A, B, C: both"
    with pytest.raises(InputError, match=message):
        families.groups(list("ABCD"), table=table)
    with pytest.raises(InputError, match="f.tsv: no family .* such genes as none"):
        families.groups(list("ABCD"), table=listed(tmp_path / "f.tsv", "A "))
    (tmp_path / "f.tsv").write_text("gene\tfamily\nA\tx\n")
    with pytest.raises(InputError, match="f.tsv, row 1: no column gene_id"):
        families.groups(list("ABCD"), table=tmp_path / "f.tsv")


# --- planted windows ---------------------------------------------------------------------------------------------

# Genes 0 to 79 lie EVERY bp apart, 40 on a chromosome, their windows random but for these copies: of gene -> genes.
COPIES = {2: [47, 60], 5: [6], 50: [70]}
PLANTED = {(2, 47, 60), (5, 6), (50, 70)}
COUNT, WINDOW = 80, 2_000


def planted(folder, name="grch37"):
    """A genome with planted copies of windows, some turned round and with 2 in 100 bases changed, and its genes."""
    rng = np.random.default_rng(0)
    bases = rng.integers(0, 4, (2, COUNT // 2 * EVERY)).astype(np.uint8)
    tss = [EVERY // 2 + EVERY * (gene % (COUNT // 2)) for gene in range(COUNT)]

    def window(gene):
        return bases[gene // (COUNT // 2), tss[gene] - WINDOW // 2 : tss[gene] + WINDOW // 2]

    for gene, copies in COPIES.items():
        for number, copy in enumerate(copies):
            changed = np.where(rng.random(WINDOW) < 0.02, rng.integers(0, 4, WINDOW), window(gene)).astype(np.uint8)
            window(copy)[:] = windows.reverse_complement(changed) if number % 2 == 0 else changed
    fasta = folder / "given.fa"
    fasta.write_text("".join(f">{chrom}\n{windows.decode(one)}\n" for chrom, one in enumerate(bases, start=1)))
    sequences.index_genome(fasta, folder / f"{name}.fa", folder / f"{name}.json")
    table = pd.DataFrame(
        {
            "gene_id": [f"G{gene}" for gene in range(COUNT)],
            "symbol": "S",
            "gene_type": "x",
            "strand": np.where(np.arange(COUNT) % 3, "+", "-"),
            f"chrom_{name}": [f"chr{1 + gene // (COUNT // 2)}" for gene in range(COUNT)],
            f"tss_{name}": np.array(tss) + 1,
        }
    )
    genes.write_table(folder / "tss.tsv", table)
    genes.write_table(folder / "dropped.tsv", pd.DataFrame({"gene_id": ["L"]}))
    write_json(folder / "contigs.json", {"chains": []})
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("world"))


def read(world, order, length=WINDOW):
    info = read_json(world / "grch37.json")
    table = genes.read_genes_in(world / "tss.tsv", "grch37", info["contigs"], {"chains": []})
    genome = sequences.Genome(world / "grch37.fa", info["fai_sha256"])
    return families.read_windows(table.iloc[order], genome, "grch37", length)


def test_planted_copies_are_one_group_in_any_order(world, capsys):
    order = np.random.default_rng(1).permutation(COUNT)
    group = families.groups([f"G{gene}" for gene in order], kmers=read(world, order), shared=0.2)
    assert {tuple(sorted(order[list(rows)].tolist())) for rows in together(group)} == PLANTED
    assert "5 pairs of windows share more than 0.2 of their 31-mers, 5 of them of different genes" in (
        capsys.readouterr().out
    )


def test_pairs_of_rows_of_a_gene_are_not_of_different_genes(world, capsys):
    group = families.groups(["A@1", "A@2", "B"], kmers=read(world, [2, 47, 60]), shared=0.2)
    assert together(group) == {(0, 1, 2)}
    assert "3 pairs of windows share more than 0.2 of their 31-mers, 2 of them" in capsys.readouterr().out


def test_long_windows_of_neighbours_chain(world):
    group = families.groups([f"G{gene}" for gene in range(40)], kmers=read(world, range(40), 2 * EVERY), shared=0.2)
    assert together(group) == {tuple(range(40))}


def test_windows_past_a_contigs_end_hold_what_is_there(world):
    kmers = read(world, [0], 2 * EVERY)
    assert kmers.sizes.tolist() == [EVERY // 2 + EVERY - 30]


# --- the script --------------------------------------------------------------------------------------------------


def run(world, folder, section, seed=1, **given):
    paths = {"tss": "tss.tsv", "dropped": "dropped.tsv"} | given
    place = {name: str(world / path) for name, path in paths.items()}
    nothing = {name: [] for name in ("file", "families", "fasta", "fai", "info", "lifted")}
    made = Output(folder)
    call = scripts.snakemake(
        input=SimpleNamespace(**nothing | place),
        output=made,
        params=scripts.params(name="mine", section=section, seed=seed),
        log=[str(folder / "log.txt")],
    )
    try:
        runpy.run_path(scripts.path("split_genes.py"), init_globals={"snakemake": call})
    except SystemExit:
        raise RuntimeError((folder / "log.txt").read_text()) from None
    return dict(pd.read_csv(folder / "split.tsv", sep="\t").itertuples(index=False, name=None))


class Output(list):
    """An output with one name, and one without."""

    def __init__(self, folder):
        super().__init__([str(folder / "split.tsv")])
        self.shared = str(folder / "shared.tsv")


GENOME = {"fasta": "grch37.fa", "fai": "grch37.fa.fai", "info": "grch37.json", "lifted": "contigs.json"}
SECTION = {"shared": 0.2, "window": WINDOW, "validation": 0.25, "test": 0.25}


def apart(found, rows):
    return len({found[f"G{gene}"] for gene in rows}) > 1


def test_planted_copies_land_in_one_part_for_every_seed(world, tmp_path):
    halves = []
    for seed in range(6):
        found = run(world, tmp_path, {"families": SECTION}, seed, **GENOME)
        assert len(found) == COUNT and not any(apart(found, rows) for rows in PLANTED)
        counts = pd.Series(found.values()).value_counts()
        assert all(20 <= counts[part] < 23 for part in ("val", "test"))
        halves.append(run(world, tmp_path, {"families": SECTION | {"shared": 0.95}}, seed, **GENOME))
    assert any(apart(found, rows) for found in halves for rows in PLANTED), "which else they do not"


def test_a_table_joins_what_its_windows_do_not(world, tmp_path):
    listed(tmp_path / "f.tsv", "G0 x", "G47 x", "G30 y", "G31 y")
    table = str(tmp_path / "f.tsv")
    for seed in range(6):
        found = run(world, tmp_path, {"families": SECTION | {"table": table}}, seed, families=table, **GENOME)
        assert not any(apart(found, rows) for rows in [(0, 2, 47, 60), (30, 31), (5, 6), (50, 70)])


def test_the_genome_is_not_read_where_no_windows_are_compared(world, tmp_path, monkeypatch):
    listed(tmp_path / "f.tsv", "G30 y", "G31 y")
    monkeypatch.setattr(sequences, "Genome", None)
    section = {"families": SECTION | {"shared": 0, "table": "f.tsv"}}
    found = run(world, tmp_path, section, families=str(tmp_path / "f.tsv"))
    assert not apart(found, (30, 31))
    assert "pairs of windows" not in (tmp_path / "log.txt").read_text()
    assert set(run(world, tmp_path, {"held_out": ["chr2"]}).values()) == {"train", "val", "test"}


def test_a_genome_of_other_contigs_is_refused(world, tmp_path):
    info = read_json(world / "grch37.json")
    info["contigs"] = {"7": 10, "8": 10}
    (tmp_path / "other.json").write_text(json.dumps(info))
    with pytest.raises(RuntimeError, match=r"G0 lies at chr1:1501 of grch37, but its FASTA has no chr1"):
        run(world, tmp_path, {"families": SECTION}, **GENOME | {"info": str(tmp_path / "other.json")})
