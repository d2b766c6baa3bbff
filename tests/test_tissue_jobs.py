"""A run whose tissues were dealt out to jobs is the run that one job leaves."""

import json
import runpy
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import scripts
from checked_files import alter
from chrom2expr.errors import InputError
from chrom2expr.evaluation import predictions
from chrom2expr.heads import run_files, single_cnn, tasks
from test_single_cnn import GENES, TISSUES, make_task, planted, with_missing  # noqa: F401

FILES = {"model": "model.pt", "grid": "grid.tsv", "predictions": "predictions.h5", "summary": "summary.json"}


def fitted_run(task, folder):
    """Fit a task and write its files into a folder."""
    folder.mkdir()
    run_files.write_run(task, single_cnn.SingleTissueCNNs.fit(task), *(folder / name for name in FILES.values()))
    return folder


@pytest.fixture(scope="module")
def runs(planted, tmp_path_factory):  # noqa: F811
    """One job's run, and the join of a run of as many jobs as leaves parts of unequal size."""
    folder = tmp_path_factory.mktemp("runs")
    observed = with_missing(planted)
    # Usable to the run, but not to the tissues of the first part, nor to those of the second.
    lacking = [np.isnan(observed[: GENES["train"], columns]).all(axis=1) for columns in ([0, 1], [2])]
    assert all((first & ~second).sum() > 5 for first, second in (lacking, lacking[::-1]))
    task = make_task(planted, observed, max_epochs=2)
    fitted_run(task, folder / "whole")
    pieces = [
        fitted_run(replace(task, data=tasks.of_tissues(task.data, part, 2)), folder / f"part{part}") for part in (0, 1)
    ]
    (folder / "joined").mkdir()
    given = {
        f"{name.rstrip('s').replace('summary', 'summarie')}s": [p / f for p in pieces] for name, f in FILES.items()
    }
    snakemake = scripts.snakemake(
        input=SimpleNamespace(**given),
        output=SimpleNamespace(**{name: folder / "joined" / file for name, file in FILES.items()}),
        params=scripts.params(type="single_cnn"),
        log=[str(folder / "join.log")],
    )
    runpy.run_path(scripts.path("join_tissues.py"), {"snakemake": snakemake})
    return SimpleNamespace(whole=folder / "whole", joined=folder / "joined", pieces=pieces, task=task)


def test_every_tissue_is_in_one_part_in_order(runs):
    data = runs.task.data
    for count in (1, 2, TISSUES):
        pieces = [tasks.of_tissues(data, part, count) for part in range(count)]
        assert np.concatenate([piece.tissue for piece in pieces]).tolist() == data.tissue.tolist()
        joined = np.hstack([piece.splits["train"].observed for piece in pieces])
        np.testing.assert_array_equal(joined, data.splits["train"].observed)


def test_the_joined_model_and_its_predictions_are_the_whole_runs(runs):
    whole, joined = (single_cnn.SingleTissueCNNs.load(folder / "model.pt") for folder in (runs.whole, runs.joined))
    assert joined.metadata == whole.metadata
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(joined.network.state_dict()[name], value, rtol=2e-3, atol=2e-4)
    with h5py.File(runs.whole / "predictions.h5") as one, h5py.File(runs.joined / "predictions.h5") as other:
        assert set(one) == set(other)
        for name in ("gene_id", "tissue", "split"):
            assert one[name].asstr()[:].tolist() == other[name].asstr()[:].tolist()
        np.testing.assert_array_equal(one["observed"][:], other["observed"][:])
        np.testing.assert_allclose(other["predicted"][:], one["predicted"][:], rtol=2e-3, atol=5e-3)


def test_the_joined_tables_are_the_whole_runs(runs):
    one, other = (pd.read_csv(folder / "grid.tsv", sep="\t") for folder in (runs.whole, runs.joined))
    pd.testing.assert_frame_equal(other, one, rtol=2e-3, atol=5e-3)
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (runs.whole, runs.joined))
    assert list(one) == list(other) and len(other["chosen"]) == TISSUES
    for name in ("tissues", "genes", "inputs", "loss", "tracks", "diverged"):
        assert other[name] == one[name]
    for task, scores in one["validation"].items():
        assert other["validation"][task] == pytest.approx(scores, rel=5e-3, abs=5e-3)


def test_more_jobs_than_tissues_are_refused(runs):
    with pytest.raises(InputError, match="cannot be dealt out to 99 jobs.*NAME: jobs"):
        tasks.of_tissues(runs.task.data, 0, 99)


def test_parts_of_other_genes_are_refused(runs, tmp_path):
    changed = tmp_path / "predictions.h5"
    changed.write_bytes((runs.pieces[1] / "predictions.h5").read_bytes())

    def change(datasets, _):
        datasets["gene_id"] = np.array(["another", *datasets["gene_id"][1:]])

    alter(changed, predictions.FORMAT, change)
    with pytest.raises(InputError, match=f"{changed}: other genes"):
        run_files.join_predictions([runs.pieces[0] / "predictions.h5", changed], tmp_path / "joined.h5")
    assert not (tmp_path / "joined.h5").exists()
