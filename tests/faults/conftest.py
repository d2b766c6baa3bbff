"""One undisturbed run of the small demo, of which every scenario takes a copy."""

import os
from pathlib import Path

import pytest
from disturbed import RESOURCES, RESULTS, Clone, new_clone
from filelock import FileLock


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, worker_id):
    """A clone with the results of a run that nothing disturbed, one for all processes that test side by side.

    FAULTS_UNDISTURBED names a folder to keep it in, for further sessions.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    folder = Path(os.environ.get("FAULTS_UNDISTURBED", shared / "undisturbed"))
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            new_clone(folder).run()
            done.touch()
    clone = Clone(folder)
    clone.expected = clone.results(RESULTS, RESOURCES)
    return clone


@pytest.fixture
def clone(undisturbed, tmp_path):
    """A copy of the undisturbed run."""
    return undisturbed.copy(tmp_path / "clone")
