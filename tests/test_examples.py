"""The examples in docstrings say what they show, and the public entry points of every package have one."""

import doctest
import importlib
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
MODULES = sorted(
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
    for path in (SCRIPTS / "chrom2expr").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
# Packages that a lab's own code calls.
CALLED = {"registry", "genome", "backbones", "losses", "evaluation", "heads", "application"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed


def test_the_packages_that_others_call_have_examples():
    assert {name.split(".")[1] for name in MODULES} >= CALLED
