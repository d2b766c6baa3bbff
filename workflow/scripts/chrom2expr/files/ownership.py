"""One owner of a folder at a time, on any of the machines that share it.

The owner's file lies beside the folder: `.NAME.owner.N`, N = 1, 2, ... Whoever creates it (O_EXCL, which NFS keeps
too; no locks) owns the folder, and touches it as a sign of life. An owner that has ended is followed by the next
number, which only one of those who wait can create; then the old file goes. A rename of the old file would not do: of
two who saw it stale, the slower one would rename the file of the faster. An owner whose file is gone has lost the
folder, and finds out by `check`.
"""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from chrom2expr.errors import InputError
from chrom2expr.files.whole import began, machine


@dataclass(frozen=True)
class Identity:
    """Who owns a folder, as its file says. `began`, the process's start, tells it from a later one of its pid."""

    host: str
    machine: str
    pid: int
    began: str
    slurm_job: str
    since: str
    token: str

    @classmethod
    def mine(cls) -> "Identity":
        """This process's, with a token of its own; `since` is now, in UTC."""
        pid, since = os.getpid(), datetime.now(UTC).isoformat(" ", "seconds")
        job = os.environ.get("SLURM_JOB_ID", "")
        return cls(socket.gethostname(), machine(), pid, began(pid) or "", job, since, uuid4().hex)

    def ended(self) -> bool:
        """Whether it was a process of this machine's that is no more; False where that cannot be known from here."""
        return (self.host, self.machine) == (socket.gethostname(), machine()) and began(self.pid) != self.began

    def __str__(self) -> str:
        job = f"SLURM job {self.slurm_job}, " if self.slurm_job else ""
        return f"{job}process {self.pid} on {self.host}, since {self.since}"


class Owner:
    """The right to write into a folder, until another takes it."""

    def __init__(self, folder: Path, file: Path, identity: Identity) -> None:
        self.folder, self.file, self.identity = folder, file, identity

    def check(self) -> None:
        """Raise InputError if another process has taken the folder over, naming it."""
        if not self.holds():
            files = _files(self.folder)
            other = _look(files[max(files)])[0] if files else None
            raise InputError(
                f"{self.folder}: this process gave no sign of life for too long, and its work was taken over by "
                f"{other or 'another process, which has ended since'}. Nothing was written; there is nothing to do"
            )

    def holds(self) -> bool:
        """Whether the folder is still this owner's."""
        return _look(self.file)[0] == self.identity


@contextmanager
def owned(folder: str | Path, stale_after: float) -> Iterator[Owner]:
    """Own a folder, which need not exist, while the block runs.

    Another owner that has ended on this machine is followed at once; any other is watched until it gives a sign of
    life, or for `stale_after` seconds without one (by this process's clock alone) and is then followed. Raises
    InputError if the other lives: who it is, and what to do.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    owner = _take(folder, stale_after)
    left = threading.Event()
    threading.Thread(target=_beat, args=(owner, stale_after / 5, left), daemon=True).start()
    try:
        yield owner
    finally:
        left.set()
        if owner.holds():
            owner.file.unlink(missing_ok=True)


def _take(folder: Path, stale_after: float) -> Owner:
    mine = Identity.mine()
    while True:
        files = _files(folder)
        last = max(files, default=0)
        before = _look(files[last]) if files else None
        if before and not _stale(folder, files[last], before, stale_after):
            continue
        file = folder.with_name(f".{folder.name}.owner.{last + 1}")
        try:
            _write(file, mine)
        except FileExistsError:
            continue
        # Between the look and the creation another may have followed, and even have ended.
        if max(_files(folder)) == last + 1 and (before is None or _look(files[last])[0] == before[0]):
            for old in files.values():
                old.unlink(missing_ok=True)
            return Owner(folder, file, mine)
        file.unlink(missing_ok=True)


def _stale(folder: Path, file: Path, before: tuple[Identity | None, int | None], stale_after: float) -> bool:
    """Watch an owner's file: True if the owner has ended, False if the file is gone or another's; see `owned`."""
    identity, beat = before
    if beat is None:
        return False
    if identity and identity.ended():
        print(f"{folder}: follows {identity}, which has ended")
        return True
    print(f"{folder}: held by {identity or 'an unknown process'}; waits up to {stale_after:g} s for a sign of life")
    pause, watched = min(stale_after / 20, 5.0), 0.0
    # Pauses are counted, not the clock: were this process stopped, the other would seem silent for that time.
    while watched < stale_after:
        time.sleep(pause)
        watched += pause
        now, seen = _look(file)
        if seen is None or (identity and now != identity):
            return False
        if identity and identity.ended():
            return True
        if seen != beat:
            stop = f"kill {now.pid} on {now.host}" if now else f"see {file}"
            if now and now.slurm_job:
                stop = f"scancel {now.slurm_job}"
            sign = datetime.fromtimestamp(seen / 1e9, UTC).isoformat(" ", "seconds")
            raise InputError(
                f"{folder}: held by {now or 'an unknown process'}; last sign of life {sign}. Two at a time would "
                f"destroy each other's work: wait until it ends, or end it ({stop}), then run again"
            )
    print(f"{folder}: no sign of life for {stale_after:g} s, so this process follows {identity or 'it'}")
    return True


def _beat(owner: Owner, every: float, left: threading.Event) -> None:
    """Touch the owner's file every so many seconds, as long as it is the owner's."""
    while not left.wait(every):
        try:
            if not owner.holds():
                return
            os.utime(owner.file)
        except OSError:
            continue  # a file server that does not answer now may do so the next time


def _files(folder: Path) -> dict[int, Path]:
    """The owners' files of a folder, by number; more than one only while one follows another."""
    name = re.compile(rf"\.{re.escape(folder.name)}\.owner\.(\d+)")
    found = ((name.fullmatch(file), folder.parent / file) for file in os.listdir(folder.parent))
    return {int(match[1]): path for match, path in found if match}


def _look(file: Path) -> tuple[Identity | None, int | None]:
    """Who an owner's file names, None if it is being written; its last touch in ns, None if it is not there."""
    try:
        # Opened, since on NFS that asks the server, where a plain stat may be answered from a cache.
        with open(file, encoding="utf-8") as handle:
            text, touched = handle.read(), os.fstat(handle.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None, None
    try:
        content: dict[str, Any] = json.loads(text)
        return Identity(**{field.name: content[field.name] for field in fields(Identity)}), touched
    except (ValueError, KeyError, TypeError):
        return None, touched


def _write(file: Path, identity: Identity) -> None:
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644), "w", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(identity), indent=2) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
