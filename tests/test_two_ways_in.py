"""Enformer's experimental data by its two ways in, bigWigs and Basenji's records of the same signal, to one figure."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
import yaml

from chrom2expr.genome.windows import Geometry, encode
from planned_jobs import copied
from small_records import write_data_set

pytestmark = pytest.mark.slow
LENGTH, POOL = 16384, 128
DEMO = "resources/demo/simulated"


def snakemake(folder, *targets):
    environment = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2", "--configfile"]
    command += ["config/demo.yaml", "records.yaml", "--", *targets]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def write_records(folder):
    """What Basenji's pipeline would leave of the demo's bigWigs: means or sums of 128 bp, softly clipped, then scaled."""
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
        with pyBigWig.open(str(folder / DEMO / f"bigwigs/enformer/{track.identifier}.bw")) as file:
            for row, (chrom, start, _) in enumerate(rows):
                values = np.nan_to_num(file.values(chrom, start, start + LENGTH, numpy=True)).reshape(-1, POOL)
                binned = values.sum(axis=1) if track.sum_stat == "sum" else values.mean(axis=1)
                above = np.maximum(binned - track.clip, 0)
                clipped = np.where(above > 0, track.clip + np.sqrt(above), binned)
                targets[row, :, column] = track.scale * clipped
    shuffled = np.random.default_rng(1).permutation(len(rows))
    rows, targets = [rows[row] for row in shuffled], targets[shuffled]
    names = table["identifier"].tolist()
    write_data_set(folder / "human", contigs, rows, targets, names, length=LENGTH, pool=POOL, a_file=64)


def test_one_figure_by_two_ways(tmp_path):
    folder = copied(tmp_path / "clone", "profiles")
    source = {"kind": "measured", "backbone": "enformer", "split": "chr14", "label": "Records", "groups": 3}
    source |= {"from": "tfrecords", "records": "basenji_tracks", "shards": 2}
    line = {"source": ["enformer_experimental", "records"], "inputs": "chromatin", "head": "ridge", "loss": "mse"}
    overlay = {
        "resources": {"basenji_tracks": {"path": "human"}},
        "sources": {"records": source},
        "figures": {"ways": {"kind": "scores", "series": "head", "runs": [line]}},
    }
    (folder / "human").mkdir()
    (folder / "records.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(folder, "results/demo/features/enformer_experimental.h5")
    (folder / "human").rmdir()
    write_records(folder)
    snakemake(folder, "results/demo/figures/ways.pdf")

    stores = {}
    for name in ("enformer_experimental", "records"):
        with h5py.File(folder / f"results/demo/features/{name}.h5") as file:
            tracks = file["track_id"].asstr()[:].tolist()
            order = np.argsort(tracks)
            stores[name] = file["tracks"][:][:, :, order], file["covered"][:][:, :, order], sorted(tracks)
            genes, strands = file["gene_id"].asstr()[:], file["strand"].asstr()[:]
    (binned, _, ids), (kept, covered, others) = stores["enformer_experimental"], stores["records"]
    assert ids == others and binned.shape == kept.shape
    # Where the bins of a gene and of the records are the same ones, so are the values, but for float16.
    tss = pd.read_csv(folder / "results/demo/genes/tss.tsv", sep="\t").set_index("gene_id").loc[genes]
    geometry = Geometry.centred(16384, 112, POOL)
    start = np.array([geometry.bins_start(at - 1, strand) for at, strand in zip(tss["tss_grch38"], strands)])
    aligned = np.flatnonzero(start % POOL == 0)
    assert len(aligned)
    for gene in aligned:
        whole = covered[gene].all(axis=1)
        np.testing.assert_allclose(kept[gene][whole], binned[gene][whole], rtol=4e-3, atol=4e-3)
    everywhere = covered.all(axis=(1, 2))
    flat = [part[everywhere].astype(float).ravel() for part in (binned, kept)]
    assert np.corrcoef(*flat)[0, 1] > 0.95
    table = pd.read_csv(folder / "results/demo/figures/ways.tsv", sep="\t")
    found = table[table["run"].str.contains("ridge")].set_index(["metric", "run"])["mean"]
    for metric in ("cross_gene", "cross_celltype"):
        two = [found[metric, f"{name}/chromatin/ridge/mse"] for name in ("enformer_experimental", "records")]
        assert abs(two[0] - two[1]) < 0.05 and min(two) > 0.2, (metric, two)
