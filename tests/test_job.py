"""What every script does when a cluster's profile tries its job again."""

from types import SimpleNamespace

import pytest

import scripts
from chrom2expr.errors import InputError
from chrom2expr.job import job


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
    return log.read_text(), began


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
        assert (tmp_path / "log").read_text() == "Error: bad\n" and len(list(tmp_path.iterdir())) == 1
