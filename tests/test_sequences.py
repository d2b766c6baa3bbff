"""The genome's index, padded access and the sharded encoded sequences, and the stage's scripts end to end."""

import gzip
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

import scripts
from chrom2expr.errors import InputError
from chrom2expr.files.whole import sha256
from chrom2expr.genome import genes, sequences, windows
from chrom2expr.genome.windows import Geometry

SCRIPTS = Path(sequences.__file__).parents[2]
LENGTHS = {"chr1": 1000, "chr2": 333}


def fasta_text(lengths, seed=0):
    """A FASTA in lines of 60, with lower case and N in it, and its sequences by name."""
    rng = np.random.default_rng(seed)
    contigs = {name: "".join(rng.choice(list("ACGTacgtN"), length)) for name, length in lengths.items()}
    records = (
        f">{name} described\n" + "".join(sequence[i : i + 60] + "\n" for i in range(0, len(sequence), 60))
        for name, sequence in contigs.items()
    )
    return "".join(records), contigs


@pytest.fixture
def contigs(tmp_path):
    text, contigs = fasta_text(LENGTHS)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "genome.fasta").write_text(text)
    return contigs


@pytest.fixture
def fasta(tmp_path, contigs):
    path = tmp_path / "results" / "grch37.fa"
    sequences.index_genome(tmp_path / "user" / "genome.fasta", path, path.with_suffix(".json"))
    return path


def gene_table(**columns):
    table = {
        "gene_id": ["G1", "G2", "G3"],
        "symbol": ["A", "B", "C"],
        "gene_type": ["x"] * 3,
        "strand": ["+", "-", "-"],
        "chrom_grch37": ["chr1", "chr1", "chr2"],
        "tss_grch37": [1, 500, 333],
        "chrom_grch38": ["chr1", "chr2", "chr2"],
        "tss_grch38": [11, 51, 300],
        "strand_grch38": ["-", "-", "+"],
    }
    return pd.DataFrame(table | columns)


def test_the_index_lies_beside_the_link_and_not_beside_the_users_file(tmp_path, fasta):
    user = tmp_path / "user" / "genome.fasta"
    assert [path.name for path in user.parent.iterdir()] == ["genome.fasta"]
    assert sorted(path.name for path in fasta.parent.iterdir()) == ["grch37.fa", "grch37.fa.fai", "grch37.json"]
    assert fasta.is_symlink() and fasta.samefile(user)
    info = json.loads(fasta.with_suffix(".json").read_text())
    assert info == {"sha256": sha256(user), "fai_sha256": sha256(f"{fasta}.fai"), "contigs": LENGTHS}
    sequences.Genome(fasta, info["fai_sha256"])
    assert [path.name for path in user.parent.iterdir()] == ["genome.fasta"]


def test_an_index_that_was_cut_is_refused(fasta):
    info = json.loads(fasta.with_suffix(".json").read_text())
    fai = Path(f"{fasta}.fai")
    whole = fai.read_text()
    for end in range(len(whole)):
        fai.write_text(whole[:end])
        with pytest.raises(InputError, match=r"grch37\.fa\.fai: not the index"):
            sequences.Genome(fasta, info["fai_sha256"])


def test_a_relative_resource_is_linked_so_that_the_project_can_move(tmp_path, contigs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scratch/deep").mkdir(parents=True)
    Path("results").symlink_to("scratch/deep")
    sequences.index_genome("user/genome.fasta", "results/genome/grch38.fa", "results/genome/grch38.json")
    link = Path("results/genome/grch38.fa")
    assert not link.readlink().is_absolute()
    assert link.samefile("user/genome.fasta")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (gzip.compress(b">chr1\nACGT\n", mtime=0), "gunzip"),
        (bytes.fromhex("1f8b08040000000000ff0600424302001b0003") + b"\0" * 9, "bgzip -d"),
        (b"chr1\tACGT\n", "not FASTA"),
        (b">chr1\n", "no sequence"),
        (b">chr1\nACGT\nAC\nACGT\n", "cannot be indexed"),
        (b">chr1\nACGT\n>chr1\nACGT\n", "cannot be indexed"),
    ],
)
def test_a_file_that_is_no_fasta_is_refused_and_nothing_is_left(tmp_path, content, words):
    path = tmp_path / "genome.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        sequences.index_genome(path, tmp_path / "out" / "grch37.fa", tmp_path / "out" / "grch37.json")
    assert str(path) in str(error.value)
    assert not list((tmp_path / "out").glob("*")) and not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(
    "start, end", [(0, 1000), (55, 130), (-20, 40), (980, 1100), (-5, 1005), (-50, -10), (-9, 0), (1000, 1010), (5, 6)]
)
def test_encoded_are_the_contigs_bases_and_n_past_its_ends(fasta, contigs, start, end):
    padding = 200
    padded = "N" * padding + contigs["chr1"].upper() + "N" * padding
    encoded = sequences.Genome(fasta).encoded("chr1", start, end)
    assert encoded.dtype == np.uint8
    assert windows.decode(encoded) == padded[start + padding : end + padding]


def test_a_fasta_cut_short_after_indexing_is_refused(tmp_path, fasta):
    genome = sequences.Genome(fasta)
    user = tmp_path / "user" / "genome.fasta"
    user.write_text(user.read_text()[:1100])
    with pytest.raises(InputError, match="cut short"):
        genome.encoded("chr2", 0, 333)


def test_check_tss_names_gene_file_and_row():
    genes.check_tss(gene_table(), LENGTHS, "grch37", "tss.tsv")
    with pytest.raises(InputError, match=r"tss\.tsv, line 3: G2 .* has no chr9"):
        genes.check_tss(gene_table(chrom_grch37=["chr1", "chr9", "chr2"]), LENGTHS, "grch37", "tss.tsv")
    with pytest.raises(InputError, match=r"tss\.tsv, line 4: G3 lies at chr2:334 of grch37, .* ends chr2 at 333"):
        genes.check_tss(gene_table(tss_grch37=[1, 500, 334]), LENGTHS, "grch37", "tss.tsv")
    with pytest.raises(InputError, match=r"line 2: G1 lies at chr1:1001 of grch38"):
        genes.check_tss(gene_table(tss_grch38=[1001, 51, 300]), LENGTHS, "grch38", "tss.tsv")


def test_shards_are_those_of_array_split():
    genes = pd.DataFrame({"gene_id": [f"G{i}" for i in range(11)]})
    expected = np.array_split(np.arange(11), 4)
    for shard in range(4):
        assert sequences.shard_of(genes, shard, 4)["gene_id"].tolist() == [f"G{i}" for i in expected[shard]]
    with pytest.raises(InputError, match="cannot fill 12 shards"):
        sequences.shard_of(genes, 0, 12)


@pytest.mark.parametrize("assembly", ["grch37", "grch38"])
@pytest.mark.parametrize("geometry", [Geometry.centred(256, 2, 64), Geometry.sliding(200, 4, 50)])
def test_written_encoded_have_the_tss_where_the_geometry_says(tmp_path, fasta, contigs, assembly, geometry):
    genes = gene_table()
    path = tmp_path / "000.h5"
    sequences.write_sequences(path, genes, sequences.Genome(fasta), assembly, geometry, "abc")
    with h5py.File(path) as store:
        assert store["encoded"].shape == (3, geometry.sequence_length) and store["encoded"].dtype == np.uint8
        assert (store.attrs["assembly"], store.attrs["genome_sha256"]) == (assembly, "abc")
        assert store["gene_id"].asstr()[:].tolist() == ["G1", "G2", "G3"]
        strands = genes["strand" if assembly == "grch37" else "strand_grch38"].tolist()
        assert store["strand"].asstr()[:].tolist() == strands
        for row, strand in enumerate(strands):
            sequence = windows.decode(store["encoded"][row])
            contig = contigs[genes[f"chrom_{assembly}"][row]].upper()
            tss = genes[f"tss_{assembly}"][row] - 1
            index = geometry.tss_index_plus if strand == "+" else geometry.tss_index_minus
            # Forward strand, whatever the gene's: what stands before and after the TSS is the contig's, or N.
            padded = "N" * 300 + contig + "N" * 300
            assert sequence == padded[tss - index + 300 :][: geometry.sequence_length]


def test_the_same_genes_give_the_same_bytes(tmp_path, fasta):
    for name in ("a.h5", "b.h5"):
        sequences.write_sequences(
            tmp_path / name, gene_table(), sequences.Genome(fasta), "grch37", Geometry.centred(256, 2, 64), "abc"
        )
    assert sha256(tmp_path / "a.h5") == sha256(tmp_path / "b.h5")


class Files(SimpleNamespace):
    """Snakemake's input or output: by name, and by position."""

    def __getitem__(self, index):
        return list(vars(self).values())[index]


def run_script(script, log, **given):
    params = scripts.params(**given.pop("params", {}))
    job = scripts.snakemake(
        log=[str(log)],
        params=params,
        resources=SimpleNamespace(comparing_tissues=""),
        **{key: Files(**values) for key, values in given.items()},
    )
    runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": job})


@pytest.fixture
def stage(tmp_path):
    """Inputs of the genes and sequences stages on a small pair of genomes, and a function that runs their scripts."""
    rows = [f"G{i},S{i},chr{1 + i % 2},{'+-'[i % 3 == 0]},{i},{20 + 10 * i},coding" for i in range(12)]
    header = "id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type"
    (tmp_path / "genes.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "exp.csv").write_text(",A,B\n" + "".join(f"{i},{i},1\n" for i in range(1, 13)))
    (tmp_path / "over.chain").write_text(
        "chain 9 chr1 1000 + 0 1000 chr1 1010 + 10 1010 1\n1000\n\nchain 8 chr2 333 + 0 333 chr2 333 + 0 333 2\n333\n"
    )
    for assembly, lengths in {"grch37": LENGTHS, "grch38": {"chr1": 1010, "chr2": 333}}.items():
        (tmp_path / f"{assembly}.fasta").write_text(fasta_text(lengths)[0])

    def run():
        log = tmp_path / "log"
        tss = tmp_path / "tss.tsv"
        run_script(
            "lift_genes.py",
            log,
            input=dict(annotation=tmp_path / "genes.csv", chains=[tmp_path / "over.chain"], info=[]),
            output=dict(tss=tss, dropped=tmp_path / "dropped.tsv", contigs=tmp_path / "contigs.json"),
            params=dict(
                **dict(
                    only_types=[], exclude_types=[], exclude_chromosomes=[], contigs="all", tss="canonical", columns={}
                ),
                **dict(assembly="grch37", lift_to=["grch38"]),
            ),
        )
        run_script(
            "split_genes.py",
            log,
            input=dict(tss=tss, dropped=tmp_path / "dropped.tsv", file=[]),
            output=dict(split=tmp_path / "split.tsv", shared=tmp_path / "shared.tsv"),
            params=dict(name="chr2", section={"held_out": ["chr2"]}, seed=1),
        )
        run_script(
            "compute_targets.py",
            log,
            input=dict(annotation=tmp_path / "genes.csv", expression=tmp_path / "exp.csv", quantifications=[], tss=tss),
            output=dict(expression=tmp_path / "expression.h5"),
            params=dict(
                ids="auto",
                pseudocount=0.0001,
                missing="keep",
                unit="rpkm",
                unmatched="error",
                cells={},
                counts_to="cpm",
                samples={"file": "file", "tissue": "tissue"},
                tss="canonical",
                columns={},
            ),
        )
        for assembly in ("grch37", "grch38"):
            fa = tmp_path / f"{assembly}.fa"
            output = dict(fasta=fa, fai=f"{fa}.fai", info=tmp_path / f"{assembly}.json")
            run_script("index_genome.py", log, input=dict(fasta=tmp_path / f"{assembly}.fasta"), output=output)
        run_script(
            "extract_sequences.py",
            log,
            input=dict(
                tss=tss,
                fasta=tmp_path / "grch38.fa",
                lifted=tmp_path / "contigs.json",
                info=tmp_path / "grch38.json",
            ),
            output=dict(encoded=tmp_path / "001.h5"),
            params=dict(
                assembly="grch38", geometry={"bin_size": 8, "bins": 4, "sequence_length": 64}, shard=1, shards=3
            ),
        )

    return run


def test_the_scripts_lead_from_files_to_one_shard(tmp_path, stage):
    stage()
    with h5py.File(tmp_path / "001.h5") as store, h5py.File(tmp_path / "expression.h5") as targets:
        assert store["gene_id"].asstr()[:].tolist() == ["G4", "G5", "G6", "G7"]
        assert store.attrs["genome_sha256"] == sha256(tmp_path / "grch38.fasta")
        assert targets["log_expression"].shape == (12, 2)
        # G4: chr1, TSS 60 of GRCh37 is 70 of GRCh38, index 69, in the middle of 64 bases.
        expected = sequences.Genome(tmp_path / "grch38.fa").encoded("chr1", 69 - 32, 69 + 32)
        assert np.array_equal(store["encoded"][0], expected)


def test_a_chain_that_contradicts_the_genomes_stops_the_extraction(tmp_path, stage, capfd):
    (tmp_path / "grch38.fasta").write_text(fasta_text({"chr1": 1009, "chr2": 333})[0])
    with pytest.raises(SystemExit):
        stage()
    assert "over.chain (grch38): chr1 is 1,010 bp long there, but 1,009 bp in the genome" in capfd.readouterr().err
    assert not (tmp_path / "001.h5").exists()
