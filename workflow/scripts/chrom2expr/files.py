"""Files that appear whole or not at all, and their checksums."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


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
