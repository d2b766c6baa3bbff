"""Addresses and configs without passwords and tokens: what of them may be shown to others."""

import re
from collections.abc import Mapping
from typing import Any

_HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/?#@\s]*@")
_QUERY = re.compile(r"([?&][^=&#\s\"']+=)([^&#\s\"']*)")


def masked(value: Any) -> Any:
    """A value of a config, and all that it holds, with *** in addresses for users, passwords and values of queries.

    The place of a track's identifier in a query stays, since an address without it names no bigWig.

    >>> masked({"url": "https://me:secret@example.org/hg38.fa?token=abc"})
    {'url': 'https://***@example.org/hg38.fa?token=***'}
    """
    if isinstance(value, Mapping):
        return {masked(key): masked(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [masked(entry) for entry in value]
    return in_addresses(value) if isinstance(value, str) and "://" in value else value


def in_addresses(text: str) -> str:
    """A text with *** for users, passwords and values of queries in the addresses that it holds."""
    return _QUERY.sub(_masked_query, _USER.sub(f"{_HIDDEN}@", text))


def _masked_query(found: re.Match[str]) -> str:
    return found[1] + (found[2] if found[2] == "{identifier}" else _HIDDEN)
