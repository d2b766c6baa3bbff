"""Assemblies, bases and folds of a config, and the jobs that they plan."""

import copy
import gzip
from pathlib import Path

import pandas as pd
import pytest
import yaml

from chrom2expr.command_line import main
from chrom2expr.config import draft, folds, overlays, runs, schema
from chrom2expr.errors import InputError
from chrom2expr.genome import genes, liftover
from chrom2expr.simulation import lab_files
from dry_runs import snakemake
from planned_jobs import copied, planned_jobs

ROOT = Path(__file__).resolve().parents[1]
FIGURE = "results/mine/figures/mine.pdf"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the workflow with example files, mine.yaml of them, and a chain to another assembly."""
    folder = copied(tmp_path_factory.mktemp("clone"))
    data = Path("mydata")
    lab_files.write(folder / data, "human")
    given = [folder / data / name for name in ("genome.fa", "genes.gtf.gz", "expression.gct", "bigwigs")]
    text, _ = draft.draft(draft.Files(*given[:3], "tpm", given[3]), "mine", Path("mine.yaml"), 16384)
    (folder / "mine.yaml").write_text(text.replace(f"{folder}/", ""))
    (folder / "over.chain").write_text("")
    return folder


@pytest.fixture
def mine(clone, monkeypatch):
    """The config of the copy, laid over its base, in the folder where its files lie."""
    monkeypatch.chdir(clone)
    return overlays.read(["config/base.yaml", "mine.yaml"])


def refusal(config):
    with pytest.raises(InputError) as error:
        schema.checked(config)
    return str(error.value)


def two_assemblies(config):
    """The genes on mm39, the bigWigs on mm10."""
    config = copy.deepcopy(config)
    config["resources"] |= {"chain": {"path": "over.chain"}, "other": {"path": "mydata/genome.fa"}}
    config["assemblies"] = {"mm39": {"fasta": "genome", "lift_to": {"mm10": "chain"}}, "mm10": {"fasta": "other"}}
    config["genes"]["assembly"] = "mm39"
    config["sources"]["tracks"]["assembly"] = "mm10"
    return config


def test_one_assembly_needs_no_name_and_no_chain(mine):
    full = schema.checked(mine)
    assert full["genes"]["assembly"] == full["sources"]["tracks"]["assembly"] == "mine"
    assert runs.lifted_to(full) == []
    assert full["sources"]["tracks"]["groups"] == 1 and full["sources"]["tracks"]["missing_bigwigs"] == "error"


def test_genes_are_lifted_where_a_source_lies(mine):
    assert runs.lifted_to(schema.checked(two_assemblies(mine))) == ["mm10"]
    there = two_assemblies(mine)
    there["sources"]["tracks"]["assembly"] = "mm39"
    assert runs.lifted_to(schema.checked(there)) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (["assemblies", "mm39", "fasta"], "none", "assemblies.mm39.fasta: none is not among resources"),
        (["assemblies", "mm39", "lift_to"], {}, "assemblies.mm39.lift_to.mm10: is needed, a chain from mm39, on which"),
        (
            ["assemblies", "mm39", "lift_to"],
            {"mm10": "none"},
            "assemblies.mm39.lift_to.mm10: none is not among resourc",
        ),
        (["assemblies", "mm39", "lift_to"], {"mm9": "chain"}, "assemblies.mm39.lift_to: mm9 is not among the other"),
        (["assemblies", "mm39", "lift_to"], {"mm39": "chain"}, "lift_to: mm39 is not among the other"),
        (["genes", "assembly"], None, "genes.assembly: is needed, since there are several assemblies (mm39, mm10)"),
        (["genes", "assembly"], "mm8", "genes.assembly: mm8 is not among assemblies (mm39, mm10)"),
        (["genes", "assembly"], "mm10", "Nothing"),
        (["sources", "tracks", "assembly"], "mm8", "sources.tracks.assembly: mm8 is not among assemblies"),
    ],
)
def test_what_assemblies_lack_is_named(mine, place, value, said):
    config = two_assemblies(mine)
    section = config
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    if value is None:
        del section[place[-1]]
    if said == "Nothing":  # both lie on mm10 then
        assert runs.lifted_to(schema.checked(config)) == []
    else:
        assert said in refusal(config)


def test_genes_lie_in_every_assembly_that_is_asked_for(tmp_path):
    """A gene that one of two chains does not know is dropped; each other one has a place in all three assemblies."""
    table = pd.DataFrame({"gene_id": ["a", "b", "c"], "symbol": "", "gene_type": "t", "strand": ["+", "-", "+"]})
    table = table.assign(chrom="chr1", tss=[11, 51, 91], line=[1, 2, 3])
    chains = []
    for name, text in {
        "y": "chain 9 chr1 100 + 0 100 chr1 105 + 5 105 1\n100\n\n",
        "z": "chain 9 chr1 100 + 0 80 chr2 80 - 0 80 1\n80\n\n",
    }.items():
        (tmp_path / name).write_text(text)
        chains.append(liftover.read_chain(tmp_path / name, "x", name))
    settings = {"exclude_types": [], "exclude_chromosomes": [], "contigs": "all"}
    with pytest.raises(InputError, match="1 of the 3 genes in t do not lift over.*assemblies: x: lift_to: z"):
        liftover.build_genes(table, "t", "x", chains, {}, **settings)
    many = pd.concat([table.assign(gene_id=table["gene_id"] + str(copy)) for copy in range(20)], ignore_index=True)
    many = many[(many["tss"] != 91) | (many.index == 2)].reset_index(drop=True)
    kept, dropped = liftover.build_genes(many, "t", "x", chains, {}, **settings)
    assert dropped["gene_id"].tolist() == ["c0"] and dropped["reason"].tolist() == ["its TSS does not lift over to z"]
    genes.write_table(tmp_path / "tss.tsv", kept)
    read = genes.read_genes(tmp_path / "tss.tsv")
    assert genes.located_in(read) == ["x", "y", "z"]
    first = {name: genes.locate(read, name).iloc[0].tolist() for name in "xyz"}
    assert first == {"x": ["chr1", 10, "+"], "y": ["chr1", 15, "+"], "z": ["chr2", 69, "-"]}
    with pytest.raises(InputError, match="the genes have no places in w, only in x, y, z"):
        genes.locate(read, "w")
    lifted = liftover.contigs(chains)
    genes.check_contigs(lifted, "x", {"chr1": 100}, ["chr1"])
    with pytest.raises(InputError, match=r"z \(z\): chr2 is 80 bp long there, but 90 bp in the genome"):
        genes.check_contigs(lifted, "z", {"chr2": 90}, ["chr2"])


@pytest.mark.parametrize(
    ("names", "sizes", "fine"),
    [
        (("mm39", "mm10"), (195_154_279, 195_471_971), True),
        (("GRCm39", "GRCm38"), (195_154_279, 195_471_971), True),
        (("mine", "mm10"), (1000, 195_471_971), True),
        (("hg38", "T2T-CHM13"), (248_956_422, 248_387_328), True),
        (("mm10", "mm39"), (195_154_279, 195_471_971), False),
        (("hg19", "hg38"), (195_154_279, 195_471_971), False),
        (("mine", "mm9"), (1000, 195_471_971), False),
    ],
)
def test_a_chain_for_another_pair_is_refused(tmp_path, names, sizes, fine):
    path = tmp_path / "x.chain.gz"
    text = f"chain 1 chr1 {sizes[0]} + 0 10 chr1 {sizes[1]} + 0 10 1\n10\n\n"
    path.write_bytes(gzip.compress(text.encode()))
    if fine:
        assert liftover.read_chain(path, *names).from_assembly == names[0]
        return
    with pytest.raises(InputError, match=f"this chain leads from .*{names[0]}: lift_to: {names[1]} must name a chain"):
        liftover.read_chain(path, *names)


# --- what a config is laid over --------------------------------------------------------------------------------------


def test_a_base_is_laid_below_by_snakemake_and_by_the_command(clone, monkeypatch, capsys):
    monkeypatch.chdir(clone)
    assert main(["check", "mine.yaml"]) == 0
    said = capsys.readouterr().out
    assert "config/base.yaml < mine.yaml: nothing is wrong" in said and "1 figures of 3 runs" in said
    (clone / "typo.yaml").write_text("base: config/bass.yaml\n")
    assert main(["check", "typo.yaml"]) == 1
    assert "base: there is no file config/bass.yaml" in capsys.readouterr().err
    (clone / "typo.yaml").write_text("base: config/presets/bigwigs.yaml\n")
    assert main(["check", "typo.yaml"]) == 1
    assert "names a base itself, and only one config can lie below another" in capsys.readouterr().err
    (clone / "typo.yaml").write_text(f"base: {clone}/config/base.yaml\n2024: 1\n")
    assert main(["check", "typo.yaml"]) == 1
    assert "2024: to YAML this name is 2024, no text: put it in quotes" in capsys.readouterr().err
    monkeypatch.setenv("LAB", str(clone))
    (clone / "typo.yaml").write_text((clone / "mine.yaml").read_text().replace("base: ", "base: $LAB/"))
    assert main(["check", "typo.yaml"]) == 0
    assert f"{clone}/config/base.yaml < typo.yaml: nothing is wrong" in capsys.readouterr().out
    (clone / "typo.yaml").write_text("base: [1]\n")
    assert main(["check", "typo.yaml"]) == 1
    assert "base: is [1], but must be the path of a config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: config/bass.yaml", "base: there is no file config/bass.yaml"),
        ("base: config", "base: there is no file config"),
        ("base:", "base: is None, but must be the path of a config"),
        ("base: [1]", "base: is [1], but must be the path of a config"),
    ],
)
def test_a_base_that_cannot_be_used_stops_snakemake(clone, text, said):
    (clone / "typo.yaml").write_text(f"{text}\n")
    done = snakemake("-n", "--configfile", "typo.yaml", cwd=clone)
    assert done.returncode and said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# --- folds -----------------------------------------------------------------------------------------------------------


def folded_overlay(clone, number=3, **more):
    path = clone / "folds.yaml"
    overlay = {"splits": {"all": {"folds": number}}, "sources": {"tracks": {"split": "all"}}, **more}
    path.write_text(yaml.safe_dump(overlay))
    return ["mine.yaml", path.name]


def test_every_fold_is_fitted_to_one_store(clone):
    jobs = planned_jobs([FIGURE], folded_overlay(clone, heads={"cnn": {"jobs": 1}}), clone)
    names = [rule for rule, _ in jobs]
    assert names.count("bin_bigwigs") == names.count("merge_features") == names.count("reduce_features") == 1
    assert names.count("fit_head") == 9 and names.count("join_folds") == names.count("evaluate_run") == 3
    assert names.count("split_genes") == 3 and names.count("evaluate_baseline") == 1
    fitted = jobs["fit_head", "results/mine/models/tracks@fold1/all/cnn/mse/model.pt"]
    assert "results/mine/features/tracks.h5" in fitted.inputs
    assert "results/mine/genes/splits/all@fold1.tsv" in fitted.inputs
    joined = jobs["join_folds", "results/mine/models/tracks/all/cnn/mse/predictions.h5"]
    assert joined.inputs == [f"results/mine/models/tracks@fold{fold}/all/cnn/mse/predictions.h5" for fold in range(3)]
    [baseline] = [job for (rule, _), job in jobs.items() if rule == "evaluate_baseline"]
    assert [path for path in baseline.inputs if "splits" in path] == [
        f"results/mine/genes/splits/all@fold{fold}.tsv" for fold in range(3)
    ]


def test_folds_rerun_no_tracks(clone):
    before, after = (planned_jobs([FIGURE], files, clone) for files in (["mine.yaml"], folded_overlay(clone)))
    shared = before.keys() & after.keys()
    again = {rule for rule, path in shared if before[rule, path] != after[rule, path]}
    assert again - {"evaluate_baseline"} == {"audit_leakage", "tabulate_scores"}
    assert {"bin_bigwigs", "lift_genes", "reduce_features", "compute_targets"} <= {rule for rule, _ in shared}


def test_tissues_in_jobs_and_folds_go_together(clone):
    heads = {"alone": {"type": "single_cnn", "jobs": 2, "grid": {"learning_rate": [1e-3], "dropout": [0.1]}}}
    heads["alone"]["settings"] = {"width": 8, "blocks": 3, "kernel_size": 5, "weight_decay": 0.01, "bundle": 0}
    heads["alone"]["settings"]["transform"] = "log1p"
    figures = {"mine": {"runs": [{"source": "tracks", "inputs": "all", "head": "alone", "loss": "mse"}]}}
    jobs = planned_jobs([FIGURE], folded_overlay(clone, heads=heads, figures=figures), clone)
    names = [rule for rule, _ in jobs]
    assert names.count("fit_tissues") == 6 and names.count("join_tissues") == 3 and names.count("join_folds") == 1


def test_folds_of_a_config(mine):
    mine["splits"]["all"] = {"folds": 3}
    mine["sources"]["tracks"]["split"] = "all"
    full = schema.checked(mine)
    assert folds.folded(full) == ["tracks"]
    spread = folds.spread(full)
    assert set(spread["sources"]) == {"tracks", "tracks@fold0", "tracks@fold1", "tracks@fold2"}
    assert spread["sources"]["tracks@fold2"]["store"] == "tracks"
    assert spread["splits"]["all@fold2"] == {"folds": 3, "fold": 2}
    assert folds.folded(spread) == ["tracks"] and set(full["sources"]) == {"tracks"}


def test_a_figure_of_models_cannot_show_folds(mine):
    mine["splits"]["all"] = {"folds": 3}
    mine["sources"]["tracks"]["split"] = "all"
    line = {"source": "tracks", "inputs": "all", "head": "cnn", "loss": "mse"}
    mine["figures"]["net"] = {"kind": "network", "runs": [line]}
    assert "figures.net.runs: source tracks is split into folds, each with a model of its own" in refusal(mine)


def test_the_thesis_config_says_what_it_said():
    full = schema.checked(overlays.read([ROOT / "config" / "config.yaml"]))
    assert full["genes"]["assembly"] == "grch37" and runs.lifted_to(full) == ["grch38"]
    assert full["assemblies"]["grch37"]["lift_to"] == {"grch38": "liftover_chain"} and not folds.folded(full)
