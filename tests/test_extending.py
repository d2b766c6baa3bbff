"""docs/extending.md says what is: its examples are those of tested files, its tables name every kind."""

import re
from pathlib import Path

import pytest

from chrom2expr import registry
from test_workflow import RULE_FILES

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
# A block of code, and the file that the paragraph before it ends with, if any; a fence has a language if it is code.
BLOCKS = re.findall(r"^(?:[^\n]*`([^`\n]+)`:\n\n)?```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
EXAMPLES = [(file, code) for file, language, code in BLOCKS if language]
WHOLE = {*re.findall(r"[Tt]he\swhole\sof\s`([^`]+)`:", TEXT), *re.findall(r"in full, `(.*)`:", TEXT)}


def pieces(code):
    """The parts of an example between lines that say that something is left out."""
    return [piece for piece in re.split(r"^ *\.\.\.\n", code, flags=re.MULTILINE) if piece.strip()]


@pytest.mark.parametrize(("file", "code"), EXAMPLES, ids=[f"{file}-{at}" for at, (file, _) in enumerate(EXAMPLES)])
def test_an_example_is_part_of_its_file(file, code):
    text = (ROOT / file).read_text(encoding="utf-8")
    place = 0
    for piece in pieces(code):
        # Parts of a config are shown in any order, those of a class in its own.
        found = text.find(piece, 0 if file.endswith(".yaml") else place)
        assert found >= 0, f"{file} has no\n{piece}"
        assert not found or text[found - 1] == "\n"
        place = found + len(piece)


@pytest.mark.parametrize("file", sorted(WHOLE))
def test_a_whole_file_is_shown_whole(file):
    assert (ROOT / file).read_text(encoding="utf-8") in [code for named, _, code in BLOCKS if named == file]


def test_examples_are_found_of_every_kind():
    assert len(WHOLE) >= 7
    assert {Path(file).name for file, _ in EXAMPLES} >= {"huber.py", "mlp.py", "dilated.py", "config.yaml"}


def test_every_kind_is_named_with_its_base_class_and_its_group():
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in TEXT.splitlines() if row.startswith("| ")]
    groups = {row[3]: row[2] for row in rows if len(row) == 4 and row[3].startswith("chrom2expr.")}
    assert set(groups) == {f"chrom2expr.{kind}" for kind in registry.OWN}
    for base in groups.values():
        module, _, name = base.rpartition(".")
        file = ROOT / "workflow/scripts/chrom2expr" / f"{module.replace('.', '/')}.py"
        assert f"\nclass {name}(" in file.read_text().replace(f"class {name}:", f"class {name}("), base


def test_every_file_and_rule_that_it_names_exists():
    for path in re.findall(r"`((?:tests|workflow|config|docs)/[\w/.]*)`", TEXT):
        assert (ROOT / path).exists(), path
    texts = "".join(file.read_text() for file in RULE_FILES)
    rules = set(re.findall(r"^ *(?:use )?rule (?:\w+ as )?(\w+)", texts, re.MULTILINE))
    [section] = re.findall(r"## When your code reruns jobs(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z]+_[a-z]+)`", section))
    assert named and named <= rules


def test_the_version_is_that_of_the_interface():
    assert f"`api: {registry.API}`" in TEXT
