"""What can be said of a SLURM without one: its page's commands, the profile, and when the test on one is skipped.

tests/slurm/check.py is the test on a SLURM.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from slurm import check

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/slurm.md").read_text(encoding="utf-8")
UNPRIVILEGED = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture(scope="module")
def commands():
    return check.commands(PAGE)


def test_the_commands_of_the_page_parse(commands):
    for name, script in commands.items():
        subprocess.run(["bash", "-n", "-c", script], check=True)
        assert script.strip(), name


def test_a_page_with_another_number_of_commands_is_refused():
    with pytest.raises(ValueError, match="zip"):
        check.commands(PAGE + "\n```sh\ntrue\n```\n")


def test_what_the_page_makes_it_removes(commands):
    made = {word for word in commands["configure"].split() if word.startswith("/etc/")}
    assert made == {"/etc/slurm/slurm.conf", "/etc/slurm/gres.conf"}
    removed = commands["stop"].splitlines()[-1].split()
    assert removed[0] == "rm" and made | {str(check.SPOOL)} == {word for word in removed if word.startswith("/")}
    started = [line.split()[-1 if "-N" in line else 0] for line in commands["start"].splitlines() if line[:5] in ("slurm", "munge")]  # fmt: skip
    [daemons] = [line for line in commands["stop"].splitlines() if line.startswith("for ")]
    for daemon in ("n1", "n2", "slurmctld", "munged"):
        assert daemon in started and f" {daemon}" in daemons


def test_snakemake_knows_every_option_of_the_profile_and_of_the_page(commands):
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    parser = get_argument_parser()
    options = {option for action in parser._actions for option in action.option_strings}
    assert {f"--{name}" for name in profile} <= options
    for script in (commands["run"], commands["end a killed run"]):
        [line] = [line for line in script.splitlines() if line.startswith("snakemake")]
        arguments = parser.parse_args(line.split()[1:])
        assert list(map(str, arguments.configfile)) == check.CONFIGS.split()
    assert profile["executor"] == "slurm" and profile["slurm-requeue"] is True


def test_the_test_on_a_slurm_is_skipped_without_root():
    command = [sys.executable, ROOT / "tests/slurm/check.py"]
    if not check.os.geteuid():
        command = [*UNPRIVILEGED, *command]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "The test on SLURM is skipped: it needs root, to install and configure SLURM.\n"


@pytest.mark.parametrize("text, skipped", [("ClusterName=hpc\n", True), ("ClusterName=try\n", False)])
def test_a_slurm_of_the_machine_s_own_is_left_alone(tmp_path, monkeypatch, text, skipped):
    file = tmp_path / "slurm.conf"
    file.write_text(text)
    monkeypatch.setattr(check, "CONFIGURED", file)
    monkeypatch.setattr(check.os, "geteuid", lambda: 0)
    monkeypatch.setattr(check, "Path", lambda _: tmp_path)
    assert bool(check.reason_to_skip()) == skipped


def test_a_run_is_compared_byte_for_byte_with_a_local_one(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "TARGETS", ["results/demo/0.tsv"])
    for run in ("cluster", "local"):
        for number in range(60):
            file = tmp_path / run / "results/demo" / f"{number}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("a\tb\n")
        log = tmp_path / run / "results/demo/logs/a.log"
        log.parent.mkdir()
        log.write_text(run)
    cluster, local = tmp_path / "cluster", tmp_path / "local"
    (local / "results/demo/more.tsv").write_text("")
    assert check.differing(cluster, local) == []
    (local / "results/demo/3.tsv").write_text("a\tc\n")
    (local / "results/demo/4.tsv").unlink()
    assert check.differing(cluster, local) == ["results/demo/3.tsv", "results/demo/4.tsv"]
    (cluster / "results/demo/0.tsv").unlink()
    with pytest.raises(AssertionError):
        check.differing(cluster, local)
