"""Files that appear whole or not at all, and their checksums."""

import hashlib
import json
import os
import resource
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.errors import SystemTrouble, reading

_ENDING = ".partial"
# A living writer writes more often than this, even a slow one.
_SILENT_SECONDS = 6 * 3600


class Format(NamedTuple):
    """What a kind of binary file is called, in the file and in messages, and the version of how it is laid out.

    >>> Format("mine", 1).advice
    'delete it and run again'
    """

    name: str
    version: int
    advice: str = "delete it and run again"


@contextmanager
def whole_file(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, else remove it.

    What writers of `path` left when they were killed is removed first. `durable`: survive a loss of power once the
    block has ended, for files that take hours to make.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.txt")
    ...     with whole_file(path) as partial:
    ...         _ = partial.write_text("all of it")
    ...         there = path.exists()
    ...     there, path.read_text()
    (False, 'all of it')
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path.parent, f".{path.name}.*{_ENDING}")
    partial = path.with_name(partial_name(path.name, os.getpid(), began(os.getpid()) or ""))
    try:
        yield partial
        if durable:
            _sync(partial)
        os.replace(partial, path)
        if durable:
            with suppress(OSError):  # not every file system lets a folder be synchronised
                _sync(path.parent)
    finally:
        with suppress(OSError):  # it must not hide what went wrong
            partial.unlink(missing_ok=True)


def partial_name(name: str, process: int, start: str = "") -> str:
    """What a file is called while a process of this machine writes it; `start` tells it from others of the same id."""
    return f".{name}.{_MACHINE}.{process}.{start}{_ENDING}"


def clear_partials(folder: Path) -> None:
    """Remove what writers of `whole_file` left in a folder when they were killed; a living writer's file stays."""
    _clear(folder, f".*{_ENDING}")


def _clear(folder: Path, pattern: str) -> None:
    for partial in folder.glob(pattern):
        _, host, process, start = ("", "", "", *partial.name.removesuffix(_ENDING).rsplit(".", 3))[-4:]
        with suppress(FileNotFoundError):  # another job removed it first
            if host == _MACHINE and process.isdigit():
                gone = began(int(process)) != start
            else:  # of another machine, whose processes cannot be asked: by how long nothing has been written
                gone = time.time() - partial.lstat().st_mtime > _SILENT_SECONDS
            if gone:
                partial.unlink()


def machine() -> str:
    """What tells this start of this machine, and its numbering of processes (a container's own), from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def began(process: int) -> str | None:
    """When a process of this machine started, in its ticks ("" where there is no /proc); None if it has ended."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return None
        except PermissionError:  # another user's
            pass
        return ""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else rest[18]


_MACHINE = hashlib.sha256(machine().encode()).hexdigest()[:12]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: str | Path) -> Any:
    """What a JSON file that a rule wrote holds. Raises InputError if it is cut short or no JSON."""
    with reading(path, "JSON file"):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: str | Path, content: Any, **options: Any) -> None:
    """Write JSON as UTF-8, whole or not at all; `options` as in json.dumps."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, **options) + "\n", encoding="utf-8")


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, or of a folder's files in name order."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]:
        with open(file, "rb") as handle:
            while block := handle.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def weights(listed: str | Sequence[str]) -> tuple[Path, str]:
    """Where a backbone's weights lie, a file or the folder of those listed, and their SHA-256, joined by commas."""
    if isinstance(listed, str):
        return Path(listed), sha256(listed)
    return Path(listed[0]).parent, ", ".join(sha256(file) for file in listed)


def allow_open_files(count: int, otherwise: str) -> None:
    """Raise this process's limit of open files, where the system lets it, so that `count` more can be open at once.

    Raises SystemTrouble, which names the limit and how to raise it, or `otherwise`: what else can be done.
    """
    # What is open by now, and some for the output and what libraries open by the way.
    needed = count + len(os.listdir("/dev/fd")) + 16
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise SystemTrouble(
            f"{count:,} files must be open at once, but a process may have only {hard:,} open here: raise the limit "
            f"(ulimit -n {needed}, as the system's administrator if need be) and run again, or {otherwise}"
        ) from None
