"""Fetch a published file, unpack it, and check that it is the file that was meant."""

import gzip
import http.client
import lzma
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files.whole import sha256, whole_file

WAITS = (5, 30, 120)  # seconds before each further try
_TIMEOUT = 60  # seconds without a byte
_NOT_THERE = {404, 410}  # not 403, which is also how servers turn away a client that asks too often
_BUSY = {408, 429}
# An address that urllib cannot use (a reason in words, or InvalidURL), a file:// that is not there, no CA certificates.
_LASTING = (str, http.client.InvalidURL, FileNotFoundError, ssl.SSLCertVerificationError)
_FAILURES = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError)


class NotThere(InputError):
    """The server answers, and has no such file (404 or 410)."""


def fetch(url: str, path: str | Path) -> None:
    """Download `url` to `path`, whole or not at all.

    What may pass (a busy or failing server, a broken connection, fewer bytes than announced) is tried again after each
    of WAITS. Raises NotThere if the server has no such file, InputError for what else does not pass, and SystemTrouble
    for what might have.
    """
    for wait in (*WAITS, None):
        try:
            _fetch_once(url, path)
            return
        except _FAILURES as error:
            said = f"{url}: cannot be downloaded ({error}); "
            cure = "fetch it yourself and give its place as a path in the config"
            if not _may_pass(error):
                raise (NotThere if getattr(error, "code", None) in _NOT_THERE else InputError)(said + cure) from None
            if wait is None:
                raise SystemTrouble(f"{said}run again later, or {cure}") from None
            print(f"{url}: {error}; trying again in {wait} s", flush=True)
            time.sleep(wait)


def _fetch_once(url: str, path: str | Path) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, whole_file(path) as partial:
        with open(partial, "wb") as handle:
            shutil.copyfileobj(answer, handle, 1 << 22)
        announced, received = answer.headers.get("Content-Length"), partial.stat().st_size
        if announced is not None and int(announced) != received:
            raise ConnectionError(f"{received:,} of {int(announced):,} bytes arrived")


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _BUSY or error.code >= 500
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return not isinstance(reason, _LASTING)


def resource(
    url: str, path: str | Path, member: str | None = None, checksum: str | None = None, unpack: bool = False
) -> None:
    """Download a resource to `path`: as it is, gunzipped (`unpack`), or one `member` (by file name) of a tar archive.

    `checksum` is the SHA-256 of the file at `path`; without one, the file's own is printed, to be put into the config.
    Raises InputError if what arrives is damaged or no such file, the member is absent, or the checksum differs.
    """
    path = Path(path)
    # Its name is always the same: what a killed job leaves, the next one takes away.
    packed = path.with_name(f".{path.name}.packed")
    with whole_file(path, durable=True) as partial:
        try:
            fetch(url, packed)
            if member:
                _extract(packed, member, partial, url)
            elif unpack:
                with gzip.open(packed) as source, open(partial, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 22)
            else:
                packed.rename(partial)
        except _DAMAGED:
            raise InputError(
                f"{url}: what arrived is not a whole {'tar archive' if member else '.gz file'}, but damaged, cut short "
                "or a page that says why; open the address in a browser and correct it in the config, run again, or "
                "fetch the file yourself and give its place as a path in the config"
            ) from None
        finally:
            packed.unlink(missing_ok=True)
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
