"""What every script does: its library, and what happens when a cluster's profile tries its job again."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import scripts
from chrom2expr.errors import InputError
from chrom2expr.job import job
from dry_runs import environment


def attempt(log, number, error=None):
    """One try of a job, as Snakemake starts it: without the log of the last; gives the log and whether work began."""
    log.unlink(missing_ok=True)
    began, resources = False, SimpleNamespace(attempt=number)
    try:
        with job(scripts.snakemake(log=[str(log)], resources=resources)):
            began = True
            if error:
                raise error
    except (SystemExit, RuntimeError):
        pass
    return after_start(log), began


def after_start(log):
    """A log without its first line, which says which rule began, when and how."""
    start, _, rest = log.read_text().partition("\n")
    assert re.fullmatch(r"\w+, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, threads: \d+", start), start
    return rest


def test_bad_input_is_not_tried_again(tmp_path):
    log = tmp_path / "log"
    assert attempt(log, 1, InputError("genes.tsv: no α, mend it")) == ("Error: genes.tsv: no α, mend it\n", True)
    for number in (2, 3):
        said, began = attempt(log, number)
        assert not began and said == "Error: genes.tsv: no α, mend it (not tried again: once mended, run again)\n"
    # The next Snakemake counts from one.
    assert attempt(log, 1) == ("", True)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_what_else_stops_a_job_is_tried_again(tmp_path):
    log = tmp_path / "log"
    assert attempt(log, 1, RuntimeError("node lost"))[1] and attempt(log, 2) == ("", True)


def test_bad_input_of_an_earlier_run_is_forgotten(tmp_path):
    log = tmp_path / "log"
    attempt(log, 1, InputError("bad"))
    attempt(log, 1, RuntimeError("node lost"))
    assert attempt(log, 2) == ("", True)


def test_without_a_cluster_nothing_counts_the_tries(tmp_path):
    for _ in range(2):
        with pytest.raises(SystemExit), job(scripts.snakemake(log=[str(tmp_path / "log")])):
            raise InputError("bad")
        assert after_start(tmp_path / "log") == "Error: bad\n" and len(list(tmp_path.iterdir())) == 1


RULE = """
rule one:
    output: "made.txt"
    log: "one.log"
    script: "scripts/one.py"
"""
SCRIPT = """
from chrom2expr.job import job

with job(snakemake) as call:
    from pathlib import Path

    from chrom2expr.errors import InputError
    from chrom2expr.genome import windows

    Path(call.output[0]).write_text(windows.__file__)
    if Path("wrong").exists():
        raise InputError("mend it")
"""


def test_a_script_runs_the_library_beside_it_whatever_is_installed(tmp_path):
    """Snakemake appends the folder of a script to the paths that Python searches; what is installed comes first."""
    library = Path(scripts.path("chrom2expr"))
    for folder in ("installed", "scripts"):
        shutil.copytree(library, tmp_path / folder / "chrom2expr", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "installed/chrom2expr/genome/windows.py").write_text("raise SystemError('that of the installed one')\n")
    (tmp_path / "Snakefile").write_text(RULE)
    (tmp_path / "scripts/one.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "made.txt"]
    installed = environment(PYTHONPATH=tmp_path / "installed")
    done = subprocess.run(command, cwd=tmp_path, env=installed, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made.txt").read_text() == str(tmp_path / "scripts/chrom2expr/genome/windows.py")
    (tmp_path / "wrong").touch()
    done = subprocess.run([*command, "-F"], cwd=tmp_path, env=installed, check=False, capture_output=True, text=True)
    assert done.returncode != 0 and after_start(tmp_path / "one.log") == "Error: mend it\n"


WAITING = """
import sys, time
from types import SimpleNamespace
from chrom2expr.job import job

with job(SimpleNamespace(log=[sys.argv[1]], input=[], output=[], params={}, resources=None, threads=1)):
    print("waits", flush=True)
    time.sleep(600)
"""


def test_a_job_ends_with_the_process_that_started_it(tmp_path):
    """As when Snakemake is killed, and its jobs are not."""
    log = tmp_path / "log"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAITING!r}, {str(log)!r}])"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(scripts.path("chrom2expr"))}
    starter = subprocess.Popen([sys.executable, "-c", code], env=environment)
    for said in ("waits", "so that nobody waits for it\nStopped by SIGTERM"):
        deadline = time.monotonic() + 60
        while not (log.exists() and said in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        starter.kill()
        starter.wait()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which is always full")
def test_no_room_for_a_log_stops_no_job():
    with job(scripts.snakemake(log=["/dev/full"])):
        print("lost")
        done = True
    assert done
