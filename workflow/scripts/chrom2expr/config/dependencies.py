"""What code a job runs, so that an edit reruns what it can change and nothing else.

A job depends on its script, on the classes that it finds by name, and on the modules that these import, directly or
through others: chrom2expr's, and those of a package of the user's own. `fingerprint` is equal as long as all of them
do the same, module by module. Comments, docstrings, formatting, the arguments of `raise`, `print` and log calls, the
descriptions in what a class `declares`, and where a module lies do not count.
"""

import itertools
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from chrom2expr.config import source_text
from chrom2expr.config.source_text import digest

# Modules that only talk to the user, only find others, hold the version, or fetch what an address has: an edit there
# changes no result, and would fetch terabytes again.
_SILENT = {"__init__.py", "job.py", "errors.py", "registry.py"}
_SILENT |= {f"files/{name}.py" for name in ("checksums", "download", "fetching", "mirrors", "ownership")}


def fingerprint(
    scripts: str | Path, script: str, loaded: Collection[tuple[str | Path, str]] = (), without: Collection[str] = ()
) -> str:
    """SHA-256 of what a job's code does, wherever it lies.

    `scripts` is the folder that holds the script and the library. `loaded` are the files that the job finds by name,
    each with what else decides what is loaded: the name of the class, the version of its package. Methods called
    `without` are left out, and so is what they alone import, unless something that is left uses an attribute of that
    name, or has the name as a text. Raises InputError for a file that is no Python, naming its line.
    """
    library, first = _places(scripts, script)
    found = [(Path(path).resolve(), name) for path, name in loaded]
    files, left_out = _reached(library, (first, *(path for path, _ in found)), frozenset(without))
    named = [(_linked(path, library, left_out), name) for path, name in found]
    # A package's __init__.py that does nothing comes and goes as modules are moved.
    rest = {_linked(path, library, left_out) for path in files if _own(path, left_out).digest != _NOTHING}
    return digest(_linked(first, library, left_out), named, sorted(rest))


def modules(
    scripts: str | Path, script: str, loaded: Collection[str | Path] = (), without: Collection[str] = ()
) -> list[Path]:
    """The files that `fingerprint` is of, but for the script: modules of the library and of users' packages.

    They are sorted and absolute, without symbolic links.
    """
    library, first = _places(scripts, script)
    files, _ = _reached(library, (first, *(Path(path).resolve() for path in loaded)), frozenset(without))
    return sorted(path for path in files - {first} if path.name != "__init__.py")


def imports(path: Path, library: Path) -> set[Path]:
    """The modules of the library, and of the file's own package, that it imports at its top or inside functions."""
    return {file for statement in source_text.read(path).imports for file in _targets(statement, path, library)}


def _places(scripts: str | Path, script: str) -> tuple[Path, Path]:
    """The folder of the library, and the script; a file has one name, from wherever it is reached."""
    folder = Path(scripts).resolve()
    return folder / "chrom2expr", folder / script


def _reached(library: Path, first: Sequence[Path], without: frozenset[str]) -> tuple[set[Path], frozenset[str]]:
    """The files that the `first` ones lead to, themselves included, and which methods are left out of them."""
    found: set[Path] = set()
    waiting = set(first)
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _next(path, library, _left_out(path, without)) - found
    if used := {name for path in found for name in _own(path, without).used & without}:
        return _reached(library, first, without - used)
    return found, without


@cache
def _next(path: Path, library: Path, without: frozenset[str]) -> frozenset[Path]:
    """The files that one leads to at once: those that it imports, and the packages that it lies in."""
    targets = {folder / "__init__.py" for folder in _packages(path)}
    for statement in source_text.read(path, without).imports:
        targets |= _targets(statement, path, library)
    return frozenset(file for file in targets if not _silent(file, library))


@cache
def _silent(path: Path, library: Path) -> bool:
    return path.is_relative_to(library) and path.relative_to(library).as_posix() in _SILENT


def _own(path: Path, without: frozenset[str]) -> source_text.Text:
    """What a file does without these methods."""
    return source_text.read(path, _left_out(path, without))


def _left_out(path: Path, without: frozenset[str]) -> frozenset[str]:
    """Those of the methods that the file has: it is read once for all that leave out the same."""
    return without & source_text.read(path).methods if without else without


@cache
def _linked(path: Path, library: Path, without: frozenset[str], depth: int = 3) -> str:
    """Digest of a file with what each of its imports means: the modules' digests, those of their imports, ..."""
    text = _own(path, without)
    if not depth:
        return text.digest
    meant = []
    for statement in text.imports:
        targets = _targets(statement, path, library)
        found = sorted("" if _silent(file, library) else _linked(file, library, without, depth - 1) for file in targets)
        meant.append(found or statement.written())
    return digest(text.digest, meant)


@cache
def _packages(path: Path) -> tuple[Path, ...]:
    """The packages that a file lies in, the innermost first: all are imported with it."""
    return tuple(itertools.takewhile(lambda folder: (folder / "__init__.py").is_file(), path.parents))


@cache
def _targets(statement: source_text.Import, path: Path, library: Path) -> frozenset[Path]:
    """The files that a statement imports, of the library or of the file's own package."""
    names, level = [name.split(".") for name, _ in statement.names], statement.level
    if statement.module is not None:
        module = statement.module.split(".") if statement.module else []
        names = [module, *([*module, *name] for name in names)]
    found = set()
    for name in names:
        if level:
            place = path.parents[level - 1].joinpath(*name)
        else:
            # The library, or the package that the file lies in, with or without __init__.py.
            packages = (library, *path.parents)
            root = next((folder.parent for folder in packages if folder.name == name[0]), None)
            if root is None:
                continue
            place = root.joinpath(*name)
        found |= {file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()}
    return frozenset(found)


# What a file does that is empty, or holds a docstring.
_NOTHING = digest("(Module)")
