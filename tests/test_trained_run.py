"""A run as one module, against what the workflow predicted step by step, and its gradients against differences."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import chrom2expr
from chrom2expr.application.trained_run import load_run
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.errors import InputError
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.genome.sequence_store import SequenceStore
from small_workflow import each
from small_world import of

ENCODED = each("encoded_0", "encoded_1")
SUMS = of("sums", params__reduction="central_means", params__bins=2)
EMBEDDED = of("sums", params__reduction="central_means", params__bins=2, params__tracks="embedding")
PROBE = {"input.features": SUMS}
# Runs of every head, on every kind of source that can be asked: the step, its changes, the sequences it saw.
RUNS = {
    "cnn": ("fit_cnn", {}, ENCODED),
    "cnn, fewer bins": ("fit_cnn", {"params.bins": 4}, ENCODED),
    "cnn, all tracks, genomic": ("fit_cnn", {"params.tracks": "all", "params.orientation": "genomic"}, ENCODED),
    "single_cnn": ("fit_single_cnn", {}, ENCODED),
    "single_cnn, joined": ("join", {}, ENCODED),
    "ridge": ("fit_ridge", {}, ENCODED),
    "probe of tracks": ("fit_probe", PROBE, ENCODED),
    "probe of the embedding": (
        "fit_probe",
        {"input.features": EMBEDDED, "params.tracks": "embedding"},
        ENCODED,
    ),
    "cnn on Beluga": (
        "fit_cnn",
        {"input.features": of("predict_beluga"), "input.shards": [], "input.split": of("split_beluga")},
        [of("encoded_beluga")],
    ),
    "frozen": ("fit_frozen", {}, ENCODED),
    "finetuned": ("finetune", {}, ENCODED),
}


@pytest.fixture(params=RUNS)
def made(world, request):
    """The folder of a run, its module, and the windows, strands and predictions of its validation and test genes."""
    step, changes, encoded = RUNS[request.param]
    output = world.make(step, changes).output
    folder = world.folder / "runs" / request.param.replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model", "summary"):
        shutil.copy(output[name], folder)
    run = load_run(folder)
    found = read_predictions(output["predictions"])
    with SequenceStore([world.path(one) for one in encoded], run.window) as store:
        sequences = store.select(found.gene_id)
        windows, strand = sequences.read(np.arange(len(found.gene_id))), sequences.strand.tolist()
    return folder, run, torch.from_numpy(windows), strand, found


def as_the_workflow_did(world, run, encoded, genes):
    """Predictions by gene, of the genes of each shard in the batches in which the workflow read them."""
    found = {}
    for shard in encoded:
        with SequenceStore([world.path(shard)], run.window) as store:
            everything = store.select(store.gene_id)
            for rows, windows in everything.batches(np.arange(len(store.gene_id)), 4):
                strand = store.strand[rows].tolist()
                with torch.inference_mode():
                    values = run(torch.from_numpy(windows), strand, through_float16=True).numpy()
                found |= dict(zip(store.gene_id[rows], values, strict=True))
    return np.stack([found[gene] for gene in genes])


def test_it_says_what_the_workflow_said(world, made, request):
    """A rounding of the backbone's may flip one to float16, so that the batches have to be the workflow's."""
    _, run, windows, strand, found = made
    assert {"+", "-"} == {*strand}
    assert run.tissues == found.tissue.tolist()
    rounded = as_the_workflow_did(world, run, RUNS[request.node.callspec.params["made"]][2], found.gene_id)
    np.testing.assert_allclose(rounded, found.predicted, rtol=1e-6, atol=1e-6)
    # Storage is the only difference, and a small one.
    with torch.inference_mode():
        np.testing.assert_allclose(run(windows, strand), found.predicted, rtol=0.02, atol=0.02)


def test_both_forms_of_dna_and_any_batch(made):
    _, run, windows, strand, _ = made
    with torch.inference_mode():
        together = run(windows, strand)
        hot = run(one_hot(windows).transpose(1, 2), strand)
        alone = torch.cat([run(windows[[row]], [strand[row]]) for row in range(len(windows))])
    torch.testing.assert_close(together, hot)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_differences(made, monkeypatch):
    """In float64, where a small step says something: no layer may bring it back to float32 then."""
    _, run, windows, strand, _ = made
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    run.double()
    hot = one_hot(windows[:4]).transpose(1, 2).double()
    generator = torch.Generator().manual_seed(1)
    pick, away, direction = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((4, len(run.tissues)), hot.shape, hot.shape)
    )
    # Away from DNA itself, where the same few bases tie for a pool's maximum.
    dna = (hot + 0.05 * away).requires_grad_()
    (run(dna, strand[:4]) * pick).sum().backward()
    slope = (dna.grad * direction).sum().item()
    assert abs(slope) > 1e-4
    with torch.no_grad():
        ahead, behind = (run(dna + step * direction, strand[:4]) for step in (1e-6, -1e-6))
    difference = ((ahead - behind) * pick).sum().item() / 2e-6
    assert slope == pytest.approx(difference, rel=1e-4)


def test_it_is_a_module_in_eval_mode(made):
    _, run, *_ = made
    assert not any(module.training for module in run.modules())
    assert not any(module.training for module in run.train().modules())
    assert not any(parameter.requires_grad for parameter in run.parameters())
    assert run.geometry.sequence_length == run.window
    assert run.tss_index("+") == run.geometry.tss_index_plus
    assert run.tss_index("-") == run.geometry.tss_index_minus
    assert run.assembly in ("grch37", "grch38") and len(run.genome_sha256) == 64
    assert run.unit == "RPKM" and run.pseudocount == 0.1


def test_wrong_dna_is_refused(made):
    _, run, windows, strand, _ = made
    with pytest.raises(InputError, match=f"reads windows of {run.window} bp, but was given {run.window - 1} bp"):
        run(windows[:, 1:], strand)
    for wrong in (strand[1:], "+", ["?"] * len(strand)):
        with pytest.raises(InputError, match="needs the strand of its gene"):
            run(windows, wrong)


@pytest.mark.parametrize("name", ["cnn", "cnn on Beluga"])
def test_a_run_works_elsewhere_with_the_same_weights_only(world, tmp_path, name):
    step, changes, _ = RUNS[name]
    output, folder = world.make(step, changes).output, tmp_path / "run"
    folder.mkdir()
    shutil.copy(output["model"], folder)
    summary = json.loads(Path(output["summary"]).read_text(encoding="utf-8"))
    model = summary["sequence_model"]
    listed = isinstance(model["weights"], list)
    old = [*model["weights"]] if listed else [model["weights"]]
    moved = tmp_path / "weights"
    moved.mkdir()
    for file in old:
        shutil.copy(file, moved)
    model["weights"] = [f"gone/{file}" for file in old] if listed else "gone/weights.pth"
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(InputError, match="no such file of the backbone's weights"):
        load_run(folder)
    place = moved if listed else next(moved.iterdir())
    assert chrom2expr.load_run(folder, place).tissues
    changed = sorted(moved.iterdir())[-1]
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(InputError, match="not the weights that this run was made with"):
        load_run(folder, place)


def test_what_is_no_run_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="holds no summary.json"):
        load_run(tmp_path)
    for step, said in (("fit_probe", "fitted to measured tracks"), ("join_folds", "a model for each fold; name one")):
        output = world.make(step).output
        for name in {"model", "summary"} & output.keys():
            shutil.copy(output[name], tmp_path)
        with pytest.raises(InputError, match=said):
            load_run(tmp_path)
    summary = json.loads(world.path(of("fit_cnn", "summary")) and open(world.path(of("fit_cnn", "summary"))).read())
    del summary["sequence_model"]
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(InputError, match="older chrom2expr"):
        load_run(tmp_path)
