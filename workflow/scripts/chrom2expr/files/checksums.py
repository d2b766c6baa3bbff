"""The record of what was downloaded, checksums.tsv: what came first is what has to come ever after."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import SoftFileLock, Timeout

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files import tables

NAME = "checksums.tsv"
_PATIENCE = 60  # seconds for another job to write its line


class Downloaded(NamedTuple):
    """A file of a resource, or of a source's bigWigs: its size in bytes and SHA-256, when it first came (UTC), and from
    which published address, without passwords and queries."""

    name: str
    file: str
    size: int
    sha256: str
    date: str
    address: str

    def time(self) -> float:
        """When it first came, in seconds since 1970."""
        return datetime.fromisoformat(self.date).timestamp()


class Record:
    """The table checksums.tsv in a folder of resources, which need not be there; several jobs may write it."""

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / NAME

    def read(self) -> dict[tuple[str, str], Downloaded]:
        """All rows, by name and file. Raises InputError if the table is damaged."""
        found = {}
        for line, cells in tables.read_table(self.path, Downloaded._fields) if self.path.exists() else ():
            row = Downloaded(**cells)
            if problem := _wrong(row):
                raise InputError(f"{self.path}, row {line}: {problem}; correct the row, or delete it")
            found[row.name, row.file] = row._replace(size=int(row.size))
        return found

    def find(self, name: str, file: str, address: str) -> Downloaded | None:
        """The row of one file, if it came from this address: what lies at another one is another file."""
        row = self.read().get((name, file))
        return row if row and row.address == plain(address) else None

    def add(self, name: str, file: str, size: int, sha256: str, address: str) -> Downloaded:
        """Record a file, in place of its row if it has one; a row that says the same stays. Returns the row."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file made with O_EXCL, since not every file system keeps locks.
        lock = SoftFileLock(self.path.with_name(f".{NAME}.lock"), timeout=_PATIENCE)
        try:
            with lock:
                rows = self.read()
                now = datetime.now(UTC).isoformat(timespec="seconds")
                row = Downloaded(name, file, size, sha256, now, plain(address))
                known = rows.get((name, file))
                if known and known._replace(date=now) == row:
                    return known
                rows[name, file] = row
                tables.write_table(self.path, Downloaded._fields, [rows[key] for key in sorted(rows)])
                return row
        except Timeout:
            raise SystemTrouble(
                f"{lock.lock_file}: another job has held it for {_PATIENCE} s, to write a line; if no download is at "
                "work, delete it, then run again"
            ) from None


def plain(address: str) -> str:
    """An address without what may be secret in it: user and password, query, fragment."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _wrong(row: Downloaded) -> str:
    try:
        row.time()
    except ValueError:
        return f"{row.date!r} is no date"
    if not str(row.size).isdecimal():
        return f"{row.size!r} is no size"
    return "" if len(row.sha256) == 64 else f"{row.sha256!r} is no SHA-256"
