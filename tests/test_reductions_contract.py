"""What every reduction must do, chrom2expr's own and those of packages; and a reduction of one's own in a config."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from chrom2expr import registry
from chrom2expr.config import runs, schema
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks.reduced_features import ReducedFeatureStore
from chrom2expr.tracks.reduction import Reduction, reduce_store
from chrom2expr.tracks.store_writer import ShardWriter

HERE = Path(__file__).parent
GEOMETRY, BINS, TRACKS = Geometry.centred(96, 10, 8), 6, 4
INSIDE = slice(2, 8)
STRAND = ["+", "-", "-", "+", "-"]
NAMES = [*registry.names("reductions"), f"{HERE}/own_files/largest.py:Largest"]


@pytest.fixture(params=NAMES, ids=lambda name: name.split("/")[-1])
def name(request):
    return request.param


def values(genes=len(STRAND)):
    return np.random.default_rng(0).gamma(1, 3, (genes, 10, TRACKS)).astype(np.float16)


def made(name, bins=BINS):
    return registry.find("reductions", name).load()(GEOMETRY, bins)


def write_store(path, tracks):
    with ShardWriter(
        path, gene_id=[f"gene{gene}" for gene in range(len(tracks))], strand=STRAND, bins=10, bin_size=8,
        track_id=[f"track{track}" for track in range(TRACKS)], track_type=["chromatin"] * TRACKS,
        provenance={"source": "made up"},
    ) as writer:  # fmt: skip
        writer.write(0, tracks)
    return path


def test_it_declares_which_bins_and_orientation_it_takes(name):
    declares = registry.find("reductions", name).declares
    assert declares["bins"] in ("inputs", "backbone") and declares.get("orientation", "gene") == "gene"
    assert set(declares) <= {"api", "schema", "bins", "orientation", "kept_means"}


def test_it_gives_so_many_features_of_each_track(name):
    reduction = made(name)
    found = reduction(values()[:, INSIDE])
    assert found.shape == (5, reduction.features_per_track * TRACKS) and found.dtype == np.float32
    assert np.isfinite(found).all() and len(np.unique(found[:, 0])) == 5
    assert made(name, None)(values()).shape == found.shape


def test_no_gene_and_no_track_depends_on_another(name):
    reduction, tracks = made(name), values()[:, INSIDE]
    whole = reduction(tracks)
    for gene in range(5):
        np.testing.assert_array_equal(reduction(tracks[[gene]]), whole[[gene]])
    by_track = whole.reshape(5, reduction.features_per_track, TRACKS)
    for track in range(TRACKS):
        np.testing.assert_allclose(reduction(tracks[:, :, [track]]), by_track[..., track], rtol=1e-6)


def test_a_tensor_is_reduced_alike_and_has_gradients(name):
    reduction, tracks = made(name), values()[:, INSIDE]
    if type(reduction).of_tensor is Reduction.of_tensor:
        with pytest.raises(InputError, match="define its of_tensor"):
            reduction.of_tensor(torch.from_numpy(tracks).float())
        return
    given = torch.from_numpy(tracks).float().requires_grad_()
    found = reduction.of_tensor(given)
    np.testing.assert_allclose(found.detach(), reduction(tracks), rtol=1e-6, atol=1e-6)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert (given.grad != 0).all()


def test_what_is_not_finite_does_not_vanish(name):
    for value in (np.nan, np.inf):
        tracks = values()[:, INSIDE]
        tracks[2, 3, 1] = value
        assert np.isfinite(made(name)(tracks)).all(axis=1).tolist() == [True, True, False, True, True]


def test_the_file_holds_the_middle_bins_of_genes_turned_as_it_needs(name, tmp_path):
    tracks, declares = values(), registry.find("reductions", name).declares
    reduce_store(write_store(tmp_path / "s.h5", tracks), tmp_path / "r.h5", name, GEOMETRY, BINS)
    if "orientation" in declares:
        minus = np.array(STRAND) == "-"
        tracks[minus] = tracks[minus, ::-1]
    with ReducedFeatureStore(tmp_path / "r.h5", name) as store:
        assert (store.reduction, store.bins, store.tracks) == (name, BINS, "chromatin")
        found = store.select(store.gene_id)
        np.testing.assert_array_equal(found.read(np.arange(5)), made(name)(tracks[:, INSIDE]))
        if "orientation" in declares:
            with pytest.raises(InputError, match="orientation gene, but genomic is asked for"):
                store.select(store.gene_id, orientation="genomic")
        else:
            np.testing.assert_array_equal(store.select(store.gene_id, orientation="genomic").read([3]), found.read([3]))
            np.testing.assert_allclose(made(name)(tracks[:, INSIDE][:, ::-1]), found.read(np.arange(5)), rtol=1e-6)
    with pytest.raises(InputError, match="its features have reduction .*, but another is asked for"):
        ReducedFeatureStore(tmp_path / "r.h5", "another")


@pytest.fixture
def installed(monkeypatch):
    """A package that brings the reduction `largest`."""
    monkeypatch.syspath_prepend(HERE / "own_files")
    monkeypatch.setitem(registry.OWN["reductions"], "largest", "largest:Largest")
    yield
    registry.find.cache_clear()


def test_a_config_names_the_reduction_of_a_package(installed):
    root = HERE.parent
    config = yaml.safe_load((root / "config/config.yaml").read_text())
    config["heads"]["mlp"] = {
        "type": f"{HERE}/own_files/mlp.py:MLP",
        "features": "largest",
        "grid": {"learning_rate": [1e-3]},
    }
    line = {"source": "enformer_predicted", "inputs": "chromatin_40kb", "head": "mlp", "loss": "mse"}
    config["figures"]["fig3_1"]["runs"].append(line | {"group": "Largest"})
    assert schema.checked(config)["heads"]["mlp"]["features"] == "largest"
    assert runs.reduction("largest")["bins"] == "inputs" and runs.reduction("store") == {}
    config["inputs"]["chromatin_40kb"]["orientation"] = "genomic"
    with pytest.raises(InputError, match="heads.mlp.features: largest: knows upstream and downstream only"):
        schema.checked(config)
    config["heads"]["mlp"]["features"] = "smallest"
    with pytest.raises(InputError, match="heads.mlp.features: there is no smallest; there are store, .*central_means"):
        schema.checked(config)
