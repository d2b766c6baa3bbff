"""Published files into their places: from the first address that has them, unpacked, and those that were meant."""

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files.checksums import Downloaded, Record
from chrom2expr.files.fetching import YOURSELF, fetch, shown
from chrom2expr.files.foreign import START, foreign
from chrom2expr.files.mirrors import mirrored
from chrom2expr.files.ownership import owned
from chrom2expr.files.packed import Damaged, extract, named_packed, unpack
from chrom2expr.files.whole import sha256, whole_file

# Seconds without a sign of life after which another machine's download may be taken over.
STALE_AFTER = 300


def resource(
    urls: Sequence[str],
    path: str | Path,
    name: str,
    record: Record,
    address: str,
    member: str | None = None,
    checksum: str | None = None,
) -> None:
    """Download a resource to `path`, as it is, unpacked, or one `member` (by file name) of a tar archive.

    The addresses hold the same file, and are tried in order; what ends in .gz is unpacked, unless `path` does too.
    `checksum` is the SHA-256 of the file at `path`; without one, what `record` knows under `name` of the published
    `address` counts, and a file it does not know is recorded. A file that comes again is as old as when it came first,
    so that nothing is made again of it.

    Raises InputError, or SystemTrouble if that is all that is wrong with one of the addresses, naming each with what is
    wrong: it cannot be had, is damaged, is a web page, holds no such member, has another checksum.
    """
    path = Path(path)
    known = record.find(name, path.name, address)
    expected = checksum or (known.sha256 if known else None)
    with owned(path, STALE_AFTER) as owner, whole_file(path, durable=True) as partial:
        errors: list[InputError | SystemTrouble] = []
        for url in urls:
            packed = _packed_name(path, url)
            try:
                _one(url, path, packed, partial, member)
                found = sha256(partial)
                if expected in (None, found):
                    break
                packed.unlink()
                if checksum:
                    raise InputError(f"{shown(url)}: SHA-256 is {found}, the config expects {checksum}; not kept")
                raise _another(url, found, known, record)
            except (InputError, SystemTrouble) as error:
                errors.append(error)
                if len(urls) > 1:
                    print(f"{error}", flush=True)
        else:
            kind = SystemTrouble if any(isinstance(error, SystemTrouble) for error in errors) else InputError
            raise kind("\n".join(map(str, errors)))
        owner.check()
        row = record.add(name, path.name, partial.stat().st_size, found, address)
        if not checksum:
            print(f"{path.name}: SHA-256 is {found}, {'as' if known else 'noted'} in {record.path}")
        os.utime(partial, (row.time(), row.time()))
        _clear(path)


def _packed_name(path: Path, url: str) -> Path:
    """Where what comes from an address lies until all is well with it: another address's is not gone on with."""
    return path.with_name(f".{path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.packed")


def _clear(path: Path) -> None:
    """Remove what came of a file from its addresses, whole or not."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.packed(\.part(\.json)?)?")
    for file in path.parent.iterdir():
        if left.fullmatch(file.name):
            file.unlink()


def _one(url: str, path: Path, packed: Path, target: Path, member: str | None) -> None:
    """Write what one address gives to `target`, which stays in `packed` too; see `resource`."""
    if not packed.exists():
        fetch(url, packed)
    target.unlink(missing_ok=True)
    try:
        refuse_foreign(packed, url)
        if member:
            extract(packed, member, target)
        elif named_packed(url) and path.suffix.lower() != ".gz":
            unpack(packed, target)
        else:
            try:
                os.link(packed, target)
            except OSError:  # a file system without links
                shutil.copyfile(packed, target)
    except Damaged:
        packed.unlink()
        raise InputError(
            f"{shown(url)}: what arrived is not a whole {'tar archive' if member else '.gz file'}, but damaged or cut "
            f"short; open the address in a browser and correct it in the config, run again, or {YOURSELF}"
        ) from None
    except InputError as error:
        packed.unlink()
        said = str(error)
        raise InputError(
            said if said.startswith(shown(url)) else f"{shown(url)}: {said.removeprefix(f'{packed}: ')}"
        ) from None


def bigwig(
    address: str, path: str | Path, source: str, record: Record, mirror: Mapping[str, str], stop: threading.Event
) -> None:
    """Download a track's bigWig to `path`, which `record` keeps under the name of its `source`; `stop` breaks it off.

    Raises as `fetching.fetch`, and InputError for a web page, a server's message, and another file than came before.
    """
    path, url = Path(path), mirrored(address, mirror)
    coming = path.with_name(f".{path.name}")
    if not coming.exists():
        fetch(url, coming, progress=False, stop=stop)
    try:
        refuse_foreign(coming, url)
        found, known = sha256(coming), record.find(source, path.name, address)
        if known and known.sha256 != found:
            raise _another(url, found, known, record)
    except InputError:
        coming.unlink()
        raise
    record.add(source, path.name, coming.stat().st_size, found, address)
    os.replace(coming, path)


def _another(url: str, found: str, known: Downloaded, record: Record) -> InputError:
    """What to say of a file that is another one than came before."""
    return InputError(
        f"{shown(url)}: SHA-256 is {found}, when it first came, on {known.date}, it was {known.sha256}; not kept. If "
        f"this one is right, delete the line of {known.file} in {record.path}"
    )


def refuse_foreign(path: Path, url: str) -> None:
    """Raise InputError for a web page, a server's message or a Git LFS pointer that came in place of a file."""
    with open(path, "rb") as handle:
        if found := foreign(handle.read(START)):
            raise InputError(f"{shown(url)}: what arrived is {found}")
