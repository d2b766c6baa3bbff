"""The targets of speed and memory: each has a script that measures it, and the page says what was measured."""

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def measured():
    return runpy.run_path(str(BENCHMARKS / "measured.py"))


def test_each_target_has_a_script_that_measures_it(measured):
    for name, row in measured["read"](measured["TARGETS"]).items():
        text = (BENCHMARKS / row["command"].split()[0]).read_text()
        assert f'"{name}"' in text and "result(" in text, name


def test_what_was_measured_is_a_target_and_says_where_and_when(measured):
    found = measured["read"](measured["MEASURED"])
    assert found and found.keys() <= measured["read"](measured["TARGETS"]).keys()
    for row in found.values():
        assert float(row["value"]) > 0 and row["machine"] and row["date"].startswith("20")


def test_the_page_has_the_table(measured):
    page = measured["PAGE"].read_text()
    table = measured["table"](*(measured["read"](measured[name]) for name in ("TARGETS", "MEASURED")))
    assert measured["with_table"](page, table) == page, "run benchmarks/measured.py"


def test_a_value_beside_its_target(measured):
    targets = {
        "fast": {"stage": "a", "against": "b", "target": ">= 2", "command": "a.py"},
        "short": {"stage": "c", "against": "-", "target": "<= 3", "command": "c.py"},
        "gpu": {"stage": "d", "against": "-", "target": ">= 3", "command": "d.py"},
    }
    found = {
        "fast": {"value": "1.9", "machine": "m", "date": "d"},
        "short": {"value": "3", "machine": "m", "date": "d"},
    }
    assert measured["table"](targets, found).splitlines()[2:] == [
        "| a | b | ≥ 2 | 1.9 (missed) | m, d | `a.py` |",
        "| c | - | ≤ 3 | 3 | m, d | `c.py` |",
        "| d | - | ≥ 3 | not measured |  | `d.py` |",
    ]
