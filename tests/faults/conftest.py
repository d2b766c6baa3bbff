"""The undisturbed run of the shrunk demo, of which every scenario takes a copy."""

import pytest
from disturbed import RESOURCES, RESULTS, Clone


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder):
    """A clone with the results of a run that nothing disturbed, and what it left."""
    clone = Clone(undisturbed_folder)
    clone.expected = clone.results(RESULTS, RESOURCES)
    return clone


@pytest.fixture
def clone(undisturbed, tmp_path):
    """A copy of the undisturbed run."""
    return undisturbed.copy(tmp_path / "clone")
