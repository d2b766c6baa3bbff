"""What Snakemake gives a script, made by hand."""

import json
from types import SimpleNamespace
from typing import Any


def params(**values: Any) -> dict[str, str]:
    """Params as the rules encode them."""
    return {name: json.dumps(value) for name, value in values.items()}


def snakemake(**parts: Any) -> SimpleNamespace:
    """The object `snakemake` of a script; what is left out is empty."""
    nothing = {"input": [], "output": [], "params": {}, "resources": SimpleNamespace(), "threads": 1}
    return SimpleNamespace(**nothing | parts)
