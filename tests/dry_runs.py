"""Snakemake, most of all for dry runs, in a process that has it loaded already, as after a run in that folder."""

import atexit
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

ROOT = Path(__file__).resolve().parents[1]
# What one run keeps for the next.
KEPT = Path(".snakemake/chrom2expr/texts.json")
# Snakemake takes longer to load than most of what is asked of it.
_loaded = multiprocessing.get_context("forkserver")
_loaded.set_forkserver_preload(["snakemake.cli", "snakemake.api"])


def snakemake(*arguments, cwd=ROOT, **changes):
    """What `snakemake ARGUMENTS` answers, as subprocess.run does; with these changes of its environment."""
    return _answer(_snakemake, [str(one) for one in arguments], cwd, changes)


def jobs(targets, overlays, cwd=ROOT, **changes):
    """[rule, outputs, inputs, params] of each job that leads to targets which have no files yet."""
    done = _answer(_jobs, ([*targets], [str(overlay) for overlay in overlays]), cwd, changes)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return json.loads(done.stdout.split("JOBS ")[1])


def environment(**changes):
    """The environment of a Snakemake that takes the profile of its folder; None takes a variable away."""
    changed = os.environ | {"SNAKEMAKE_PROFILE": None} | changes
    return {name: str(value) for name, value in changed.items() if value is not None}


def _answer(work, given, cwd, changes):
    if (ROOT / KEPT).exists() and not (cwd / KEPT).exists():
        (cwd / KEPT).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / KEPT, cwd / KEPT)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _loaded.Process(target=_within, args=(work, given, str(cwd), environment(**changes), files))
        process.start()
        process.join()
        return CompletedProcess(given, process.exitcode, *(file.read_text() for file in files))


def _within(work, given, cwd, variables, files):
    """Do the work as a fresh process would: where, in which environment, and what it says to these files."""
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:0] = ["", *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        work(given)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
        sys.stdout.flush()
        sys.stderr.flush()


def _snakemake(arguments):
    from snakemake.cli import main

    sys.argv = ["snakemake", *arguments]
    main()


def _jobs(given):
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
        StorageSettings,
        WorkflowSettings,
    )

    targets, overlays = given
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
