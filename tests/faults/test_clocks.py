"""Clocks that jump between runs and in the middle of one, files of the past and of the future."""

import os
import shutil
import time

import pytest
from disturbed import MEASURED, RESULTS, differing

pytestmark = pytest.mark.faults
DAY = 86_400


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_a_run_whose_clock_is_wrong(clone, undisturbed, jump):
    """The files keep the disk's clock: what is made seems of the past, or of the future, to who makes it."""
    if not shutil.which("faketime"):
        pytest.skip("needs faketime")
    clone.lack(*MEASURED)
    clone.before = ["faketime", "-f", jump]
    clone.environment = {"NO_FAKE_STAT": "1"}
    clone.run()
    assert differing(clone.results(), undisturbed.expected) == []
    clone.before, clone.environment = [], {}
    assert "Nothing to be done" in clone.run()


def test_results_of_the_future_are_made_again_where_the_config_says_so(clone, undisturbed):
    """As after a clock that was put back: what is newer by its time alone is not taken for right."""
    for path in clone.path(RESULTS).rglob("*"):
        os.utime(path, (time.time() + DAY,) * 2)
    assert "Nothing to be done" in clone.run()
    clone.lack(*MEASURED)
    clone.run()
    assert differing(clone.results(), undisturbed.expected) == []
    assert "Nothing to be done" in clone.run()
