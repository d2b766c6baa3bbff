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


def read(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The config of several files, each laid over those before it: dictionaries merge, all else is replaced.

    Raises InputError for a file that is not there or is no YAML, naming its line, or holds anything but sections.

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
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such config") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the config in it") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start:,})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: is not YAML ({getattr(error, 'problem', None) or error})") from None
    if found is not None and not isinstance(found, Mapping):
        raise InputError(f"{path}: holds a {type(found).__name__}, but a config is sections with keys")
    return found or {}
