"""Jobs, Snakemake, all together and the commands killed, stopped and asked to end at random moments: the same bytes."""

import os
import random
import shutil
import signal
import time

import pytest
from disturbed import (
    MADE,
    RESOURCES,
    RESULTS,
    TARGET,
    at_random_moment,
    differing,
    ended,
    gone_within,
    rounds,
    scripts,
    signal_all,
    until,
)

pytestmark = pytest.mark.faults
# What a run that is struck makes beside that: a head whose tissues are several jobs. Fine-tuning is struck on SLURM.
MORE = (f"{RESULTS}/models/enformer_predicted/*/single_cnn",)
RIDGE = f"{RESULTS}/models/enformer_predicted/chromatin/ridge/mse"
# A job that takes a while.
CNN = f"{RESULTS}/models/enformer_predicted/chromatin/multi_cnn/mse"


def kill_all(process, choice):
    signal_all(process, signal.SIGKILL)


def kill_snakemake(process, choice):
    process.kill()


def kill_a_job(process, choice):
    """As the system does when memory is used up."""
    until(process, lambda _: scripts(process))
    if found := scripts(process):
        os.kill(choice.choice(found), signal.SIGKILL)


def end_snakemake(process, choice):
    """As `kill` does, and a cluster at the end of a job's time."""
    process.send_signal(signal.SIGTERM)


def interrupt_all(process, choice):
    """As Ctrl-C does."""
    signal_all(process, signal.SIGINT)


def stop_all(process, choice):
    """As Ctrl-Z and fg do, or a laptop that is closed for a while."""
    signal_all(process, signal.SIGSTOP)
    time.sleep(2)
    signal_all(process, signal.SIGCONT)


STRIKES = [kill_all, kill_snakemake, kill_a_job, end_snakemake, interrupt_all, stop_all]


@rounds
def test_a_run_that_is_struck_again_and_again_ends_in_the_same_bytes(clone, undisturbed, seed):
    choice, struck = random.Random(seed), set()
    # Each seed strikes in four ways of the six.
    strikes = choice.sample(STRIKES, k=4)
    for strike in strikes:
        if clone.path(TARGET).exists():  # the run was faster than the last strike
            clone.lack(*MADE, *MORE)
        with ended(clone.start()) as process:
            at_random_moment(process, choice, jobs=3)
            if process.poll() is None:
                struck.add(strike)
            strike(process, choice)
            status, _ = clone.ends(process)
        print(f"{strike.__name__}: exit status {status}")
        if any(clone.path(".snakemake/locks").glob("*")):
            clone.run("--unlock")
    clone.run()
    assert len(struck) > len(strikes) / 2, "most runs had ended before they were struck"
    assert differing(clone.results(), undisturbed.expected) == []


def test_a_job_whose_snakemake_is_killed_writes_nothing_over_the_next_run(clone):
    """Its config may be another by then."""
    model, log = clone.path(f"{CNN}/model.pt"), clone.path(f"{CNN.replace('models', 'logs/fit_head')}.log")
    clone.lack(CNN, str(log.relative_to(clone.folder)))
    with ended(clone.start(f"{CNN}/model.pt")) as process:
        assert until(process, lambda _: log.exists())
        process.kill()
        gone_within(process, 30)
    assert "so that nobody waits for it" in log.read_text()
    assert not any(path.is_file() for path in model.parent.rglob("*"))
    said = clone.refused()
    assert "Directory cannot be locked" in said and "--unlock" in said


@rounds
def test_a_command_that_is_killed_leaves_its_output_whole_or_not_at_all(clone, seed):
    choice = random.Random(seed)
    simulated = f"{RESOURCES}/simulated"
    given = (
        "--vcf",
        f"{simulated}/variants.vcf",
        "--genome",
        f"{simulated}/grch37.fa",
        "--genes",
        f"{simulated}/geneanno.csv",
    )
    command = ("variants", RIDGE, *given, "--allow-cpu", "-o", "effects/all.parquet")
    began = time.monotonic()
    status, said = clone.chrom2expr(*command)
    assert status == 0, said
    took, whole = time.monotonic() - began, clone.results("effects")
    assert len(whole) == 2
    for number in (signal.SIGKILL, signal.SIGTERM):
        shutil.rmtree(clone.path("effects"), ignore_errors=True)
        with ended(clone.start(*command, options=(), module="chrom2expr.command_line")) as process:
            time.sleep(choice.uniform(0.2, 1) * took)
            process.send_signal(number)
            clone.ends(process)
        left = {name: digest for name, digest in clone.results("effects").items() if name.count("/") == 1}
        assert {
            name: digest for name, digest in left.items() if not name.startswith("effects/.")
        }.items() <= whole.items()
        if number == signal.SIGTERM:
            assert clone.results("effects").items() <= whole.items()
