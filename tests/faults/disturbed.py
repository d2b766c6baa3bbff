"""A clone with a run of the small demo in it, to be disturbed, and what is compared of it."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from planned_jobs import clean_copy
from undisturbed import OPTIONS, RESOURCES, RESULTS, TARGET, environment

ROOT = Path(__file__).resolve().parents[2]
# What heads are fitted to of one source, a fitted head, its scores: four small jobs with the figure's table.
MADE = (f"{RESULTS}/reduced_features/*/enformer_experimental", f"{RESULTS}/models/enformer_experimental")
# The scores of it alone: one job, of seconds, with the figure's table.
SCORED = tuple(f"{RESULTS}/models/enformer_experimental/*/*/*/{name}" for name in ("cross_*.tsv", "bootstrap.h5"))
# What a run says of its course differs from run to run.
UNEQUAL = ("logs/", "benchmarks/")
# Where the random numbers of a session begin, and how often each random test is run.
SEED = int(os.environ.get("FAULTS_SEED", "1"))
ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "1"))

rounds = pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))


class Clone:
    """A copy of the repository, with or without the results of a run.

    `before`: words before each command (another user, another clock); `environment`: laid over this one's, where None
    takes a variable away.
    """

    def __init__(self, folder, before=(), **environment):
        self.folder, self.before, self.environment = Path(folder), list(before), environment

    def path(self, name):
        return self.folder / name

    def start(self, *command, options=OPTIONS, module="snakemake"):
        """A command under way, in a process group of its own; what it says goes to the file `said`."""
        if module == "snakemake" and not command:
            command = (TARGET,)
        said = self.folder.parent / f"{self.folder.name}.said"
        with open(said, "wb") as handle:
            process = subprocess.Popen(
                [*self.before, sys.executable, "-m", module, *command, *options],
                cwd=self.folder,
                env=environment(**self.environment),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.said = said
        return process

    def ends(self, process):
        """(exit status, all that it said) of a command, once it and all that it started have ended."""
        status = process.wait(timeout=900)
        gone_within(process, 20)
        return status, process.said.read_text(errors="replace")

    def snakemake(self, *targets, options=OPTIONS):
        return self.ends(self.start(*targets, options=options))

    def run(self, *targets, options=OPTIONS):
        """What a run says that ends well."""
        status, said = self.snakemake(*targets, options=options)
        assert status == 0, said[-6000:]
        return said

    def refused(self, *targets, options=OPTIONS):
        """What a run says that ends with an error which was foreseen."""
        status, said = self.snakemake(*targets, options=options)
        assert status == 1, said[-6000:]
        assert "not foreseen" not in said, said[-6000:]
        return said

    def chrom2expr(self, *arguments):
        return self.ends(self.start(*arguments, options=(), module="chrom2expr.command_line"))

    def lack(self, *patterns):
        """Remove what a run made, and what it was made for, so that the next run makes both."""
        self.path(TARGET).unlink(missing_ok=True)
        for pattern in patterns:
            found = list(self.folder.glob(pattern))
            assert found, pattern
            for path in found:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def results(self, *below):
        """{path: SHA-256} of everything that a run left, but what tells of its course."""
        found = {}
        for root in below or (RESULTS, RESOURCES):
            for path in sorted(self.path(root).rglob("*")):
                name = str(path.relative_to(self.folder))
                if path.is_file() and not any(f"/{part}" in name for part in UNEQUAL):
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def copy(self, folder, **changes):
        """A clone like this one, results and what Snakemake knows of them included, as old as they are here."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder, **changes)


def new_clone(folder):
    """A clone without results."""
    return Clone(clean_copy(folder))


def differing(found, expected):
    """The files that are not those of the undisturbed run: absent, more, or of other content."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def members(process):
    """The living processes of a command's group, with the first letters of their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(group) == process.pid and state not in "ZX":
                found[int(stat.parent.name)] = stat.with_name("cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:  # it has just ended
            continue
    return found


def scripts(process):
    """The process ids of the jobs' scripts that a Snakemake has under way."""
    return [pid for pid, command in members(process).items() if "/.snakemake/scripts/" in command]


def gone_within(process, seconds):
    """Wait until nothing of a command's group is left; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while left := members(process):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def until(process, reached, seconds=600):
    """Wait until `reached` of what a command has said so far is true; False if it has ended first."""
    deadline = time.monotonic() + seconds
    while not reached(process.said.read_text(errors="replace")):
        assert time.monotonic() < deadline, process.said.read_text(errors="replace")[-3000:]
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return True


def started(said):
    """How many jobs of a run have been started."""
    return len(re.findall(r"^(?:local)?rule \w+:$", said, re.M))


def at_random_moment(process, choice: random.Random, jobs):
    """Wait for a random one of the first so many jobs of a run, and a while more."""
    number = choice.randint(0, jobs)
    until(process, lambda said: started(said) >= number)
    time.sleep(choice.uniform(0, 4))


def signal_all(process, number):
    """Send a signal to a command and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextmanager
def ended(process):
    """Whatever happens in the block, nothing of a command is left behind."""
    try:
        yield process
    finally:
        signal_all(process, signal.SIGCONT)
        signal_all(process, signal.SIGKILL)
        process.wait()


@contextmanager
def small_disk(folder, size):
    """A disk of its own at a folder, of so many bytes; what lay there is moved to it. Yields a function to resize it."""
    folder = Path(folder)
    kept = folder.with_name(folder.name + ".kept")
    folder.rename(kept)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "faults", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        kept.rename(folder)
        pytest.skip("needs the right to mount a small disk")
    try:
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
