"""Which modules a script depends on, so that an edit reruns what uses it and nothing else."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

# Modules that only talk to the user, or only find others: an edit there changes no result.
_SILENT = {"job.py", "errors.py", "files/ownership.py", "registry.py"}


def modules(scripts: str | Path, script: str, loaded: Sequence[str | Path] = (), without: str = "") -> list[str]:
    """The library files that a script imports, directly or through others, and `loaded`, those it finds by name.

    Paths start with `scripts`, the folder that holds the script and the library; those of a package of the user's own
    are as they are given in `loaded`, and what that imports of its own package is followed too. Modules that change no
    result (log, error messages, who may write) are left out, and so is what only methods called `without` import.
    """
    library = Path(scripts) / "chrom2expr"
    found: set[Path] = set()
    waiting = {*map(Path, loaded), *_imports(Path(scripts) / script, library, without)}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _imports(path, library, without) - found
    silent = {library / name for name in _SILENT}
    return [str(path) for path in sorted(found - silent) if path.name != "__init__.py"]


@cache
def _imports(path: Path, library: Path, without: str = "") -> frozenset[Path]:
    """The files of the library, and of the file's own package, that it imports at its top or inside functions."""
    return frozenset(
        file
        for name in _imported(_statements(_parsed(path), without), path)
        for file in (name.with_suffix(".py"), name / "__init__.py")
        for file in [library.parent / file if not file.is_absolute() else file]
        if file.is_file()
    )


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _statements(block: ast.AST, without: str) -> Iterator[ast.stmt]:
    """The statements of a text and of the blocks in it, but for methods called `without`; not their expressions."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(block, name, ()):
            if not (isinstance(block, ast.ClassDef) and getattr(node, "name", None) == without):
                yield node
                yield from _statements(node, without)


def _imported(statements: Iterable[ast.stmt], path: Path) -> Iterator[Path]:
    """What may be modules among the names that a text imports: relative to the library's folder, or absolute."""
    package = path.parent
    while (package / "__init__.py").is_file():
        package = package.parent
    own = path.relative_to(package).parts[0]
    for node in statements:
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            names = [[str(folder), *filter(None, (node.module or "").split(".")), alias.name] for alias in node.names]
            names += [name[:-1] for name in names]
        elif isinstance(node, ast.ImportFrom):
            names = [[*node.module.split("."), alias.name] for alias in node.names]
            names += [name[:-1] for name in names]
        else:
            continue
        for name in names:
            if name[0] == "chrom2expr" or Path(name[0]).is_absolute():
                yield Path(*name)
            elif name[0] == own:
                yield package.joinpath(*name).absolute()
