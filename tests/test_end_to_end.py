"""The workflow as a user runs it, in a copy of the repository: the demo, real gene tables, the full-size Enformer."""

import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from browser import Links, Report, chromium
from chrom2expr.backbones import enformer
from chrom2expr.evaluation import effect_truth, metrics, scores
from chrom2expr.tracks import store_reader
from dry_runs import environment
from planned_jobs import clean_copy
from test_dependencies import UNUSED, UNUSED_BACKBONE, rewritten
from test_workflow import planned_jobs, snakemake

CONFIGS = ("config/demo.yaml", "tests/less_training.yaml")
DEMO = ("--cores", "2", "--resources", "gpu=2", "--configfile", *CONFIGS)
FIGURES = [f"fig2_{n}" for n in range(1, 6)] + [f"fig3_{n}" for n in range(1, 8)] + ["variants"]
# Figure, its runs, its groups of bars.
CHARTS = [
    ("fig2_3", 9, 3),
    ("fig2_4", 9, 3),
    ("fig2_5", 9, 3),
    ("fig3_1", 4, 4),
    ("fig3_2", 24, 4),
    ("fig3_3", 8, 4),
    ("fig3_4", 11, 5),
    ("fig3_5", 8, 4),
]
# What the report itself holds, in its own variable.
CAPTIONS = "return Object.values(results).map(result => result.caption)"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository without anything generated."""
    return clean_copy(tmp_path_factory.mktemp("clone") / "chrom2expr")


def run(folder, *arguments):
    result = snakemake(*arguments, cwd=folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return result.stdout + result.stderr


def chrom2expr(folder, *arguments):
    command = [sys.executable, "-m", "chrom2expr.command_line", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment(PYTHONPATH=folder / "workflow/scripts"), capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return result.stdout


def table(path):
    with open(path) as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.mark.slow
class TestDemo:
    """One run of the demo, a smaller one, and what can be seen in it."""

    @pytest.fixture(scope="class")
    def planned(self, copy):
        """The bill of the demo before it is run: by the command, and as a page by the workflow."""
        said = chrom2expr(copy, "plan", *CONFIGS, "--cores", "2", "--gpus", "2")
        run(copy, "results/demo/plan.html", *DEMO)
        page = (copy / "results/demo/plan.html").read_text()
        (copy / "results/demo/plan.html").unlink()
        return said, page

    @pytest.fixture(scope="class")
    def demo(self, copy, planned):
        run(copy, *DEMO)
        return copy

    def test_the_bill_was_right(self, demo, planned):
        """Disk within 10 %, and hours within a factor of 2: busy ones, since others may have used the machine too."""
        said, page = planned
        for line in said.splitlines():
            assert line in page
        megabytes = float(re.search(r"Disk: ([\d.]+) MB at the peak", said)[1])
        files = [file for root in ("results/demo", "resources/demo") for file in (demo / root).rglob("*")]
        there = sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
        assert megabytes == pytest.approx(there / 1e6, rel=0.1)
        hours = float(re.search(r"CPU: ([\d.]+) hours in all", said)[1])
        took = [table(file)[0] for file in (demo / "results/demo/benchmarks").rglob("*.tsv")]
        busy = sum(float(row["cpu_time"]) for row in took if row["cpu_time"] not in ("-", "NA"))
        assert 0.5 < hours / (busy / 3600) < 2
        after = chrom2expr(demo, "plan", *CONFIGS, "--cores", "2")
        assert ", 0 of them still to do" in after and "0 bytes of it still to be written" in after

    @pytest.fixture(scope="class")
    def means(self, demo):
        """Mean Spearman by (task, loss), a value a source."""
        rows = table(demo / "results/demo/figures/fig3_2.tsv")
        found = {}
        for row in rows:
            if row["mean"]:
                found.setdefault((row["panel"], row["series"]), []).append(float(row["mean"]))
        return {key: np.array(values) for key, values in found.items()}

    def test_figures_are_whole(self, demo):
        for figure in FIGURES:
            for suffix in ("pdf", "png"):
                assert (demo / f"results/demo/figures/{figure}.{suffix}").stat().st_size > 10_000
        # Bars and baselines of both tasks.
        for figure, runs, groups in CHARTS:
            rows = table(demo / f"results/demo/figures/{figure}.tsv")
            assert len(rows) == 2 * (runs + groups), figure
            for row in rows:
                if (row["series"], row["panel"]) == ("Training mean", "cross-gene"):
                    assert not row["mean"] and row["n"] == "0" and int(row["undefined"]) > 20, row
                else:
                    assert row["mean"] and row["sem"] and int(row["n"]) > 20, row
                    assert float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"]), row

    def test_every_bar_is_traceable_to_its_runs_predictions(self, demo):
        for figure, *_ in CHARTS:
            for row in table(demo / f"results/demo/figures/{figure}.tsv"):
                if row["series"] != "Training mean":
                    run = scores.read_test_predictions(demo / f"results/demo/models/{row['run']}/predictions.h5")
                    score = {"cross-gene": metrics.cross_gene, "cross-celltype": metrics.cross_celltype}[row["panel"]]
                    mean = metrics.summarise(score(run.predicted, run.observed)).mean
                    assert float(row["mean"]) == pytest.approx(mean, abs=1e-6), row

    def test_the_thesis_effects_are_learned(self, means):
        cross_gene = {loss: values for (task, loss), values in means.items() if task == "cross-gene"}
        cross_celltype = {loss: values for (task, loss), values in means.items() if task == "cross-celltype"}
        assert (cross_gene["MSE"] > 0.5).all(), cross_gene
        assert (cross_celltype["α = 100"] > cross_celltype["MSE"]).all(), cross_celltype
        assert (cross_gene["Pearson only"] < cross_gene["MSE"] - 0.25).all(), cross_gene

    def test_predictions_carry_signal_that_shuffling_destroys(self, demo):
        import h5py

        path = demo / "results/demo/models/enformer_predicted/chromatin/multi_cnn/hybrid_100/predictions.h5"
        with h5py.File(path) as file:
            test = file["split"].asstr()[:] == "test"
            predicted, observed = file["predicted"][:][test], file["observed"][:][test]
        shuffled = np.random.default_rng(0).permutation(observed)
        centred = [values - np.nanmean(values, axis=0) for values in (predicted, observed, shuffled)]
        real = metrics.summarise(metrics.cross_celltype(centred[0], centred[1])).mean
        chance = metrics.summarise(metrics.cross_celltype(centred[0], centred[2])).mean
        assert real > 0.15 > abs(chance) + 0.05, (real, chance)
        assert abs(metrics.summarise(metrics.cross_gene(predicted, shuffled)).mean) < 0.25

    @pytest.mark.parametrize(
        ("run", "least"),
        [("beluga_predicted__chromatin__ridge__mse", 0.6), ("enformer_predicted__chromatin__multi_cnn__mse", 0.25)],
    )
    def test_effects_of_variants_are_those_that_were_planted(self, demo, run, least):
        rows = effect_truth.read(demo / f"results/demo/variants/planted/{run}.truth.tsv")
        assert {row.sign for row in rows} == {"all", "positive", "negative"} and len(rows) == 3 * (2 + 24)
        for row in rows:
            assert row.variants > 80 and row.undefined == 0, row
            whole = row.tissue in (effect_truth.ALL, effect_truth.MEAN)
            if row.sign == "all":
                assert row.spearman > least and row.ci_low > (2 if whole else 1) * row.shuffled > 0, row
            elif "ridge" in run:  # within a sign there is less to rank: a CNN on Enformer does not tell how strong
                assert row.ci_low > 1.5 * row.shuffled if whole else row.spearman > row.shuffled, row
        # Controls do next to nothing, and what is created undoes what is deleted.
        points = [
            row for row in table(demo / "results/demo/figures/variants.tsv") if row["run"] == run.replace("__", "/")
        ]
        effect = {row["variant_id"]: abs(float(row["y"])) for row in points if row["panel"] == "distance"}
        kinds = {
            kind: np.median([effect[name] for name in effect if name.endswith(kind)])
            for kind in ("weakened", "deleted", "created", "control")
        }
        assert min(kinds["deleted"], kinds["created"]) > kinds["weakened"] > kinds["control"], kinds

    def test_run_twice_recomputes_nothing(self, demo):
        assert "Nothing to be done" in run(demo, *DEMO)

    @pytest.fixture(scope="class")
    def report(self, demo):
        run(demo, "report_pages", *DEMO)
        run(demo, "report_pages", "--report", "report.html", "--configfile", *CONFIGS)
        return demo / "report.html"

    def test_the_report_needs_no_other_file(self, report):
        asked = Links(report.read_text(encoding="utf-8")).found
        assert not [link for link in asked if not link.startswith(("data:", "#", "javascript:"))]

    def test_a_browser_shows_the_report(self, report):
        with chromium() as browser:
            shown = Report(browser, report)
            figures = shown.labels("Figures")
            assert [label.split(":")[0] for label in figures] == sorted(FIGURES)
            for label in figures:
                shown.show(label)
                assert shown.image() > 500, label
            assert "mean squared error alone" in shown.caption(next(label for label in figures if "fig3_1" in label))
            assert all(len(caption) > 60 for caption in browser.execute_script(CAPTIONS))
            assert len(shown.labels("Figures as PDF")) == len(FIGURES)
            titles = {}
            for category in ("Tables", "Run"):
                for label in shown.labels(category):
                    shown.show(label)
                    with shown.page() as page:
                        titles[label] = page.find_element("tag name", "h1").text
            assert len(titles) == 10 and titles["Methods"] == "Methods", titles
            shown.labels("Tables")
            shown.show("Scores")
            with shown.page() as page:
                for way in (False, True):
                    page.find_element("css selector", "th:nth-child(5) button").click()
                    cells = page.find_elements("css selector", "table:first-of-type td:nth-child(5)")
                    means = [float(cell.text) for cell in cells if cell.text]
                    assert len(means) > 10 and means == sorted(means, reverse=way)
            asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
            assert not [name for name in asked if not name.startswith(("data:", "blob:"))]
            assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]

    def test_the_pages_say_what_ran(self, demo, report):
        usage = (demo / "results/demo/report/all/usage.html").read_text(encoding="utf-8")
        assert "no benchmark" not in usage and "more memory than asked" not in usage
        for name in ("fit_head", "finetune_backbone", "write_methods"):
            assert f">{name.replace('_', '_<wbr>')}<" in usage
        provenance = (demo / "results/demo/report/all/provenance.html").read_text(encoding="utf-8")
        genome = json.loads((demo / "results/demo/genome/grch38.json").read_text())["sha256"]
        assert genome in provenance.replace("<wbr>", "") and "float32" in provenance

    def test_a_new_loss_weight_reruns_only_that_loss(self, demo):
        (demo / "mine.yaml").write_text(json.dumps({"losses": {"hybrid_10": {"alpha": 20}}}))
        jobs, planned = planned_jobs(run(demo, "-n", *DEMO, "mine.yaml", "--quiet", "rules"))
        assert {line.split()[0]: int(line.split()[1]) for line in planned.splitlines() if "_" in line} == {
            "fit_head": 5,
            "finetune_backbone": 1,
            "attend_run": 1,
            "evaluate_run": 6,
            "tabulate_scores": 4,
            "tabulate_attention": 2,
            "tabulate_leakage": 1,
            "draw_figure": 6,
        }

    def test_new_targets_repeat_no_inference(self, demo):
        (demo / "mine.yaml").write_text(json.dumps({"expression": {"pseudocount": 0.01}}))
        _, planned = planned_jobs(run(demo, "-n", *DEMO, "mine.yaml", "--quiet", "rules"))
        rules = {line.split()[0] for line in planned.splitlines() if "_" in line}
        assert rules == {
            "compute_targets",
            "fit_head",
            "finetune_backbone",
            "attend_run",
            "evaluate_run",
            "evaluate_baseline",
            "tabulate_attention",
            "tabulate_scores",
            "score_variants",
            "join_variants",
            "compare_effects",
            "tabulate_variants",
            "tabulate_models",
            "tabulate_sources",
            "tabulate_variation",
            "tabulate_leakage",
            "draw_figure",
        }

    def test_an_edit_of_the_plots_redraws_and_computes_nothing(self, demo):
        plots = demo / "workflow/scripts/chrom2expr/figures/plots.py"
        before = plots.read_text()
        plots.write_text(before + "\nEDITED = 1\n")
        try:
            _, planned = planned_jobs(run(demo, "-n", *DEMO, "--quiet", "rules"))
        finally:
            plots.write_text(before)
        assert {line.split()[0] for line in planned.splitlines() if "_" in line} == {"draw_figure"}

    def test_comments_and_docstrings_everywhere_and_unused_entries_plan_nothing(self, demo):
        scripts, kept = demo / "workflow" / "scripts", demo / "kept"
        shutil.copytree(scripts, kept)
        try:
            for file in scripts.rglob("*.py"):
                file.write_text(rewritten(file.read_text()))
            edited = run(demo, "-n", *DEMO)
        finally:
            shutil.rmtree(scripts)
            kept.rename(scripts)
        assert "Nothing to be done" in edited
        entries = {section: entry for section, entry in UNUSED.items() if section != "figures"}
        (demo / "unused.yaml").write_text(json.dumps({**entries, "backbones": {"lab": UNUSED_BACKBONE}}))
        assert "Nothing to be done" in run(demo, "-n", *DEMO, "unused.yaml")

    def test_another_workflow_draws_a_figure_below_its_prefix(self, demo, tmp_path):
        """What is there of the demo is taken over; one fit is made anew, and what follows from it."""
        for folder in ("results", "resources"):
            shutil.copytree(demo / folder, tmp_path / "lab" / folder)
        figures = tmp_path / "lab/results/demo/figures"
        expected = (figures / "fig3_1.png").read_bytes()
        for file in figures.glob("fig3_1.*"):
            file.unlink()
        fitted = tmp_path / "lab/results/demo/models/beluga_predicted/chromatin/multi_cnn/mse"
        shutil.rmtree(fitted)
        (tmp_path / "Snakefile").write_text(
            "".join(f"configfile: {str(demo / name)!r}\n" for name in ("config/config.yaml", *CONFIGS))
            + f"module chrom2expr:\n    snakefile: {str(demo / 'workflow/Snakefile')!r}\n    config: config\n"
            "    prefix: 'lab'\nuse rule * from chrom2expr as chrom2expr_*\n"
        )
        forced = ["--forcerun", "chrom2expr_tabulate_scores", "--rerun-triggers", "mtime"]
        text = run(tmp_path, "lab/results/demo/figures/fig3_1.pdf", "--cores", "2", "--resources", "gpu=2", *forced)
        assert "rule chrom2expr_fit_head" in text and "chrom2expr_predict_tracks" not in text
        assert (fitted / "model.pt").is_file() and (figures / "fig3_1.png").read_bytes() == expected
        assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", "lab", ".snakemake"}

    def test_no_job_takes_4_gib(self, demo):
        peaks = {}
        for file in (demo / "results/demo/benchmarks").rglob("*.tsv"):
            value = table(file)[0]["max_rss"]
            peaks[str(file)] = 0 if value in ("-", "NA") else float(value)
        assert len(peaks) > 70
        assert max(peaks.values()) < 4096, max(peaks, key=peaks.get)

    def test_a_damaged_shard_is_named_and_nothing_is_half_written(self, demo):
        shard = demo / "results/demo/features/beluga_experimental/001.h5"
        before = shard.read_bytes()
        shard.write_bytes(before[: len(before) // 2])
        merged = demo / "results/demo/features/beluga_experimental.h5"
        try:
            result = snakemake(str(merged.relative_to(demo)), "--forcerun", "merge_features", *DEMO, cwd=demo)
        finally:
            shard.write_bytes(before)
        assert result.returncode != 0
        assert "beluga_experimental/001.h5" in result.stdout + result.stderr
        assert "delete it" in result.stdout + result.stderr
        assert not merged.exists()


@pytest.mark.slow
def test_the_real_gene_table_gives_the_thesis_counts(copy, shared_data, tmp_path):
    genes = 24_339
    with open(tmp_path / "expression.csv", "w") as handle:
        tissues = np.random.default_rng(0).lognormal(size=(genes, 218)).round(3)
        pd.DataFrame(tissues, index=range(1, genes + 1), columns=[f"tissue {k}" for k in range(218)]).to_csv(handle)
    overlay = tmp_path / "real.yaml"
    overlay.write_text(
        json.dumps(
            {
                "resources": {
                    "gene_annotation": {"path": str(shared_data / "geneanno.csv")},
                    "liftover_chain": {"path": str(shared_data / "hg19ToHg38.over.chain.gz")},
                    "gene_expression": {"path": str(tmp_path / "expression.csv")},
                }
            }
        )
    )
    splits = [f"results/genes/splits/{name}.tsv" for name in ("chr14", "chr8")]
    run(copy, *splits, "--cores", "2", "--configfile", str(overlay))
    kept = pd.read_csv(copy / "results/genes/tss.tsv", sep="\t")
    dropped = pd.read_csv(copy / "results/genes/dropped.tsv", sep="\t")
    assert len(kept) == 22_828
    chr14, chr8 = (pd.read_csv(copy / path, sep="\t")["split"].value_counts().to_dict() for path in splits)
    assert chr14 == {"train": 21_988, "val": 420, "test": 420}
    assert chr8 == {"train": 21_838, "val": 495, "test": 495}
    assert len(dropped) == genes - 22_828 and dropped["reason"].str.len().min() > 3
    assert not set(kept["gene_id"]) & set(dropped["gene_id"])


@pytest.mark.slow
def test_the_full_size_enformer_runs_on_real_sequence(copy, shared_data, tmp_path):
    """251 M random parameters, 196,608 bp of chr22, 5,313 tracks, through the rules."""
    chr22 = (shared_data / "hg38_chr22_32000000_32300000.fa").read_text()
    length = sum(len(line) for line in chr22.splitlines()[1:])
    (tmp_path / "genome.fa").write_text(chr22.rstrip() + "\n>chr1\n" + "ACGT" * 250 + "\n")
    lengths = {"chr22": length, "chr1": 1000}
    (tmp_path / "identity.chain").write_text(
        "".join(
            f"chain 1000 {c} {n} + 0 {n} {c} {n} + 0 {n} {k}\n{n}\n\n" for k, (c, n) in enumerate(lengths.items(), 1)
        )
    )
    places = [("chr22", 150_001), ("chr22", 160_001), ("chr1", 500)]
    (tmp_path / "genes.csv").write_text(
        "id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type\n"
        + "".join(f"G{k},S{k},{c},+,{p},{p},protein_coding\n" for k, (c, p) in enumerate(places))
    )
    (tmp_path / "expression.csv").write_text(",a,b\n1,0.5,1\n2,0,3\n3,2,2\n")
    torch.manual_seed(0)
    enformer.save(enformer.build({"output_heads": {"human": 5313}}), tmp_path / "weights")
    paths = {
        "gene_annotation": "genes.csv",
        "gene_expression": "expression.csv",
        "liftover_chain": "identity.chain",
        "genome_grch37": "genome.fa",
        "genome_grch38": "genome.fa",
        "enformer_weights": "weights",
    }
    resources = {name: {"path": str(tmp_path / path)} for name, path in paths.items()}
    resources["enformer_tracks"] = {"path": str(shared_data / "targets_human.txt")}
    overlay = tmp_path / "full.yaml"
    overlay.write_text(
        json.dumps(
            {
                "pathvars": {
                    name: str(tmp_path / "out" / name) for name in ("results", "resources", "logs", "benchmarks")
                },
                "resources": resources,
                "threads": {"predict_tracks": 2},
                "backbones": {name: {"shards": 3} for name in ("enformer", "beluga")},
                "splits": {name: {"held_out": ["chr22"]} for name in ("chr14", "chr8")},
            }
        )
    )
    shard = tmp_path / "out/results/features/enformer_predicted/000.h5"
    run(copy, str(shard), "--cores", "2", "--configfile", str(overlay))
    with store_reader.FeatureStore(shard) as features:
        values = features.select(["G0"], tracks="all").read(np.array([0]))
        assert values.shape == (1, 896, 5313)
        assert (features.track_type == "cage").sum() == 638
        assert np.isfinite(values).all() and values.astype(np.float32).std() > 0
        assert features.file.shapes["central_embedding"] == (1, 3072)
