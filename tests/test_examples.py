"""The examples in docstrings say what they show, and the public entry points of every package have one."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
MODULES = sorted(
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
    for path in (SCRIPTS / "chrom2expr").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)
# Packages that a lab's own code calls.
CALLED = {"registry", "genome", "backbones", "losses", "evaluation", "heads", "application"}
# What the pages of the API show.
SHOWN = [
    name
    for page in sorted((ROOT / "docs" / "api").glob("*.rst"))
    for name in re.findall(r"^\.\. auto(?:class|function):: (\S+)$", page.read_text(), re.MULTILINE)
]
# Where examples need more than fits into a docstring: the page that has them, whose code a test runs.
ELSEWHERE = {"extending.md": ("Head", "NetworkHead", "LinearHead", "Backbone", "FigureKind")}
ELSEWHERE |= {"predict.md": ("load_run", "TrainedRun")}


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed


def test_the_packages_that_others_call_have_examples():
    assert {name.split(".")[1] for name in MODULES} >= CALLED


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_pages_of_the_api_show_has_an_example(name):
    module, _, own = name.rpartition(".")
    shown = getattr(importlib.import_module(module), own)
    members = [one for one in vars(shown).values() if hasattr(one, "__func__") or hasattr(one, "__code__")]
    examples = any(">>>" in (one.__doc__ or "") for one in (shown, *members))
    page = next((page for page, names in ELSEWHERE.items() if own in names), None)
    assert examples != bool(page), "an example, or the page that has it"
    assert not page or own in (ROOT / "docs" / page).read_text()


def test_the_pages_of_the_api_show_all_kinds():
    assert {name.split(".")[1] for name in SHOWN} >= CALLED | {"config", "errors", "files", "tracks"}
