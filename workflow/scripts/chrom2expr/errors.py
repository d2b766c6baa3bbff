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
    errno.ENOMEM: ("memory is used up", _MEMORY),
}


def system_trouble(error: BaseException, path: str | Path | None = None) -> SystemTrouble | None:
    """What `error` says of the operating system, about the file it names, else `path`; None if it says nothing.

    Libraries wrap what they met: the number is looked for in the error, in its text (HDF5 quotes it), and in the errors
    that it came from.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, SystemTrouble):
            return seen
        number = getattr(seen, "errno", None)
        if number not in _TROUBLES and (quoted := re.search(r"(?:errno = |\[Errno )(\d+)", str(seen))):
            number = int(quoted[1])
        if number in _TROUBLES:
            what, cure = _TROUBLES[number]
            named = getattr(seen, "filename", None) or path
            return SystemTrouble(f"{named}: {what}. {cure}" if named else f"{what}. {cure}")
        seen = seen.__cause__ or seen.__context__
    return None


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
