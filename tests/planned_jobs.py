"""The jobs that targets take, as Snakemake plans them, with all that decides whether they run again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
GENERATED = (".git", ".venv", ".snakemake", "results", "resources", "__pycache__", ".pytest_cache")

PLAN = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.settings.types import StorageSettings, WorkflowSettings

targets, overlays = map(json.loads, sys.argv[1:])
with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path(overlay) for overlay in overlays]),
        storage_settings=StorageSettings(),
        workflow_settings=WorkflowSettings(),
        snakefile=Path("Snakefile"),
    )
    workflow.dag(DAGSettings(targets=set(targets))).execute_workflow(executor="dryrun")
    jobs = workflow._workflow.dag.jobs
    found = [[job.name, list(job.output), list(job.input), dict(job.params.items())] for job in jobs if job.output]
    print("JOBS", json.dumps(found))
"""


class Job(NamedTuple):
    """What decides whether a job runs again."""

    inputs: list[str]
    params: dict[str, str]


def planned_jobs(targets, overlays, cwd=ROOT, site=None):
    """{(rule, first output): Job} of all jobs that lead to targets which have no files yet."""
    environment = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
    if site:
        environment["PYTHONPATH"] = str(site)
    command = [sys.executable, "-c", PLAN, json.dumps(targets), json.dumps([str(overlay) for overlay in overlays])]
    done = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    found = json.loads(done.stdout.split("JOBS ")[1])
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
