"""What every head must do, chrom2expr's own and those of files: fit, predict from stores and tensors, save and load."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chrom2expr import registry
from chrom2expr.config import schema
from chrom2expr.genome.features import Features
from chrom2expr.heads import tasks
from chrom2expr.heads.tasks import Split
from chrom2expr.losses.loss import build
from made_expecto import write_models
from small_enformer import Files

HERE = Path(__file__).parent
OWN = [f"{HERE}/own_files/mlp.py:MLP", f"{HERE}/own_files/elastic_net.py:ElasticNet"]
NAMES = [*registry.names("heads"), *OWN]
GENES, TISSUES = {"train": 60, "val": 25, "test": 12}, 3
# How large the features are that each kind of head is given: (bin, track) or (feature,).
SHAPES = {"store": (16, 5), "reduced_features": (10,)}
# Values for the keys of a grid, where its schema has no example of its own; and smaller sizes than the defaults, of the
# settings that a type has.
GRID = {"learning_rate": [3e-3, 1e-2], "dropout": [0.1], "penalty": [0.01, 1.0]}
SMALL = {"width": 8, "blocks": 2, "kernel_size": 3, "warmup_steps": 2, "models": "mine"}


class Made(Features):
    """Features made up in memory."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def fill(self, rows, out):
        out[:] = self.values[rows]

    def where(self, row, *place):
        return f"gene{row}"


def section(name):
    """The head's section of a config, completed as the workflow completes it."""
    rules = registry.find("heads", name).declares["schema"]
    properties = rules.get("properties", {})
    own = {part: properties.get(part, {}) for part in ("settings", "grid")}
    described = own["grid"].get("properties", {})
    keys = {*described, *own["grid"].get("required", [])}
    asked = {
        "batch_size": 8,
        "max_epochs": 2,
        "patience": 2,
        "select_by": properties.get("select_by", {}).get("const", "validation_loss"),
        "settings": {key: value for key, value in SMALL.items() if key in own["settings"].get("properties", {})},
        "grid": {key: described.get(key, {}).get("examples", [GRID.get(key)])[0] for key in keys},
    }
    full = schema._with_defaults(asked, rules, rules)
    assert not list(schema._rejected(full, rules))
    return full


def made_task(name, tissues=range(TISSUES), models=None):
    """A task on features from which expression follows, with missing values; and a list of fitted models, if any."""
    takes, random = registry.find("heads", name).declares["takes"], np.random.default_rng(3)
    count = sum(GENES.values())
    values = random.gamma(1, 1, (count, *SHAPES[takes])).astype(np.float16 if takes == "store" else np.float32)
    summed = values.reshape(count, -1).astype(np.float64)
    observed = summed @ random.normal(0, 0.3, (summed.shape[1], TISSUES)) + random.normal(0, 0.1, (count, TISSUES))
    observed[random.random(observed.shape) < 0.05] = np.nan
    observed = observed.astype(np.float32)[:, list(tissues)]
    ends = np.cumsum([0, *GENES.values()])
    rows = {split: slice(start, end) for split, start, end in zip(GENES, ends, ends[1:])}
    data = tasks.Data(
        {split: Split(Made(values[own]), observed[own]) for split, own in rows.items()},
        {split: np.array([f"gene{row}" for row in range(own.start, own.stop)]) for split, own in rows.items()},
        np.array([f"tissue{tissue}" for tissue in tissues]),
        np.array([f"track{track}" for track in range(SHAPES[takes][-1])]),
        {"source": "made"},
        1e-4,
    )
    return tasks.Task(
        data=data,
        loss=build({"type": "hybrid", "alpha": 0, "beta": 1}),
        seed=1,
        device=torch.device("cpu"),
        models=models,
        **section(name),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(params=NAMES, ids=lambda name: name.split("/")[-1])
def fitted(request, files):
    """(head, task, a batch of its features) of every head."""
    head = registry.find("heads", request.param).load()
    if head.declares["takes"] == "sequences":
        task = files.task()
        made = head.fit(task, files.trunk())
    else:
        models, *_ = write_models(files.folder / "models", [f"tissue{tissue}" for tissue in range(TISSUES)], tracks=1)
        task = made_task(request.param, models=models if "models" in head.declares else None)
        made = head.fit(task)
    features = task.data.splits["test"].features
    return made, task, torch.from_numpy(features.read(np.arange(features.shape[0])))


def test_predictions_do_not_depend_on_the_batch_and_are_those_of_a_tensor(fitted):
    head, task, batch = fitted
    features = task.data.splits["test"].features
    predicted = head.predict(features)
    assert predicted.shape == (features.shape[0], len(task.data.tissue)) and predicted.dtype == np.float32
    for head.batch_size in (1, 5):
        np.testing.assert_allclose(head.predict(features), predicted, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(head(batch).detach().numpy(), predicted, rtol=2e-4, atol=2e-4)


def test_what_is_saved_predicts_the_same(fitted, tmp_path):
    head, task, batch = fitted
    head.save(tmp_path / "model.pt")
    loaded = type(head).load(tmp_path / "model.pt")
    torch.testing.assert_close(loaded(batch), head(batch))
    assert loaded.metadata["tissue"] == task.data.tissue.tolist()
    assert loaded.metadata["loss"]["section"] == task.loss.section


def test_gradients_reach_the_features(fitted):
    head, task, batch = fitted
    if batch.dtype == torch.uint8:
        return  # encoded sequences have none; see the backbones
    values = batch.double() if batch.dim() == 2 else batch.float()
    values.requires_grad_()
    head(values).square().sum().backward()
    assert values.grad.isfinite().all() and (values.grad != 0).any()


def test_its_table_has_a_chosen_row(fitted):
    head, *_ = fitted
    assert all(row["chosen"] in ("yes", "no") for row in head.table)
    assert any(row["chosen"] == "yes" for row in head.table)
    json.dumps(head.table)


@pytest.mark.parametrize("name", [n for n in NAMES if registry.find("heads", n).declares.get("by_tissue")])
def test_jobs_of_some_tissues_join_to_what_one_job_fits(name, tmp_path):
    head = registry.find("heads", name).load()
    task = made_task(name)
    whole = head.fit(task)
    parts = [tmp_path / f"{part}.pt" for part in range(2)]
    for part, path in enumerate(parts):
        head.fit(replace(task, data=tasks.of_tissues(task.data, part, 2))).save(path)
    head.join(parts, tmp_path / "joined.pt")
    features = task.data.splits["test"].features
    joined = head.load(tmp_path / "joined.pt")
    np.testing.assert_allclose(joined.predict(features), whole.predict(features), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", [n for n in NAMES if not registry.find("heads", n).declares.get("by_tissue")])
def test_others_cannot_be_joined(name):
    with pytest.raises(tasks.InputError, match="cannot be joined"):
        registry.find("heads", name).load().join([], "joined.pt")


def test_a_loss_of_ones_own_trains_and_is_saved_with_its_state(tmp_path):
    task = made_task("cnn")
    loss = build({"type": f"{HERE}/own_files/pairwise.py:Pairwise", "level": 0.1})
    loss.prepare(task.data.splits["train"].observed, 1e-4, task.data.tissue)
    head = registry.find("heads", "cnn").load().fit(replace(task, loss=loss))
    head.save(tmp_path / "model.pt")
    saved = type(head).load(tmp_path / "model.pt").metadata["loss"]
    assert saved["section"]["level"] == 0.1 and torch.equal(saved["state"]["weights"], loss.weights)
    mse = registry.find("heads", "cnn").load().fit(task)
    features = task.data.splits["test"].features
    assert np.abs(mse.predict(features) - head.predict(features)).max() > 1e-3
