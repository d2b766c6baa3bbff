"""The jobs that targets take, as Snakemake plans them, with all that decides whether they run again."""

import shutil
from pathlib import Path
from typing import NamedTuple

import dry_runs
from dry_runs import ROOT

GENERATED = (".git", ".venv", ".snakemake", "results", "resources", "__pycache__", ".pytest_cache")


class Job(NamedTuple):
    """What decides whether a job runs again."""

    inputs: list[str]
    params: dict[str, str]


def planned_jobs(targets, overlays, cwd=ROOT, site=None):
    """{(rule, first output): Job} of all jobs that lead to targets which have no files yet."""
    environment = {"PYTHONPATH": str(site)} if site else {}
    found = dry_runs.jobs(targets, overlays, cwd, **environment)
    return {(rule, output[0]): Job(given, params) for rule, output, given, params in found}


def clean_copy(folder):
    """A copy of the whole repository without anything generated."""
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*GENERATED), dirs_exist_ok=True))


def copied(folder, *more):
    """A copy of the workflow, its config and `more` of the repository, to be edited."""
    for name in ("Snakefile", "workflow", "config", *more):
        source = ROOT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def reruns(before, after):
    """The jobs that another config or other code repeats, each for itself."""
    assert before.keys() == after.keys()
    return {job for job, found in after.items() if before[job] != found}
