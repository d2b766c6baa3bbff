"""Config files read and laid over one another, as Snakemake does with --configfile."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chrom2expr.errors import InputError
from chrom2expr.registry import laid_over

# What a config that names no base is laid over: the thesis run.
DEFAULT_BASE = "config/config.yaml"
# No config comes near; one whose anchors multiply would fill the memory.
_MOST_VALUES = 1_000_000


def read(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The config of several files, each laid over those before it: dictionaries merge, all else is replaced.

    Raises InputError for a file that is not there or is no YAML, naming its line, holds anything but sections, has a
    key twice (YAML would drop the first without a word), or anchors that hold themselves or unfold without end.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     one, other = Path(folder, "one.yaml"), Path(folder, "other.yaml")
    ...     _ = one.write_text("{seed: 1, threads: {fit_head: 4}}"), other.write_text("seed: 2")
    ...     read([one, other])
    {'seed': 2, 'threads': {'fit_head': 4}}
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = laid_over(config, _read(Path(path)))
    return config


def base_of(config: Mapping[str, Any]) -> str:
    """The path of what a config is laid over: the `base` that it names, or DEFAULT_BASE.

    >>> base_of({"seed": 1})
    'config/config.yaml'

    Raises InputError if that is no path, or names no file, or a config that names a base itself.
    """
    if "base" not in config:
        return DEFAULT_BASE
    base = config["base"]
    if not isinstance(base, str) or not base:
        raise InputError(f"base: is {base!r}, but must be the path of a config")
    path = Path(os.path.expandvars(os.path.expanduser(base)))
    if not path.is_file():
        raise InputError(
            f"base: there is no file {base} in {Path.cwd()}, where its path starts: work in the folder that holds it "
            "(a clone of chrom2expr has config/base.yaml), or give the whole path"
        )
    if "base" in _read(path):
        raise InputError(
            f"base: {base} names a base itself, and only one config can lie below another: copy that file, and lay the "
            "copy over its base"
        )
    return str(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        _refuse_endless(found, path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such config") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the config in it") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start:,})") from None
    except RecursionError:
        raise InputError(f"{path}: its sections lie too deep in one another; write them less deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: is not YAML ({getattr(error, 'problem', None) or error})") from None
    if found is not None and not isinstance(found, Mapping):
        raise InputError(f"{path}: holds a {type(found).__name__}, but a config is sections with keys")
    return found or {}


class _Loader(yaml.SafeLoader):
    """Reads what SafeLoader does, and refuses a key that a section has twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag.endswith(":merge") or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_endless(config: Any, path: Path) -> None:
    """Raise InputError if what anchors stand for, written out wherever it is meant, is too much or without end."""
    counts: dict[int, int] = {}

    def count(value: Any, above: frozenset[int]) -> int:
        if not isinstance(value, dict | list):
            return 1
        if id(value) in above:
            raise InputError(f"{path}: a section holds itself, by an anchor (&) and its alias (*); write it out")
        if id(value) not in counts:
            held = value.values() if isinstance(value, dict) else value
            counts[id(value)] = 1 + sum(count(one, above | {id(value)}) for one in held)
        return counts[id(value)]

    if (values := count(config, frozenset())) > _MOST_VALUES:
        raise InputError(
            f"{path}: its anchors unfold to {values:,} values, but no config has more than {_MOST_VALUES:,}; use fewer "
            "aliases (*)"
        )
