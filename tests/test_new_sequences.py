"""Expression of new sequences: by genes and by FASTA, against the run on windows cut by hand and the workflow's own."""

import ast
import gzip
import json
import re
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars
import pytest
import torch

import chrom2expr
from chrom2expr import command_line
from chrom2expr.application import expression_files, new_sequences, prediction, window_fasta
from chrom2expr.errors import InputError
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.genome import matrices
from chrom2expr.genome.genes import locate, read_genes
from chrom2expr.genome.sequences import temporarily_indexed
from chrom2expr.genome.windows import Geometry, encode
from small_world import of

ROOT = Path(__file__).resolve().parents[1]
BELUGA = {"input.features": of("predict_beluga"), "input.shards": [], "input.split": of("split_beluga")}
# A window whose TSS has one place for both strands, and one where it has two.
RUNS = {"centred": ({}, "grch38"), "sliding": (BELUGA, "grch37")}


def run_folder(world, name):
    """The folder of a run."""
    output, folder = world.make("fit_cnn", RUNS[name][0]).output, world.folder / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("model", "summary", "predictions"):
        shutil.copy(output[file], folder)
    return folder


class Case:
    """A run, its genome, the genes of tss.tsv there (tss 0-based), their windows cut by hand, and what it says of them."""

    def __init__(self, world, name):
        self.folder, self.assembly = run_folder(world, name), RUNS[name][1]
        self.run = chrom2expr.load_run(self.folder)
        self.genome = world.raw / f"{self.assembly}.fa"
        self.tss = Path(world.path(of("lift", "tss")))
        genes = read_genes(self.tss)
        self.genes = genes[["gene_id"]].join(locate(genes, self.assembly))
        found = re.findall(r"^>(\S+)\n([^>]*)", self.genome.read_text(), re.MULTILINE)
        self.contigs = {contig: bases.replace("\n", "") for contig, bases in found}
        self.windows = [self.around(gene) for gene in self.genes.itertuples()]
        encoded = torch.from_numpy(np.stack([encode(window) for window in self.windows]))
        with torch.inference_mode():
            self.expected = self.run(encoded, self.genes["strand"].tolist()).numpy()

    def around(self, gene, left=0, right=0):
        """The window of a gene, with so many bases more on its sides."""
        first = gene.tss - self.run.tss_index(gene.strand) - left
        bases = self.contigs[gene.chrom]
        places = range(first, first + self.run.window + left + right)
        return "".join(bases[place] if 0 <= place < len(bases) else "N" for place in places)

    def predicted(self, sequences, batch_size=1):
        return prediction.predict(self.run, sequences, batch_size)

    def of_genes(self, path, choice="canonical"):
        with temporarily_indexed(self.genome) as (genome, _):
            return self.predicted(
                new_sequences.of_genes(path, genome, self.run.geometry, self.assembly, choice), batch_size=4
            )


@pytest.fixture(scope="module", params=RUNS)
def case(world, request):
    return Case(world, request.param)


@pytest.fixture(scope="module")
def centred(world):
    return Case(world, "centred")


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_workflows_own_genes_have_its_predictions(case):
    found = case.of_genes(case.tss)
    close(found.values, case.expected)
    assert found.genes["gene_id"].tolist() == case.genes["gene_id"].tolist()
    assert (found.genes["tss"] == case.genes["tss"] + 1).all() and (found.genes["chrom"] == case.genes["chrom"]).all()
    assert found.genes["unknown_bases"].tolist() == [window.count("N") for window in case.windows]
    assert (found.genes["unknown_bases"] > 0).any() == (case.assembly == "grch37")
    assert found.tissue == case.run.tissues
    stored = read_predictions(case.folder / "predictions.h5")
    rows = found.genes.set_index("gene_id").index.get_indexer(stored.gene_id)
    assert (rows >= 0).all() and {"+", "-"} == {*found.genes["strand"].iloc[rows]}
    # The feature store rounds to float16.
    np.testing.assert_allclose(found.values[rows], stored.predicted, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kind", ["bed", "table", "expecto", "other names"])
def test_files_of_genes_say_the_same(case, kind, tmp_path):
    genes, path = case.genes, tmp_path / "genes"
    chrom = genes["chrom"].str.removeprefix("chr") if kind == "other names" else genes["chrom"]
    if kind == "bed":
        rows = zip(genes["chrom"], genes["tss"], genes["tss"] + 1, genes["gene_id"], genes["strand"])
        path.write_text(
            "".join(f"{chrom}\t{start}\t{end}\t{name}\t0\t{strand}\n" for chrom, start, end, name, strand in rows)
        )
    else:
        table = genes.assign(chrom=chrom, tss=genes["tss"] + 1)
        if kind == "expecto":
            table = table.rename(columns={"gene_id": "id", "chrom": "seqnames", "tss": "CAGE_representative_TSS"})
        table.to_csv(path, index=False, sep=",")
    found = case.of_genes(path)
    close(found.values, case.expected)
    assert found.genes["chrom"].tolist() == genes["chrom"].tolist()


def test_a_gtf_gives_the_tss_that_is_asked_for(centred, tmp_path):
    gene = centred.genes[centred.genes["strand"] == "-"].iloc[5]
    rows = [("t1", gene.tss + 1, 'tag "Ensembl_canonical";'), ("t2", gene.tss + 31, "")]
    lines = [
        f'{gene.chrom}\tx\ttranscript\t{end - 60}\t{end}\t.\t-\t.\tgene_id "{gene.gene_id}"; transcript_id "{name}"; {tag}\n'
        for name, end, tag in rows
    ]
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    row = centred.genes.index.get_loc(gene.name)
    found = centred.of_genes(path)
    close(found.values[0], centred.expected[row])
    moved = centred.of_genes(path, "most_upstream")
    assert moved.genes["tss"].tolist() == [gene.tss + 31] and np.abs(moved.values - found.values).max() > 1e-3
    both = centred.of_genes(path, "all")
    assert both.genes["gene_id"].tolist() == [f"{gene.gene_id}@t2", f"{gene.gene_id}@t1"]
    close(both.values, np.stack([moved.values[0], found.values[0]]))


def test_genes_on_contigs_that_the_genome_lacks_are_left_out(centred, tmp_path, capsys):
    table = centred.genes.assign(tss=centred.genes["tss"] + 1)
    table.loc[2, "chrom"] = "scaffold_9"
    table.to_csv(tmp_path / "genes.csv", index=False)
    found = centred.of_genes(tmp_path / "genes.csv")
    close(found.values, np.delete(centred.expected, 2, axis=0))
    assert "1 contig (scaffold_9) that the FASTA lacks are left out" in capsys.readouterr().out
    table["chrom"] = "scaffold_9"
    table.to_csv(tmp_path / "genes.csv", index=False)
    with pytest.raises(InputError, match="genes lie on contigs that the FASTA lacks"):
        centred.of_genes(tmp_path / "genes.csv")
    table["chrom"], table["tss"] = "chr1", 10**6
    table.to_csv(tmp_path / "genes.csv", index=False)
    with pytest.raises(InputError, match="line 2: the TSS of .* lies past the contig's end"):
        centred.of_genes(tmp_path / "genes.csv")


# --- windows in a FASTA ------------------------------------------------------------------------------------------


def fasta(path, records):
    """A FASTA with lines of 60 bases; (heading, bases)."""
    lines = [line for heading, bases in records for line in (f">{heading}", *re.findall(".{1,60}", bases))]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_windows_of_the_runs_length(case, tmp_path):
    genes = case.genes.itertuples()
    path = fasta(
        tmp_path / "w.fa",
        [(f"{gene.gene_id} strand={gene.strand} a b", window.lower()) for gene, window in zip(genes, case.windows)],
    )
    found = case.predicted(window_fasta.of_fasta(path, case.run.geometry), batch_size=5)
    close(found.values, case.expected)
    assert [*found.genes] == ["gene_id", "tss", "strand", "unknown_bases"]
    assert found.genes["tss"].tolist() == [case.run.tss_index(strand) + 1 for strand in case.genes["strand"]]
    assert found.genes["unknown_bases"].tolist() == [window.count("N") for window in case.windows]


@pytest.mark.parametrize("where", ["heading", "table"])
def test_longer_windows_with_a_tss(case, tmp_path, where):
    records, rows = [], ["name\ttss\tstrand"]
    for row, gene in enumerate(case.genes.itertuples()):
        left, right = row % 7, row % 3
        place = left + case.run.tss_index(gene.strand) + 1
        said = f" tss={place} strand={gene.strand}" if where == "heading" else " tss=1 strand=+"
        records.append((gene.gene_id + said, case.around(gene, left, right)))
        rows.append(f"{gene.gene_id}\t{place}\t{gene.strand}")
    plain, path, table = fasta(tmp_path / "w.fa", records), tmp_path / "w.fa.gz", tmp_path / "tss.tsv"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    table.write_text("\n".join(rows) + "\n")
    found = case.predicted(window_fasta.of_fasta(path, case.run.geometry, table if where == "table" else None))
    close(found.values, case.expected)


def test_the_strand_is_forward_and_letters_are_read_as_n_where_nothing_else_is_said(centred, tmp_path, capsys):
    window = centred.windows[7]
    path = fasta(tmp_path / "w.fa", [("a", "RyN" + window[3:]), ("b strand=+", "NNN" + window[3:])])
    found = centred.predicted(window_fasta.of_fasta(path, centred.run.geometry))
    close(found.values[0], found.values[1])
    assert (
        found.genes["strand"].tolist() == ["+", "+"]
        and (found.genes["unknown_bases"] == 3 + window[3:].count("N")).all()
    )
    said = capsys.readouterr().out
    assert "2 letters that stand for several bases" in said and "1 of 2 records name no strand" in said
    assert "2 of 2 windows have bases that are N" in said


GEOMETRY = Geometry.sliding(8, 2, 2)  # 10 bp; the TSS is base 6 on +, 4 on -
BASES = "ACGTACGTACGTACGT"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n", "holds no sequence"),
        ("ACGT\n", "line 1: not FASTA, which begins with '>'"),
        (f"> a\n{BASES[:10]}\n", "a name must follow the >"),
        (f">a\n{BASES[:10]}\n>b\n{BASES[:10]}\n>a x\n{BASES[:10]}\n", "line 5: record a: is already on line 1"),
        (">a\n", "record a: has 0 bp, 10 too few"),
        (f">a\n{BASES[:9]}\n", "has 9 bp, 1 too few: the model reads 10 bp .* a gene on + 5 bp before its TSS and 4 bp after it"),
        (f">a strand=-\n{BASES[:9]}\n", "a gene on - 3 bp before its TSS and 6 bp after it"),
        (f">a\n{BASES}\n", "has 16 bp, 6 too many, and does not say where its TSS is: the model reads 10 bp"),
        (f">a tss=5\n{BASES}\n", "lacks 1 bp before its TSS at 5: "),
        (f">a tss=13\n{BASES}\n", "lacks 1 bp after its TSS at 13: "),
        (f">a tss=4 strand=+\n{BASES[:7]}\n", "lacks 2 bp before and 1 bp after its TSS at 4"),
        (f">a tss=5\n{BASES[:10]}\n", "lacks 1 bp before its TSS"),
        (f">a tss=17\n{BASES}\n", "its TSS is at 17, past its end at 16"),
        (f">a tss=0\n{BASES}\n", "its TSS is '0', but must be a whole number of at least 1"),
        (f">a tss=x\n{BASES}\n", "its TSS is 'x'"),
        (f">a strand=.\n{BASES[:10]}\n", r"its strand is '\.', but must be \+ or -"),
        (">a\nACGUACGTAC\n", "base 4 is 'U', which is no base of DNA"),
        (">a\nACG ACGTAC\n", "base 4 is ' '"),
    ],
)  # fmt: skip
def test_a_fasta_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "w.fa"
    path.write_text(text)
    with pytest.raises(InputError, match=message.replace("+ 5", r"\+ 5")):
        window_fasta.of_fasta(path, GEOMETRY)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("name\ttss\n", "no column strand"),
        ("name\ttss\tstrand\na\t6\t+\nz\t6\t+\n", "row 3: record z: .* has no record of this name"),
        ("name\ttss\tstrand\na\t6\t+\na\t7\t+\n", "row 3: record a: stands there twice"),
        ("name\ttss\tstrand\na\t0\t+\n", "row 2: record a: its TSS is '0'"),
        ("name\ttss\tstrand\na\t6\t\n", "its strand is ''"),
        ("name\ttss\tstrand\na\t5\t+\n", "row 2: record a: lacks 1 bp before its TSS"),
    ],
)
def test_a_table_of_tss_that_cannot_be_used_is_refused(tmp_path, rows, message):
    (tmp_path / "tss.tsv").write_text(rows)
    with pytest.raises(InputError, match=message):
        window_fasta.of_fasta(fasta(tmp_path / "w.fa", [("a", BASES)]), GEOMETRY, tmp_path / "tss.tsv")


def test_a_cut_gz_is_refused(tmp_path):
    packed = gzip.compress(b">a\n" + BASES[:10].encode() * 1000)
    (tmp_path / "w.fa.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="damaged or truncated packed file"):
        window_fasta.of_fasta(tmp_path / "w.fa.gz", GEOMETRY)


# --- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def made():
    genes = pd.DataFrame(
        {"gene_id": ["b", "a", "ü"], "tss": [5, 7, 6], "strand": ["+", "-", "+"], "unknown_bases": [0, 0, 2]}
    )
    values = np.random.default_rng(0).normal(0, 3, (3, 2)).astype(np.float32)
    about = {"values": "ln(TPM + 1)", "unit": "TPM", "pseudocount": "1.0"}
    return prediction.Prediction(genes, ["liver", "heart, left"], values, about)


@pytest.mark.parametrize("ending", expression_files.ENDINGS)
def test_every_format_reads_back(tmp_path, made, ending):
    path = tmp_path / f"x{ending}"
    expression_files.write(path, made)
    if ending == ".h5ad":
        rows = matrices.read(path, {"key": "gene_id"})
        order = [made.genes["gene_id"].tolist().index(gene) for gene in rows.tissue]
        assert rows.name == made.tissue and sorted(rows.tissue) == sorted(made.genes["gene_id"])
        assert (made.values[order] == rows.values.T).all()
        with h5py.File(path) as file:
            assert {name: text[()].decode() for name, text in file["uns"].items()} == made.about
            assert [*file["obs"].attrs["column-order"]] == ["tss", "strand", "unknown_bases"]
            assert file["X"].dtype == np.float32 and file["obs/tss"][:].tolist() == [5, 7, 6]
            assert file.attrs["encoding-type"] == "anndata" and file["obs"].attrs["_index"] == "gene_id"
        return
    if ending == ".parquet":
        table = pd.DataFrame(polars.read_parquet(path).to_dict())
        found = polars.read_parquet_metadata(path)
        assert {name: found[name] for name in made.about} == made.about
    else:
        table = pd.read_csv(path, sep="\t")
        assert json.loads(path.with_name(path.name + ".json").read_text()) == made.about
    assert [*table] == [*made.genes, *made.tissue]
    for name in made.genes:
        assert table[name].tolist() == made.genes[name].tolist()
    assert (table[made.tissue].to_numpy().astype(np.float32) == made.values).all()


@pytest.mark.parametrize("ending", expression_files.ENDINGS)
def test_the_same_prediction_gives_the_same_bytes(tmp_path, made, ending):
    for name in ("x", "y"):
        expression_files.write(tmp_path / f"{name}{ending}", made)
    assert (tmp_path / f"x{ending}").read_bytes() == (tmp_path / f"y{ending}").read_bytes()


@pytest.mark.parametrize("ending", expression_files.ENDINGS)
def test_a_write_that_is_broken_off_leaves_nothing(tmp_path, made, ending, monkeypatch):
    def stopped(*_, **__):
        raise SystemExit(143)

    monkeypatch.setattr(gzip, "compress", stopped)
    monkeypatch.setattr(expression_files, "_array", stopped)
    monkeypatch.setattr(polars.DataFrame, "write_parquet", stopped)
    if ending == ".tsv":
        monkeypatch.setattr(Path, "write_bytes", stopped)
    with pytest.raises(SystemExit):
        expression_files.write(tmp_path / f"x{ending}", made)
    assert not [*tmp_path.iterdir()]


def test_names_of_files_and_tissues_that_cannot_be_used(tmp_path, made):
    with pytest.raises(InputError, match=r"ends in one of \.tsv, \.tsv\.gz, \.parquet, \.h5ad"):
        expression_files.write(tmp_path / "x.csv", made)
    with pytest.raises(InputError, match="a tissue is called strand"):
        expression_files.write(tmp_path / "x.tsv", prediction.Prediction(made.genes, ["a", "strand"], made.values, {}))


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_predicts_anywhere(centred, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    words = ["predict", str(centred.folder), "--genes", str(centred.tss), "--genome", str(centred.genome)]
    assert command_line.main([*words, "-o", "new/x.parquet", "--batch-size", "3"]) == 0
    said = capsys.readouterr()
    assert "ln(RPKM + 0.1) of " in said.out and "device: cpu" in said.out and "Warning" not in said.err
    table = polars.read_parquet("new/x.parquet")
    close(table.select(centred.run.tissues).to_numpy(), centred.expected)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    other = centred.genome.with_name("grch38_other.fa")
    assert command_line.main([*words[:-1], str(other), "-o", "y.tsv"]) == 0
    assert capsys.readouterr().err.count(f"Warning: {other} is not the genome that the run was made with (grch38)") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--genes", "g", "-o", "x.tsv"], "--genes needs the genome"),
        (["--fasta", "g", "--genome", "g", "-o", "x.tsv"], "--genome goes with --genes"),
        (["--genes", "g", "--genome", "g", "--tss", "g", "-o", "x.tsv"], "--tss goes with --fasta"),
        (["--fasta", "g", "--batch-size", "0", "-o", "x.tsv"], "--batch-size must be 1 or more"),
        (["--fasta", "gone", "-o", "x.tsv"], "gone: there is no such file"),
        (["--genes", "g", "--genome", "g", "-o", "./g"], "g: would be written over, and it is read"),
        (["--fasta", "g", "-o", "x.csv"], "ends in one of"),
        (["--fasta", "g", "-o", "x.tsv"], "holds no summary.json"),
    ],
)
def test_what_the_command_cannot_do_is_said(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    Path("g").write_text(f">a\n{BASES}\n")
    assert command_line.main(["predict", str(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_says_what_works(centred, tmp_path, monkeypatch, capsys):
    """Its commands and its Python, on the small world in the place of the demo."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/predict.md").read_text()
    [folder] = {*re.findall(r"results/demo/models/[\w/]+", page)}
    places = {folder: centred.folder, "results/demo/genes/tss.tsv": centred.tss}
    places["resources/demo/simulated/grch38.fa"] = centred.genome
    for place, there in places.items():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).symlink_to(there)
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```\n", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(block, {})
            continue
        for line in block.splitlines():
            tool, *words = shlex.split(line)
            assert tool == "chrom2expr" and command_line.main(words) == 0, line
    written = {*re.findall(r"-o ([\w.]+)", page)}
    assert {path.name for path in tmp_path.iterdir()} == {
        *written,
        "windows.fa",
        "results",
        "resources",
        "windows.tsv.json",
    }
    table = polars.read_parquet("genes.parquet")
    close(table.select(centred.run.tissues).to_numpy(), centred.expected)
    # The same window by every way in.
    by_fasta = pd.read_csv("windows.tsv", sep="\t").set_index("gene_id")[centred.run.tissues]
    said = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    close(by_fasta.loc["promoter"], [said[tissue] for tissue in centred.run.tissues])
    close(by_fasta.loc["promoter"], by_fasta.loc["longer"])
