"""Packed files: told by how they begin, whatever their names, and unpacked within bounds."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from chrom2expr.errors import InputError

# How files begin that are packed, and what opens them; bgzip is gzip.
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# A file that unpacks to more than so many times its size, and more than so many bytes, is no real one.
LARGEST_RATIO, HARMLESS = 200, 1 << 30
_BLOCK = 1 << 22
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


class Damaged(InputError):
    """A packed file that is cut short, or none."""


def named_packed(address: str) -> bool:
    """Whether an address says by its name, whatever query follows, that what it has is packed."""
    return urlsplit(address).path.lower().endswith(".gz")


def opener(start: bytes) -> Any:
    """What opens a file that begins so: `open` for one that is not packed."""
    return next((found for magic, found in _OPENERS.items() if start.startswith(magic)), open)


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Raise Damaged for what a packed file's library finds wrong in it."""
    try:
        yield
    except _DAMAGED as error:
        raise Damaged(f"{path}: a damaged or truncated packed file ({error}): get it again") from None
    except OSError as error:
        if error.errno is None:  # bzip2's own
            raise Damaged(f"{path}: a damaged or truncated packed file ({error}): get it again") from None
        raise


@contextmanager
def unpacked(path: str | Path) -> Iterator[BinaryIO]:
    """What a file holds once unpacked by gzip, bzip2 or xz, or as it is, as a stream; see LARGEST_RATIO.

    Raises Damaged, also while it is read, and InputError for one that unpacks to more than a real file does.
    """
    path = Path(path)
    with open(path, "rb") as handle:
        opened = opener(handle.read(8))
    with damage_named(path), opened(path, "rb") as stream:
        if opened is open:
            yield stream
        else:
            yield io.BufferedReader(_Bounded(stream, path), _BLOCK)


def unpack(path: str | Path, target: str | Path) -> None:
    """Write what a packed file holds. Raises as `unpacked`, and Damaged for a file that is not packed."""
    with open(path, "rb") as handle:
        if opener(handle.read(8)) is open:
            raise Damaged(f"{path}: not packed by gzip, bzip2 or xz")
    with unpacked(path) as stream, open(target, "wb") as handle:
        _copy(stream, handle)


def extract(archive: str | Path, member: str, target: str | Path) -> None:
    """Write the file called `member`, in whichever folder, of a tar archive, packed or not.

    Only its bytes are taken: no folder, link or device of the archive is made, and no path of it is used. Raises
    Damaged for what is no whole archive, and InputError where it holds no such file.
    """
    try:
        with unpacked(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as entries:
            for entry in entries:
                if PurePosixPath(entry.name).name != member:
                    continue
                if not entry.isfile():
                    kind = "a link" if entry.issym() or entry.islnk() else "no file"
                    raise InputError(f"{member} is {kind} there ({entry.name}), which is not followed")
                if entry.issparse():
                    raise InputError(f"{member} is stored there with holes, whose size nothing bounds")
                with open(target, "wb") as handle:
                    _copy(entries.extractfile(entry), handle)
                while stream.read(_BLOCK):  # to the checksum at its end
                    pass
                return
    except tarfile.TarError as error:
        raise Damaged(f"{archive}: no whole tar archive ({error})") from None
    raise InputError(f"holds no file named {member}")


def _copy(stream: Any, handle: BinaryIO) -> None:
    while block := stream.read(_BLOCK):
        handle.write(block)


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than a real file unpacks to."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._most = max(LARGEST_RATIO * path.stat().st_size, HARMLESS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self._most -= len(block)
        if self._most < 0:
            raise InputError(
                f"{self._path}: unpacks to more than {LARGEST_RATIO} times its size, which no real file does; not kept"
            )
        return len(block)
