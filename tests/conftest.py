"""Fixtures that several test files share."""

import os
import signal
from pathlib import Path

import pytest

from undisturbed import undisturbed

# Files of tests that take minutes begin first, so that none is left when all others are done.
LONG = ("test_wiring.py", "test_end_to_end.py", "test_two_ways_in.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True)
def signals():
    """A job that was stopped ignores signals from then on; the tests after it do not."""
    before = {one: signal.getsignal(one) for one in signal.valid_signals()}
    yield
    for one, handler in before.items():
        if handler is not None and signal.getsignal(one) != handler:
            signal.signal(one, handler)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The small world, on as many threads as the scripts take in it: sums over several round otherwise."""
    # Loaded where it is used: most tests need no torch.
    import torch

    from small_workflow import STEPS
    from small_world import World

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield World(tmp_path_factory.mktemp("world"), STEPS)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def undisturbed_folder(tmp_path_factory, worker_id):
    """The folder of a run of the shrunk demo, one for all processes that test side by side; to be copied, not changed.

    UNDISTURBED names a folder to keep it in, for further sessions.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    return undisturbed(os.environ.get("UNDISTURBED", shared / "undisturbed"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real files beside the clone; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real files in ../shared/data, which are not here")
    return folder
