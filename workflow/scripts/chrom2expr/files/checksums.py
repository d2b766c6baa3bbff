"""The record of what was downloaded, checksums.tsv: what came first is what has to come ever after."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from filelock import SoftFileLock, Timeout

from chrom2expr.errors import SystemTrouble
from chrom2expr.files import tables

NAME = "checksums.tsv"
_PATIENCE = 60  # seconds for another job to write its line


class Downloaded(NamedTuple):
    """A file of a resource, or of a source's bigWigs: its size in bytes and SHA-256, and when it first came (UTC)."""

    name: str
    file: str
    size: int
    sha256: str
    date: str

    def time(self) -> float:
        """When it first came, in seconds since 1970."""
        return datetime.fromisoformat(self.date).timestamp()


class Record:
    """The table checksums.tsv in a folder of resources, which need not be there; several jobs may write it."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / NAME

    def read(self) -> dict[tuple[str, str], Downloaded]:
        """All rows, by name and file. Raises InputError if the table is damaged."""
        if not self.path.exists():
            return {}
        rows = tables.read_rows(self.path, Downloaded, _wrong)
        return {(row.name, row.file): row for row in rows}

    def find(self, name: str, file: str) -> Downloaded | None:
        """The row of one file."""
        return self.read().get((name, file))

    def add(self, name: str, file: str, size: int, sha256: str) -> Downloaded:
        """Record a file, in place of its row if it has one; a row that says the same stays. Returns the row."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file made with O_EXCL, since not every file system keeps locks.
        lock = SoftFileLock(self.path.with_name(f".{NAME}.lock"), timeout=_PATIENCE)
        try:
            with lock:
                rows = self.read()
                row = Downloaded(name, file, size, sha256, datetime.now(UTC).isoformat(timespec="seconds"))
                known = rows.get((name, file))
                if known and (known.size, known.sha256) == (size, sha256):
                    return known
                rows[name, file] = row
                tables.write_table(self.path, Downloaded._fields, [rows[key] for key in sorted(rows)])
                return row
        except Timeout:
            raise SystemTrouble(
                f"{lock.lock_file}: another job has held it for {_PATIENCE} s, to write a line; if no download is at "
                "work, delete it, then run again"
            ) from None


def _wrong(row: Downloaded) -> str:
    try:
        row.time()
    except ValueError:
        return f"{row.date!r} is no date"
    return "" if len(row.sha256) == 64 else f"{row.sha256!r} is no SHA-256"
