"""What `chrom2expr fetch` and `clean` do beside Snakemake: what is there, what it is, what may go."""

import json
import signal
import subprocess
import sys
import time

import pytest

from chrom2expr import command_line
from chrom2expr.config import downloads
from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.files.whole import sha256
from dry_runs import environment
from file_server import serving, stall
from planned_jobs import copied


@pytest.fixture
def config(tmp_path):
    return {
        "pathvars": {"resources": str(tmp_path / "resources"), "logs": str(tmp_path / "logs")},
        "resources": {
            "genome": {"url": "https://x.org/hg38.fa.gz"},
            "weights": {"url": ["https://x.org/m", "https://y.org/m"], "files": ["a.json", "b.bin"]},
            "mine": {"url": "https://x.org/t.csv", "path": "mine/t.csv"},
            "bucket": {"obtain": "Ask for it."},
        },
        "sources": {
            "measured": {"kind": "measured", "groups": 2, "bigwigs": {"E": "https://x.org/{identifier}.bw"}},
            "records": {"kind": "measured", "groups": 1, "from": "tfrecords", "records": "bucket"},
            "local": {"kind": "measured", "groups": 1, "bigwigs": {"E": "/data/{identifier}.bw"}},
            "mended": {
                "kind": "measured",
                "groups": 1,
                "bigwigs": {"E": "/data/{identifier}.bw"},
                "overrides": "o.tsv",
            },
            "predicted": {"kind": "predicted"},
        },
    }


def put(tmp_path, name, content=b"x"):
    path = tmp_path / "resources" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_files_of_a_config(config, tmp_path):
    found = [(name, str(path.relative_to(tmp_path)), log.name) for name, path, log in downloads.planned(config)]
    assert found == [
        ("genome", "resources/genome/hg38.fa", "hg38.fa.log"),
        ("weights", "resources/weights/a.json", "a.json.log"),
        ("weights", "resources/weights/b.bin", "b.bin.log"),
    ]
    groups = downloads.group_targets(config, "measured")
    assert [group.removeprefix(f"{tmp_path}/resources/bigwigs/measured/") for group in groups] == [
        "000", "000.tsv", "001", "001.tsv"
    ]  # fmt: skip
    for source in ("predicted", "nowhere"):
        with pytest.raises(InputError, match=f"{source} is no measured source .* there are measured, records, local"):
            downloads.group_targets(config, source)
    with pytest.raises(InputError, match=r"records has no bigWigs to fetch: it is from tfrecords \(bucket\)"):
        downloads.group_targets(config, "records")


def test_what_is_there_is_compared_with_what_came(config, tmp_path):
    genome, weights = put(tmp_path, "genome/hg38.fa"), put(tmp_path, "weights/a.json")
    Record(tmp_path / "resources").add("genome", "hg38.fa", 1, sha256(genome), "https://x.org/hg38.fa.gz")
    said = "\n".join(downloads.report(config))
    assert "genome/hg38.fa is there, as it came on 20" in said
    assert f"{weights} is there, but was not noted when it came" in said
    assert "weights/b.bin is to be fetched" in said
    assert "mine: mine/t.csv is your own" in said and "bucket: is not fetched; " in said and "Ask for it." in said
    genome.write_bytes(b"y")
    with pytest.raises(InputError, match="hg38.fa: its SHA-256 is .* it was changed since it came, or is damaged"):
        list(downloads.report(config))
    genome.write_bytes(b"x")
    config["resources"]["weights"]["sha256"] = {"a.json": sha256(weights)}
    assert f"{weights} is there, as it should be" in "\n".join(downloads.report(config))
    config["resources"]["weights"]["sha256"] = {"a.json": "0" * 64}
    with pytest.raises(InputError, match="a.json: its SHA-256 is"):
        list(downloads.report(config))


def test_only_what_can_be_fetched_again_may_go(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = [put(tmp_path, name) for name in ("checksums.tsv", "simulated/x", "bigwigs/local/000/E1.bw", "mine/t.csv")]
    gone = [
        "genome/hg38.fa", "genome/.hg38.fa.01234567.packed", "genome/.hg38.fa.01234567.packed.part",
        "genome/.hg38.fa.01234567.packed.part.json", "weights/b.bin", "bigwigs/measured/000/E1.bigWig",
        "bigwigs/mended/000/E1.bigWig", "bigwigs/measured/.001.01234567.coming/.E2.bigWig.part",
    ]  # fmt: skip
    for name in gone:
        put(tmp_path, name, b"four")
    found = downloads.refetchable(config)
    assert sum(size for _, size in found) == 4 * len(gone)
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()
    with pytest.raises(InputError, match="a run is under way"):
        downloads.drop([path for path, _ in found])
    assert downloads.refetchable(config) == found
    (locks / "0.input.lock").unlink()
    downloads.drop([path for path, _ in found])
    assert not downloads.refetchable(config) and all(path.exists() for path in kept)


def test_the_commands_work_in_the_workflows_folder_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in ("fetch", "clean"):
        assert command_line.main([command]) == 1
        assert f"work in the workflow's folder: there is no config/config.yaml with a Snakefile in {tmp_path}" in (
            capsys.readouterr().err
        )


def test_fetch_says_what_could_not_be_fetched_and_keeps_the_rest(tmp_path):
    folder, published = copied(tmp_path / "clone", "profiles"), tmp_path / "www/raw.githubusercontent.com"
    table = published / "FunctionLab/ExPecto/master/resources/geneanno.exp.csv"
    table.parent.mkdir(parents=True)
    table.write_text("id,a\n1,2\n")
    with serving(tmp_path / "www") as server:
        (folder / "mine.yaml").write_text(json.dumps({"mirror": {"https://": f"{server.url}/"}}))
        command = [sys.executable, "-m", "chrom2expr.command_line", "fetch", "mine.yaml", "--jobs", "2"]
        done = subprocess.run(
            command, cwd=folder, env=environment(PYTHONPATH=folder / "workflow/scripts"), capture_output=True, text=True
        )
    assert done.returncode == 1
    assert "Not all could be fetched; what came is kept, so run it again." in done.stdout
    assert "gene_expression/geneanno.exp.csv: geneanno.exp.csv: SHA-256 is" in done.stdout
    assert f"Error: {server.url}/hgdownload.soe.ucsc.edu/goldenPath/hg19/bigZips/hg19.fa.gz: cannot be" in done.stderr
    assert (folder / "resources/gene_expression/geneanno.exp.csv").read_text() == table.read_text()
    assert not (folder / "resources/genome_grch37/hg19.fa").exists()


def test_an_interrupted_fetch_ends_cleanly_and_goes_on(tmp_path):
    folder, table = (
        copied(tmp_path / "clone", "profiles"),
        "raw.githubusercontent.com/FunctionLab/ExPecto/master/resources",
    )
    content = b"id,a\n" + b"1,2\n" * 100_000
    (tmp_path / "www" / table).mkdir(parents=True)
    (tmp_path / "www" / table / "geneanno.exp.csv").write_bytes(content)
    with serving(tmp_path / "www") as server:
        (folder / "mine.yaml").write_text(json.dumps({"mirror": {"https://": server.url}}))
        server.faults[f"/{table}/geneanno.exp.csv"] = [stall(100_000, 60)]
        command = [sys.executable, "-m", "chrom2expr.command_line", "fetch", "mine.yaml"]
        job = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(PYTHONPATH=folder / "workflow/scripts"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        resources, end = folder / "resources/gene_expression", time.monotonic() + 60
        while not any(part.stat().st_size for part in resources.glob(".*.part")) and time.monotonic() < end:
            time.sleep(0.1)
        job.send_signal(signal.SIGINT)
        _, said = job.communicate(timeout=60)
        assert job.returncode == 130 and b"Interrupted; run it again" in said and b"Traceback" not in said
        assert not list((folder / ".snakemake").glob("locks/*"))
        done = subprocess.run(
            command, cwd=folder, env=environment(PYTHONPATH=folder / "workflow/scripts"), capture_output=True, text=True
        )
        assert (resources / "geneanno.exp.csv").read_bytes() == content, done.stderr
    asked = [headers.get("Range") for path, headers in server.asked if path.endswith("geneanno.exp.csv")]
    assert asked == [None, "bytes=100000-"]
