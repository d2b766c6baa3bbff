"""How a methods text writes lists, numbers and settings."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def enumerated(words: Iterable[str], last: str = "and") -> str:
    """Words in a row.

    >>> enumerated(["chr1"]), enumerated(["a", "b", "c"])
    ('chr1', 'a, b and c')
    """
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final


def listed(values: Iterable[float]) -> str:
    """Numbers in a row.

    >>> listed([1.0e-4, 3, 0.5])
    '0.0001, 3 or 0.5'
    """
    return enumerated((f"{value:g}" for value in values), "or")


def settings(section: Mapping[str, Any], **names: str) -> str:
    """The keys and values of a section; `names` says what some keys are called.

    >>> settings({"alpha": 10, "use_it": True}, alpha="α")
    'α = 10, use it = yes'
    """
    return ", ".join(f"{names.get(key, key.replace('_', ' '))} = {_value(value)}" for key, value in section.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
