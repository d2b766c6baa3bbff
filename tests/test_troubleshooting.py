"""docs/troubleshooting.md has every message that a user can be given, and no other."""

import ast
import re
from functools import cache
from pathlib import Path

from snakemake import exceptions

from chrom2expr import errors

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "workflow" / "scripts" / "chrom2expr"
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(LIBRARY.rglob("*.py"))}
KINDS = re.findall(r"^class (\w+)\((?:InputError|SystemTrouble)\)", "\n".join(SOURCES.values()), re.MULTILINE)
RAISED = {"InputError", "SystemTrouble", *KINDS}
OURS, OTHERS = TEXT.split("## What Snakemake and a cluster say")


def entries(text):
    """What stands in the first cells of rows: the fixed parts of messages, with … between them."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [entry for cell in cells for entry in re.findall("`([^`]+)`", cell)]


ENTRIES = entries(OURS)


def wordings(node):
    """The texts that an expression can be, … for what is not written out in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return wordings(node.body) + wordings(node.orelse)
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    parts = [node.left, node.right] if isinstance(node, ast.BinOp) else parts
    texts = [""] if parts else ["…"]
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        texts = [before + after for before in texts for after in wordings(inner)]
    return texts


def messages():
    """Where each message stands, and its wording: errors, and lines on what is wrong with a config."""
    for path, source in SOURCES.items():
        listed = path.parent.name == "config" and path.stem in ("contradictions", "places", "resources", "schema")
        for node in ast.walk(ast.parse(source)):
            said = None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED:
                said = node.args[0]
            elif listed and isinstance(node, ast.Yield):
                said = node.value
            for text in wordings(said) if said else ():
                yield f"{path.relative_to(LIBRARY)}:{node.lineno}", re.sub(r"\s+", " ", text)
    for what, _ in errors._TROUBLES.values():
        yield "errors.py", what


@cache
def pattern(entry):
    return re.compile(".*".join(re.escape(part) for part in entry.split("…")))


def says(text, entry):
    return pattern(entry).search(text)


def words(text):
    return len(re.findall("[a-z]{2,}", text, re.IGNORECASE))


# Where all but a file and a row is put together elsewhere, there is nothing to look for.
MESSAGES = [(place, text) for place, text in messages() if words(text.replace("row", "").replace("line", "")) > 1]


def test_every_message_is_explained():
    assert len(MESSAGES) > 450 and len(ENTRIES) > 300 and len(KINDS) > 2
    missing = [f"{place}: {text}" for place, text in MESSAGES if not any(says(text, entry) for entry in ENTRIES)]
    assert not missing, "\n".join(missing)


def test_every_entry_is_of_a_message():
    stale = [entry for entry in ENTRIES if not any(says(text, entry) for _, text in MESSAGES)]
    assert not stale, "\n".join(stale)


def test_an_entry_says_enough_to_be_found_by():
    assert not [entry for entry in ENTRIES if words(entry) < 2]
    assert max(sum(says(text, entry) is not None for _, text in MESSAGES) for entry in ENTRIES) < 12
    assert len(set(ENTRIES)) == len(ENTRIES)


def test_snakemake_says_what_it_is_said_to_say():
    text = re.sub(r'"\s+f?"', "", Path(exceptions.__file__).read_text(encoding="utf-8"))
    assert len(entries(OTHERS)) >= 3
    assert all(says(text, entry) for entry in entries(OTHERS))
