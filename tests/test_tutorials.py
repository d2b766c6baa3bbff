"""The tutorials in docs/, command by command, in a copy of the workflow that has nothing but what they write."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from dry_runs import environment
from planned_jobs import copied

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def blocks(page):
    """The blocks of a page in turn: (None, lines of commands), or (the name of the file that it is to be, YAML)."""
    text = (ROOT / "docs" / page).read_text()
    for found in re.finditer(r"^```(\w*)\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL):
        if found[1] == "yaml":
            yield re.findall(r"`(\w+\.yaml)`, to be laid over", text[: found.start()])[-1], found[2]
        else:
            yield None, found[2].splitlines()


def run(page, folder):
    """Do what a page says, as a newcomer would, and return what was printed."""
    said = ""
    tools = {"chrom2expr": "chrom2expr.command_line", "snakemake": "snakemake"}
    for name, content in blocks(page):
        if name:
            (folder / name).write_text(content)
            continue
        for line in content:
            tool, *words = shlex.split(line)
            command = [sys.executable, "-m", tools[tool], *words]
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment(PYTHONPATH=folder / "workflow/scripts"),
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            said += done.stdout + done.stderr
    return said


def scores(folder, name):
    """The mean of every run of a figure by every metric."""
    table = pd.read_csv(folder / f"results/{name}/figures/{name}.tsv", sep="\t")
    assert (folder / f"results/{name}/figures/{name}.png").stat().st_size > 10_000
    # The baseline is in every group of bars.
    return table.drop_duplicates(["metric", "run"]).set_index(["metric", "run"])["mean"]


def test_from_a_few_files_to_a_figure(tmp_path):
    folder = copied(tmp_path / "clone", "profiles")
    said = run("tutorial.md", folder)
    assert "254 of 260 genes" in said and "nothing is wrong" in said
    found = scores(folder, "mine")
    for metric in ("cross_gene", "cross_celltype"):
        assert found[metric, "tracks/all/ridge/mse"] > 0.5
        assert found[metric, "tracks/all/cnn/mse"] > 0.2
    assert found["cross_celltype", "tracks/all/ridge/mse"] > found["cross_celltype", "baseline/chromosomes"] + 0.2
    genes = pd.read_csv(folder / "results/mine/genes/tss.tsv", sep="\t")
    assert list(genes)[4:] == ["chrom_mine", "tss_mine"] and len(genes) == 260
    # The thesis's data have no part in it.
    config = yaml.safe_load((folder / "mine.yaml").read_text())
    assert len(config["assemblies"]) == 1 and not any("url" in one for one in config["resources"].values())


def test_another_species_and_single_cells(tmp_path):
    folder = copied(tmp_path / "clone", "profiles")
    run("tutorial_species.md", folder)
    found = scores(folder, "fly")
    assert found["cross_gene", "tracks/all/ridge/mse"] > 0.5
    assert np.isnan(found["cross_gene", "baseline/every_chromosome"])
    assert found["cross_celltype", "tracks/all/ridge/mse"] > found["cross_celltype", "baseline/every_chromosome"] + 0.2
    table = pd.read_csv(folder / "results/fly/figures/fly.tsv", sep="\t")
    tested = table.loc[(table["metric"] == "cross_celltype") & (table["run"] == "tracks/all/ridge/mse")].iloc[0]
    # Every gene with a row in the matrix is tested once.
    assert tested["n"] + tested["undefined"] == 260 and tested["undefined"] >= 6
    folds = [pd.read_csv(path, sep="\t") for path in sorted(folder.glob("results/fly/genes/splits/*@fold?.tsv"))]
    assert len(folds) == 5
    assert sorted(gene for fold in folds for gene in fold["gene_id"][fold["split"] == "test"]) == sorted(
        folds[0]["gene_id"]
    )
