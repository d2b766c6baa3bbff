"""One owner of a folder: real processes that contend, are killed, are stopped, and go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chrom2expr.errors import InputError
from chrom2expr.files import ownership
from chrom2expr.files.ownership import owned
from chrom2expr.heads import resumable_training, run_files
from small_enformer import Files, fit, run
from test_finetuned import bytes_of

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"
# Owns argv[1], says so, and once argv[3] is there checks, writes into the folder, and ends.
SOURCE = """
import sys, time
from pathlib import Path
from chrom2expr.errors import InputError
from chrom2expr.files.ownership import owned
folder, stale_after, go, name = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
try:
    with owned(folder, stale_after) as owner:
        print("owns", flush=True)
        while not go.exists():
            time.sleep(0.02)
        owner.check()
        (folder / name).touch()
except InputError as error:
    print("refused", error, flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a contender for tmp_path/checkpoints; all are killed in the end."""
    (tmp_path / "checkpoints").mkdir()
    processes = []

    def begin(name, stale_after=2.0, **environment):
        go = tmp_path / f"go_{name}"
        command = [sys.executable, "-c", SOURCE, str(tmp_path / "checkpoints"), str(stale_after), str(go), name]
        environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), **environment}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        process.go = go
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def ends(process):
    """All that a contender says until it ends."""
    return process.communicate(timeout=60)[0]


def owns(process):
    """Waits until a contender owns the folder; gives what it said before."""
    said = []
    for line in process.stdout:
        if line == "owns\n":
            return "".join(said)
        said.append(line)
    pytest.fail(f"never owned: {said}")


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("go_"))


def test_a_second_process_is_refused_and_told_who_the_owner_is(start, tmp_path):
    first = start("first", SLURM_JOB_ID="4711")
    owns(first)
    said = ends(start("second"))
    for part in (
        "refused",
        "checkpoints: held by SLURM job 4711",
        f"process {first.pid} on ",
        "since 20",
        "sign of life 20",
        "scancel 4711",
        "run again",
    ):
        assert part in said.splitlines()[-1], said
    first.go.touch()
    assert ends(first) == "" and os.listdir(tmp_path / "checkpoints") == ["first"]
    assert left(tmp_path) == ["checkpoints"]


def test_a_killed_owner_is_followed_at_once(start, tmp_path):
    first = start("first", stale_after=600)
    owns(first)
    first.kill()
    # Not even waited for: a zombie has ended, too.
    second = start("second", stale_after=600)
    assert "which has ended" in owns(second)
    second.go.touch()
    assert ends(second) == "" and os.listdir(tmp_path / "checkpoints") == ["second"]


def test_another_process_of_the_same_number_is_not_the_owner(tmp_path):
    mine = vars(ownership.Identity.mine()) | {"began": "1"}
    (tmp_path / ".checkpoints.owner.1").write_text(json.dumps(mine))
    with owned(tmp_path / "checkpoints", 600) as owner:
        assert owner.file.name == ".checkpoints.owner.2" and left(tmp_path) == [".checkpoints.owner.2"]


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"machine": "another container"}, None])
def test_an_owner_of_another_machine_is_watched(tmp_path, change):
    """Its process number says nothing here, nor does its clock; None: a file that was never filled."""
    identity = {**vars(ownership.Identity.mine()), "began": "1", **(change or {})}
    file = tmp_path / ".checkpoints.owner.7"
    file.write_text(json.dumps(identity) if change else "")
    os.utime(file, (2e9, 2e9))
    started = time.monotonic()
    with owned(tmp_path / "checkpoints", 1) as owner:
        assert time.monotonic() - started >= 1 and owner.file.name == ".checkpoints.owner.8"
    assert left(tmp_path) == []


def test_a_stopped_owner_is_followed_and_touches_nothing_when_it_goes_on(start, tmp_path):
    first = start("first")
    owns(first)
    first.send_signal(signal.SIGSTOP)
    second = start("second")
    assert "no sign of life for 2 s" in owns(second)
    first.go.touch()
    first.send_signal(signal.SIGCONT)
    said = ends(first)
    assert "refused" in said and f"taken over by process {second.pid} on" in said
    assert os.listdir(tmp_path / "checkpoints") == [] and len(left(tmp_path)) == 2
    second.go.touch()
    assert ends(second) == "" and os.listdir(tmp_path / "checkpoints") == ["second"]
    assert left(tmp_path) == ["checkpoints"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_of_several_that_wait_one_follows(start, tmp_path, how):
    first = start("first")
    owns(first)
    first.send_signal(how)
    waiting = [start(f"waiter{number}") for number in range(4)]
    deadline = time.monotonic() + 60
    while sum(process.poll() is None for process in waiting) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    [winner] = [process for process in waiting if process.poll() is None]
    owns(winner)
    winner.go.touch()
    assert ends(winner) == ""
    said = [ends(process) for process in waiting if process is not winner]
    assert all(f"refused {tmp_path}/checkpoints: held by process {winner.pid} on" in text for text in said), said
    assert len(os.listdir(tmp_path / "checkpoints")) == 1


@pytest.mark.parametrize("moment", ["last.pt", "best.pt", "outputs", "remove"])
def test_a_fine_tuning_that_was_followed_writes_nothing_more(tmp_path, monkeypatch, moment):
    """The owner's file is another's at the moment before each write, and before the removal."""
    files, folder = Files(tmp_path), tmp_path / "run"
    job, before = files.job(folder, max_epochs=1), {}

    def everything():
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "log.txt"}

    def follow():
        (folder / ".checkpoints.owner.1").unlink()
        other = {**vars(ownership.Identity.mine()), "host": "elsewhere"}
        (folder / ".checkpoints.owner.2").write_text(json.dumps(other))
        before.update(everything())

    def struck(original, when):
        def call(*args, **kwargs):
            if when(args) and not before:
                follow()
            return original(*args, **kwargs)

        return call

    owner, name, when = {
        "last.pt": (resumable_training.Checkpoints, "_keep", lambda args: args[1] == "last.pt"),
        "best.pt": (resumable_training.Checkpoints, "_keep", lambda args: args[1] == "best.pt"),
        "outputs": (run_files, "write_run", lambda args: True),
        "remove": (resumable_training.Checkpoints, "remove", lambda args: True),
    }[moment]
    monkeypatch.setattr(owner, name, struck(getattr(owner, name), when))
    with pytest.raises(SystemExit):
        run("finetune_backbone.py", job)
    assert before and everything() == before
    assert "taken over by process" in (folder / "log.txt").read_text()


def test_a_live_fine_tuning_keeps_its_half_written_files(tmp_path):
    files, folder = Files(tmp_path), tmp_path / "run"
    job = files.job(folder, max_epochs=1)
    job.resources.owner_stale_after = 1
    with owned(folder / "checkpoints", 1):
        (folder / ".model.pt.77.partial").write_bytes(b"half")
        with pytest.raises(SystemExit):
            run("finetune_backbone.py", job)
        assert (folder / ".model.pt.77.partial").exists() and not (folder / "checkpoints").exists()
    assert "held by process" in (folder / "log.txt").read_text()


def test_the_result_after_a_takeover_is_that_of_an_undisturbed_run(tmp_path, monkeypatch):
    files = Files(tmp_path, dropout_rate=0.2)
    run("finetune_backbone.py", files.job(tmp_path / "undisturbed"))
    folder, epochs = tmp_path / "run", []
    train = resumable_training._train

    def struck(*args):
        if len(epochs) == 2:
            raise KeyboardInterrupt
        epochs.append(train(*args))

    with monkeypatch.context() as patched:
        patched.setattr(resumable_training, "_train", struck)
        with pytest.raises(KeyboardInterrupt):
            run("finetune_backbone.py", files.job(folder))
    (folder / ".checkpoints.owner.1").write_text(json.dumps(vars(ownership.Identity.mine()) | {"began": "1"}))
    (folder / ".checkpoints.removed").mkdir()
    run("finetune_backbone.py", files.job(folder))
    assert bytes_of(folder) == bytes_of(tmp_path / "undisturbed")
    assert "going on after epoch 2" in (folder / "log.txt").read_text()
    assert not [path for path in folder.iterdir() if "checkpoints" in path.name]


def test_checkpoints_stay_when_another_job_removed_the_runs_files(tmp_path):
    files = Files(tmp_path)
    _, checkpoints = fit(files.task(max_epochs=1), files.trunk(), tmp_path / "checkpoints")
    with pytest.raises(InputError, match="model.pt was written, and removed by another job"):
        checkpoints.remove([tmp_path / "model.pt"])
    assert (tmp_path / "checkpoints" / "last.pt").exists()
