"""What code a job runs, so that an edit reruns what it can change and nothing else.

A job depends on its script, on the classes that it finds by name, and on the modules that these import, directly or
through others: chrom2expr's, and those of a package of the user's own. `fingerprint` is equal as long as all of them
do the same, module by module. Comments, docstrings, formatting, the arguments of `raise`, `print` and log calls, the
descriptions in what a class `declares`, and where a module lies do not count.
"""

import ast
import hashlib
import itertools
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.errors import InputError

# Modules that only talk to the user, only find others, hold the version, or fetch what an address has: an edit there
# changes no result, and would fetch terabytes again.
_SILENT = {"__init__.py", "job.py", "errors.py", "registry.py"}
_SILENT |= {f"files/{name}.py" for name in ("checksums", "download", "fetching", "mirrors", "ownership")}
# Methods of a logger, and of the modules warnings and logging; what a logger is called; keys that only describe.
_TALKING = {"warn", "debug", "info", "warning", "error", "exception", "critical"}
_LOGGERS = {"log", "logger", "logging", "warnings"}
_DESCRIBING = {"description", "advice", "origin"}


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
    rest = {_linked(path, library, left_out) for path in files if _own(path, left_out).content != _NOTHING}
    return _digest(_linked(first, library, left_out), named, sorted(rest))


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
    return {file for statement in _read(path, frozenset()).imports for file in _targets(statement, path, library)}


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
        targets = {file for statement in _own(path, without).imports for file in _targets(statement, path, library)}
        targets |= {folder / "__init__.py" for folder in _packages(path)}
        waiting |= {file for file in targets if not _silent(file, library)} - found
    if used := {name for path in found for name in _own(path, without).used & without}:
        return _reached(library, first, without - used)
    return found, without


def _silent(path: Path, library: Path) -> bool:
    return path.is_relative_to(library) and path.relative_to(library).as_posix() in _SILENT


class _Text(NamedTuple):
    """What a file does by itself (a digest), what it imports, the names it uses, the names in its classes."""

    content: str
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    used: frozenset[str]
    methods: frozenset[str]


def _own(path: Path, without: frozenset[str]) -> _Text:
    """`_read`, once for all `without` that leave out the same."""
    return _read(path, without & _read(path, frozenset()).methods)


@cache
def _read(path: Path, without: frozenset[str]) -> _Text:
    reader = _Reader(without)
    reader.read(_parsed(path))
    content = _digest("".join(reader.parts))
    return _Text(content, tuple(reader.imports), frozenset(reader.used), frozenset(reader.methods))


@cache
def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: is no Python: {error.msg}") from None


@cache
def _linked(path: Path, library: Path, without: frozenset[str], depth: int = 3) -> str:
    """Digest of a file with what each of its imports means: the modules' digests, those of their imports, ..."""
    text = _own(path, without)
    if not depth:
        return text.content
    meant = []
    for statement in text.imports:
        targets = _targets(statement, path, library)
        found = sorted("" if _silent(file, library) else _linked(file, library, without, depth - 1) for file in targets)
        meant.append(found or ast.unparse(statement))
    return _digest(text.content, meant)


@cache
def _packages(path: Path) -> tuple[Path, ...]:
    """The packages that a file lies in, the innermost first: all are imported with it."""
    return tuple(itertools.takewhile(lambda folder: (folder / "__init__.py").is_file(), path.parents))


@cache
def _targets(statement: ast.Import | ast.ImportFrom, path: Path, library: Path) -> frozenset[Path]:
    """The files that a statement imports, of the library or of the file's own package."""
    bound = [alias.name.split(".") for alias in statement.names]
    if isinstance(statement, ast.Import):
        names, level = bound, 0
    else:
        module, level = (statement.module or "").split(".") if statement.module else [], statement.level
        names = [module, *([*module, *name] for name in bound)]
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


class _Reader:
    """Writes a syntax tree down, without what does nothing.

    Fields that are empty are left out: they come and go with versions of Python.
    """

    def __init__(self, without: frozenset[str]) -> None:
        self.without = without
        self.parts: list[str] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.used: set[str] = set()
        self.methods: set[str] = set()

    def read(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self._read_node(value)
        elif isinstance(value, list):
            self.parts.append("[")
            for item in value:
                self.read(item)
            self.parts.append("]")
        else:
            self.parts.append(repr(value))

    def _read_node(self, node: ast.AST) -> None:
        fields = node.__dict__
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports.append(node)
            # Where they are imported from, _linked adds.
            self.parts.append(f"import {[(alias.name, alias.asname) for alias in node.names]}")
            return
        if isinstance(node, ast.Attribute):
            self.used.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.used.add(node.value)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            fields = fields | {"exc": node.exc.func}
        elif isinstance(node, ast.JoinedStr):
            # Some versions of Python add empty texts.
            fields = {"values": [item for item in node.values if getattr(item, "value", None) != ""]}
        elif isinstance(node, ast.Call) and _talks(node):
            fields = {"func": node.func}
        elif isinstance(node, ast.ClassDef):
            self.methods |= {item.name for item in node.body if hasattr(item, "name")}
            body = [item for item in node.body if getattr(item, "name", None) not in self.without]
            fields = fields | {"body": [_without_descriptions(item) for item in body]}
        self.parts.append(f"({type(node).__name__}")
        for name in node._fields:
            item = fields.get(name)
            if isinstance(item, list):
                item = [effective for one in item for effective in _effective(one)]
            if item is not None and item != [] and name not in ("ctx", "kind"):
                self.parts.append(f" {name}=")
                self.read(item)
        self.parts.append(")")


def _effective(item: Any) -> list[Any]:
    """An item of a list, or nothing for a docstring, an ellipsis, `pass`, and what only a type checker sees."""
    if isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)):
        return []
    if isinstance(item, ast.If) and ast.unparse(item.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        return item.orelse
    return [item]


def _talks(call: ast.Call) -> bool:
    """Whether a call only talks to the user: print, warnings.warn, logging.info, a logger's methods."""
    function = call.func
    if any(isinstance(node, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)) for node in ast.walk(call)):
        return False
    if isinstance(function, ast.Name):
        places = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "file"]
        return function.id == "print" and all(place.startswith("sys.") for place in places)
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return False
    return function.attr in _TALKING and function.value.id.lower().strip("_") in _LOGGERS


def _without_descriptions(statement: ast.stmt) -> ast.stmt:
    """What a class declares, without what only describes it; other statements as they are."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)):
        return statement
    if [ast.unparse(target) for target in statement.targets] != ["declares"]:
        return statement
    return ast.Assign(statement.targets, _undescribed(statement.value))


def _undescribed(value: ast.expr) -> ast.expr:
    if isinstance(value, ast.List):
        return ast.List([_undescribed(item) for item in value.elts])
    if not isinstance(value, ast.Dict):
        return value
    kept = [
        (key, _undescribed(item))
        for key, item in zip(value.keys, value.values, strict=True)
        if not (isinstance(key, ast.Constant) and key.value in _DESCRIBING and isinstance(item, ast.Constant))
    ]
    return ast.Dict([key for key, _ in kept], [item for _, item in kept])


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


# What a file does that is empty, or holds a docstring.
_NOTHING = _digest("(Module)")
