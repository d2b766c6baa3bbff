"""`chrom2expr init` and `example`, and the starting points of config/presets/."""

import gzip
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from chrom2expr.command_line import main
from chrom2expr.config import draft, overlays, runs, schema
from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, expression
from chrom2expr.simulation import lab_files

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted((ROOT / "config" / "presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The example files of both species, in a folder of each."""
    folder = tmp_path_factory.mktemp("lab")
    return {species: lab_files.write(folder / species, species) for species in lab_files.SPECIES}


@pytest.fixture
def human(made, tmp_path, monkeypatch):
    """The files of one species, copied to where the test works, in whose config/ the base lies."""
    shutil.copytree(made["human"][0].parent, tmp_path / "mydata")
    (tmp_path / "config").mkdir()
    for name in ("base.yaml", "config.yaml"):
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    (tmp_path / "Snakefile").touch()
    (tmp_path / "workflow" / "scripts" / "chrom2expr").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    data = Path("mydata")
    return draft.Files(data / "genome.fa", data / "genes.gtf.gz", data / "expression.gct", "tpm", data / "bigwigs")


def checked(text):
    return schema.checked(overlays.laid_over(overlays.read(["config/base.yaml"]), yaml.safe_load(text)))


def test_the_example_files_are_what_they_seem(made):
    genome, gtf, gct, bigwigs = made["human"]
    genes = annotation.read(gtf)
    assert len(genes) == sum(lab_files.SPECIES["human"].genes.values()) and set(genes["chrom"]) == {
        *lab_files.SPECIES["human"].genes
    }
    assert genome.read_text().count(">") == 5
    matrix = expression.read_matrix(gct, genes, gtf, unit="tpm", unmatched="skip")
    assert np.isnan(matrix.values).all(axis=1).sum() == 6
    with pytest.raises(InputError, match="is not in"):
        expression.read_matrix(gct, genes, gtf, unit="tpm")
    _, gff3, h5ad, _ = made["fly"]
    others = annotation.read(gff3)
    # The same genes, on other chromosomes and in another format.
    assert others["tss"].tolist() == genes["tss"].tolist() and others["strand"].tolist() == genes["strand"].tolist()
    assert [gene.partition(".")[0] for gene in genes["gene_id"]] == others["gene_id"].tolist()
    cells = expression.read_matrix(
        h5ad, others, gff3, unit="counts", unmatched="skip", cells={"key": "cell_type", "minimum": 1}
    )
    rows = ~np.isnan(cells.values).any(axis=1)
    order = [matrix.tissue.index(tissue) for tissue in cells.tissue]
    logs = [np.log(part[rows] + 1) for part in (cells.values, matrix.values[:, order])]
    assert np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] > 0.9
    assert len(list(bigwigs.glob("*.bw"))) == 16
    with h5py.File(h5ad) as file:
        assert file["X"].attrs["shape"][0] == len(file["obs/_index"])


def test_two_runs_give_the_same_files(made, tmp_path):
    again = lab_files.write(tmp_path / "again", "human")
    for one, other in zip(made["human"][:3], again[:3]):
        assert one.read_bytes() == other.read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        lab_files.write(tmp_path / "again", "human")
    with pytest.raises(InputError, match="no species dog"):
        lab_files.write(tmp_path / "dog", "dog")


def test_a_draft_is_a_config_that_runs(human):
    text, assumed = draft.draft(human, "mine", Path("mine.yaml"), window=16384)
    config = checked(text)
    assert config["sources"]["tracks"]["geometry"] == {"sequence_length": 16384, "bins": 128, "bin_size": 128}
    assert config["sources"]["tracks"]["assembly"] == config["genes"]["assembly"] == "mine"
    assert config["splits"] == {"chromosomes": {"validation": ["chr4"], "test": ["chr5"]}}
    assert runs.lifted_to(config) == [] and not config["backbones"]
    assert [run["run"] for run in runs.figure_runs(config, "mine")] == [
        *("tracks/all/ridge/mse", "tracks/all/cnn/mse", "tracks/all/cnn/hybrid")
    ]
    said = "\n".join(assumed)
    for words in ("254 of them with a row", "tpm, of 12 tissues", "all 16 bigWigs (*.bw)", "chr4 (40)", "chr5 (40)"):
        assert words in said
    assert "chrom2expr check mine.yaml" in text


def test_the_preset_is_what_a_draft_gives(human):
    text, _ = draft.draft(human, "mine", Path("mine.yaml"))
    assert yaml.safe_load(text) == yaml.safe_load((ROOT / "config/presets/bigwigs.yaml").read_text())


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_can_be_used(human, preset):
    for name in ("expression.tsv", "bigwigs/one.bigWig"):
        (Path("mydata") / name).touch()
    config = checked(preset.read_text())
    used = {source["split"] for source in config["sources"].values()}
    assert used == {*config["splits"]} and len(config["figures"]) == 1
    assert runs.lifted_to(config) == (["mm10"] if preset.stem == "mouse" else [])


def test_the_base_has_the_thesiss_models():
    base, thesis = (yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("base.yaml", "config.yaml"))
    assert not {"sources", "figures", "splits", "backbones", "assemblies", "resources"} & base.keys()
    for name in ("ridge", "probe"):
        assert base["heads"][name] == thesis["heads"][name]
    settings = {key: value for key, value in thesis["heads"]["multi_cnn"]["settings"].items() if key != "bundle"}
    assert base["heads"]["cnn"]["settings"] == settings
    assert base["metrics"] == thesis["metrics"]
    assert base["inputs"].items() <= {"all": {"tracks": "all"}, **thesis["inputs"]}.items()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genome": "no.fa"}, "no.fa: there is no such file"),
        ({"genome": "mydata/expression.gct"}, "expression.gct, line 1: not FASTA"),
        ({"genome": "mydata/genes.gtf.gz"}, "genes.gtf.gz: the FASTA is compressed"),
        ({"genes": "mydata/expression.gct"}, "expression.gct"),
        ({"expression": "mydata/genome.fa"}, "genome.fa"),
        ({"unit": "counts"}, "expression.gct: every column sums to a million, as TPM"),
        ({"bigwigs": "mydata"}, "mydata: bigWigs must all end in the same one of .*; found none"),
        ({"bigwigs": "nowhere"}, "nowhere: is no folder of bigWigs"),
    ],
)
def test_files_that_cannot_be_used_are_named(human, change, message):
    files = human._replace(**{key: value if key == "unit" else Path(value) for key, value in change.items()})
    with pytest.raises(InputError, match=message):
        draft.draft(files, "mine", Path("mine.yaml"))


def test_bigwigs_of_two_endings_or_of_another_species_are_named(human, made):
    shutil.copy(human.bigwigs / "DNase_lineage0.bw", human.bigwigs / "x.bigWig")
    with pytest.raises(InputError, match=r"found 16 of \*.bw, 1 of \*.bigWig. Rename them"):
        draft.draft(human, "mine", Path("mine.yaml"))
    with pytest.raises(InputError, match=r"no gene of .* lies on a contig that it has: .*5 contigs \(chr1.*\(2L, 2R"):
        draft.draft(human._replace(bigwigs=made["fly"][3]), "mine", Path("mine.yaml"))
    (human.bigwigs / "x.bigWig").unlink()
    next(human.bigwigs.glob("*.bw")).write_bytes(b"text")
    with pytest.raises(InputError, match="is no bigWig"):
        for path in human.bigwigs.glob("*.bw"):
            path.write_bytes(b"text")
        draft.draft(human, "mine", Path("mine.yaml"))


def test_too_few_chromosomes_are_named(human):
    lines = gzip.decompress(human.genes.read_bytes()).decode().splitlines()
    human.genes.write_bytes(gzip.compress("\n".join(line for line in lines if "chr5" not in line).encode()))
    draft.draft(human, "mine", Path("mine.yaml"))
    few = [line for line in lines if line.startswith(("#", "chr1\t", "chr2\t"))]
    # Two genes of a third are too few to hold out.
    third = [line for line in lines if line.startswith("chr3\t")]
    named = list(dict.fromkeys(re.search('gene_id "(.*?)"', line)[1] for line in third))[:2]
    few += [line for line in third if any(name in line for name in named)]
    human.genes.write_bytes(gzip.compress("\n".join(few).encode()))
    with pytest.raises(InputError, match="genes.gtf.gz: 2 chromosomes have 3 genes or more.*by families"):
        draft.draft(human, "mine", Path("mine.yaml"))


@pytest.mark.parametrize(
    ("name", "window", "message"),
    [
        ("a b", 1024, "a b: cannot be the name .*--name"),
        ("null", 1024, "null: cannot be the name"),
        ("2024", 1024, "2024: cannot be the name"),
        ("a", 1000, "even number"),
    ],
)
def test_names_and_windows_are_checked(human, name, window, message):
    with pytest.raises(InputError, match=message):
        draft.draft(human, name, Path("mine.yaml"), window=window)


def test_the_commands(human, capsys):
    words = ["--genome", human.genome, "--genes", human.genes, "--expression", human.expression, "--unit", "tpm"]
    words = [*map(str, words), "--bigwigs", str(human.bigwigs)]
    assert main(["init", "lab one.yaml", *words]) == 1
    assert "give another one (--name)" in capsys.readouterr().err
    assert main(["init", "lab.yaml", *words]) == 0
    said = capsys.readouterr().out
    assert "It takes for granted:" in said and "Read it, then: chrom2expr check lab.yaml" in said
    assert checked(Path("lab.yaml").read_text())["figures"].keys() == {"lab"}
    assert main(["init", "lab.yaml", *words]) == 1 and "is there already" in capsys.readouterr().err
    assert main(["example", "mydata"]) == 1 and "is not empty" in capsys.readouterr().err


def test_the_config_of_ten_lines_in_the_docs(human, monkeypatch):
    text = (ROOT / "docs" / "inputs.md").read_text()
    [block] = re.findall(r"^```\n(base: .*?)^```", text, re.MULTILINE | re.DOTALL)
    (Path("bigwigs")).mkdir()
    for name in ("mm39.fa", "gencode.vM35.gtf.gz", "tpm.tsv", "bigwigs/a.bw"):
        Path(name).touch()
    monkeypatch.setenv("HOME", str(Path.cwd()))
    config = checked(block)
    assert [run["run"] for run in runs.figure_runs(config, "lab")] == ["lab/all/ridge/mse", "lab/all/cnn/mse"]
    assert len(block.splitlines()) <= 13


def edited(path, change):
    """Change the lines of a packed GTF."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join(change(lines)).encode()))


def test_genes_are_held_to_the_genome(human):
    whole = human.genes.read_bytes()
    edited(
        human.genes,
        lambda lines: [
            *lines,
            lines[1]
            .replace("chr", "chrUn_")
            .replace("SIM1", "X")
            .replace("\tgene\t", "\ttranscript\t")
            .replace("ENSG9", "ENSG8")
            + ' transcript_id "T1";',
        ],
    )
    text, assumed = draft.draft(human, "mine", Path("mine.yaml"))
    assert checked(text)["genes"]["exclude_chromosomes"] == ["chrUn_1"]
    assert any("genes on 1 contig (chrUn_1) that mydata/genome.fa lacks are left out" in line for line in assumed)
    human.genes.write_bytes(whole)
    edited(
        human.genes,
        lambda lines: [
            re.sub(r"\t(\d+)\t(\d+)\t", lambda m: f"\t{int(m[1]) + 9**9}\t{int(m[2]) + 9**9}\t", line) for line in lines
        ],
    )
    with pytest.raises(InputError, match="lies past the contig's end at .* in the FASTA of mine"):
        draft.draft(human, "mine", Path("mine.yaml"))
    human.genes.write_bytes(whole)
    edited(human.genes, lambda lines: [line.replace("chr", "scaffold") for line in lines])
    with pytest.raises(
        InputError, match=r"260 of 260 genes lie on contigs that .*genome.fa lacks: they are 5 contigs \(scaff"
    ):
        draft.draft(human, "mine", Path("mine.yaml"))


def test_bigwigs_are_held_to_the_genome(human):
    text = human.genome.read_text()
    human.genome.write_text(text.replace(">chr2\n", ">chr2\nACGT\n" if text.startswith(">chr2") else ">chr2\n"))
    longer = re.sub(r"(>chr5\n.*)\Z", lambda found: found[1].rstrip("\n") + "A\n", text, flags=re.DOTALL)
    human.genome.write_text(longer)
    with pytest.raises(
        InputError, match=r"lineage.\.bw: chr5 is .* long there, but .* of another assembly than mydata"
    ):
        draft.draft(human, "mine", Path("mine.yaml"))


def test_of_one_tissue_no_loss_compares_tissues(human):
    rows = human.expression.read_text().splitlines()
    rows = [f"{rows[1].partition(chr(9))[0]}\t1", *("\t".join(row.split("\t")[:3]) for row in rows[2:])]
    human.expression.write_text("\n".join(["#1.2", *rows]) + "\n")
    text, assumed = draft.draft(human, "mine", Path("mine.yaml"))
    assert runs.comparing_tissues(checked(text)) == []
    assert any("of 1 tissue (lineage0_tissue0)" in line for line in assumed)
    more, _ = draft.draft(human._replace(unit="tpm"), "mine", Path("mine.yaml"))
    assert "hybrid" not in more


def test_runs_that_compare_tissues(human):
    text, _ = draft.draft(human, "mine", Path("mine.yaml"))
    assert runs.comparing_tissues(checked(text)) == ["tracks/all/cnn/hybrid"]


def test_init_works_in_the_workflows_folder(human, capsys):
    shutil.rmtree("workflow")
    words = ["--genome", human.genome, "--genes", human.genes, "--expression", human.expression, "--unit", "tpm"]
    assert main(["init", "lab.yaml", *map(str, words), "--bigwigs", str(human.bigwigs)]) == 1
    assert "work in the workflow's folder, a clone of chrom2expr" in capsys.readouterr().err
