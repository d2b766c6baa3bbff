"""What is said to the user: bad input, damage, and what the operating system could not do."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Something the user gave is wrong. The message says what, in which file and row, and what to do."""


class SystemTrouble(Exception):
    """The operating system could not do what a job needs. The message says what and names the cure.

    No file is blamed for it, and the same job may succeed when it is run again.
    """


_FULL = "Make room there, then run again"
_RIGHTS = "Change its owner or permissions (ls -l shows them), or use another place, then run again"
_OPEN_FILES = "Raise the limit (ulimit -n), or use more groups or fewer shards, then run again"
_LOCKS = "Another program has locked the file, or its file system keeps no locks; end that program, then run again"
_STORAGE = "The disk, or the network it is reached by, failed; run again, and tell whoever keeps it if that goes on"
_MEMORY = "Ask for more memory (mem_mb), then run again"

# What each failure of the operating system is called, and its cure.
_TROUBLES = {
    errno.ENOSPC: ("no space is left on its disk", _FULL),
    errno.EDQUOT: ("your quota there is used up", _FULL),
    errno.EFBIG: ("the file is larger than its file system or a limit allows", "Use another place, or raise ulimit -f"),
    errno.EACCES: ("permission is denied", _RIGHTS),
    errno.EPERM: ("permission is denied", _RIGHTS),
    errno.EROFS: ("its file system can be read only", _RIGHTS),
    errno.EMFILE: ("too many files are open", _OPEN_FILES),
    errno.ENFILE: ("too many files are open on this machine", _OPEN_FILES),
    errno.EAGAIN: ("the file is locked", _LOCKS),
    errno.EDEADLK: ("the file is locked", _LOCKS),
    errno.ENOLCK: ("the file cannot be locked", _LOCKS),
    errno.ENOSYS: ("its file system lacks a function", _LOCKS),
    errno.EOPNOTSUPP: ("its file system lacks a function", _LOCKS),
    errno.EIO: ("its disk failed", _STORAGE),
    errno.ESTALE: ("its network file system lost it", _STORAGE),
    errno.ETIMEDOUT: ("its file system did not answer in time", _STORAGE),
    errno.ENXIO: ("its disk failed", _STORAGE),
    errno.EREMOTEIO: ("its disk failed", _STORAGE),
    errno.ENODEV: ("its disk is gone", _STORAGE),
    errno.EBUSY: ("its disk is busy", _STORAGE),
    errno.ENOTCONN: ("its file system is not connected", _STORAGE),
    errno.ESHUTDOWN: ("its file system was shut down", _STORAGE),
    errno.EHOSTDOWN: ("its file server is down", _STORAGE),
    errno.EHOSTUNREACH: ("its file server cannot be reached", _STORAGE),
    errno.ENOMEM: ("memory is used up", _MEMORY),
}


def system_trouble(error: BaseException, path: str | Path | None = None) -> SystemTrouble | None:
    """What `error` says of the operating system, about the file it names, else `path`; None if it says nothing.

    The number of the failure is looked for in the error, in what HDF5 quotes in its text, and in the errors that it is
    said to come from (`raise ... from`).
    """
    seen: BaseException | None = error
    met: list[BaseException] = []
    while seen is not None and seen not in met:
        if isinstance(seen, SystemTrouble):
            return seen
        if number := _number(seen):
            what, cure = _TROUBLES[number]
            named = getattr(seen, "filename", None) or path
            return SystemTrouble(f"{named}: {what}. {cure}" if named else f"{what}. {cure}")
        met.append(seen)
        seen = seen.__cause__
    return None


def gpu_trouble(error: BaseException) -> SystemTrouble | None:
    """What `error` says of a GPU whose memory is used up; None if it says nothing.

    >>> print(gpu_trouble(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")).args[0].partition(".")[0])
    the GPU's memory is used up
    """
    text = str(error)
    if not any(sign in text for sign in ("CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED")):
        return None
    said = text.strip().splitlines()[0]
    return SystemTrouble(
        "the GPU's memory is used up. Lower batch_size in the config, of the backbone, head or variants that the job "
        f"is about, or take a GPU with more memory or without other jobs, then run again ({said})"
    )


def _number(error: BaseException) -> int | None:
    """The errno of a failure in _TROUBLES that an error tells of."""
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return errno.ENOMEM
    quoted = re.search(r"errno = (\d+)", text)
    number = int(quoted[1]) if quoted else getattr(error, "errno", None)
    if number == errno.EAGAIN and "lock" not in text:
        return None  # processes or threads are used up: nothing is said of a file
    return number if number in _TROUBLES else None


@contextmanager
def system_errors_named(path: str | Path) -> Iterator[None]:
    """Raise SystemTrouble, about the file `path`, for what the operating system refused; let all else pass."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:  # HDF5 and torch raise either of the first two
        if trouble := system_trouble(error, path):
            raise trouble from error
        raise


@contextmanager
def reading(path: str | Path, kind: str, advice: str = "delete it and run again", quote: bool = True) -> Iterator[None]:
    """Turn whatever a library raises over the file `path`, which should be a `kind`, into one plain message.

    `quote`: whether what the library says is worth telling. Raises SystemTrouble for what the operating system refused,
    else InputError; both pass through as they are.
    """
    try:
        yield
    except (InputError, SystemTrouble):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; {advice.removeprefix('delete it and ')}") from error
    except Exception as error:
        if trouble := system_trouble(error, path):
            raise trouble from error
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: damaged, or no {kind}{f' ({said})' if quote else ''}; {advice}") from error
