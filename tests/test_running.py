"""What is said while a run goes on and when it ends, how it is stopped, and what a report of a bug holds."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from chrom2expr import command_line, job
from chrom2expr.running import bug_report, failures, made, masking
from small_workflow import STEPS
from small_world import ROOT, Refusal, differing
from test_job import after_start

SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"]
# What a script that may take minutes counts, and the steps of the small world that show it.
COUNTED = {
    "download": None,  # only of files of more than 1 MB: tests/test_download.py
    "train_simulated_backbone": "steps",
    "compare_windows": "comparisons",
    "extract_sequences": "sequences",
    "predict_tracks": "genes",
    "embed_sequences": "genes",
    "attend_genes": "genes",
    "collect_bigwigs": "bigWigs",
    "bin_bigwigs": "genes",
    "unpack_records": "records",
    "bin_records": "genes",
    "reduce_features": "genes",
    "fit_head": "genes|features|tissues",
    "finetune_backbone": "genes",
    "score_variants": "pairs",
    "join_variants": "shards",
    "annotate_variants": "records",
    "compare_effects": "correlations",
}
# Half an hour or more is asked for, and this is why they need no progress.
QUICK = {
    "index_genome": "a few minutes of a library's one call, said before",
    "lift_genes": "seconds",
    "split_genes": "seconds; the comparison of windows is compare_windows's",
    "compute_targets": "seconds for a matrix; samples and cells are counted",
    "merge_features": "links files",
    "join_tissues": "joins files",
    "tabulate_reproduction": "seconds",
}


# --- progress ----------------------------------------------------------------------------------------------------


def asked_for(rule):
    """The minutes that a rule asks for; None where the config says."""
    found = re.search(r"runtime=(\d+|setting)", rule)
    return None if found[1] == "setting" else int(found[1])


def test_every_script_that_may_take_long_is_known():
    long = set()
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^ *rule\b.*:$", file.read_text(), flags=re.MULTILINE)[1:]:
            minutes = asked_for(rule)
            if minutes is None or minutes >= 30:
                long.add(re.search(r"scripts/(\w+)\.py", rule)[1])
    assert long == {*COUNTED, *QUICK}


@pytest.mark.parametrize("script", [name for name, unit in COUNTED.items() if unit])
def test_a_long_job_counts_its_work(world, script):
    steps = [name for name, step in STEPS.items() if step.script == f"{script}.py" and "expecto" not in name]
    assert steps
    for step in steps:
        log = world.make(step).log
        assert re.search(rf"^(?:[\d,]+ )?(?:{COUNTED[script]})\b.*(?: to do|not known)$", log, re.MULTILINE), log
        total = re.search(r"^([\d,]+) (\S+).* to do$", log, re.MULTILINE)
        if total and total[1] != "0" and script not in ("fit_head", "finetune_backbone"):  # may stop early
            assert re.search(rf"^{total[1]} of {total[1]} {total[2]}.*, took ", log, re.MULTILINE), log


def outputs(step):
    """The files of a step, by their paths in its folder."""
    return {Path(file) for one in step.output.values() for file in (one if isinstance(one, list) else [one])}


@pytest.mark.parametrize("script", [name for name, unit in COUNTED.items() if unit])
def test_a_long_job_is_stopped_in_the_midst_and_leaves_no_half_file(world, script, monkeypatch):
    step = next(name for name, step in STEPS.items() if step.script == f"{script}.py")
    world.make(step)
    before = {*world.folder.iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(job.Progress, "advance", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Refusal, match="(?s)Stopped by SIGTERM; run again, and it goes on from what is whole$"):
            world.make(step, again=True)
    [folder] = {*world.folder.iterdir()} - before
    left = [path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"]
    assert not [path for path in left if path.name.endswith(".partial")]
    assert not {path.relative_to(folder) for path in left} & outputs(STEPS[step])
    again, whole = world.make(step, again=True).content, world.make(step).content
    assert whole.numbers and not differing(whole.numbers, again.numbers, rtol=0)


def progress(monkeypatch, capsys, total, *steps):
    """What is printed of work whose steps, (seconds, units), take that long."""
    now = [100.0]
    monkeypatch.setattr(job, "monotonic", lambda: now[0])
    counted = job.Progress(total, "genes")
    for seconds, units in steps:
        now[0] += seconds
        counted.advance(units)
    return capsys.readouterr().out.splitlines()


def test_progress_says_pace_and_rest_in_peoples_units(monkeypatch, capsys):
    lines = progress(monkeypatch, capsys, 1000, (1, 1), (299, 9), (3000, 890), (300, 100))
    assert lines == [
        "1,000 genes to do",
        "10 of 1,000 genes, 2 a minute, 8 h 15 min left",
        "900 of 1,000 genes, 16.4 a minute, 6 min 7 s left",
        "1,000 of 1,000 genes, 16.7 a minute, took 1 h",
    ]


def test_progress_without_a_total_and_without_work(monkeypatch, capsys):
    assert progress(monkeypatch, capsys, None, (5, 3), (20, 50)) == [
        "genes: how many is not known",
        "53 genes, 2.12 a second",
    ]
    assert progress(monkeypatch, capsys, 0) == ["0 genes to do"]
    assert progress(monkeypatch, capsys, 4, (60, 0), (1, 4))[1:] == [
        "0 of 4 genes, 0 an hour",
        "4 of 4 genes, 3.93 a minute, took 1 min 1 s",
    ]


# --- how a job ends ----------------------------------------------------------------------------------------------

ENDS = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import scripts
from chrom2expr.errors import InputError
from chrom2expr.job import job
with job(scripts.snakemake(log=[sys.argv[3]], rule="fit_head")):
    exec(sys.argv[4])
"""


def ended(tmp_path, code):
    """The exit status of a job that runs `code`, its log, and what it says on the console."""
    log = tmp_path / "job.log"
    arguments = [str(ROOT / "workflow/scripts"), str(ROOT / "tests"), str(log), code]
    done = subprocess.run([sys.executable, "-c", ENDS, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, after_start(log), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise InputError('genes.tsv, row 3: mend it')", "Error: genes.tsv, row 3: mend it"),
        (
            "raise KeyError('x')",
            "Error: KeyError: 'x' (not foreseen: its traceback is in the log)",
        ),
        (
            "raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB.\\nmore of it')",
            "System error: the GPU's memory is used up. Lower batch_size in the config, of the backbone, head or variants "
            "that the job is about, or take a GPU with more memory or without other jobs, then run again (CUDA out of "
            "memory. Tried to allocate 2.00 GiB.)",
        ),
        ("raise MemoryError", "System error: memory is used up. Ask for more memory (mem_mb), then run again"),
    ],
)
def test_a_job_ends_with_its_cause_in_one_line(tmp_path, code, cause):
    status, log, console = ended(tmp_path, code)
    assert status == 1
    assert log.splitlines()[-1] == cause and failures.cause(tmp_path / "job.log") == cause
    assert console == f"\n{cause}\n(rule fit_head, log {tmp_path}/job.log)\n\n"
    assert ("Traceback" in log) == (not cause.startswith("Error: genes"))


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_job_cleanly(tmp_path, name):
    code = (
        "import atexit, signal, time\n"
        "from chrom2expr.files.whole import whole_file\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"  # as SLURM does
        f"with whole_file({str(tmp_path / 'made')!r}) as partial:\n"
        "    partial.write_text('half')\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{name}); time.sleep(9)\n"
        "    finally:\n"
        "        for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "            os.kill(os.getpid(), other)\n"
        "        time.sleep(0.1); print('cleaned')\n"
    )
    status, log, console = ended(tmp_path, code)
    assert status == 128 + getattr(signal, name)
    assert log == f"cleaned\nStopped by {name}; run again, and it goes on from what is whole\n" and not console
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]


def test_a_library_that_turns_a_signal_into_an_error_of_its_own(tmp_path):
    code = (
        "import signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "except BaseException as error:\n    raise RuntimeError('writing failed') from error"
    )
    status, log, _ = ended(tmp_path, code)
    assert status == 143 and log.startswith("Stopped by SIGTERM")


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """nohup lets a run outlive its terminal."""
    with_nohup = ENDS.replace("SIG_DFL", "SIG_IGN")
    log = tmp_path / "log"
    arguments = [str(ROOT / "workflow/scripts"), str(ROOT / "tests"), str(log), "os.kill(os.getpid(), 1); print('on')"]
    done = subprocess.run([sys.executable, "-c", with_nohup, *arguments], check=False)
    assert done.returncode == 0 and after_start(log) == "on\n"


def test_the_command_ends_cleanly_too(monkeypatch, capsys):
    def run(asked):
        with job.stopped_by_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    monkeypatch.setattr(command_line, "_clean", run)
    assert command_line.main(["clean"]) == 143
    assert capsys.readouterr().err == "Stopped by SIGTERM; run again, and it goes on from what is whole\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


# --- how a run ends ----------------------------------------------------------------------------------------------

SMALL = """
import os, sys
config = {"pathvars": {"results": "results"}, "figures": {"fig1": {}, "fig2": {}}}
sys.path.insert(0, SCRIPTS)

rule all:
    default_target: True
    input: "results/figures/fig1.pdf", "killed.txt", "broken/1.txt"

rule draw:
    output: "results/figures/fig1.pdf"
    log: "logs/draw.log"
    shell: "touch {output}"

rule kill:
    output: "killed.txt"
    log: "logs/kill.log"
    shell: "echo 5 of 9 genes > {log}; kill -9 $$"

rule fail:
    output: "broken/{number}.txt"
    log: "logs/fail/{number}.log"
    shell: "cp bad.log {log}; exit 1"
"""
HANDLERS = (ROOT / "workflow/Snakefile").read_text().partition("\nonsuccess:")


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def small(tmp_path):
    """A workflow of three jobs, with the handlers of the real one."""
    text = SMALL.replace("SCRIPTS", repr(str(ROOT / "workflow/scripts"))) + "\nonsuccess:" + HANDLERS[2]
    (tmp_path / "Snakefile").write_text(text)
    (tmp_path / "bad.log").write_text("Traceback\nError: genes.tsv, row 3: mend it\nmore of it\n")
    return tmp_path


def test_a_run_that_ends_well_says_where_its_figures_are(small):
    status, said = snakemake(small, "results/figures/fig1.pdf")
    assert status == 0 and (
        "\nDone. 1 of the config's 2 figures is in results/figures, each as .pdf, .png and the table .tsv: fig1\n"
        in said
    )


def test_a_run_that_fails_says_why_for_each_job(small):
    for quiet in ([], ["--quiet", "all"]):
        status, said = snakemake(small, "-k", *quiet)
        assert status == 1 and "Done." not in said
        told = said.partition("2 jobs failed:\n")[2].partition("Complete log")[0]
        assert "  fail (number=1)\n    Error: genes.tsv, row 3: mend it\n    log: logs/fail/1.log\n" in told
        assert "  kill\n    the log names no cause, as that of a job that is killed (memory: raise mem_mb; " in told
        assert "it ends with: 5 of 9 genes\n    log: logs/kill.log\n" in told
        assert "chrom2expr bug-report packs what an issue needs." in told and "Traceback" not in said


@pytest.mark.parametrize("arguments", [["-n"], ["--unlock"], ["--no-hooks", "results/figures/fig1.pdf"]])
def test_nothing_is_said_where_nothing_ran(small, arguments):
    status, said = snakemake(small, *arguments)
    assert status == 0 and "Done." not in said and "failed" not in said


@pytest.mark.slow
def test_a_workflow_that_uses_it_as_a_module_speaks_for_itself(small):
    (small / "outer.smk").write_text('module inner:\n    snakefile: "Snakefile"\n\nuse rule * from inner\n')
    for target, expected in (("results/figures/fig1.pdf", 0), ("broken/1.txt", 1)):
        status, said = snakemake(small, "-s", "outer.smk", target)
        assert status == expected and "Done." not in said and "mend it" not in said


def test_a_run_that_is_stopped_blames_no_job(small):
    (small / "Snakefile").write_text((small / "Snakefile").read_text().replace("touch {output}", "sleep 60"))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "results/figures/fig1.pdf"]
    run = subprocess.Popen(command, cwd=small, stderr=subprocess.PIPE, start_new_session=True, text=True)
    said = ""
    while "rule draw:" not in said:
        said += run.stderr.readline()
    time.sleep(1)
    os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does
    said += run.communicate(timeout=60)[1]
    assert run.returncode == 1 and "No job failed by itself: the run was stopped" in said


def test_figures_that_are_not_there_are_not_counted(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("fig1.pdf", "fig2.tsv"):
        (tmp_path / "figures" / name).touch()
    assert "1 of the config's 2 figures is in" in made.said(tmp_path, ["fig1", "fig2"])


def test_very_many_failures_are_counted():
    said = failures.said([failures.Failed("fit_head", "no.log")] * 1200, "chrom2expr bug-report")
    assert said.startswith("1,200 jobs failed:") and "and 1,190 more" in said and len(said.splitlines()) < 40


def test_the_cause_of_a_huge_log_is_found_by_its_end(tmp_path):
    log = tmp_path / "log"
    with open(log, "wb") as handle:
        handle.truncate(3 << 30)  # sparse: a log of 3 GiB
        handle.seek(0, 2)
        handle.write(b"\n\xff\xfe no UTF-8\nError: mend \xe4 it\nmore\n")
    began = time.monotonic()
    assert failures.cause(log) == "Error: mend \ufffd it" and time.monotonic() - began < 5
    log.write_text("Error: " + "x" * 3000)
    assert len(failures.cause(log)) < 500
    log.write_text("")
    assert failures.cause(log).endswith("else Snakemake says why")


# --- a report of a bug -------------------------------------------------------------------------------------------

SECRETS = {
    "https://ada:letmein@example.org/x": "letmein",
    "https://example.org/x?X-Amz-Signature=0123abcd&b={identifier}": "0123abcd",
    "Authorization: Bearer eyJhbGciOi": "eyJhbGciOi",
    "HF_TOKEN=hf_short": "hf_short",
    "'api_key': 'k3y-of-mine'}": "k3y-of-mine",
    "--remote-password pa55word": "pa55word",
    "cloned with ghp_ABCDEFGHIJKLMNOP0123": "ghp_ABCDEFGHIJKLMNOP0123",
    "mail to ada.lovelace@example.ac.uk": "lovelace",
    "the value of a variable, s3cr3t-elsewhere, anywhere": "s3cr3t-elsewhere",
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_secrets_are_masked(text, secret):
    shown = masking.masked(text, {"AWS_SECRET_ACCESS_KEY": "s3cr3t-elsewhere", "PATH": "/usr/bin", "MY_TOKEN": "a"})
    assert secret not in shown and "***" in shown
    assert masking.masked(shown, {}) == shown


def test_home_user_and_host_are_masked_and_the_rest_stays(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/users/ada"))
    monkeypatch.setattr(masking.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(masking.socket, "gethostname", lambda: "engine7")
    text = "/users/ada/x /users/adam /scratch/ada/y on engine7 by ada; canada ada_x\n  Host: other\n  User: other"
    assert masking.masked(text, {}) == "~/x /users/adam /scratch/~/y on ~ by ~; canada ada_x\n  Host: ***\n  User: ***"
    plain = "tokens: 5 of 7 genes, results/features/x.h5: batch_size: 4, key: tissue; row 3: 'a@b'"
    assert masking.masked(plain, {}) == plain.replace("tokens: 5", "tokens: ***")


@pytest.fixture
def failed_run(tmp_path, monkeypatch):
    """The folder of a run that failed, by hand; `check` is not asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bug_report, "_check", lambda configs: "checked")
    (tmp_path / "mine.yaml").write_text("seed: 1\nresources: {a: {url: 'https://ada:letmein@example.org/x?key=k3y'}}\n")
    log = tmp_path / "results/logs/fit_head/ridge.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"first\n" * 500 + b"\xff\xfe\nError: mend it, letmein at https://ada:letmein@example.org\n")
    run = tmp_path / ".snakemake/log"
    run.mkdir(parents=True)
    (run / "2026-01-01T000000.0.snakemake.log").write_text("an older run")
    error = f"Error in rule fit_head:\n    log: {log.relative_to(tmp_path)} (check log file(s) for error details)\n"
    (run / "2026-01-02T000000.0.snakemake.log").write_text(f"  User: ada\n{error}")
    slurm = tmp_path / ".snakemake/slurm_logs/rule_fit_head/ridge/17.log"
    slurm.parent.mkdir(parents=True)
    slurm.write_text("slurmstepd: error: Detected 1 oom_kill event")
    for data in ("results/features/x.h5", "results/models/model.pt", ".env"):
        (tmp_path / data).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / data).write_text("data")
    return tmp_path


def unpacked(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_a_bug_report_holds_what_an_issue_needs_and_nothing_else(failed_run, capsys, monkeypatch):
    monkeypatch.setenv("SOME_PASSWORD", "letmein-too")
    assert command_line.main(["bug-report", "mine.yaml", "-o", "out/report.zip"]) == 0
    packed = unpacked("out/report.zip")
    job_log = "logs/results/logs/fit_head/ridge.log"
    slurm_log = "logs/.snakemake/slurm_logs/rule_fit_head/ridge/17.log"
    texts = {"versions.txt", "config/mine.yaml", "config_as_checked.yaml", "check.txt", "snakemake.log"}
    assert {*packed} == {*texts, job_log, slurm_log}
    assert packed["versions.txt"].startswith("chrom2expr: 0.") and "snakemake==" in packed["versions.txt"]
    assert "fit_head" in packed["snakemake.log"] and "oom_kill" in packed[slurm_log]
    lines = packed[job_log].splitlines()
    assert len(lines) == 200 and lines[-1].startswith("Error: mend it") and "\ufffd" in lines[-2]
    everything = "\n".join(packed.values())
    assert "ada:" not in everything and "User: ada" not in everything and "k3y" not in everything
    assert os.environ["PATH"] not in everything
    said = capsys.readouterr().out
    assert all(name in said for name in packed) and "Look at it before you send it" in said
    assert not [path for path in Path("out").iterdir() if path.name != "report.zip"]


@pytest.mark.parametrize("text", [b"seed: [", b"sed: 1\n", b"\xff\xfe", b"base: nowhere.yaml\n", None])
def test_a_broken_config_may_be_the_bug(failed_run, text):
    Path("mine.yaml").unlink()
    if text is not None:
        Path("mine.yaml").write_bytes(text)
    assert command_line.main(["bug-report", "mine.yaml"]) == 0
    packed = unpacked("bug-report.zip")
    assert packed["config_as_checked.yaml"].startswith("# The config is refused:\n# ")
    assert all(line.startswith("#") for line in packed["config_as_checked.yaml"].splitlines())
    assert "Error: mend it" in packed["logs/results/logs/fit_head/ridge.log"]


def test_a_quiet_run_has_its_failed_jobs_by_their_logs(failed_run):
    for log in Path(".snakemake/log").iterdir():
        log.write_text("quiet")
    Path("results/logs/fine.log").write_text("5 of 5 genes, took 3 s\n")
    bug_report.write(Path("x.zip"), [Path("mine.yaml")])
    assert [name for name in unpacked("x.zip") if name.startswith("logs/")] == ["logs/results/logs/fit_head/ridge.log"]


def test_a_folder_where_nothing_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["bug-report"]) == 0
    packed = unpacked("bug-report.zip")
    assert packed["snakemake.log"] == "Snakemake left no log here" and packed["check.txt"] == "no config was named"


def test_a_report_that_cannot_be_written_is_named(failed_run, capsys):
    assert command_line.main(["bug-report", "mine.yaml", "-o", "mine.yaml"]) == 1
    assert "name it so" in capsys.readouterr().err
    Path("file").touch()
    assert command_line.main(["bug-report", "-o", "file/report.zip"]) == 1
    assert "file" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="another user is become, to whom a folder is read-only")
def test_a_read_only_folder(failed_run):
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch, yaml, jsonschema, chrom2expr.command_line as c\n"
        "from chrom2expr.running import bug_report; bug_report._check = lambda configs: ''\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(c.main(['bug-report', *sys.argv[2:]]))"
    )
    os.chmod(failed_run, 0o755)
    for folder in (failed_run, *failed_run.parents):
        if folder.owner() == "root" and folder.is_relative_to("/tmp/pytest-of-root"):
            os.chmod(folder, 0o755)
    other = failed_run / "other"
    other.mkdir()
    os.chmod(other, 0o777)
    for output, status in (("bug-report.zip", 1), ("other/bug-report.zip", 0)):
        command = [sys.executable, "-c", code, str(ROOT / "workflow/scripts"), "mine.yaml", "-o", output]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert (failed_run / output).exists() == (status == 0)
        assert "Traceback" not in done.stderr


def test_what_slurm_said_is_named_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = [failures.Failed("fit_head", "no.log")]
    assert "SLURM" not in failures.said(one, "chrom2expr bug-report")
    (tmp_path / ".snakemake/slurm_logs/rule_fit_head").mkdir(parents=True)
    assert "what SLURM said of it: .snakemake/slurm_logs/rule_fit_head/" in failures.said(one, "chrom2expr bug-report")
