"""What a Python file does, as text: equal for files that do the same, whatever they say about it.

Comments, docstrings, formatting, the arguments of `raise`, `print` and log calls, and the descriptions in what a class
`declares` do not count. Reading all files of the library takes seconds, so that what was read can be kept, by the
files' content, for the next run.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from chrom2expr.errors import InputError
from chrom2expr.files.whole import write_json

# Methods of a logger, and of the modules warnings and logging; what a logger is called; keys that only describe.
_TALKING = {"warn", "debug", "info", "warning", "error", "exception", "critical"}
_LOGGERS = {"log", "logger", "logging", "warnings"}
_DESCRIBING = {"description", "advice", "origin"}
# Texts by `_key`: what earlier processes read, and what this one asked for.
_recalled: dict[str, list[Any]] = {}
_asked: dict[str, list[Any]] = {}


class Import(NamedTuple):
    """An import statement: `import names`, whose module is None, or `from module import names`."""

    module: str | None
    level: int
    names: tuple[tuple[str, str | None], ...]  # with the name after `as`

    @classmethod
    def of(cls, node: ast.Import | ast.ImportFrom) -> Self:
        names = tuple((alias.name, alias.asname) for alias in node.names)
        return cls(None, 0, names) if isinstance(node, ast.Import) else cls(node.module or "", node.level, names)

    def written(self) -> str:
        """The statement, as ast.unparse has it."""
        names = ", ".join(name + (f" as {other}" if other else "") for name, other in self.names)
        return f"import {names}" if self.module is None else f"from {'.' * self.level}{self.module} import {names}"


class Text(NamedTuple):
    """What a file does by itself (a digest), what it imports, the names it uses, the names in its classes."""

    digest: str
    imports: tuple[Import, ...]
    used: frozenset[str]
    methods: frozenset[str]


@cache
def read(path: Path, without: frozenset[str] = frozenset()) -> Text:
    """What a file does, without the methods of that name. Raises InputError for what is no Python, naming the line."""
    content = path.read_bytes()
    key = _key(content, without)
    if key not in _recalled:
        reader = _Reader(without)
        try:
            reader.read(ast.parse(content))
        except SyntaxError as error:
            raise InputError(f"{path}, line {error.lineno}: is no Python: {error.msg}") from None
        _recalled[key] = [digest("".join(reader.parts)), reader.imports, sorted(reader.used), sorted(reader.methods)]
    text, imports, used, methods = _asked[key] = _recalled[key]
    found = (Import(module, level, tuple((name, other) for name, other in names)) for module, level, names in imports)
    return Text(text, tuple(found), frozenset(used), frozenset(methods))


def recall(path: Path) -> None:
    """Take what `keep` wrote, so that only files that are new or edited are read."""
    _recalled.update(_kept(path))


def keep(path: Path) -> None:
    """Write what this process asked for, if some of it is not there; what cannot be written is read again instead."""
    if _asked.keys() - _kept(path).keys():
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"reader": _reader(), "texts": _asked})


def _kept(path: Path) -> dict[str, list[Any]]:
    """What lies there, unless another version of this module or of Python wrote it, or nothing that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        return kept["texts"] if kept["reader"] == _reader() else {}
    return {}


@cache
def _reader() -> str:
    """What decides how a file is read: this module, and the version of Python."""
    return digest(sys.version, Path(__file__).read_bytes())


def _key(content: bytes, without: Iterable[str]) -> str:
    return digest(content, sorted(without))


def digest(*parts: Any) -> str:
    """SHA-256 of what parts look like in Python."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class _Reader:
    """Writes a syntax tree down, without what does nothing.

    Fields that are empty are left out: they come and go with versions of Python.
    """

    def __init__(self, without: frozenset[str]) -> None:
        self.without = without
        self.parts: list[str] = []
        self.imports: list[Import] = []
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
            self.imports.append(Import.of(node))
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
    if isinstance(function, ast.Name):
        places = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "file"]
        talks = function.id == "print" and all(place.startswith("sys.") for place in places)
    else:
        talks = (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.attr in _TALKING
            and function.value.id.lower().strip("_") in _LOGGERS
        )
    return talks and not any(
        isinstance(node, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)) for node in ast.walk(call)
    )


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
