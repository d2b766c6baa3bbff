"""Config files read and laid over one another, as Snakemake does with --configfile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chrom2expr.errors import InputError
from chrom2expr.registry import laid_over


def read(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The config of several files, each laid over those before it: dictionaries merge, all else is replaced.

    Raises InputError for a file that is not there or is no YAML, naming its line, or holds anything but sections.
    """
    config: dict[str, Any] = {}
    for path in paths:
        config = laid_over(config, _read(Path(path)))
    return config


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
