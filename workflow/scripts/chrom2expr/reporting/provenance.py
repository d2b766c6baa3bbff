"""The page of provenance: what a run was computed with and on, what it read, its feature stores and models."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.config import resources
from chrom2expr.files.checksums import Record
from chrom2expr.files.hdf5 import CheckedFile
from chrom2expr.files.pages import Table, write_page
from chrom2expr.files.whole import read_json, sha256
from chrom2expr.planning.jobs import Job
from chrom2expr.reporting import software
from chrom2expr.tracks.store_writer import FORMAT

GONE = "not there any more"
FOLDER = "a folder"


class Read(NamedTuple):
    """A file that a run took from elsewhere: its resource, path, bytes, SHA-256, and where it was downloaded from."""

    resource: str
    file: str
    size: int | None
    sha256: str
    address: str


class Store(NamedTuple):
    """A feature store: what computed it, in which precision, and the checksums of it and of what it was made of."""

    source: str
    assembly: str
    precision: str
    device: str
    software: str
    digest: str
    genome_sha256: str
    weights_sha256: str


class Model(NamedTuple):
    """A fitted model: on what device, on how many tracks, tissues and genes, and their missing values."""

    run: str
    device: str
    tracks: int | None
    tissues: int | None
    train: int | None
    validation: int | None
    test: int | None
    missing_values: int | None


def read_from_elsewhere(jobs: Sequence[Job], config: Mapping[str, Any]) -> Iterator[Read]:
    """The files that jobs read and none makes, and the config's resources, also where they are downloaded or simulated.

    They are hashed where checksums.tsv does not say what they were. `config` may be without what is secret in it.
    """
    folder = config["pathvars"]["resources"]
    noted = Record(folder).read()
    named = {
        path.replace("<resources>", folder): name
        for name, resource in config["resources"].items()
        if resource.get("path") or resources.addresses(resource)
        for path in _listed(resources.resource_path(resource, name))
    }
    made = {path for job in jobs for path in job.output} - {*named}
    files = dict.fromkeys(path for job in jobs for path in (*job.input, *job.output) if path not in made)
    for path in files:
        place, name = Path(path), named.get(path, "")
        row = noted.get((name, place.name))
        if row:
            yield Read(name, path, row.size, row.sha256, row.address)
        elif place.is_dir():
            yield Read(name, path, None, FOLDER, "")
        elif place.is_file():
            yield Read(name, path, place.stat().st_size, sha256(place), "")
        else:
            yield Read(name, path, None, GONE, "")


def stores(jobs: Sequence[Job]) -> Iterator[Store]:
    """The feature stores that jobs made. Raises InputError for one that is damaged."""
    for job in jobs:
        if not job.rule.endswith("merge_features"):
            continue
        with CheckedFile(job.output[0], FORMAT) as file:
            found = {name: str(value) for name, value in file.attributes.items()} | {"digest": str(file.digest)}
        yield Store(*(found.get(name, "") for name in Store._fields))


def models(jobs: Sequence[Job]) -> Iterator[Model]:
    """The models that jobs fitted, as their summaries say. Raises InputError for a summary that is damaged."""
    for job in jobs:
        [summary] = [path for path in job.output if path.endswith("/summary.json")] or [None]
        if summary is None or "jobs" in Path(summary).parts or job.rule.endswith("join_folds"):
            continue
        found = read_json(summary)
        genes = found.get("genes", {})
        counts = [genes.get(part, {}).get("all") for part in ("train", "val", "test")]
        missing = [part["missing_values"] for part in genes.values() if "missing_values" in part]
        run = "/".join(Path(summary).parts[-5:-1])
        numbers = [found.get("tracks"), found.get("tissues"), *counts, sum(missing) if missing else None]
        yield Model(run, found.get("device", ""), *numbers)


def write(path: str | Path, config: Mapping[str, Any], jobs: Sequence[Job], environments: Sequence[str | Path]) -> None:
    """Write the page of what these jobs, all done, come from; `environments` are the workflow's files of these."""
    about = [
        f"Every random choice follows from the seed {config['seed']}. What is said of the machine is of the one "
        "that made this page; stores and models say on which device they were computed.",
    ]
    installed = (
        "installed: in the environment that made this page, empty if not there; pinned: in the workflow's "
        "environments, which every job runs in with --sdm conda."
    )
    read = (
        "What jobs read and none made, and what was downloaded. A file that was downloaded has the SHA-256 of when it "
        "came (checksums.tsv); what lies in folders is not hashed here."
    )
    stored = "digest: of all that the store holds, its shards' digests among it (docs/files.md)."
    parts = [
        Table("Software and machine", ("what", "is"), software.computed_with(Path(__file__).parent)),
        Table("Inputs", Read._fields, list(read_from_elsewhere(jobs, config)), {GONE: "faint"}, [read]),
        Table("Feature stores", Store._fields, list(stores(jobs)), text=[stored]),
        Table("Models", Model._fields, list(models(jobs)), text=["Genes of each part of the split."]),
        Table("Packages", software.Package._fields, software.packages(environments), text=[installed]),
    ]
    write_page(path, "Provenance", about, parts)


def _listed(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else [*path]
