"""A demo on a SLURM of this machine, whatever befalls its jobs, ends with the files of a local run.

The commands are those of docs/slurm.md. Needs root, Debian or Ubuntu, and for the packages a network; without, it says
so and ends well. Run by `make test-slurm`; it works in a temporary folder, and stops and removes what it began.
"""

import filecmp
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/slurm.md"
CONFIGURED = Path("/etc/slurm/slurm.conf")
SPOOL = Path("/var/spool/slurm-try")
RUN = "results/demo/models/enformer_50kb/embedding/finetuned/mse"
TARGETS = [f"{RUN}/cross_gene.tsv", "results/demo/models/enformer_predicted/chromatin/ridge/mse/cross_gene.tsv"]
CONFIGS = "config/demo.yaml tests/shrunk_demo.yaml"
FINETUNING = f"results/demo/logs/finetune_backbone/{RUN.removeprefix('results/demo/models/')}.log"
STARTED = time.monotonic()
# How many times as long as on two idle cores a step may take.
SLOWER = 3


def commands(page: str) -> dict[str, str]:
    """The shell commands of docs/slurm.md, by what they do, with this test's config."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = ("end a killed run", "install", "configure", "start", "run", "stop")
    return dict(zip(names, (block.replace("config/demo.yaml", CONFIGS) for block in blocks), strict=True))


def reason_to_skip() -> str | None:
    """Why the test cannot be made here; None if it can."""
    if os.geteuid():
        return "it needs root, to install and configure SLURM"
    if not Path("/etc/debian_version").exists():
        return "it needs Debian or Ubuntu"
    if CONFIGURED.exists() and "ClusterName=try" not in CONFIGURED.read_text():
        return f"a SLURM is configured on this machine ({CONFIGURED})"
    return None


def say(message: str) -> None:
    print(f"[{time.monotonic() - STARTED:4.0f} s] {message}", flush=True)


def shell(script: str, cwd: Path | str = "/") -> str:
    """What commands print. Raises CalledProcessError at the first that fails."""
    ran = subprocess.run(
        ["bash", "-euc", script],
        cwd=cwd,
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if ran.returncode:
        print(ran.stdout)
        raise subprocess.CalledProcessError(ran.returncode, script)
    return ran.stdout


@contextmanager
def begun(script: str, cwd: Path, log: Path) -> Iterator[subprocess.Popen]:
    """A command that runs beside the block, and is ended after it; its output goes to the end of a log."""
    with open(log, "a") as handle:
        process = subprocess.Popen(["bash", "-euc", f"exec {script}"], cwd=cwd, stdout=handle, stderr=handle)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # Snakemake waits for its jobs
            process.kill()
            process.wait()


def until(what: str, found: Callable[[], Any], seconds: float = 300) -> Any:
    """What `found` gives once it is true. Raises TimeoutError after so many seconds."""
    end = time.monotonic() + seconds * SLOWER
    while not (value := found()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds * SLOWER:g} s in vain until {what}")
        time.sleep(0.3)
    say(what)
    return value


def jobs(states: str, rule: str = "") -> dict[str, str]:
    """The nodes of the jobs of a rule that are in one of these states, by the jobs' ids."""
    lines = shell(f"squeue --noheader --states={states} --format='%i|%N|%k'").splitlines()
    found = (line.split("|") for line in lines)
    return {job: node for job, node, comment in found if comment.startswith(f"rule_{rule}")}


def script_of(job: str) -> int | None:
    """The process of a job that runs the rule's script, if it has begun."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"SLURM_JOB_ID={job}\0" in (process / "environ").read_text()
            if ours and ".snakemake/scripts/" in (process / "cmdline").read_text().split("\0")[1]:
                return int(process.name)
        except (OSError, IndexError, UnicodeDecodeError):
            continue  # it has ended, or is none of ours
    return None


def steps(job: str) -> list[str]:
    """SLURM's own processes of a job."""
    titles = shell("ps -e -o args=").splitlines()
    return [title for title in titles if title.startswith(f"slurmstepd: [{job}.")]


def running(rule: str, elsewhere: str = "") -> tuple[str, str, int] | None:
    """A job of this rule, not on the node `elsewhere`, whose script runs: its id, node and process."""
    found = ((job, node, script_of(job)) for job, node in jobs("RUNNING", rule).items() if node != elsewhere)
    return next((one for one in found if one[2]), None)


def differing(cluster: Path, local: Path) -> list[str]:
    """The files of the cluster's run that the local one, which made more, lacks or has with other bytes.

    Logs and measured times aside.
    """
    found = [
        file.relative_to(cluster) for top in ("results/demo", "resources/demo") for file in (cluster / top).rglob("*")
    ]
    kept = [file for file in sorted(found) if not {"logs", "benchmarks"} & set(file.parts)]
    assert len(kept) > 50 and all((cluster / target).exists() for target in TARGETS), kept
    return [
        str(file)
        for file in kept
        if not (local / file).exists()
        or ((cluster / file).is_file() and not filecmp.cmp(cluster / file, local / file, shallow=False))
    ]


def copy(folder: Path) -> Path:
    """The repository as it lies here, without what git ignores."""
    folder.mkdir()
    shell(f"git ls-files -co --exclude-standard -z | xargs -0 cp --parents --no-dereference -t {folder}", ROOT)
    return folder


def killed(page: dict[str, str], folder: Path) -> None:
    """A run on the cluster whose Snakemake is killed while jobs run and wait; then what the page says."""
    with begun(with_targets(page["run"]), folder, folder / "killed.log") as snakemake:
        _, node, _ = fine_tuning()
        # Now only one job runs, so that some wait.
        other = "n2" if node == "n1" else "n1"
        shell(f"scontrol update NodeName={other} State=DRAIN Reason=test")
        until("it has ended an epoch", (folder / RUN / "checkpoints/last.pt").exists)
        snakemake.kill()
    say(f"Snakemake is killed; it leaves {len(jobs('RUNNING'))} running and {len(jobs('PENDING'))} waiting jobs")
    assert jobs("RUNNING") and jobs("PENDING")
    shell(f"scontrol update NodeName={other} State=RESUME")
    [name] = set(shell("squeue --noheader --format=%j").split())
    shell(page["end a killed run"].replace("RUN_ID", name), folder)
    until("the queue is empty", lambda: not jobs("PENDING,RUNNING,COMPLETING"))
    assert (folder / FINETUNING).read_text().splitlines()[-1].startswith("Stopped by SIGTERM")


def disturbed(page: dict[str, str], folder: Path) -> None:
    """The next run: a job is killed as for its memory, a node is lost, and fine-tuning meets its time limit."""
    log = folder / "snakemake.log"
    with begun(with_targets(page["run"]), folder, log) as snakemake:
        tuned, node, process = fine_tuning()
        until("it goes on from its last epoch", lambda: goes_on(folder))
        # Else it is done before SLURM looks at its limit, which it does twice a minute.
        os.kill(process, signal.SIGSTOP)
        shell(f"scontrol update JobId={tuned} EndTime=now+2")  # a second that has passed when it is read is refused
        _, _, process = until("another job runs, and is killed", lambda: running("", node))
        os.kill(process, signal.SIGKILL)
        until("it has failed", lambda: jobs("FAILED"))
        job, lost, _ = until("another job runs, and its node is lost", lambda: running("", node))
        shell(f"scontrol update NodeName={lost} State=DOWN Reason=test")
        until("it waits again", lambda: job in jobs("PENDING"))
        # SLURM waits for two minutes, since a job that is begun where it has not quite ended drains the node.
        until("nothing of it is left", lambda: not steps(job))
        shell(f"scontrol update NodeName={lost} State=RESUME || true")  # it may be back by itself
        shell(f"scontrol update JobId={job} StartTime=now")
        until("fine-tuning has met its limit", lambda: tuned not in jobs("RUNNING,COMPLETING"))
        again, _, _ = fine_tuning()
        until("Snakemake has ended", lambda: snakemake.poll() is not None, 900)
    assert snakemake.returncode == 0, log.read_text()
    [around] = (folder / ".snakemake/slurm_logs/rule_finetune_backbone").rglob(f"{tuned}.log")
    assert again != tuned and goes_on(folder)
    assert "DUE TO TIME LIMIT" in around.read_text()
    assert log.read_text().count("Trying to restart job") == 2


def with_targets(command: str) -> str:
    """A command of Snakemake's, for the files that this test compares."""
    return command.strip().replace("snakemake", f"snakemake {' '.join(TARGETS)}", 1)


def fine_tuning() -> tuple[str, str, int]:
    """The job that fine-tunes, once it runs, before all that wait: its id, node and process."""
    sent = until("fine-tuning is sent", lambda: [*jobs("PENDING,RUNNING", "finetune_backbone")], 600)
    shell(f"scontrol top {sent[0]} || true")  # it may run already
    return until("it runs", lambda: running("finetune_backbone"))


def goes_on(folder: Path) -> bool:
    """Whether fine-tuning went on from its first epoch."""
    log = folder / FINETUNING
    return log.exists() and "going on after epoch 1" in log.read_text()


def main() -> None:
    if reason := reason_to_skip():
        sys.exit(print(f"The test on SLURM is skipped: {reason}."))
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    page = commands(PAGE.read_text(encoding="utf-8"))
    if not shutil.which("slurmctld") or not shutil.which("munged"):
        try:
            shell(page["install"])
        except subprocess.CalledProcessError:
            sys.exit(print("The test on SLURM is skipped: its packages could not be installed (no network?)."))
        say("SLURM is installed")
    if CONFIGURED.exists():
        shell(page["stop"])  # what a killed test left
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))  # through every `finally`
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/var/tmp") as name:
        cluster, local = copy(Path(name) / "cluster"), Path(os.environ.get("UNDISTURBED", f"{name}/local"))
        shell(f"{sys.executable} {ROOT}/tests/undisturbed.py {shlex.quote(str(local))}")
        say("the local run is done")
        try:
            shell(page["configure"])
            shell(page["start"])
            until(
                "both nodes are idle", lambda: shell("sinfo --noheader --Node --format=%T").split() == ["idle"] * 2, 20
            )
            killed(page, cluster)
            disturbed(page, cluster)
        except BaseException:
            for log in (*SPOOL.glob("*.log"), *cluster.rglob("*.log")):
                print(f"--- {log}", *log.read_text(errors="replace").splitlines()[-40:], sep="\n")
            raise
        finally:
            shell(
                "scancel --user=root && timeout 60 bash -c 'while squeue --noheader | grep .; do sleep 1; done' || true"
            )
            shell(page["stop"])
            # A lost node ends nothing. Without a shell, whose own command line has the name too.
            subprocess.run(["pkill", "--signal", "KILL", "--full", name], check=False)
        assert not (different := differing(cluster, local)), different
    say("every file has the bytes of the local run")


if __name__ == "__main__":
    main()
