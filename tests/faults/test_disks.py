"""Disks that fill, and then have room again: a plain error, nothing half written, and the same bytes."""

import random
import shutil
from contextlib import suppress

import pytest
from disturbed import MADE, RESULTS, SCORED, differing, rounds, small_disk

pytestmark = pytest.mark.faults
ROOM = 64 << 20


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@rounds
def test_results_have_no_room_and_then_have(clone, undisturbed, seed):
    results = clone.path(RESULTS)
    whole = size(results)
    clone.lack(*MADE)
    missing = whole - size(results)
    with small_disk(results, ROOM) as resize:
        resize(shutil.disk_usage(results).used + random.Random(seed).randrange(8192, missing))
        said = clone.refused()
        assert "no space is left on its disk. Make room there, then run again" in said, said
        resize(ROOM)
        clone.run()
        assert differing(clone.results(), undisturbed.expected) == []


def test_no_work_is_lost_for_want_of_room_for_logs(clone, undisturbed):
    logs = clone.path(f"{RESULTS}/logs")
    clone.lack(*SCORED, f"{RESULTS}/logs/*")
    with small_disk(logs, 1 << 20):
        with suppress(OSError):
            (logs / "other").write_bytes(bytes(2 << 20))
        clone.run()
        assert differing(clone.results(), undisturbed.expected) == []


def test_what_snakemake_keeps_has_no_room_and_then_has(clone, undisturbed):
    """What is said is Snakemake's; nothing is lost."""
    clone.lack(*SCORED)
    kept = clone.path(".snakemake")
    with small_disk(kept, ROOM) as resize:
        (kept / "other").write_bytes(bytes(1 << 20))
        resize(shutil.disk_usage(kept).used)
        status, said = clone.snakemake()
        assert status == 1 and "No space left on device" in said, said
        resize(ROOM)
        if any((kept / "locks").glob("*")):
            clone.run("--unlock")
        clone.run()
        assert differing(clone.results(), undisturbed.expected) == []


def test_the_folder_for_temporary_files_is_full(clone, undisturbed, tmp_path):
    clone.lack(*SCORED)
    full = tmp_path / "full"
    full.mkdir()
    with small_disk(full, 1 << 16):
        with suppress(OSError):
            (full / "other").write_bytes(bytes(1 << 17))
        clone.environment = {"TMPDIR": str(full)}
        clone.run()
    assert differing(clone.results(), undisturbed.expected) == []
