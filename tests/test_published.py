"""The thesis run from published addresses to a figure, in miniature: sizes, and where addresses lead, are others.

Every resource of the default config lies on a local server in the format that it is published in, at the path of its
own address; the server breaks off every file twice.
"""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from urllib.parse import urlsplit

import h5py
import pytest
import yaml

import small_world
from chrom2expr.config import resources
from chrom2expr.files.checksums import Record
from chrom2expr.files.whole import sha256
from dry_runs import environment
from file_server import serving
from planned_jobs import copied
from test_end_to_end import run, table

FIGURE = "results/figures/fig3_2.pdf"
KINDS = ("predicted", "experimental")
# Sizes of a small world's networks and windows, and of what is fitted; and one loss rather than six.
SIZES = {
    "threads": {"predict_tracks": 1, "fit_head": 1},
    "bootstrap_resamples": 20,
    "backbones": {
        "enformer": {
            "geometry": {"sequence_length": 96, "bins": 8, "bin_size": 8},
            "shards": 2,
            "central_bins": 4,
            "settings": {"use_tf_gamma": False},
        },
        "beluga": {
            "geometry": {"window": small_world.WINDOW, "bins": 4, "bin_size": 16},
            "shards": 2,
            "settings": small_world.SIZES,
        },
    },
    "sources": {
        "enformer_experimental": {"groups": 2},
        "beluga_experimental": {"groups": 2},
        "enformer_50kb": {"geometry": {"sequence_length": 72, "bins": 9, "bin_size": 8}, "bins": 4},
    },
    "inputs": {"chromatin_40kb": {"bins": 4}},
    "heads": {
        name: {
            "batch_size": 8,
            "max_epochs": 2,
            "mem_mb": 2000,
            "settings": {"width": 4, "kernel_size": 3, "blocks": 1},
            "grid": {"learning_rate": [1e-2], "dropout": [0.2]},
        }
        for name in ("single_cnn", "multi_cnn", "multi_cnn_by_cross_gene", "multi_cnn_cage")
    },
    "figures": {
        "fig3_7": {"distal_bins": 1},
        "fig3_2": {
            "runs": [
                {
                    "source": [f"{backbone}_{kind}" for backbone in ("enformer", "beluga") for kind in KINDS],
                    "inputs": "chromatin",
                    "head": "multi_cnn",
                    "loss": "hybrid_10",
                }
            ]
        },
    },
}


def packed_tar(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"resources_20190807/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def publish(config, folder, raw):
    """Lay the files of a small world out as the config's addresses have them; the checksums of those that have one."""
    files = {
        "gene_annotation": (raw / "geneanno.csv").read_bytes(),
        "gene_expression": (raw / "geneanno.exp.csv").read_bytes(),
        "liftover_chain": (raw / "grch37ToGrch38.over.chain.gz").read_bytes(),
        "genome_grch37": gzip.compress((raw / "grch37.fa").read_bytes()),
        "genome_grch38": gzip.compress((raw / "grch38.fa").read_bytes()),
        "enformer_tracks": (raw / "targets_human.txt").read_bytes(),
        "beluga_tracks": (raw / "beluga.tsv").read_bytes(),
        "beluga_weights": packed_tar(
            {"hg19.fa": b">chr1\nACGT\n" * 500, "deepsea.beluga.pth": (raw / "beluga.pth").read_bytes()}
        ),
    }
    for name, resource in config["resources"].items():
        if "obtain" in resource:
            continue
        [address] = resources.addresses(resource)
        if "files" in resource:
            for file in resource["files"]:
                put(folder, f"{address}/{file}", (raw / "enformer" / file).read_bytes())
        else:
            put(folder, address, files.pop(name))
    assert not files
    for track in (*small_world.ENFORMER_TRACKS, *small_world.BELUGA_TRACKS):
        for source in ("enformer_experimental", "beluga_experimental"):
            for prefix, template in config["sources"][source]["bigwigs"].items():
                if track.startswith(prefix) and track != small_world.MISSING_TRACK:
                    content = (raw / "bigwigs" / f"{track}.bw").read_bytes()
                    put(folder, template.replace("{identifier}", track), content)
    sums = {}
    for name, resource in config["resources"].items():
        if isinstance(resource.get("sha256"), str):
            content = (
                folder / urlsplit(resource["url"]).netloc / urlsplit(resource["url"]).path.lstrip("/")
            ).read_bytes()
            content = gzip.decompress(content) if resource["url"].endswith(".gz") else content
            sums[name] = {"sha256": hashlib.sha256(content).hexdigest()}
    return sums


def put(folder, address, content):
    place = folder / urlsplit(address).netloc / urlsplit(address).path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A copy of the repository, the config of sizes laid over the thesis's, and the server that it is led to."""
    home = tmp_path_factory.mktemp("published")
    folder, raw = home / "chrom2expr", home / "raw"
    copied(folder, "profiles")
    raw.mkdir()
    small_world.write_raw(raw)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    with serving(home / "www") as server:
        sums = publish(config, home / "www", raw)
        overlay = {**SIZES, "resources": sums, "mirror": {"https://": f"{server.url}/"}}
        (folder / "small.yaml").write_text(json.dumps(overlay))
        server.breaks = 2
        yield folder, server


def chrom2expr(folder, *arguments):
    command = [sys.executable, "-m", "chrom2expr.command_line", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(PYTHONPATH=folder / "workflow/scripts"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


def bars(folder):
    return [(row["run"], row["panel"], row["n"]) for row in table(folder / "results/figures/fig3_2.tsv") if row["run"]]


@pytest.mark.slow
def test_the_thesis_run_from_addresses_to_a_figure(published):
    folder, server = published
    run(folder, "--cores", "2", FIGURE, "--configfile", "small.yaml")
    for ending in (".pdf", ".png"):
        assert (folder / FIGURE).with_suffix(ending).stat().st_size > 10_000
    shown = {run for run, _, _ in bars(folder)}
    assert len({run for run in shown if not run.startswith("baseline")}) == 4
    # Every file was broken off twice and gone on with.
    asked = {
        path: [headers.get("Range") for other, headers in server.asked if other == path] for path in server.paths()
    }
    there = {path: ranges for path, ranges in asked.items() if (server.folder / path.lstrip("/")).is_file()}
    assert len(there) >= 10 + 7 and all(len(ranges) == 3 and ranges[0] is None for ranges in there.values())
    assert all("bytes=" in last for *_, last in there.values())
    assert [path for path in asked if path not in there] == [
        f"/www.encodeproject.org/files/{small_world.MISSING_TRACK}/@@download/{small_world.MISSING_TRACK}.bigWig"
    ]
    record = Record(folder / "resources").read()
    assert len(record) == len(there)
    for (name, file), row in record.items():
        if (folder / "resources" / name / file).exists():
            assert sha256(folder / "resources" / name / file) == row.sha256
    assert not list((folder / "resources").rglob(".*part*"))


@pytest.mark.slow
def test_downloads_can_be_dropped_and_come_back_without_making_anything_again(published):
    folder, server = published
    if not (folder / FIGURE).exists():
        pytest.skip("needs the run above")
    listed = chrom2expr(folder, "clean", "small.yaml")
    assert "hg19.fa" in listed and "deepsea.beluga.pth" in listed and "clean --drop" in listed
    assert (folder / "resources/genome_grch37/hg19.fa").exists()
    chrom2expr(folder, "clean", "small.yaml", "--drop")
    assert not (folder / "resources/genome_grch37/hg19.fa").exists()
    assert "nothing that could be fetched again" in chrom2expr(folder, "clean", "small.yaml")
    quiet = ("-n", FIGURE, "--configfile", "small.yaml")
    assert "Nothing to be done" in run(folder, *quiet)
    said = chrom2expr(folder, "fetch", "small.yaml")
    assert "genome_grch37: resources/genome_grch37/hg19.fa is to be fetched" in said and "Everything is there" in said
    assert "basenji_tracks: is not fetched" in said
    assert "Nothing to be done" in run(folder, *quiet)
    planned = run(folder, "-n", "results/figures/fig2_4.pdf", "--configfile", "small.yaml", "--quiet", "rules")
    assert "lift_genes" not in planned and "predict_tracks" not in planned and "fit_head" in planned
    asked = len(server.asked)
    said = chrom2expr(folder, "fetch", "small.yaml", "--bigwigs", "beluga_experimental")
    assert "genome_grch37: resources/genome_grch37/hg19.fa is there, as it came on" in said
    assert {path.split("/")[1] for path in server.paths()[asked:]} == {"egg2.wustl.edu"}
    assert len(list((folder / "resources/bigwigs/beluga_experimental").rglob("*.bigWig"))) == 4
    assert "beluga_experimental/001" in chrom2expr(folder, "clean", "small.yaml")


OWN = {
    "sources": {
        "lab": {
            "kind": "measured",
            "assembly": "grch38",
            "geometry": {"sequence_length": 64, "bins": 8, "bin_size": 8},
            "central_bins": 2,
            "split": "chr14",
            "groups": 2,
            "missing_bigwigs": "error",
        }
    },
    "figures": {
        "lab": {
            "kind": "scores",
            "groups": "head",
            "runs": [{"source": "lab", "inputs": "chromatin", "head": ["multi_cnn", "ridge", "probe"], "loss": "mse"}],
        }
    },
}


@pytest.mark.slow
def test_a_folder_of_bigwigs_is_a_source_without_a_backbone(published):
    folder, _ = published
    if not (folder / FIGURE).exists():
        pytest.skip("needs the run above")
    OWN["sources"]["lab"]["bigwigs"] = {"": f"{folder.parent}/raw/bigwigs/{{identifier}}.bw"}
    (folder / "own.yaml").write_text(json.dumps(OWN))
    said = run(folder, "--cores", "2", "results/figures/lab.pdf", "--configfile", "small.yaml", "own.yaml")
    assert "predict_tracks" not in said and "lift_genes" not in said
    runs = {row["run"] for row in table(folder / "results/figures/lab.tsv")}
    assert runs == {f"lab/chromatin/{head}/mse" for head in ("multi_cnn", "ridge", "probe")} | {"baseline/chr14"}
    with h5py.File(folder / "results/features/lab.h5") as store:
        tracks = [name.decode() for name in store["track_id"][:]]
    assert tracks == sorted(file.stem for file in (folder.parent / "raw/bigwigs").iterdir())


@pytest.mark.slow
def test_a_file_that_was_changed_since_it_came_is_named(published):
    folder, _ = published
    path = folder / "resources/gene_expression/geneanno.exp.csv"
    if not path.exists():
        pytest.skip("needs the run above")
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    result = subprocess.run(
        [sys.executable, "-m", "chrom2expr.command_line", "fetch", "small.yaml"],
        cwd=folder, env=environment(PYTHONPATH=folder / "workflow/scripts"), capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 1 and "it was changed since it came, or is damaged" in result.stderr
    path.write_bytes(content)
