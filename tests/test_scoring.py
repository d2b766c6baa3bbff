"""Files of variants scored by a run: rows, order and numbers against a slow loop; what is wrong in them; the command."""

import gzip
import re
import shlex
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest
import yaml

from chrom2expr import command_line
from chrom2expr.application import effect_files, effects, scoring, variant_files, variant_genes
from chrom2expr.application.effects import Expression
from chrom2expr.application.scoring import Question
from chrom2expr.application.trained_run import load_run
from chrom2expr.application.variants import Skipped
from chrom2expr.config import overlays, schema
from chrom2expr.errors import InputError
from chrom2expr.genome.genes import locate, read_genes
from chrom2expr.genome.liftover import read_chain
from made_variants import bgzipped, genome_of, gzipped, vcf
from planned_jobs import planned_jobs
from small_world import of
from test_effects import slowly

ROOT = Path(__file__).resolve().parents[1]
KEYS = ["variant_id", "chrom", "pos", "ref", "alt", "gene_id"]
NUMBERS = ["reference", "alternative", "log_fold_change"]


class Case:
    """A run of the small world, its genome and genes, and what some rows of the world's own VCF give."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder / "run"
        self.folder.mkdir()
        output = world.make("fit_ridge").output
        for name in ("model", "summary"):
            shutil.copy(output[name], self.folder)
        self.run = load_run(self.folder)
        self.fasta, self.tss = world.raw / "grch38.fa", Path(world.path(of("lift", "tss")))
        self.contigs = contigs_of(self.fasta)
        self.genome = genome_of(folder / "grch38.fa", **self.contigs)
        genes = read_genes(self.tss)
        self.genes = pd.concat([genes[["gene_id"]], locate(genes, "grch38")], axis=1)
        lines = (world.raw / "variants_grch38.vcf").read_text().splitlines(keepends=True)
        self.vcf = folder / "some.vcf"
        # The first row has another REF than the genome.
        self.vcf.write_text("".join([*lines[:3], *lines[7::2]]))
        self.scored = self.score(folder / "scored.parquet", on_mismatch="skip")

    def score(self, output, path=None, genes=None, shard=0, shards=1, **asked):
        asked = Question(
            path or self.vcf, asked.pop("genome", self.genome), self.genes if genes is None else genes, **asked
        )
        scoring.score(self.run, output, asked, shard=shard, shards=shards)
        return pq.read_table(output).to_pandas()

    def gene(self, strand="+"):
        """A gene of chr14 whose window lies within it, with its TSS."""
        here = self.genes[(self.genes["chrom"] == "chr14") & (self.genes["strand"] == strand)]
        return next(one for one in here.itertuples() if 500 < one.tss < len(self.contigs["chr14"]) - 500)


@pytest.fixture(scope="module")
def case(world, tmp_path_factory):
    return Case(world, tmp_path_factory.mktemp("case"))


@pytest.fixture
def out(tmp_path):
    """A folder of its own, so that what is left behind shows."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def sorted_rows(table):
    table = table.astype({name: str for name in (*KEYS, "tissue", "flags") if name != "pos"})
    return table.sort_values([*KEYS, "tissue"]).reset_index(drop=True)


def same_rows(one, other):
    pd.testing.assert_frame_equal(sorted_rows(one), sorted_rows(other), check_exact=True)


def other_base(base):
    return {"A": "C", "C": "G", "G": "T", "T": "A"}[base]


# --- the table -----------------------------------------------------------------------------------------------------


def test_a_row_for_each_variant_gene_and_tissue(case):
    """Pairs by trying all; numbers by whole windows, one by one, and by the Predictor, to the last digit."""
    rows = [line.split("\t") for line in case.vcf.read_text().splitlines()[3:]]
    genes, expected = case.genes.sort_values(["chrom", "tss"], ignore_index=True), []
    for gene in genes.itertuples():
        first = gene.tss - case.run.tss_index(gene.strand)
        for chrom, pos, name, ref, alt, *_ in rows:
            at = int(pos) - 1 + (len(ref) != len(alt))
            # An indel may lie further to the left, in a run of one base.
            moved = {ref[1:], alt[1:]} - {""} if len(ref) != len(alt) else ()
            while moved and case.contigs[chrom][at - 1] in moved:
                at -= 1
            inserted = len(alt) > len(ref)
            if chrom == gene.chrom and first + inserted <= at < first + case.run.window:
                distance = (at - gene.tss) * (1 if gene.strand == "+" else -1)
                expected += [(name, chrom, int(pos), ref, alt, gene.gene_id, distance, one) for one in case.run.tissues]
    assert len({row[:6] for row in expected}) > 50
    assert [*case.scored[[*KEYS, "distance", "tissue"]].itertuples(index=False, name=None)] == expected
    variants = list(chain.from_iterable(variant_files.read(case.vcf, case.genome, Skipped(), "skip")))
    pairs = variant_genes.holding(variants, genes, case.run.geometry)
    found = effects.Predictor(case.run, case.genome, genes).predict(variants, pairs)
    numbers = {name: case.scored[name].to_numpy().reshape(-1, len(case.run.tissues)) for name in NUMBERS}
    np.testing.assert_array_equal(numbers["reference"], found.reference.astype(np.float32))
    np.testing.assert_array_equal(numbers["alternative"], found.alternative.astype(np.float32))
    some = variant_genes.Pairs(*(column[::8] for column in pairs))
    before, after = slowly(case.run, case.genome, genes, variants, some)
    np.testing.assert_allclose(numbers["log_fold_change"][::8], after - before, rtol=1e-3, atol=3e-5)
    assert np.abs(after - before).max() > 1e-3
    # Subtracted before it is rounded.
    effect = (found.alternative - found.reference).astype(np.float32)
    np.testing.assert_array_equal(numbers["log_fold_change"], effect)
    np.testing.assert_allclose(numbers["alternative"] - numbers["reference"], effect, atol=1e-6)
    assert {numbers[name].dtype for name in NUMBERS} == {np.dtype(np.float32)}
    unchanged = case.scored["flags"].astype(str).str.contains("unchanged")
    assert (case.scored.loc[unchanged, "log_fold_change"] == 0).all()


def test_what_is_left_out_is_said_and_kept(case, out, capsys):
    told = case.vcf.read_text() + "chr14\t5\tx\tA\t<DEL>\t.\t.\t.\nchr9\t5\ty\tA\tC\t.\t.\t.\n"
    (out / "v.vcf").write_text(told)
    scored = case.score(out / "e.parquet", out / "v.vcf", on_mismatch="skip")
    same_rows(scored, case.scored)
    left = {"a REF that is not the FASTA's": 1, "a symbolic allele": 1, "a contig that the FASTA lacks": 1}
    about = effect_files.read_about(out / "e.parquet")
    assert about["left_out"] == left
    assert (about["unit"], about["pseudocount"], about["assembly"]) == ("RPKM", 0.1, "grch38")
    assert about["tissues"] == case.run.tissues and about["run"]["head"] == case.run.provenance["head"]
    said = capsys.readouterr().out
    assert all(f"1 with {reason}" in said for reason in left)


def test_shards_joined_hold_the_rows_of_one_and_the_strongest_of_each_pair(case, out):
    parts = [out / f"{shard}.parquet" for shard in range(3)]
    for shard, part in enumerate(parts):
        case.score(part, shard=shard, shards=3, on_mismatch="skip")
    count = effect_files.join(parts, out / "all.parquet", out / "all.tsv.gz")
    table = pq.read_table(out / "all.parquet").to_pandas()
    same_rows(table, case.scored)
    strongest = pd.read_csv(out / "all.tsv.gz", sep="\t", keep_default_na=False)
    assert count == len(strongest) == len(table) // len(case.run.tissues)
    largest = table["log_fold_change"].abs().to_numpy().reshape(count, -1).max(axis=1)
    assert sorted(strongest["rank"]) == [*range(1, count + 1)]
    assert (np.diff(largest[np.argsort(strongest["rank"])]) <= 0).all()
    for row, one in enumerate(strongest.itertuples()):
        of_pair = table.iloc[row * len(case.run.tissues) : (row + 1) * len(case.run.tissues)]
        there = of_pair[of_pair["tissue"] == one.tissue].iloc[0]
        assert abs(there["log_fold_change"]) == largest[row]
        assert one.log_fold_change == pytest.approx(there["log_fold_change"], rel=1e-5)
        assert [str(there[key]) for key in (*KEYS, "distance", "flags")] == [
            str(getattr(one, key)) for key in (*KEYS, "distance", "flags")
        ]


def test_the_sizes_of_blocks_change_nothing(case, out, monkeypatch):
    monkeypatch.setattr(variant_files, "BLOCK", 7)
    monkeypatch.setattr(scoring, "_PAIRS", 7)
    same_rows(case.score(out / "e.parquet", on_mismatch="skip"), case.scored)


def test_a_pair_list_gives_these_rows(case, out):
    wanted = case.scored[["variant_id", "gene_id"]].astype(str).drop_duplicates().iloc[3::7]
    far = pd.DataFrame({"variant_id": wanted["variant_id"].iloc[:1], "gene_id": case.genes["gene_id"].iloc[-1]})
    pd.concat([wanted, far]).to_csv(out / "pairs.tsv", sep="\t", index=False)
    found = case.score(out / "e.parquet", on_mismatch="skip", wanted=out / "pairs.tsv")
    rows = case.scored.astype({"variant_id": str, "gene_id": str}).merge(wanted)
    same_rows(found, rows)
    left = effect_files.read_about(out / "e.parquet")["left_out"]
    assert left["a gene in the list whose window does not hold it"] == 1


def test_a_joined_pair_list_counts_what_every_shard_leaves_out(case, out):
    row = case.scored.iloc[0]
    far = case.genes[case.genes["chrom"] != row["chrom"]]["gene_id"]
    pairs = "".join(f"{row['variant_id']}\t{gene}\n" for gene in [row["gene_id"], *far])
    (out / "pairs.tsv").write_text(f"variant_id\tgene_id\n{pairs}")
    parts = [out / f"{shard}.parquet" for shard in range(3)]
    for shard, part in enumerate(parts):
        case.score(part, shard=shard, shards=3, on_mismatch="skip", wanted=out / "pairs.tsv")
    assert effect_files.join(parts, out / "all.parquet", out / "all.tsv.gz") == 1
    left = effect_files.read_about(out / "all.parquet")["left_out"]
    assert left["a gene in the list whose window does not hold it"] == len(far)


def test_spellings_of_one_change_have_one_effect(case, out):
    gene, text = case.gene(), case.contigs["chr14"]
    at = next(at for at in range(gene.tss - 20, gene.tss + 20) if text[at] == text[at + 1] != text[at - 1])
    before, base, after = text[at - 1], text[at], text[at + 2]
    rows = [f"chr14 {at} a {before}{base} {before}", f"chr14 {at + 2} b {base}{after} {after}"]
    other = other_base(base)
    rows += [f"chr14 {at + 1} c {base} {other}", f"chr14 {at} d {before}{base}{base} {before}{other}{base}"]
    (out / "v.vcf").write_text(vcf(*rows))
    found = case.score(out / "e.parquet", out / "v.vcf").astype({"variant_id": str})
    a, b, c, d = (found[found["variant_id"] == name] for name in "abcd")
    for one, same in ((a, b), (c, d)):
        assert len(one) >= len(case.run.tissues) and one["log_fold_change"].abs().max() > 0
        np.testing.assert_array_equal(one[["distance", *NUMBERS]], same[["distance", *NUMBERS]])
    assert (c["distance"] == at - gene.tss).any()


def test_a_variant_without_an_id_is_called_by_its_change(case, out):
    gene = case.gene("-")
    base = case.contigs["chr14"][gene.tss + 20]
    (out / "v.vcf").write_text(vcf(f"14 {gene.tss + 21} . {base} {other_base(base)}"))
    found = case.score(out / "e.parquet", out / "v.vcf")
    assert {*found["variant_id"]} == {f"14:{gene.tss + 21}:{base}:{other_base(base)}"}
    [distance] = found.loc[found["gene_id"] == gene.gene_id, "distance"].unique()
    assert distance == -20


def test_an_effect_keeps_the_users_sign_where_the_genome_has_the_alternative(case, out):
    """Lifted between two genomes that differ in one base: there, the user's ALT is the reference."""
    gene = case.gene()
    at = gene.tss - 30
    here, there = other_base(case.contigs["chr14"][at]), case.contigs["chr14"][at]
    text = case.contigs["chr14"]
    source = genome_of(out / "source.fa", **case.contigs | {"chr14": text[:at] + here + text[at + 1 :]})
    lines = (
        f"chain 1 {name} {len(bases)} + 0 {len(bases)} {name} {len(bases)} + 0 {len(bases)} {number}\n{len(bases)}\n\n"
        for number, (name, bases) in enumerate(case.contigs.items(), start=1)
    )
    (out / "same.chain").write_text("".join(lines))
    (out / "users.vcf").write_text(vcf(f"chr14 {at + 1} rs {here} {there}"))
    (out / "turned.vcf").write_text(vcf(f"chr14 {at + 1} rs {there} {here}"))
    asked = {"chain": read_chain(out / "same.chain", "mine", "grch38"), "source": source}
    found = case.score(out / "e.parquet", out / "users.vcf", **asked)
    turned = case.score(out / "t.parquet", out / "turned.vcf")
    assert {*found["flags"]} == {"reference_swapped"} and {*turned["flags"]} == {""}
    assert [*found[["ref", "alt"]].drop_duplicates().itertuples(index=False, name=None)] == [(here, there)]
    assert turned["log_fold_change"].abs().max() > 0
    np.testing.assert_array_equal(found["log_fold_change"], -turned["log_fold_change"])
    np.testing.assert_array_equal(found["reference"], turned["alternative"])
    np.testing.assert_array_equal(found["alternative"], turned["reference"])


def test_many_alternatives_of_one_row(case, out, monkeypatch):
    """Predicted as nothing here: the rows count."""

    class Nothing:
        def __init__(self, *_):
            pass

        def predict(self, _, pairs):
            zeros = np.zeros((len(pairs.gene), len(case.run.tissues)), np.float32)
            return Expression(zeros, zeros, np.zeros(len(zeros), dtype=bool))

    monkeypatch.setattr(scoring, "Predictor", Nothing)
    gene = case.gene()
    base = case.contigs["chr14"][gene.tss]
    alternatives = [base + "".join("ACGT"[number >> 2 * place & 3] for place in range(7)) for number in range(10_000)]
    (out / "v.vcf").write_text(vcf(f"chr14 {gene.tss + 1} . {base} {','.join(alternatives)}"))
    found = case.score(out / "e.parquet", out / "v.vcf")
    of_gene = found[found["gene_id"] == gene.gene_id]
    assert len(of_gene) == 10_000 * len(case.run.tissues) and {*of_gene["alt"]} == {*alternatives}


# --- what is wrong -------------------------------------------------------------------------------------------------


def last_row(case, pos, ref, alt="T"):
    return case.vcf.read_text().replace(first_row(case), "") + f"chr14\t{pos}\tlast\t{ref}\t{alt}\t.\t.\t.\n"


def first_row(case):
    """The row whose REF is not the genome's."""
    return case.vcf.read_text().splitlines(keepends=True)[2]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("last REF", r"v.vcf, line \d\d+: REF is . at chr14:200"),
        ("cut", "v.vcf.*damaged or cut short|v.vcf.*truncated"),
        ("plain gzip", "v.vcf: packed, but not by bgzip"),
        ("empty", "v.vcf: is empty"),
        ("no rows", "v.vcf: no variant to work with: it holds none"),
        ("no contig", "v.vcf: no variant to work with: .*a contig that the FASTA lacks"),
        ("chain", "leads between other genomes"),
        ("pair", "pairs.tsv, row 2: no variant 'nobody' in the file of variants"),
        ("shards", "cannot fill 1000 shards"),
    ],
)
def test_what_is_wrong_stops_it_before_work_and_leaves_no_file(case, out, tmp_path, kind, message, monkeypatch):
    def work(*_):
        raise AssertionError("it began")

    monkeypatch.setattr(effects.Predictor, "predict", work)
    path, asked, good = tmp_path / "v.vcf", {}, case.vcf.read_text().replace(first_row(case), "")
    base = other_base(case.contigs["chr14"][199])
    texts = {"last REF": last_row(case, 200, base, other_base(base)), "empty": "", "no rows": vcf()}
    path.write_text(texts.get(kind, re.sub("(?m)^chr", "scaffold", good) if kind == "no contig" else good))
    if kind == "cut":
        whole = bgzipped(path, good * 50).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "plain gzip":
        gzipped(path, good)
    elif kind == "chain":
        wrong = read_chain(case.world.raw / "longer.over.chain.gz", "grch37", "grch38")
        asked = {"chain": wrong, "source": genome_of(tmp_path / "source.fa", **case.contigs)}
    elif kind == "pair":
        asked = {"wanted": tmp_path / "pairs.tsv"}
        asked["wanted"].write_text(f"variant_id\tgene_id\nnobody\t{case.genes['gene_id'][0]}\n")
    with pytest.raises(InputError, match=message):
        case.score(out / "e.parquet", path, shards=1000 if kind == "shards" else 1, **asked)
    assert not [*out.iterdir()]


def test_what_is_broken_off_leaves_no_file(case, out, monkeypatch):
    monkeypatch.setattr(scoring, "_PAIRS", 7)
    predict, calls = effects.Predictor.predict, []

    def failing(self, *given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(self, *given)

    monkeypatch.setattr(effects.Predictor, "predict", failing)
    with pytest.raises(KeyboardInterrupt):
        case.score(out / "e.parquet", on_mismatch="skip")
    assert not [*out.iterdir()] and len(calls) == 3


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def command(case, out, monkeypatch):
    """Runs `chrom2expr variants` in a folder of its own, and gives its exit status."""
    monkeypatch.chdir(out)
    monkeypatch.setattr("tempfile.tempdir", str(out))
    common = {"--vcf": case.vcf, "--genome": case.fasta, "--genes": case.tss, "-o": "e.parquet"}

    def command(*flags, folder=case.folder, **given):
        words = {**common, **{f"--{name.replace('_', '-')}": value for name, value in given.items()}}
        return command_line.main(
            ["variants", str(folder), *(str(one) for pair in words.items() for one in pair), *flags]
        )

    return command


def test_the_command_scores_and_annotates(case, out, command, capsys):
    """A sample's name may hold a slash."""
    lines = case.vcf.read_text().splitlines()
    rows = ["##FORMAT=<ID=GT,Number=1,Type=String,Description=x>", lines[1] + "\tFORMAT\ta/b"]
    given = bgzipped(
        out / "mine.vcf.gz", "\n".join([lines[0], *rows, *(f"{row}\tGT\t0/1" for row in lines[2:])]) + "\n"
    )
    assert command("--annotate", ref_mismatch="skip", vcf=given) == 0
    same_rows(pq.read_table("e.parquet").to_pandas(), case.scored)
    said = capsys.readouterr()
    assert "Wrote e.parquet and e.tsv.gz and e.vcf.gz: effects of " in said.out
    assert "left out: 1 with a REF that is not the FASTA's" in said.out
    names = ["e.parquet", "e.tsv.gz", "e.vcf.gz", "e.vcf.gz.tbi", "mine.vcf.gz"]
    assert sorted(path.name for path in out.iterdir()) == names
    strongest = {(row["variant_id"], row["gene_id"]): row for row in effect_files.read_strongest("e.tsv.gz")}
    with pysam.VariantFile("e.vcf.gz") as file:
        records = [*file]
        assert [*file.header.samples] == ["a/b"]
    found = {(record.id, item.split("|")[1]): item for record in records for item in record.info.get("CHROM2EXPR", ())}
    assert found.keys() == strongest.keys() and len(records) == len(lines) - 2
    for key, item in found.items():
        row = strongest[key]
        words = [row[name] for name in ("alt", "gene_id", "tissue", "log_fold_change", "distance", "flags")]
        assert item == "|".join(words).replace(" ", "%20")


def test_the_command_lifts_and_takes_pairs(case, out, command):
    lines = (case.world.raw / "variants_grch37.vcf").read_text().splitlines(keepends=True)
    (out / "old.vcf").write_text("".join([*lines[:2], *lines[4::9]]))
    where = {"vcf": "old.vcf"}
    lift = ["--lift", str(case.world.raw / "grch37ToGrch38.over.chain.gz"), str(case.world.raw / "grch37.fa")]
    assert command(*lift, **where, output="a/b/e.parquet") == 0
    everything = pq.read_table("a/b/e.parquet").to_pandas().astype({"variant_id": str, "gene_id": str})
    assert len(everything) > 40
    wanted = everything[["variant_id", "gene_id"]].drop_duplicates().iloc[::5]
    wanted.to_csv("pairs.tsv", sep="\t", index=False)
    assert command(*lift, pairs="pairs.tsv", **where) == 0
    same_rows(pq.read_table("e.parquet").to_pandas(), everything.merge(wanted))
    # As score() has them, which is given the genomes themselves.
    source = genome_of(out / "s.fa", **contigs_of(case.world.raw / "grch37.fa"))
    chain_there = read_chain(lift[1], "grch37", "grch38")
    same_rows(case.score(out / "s.parquet", out / "old.vcf", chain=chain_there, source=source), everything)


def contigs_of(path):
    return {
        name: bases.replace("\n", "") for name, bases in re.findall(r"^>(\S+)\n([^>]*)", path.read_text(), re.MULTILINE)
    }


def test_what_the_command_cannot_do_is_said_and_nothing_is_written(case, out, command, capsys):
    (out / "e.vcf.gz").write_bytes(case.vcf.read_bytes())
    (out / "unsorted.vcf").write_text(vcf("chr1 9 . A C", "chr1 8 . A C"))
    wrong = str(case.world.path(of("fit_ridge", "model")))
    for flags, given, message in (
        ([], {}, "some.vcf, line 3: REF is"),
        (["--annotate"], {"vcf": "e.vcf.gz"}, "e.vcf.gz: would be written over, and it is read"),
        (["--annotate"], {"vcf": "unsorted.vcf"}, "unsorted.vcf, line 4: chr1:8 comes after chr1:9"),
        ([], {"vcf": "gone.vcf"}, "gone.vcf: there is no such file"),
        ([], {"o": "e.tsv"}, "must end in .parquet"),
        ([], {"weights": wrong}, "not the weights that this run was made with"),
        ([], {"batch_size": 0}, "--batch-size must be 1 or more"),
    ):
        if "o" in given:
            given = {"output": given["o"]}
        assert command(*flags, **given) == 1, message
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["e.vcf.gz", "unsorted.vcf"]


# --- the page ------------------------------------------------------------------------------------------------------


def test_the_page_says_what_works(case, tmp_path, monkeypatch):
    """Its commands, its Python and its config, on the small world in the place of the demo."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/variants.md").read_text()
    [folder] = {*re.findall(r"results/demo/models/[\w/]+", page)}
    places = {folder: case.folder, "results/demo/genes/tss.tsv": case.tss}
    for name in ("grch38.fa", "grch37.fa", "grch37ToGrch38.over.chain.gz"):
        places[f"resources/demo/simulated/{name}"] = case.world.raw / name
    for place, there in places.items():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).symlink_to(there)
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```\n", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(block, {})
        elif kind == "text":
            continue
        elif kind == "yaml":
            Path("mine.yaml").write_text(block)
            files = [ROOT / "config/config.yaml", ROOT / "config/demo.yaml", Path("mine.yaml")]
            assert schema.checked(overlays.read(files))["variants"]
        else:
            for line in block.splitlines():
                tool, *words = shlex.split(line)
                if tool == "snakemake":  # with the config that was checked above
                    assert words[-3:] == ["--configfile", "config/demo.yaml", "mine.yaml"]
                else:
                    assert tool == "chrom2expr" and command_line.main(words) == 0, line
    columns = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    assert {*effect_files.SCHEMA.names} <= {*columns}
    with gzip.open("effects.tsv.gz", "rt") as text:
        assert {*text.readline().split()} <= {*columns}
    assert Path("effects.vcf.gz.tbi").is_file()


# --- the workflow --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_workflow_annotates_when_it_is_asked_and_scores_alike(case, tmp_path):
    """Of both assemblies: the variants are lifted for the one run."""
    run = {"source": ["enformer_predicted", "beluga_predicted"], "inputs": "chromatin", "head": "ridge", "loss": "mse"}
    section = {"vcf": str(case.vcf), "assembly": "grch37", "runs": [run], "shards": 2}
    found = []
    for annotated in (False, True):
        overlay = tmp_path / f"{annotated}.yaml"
        overlay.write_text(yaml.safe_dump({"variants": {"mine": section | {"annotated_vcf": annotated}}}))
        jobs = planned_jobs(["all"], [ROOT / "config/demo.yaml", overlay])
        # The demo scores variants of its own.
        found.append({key: job for key, job in jobs.items() if "/variants/mine/" in key[1]})
    plain, asked = found
    rules = [
        {name: sum(rule == name for rule, _ in jobs) for name in ("score_variants", "annotate_variants")}
        for jobs in found
    ]
    assert rules == [
        {"score_variants": 4, "annotate_variants": 0},
        {"score_variants": 4, "annotate_variants": 2},
    ]
    for key, job in plain.items():
        if key[0] == "score_variants":
            assert asked[key] == job
            assert any("over.chain" in path for path in job.inputs) == ("enformer" in key[1])
