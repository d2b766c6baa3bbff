"""Files that appear whole or not at all, and their checksums."""

import hashlib
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chrom2expr.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def clear_partials(folder: Path) -> None:
    """Remove what writers of `whole_file` left in a folder when they were killed; none may be at work there."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()


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

    Raises InputError, which names the limit and how to raise it, or `otherwise`: what else can be done.
    """
    # What is open by now, and some for the output and what libraries open by the way.
    needed = count + len(os.listdir("/dev/fd")) + 16
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise InputError(
            f"{count:,} files must be open at once, but a process may have only {hard:,} open here: raise the limit "
            f"(ulimit -n {needed}, as the system's administrator if need be) and run again, or {otherwise}"
        ) from None
