"""What Snakemake gives a script, made by hand."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def path(script: str) -> str:
    """Where a script of the workflow lies."""
    return str(Path(__file__).resolve().parents[1] / "workflow" / "scripts" / script)


def params(**values: Any) -> dict[str, str]:
    """Params as the rules encode them."""
    return {name: json.dumps(value) for name, value in values.items()}


def snakemake(**parts: Any) -> SimpleNamespace:
    """The object `snakemake` of a script; what is left out is empty."""
    nothing = {"input": [], "output": [], "params": {}, "resources": SimpleNamespace(), "threads": 1}
    return SimpleNamespace(**nothing | parts)
