"""Folders that may not be written, no home, other masks of permissions: a plain error, or the same bytes.

Root may write anywhere, so a run gives that right up first, as a user who is not root never had it.
"""

import os
import shutil
import stat

import pytest
from disturbed import MADE, RESULTS, differing

pytestmark = pytest.mark.faults
RIGHTS = "-dac_override,-dac_read_search"
FIGURE = f"{RESULTS}/figures/shrunk.pdf"


@pytest.fixture
def unprivileged(clone):
    """The clone of a user to whom permissions mean something."""
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("needs setpriv, to give root's rights up")
        clone.before = ["setpriv", "--bounding-set", RIGHTS, "--inh-caps", RIGHTS]
    return clone


@pytest.fixture
def closed():
    """Takes the right to write in a folder away, until the test ends."""
    folders = []

    def close(folder):
        folders.append(folder)
        folder.chmod(0o555)

    yield close
    for folder in folders:
        folder.chmod(0o755)


def test_results_that_may_not_be_written_are_named(unprivileged, undisturbed, closed):
    folder = unprivileged.path(f"{RESULTS}/models/enformer_experimental/chromatin/ridge/mse")
    unprivileged.lack(f"{folder.relative_to(unprivileged.folder)}/*")
    (folder / "kept").touch()  # Snakemake removes folders that are empty
    closed(folder)
    assert (
        "ridge/mse/.model.pt" in (said := unprivileged.refused()) and "permission is denied. Change its owner" in said
    )
    folder.chmod(0o755)
    (folder / "kept").unlink()
    unprivileged.run()
    assert differing(unprivileged.results(), undisturbed.expected) == []


def test_without_a_home_and_with_files_for_nobody_else(unprivileged, undisturbed, closed, tmp_path):
    """Snakemake, matplotlib, torch, transformers and kipoi all keep something at home; Snakemake insists on a place."""
    home = tmp_path / "home"
    home.mkdir()
    closed(home)
    unprivileged.lack(*MADE)
    elsewhere = {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    unprivileged.environment = dict.fromkeys(["MPLCONFIGDIR", "TORCH_HOME", "HF_HOME"]) | elsewhere
    before = os.umask(0o077)
    try:
        unprivileged.run(FIGURE)
    finally:
        os.umask(before)
    assert not any(home.iterdir())
    assert undisturbed.expected.items() <= unprivileged.results().items()
    made = list(unprivileged.path(f"{RESULTS}/models/enformer_experimental").rglob("*.h5"))
    assert made and all(not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made)
