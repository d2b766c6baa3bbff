"""What a config downloads: fetched ahead, verified, listed, dropped. The work of `chrom2expr fetch` and `clean`."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.config import resources
from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.files.whole import sha256

# Where Snakemake notes that a run is under way.
_LOCKS = Path(".snakemake/locks")
_EVERY = 5  # seconds between two looks at what has arrived


class Download(NamedTuple):
    """One file of a resource that the config downloads: whose it is, where it goes, and the log of its job."""

    name: str
    path: Path
    log: Path


def planned(config: Mapping[str, Any]) -> list[Download]:
    """The files that a config downloads, but for bigWigs."""
    roots = config["pathvars"]
    return [
        Download(name, Path(roots["resources"], name, file), Path(roots["logs"], "download", name, f"{file}.log"))
        for name in resources.downloads(config["resources"])
        for file in resources.file_names(config["resources"][name])
    ]


def report(config: Mapping[str, Any]) -> Iterator[str]:
    """A line for every resource: where it lies, whether it is there as it first came, or how to get it.

    Raises InputError for a file that is there, but is not what was downloaded.
    """
    record = Record(config["pathvars"]["resources"])
    for name, path, _ in planned(config):
        resource = config["resources"][name]
        row = record.find(name, path.name, resources.download_source(resource, name, path.name)["url"])
        expected = resources.expected(resource, path.name) or (row.sha256 if row else None)
        if not path.exists():
            yield f"{name}: {path} is to be fetched"
        elif expected is None:
            yield f"{name}: {path} is there, but was not noted when it came"
        elif (found := sha256(path)) == expected:
            yield f"{name}: {path} is there, as it {f'came on {row.date}' if row else 'should be'}"
        else:
            raise InputError(
                f"{path}: its SHA-256 is {found}, but should be {expected}: it was changed since it came, or is "
                "damaged. Delete it, and it is fetched again"
            )
    for name, resource in config["resources"].items():
        if resource.get("path"):
            yield f"{name}: {resource['path']} is your own"
        elif not resources.addresses(resource):
            yield f"{name}: is not fetched; only what names it needs it. {resource['obtain'].strip()}"


def group_targets(config: Mapping[str, Any], source: str) -> list[str]:
    """The folders and manifests of all groups of bigWigs of a measured source. Raises InputError if it is none."""
    section = config["sources"].get(source, {})
    if section.get("kind") != "measured":
        measured = [name for name, one in config["sources"].items() if one["kind"] == "measured"]
        raise InputError(f"{source} is no measured source of the config; there are {', '.join(measured) or 'none'}")
    if section.get("from") == "tfrecords":
        raise InputError(f"{source} has no bigWigs to fetch: it is from tfrecords ({section['records']})")
    folder = Path(config["pathvars"]["resources"], "bigwigs", source)
    return [str(folder / f"{group:03}{ending}") for group in range(section["groups"]) for ending in ("", ".tsv")]


def fetch(targets: Sequence[str], files: Sequence[Path], jobs: int, logs: Mapping[str, Path], keep: bool) -> int:
    """Let Snakemake make these targets on this machine, so many at a time; its exit status.

    `files` are the config's; `logs` are watched, and what they say last is printed; `keep` what is temporary.
    Interrupted, it lets Snakemake end first, so that no lock is left.
    """
    command = [sys.executable, "-m", "snakemake", *targets, "-s", "Snakefile", "--executor", "local"]
    command += ["--cores", str(jobs), "--keep-going", "--scheduler", "greedy", "--no-hooks", *["--notemp"] * keep]
    command += ["--quiet", "host", "progress", "reason", "rules", "--configfile", *map(str, files)]
    # In a session of its own, so that it ends by the one signal that is sent from here.
    with _watched(logs), subprocess.Popen(command, start_new_session=True) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            os.killpg(child.pid, signal.SIGTERM)  # its jobs too, which then end as they do on a cluster
            child.wait()
            raise


@contextmanager
def _watched(logs: Mapping[str, Path]) -> Iterator[None]:
    """Print the last line of each log, whenever it is another one."""
    done, said = threading.Event(), {name: _last_line(log) for name, log in logs.items()}

    def look() -> None:
        for name, log in logs.items():
            if (line := _last_line(log)) and line != said[name]:
                said[name] = line
                print(f"{name}: {line}", flush=True)

    def watch() -> None:
        while not done.wait(_EVERY):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        look()


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def refetchable(config: Mapping[str, Any]) -> list[tuple[Path, int]]:
    """What is there and can be fetched again, and its size in bytes: downloads, whole and begun, and kept bigWigs."""
    root = Path(config["pathvars"]["resources"])
    found = [path for _, path, _ in planned(config) if path.exists()]
    for name in resources.downloads(config["resources"]):
        found += sorted((root / name).glob(".*.pa[cr]*"))
    for name, source in config["sources"].items():
        if "overrides" in source or any("://" in template for template in source.get("bigwigs", {}).values()):
            for group in range(source["groups"]):
                folder = root / "bigwigs" / name / f"{group:03}"
                # All of a group's bigWigs, or those that have come yet.
                found += [folder] * folder.exists() + sorted(folder.parent.glob(f".{folder.name}.*.coming"))
    return [(path, _size(path)) for path in found]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def drop(paths: Sequence[Path]) -> None:
    """Remove these files and folders. Raises InputError while a run is under way."""
    if _LOCKS.is_dir() and any(_LOCKS.iterdir()):
        raise InputError(
            "a run is under way in this folder, or was killed: wait until it ends (or snakemake --unlock, if none is), "
            "then drop"
        )
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
