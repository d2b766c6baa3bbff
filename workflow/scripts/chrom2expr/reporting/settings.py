"""The page of the config: what it changes of the one that it lies over, and the whole with all defaults."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chrom2expr.files.pages import Listing, Table, write_page

_ABSENT = object()


def write(path: str | Path, config: Mapping[str, Any], given: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Write the page of a checked `config`, which was `given` in part, and lies over `base`."""
    rows = list(changes(given, base))
    about = (
        "docs, config/README.md, explain every key. Addresses are shown without users, passwords and values of queries."
    )
    told = f"{len(rows):,} keys have another value than in the config below it." if rows else "Nothing is changed."
    listing = yaml.safe_dump(json.loads(json.dumps(config)), allow_unicode=True, sort_keys=False, width=110)
    parts = [
        Table("What this run's own config changes", ("key", "value", "in the config below"), rows, text=[told]),
        Listing("The whole config, with all defaults", listing, code=True),
    ]
    write_page(path, "Config", [about], parts)


def changes(given: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Key, value and the base's value of what differs, empty where the base has none.

    >>> list(changes({"seed": 2, "genes": {"contigs": "all"}}, {"seed": 1}))
    [('seed', '2', '1'), ('genes.contigs', 'all', '')]
    """
    below = dict(_leaves(base))
    for key, value in _leaves(given):
        if key not in below or below[key] != value:
            yield key, _text(value), _text(below.get(key, _ABSENT))


def _leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _text(value: Any) -> str:
    if value is _ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
