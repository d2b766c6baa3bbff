"""Files of the future, as a clock that was put back leaves them: named, never used without a word, nor for ever anew."""

import os

import pytest
from disturbed import MADE, RESOURCES, RESULTS, differing

pytestmark = pytest.mark.faults
DAY = 86_400


def later(folder, seconds):
    """Make a file, or all that lies in a folder, so much younger; what links lead to keeps its time."""
    for path in [folder, *folder.rglob("*")]:
        moment = path.lstat().st_mtime + seconds
        os.utime(path, (moment, moment), follow_symlinks=False)


def test_results_of_the_future_are_not_taken_for_right(clone, undisturbed):
    later(clone.path(RESULTS), DAY)
    assert "Nothing to be done" in clone.run()
    clone.lack(*MADE)
    said = clone.refused()
    assert "has older modification time" in said and "clock skew" in said, said
    later(clone.path(RESULTS), -DAY)
    clone.run()
    assert differing(clone.results(), undisturbed.expected) == []
    assert "Nothing to be done" in clone.run()


def test_an_input_of_the_future_is_named(clone, undisturbed):
    genome, made = clone.path(f"{RESOURCES}/simulated/grch38.fa"), f"{RESULTS}/genome/grch38.json"
    later(genome, DAY)
    said = clone.refused(made)
    assert "has older modification time" in said and f"input {RESOURCES}/simulated/grch38.fa" in said, said
    later(genome, -DAY)
    clone.run(made)
    assert "Nothing to be done" in clone.run(made)
    assert clone.results(f"{RESULTS}/genome").items() <= undisturbed.expected.items()
