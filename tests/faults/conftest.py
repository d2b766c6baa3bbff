"""One undisturbed run of the small demo, of which every scenario takes a copy."""

import os
from pathlib import Path

import pytest
from disturbed import RESOURCES, RESULTS, new_clone


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A clone with the results of a run that nothing disturbed; FAULTS_UNDISTURBED names a folder to keep it in."""
    kept = os.environ.get("FAULTS_UNDISTURBED")
    clone = new_clone(Path(kept) if kept else tmp_path_factory.mktemp("undisturbed") / "clone")
    clone.run()
    clone.expected = clone.results(RESULTS, RESOURCES)
    return clone


@pytest.fixture
def clone(undisturbed, tmp_path):
    """A copy of the undisturbed run."""
    return undisturbed.copy(tmp_path / "clone")
