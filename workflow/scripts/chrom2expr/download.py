"""Fetch a published file, unpack it, and check that it is the file that was meant."""

import gzip
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from chrom2expr.errors import InputError
from chrom2expr.files import sha256, whole_file

_TIMEOUT = 60  # seconds without a byte
_NOT_THERE = {403, 404, 410}  # how archives answer for a file that they do not hold


class NotThere(InputError):
    """The server answers, and has no such file."""


def fetch(url: str, path: str | Path) -> None:
    """Download `url` to `path`, whole or not at all.

    Raises NotThere if the server has no such file, InputError if the address does not answer, or sends fewer bytes
    than it announced.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, whole_file(path) as partial:
            with open(partial, "wb") as handle:
                shutil.copyfileobj(answer, handle, 1 << 22)
            announced, received = answer.headers.get("Content-Length"), partial.stat().st_size
            if announced is not None and int(announced) != received:
                raise InputError(f"{url}: {received:,} of {int(announced):,} bytes arrived; run again")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        kind = NotThere if getattr(error, "code", None) in _NOT_THERE else InputError
        raise kind(
            f"{url}: cannot be downloaded ({error}); fetch it yourself and give its place as a path in the config"
        ) from None


def resource(url: str, path: str | Path, member: str | None = None, checksum: str | None = None) -> None:
    """Download a resource to `path`: a .gz unpacked, or one `member` (by file name) of a tar archive.

    `checksum` is the SHA-256 of the unpacked file; without one, the file's own is printed, to be put into the config.
    Raises InputError if the member is not there or the checksum differs.
    """
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder, whole_file(path) as partial:
        packed = Path(folder) / "packed"
        fetch(url, packed)
        if member:
            _extract(packed, member, partial, url)
        elif url.endswith(".gz"):
            with gzip.open(packed) as source, open(partial, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 22)
        else:
            packed.rename(partial)
        found = sha256(partial)
        if checksum and found != checksum:
            raise InputError(f"{url}: SHA-256 is {found}, the config expects {checksum}; not kept")
        if not checksum:
            print(f"no sha256 in the config for {url}; this file's is {found}")


def _extract(archive: Path, member: str, target: Path, url: str) -> None:
    with tarfile.open(archive) as files:
        for entry in files:
            if Path(entry.name).name == member and entry.isfile():
                with open(target, "wb") as handle:
                    shutil.copyfileobj(files.extractfile(entry), handle, 1 << 22)
                return
    raise InputError(f"{url}: holds no file named {member}")
