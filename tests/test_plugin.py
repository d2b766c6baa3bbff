"""An installed package (tests/plugin_example) is used from a config, without an edit to chrom2expr."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib.image import imread

import dry_runs
from chrom2expr import registry
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks.store_reader import FeatureStore
from chrom2expr.tracks.track_tables import read_tracks
from planned_jobs import planned_jobs, reruns
from small_workflow import ENFORMER, STEPS, each
from small_world import ENFORMER_TRACKS, Raw, World, changed, of

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "tests" / "plugin_example"
PACKAGE = "chrom2expr_example"
SETTINGS = {"width": 6, "layers": 2, "pooling": "max"}
NAMES = {
    "backbones": "dilated",
    "heads": "nearest_genes",
    "losses": "huber",
    "figures": "score_plane",
    "reductions": "sides",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that the package is installed in."""
    folder = tmp_path_factory.mktemp("installed")
    # A build writes into the folder that it builds.
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def run(site, *command, cwd=ROOT):
    """(exit status, text) of a module of Python, where the package is installed."""
    command = [sys.executable, "-m", *command]
    done = subprocess.run(
        command, cwd=cwd, env=dry_runs.environment(PYTHONPATH=site), check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def dry_run(site, folder, changes=None):
    """(exit status, text) of a dry run of the example's figure, its results in a folder that has none."""
    (folder / "dilated.pth").touch()
    roots = {name: f"{folder}/{name}" for name in ("results", "resources", "logs", "benchmarks")}
    own = {"pathvars": roots, "resources": {"dilated_weights": {"path": f"{folder}/dilated.pth"}}}
    (folder / "own.yaml").write_text(json.dumps(own | (changes or {})))
    overlays = ["--configfile", str(EXAMPLE / "config.yaml"), str(folder / "own.yaml")]
    done = dry_runs.snakemake("-n", *overlays, "--", f"{folder}/results/figures/plane.pdf", PYTHONPATH=str(site))
    return done.returncode, done.stdout + done.stderr


def test_a_dry_run_plans_its_jobs_which_depend_on_its_code(site, tmp_path):
    roots = {name: f"{tmp_path}/{name}" for name in ("results", "resources", "logs", "benchmarks")}
    own = {"pathvars": roots, "resources": {"dilated_weights": {"path": f"{tmp_path}/dilated.pth"}}}
    (tmp_path / "dilated.pth").touch()
    (tmp_path / "own.yaml").write_text(json.dumps(own))
    asked = [[f"{tmp_path}/results/figures/plane.pdf"], [EXAMPLE / "config.yaml", tmp_path / "own.yaml"]]
    before = planned_jobs(*asked, site=site)
    for module, rules, fitted in (
        ("dilated", {"predict_tracks"}, set()),
        ("sides", {"reduce_features"}, set()),
        ("score_plane", {"tabulate_scores", "draw_figure"}, set()),
        ("nearest_genes", {"fit_head"}, {("nearest_genes", "mse")}),
        ("huber", {"fit_head"}, {("multi_cnn", "huber")}),
    ):
        copy = shutil.copytree(site, tmp_path / module)
        with open(copy / PACKAGE / f"{module}.py", "a") as file:
            file.write("\nEDITED = 1\n")
        found = reruns(before, planned_jobs(*asked, site=copy))
        assert {rule for rule, _ in found} == rules, module
        assert {Path(made).parts[-3:-1] for rule, made in found if rule == "fit_head"} == fitted
    copy = shutil.copytree(site, tmp_path / "newer")
    [metadata] = copy.glob("*.dist-info/METADATA")
    metadata.write_text(re.sub(r"^Version: .*$", "Version: 99", metadata.read_text(), flags=re.MULTILINE))
    found = reruns(before, planned_jobs(*asked, site=copy))
    assert {rule for rule, _ in found} == {
        "predict_tracks",
        "reduce_features",
        "fit_head",
        "tabulate_scores",
        "draw_figure",
    }
    assert sum(rule == "predict_tracks" for rule, _ in before) == 2


def test_mistyped_settings_are_refused_by_their_names(site, tmp_path):
    mistyped = {
        "backbones": {"dilated": {"settings": {"poling": "max"}}},
        "heads": {"nearest_genes": {"grid": {"neighbors": [8]}}},
        "losses": {"huber": {"detla": 1}},
        "figures": {"plane": {"upp": "cross_gene"}},
    }
    status, text = dry_run(site, tmp_path, mistyped)
    assert status != 0 and "Traceback" not in text
    for message in (
        "backbones.dilated.settings.poling: is unknown; known are width, layers, pooling",
        "heads.nearest_genes.grid.neighbors: is unknown; known are neighbours",
        "losses.huber.detla: is unknown; known are type, label, delta",
        "figures.plane.upp: is unknown; known are kind, runs, groups, series, caption, across, up",
    ):
        assert message in text


def test_its_classes_keep_the_contracts(site):
    """As docs/extending.md tells a lab to see."""
    files = [
        "test_backbones",
        "test_heads_contract",
        "test_losses_contract",
        "test_plots",
        "test_reductions_contract",
    ]
    chosen = " or ".join(NAMES.values())
    status, text = run(site, "pytest", "-p", "no:cacheprovider", "-k", chosen, *(f"tests/{file}.py" for file in files))
    assert status == 0, text
    assert int(re.search(r"(\d+) passed", text)[1]) > 25


# --- what they compute, through the scripts ------------------------------------------------------------------------

LOSS = {"type": "huber", "delta": 0.5}
RUNS = [
    {
        "run": "dilated/chromatin/nearest_genes/huber",
        "source": "mine",
        "series": "Nearest genes",
        "x": "Dilated",
        "colour": "",
    },
    {
        "run": "dilated/chromatin/multi_cnn/huber",
        "source": "mine",
        "series": "CNN",
        "x": "Dilated",
        "colour": "tab:red",
    },
    {"run": "baseline/chr14", "x": "Dilated"},
]
FIGURE = {"across": "cross_gene", "up": "cross_celltype"}
SHARDS = each("predict_dilated_0", "predict_dilated_1")
SCORED = ("evaluate_nearest", "evaluate_huber", "baseline")


def with_plugin(step, **changes):
    return changed(STEPS[step], {place.replace("__", "."): value for place, value in changes.items()})


STEPS_OF_ITS_OWN = {
    **{
        f"predict_dilated_{shard}": with_plugin(
            f"predict_{shard}",
            input__weights=Raw("dilated.pth"),
            params__type="dilated",
            params__settings=SETTINGS,
            params__source="dilated",
        )
        for shard in range(2)
    },
    "merge_dilated": with_plugin("merge_predicted", input__shards=SHARDS),
    "sides": with_plugin("sums", input__features=of("merge_dilated"), input__shards=SHARDS, params__reduction="sides"),
    "fit_nearest": with_plugin(
        "fit_ridge",
        input__features=of("sides"),
        params__type="nearest_genes",
        params__features="sides",
        params__settings={"sharpness": 2.0},
        params__grid={"neighbours": [2, 4]},
        params__loss=LOSS,
    ),
    "fit_huber": with_plugin("fit_cnn", input__features=of("merge_dilated"), input__shards=SHARDS, params__loss=LOSS),
    "evaluate_nearest": with_plugin("evaluate_ridge", input__predictions=of("fit_nearest", "predictions")),
    "evaluate_huber": with_plugin("evaluate_cnn", input__predictions=of("fit_huber", "predictions")),
    "tabulate_plane": with_plugin(
        "tabulate_scores",
        input__scores=each(*SCORED, name="scores"),
        input__bootstrap=each(*SCORED, name="bootstrap"),
        params__figure="plane",
        params__kind="score_plane",
        params__settings=FIGURE,
        params__runs=RUNS,
    ),
    "draw_plane": with_plugin(
        "draw",
        input__table=of("tabulate_plane", "table"),
        params__figure="plane",
        params__kind="score_plane",
        params__settings=FIGURE,
    ),
}


@pytest.fixture(scope="module")
def world(site, tmp_path_factory):
    """The small world, in a process that the package is installed for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        registry.find.cache_clear()
        registry._installed.cache_clear()
        world = World(tmp_path_factory.mktemp("world"), {**STEPS, **STEPS_OF_ITS_OWN})
        torch.manual_seed(0)
        backbone = registry.find("backbones", "dilated").load()
        made = backbone.build({}, Geometry.from_config(ENFORMER), SETTINGS, len(ENFORMER_TRACKS))
        made.save(world.raw / "dilated.pth")
        yield world
    registry.find.cache_clear()
    registry._installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_the_installed_file_is_found(world, site, kind, name):
    assert registry.find(kind, name).path.is_relative_to(site)
    assert name in registry.names(kind)


def test_its_tracks_and_reduced_features(world):
    with FeatureStore(world.make("merge_dilated").output[""]) as store:
        tracks = store.select(store.gene_id, "chromatin", "gene").read(np.arange(len(store.gene_id)))
    assert np.isfinite(tracks).all() and (tracks.std(axis=(0, 1)) > 1e-4).all()
    reduced = world.make("sides").content.numbers["[0]/features"]
    means = [side.mean(axis=1, dtype=np.float32) for side in np.array_split(tracks, 2, axis=1)]
    np.testing.assert_allclose(reduced, np.concatenate(means, axis=1), rtol=1e-6)


@pytest.mark.parametrize("step", ["fit_nearest", "fit_huber"])
def test_its_head_and_its_loss_are_fitted_and_scored(world, step):
    made = world.make(step)
    predictions = read_predictions(made.output["predictions"])
    assert np.isfinite(predictions.predicted).all() and (predictions.predicted.std(axis=0) > 1e-3).all()
    grid = pd.read_csv(made.output["grid"], sep="\t")
    assert (grid["chosen"] == "yes").sum() == 1 and np.isfinite(grid["validation_loss"]).all()
    scores = pd.read_csv(world.make(step.replace("fit", "evaluate")).output["scores"][0], sep="\t")
    assert scores["score"].between(-1, 1).all()
    other = pd.read_csv(world.make(step, {"params.loss.delta": 5.0}).output["grid"], sep="\t")
    assert (grid["validation_loss"] != other["validation_loss"]).all()


def test_its_head_finds_the_nearest_genes(world):
    """Against the distances written out."""
    head = registry.find("heads", "nearest_genes").load().load(world.make("fit_nearest").output["model"])
    arrays = {name: array.numpy() for name, array in head.arrays.items()}
    genes = arrays["features"][[0, 3]] + 0.01
    there, here = ((values - arrays["mean"]) / arrays["spread"] for values in (arrays["features"], genes))
    for gene, found in zip(here, head(torch.from_numpy(genes)).numpy(), strict=True):
        distances = np.sqrt(np.square(there - gene).mean(axis=1))
        nearest = np.argsort(distances)[: head.metadata["neighbours"]]
        weights = np.exp(-2.0 * distances[nearest])
        np.testing.assert_allclose(found, weights @ arrays["observed"][nearest] / weights.sum(), rtol=1e-6)


def test_its_figure_is_drawn(world):
    table = pd.read_csv(world.make("tabulate_plane").output["table"], sep="\t")
    assert list(table["run"]) == [run["run"] for run in RUNS] * 2
    drawn = world.make("draw_plane").output
    picture = imread(drawn["png"])
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20
    assert Path(drawn["pdf"]).read_bytes().startswith(b"%PDF")
    kind = registry.find("figures", "score_plane").load()("plane", FIGURE)
    [axes] = kind.draw(kind.read(world.make("tabulate_plane").output["table"])).axes
    assert axes.get_xlabel() == "Spearman correlation, cross-gene"
    points = [container.lines[0].get_xydata()[0] for container in axes.containers]
    means = table.pivot(index="series", columns="metric", values="mean")
    np.testing.assert_allclose(points, means.loc[["Nearest genes", "CNN"], list(FIGURE.values())])


@pytest.mark.slow
def test_the_workflow_runs_it_on_the_demo_and_an_edit_repeats_its_jobs(site, undisturbed_folder, tmp_path):
    """Of the loss's file: its trainings and what follows from them, no others and no inference."""
    copy = Path(shutil.copytree(undisturbed_folder, tmp_path / "clone", symlinks=True))
    shutil.copytree(site, tmp_path / "site")
    weights = tmp_path / "dilated.pth"
    own = {"resources": {"dilated_weights": {"path": str(weights)}}, "backbones": {"dilated": {"settings": SETTINGS}}}
    (copy / "own.yaml").write_text(json.dumps(own))
    overlays = ["config/demo.yaml", "tests/shrunk_demo.yaml", "tests/plugin_example/config.yaml", "own.yaml"]

    def snakemake(*arguments):
        options = ["--cores", "2", "--resources", "gpu=2", *arguments, "--configfile", *overlays]
        table = "results/demo/figures/plane.tsv"
        status, text = run(tmp_path / "site", "snakemake", *options, "--", table, table.replace("tsv", "pdf"), cwd=copy)
        assert status == 0, text[-6000:]
        return text

    tracks = copy / "resources/demo/simulated/targets_human.txt"
    config = yaml.safe_load((EXAMPLE / "config.yaml").read_text())["backbones"]["dilated"]
    backbone = registry.find("backbones", f"{EXAMPLE}/{PACKAGE}/dilated.py:DilatedConvolutions").load()
    torch.manual_seed(0)
    made = backbone.build({}, Geometry.from_config(config["geometry"]), SETTINGS, len(read_tracks(tracks)))
    made.save(weights)
    snakemake()
    scored = pd.read_csv(copy / "results/demo/figures/plane.tsv", sep="\t")
    runs = scored[scored["series"] != "Training mean"]
    assert len(runs) == 6 and np.isfinite(runs["mean"]).all()
    assert "Nothing to be done" in snakemake("-n")
    with open(tmp_path / "site" / PACKAGE / "huber.py", "a") as file:
        file.write("\nHALF = 0.5\n")
    text = snakemake("-n")
    assert set(re.findall(r"^    output: .*/(\w+/\w+)/model.pt,", text, re.MULTILINE)) == {"multi_cnn/huber"}
    planned = set(re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE))
    assert planned == {"fit_head", "evaluate_run", "tabulate_scores", "draw_figure"}
