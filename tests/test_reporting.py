"""The pages of a report: what they are about, what they hide, and what they say of jobs, files and grids."""

import copy
import json
import math
import re
import subprocess
from pathlib import Path

import pytest

from chrom2expr.config import folds, overlays, schema
from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.files.tables import write_table
from chrom2expr.files.whole import sha256
from chrom2expr.reporting import masking, provenance, results, scope, settings, software, usage
from planned_jobs import planned_jobs
from test_pages import Reader
from test_planning import job

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def thesis():
    return folds.spread(schema.checked(overlays.read([ROOT / "config/config.yaml"])))


@pytest.fixture(scope="module")
def demo():
    return folds.spread(schema.checked(overlays.read([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])))


def rows(page, columns):
    """The rows of all tables of so many columns, one after another, without their heads."""
    cells = Reader(page.read_text(encoding="utf-8")).cells
    return [tuple(cells[start : start + columns]) for start in range(0, len(cells), columns)]


# --- what a report is about --------------------------------------------------------------------------------------


def test_a_report_is_about_its_figures_alone(thesis):
    one = scope.scope(thesis, "fig3_1")
    assert one.figures == ["fig3_1"] and {run["head"] for run in one.runs} == {"multi_cnn"}
    assert set(one.sources) == {
        f"{name}_{kind}" for name in ("enformer", "beluga") for kind in ("predicted", "experimental")
    }
    two = scope.scope(thesis, "fig3_1+fig3_6")
    assert {run["head"] for run in two.runs} == {"multi_cnn", "finetuned"} and "enformer_50kb" in two.sources
    # An overview fits nothing, and reads measured tracks alone.
    overview = scope.scope(thesis, "fig2_1")
    assert not overview.runs and set(overview.sources) == {"enformer_experimental", "beluga_experimental"}


def test_the_report_of_all_figures_has_all_variants(demo):
    everything = scope.scope(demo, "all")
    assert everything.figures == list(demo["figures"]) and everything.variants == ["planted"]
    assert len(everything.runs) == len({tuple(run.values()) for run in everything.runs}) == 55
    assert scope.scope(demo, "fig3_1").variants == [] and scope.scope(demo, "variants").variants == ["planted"]


def test_runs_of_folds_are_those_of_each(thesis):
    config = copy.deepcopy(thesis)
    config["splits"]["chr14"] = {"folds": 3}
    found = scope.fitted_runs(folds.spread(config), "fig3_1")
    of_folds = [f"enformer_predicted@fold{fold}/chromatin/multi_cnn/mse" for fold in range(3)]
    assert set(of_folds) < set(found) and "enformer_predicted/chromatin/multi_cnn/mse" not in found
    assert "beluga_predicted/chromatin/multi_cnn/mse" in found and len(found) == 8


# --- what is secret ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pass@example.org/a", "https://***@example.org/a"),
        ("https://token@example.org/a@b", "https://***@example.org/a@b"),
        ("https://example.org/a?token=abc&x=1#end", "https://example.org/a?token=***&x=***#end"),
        ("https://example.org/get?file={identifier}&key=abc", "https://example.org/get?file={identifier}&key=***"),
        ("https://example.org/@@download/{identifier}.bw", "https://example.org/@@download/{identifier}.bw"),
        ("mail@example.org: a=b?c=d", "mail@example.org: a=b?c=d"),
    ],
)
def test_addresses_are_shown_without_what_is_secret(address, shown):
    assert masking.masked(address) == shown
    assert masking.masked({address: [{"url": address}, 1, None]}) == {shown: [{"url": shown}, 1, None]}


def test_no_secret_of_a_config_reaches_the_report(tmp_path):
    """Neither on its pages, which are made of params, nor in the params, which Snakemake shows beside them."""
    secret = {"resources": {"genome_grch38": {"url": "https://me:hush@example.org/a.fa?key=hush"}}}
    templates = {"E": "https://me:hush@example.org/{identifier}.bw?key=hush"}
    secret |= {"sources": {"beluga_experimental": {"bigwigs": templates}}}
    secret |= {"mirror": {"https://example.org": "https://me:hush@example.com"}}
    (tmp_path / "secret.yaml").write_text(json.dumps(secret))
    jobs = planned_jobs(["report_pages"], [tmp_path / "secret.yaml"])
    shown = {
        "describe_run",
        "plan_run",
        "tabulate_catalogue",
        "tabulate_leakage",
        "tabulate_reproduction",
        "write_methods",
    }
    shown |= {"draw_figure", "tabulate_results"}
    assert shown <= {rule for rule, _ in jobs}
    for (rule, _), found in jobs.items():
        said = json.dumps(found.params)
        assert rule not in shown or "hush" not in said, rule
        assert rule not in ("describe_run", "plan_run", "tabulate_catalogue") or "***@example.org" in said, rule


# --- config ------------------------------------------------------------------------------------------------------


def test_changes_are_those_of_the_config_below():
    below = {"seed": 1, "heads": {"a": {"grid": {"x": [1, 2]}, "label": "A"}}, "splits": {}}
    given = {"seed": 1, "heads": {"a": {"grid": {"x": [1, 3]}, "label": "A"}, "b": {"type": "ridge"}}, "splits": {}}
    assert list(settings.changes(given, below)) == [
        ("heads.a.grid.x", "[1, 3]", "[1, 2]"),
        ("heads.b.type", "ridge", ""),
    ]
    assert not list(settings.changes(given, given))


def test_the_page_of_the_config_has_all_of_it(tmp_path):
    settings.write(tmp_path / "config.html", {"seed": 2, "a": {"b": ["ä"]}}, {"seed": 2}, {"seed": 1})
    assert rows(tmp_path / "config.html", 3)[1:] == [("seed", "2", "1")]
    assert "seed: 2\na:\n  b:\n  - ä\n" in (tmp_path / "config.html").read_text(encoding="utf-8")


# --- usage -------------------------------------------------------------------------------------------------------


def ran(folder, name, seconds, memory, **more):
    """A job that left a benchmark file as Snakemake writes it, its memory in MiB."""
    (folder / f"{name}.tsv").write_text(f"s\th:m:s\tmax_rss\tmax_vms\n{seconds}\t0:00:01\t{memory}\t9\n")
    return job(benchmark=str(folder / f"{name}.tsv"), **more)


def test_usage_is_what_the_benchmark_files_say(tmp_path):
    jobs = [ran(tmp_path, name, seconds, 100 * seconds, threads=2) for name, seconds in (("a", 1), ("b", 9), ("c", 2))]
    jobs += [job("download", benchmark=str(tmp_path / "none.tsv"))]
    one, other = usage.by_rule(jobs)
    assert (one.rule, one.jobs, one.measured, one.threads, one.remark) == ("evaluate_run", 3, 3, 2, "")
    assert (one.median_s, one.longest_s, one.total_s, one.runtime_asked_min) == (2, 9, 12, 60)
    assert (one.median_mb, one.peak_mb, one.mem_mb_asked) == pytest.approx((200 * 1.048576, 900 * 1.048576, 1000))
    assert (other.jobs, other.measured, other.remark) == (1, 0, usage.NONE)
    assert math.isnan(other.total_s) and math.isnan(other.peak_mb)


@pytest.mark.parametrize(
    ("seconds", "memory", "remark"),
    [
        (3601, 1, usage.LONGER),
        (1, 960, usage.MORE),
        (3601, 960, f"{usage.MORE}; {usage.LONGER}"),
        (1, "NA", usage.UNSEEN),
    ]
    + [(3600, 953, "")],
)
def test_usage_says_what_asked_for_too_little(tmp_path, seconds, memory, remark):
    """A job asks for an hour and 1,000 MB, which are 953.7 MiB."""
    [row] = usage.by_rule([ran(tmp_path, "a", seconds, memory)])
    assert row.remark == remark


def test_usage_counts_the_jobs_without_a_benchmark(tmp_path):
    jobs = [ran(tmp_path, "a", 1, 1), job()]
    [row] = usage.by_rule(jobs)
    assert (row.jobs, row.measured, row.remark) == (2, 1, usage.SOME)
    usage.write(tmp_path / "usage.html", jobs)
    text = (tmp_path / "usage.html").read_text(encoding="utf-8")
    assert "2 jobs, 1 of them with a benchmark file" in text and usage.SOME in text


# --- provenance --------------------------------------------------------------------------------------------------


def test_inputs_are_what_no_job_makes_and_all_resources(tmp_path):
    own, fetched, folder = tmp_path / "own.csv", tmp_path / "weights/w.pth", tmp_path / "records"
    fetched.parent.mkdir()
    folder.mkdir()
    own.write_text("a")
    fetched.write_text("b")
    config = {"pathvars": {"resources": str(tmp_path)}}
    config["resources"] = {
        "genes": {"path": str(own)},
        "weights": {"url": "https://example.org/w.pth"},
        "other": {"obtain": "no"},
    }
    Record(tmp_path).add("weights", "w.pth", 1, "f" * 64, "https://me:x@example.org/w.pth?k=1")
    jobs = [
        job("download", output=(str(fetched),)),
        job("lift_genes", input=(str(own), str(folder), str(tmp_path / "gone")), output=(str(tmp_path / "tss.tsv"),)),
        job("fit_head", input=(str(fetched), str(tmp_path / "tss.tsv"))),
    ]
    found = {Path(read.file).name: read for read in provenance.read_from_elsewhere(jobs, config)}
    assert set(found) == {"w.pth", "own.csv", "records", "gone"}
    assert found["own.csv"][:1] + found["own.csv"][2:] == ("genes", 1, sha256(own), "")
    assert found["w.pth"].sha256 == "f" * 64 and found["w.pth"].address == "https://example.org/w.pth"
    assert found["records"].sha256 == provenance.FOLDER and found["gone"].sha256 == provenance.GONE


def test_models_are_those_of_the_summaries(tmp_path):
    folder = tmp_path / "models/s/all/ridge/mse"
    (folder / "jobs/000").mkdir(parents=True)
    genes = {"train": {"all": 7, "missing_values": 2}, "val": {"all": 3, "missing_values": 0}, "test": {"all": 4}}
    summary = {"device": "cpu", "tracks": 5, "tissues": 6, "genes": genes}
    for file in (folder / "summary.json", folder / "jobs/000/summary.json"):
        file.write_text(json.dumps(summary))
    outputs = [(str(folder / "model.pt"), str(folder / "summary.json")), (str(folder / "jobs/000/summary.json"),)]
    jobs = [job("fit_head", output=output) for output in outputs] + [job()]
    assert list(provenance.models(jobs)) == [("s/all/ridge/mse", "cpu", 5, 6, 7, 3, 4, 2)]
    (folder / "summary.json").write_text('{"device"')
    with pytest.raises(InputError, match="summary.json"):
        list(provenance.models(jobs))


def test_the_commit_is_that_of_the_clone_and_says_what_changed(tmp_path):
    assert software.commit(tmp_path) == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "untracked").write_text("1")
    assert software.commit(tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert software.commit(tmp_path) == f"{head}, and changed since"


def test_packages_are_those_of_the_environments():
    files = sorted((ROOT / "workflow/envs").glob("*.yaml"))
    found = {package.name: package for package in software.packages(files)}
    assert {"torch", "numpy", "snakemake", "pyBigWig"} <= set(found)
    assert found["torch"].environments == "model, model_cpu" and "model" in found["numpy"].environments.split(", ")
    assert found["numpy"].installed and found["numpy"].pinned
    assert software.package_version("no-such-package") == "unknown"


def test_no_name_of_host_or_user_is_told():
    import getpass
    import socket

    told = " ".join(value for _, value in software.computed_with(ROOT))
    words = re.findall(r"[\w-]+", told)
    assert socket.gethostname() not in words and getpass.getuser() not in words


# --- results -----------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_figures_tables(tmp_path):
    header = ["figure", "panel", "series", "x", "mean", "sem", "n", "undefined", "thesis", "ci_low", "ci_high", "run"]
    write_table(tmp_path / "a.tsv", header, [["a", "p", "s", "x", 0.25, 0.5, 7, 0, math.nan, 0.1, 0.9, "r"]])
    pairs = [
        "figure",
        "panel",
        "series_a",
        "x_a",
        "series_b",
        "x_b",
        "difference",
        "ci_low",
        "ci_high",
        "p_wilcoxon",
        "n",
        "undefined",
    ]
    write_table(tmp_path / "a.pairs.tsv", pairs, [["a", "p", "s", "x", "t", "y", 0.5, 0.25, 0.75, 0.125, 7, 0]])
    results.write_scores(tmp_path / "scores.html", [tmp_path / "a.tsv"], [tmp_path / "a.pairs.tsv"])
    cells = Reader((tmp_path / "scores.html").read_text()).cells
    assert cells[14:28] == ["a", "p", "s", "x", "0.25", "0.5", "0.1", "0.9", "7", "0", "", "", "", "r"]
    assert cells[40:] == ["a", "p", "s", "x", "t", "y", "0.5", "0.25", "0.75", "0.125", "7", "0"]


def test_a_row_of_grids_is_a_point_of_a_run(tmp_path):
    network = ["learning_rate", "status", "epochs", "epoch", "validation_loss", "validation_cross_gene", "chosen"]
    write_table(
        tmp_path / "cnn.tsv",
        network,
        [[0.5, "ok", 6, 4, 3.0, 0.25, "yes"], [1, "diverged", 1, 0, math.nan, math.nan, "no"]],
    )
    ridge = ["tissue", "penalty", "validation_cross_gene", "validation_genes", "rank", "chosen"]
    tissues = [
        ["t", 1, 0.5, 9, 1, "yes"],
        ["t", 2, 0.25, 9, 2, "no"],
        ["u", 1, 0.75, 9, 3, "yes"],
        ["u", 2, math.nan, 9, 4, "no"],
    ]
    write_table(tmp_path / "ridge.tsv", ridge, tissues)
    results.write_grids(
        tmp_path / "grids.html",
        [("cnn", ["learning_rate"]), ("ridge", ["penalty"])],
        [tmp_path / "cnn.tsv", tmp_path / "ridge.tsv"],
    )
    assert rows(tmp_path / "grids.html", 10) == [
        ("run", "learning_rate", "penalty", "models", "chosen", "diverged", "epochs", "epoch", "validation_loss", "validation_cross_gene"),
        ("cnn", "0.5", "", "1", "1", "0", "6", "4", "3", "0.25"),
        ("cnn", "1", "", "1", "0", "1", "1", "0", "", ""),
        ("ridge", "", "1", "2", "2", "0", "", "", "", "0.625"),
        ("ridge", "", "2", "2", "0", "0", "", "", "", "0.25"),
    ]  # fmt: skip


def test_dropped_genes_are_counted_by_reason_and_no_page_is_endless(tmp_path):
    header = ["gene_id", "symbol", "gene_type", "chrom_a", "tss_a", "line", "reason"]
    genes = [[f"g{line}", "", "", "chr1", 5, line, "odd" if line % 2 else "even"] for line in range(7_001)]
    write_table(tmp_path / "dropped.tsv", header, genes)
    results.write_dropped(tmp_path / "dropped.html", tmp_path / "dropped.tsv")
    text = (tmp_path / "dropped.html").read_text()
    cells = Reader(text).cells
    assert cells[2:6] == ["even", "3,501", "odd", "3,500"] and "7,001 genes" in text
    assert "g4999" in text and "g5000" not in text and "5,000 of them" in text
    write_table(tmp_path / "dropped.tsv", header, genes[:3])
    results.write_dropped(tmp_path / "dropped.html", tmp_path / "dropped.tsv")
    assert rows(tmp_path / "dropped.html", 1)[-15:-10] == [("g0",), ("",), ("",), ("0",), ("even",)]
