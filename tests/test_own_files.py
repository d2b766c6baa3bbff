"""Files of one's own (tests/own_files) and data are used from a config: a file and an entry each."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import stats

from chrom2expr.config import schema
from chrom2expr.errors import InputError
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.heads.finetuned import FineTunedBackbone
from dry_runs import snakemake
from planned_jobs import copied, planned_jobs, reruns
from small_workflow import METRICS, STEPS
from small_world import World, changed

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / "tests" / "own_files"
MLP, ELASTIC_NET = f"{OWN}/mlp.py:MLP", f"{OWN}/elastic_net.py:ElasticNet"
PAIRWISE = {"type": f"{OWN}/pairwise.py:Pairwise", "level": 0.2}
BIASES, PEARSON = f"{OWN}/biases.py:Biases", f"{OWN}/pearson.py:Pearson"


def dry_run(folder, changes=None):
    """(exit status, text) of a dry run of the figure of tests/own_files/config.yaml, where there are no results yet."""
    roots = {name: f"{folder}/{name}" for name in ("results", "resources", "logs", "benchmarks")}
    (folder / "own.yaml").write_text(json.dumps({"pathvars": roots, **(changes or {})}))
    (folder / "lab1.bw").touch()
    (folder / "data.yaml").write_text(
        json.dumps({"sources": {"lab": {"bigwigs": {"": f"{folder}/{{identifier}}.bw"}}}})
    )
    overlays = ["--configfile", str(OWN / "config.yaml"), str(folder / "data.yaml"), str(folder / "own.yaml")]
    done = snakemake("-n", *overlays, "--", f"{folder}/results/figures/lab.pdf")
    return done.returncode, done.stdout + done.stderr


FIGURE = "results/figures/lab.pdf"
CONFIG = ["tests/own_files/config.yaml"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A copy of the workflow and of the files, and the jobs of their figure there."""
    folder = copied(tmp_path_factory.mktemp("workflow"), "tests/own_files")
    (folder / "lab/bigwigs").mkdir(parents=True)
    (folder / "lab/bigwigs/lab1.bw").touch()
    return folder, planned_jobs([FIGURE], CONFIG, folder)


def test_data_of_ones_own_are_inputs(planned):
    def reading(file):
        return {job for job, found in planned[1].items() if f"tests/own_files/{file}" in found.inputs}

    assert {rule for rule, _ in reading("lab_tracks.txt")} == {"collect_bigwigs"}
    assert reading("lab_split.tsv") == {("split_genes", "results/genes/splits/lab.tsv")}


FITTED = "results/models/lab/chromatin/{}/model.pt"
TUNED = "results/models/enformer_50kb/embedding/finetuned_biases/mse/model.pt"


@pytest.mark.parametrize(
    ("file", "rules", "fitted"),
    [
        ("elastic_net.py", {"fit_head"}, {FITTED.format("elastic_net/mse")}),
        ("mlp.py", {"fit_head"}, {FITTED.format(f"mlp/{loss}") for loss in ("mse", "pairwise")}),
        ("pairwise.py", {"fit_head"}, {FITTED.format("mlp/pairwise")}),
        ("biases.py", {"finetune_backbone"}, {TUNED}),
        ("pearson.py", {"evaluate_run", "evaluate_baseline", "tabulate_scores"}, set()),
    ],
)
def test_an_edit_reruns_the_jobs_that_load_the_file(planned, file, rules, fitted):
    folder, before = planned
    path = folder / "tests/own_files" / file
    text = path.read_text()
    path.write_text(text + "\nEDITED = 1\n")
    try:
        found = reruns(before, planned_jobs([FIGURE], CONFIG, folder))
    finally:
        path.write_text(text)
    assert {rule for rule, _ in found} == rules
    assert {output for rule, output in found if rule in ("fit_head", "finetune_backbone")} == fitted


def test_mistyped_settings_are_refused_by_their_names(tmp_path):
    mistyped = {
        "heads": {
            "elastic_net": {"settings": {"l1_ration": 0.5}},
            "mlp": {"settings": {"widht": 32}},
            "finetuned_biases": {"adaptation": {"nroms": True}},
        },
        "losses": {"pairwise": {"lefel": 0.1}},
        "metrics": {"pearson": {"scale": 2}},
    }
    status, text = dry_run(tmp_path, mistyped)
    assert status != 0 and "Traceback" not in text
    for message in (
        "heads.elastic_net.settings.l1_ration: is unknown; known are l1_ratio",
        "heads.mlp.settings.widht: is unknown; known are width, layers, weight_decay",
        "heads.finetuned_biases.adaptation.nroms: is unknown; known are type, norms",
        "losses.pairwise.lefel: is unknown; known are type, label, level",
        "metrics.pearson.scale: is unknown; known are type",
    ):
        assert message in text


@pytest.mark.parametrize(
    ("section", "declares", "message"),
    [
        ("heads", {"takes": "reduced"}, "takes reduced: declare one of store, sequences, reduced_features"),
        ("heads", {}, "takes None: declare one of store"),
        ("metrics", {"label": "a", "quantity": "b", "unit": "tissues"}, "has the unit tissues: declare tissue or gene"),
    ],
)
def test_what_a_class_declares_wrongly_is_refused(tmp_path, section, declares, message):
    file = tmp_path / "mine.py"
    file.write_text(f"class Mine:\n    declares = { ({'api': 1} | declares)!r}\n")
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config[section]["mine"] = {"type": f"{file}:Mine"}
    with pytest.raises(InputError, match=f"{section}.mine.type: .*mine.py:Mine {message}"):
        schema.checked(config)


# --- what they compute, through the scripts ------------------------------------------------------------------------


def with_own(step, **changes):
    return changed(STEPS[step], {place.replace("__", "."): value for place, value in changes.items()})


SETTINGS = {"width": 8, "layers": 2, "weight_decay": 0.01}
RATES = {"learning_rate": [0.01, 0.03]}
OF_MLP = {"params__type": MLP, "params__settings": SETTINGS, "params__grid": RATES}
STEPS_OF_ONES_OWN = {
    "fit_elastic_net": with_own(
        "fit_ridge", params__type=ELASTIC_NET, params__settings={"l1_ratio": 0.5}, params__grid={"penalty": [0.2, 1]}
    ),
    "fit_mlp": with_own("fit_ridge", **OF_MLP),
    "fit_mlp_pairwise": with_own("fit_ridge", **OF_MLP, params__loss=PAIRWISE),
    "fit_cnn_pairwise": with_own("fit_cnn", params__loss=PAIRWISE),
    "finetune_biases": with_own("finetune", params__adaptation={"type": BIASES, "norms": False}),
    "evaluate_pearson": with_own(
        "evaluate_cnn",
        params__metrics=[*METRICS, {"name": "pearson", "type": PEARSON}],
        output__scores=["cross_gene.tsv", "cross_celltype.tsv", "pearson.tsv"],
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"), {**STEPS, **STEPS_OF_ONES_OWN})


@pytest.mark.parametrize("step", ["fit_elastic_net", "fit_mlp", "fit_mlp_pairwise", "fit_cnn_pairwise"])
def test_heads_and_the_loss_are_fitted(world, step):
    made = world.make(step).output
    predicted = read_predictions(made["predictions"]).predicted
    assert np.isfinite(predicted).all() and (predicted.std(axis=0) > 1e-4).any()
    grid = pd.read_csv(made["grid"], sep="\t")
    assert (grid["chosen"] == "yes").any()


def test_the_loss_decides_what_is_learned(world):
    for one, other in (("fit_mlp", "fit_mlp_pairwise"), ("fit_cnn", "fit_cnn_pairwise")):
        found = [read_predictions(world.make(step).output["predictions"]).predicted for step in (one, other)]
        assert np.abs(found[0] - found[1]).max() > 1e-3
    saved = torch.load(world.make("fit_cnn_pairwise").output["model"], weights_only=True)["content"]["metadata"]["loss"]
    assert saved["section"] == PAIRWISE and saved["state"]["weights"].shape == (5, 5)


def test_the_adaptation_trains_biases_alone(world):
    base, tuned = (
        FineTunedBackbone.load(world.make(step).output["model"]).backbone for step in ("finetune", "finetune_biases")
    )
    trained = {name for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in base.named_parameters() if name.endswith(".bias")}


def test_the_metric_is_scored(world):
    predictions = read_predictions(world.make("fit_cnn").output["predictions"]).of("test")
    made = pd.read_csv(world.make("evaluate_pearson").output["scores"][2], sep="\t")
    for tissue, score in enumerate(made["score"]):
        present = ~np.isnan(predictions.observed[:, tissue])
        expected = stats.pearsonr(predictions.predicted[present, tissue], predictions.observed[present, tissue])
        assert score == pytest.approx(expected.statistic, abs=1e-5)
