"""The targets of speed and memory: each has a script that measures it, and the page says what was measured."""

import json
import math
import runpy
from pathlib import Path

import pytest
from PIL import Image

from chrom2expr.config import overlays, schema
from chrom2expr.planning import rates

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


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
    with Image.open(measured["DRAWING"]) as drawing:
        assert drawing.text["Description"] == table and f"({measured['DRAWING'].name})" in page


def test_the_drawing_shows_each_share_of_its_target(measured):
    targets = {
        name: {"stage": name, "against": "-", "target": target}
        for name, target in (("fast", ">= 2"), ("short", "<= 3"), ("gpu", ">= 8"))
    }
    [axes] = measured["draw"](targets, {"fast": {"value": "5"}, "short": {"value": "6"}}).axes
    shown = [[*line.get_xydata()[0]] for line in axes.lines if line.get_marker() == "o"]
    assert shown == [[2.5, 0], [0.5, 1]]
    assert [text.get_text() for text in axes.texts] == ["5 (≥ 2)", "6 (≤ 3)", "not measured"]


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


def test_the_demo_is_not_made_faster_by_training_less():
    config = overlays.read([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    assert sum(config["simulation"]["genome"]["genes"].values()) >= 920
    assert {name: backbone["epochs"] for name, backbone in config["simulation"]["backbones"].items()} == {
        "enformer": 2,
        "beluga": 3,
    }
    epochs = {
        name: head["max_epochs"] * math.prod(map(len, head["grid"].values()))
        for name, head in config["heads"].items()
        if "max_epochs" in head
    }
    wanted = {"single_cnn": 12, "multi_cnn": 24, "multi_cnn_by_cross_gene": 24, "multi_cnn_cage": 32}
    wanted |= {"finetuned": 3, "frozen": 30}
    assert all(epochs[name] >= count for name, count in wanted.items()), epochs


@pytest.fixture(scope="module")
def scaling():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return runpy.run_path(str(BENCHMARKS / "scaling.py"))


def test_growth_is_that_of_a_further_unit(scaling):
    def sizes(seconds):
        return [[scaling["Point"](units, seconds(units), 0)] * 2 for units in (100, 200, 400)]

    assert scaling["growth"](sizes(lambda units: 3 + units / 100)) == pytest.approx(1)
    assert scaling["growth"](sizes(lambda units: units**2)) == pytest.approx(2)
    assert math.isnan(scaling["growth"]([[scaling["Point"](100, seconds, 0)] for seconds in (3, 4, 5)]))
    assert math.isnan(scaling["growth"](sizes(lambda units: 3)))
    assert scaling["measurable"](sizes(lambda units: 3 + units / 100))
    assert not scaling["measurable"](sizes(lambda units: 3 + units / 1000))
    assert not scaling["measurable"](sizes(lambda units: 9 if units == 200 else 3 + units / 100))
    assert scaling["rate"](sizes(lambda units: 3 + units / 100)) == pytest.approx((0.01, 3))


@pytest.mark.parametrize("what", ["genes", "tracks", "tissues"])
def test_configs_of_every_size_are_valid(scaling, what, tmp_path):
    found = {}
    for factor in (1, 4):
        (tmp_path / "sized.yaml").write_text(json.dumps(scaling["sized"](what, factor)))
        files = [ROOT / "config/config.yaml", ROOT / "config/demo.yaml", tmp_path / "sized.yaml"]
        config = schema.checked(overlays.read(files))
        genome = config["simulation"]["genome"]
        found[factor] = {
            "genes": sum(genome["genes"].values()),
            "tracks": genome["lineages"],
            "tissues": genome["tissues"],
        }
    grown = {name: found[4][name] / found[1][name] for name in found[1]}
    assert grown == {"genes": 1, "tracks": 1, "tissues": 1} | {what: 4}


def test_rates_are_written_where_they_stand(scaling, tmp_path, monkeypatch):
    table = tmp_path / "rates.tsv"
    table.write_text((ROOT / "config/rates.tsv").read_text())
    monkeypatch.setitem(scaling["write_rates"].__globals__, "TABLE", table)
    before = rates.read_rates(table)
    scaling["write_rates"]({("lift_genes", ""): (0.25, 1.5)})
    after = rates.read_rates(table)
    assert (after["lift_genes", ""].seconds, after["lift_genes", ""].start_seconds) == (0.25, 1.5)
    assert {key for key in before if before[key] != after[key]} == {("lift_genes", "")}
