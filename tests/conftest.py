"""Fixtures that several test files share."""

from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Path:
    """The folder of real files beside the clone; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real files in ../shared/data, which are not here")
    return folder
