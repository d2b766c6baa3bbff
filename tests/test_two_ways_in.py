"""Figure 3.1 of the shrunk demo, Enformer's experimental data by its two ways in: bigWigs, and records of them."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
import yaml

from chrom2expr.evaluation import scores
from chrom2expr.genome.windows import Geometry, encode
from small_records import write_data_set
from undisturbed import OPTIONS, environment

pytestmark = pytest.mark.slow
LENGTH, BINS, POOL = 16384, 112, 128
DEMO = "resources/demo/simulated"


def bigwig(folder, track):
    return str(folder / DEMO / f"bigwigs/enformer/{track.identifier}.bw")


def preprocessed(values, track):
    """What Basenji makes of a base-by-base signal: means or sums of 128 bp, softly clipped, then scaled."""
    binned = values.reshape(-1, POOL).sum(axis=1)
    binned = binned if track.sum_stat == "sum" else binned / POOL
    above = np.maximum(binned - track.clip, 0)
    return track.scale * np.where(above > 0, track.clip + np.sqrt(above), binned)


def write_records(folder):
    """What Basenji's pipeline would leave of the demo's bigWigs."""
    contigs = {}
    for part in (folder / DEMO / "grch38.fa").read_text().split(">")[1:]:
        name, _, bases = part.partition("\n")
        contigs[name] = encode(bases.replace("\n", ""))
    table = pd.read_csv(folder / DEMO / "targets_human.txt", sep="\t")
    rows = [
        (chrom, start, "train" if chrom != "chr14" else "test")
        for chrom, encoded in contigs.items()
        for start in range(0, len(encoded) - LENGTH, LENGTH)
    ]
    targets = np.empty((len(rows), LENGTH // POOL, len(table)), dtype=np.float16)
    for column, track in enumerate(table.itertuples()):
        with pyBigWig.open(bigwig(folder, track)) as file:
            for row, (chrom, start, _) in enumerate(rows):
                values = np.nan_to_num(file.values(chrom, start, start + LENGTH, numpy=True))
                targets[row, :, column] = preprocessed(values, track)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    rows, targets = [rows[row] for row in shuffled], targets[shuffled]
    names = table["identifier"].tolist()
    write_data_set(folder / "human", contigs, rows, targets, names, length=LENGTH, pool=POOL, a_file=64)


METRICS = ("cross_gene", "cross_celltype")
MEASURED = ("enformer_experimental", "records")
RECORDS = {"kind": "measured", "backbone": "enformer", "split": "chr14", "label": "Records", "groups": 3}
RECORDS |= {"from": "tfrecords", "records": "basenji_tracks", "shards": 2}
# The records as a source of the shrunk demo. As in the thesis, the CNN is fitted with MSE alone.
OWN = {
    "heads": {"multi_cnn": {"max_epochs": 8}},
    "resources": {"basenji_tracks": {"path": "human"}},
    "sources": {"records": RECORDS},
    "figures": {
        "fig3_1": {
            "runs": [
                {
                    "source": ["enformer_predicted", *MEASURED],
                    "inputs": "chromatin",
                    "head": "multi_cnn",
                    "loss": "mse",
                }
            ]
        },
        "ways": {
            "kind": "scores",
            "runs": [{"source": [*MEASURED], "inputs": "chromatin", "head": "ridge", "loss": "mse"}],
        },
    },
}


@pytest.fixture(scope="module")
def thesis(undisturbed_folder, tmp_path_factory):
    """The shrunk demo with records made of its bigWigs, its figure drawn."""
    folder = tmp_path_factory.mktemp("miniature") / "clone"
    shutil.copytree(undisturbed_folder, folder, symlinks=True)
    write_records(folder)
    (folder / "own.yaml").write_text(yaml.safe_dump(OWN))
    command = [sys.executable, "-m", "snakemake", "results/demo/figures/fig3_1.pdf", "results/demo/figures/ways.tsv"]
    done = subprocess.run(
        [*command, *OPTIONS, "own.yaml"], cwd=folder, env=environment(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


def test_two_ways_lead_to_one_store(thesis):
    stores = {}
    for name in MEASURED:
        with h5py.File(thesis / f"results/demo/features/{name}.h5") as file:
            tracks = file["track_id"].asstr()[:].tolist()
            order = np.argsort(tracks)
            stores[name] = file["tracks"][:][:, :, order], file["covered"][:][:, :, order], sorted(tracks)
            genes, strands = file["gene_id"].asstr()[:], file["strand"].asstr()[:]
    (binned, _, ids), (kept, covered, others) = stores["enformer_experimental"], stores["records"]
    assert ids == others and binned.shape == kept.shape
    # A gene's bin is that of bigWigs itself, and the mean of the preprocessed bins that it touches, but for float16.
    tss = pd.read_csv(thesis / "results/demo/genes/tss.tsv", sep="\t").set_index("gene_id").loc[genes]
    geometry = Geometry.centred(LENGTH, BINS, POOL)
    table = pd.read_csv(thesis / DEMO / "targets_human.txt", sep="\t").sort_values("identifier")
    assert table["identifier"].tolist() == ids
    everywhere = np.flatnonzero(covered.all(axis=(1, 2)))
    for gene in everywhere[::10]:
        start = geometry.bins_start(int(tss["tss_grch38"].iloc[gene]) - 1, strands[gene])
        offset = start % POOL
        stop = start + BINS * POOL + (POOL - offset) % POOL
        for column, track in enumerate(table.itertuples()):
            with pyBigWig.open(bigwig(thesis, track)) as file:
                values = np.nan_to_num(file.values(tss["chrom_grch38"].iloc[gene], start - offset, stop, numpy=True))
            own, touched = preprocessed(values[offset:][: BINS * POOL], track), preprocessed(values, track)
            mean = (touched[:-1] + touched[1:]) / 2 if offset else touched
            for found, expected in ((binned, own), (kept, mean)):
                np.testing.assert_allclose(found[gene, :, column], expected, rtol=4e-3, atol=4e-3)
    flat = [part[everywhere].astype(float).ravel() for part in (binned, kept)]
    assert np.corrcoef(*flat)[0, 1] > 0.9


def test_figure_3_1_shows_both_ways_alike(thesis):
    table = pd.read_csv(thesis / "results/demo/figures/fig3_1.tsv", sep="\t").set_index(["metric", "run"])
    runs = {name: f"{name}/chromatin/multi_cnn/mse" for name in ("enformer_predicted", *MEASURED)}
    fitted = table[table["series"] != "Training mean"]
    assert sorted(fitted.index) == sorted((metric, run) for metric in METRICS for run in runs.values())
    assert (fitted.loc["cross_gene", "mean"] > 0.4).all(), fitted["mean"]
    audit = ["test_genes", "train_overlap", "train_same_tss", "val_overlap", "similar", "leaking"]
    two = [fitted.loc[("cross_gene", runs[name])] for name in MEASURED]
    # Across cell types, the scores of so few genes are mostly noise.
    assert abs(two[0]["mean"] - two[1]["mean"]) < 0.05, two
    # Both have one window and one split, and so one audit.
    assert two[0][audit].equals(two[1][audit]) and two[0]["test_genes"] > 10


@pytest.mark.parametrize("head", ["multi_cnn", "ridge"])
def test_a_head_predicts_the_same_of_both_ways(thesis, head):
    runs = [thesis / f"results/demo/models/{name}/chromatin/{head}/mse/predictions.h5" for name in MEASURED]
    one, other = (scores.read_test_predictions(run).predicted for run in runs)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
    # Beside what is common to all genes of a tissue.
    assert np.corrcoef(*((values - values.mean(axis=0)).ravel() for values in (one, other)))[0, 1] > 0.9
