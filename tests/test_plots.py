"""Figures against the tables they are drawn from."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import jinja2
import matplotlib
import numpy as np
import pytest
import torch
import yaml
from jsonschema import Draft202012Validator
from matplotlib.colors import to_hex
from matplotlib.text import Text

from chrom2expr import registry
from chrom2expr.config import runs, schema
from chrom2expr.errors import InputError
from chrom2expr.figures import architecture, figure, plots
from chrom2expr.figures.rows import BASELINE, Bar, Point
from chrom2expr.heads import cnn

SOURCES = ["Enformer predictions", "Enformer experimental", "Beluga predictions", "Beluga experimental"]
LOSSES = ["MSE", "α = 0.1", "α = 1", "α = 10", "α = 100", "Pearson only"]
TAB10 = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"]
NAN = float("nan")
ROOT = Path(__file__).resolve().parents[1]
CAPTION = ROOT / "workflow/report/figure.rst"
CONFIG = schema.checked(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
FIGURES = {
    name: figure.build(section["kind"], name, runs.settings(CONFIG, name))
    for name, section in CONFIG["figures"].items()
}
# The columns of a metric in a figure's table.
PANELS = {
    "cross-gene": ("cross_gene", "Spearman correlation", "cell types"),
    "cross-celltype": ("cross_celltype", "Spearman correlation", "test genes"),
}
# What the config says of some groups and series.
COLOURS = {
    "Linear probes": "tab:red",
    "Fine-tuned": "tab:green",
    "Hierarchical": "tab:blue",
    "Linear probe": "tab:pink",
}
# The groups of fig2_5 and the places of fig3_4, each with its series, as the thesis arranges them.
MODELS = {
    "Linear probes": ["CAGE tracks", "All tracks", "Embedding"],
    "Fine-tuned": ["Fine-tuned Enformer"],
    "Hierarchical": ["Ridge", "Single-tissue CNN", "Multi-tissue CNN", "Ridge with CAGE", "Multi-tissue CNN with CAGE"],
}
FOUR = ["MSE", "α = 1", "α = 10", "α = 100"]
PLACES = {"Multi-tissue CNN": FOUR, "Fine-tuned Enformer": FOUR} | {
    f"Probe of {name}": ["Linear probe"] for name in ("CAGE tracks", "all tracks", "the embedding")
}


def table(name, sources=SOURCES, losses=LOSSES, lowest=0.1):
    """Made-up bars, a different height each; the thesis states a value for the first loss of the first source."""
    random = np.random.default_rng(3)
    return [
        Bar(
            name, panel, loss, source, random.uniform(lowest, 0.9), random.uniform(0.005, 0.02),
            n + 75 * ("Beluga" in source) * (panel == "cross-celltype"), 0,
            0.427 if loss == losses[0] and source == sources[0] else NAN, NAN, NAN, "a/b/c/d",
            *PANELS[panel], COLOURS.get(source, COLOURS.get(loss, "")),
        )
        for panel, n in (("cross-gene", 218), ("cross-celltype", 420))
        for source in sources
        for loss in losses
    ]  # fmt: skip


def baseline(bars, mean=0.3):
    """The baseline's rows beside those of some runs: undefined across genes."""
    name, sources = bars[0].figure, list(dict.fromkeys(bar.x for bar in bars))
    return [
        Bar(
            name, "cross-gene", BASELINE, source, NAN, NAN, 0, 218, NAN, NAN, NAN, "baseline/chr14",
            *PANELS["cross-gene"], "",
        )
        for source in sources
    ] + [
        Bar(
            name, "cross-celltype", BASELINE, source, mean, 0.01, 420, 0, NAN, 0.2, 0.4, "baseline/chr14",
            *PANELS["cross-celltype"], "",
        )
        for source in sources
    ]  # fmt: skip


def uneven(figure_name, groups, lowest=0.1):
    """Made-up bars of groups that have series of their own, with the baseline's rows."""
    names = list(dict.fromkeys(name for own in groups.values() for name in own))
    rows = table(figure_name, [*groups], names, lowest)
    bars = [bar._replace(thesis=NAN) for bar in rows if bar.series in groups[bar.x]]
    return bars + baseline(bars)


def points(name, places, models=("Base Enformer", "MSE", "α = 10")):
    """Made-up points, a different height each."""
    random = np.random.default_rng(4)
    return [
        Point(
            name, "panel", model, float(x), random.uniform(1, 2), random.uniform(0.1, 0.2), 420, 0, NAN, "a/b/c/d", ""
        )
        for model in models
        for x in places
    ]


def drawn(bars):
    """The Figure of some bars, laid out as it is saved."""
    with matplotlib.rc_context(plots.STYLE):
        made = FIGURES[bars[0].figure].draw(bars)
        made.draw_without_rendering()
    return made


def bars_of(axes):
    """Of every series of the axes: its rectangles, and the lower and upper ends of their error bars."""
    for container in axes.containers:
        if hasattr(container, "errorbar"):
            segments = container.errorbar.lines[2][0].get_segments()
            yield container.patches, [segment[:, 1] for segment in segments]


@pytest.mark.parametrize("lowest", [0.1, -0.5])
def test_fig3_2_shows_every_number_in_the_colour_of_its_loss(lowest):
    bars = table("fig3_2", lowest=lowest)
    made = drawn(bars)
    assert [axes.get_title(loc="left") for axes in made.axes] == [
        "Cross-gene (mean over 218 cell types)",
        "Cross-celltype (mean over 420 to 495 test genes)",
    ]
    for axes, panel in zip(made.axes, ("cross-gene", "cross-celltype"), strict=True):
        for (patches, errors), loss, colour in zip(bars_of(axes), LOSSES, TAB10, strict=False):
            for place, (patch, error, source) in enumerate(zip(patches, errors, SOURCES, strict=True)):
                (bar,) = [b for b in bars if (b.panel, b.series, b.x) == (panel, loss, source)]
                assert patch.get_y() + patch.get_height() == pytest.approx(bar.mean)
                assert error == pytest.approx([bar.mean - bar.sem, bar.mean + bar.sem])
                assert to_hex(patch.get_facecolor()) == colour
                assert abs(patch.get_x() + patch.get_width() / 2 - place) < 0.4
        assert len(list(bars_of(axes))) == 6
        assert axes.get_ylabel() == "Spearman correlation"
        assert len(axes.lines) - 2 * 6 == (lowest < 0)  # the zero line, beside two caps a series
    assert [label.get_text() for label in made.axes[-1].get_xticklabels()] == SOURCES
    assert [text.get_text() for text in made.legends[0].get_texts()] == [*LOSSES, "thesis"]


def test_fig3_1_is_blue_for_cross_gene_and_orange_for_cross_celltype():
    bars = table("fig3_1", losses=["MSE"])
    made = drawn(bars)
    (axes,) = made.axes
    for (patches, _), panel, colour in zip(bars_of(axes), ("cross-gene", "cross-celltype"), TAB10, strict=False):
        assert [patch.get_height() for patch in patches] == pytest.approx([b.mean for b in bars if b.panel == panel])
        assert {to_hex(patch.get_facecolor()) for patch in patches} == {colour}
    assert len(list(bars_of(axes))) == 2
    assert "loss: MSE" in axes.get_xlabel()


@pytest.mark.parametrize(("name", "losses"), [("fig3_1", LOSSES[:1]), ("fig3_2", LOSSES)])
def test_the_thesis_value_is_on_its_bar(name, losses):
    bars = table(name, losses=losses)
    for axes in drawn(bars).axes:
        (points,) = [c for c in axes.collections if type(c).__name__ == "PathCollection"]
        first = [patches[0] for patches, _ in bars_of(axes)][: 2 if name == "fig3_1" else 1]
        centres = [patch.get_x() + patch.get_width() / 2 for patch in first]
        np.testing.assert_allclose(points.get_offsets(), [(centre, 0.427) for centre in centres])
    without = [bar._replace(thesis=NAN) for bar in bars]
    assert "thesis" not in [text.get_text() for text in drawn(without).legends[0].get_texts()]


def test_undefined_bars_are_named_and_undefined_correlations_counted():
    bars = table("fig3_2")
    bars[2] = bars[2]._replace(mean=NAN, sem=NAN, n=0, undefined=218)
    bars[30] = bars[30]._replace(undefined=3)
    made = drawn(bars)
    assert [text.get_text().strip() for text in made.axes[0].texts] == ["undefined"]
    assert not made.axes[1].texts
    assert "221 undefined correlations left out" in made.get_supxlabel()
    assert made.axes[0].get_title(loc="left") == "Cross-gene (mean over 218 cell types)"
    throughout = [bar._replace(mean=NAN, sem=NAN, n=0, undefined=218) for bar in bars]
    made = drawn(throughout)
    for axes in made.axes:
        assert len(axes.texts) == 24
        assert all(axes.bbox.padded(1).containsy(text.get_window_extent().y1) for text in axes.texts)


LONG = ["a_name_of_one_long_word_only_" * 2, "many short words in one name " * 3, *SOURCES]
CASES = {
    "fig3_1": table("fig3_1", losses=["MSE"]),
    "fig3_2": table("fig3_2"),
    "negative": table("fig3_2", lowest=-0.9),
    "one source": table("fig3_2", sources=["one"], losses=LOSSES[:1]),
    "ten losses": table("fig3_2", losses=[f"α = {10.0**i:g}, β = {i + 2}" for i in range(10)]),
    "long names": table("fig3_2", sources=LONG, losses=["x" * 70, "y " * 60]),
    "fig2_5": uneven("fig2_5", MODELS),
    "twelve models": uneven(
        "fig2_5", MODELS | {"Measured": ["Ridge, measured", "Multi-tissue CNN, experimental", "x"]}
    ),
    "fig3_3": table("fig3_3", sources=FOUR, losses=["Multi-tissue CNN", "Fine-tuned Enformer"]),
    "six losses": table("fig3_3", sources=LOSSES, losses=["Multi-tissue CNN", "Fine-tuned Enformer", "Frozen " * 5]),
    "fig3_4": uneven("fig3_4", PLACES),
    "fig3_5": table("fig3_5", sources=FOUR, losses=["Unfrozen", "Frozen"], lowest=-0.5),
    "fig3_6": points("fig3_6", range(-195, 196)),
    "fig3_7": points("fig3_7", [0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]),
    "many models": points("fig3_7", [0.002, 0.03], [f"Fine-tuned Enformer, α = {i}" for i in range(12)]),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_overlaps_and_nothing_is_cut_off(name):
    check_overlaps(drawn(CASES[name]))


@pytest.mark.parametrize("layout", ["above", "beside", "joined"])
def test_three_metrics_are_legible(layout):
    third = {"metric": "pearson", "panel": "Pearson across genes", "quantity": "Pearson correlation"}
    bars = table("mine", losses=LOSSES[:1] if layout == "joined" else LOSSES)
    bars += [bar._replace(**third) for bar in bars if bar.metric == "cross_gene"] + baseline(bars)
    settings = {"metrics": ["cross_gene", "cross_celltype", "pearson"], "layout": layout, "legend": "series"}
    with matplotlib.rc_context(plots.STYLE):
        made = figure.build("scores", "mine", settings).draw(bars)
        made.draw_without_rendering()
    assert len(made.axes) == (1 if layout == "joined" else 3)
    check_overlaps(made)


def check_overlaps(made):
    page = made.bbox
    boxes = {"legend": made.legends[0].get_window_extent()}
    for number, axes in enumerate(made.axes):
        boxes[f"panel {number}"] = axes.get_window_extent().padded(-1)
        texts = [axes.xaxis.label, axes.yaxis.label, axes._left_title]
        if axes.get_subplotspec().is_last_row():  # the panels above share its tick labels
            low, high = axes.get_xlim()
            texts += [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
        boxes |= {f"{number}: {text.get_text()}": text.get_window_extent() for text in texts if text.get_text()}
    boxes |= {text.get_text(): text.get_window_extent() for text in made.texts}
    for label, box in boxes.items():
        inside = box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1 and box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1
        assert inside, f"{label} leaves the page"
    for (one, first), (two, second) in combinations(boxes.items(), 2):
        assert not first.overlaps(second), f"{one} overlaps {two}"
    assert min(text.get_fontsize() for text in made.findobj(Text) if text.get_text()) >= 8


def test_the_same_table_gives_the_same_bytes_in_another_process(tmp_path):
    FIGURES["fig3_2"].write(tmp_path / "t.tsv", table("fig3_2"))
    plots.draw(FIGURES["fig3_2"], tmp_path / "t.tsv", tmp_path / "a.pdf", tmp_path / "a.png")
    library = Path(plots.__file__).parents[2]
    code = "from chrom2expr.figures import figure, plots; plots.draw(figure.build('scores', 'fig3_2', {}), 't.tsv', 'b.pdf', 'b.png')"
    environment = os.environ | {"PYTHONPATH": str(library), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf  # embedded TrueType
    assert b"CreationDate" not in pdf


def test_a_table_that_does_not_fit_the_figure_is_refused(tmp_path):
    path, made = tmp_path / "t.tsv", (tmp_path / "a.pdf", tmp_path / "a.png")
    FIGURES["fig3_2"].write(path, table("fig3_2"))
    with pytest.raises(InputError, match="table of fig3_2, not of fig3_1"):
        plots.draw(FIGURES["fig3_1"], path, *made)
    with pytest.raises(InputError, match="there is no pies among figures; there are attention_map, distal_attention,"):
        figure.build("pies", "fig3_2", {})
    with pytest.raises(InputError, match="the table of fig3_2 has no kendall; tabulate the figure again"):
        plots.draw(figure.build("scores", "fig3_2", {"metrics": ["kendall"]}), path, *made)
    FIGURES["fig3_1"].write(path, table("fig3_1"))
    with pytest.raises(InputError, match="fig3_1 joins its metrics in one panel, .* list one in figures.fig3_1.runs"):
        plots.draw(FIGURES["fig3_1"], path, *made)
    FIGURES["fig3_2"].write(path, [table("fig3_2")[0]._replace(colour="mauvish")])
    with pytest.raises(InputError, match="figures.fig3_2.runs: 'mauvish', the colour of a/b/c/d, is unknown"):
        plots.draw(figure.build("scores", "fig3_2", {"metrics": ["cross_gene"]}), path, *made)
    assert [file.name for file in tmp_path.iterdir()] == ["t.tsv"]


@pytest.mark.parametrize("kind", registry.names("figures"))
def test_every_kind_keeps_its_contract(kind, tmp_path):
    """Declared in full, and a table of its rows is read as it was written."""
    declares = registry.find("figures", kind).declares
    assert declares["takes"] in runs.TAKEN
    Draft202012Validator.check_schema(declares["schema"])
    Draft202012Validator.check_schema(declares.get("run", {}))
    made = figure.build(kind, "mine", {})
    first, *_ = made.row._fields
    values = [{str: "mine", int: 3, float: 0.25}[hint] for hint in get_type_hints(made.row).values()]
    row = made.row(*values)
    if "stage" in made.row._fields:
        row = row._replace(stage="head")
    if "variant_id" in made.row._fields:
        row = row._replace(panel="distance")
    made.write(tmp_path / "t.tsv", [row, row])
    assert first == "figure" and made.read(tmp_path / "t.tsv") == [row, row]
    with pytest.raises(InputError, match="t.tsv is the table of mine, not of other"):
        figure.build(kind, "other", {}).read(tmp_path / "t.tsv")


def test_a_run_has_its_own_colour_and_the_others_the_next_that_are_free():
    bars = table("fig3_2", losses=["MSE", "mine", "α = 10"])
    bars = [
        bar._replace(colour="tab:blue" if bar.x == SOURCES[0] else "#101010") if bar.series == "mine" else bar
        for bar in bars
    ]
    axes, _ = drawn(bars).axes
    colours = [[to_hex(patch.get_facecolor()) for patch in patches] for patches, _ in bars_of(axes)]
    assert colours == [[TAB10[1]] * 4, [TAB10[0], *["#101010"] * 3], [TAB10[2]] * 4]
    rows = [
        point._replace(colour="tab:orange" if point.series == "MSE" else "") for point in points("fig3_7", [0.1, 0.2])
    ]
    (axes,) = drawn(rows).axes
    assert [to_hex(container.lines[0].get_color()) for container in axes.containers] == [TAB10[0], TAB10[1], TAB10[2]]


OWN_KIND = """
from chrom2expr.figures.figure import ScoreFigure


class Dots(ScoreFigure):
    declares = {
        "api": 1,
        "takes": "scores",
        "schema": {"properties": {"marker": {"type": "string", "default": "o", "description": "Of the dots."}}},
    }

    def draw(self, rows):
        from matplotlib.figure import Figure

        drawn = Figure()
        axes = drawn.subplots()
        axes.plot([row.mean for row in rows], self.settings["marker"])
        return drawn
"""


def test_a_kind_of_ones_own_is_one_class(tmp_path):
    (tmp_path / "dots.py").write_text(OWN_KIND)
    kind = f"{tmp_path}/dots.py:Dots"
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["figures"]["mine"] = config["figures"]["fig3_2"] = {
        "kind": kind,
        "runs": config["figures"]["fig3_1"]["runs"],
    }
    full = schema.checked(config)
    assert runs.settings(full, "mine") == {"marker": "o"} and runs.takes(full, "mine") == "scores"
    config["figures"]["mine"] = {**config["figures"]["mine"], "marker": 3, "size": 4}
    with pytest.raises(InputError, match="(?s)figures.mine.marker: 3 is not of type .*figures.mine.size: is unknown"):
        schema.checked(config)
    made = figure.build(kind, "mine", {"marker": "s"})
    made.write(tmp_path / "t.tsv", table("mine"))
    plots.draw(made, tmp_path / "t.tsv", tmp_path / "a.pdf", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert made.draw(made.read(tmp_path / "t.tsv")).axes[0].lines[0].get_marker() == "s"


def dashed(axes):
    """The dashed lines of the axes, (end, xy) each; error bars are solid."""
    lines = [lines for lines in axes.collections if hasattr(lines, "get_segments") and lines.get_linestyle()[0][1]]
    return [segment for own in lines for segment in own.get_segments()]


def test_the_baseline_is_a_line_across_every_group_of_the_cross_celltype_panel_only():
    bars = table("fig3_2")
    made = drawn(bars + baseline(bars))
    above, below = made.axes
    assert not dashed(above)
    for place, segment in enumerate(dashed(below)):
        np.testing.assert_allclose(segment, [(place - 0.45, 0.3), (place + 0.45, 0.3)])
    assert len(dashed(below)) == 4
    assert len(list(bars_of(below))) == 6, "the baseline is no bar"
    assert "undefined" not in made.get_supxlabel(), "what the baseline leaves undefined is in the table"
    assert BASELINE in [text.get_text() for text in made.legends[0].get_texts()]


def test_the_baseline_of_fig3_1_crosses_the_cross_celltype_bars():
    bars = table("fig3_1", losses=["MSE"])
    (axes,) = drawn(bars + baseline(bars)).axes
    _, (patches, _) = bars_of(axes)
    for patch, segment in zip(patches, dashed(axes), strict=True):
        np.testing.assert_allclose(segment[:, 0], [patch.get_x(), patch.get_x() + patch.get_width()], atol=1e-9)


@pytest.mark.parametrize(("name", "kind"), [("fig2_3", "experimental"), ("fig2_4", "predicted")])
def test_fig2_3_and_fig2_4_show_the_cross_gene_task_alone(name, kind):
    places = ["Beluga", "Enformer 114.7 kb", "Enformer 40.2 kb"]
    bars = table(name, sources=places, losses=["Ridge", "Single-tissue CNN", "Multi-tissue CNN"])
    made = drawn(bars + baseline(bars))
    (axes,) = made.axes
    heights = [patch.get_height() for patches, _ in bars_of(axes) for patch in patches]
    expected = [bar.mean for series in dict.fromkeys(b.series for b in bars) for bar in bars
                if (bar.panel, bar.series) == ("cross-gene", series)]  # fmt: skip
    assert heights == pytest.approx(expected)
    assert kind in axes.get_xlabel()
    assert [label.get_text() for label in axes.get_xticklabels()] == places
    assert not dashed(axes)


def centre(patch):
    return patch.get_x() + patch.get_width() / 2


def test_fig2_5_names_every_model_below_its_bar_in_the_colour_of_its_group():
    bars = uneven("fig2_5", MODELS)
    (axes,) = drawn(bars).axes
    names = [label.get_text().replace("\n", " ").replace("- ", "-") for label in axes.get_xticklabels()]
    assert names == [name for own in MODELS.values() for name in own]
    found = {centre(patch): patch for patches, _ in bars_of(axes) for patch in patches}
    shown = [bar for bar in bars if bar.panel == "cross-gene" and bar.series != BASELINE]
    assert len(found) == len(shown) == 9
    colours = {"Linear probes": TAB10[3], "Fine-tuned": TAB10[2], "Hierarchical": TAB10[0]}
    for place, bar in enumerate(shown):
        assert found[place].get_height() == pytest.approx(bar.mean)
        assert to_hex(found[place].get_facecolor()) == colours[bar.x]
    legend = axes.figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [*MODELS]
    assert not dashed(axes)


def test_fig3_4_shows_the_probes_in_pink_beside_models_by_loss_and_the_cross_celltype_task_alone():
    bars = uneven("fig3_4", PLACES)
    made = drawn(bars)
    (axes,) = made.axes
    assert axes.get_title(loc="left") == "Cross-celltype (mean over 420 test genes)"
    colours = dict(zip([*FOUR, "Linear probe"], [*TAB10[:4], TAB10[6]], strict=True))
    patches = sorted((patch for own, _ in bars_of(axes) for patch in own), key=centre)
    shown = [bar for bar in bars if bar.panel == "cross-celltype" and bar.series != BASELINE]
    for patch, bar in zip(patches, shown, strict=True):
        assert patch.get_height() == pytest.approx(bar.mean)
        assert to_hex(patch.get_facecolor()) == colours[bar.series]
    np.testing.assert_allclose([centre(patch) for patch in patches[8:]], [2, 3, 4], err_msg="a probe stands alone")
    for place in (0, 1):  # the others stand side by side about their name
        own = patches[4 * place : 4 * place + 4]
        np.testing.assert_allclose([patch.get_x() for patch in own], place + np.array([-0.4, -0.2, 0, 0.2]), atol=1e-9)
    np.testing.assert_allclose([segment[:, 1] for segment in dashed(axes)], np.full((5, 2), 0.3))
    assert [text.get_text() for text in made.legends[0].get_texts()] == [*FOUR, "Linear probe", BASELINE]


def test_probes_are_pink_and_no_loss_is_however_many_losses_there_are():
    many = [f"α = {i}" for i in range(9)]
    for losses in (["MSE"], many):
        (axes,) = drawn(uneven("fig3_4", {"CNN": losses, "Probe": ["Linear probe"]})).axes
        colours = [to_hex(patches[0].get_facecolor()) for patches, _ in bars_of(axes)]
        assert colours == [*(TAB10[:6] + TAB10[7:])[: len(losses)], TAB10[6]]


@pytest.mark.parametrize(
    ("name", "models"),
    [("fig3_3", ["Multi-tissue CNN", "Fine-tuned Enformer"]), ("fig3_5", ["Unfrozen", "Frozen"])],
)
def test_fig3_3_and_fig3_5_show_the_tasks_side_by_side_for_every_loss(name, models):
    bars = table(name, sources=FOUR, losses=models)
    bars[0] = bars[0]._replace(undefined=3)
    made = drawn(bars + baseline(bars))
    left, right = made.axes
    assert left.get_position().x1 < right.get_position().x0 and left.get_position().y0 == right.get_position().y0
    for axes, panel in ((left, "cross-gene"), (right, "cross-celltype")):
        assert axes.get_title(loc="left").startswith(panel.capitalize())
        assert [label.get_text() for label in axes.get_xticklabels()] == FOUR
        for (patches, _), model, colour in zip(bars_of(axes), models, TAB10[:2], strict=True):
            means = [bar.mean for bar in bars if (bar.panel, bar.series) == (panel, model)]
            assert [patch.get_height() for patch in patches] == pytest.approx(means)
            assert {to_hex(patch.get_facecolor()) for patch in patches} == {colour}
    assert not dashed(left) and len(dashed(right)) == 4
    assert made.get_supxlabel() == "Loss\n(3 undefined correlations left out)"


def test_fig3_6_shows_a_band_about_every_mean_and_the_tss():
    rows = points("fig3_6", range(-3, 4))
    made = drawn(rows)
    (axes,) = made.axes
    *models, tss = axes.lines
    assert [line.get_color() for line in models] == [plots.TAB10[i] for i in range(3)]
    assert (to_hex(tss.get_color()), tss.get_linestyle(), list(tss.get_xdata())) == ("#ff0000", "--", [0, 0])
    for line, band, model in zip(models, axes.collections, ("Base Enformer", "MSE", "α = 10"), strict=True):
        own = [point for point in rows if point.series == model]
        np.testing.assert_allclose(line.get_xydata(), [(point.x, point.mean) for point in own])
        edge = {tuple(vertex) for vertex in band.get_paths()[0].vertices.round(9)}
        assert {(p.x, round(p.mean + side * p.sem, 9)) for p in own for side in (-1, 1)} <= edge
        assert to_hex(band.get_facecolor()) == to_hex(line.get_color()) and band.get_alpha() < 0.5
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["Base Enformer", "MSE", "α = 10", "TSS"]
    assert axes.get_title(loc="left") == "Mean over 420 test genes"
    assert axes.get_ylim()[0] == 0


def test_fig3_7_shows_error_bars_about_every_mean():
    rows = points("fig3_7", [0.002, 0.01, 0.03])
    rows[0] = rows[0]._replace(n=1, sem=NAN)
    made = drawn(rows)
    (axes,) = made.axes
    for container, model, colour in zip(axes.containers, ("Base Enformer", "MSE", "α = 10"), TAB10, strict=False):
        own = [point for point in rows if point.series == model]
        line, _, (errors,) = container.lines
        np.testing.assert_allclose(line.get_xydata(), [(point.x, point.mean) for point in own])
        expected = [[(p.x, p.mean - p.sem), (p.x, p.mean + p.sem)] for p in own if not np.isnan(p.sem)]
        np.testing.assert_allclose([segment for segment in errors.get_segments() if len(segment)], expected)
        assert to_hex(line.get_color()) == colour
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["Base Enformer", "MSE", "α = 10"]
    assert axes.get_title(loc="left") == "Mean over 1 to 420 test genes"


def test_a_figure_of_attention_is_drawn_from_its_table(tmp_path):
    FIGURES["fig3_6"].write(tmp_path / "t.tsv", points("fig3_6", range(-3, 4)))
    for name in "ab":
        plots.draw(FIGURES["fig3_6"], tmp_path / "t.tsv", tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    with pytest.raises(InputError, match="table of fig3_6, not of fig3_7"):
        plots.draw(FIGURES["fig3_7"], tmp_path / "t.tsv", tmp_path / "c.pdf", tmp_path / "c.png")
    assert not [*tmp_path.glob("c.*")]


@pytest.mark.parametrize("compared", [True, False])
def test_every_figure_has_a_caption_of_its_own(compared):
    template = jinja2.Template(CAPTION.read_text(), undefined=jinja2.StrictUndefined)
    config = {**CONFIG, "compare_with_thesis": compared}
    given = [SimpleNamespace(wildcards=SimpleNamespace(figure=name), config=config) for name in FIGURES]
    captions = [template.render(snakemake=snakemake).split() for snakemake in given]
    assert len({" ".join(caption[:20]) for caption in captions}) == len(FIGURES)
    assert not [caption for caption in captions if caption[:2] == ["Error", "bars"]]
    assert sum("diamonds," in caption for caption in captions) == 8 * compared
    assert sum("dashed" in caption for caption in captions) == 5


def inside(made):
    """Every text of a diagram, checked to lie within the page."""
    texts = [text for text in made.findobj(Text) if text.get_text()]
    for text in texts:
        box = text.get_window_extent()
        assert made.bbox.padded(1).containsx(box.x0) and made.bbox.padded(1).containsx(box.x1), text
        assert made.bbox.padded(1).containsy(box.y0) and made.bbox.padded(1).containsy(box.y1), text
    for one, other in combinations(texts, 2):
        assert not one.get_window_extent().overlaps(other.get_window_extent()), (one, other)
    return [text.get_text() for text in texts]


@pytest.mark.parametrize("measured", [True, False])
def test_fig2_1_shows_every_box_of_its_table(tmp_path, measured):
    backbones = [
        {"label": name, "sequence_length": length, "bins": bins, "bin_size": size, "tracks": ["chromatin"]}
        | {"predicted": count, "measured": [1158] if measured else []}
        for name, length, bins, size, count in (
            ("Enformer", 196608, [896, 314], 128, 4675),
            ("Beluga", 41800, [200], 200, 2002),
        )
    ]
    heads = ["Ridge", "Single-tissue CNN", "Multi-tissue CNN"]
    kind = FIGURES["fig2_1"]
    kind.write(tmp_path / "t.tsv", kind.tabulate(figure.Sources(backbones, heads, 218)))
    shown = inside(drawn(kind.read(tmp_path / "t.tsv")))
    assert {
        *heads,
        "Enformer\n4,675 tracks",
        "Beluga\n2,002 tracks",
        "DNA\n196,608 bp",
        "DNA\n41,800 bp",
        "Gene expression\n218 cell types",
    } <= {*shown}
    assert {"Chromatin features\n896 or 314 bins of 128\nbp", "Chromatin features\n200 bins of 200 bp"} <= {*shown}
    assert ("Experiments\n1,158 tracks" in shown) == measured


def test_fig2_2_shows_the_layers_that_the_network_has(tmp_path):
    network = cnn.ExpressionCNN(4675, 896, 218, width=8, kernel_size=5, blocks=7, dropout=0.1)
    layers = architecture.layers("fig2_2", network, 4675, 896)
    assert network.output.weight.device.type == "cpu", "the network stays as it was"
    sizes = {}
    for module in network.modules():
        module.register_forward_hook(
            lambda module, _, out: sizes.setdefault(type(module).__name__, []).append(out.shape)
        )
    with torch.no_grad():
        network.eval()(network.prepare(torch.zeros(1, 896, 4675)))
    for name, shapes in (("Conv", sizes["Conv2d"][:1]), ("ResidualConvBlock", sizes["ResidualConvBlock"])):
        expected = [(shape[1], shape[-1]) for shape in shapes]
        assert [(layer.channels, layer.bins) for layer in layers if layer.layer == name] == expected
    assert [layer.layer for layer in layers if layer.bins == 1] == ["Flatten", "Dropout", "Linear"]
    assert (layers[0].channels, layers[0].bins, layers[-1].channels) == (4675, 896, 218)
    FIGURES["fig2_2"].write(tmp_path / "t.tsv", layers)
    assert FIGURES["fig2_2"].read(tmp_path / "t.tsv") == layers
    shown = inside(drawn(layers))
    assert [name for name in shown if name == "ResidualConvBlock"] == ["ResidualConvBlock"] * 7
    assert {"4675", "218", "896", "7"} <= {*shown}


def test_a_network_with_another_step_shows_it():
    class Other(cnn.ExpressionCNN):
        def forward(self, prepared):
            return torch.relu(super().forward(prepared))

    network = Other(3, 16, 5, width=4, kernel_size=3, blocks=2, dropout=0.0)
    assert architecture.layers("fig2_2", network, 3, 16)[-1] == ("fig2_2", "relu", 5, 1, "")


def test_what_a_block_does_is_its_formula(tmp_path):
    network = cnn.ExpressionCNN(3, 16, 5, width=4, kernel_size=3, blocks=2, dropout=0.0)
    blocks = [layer.formula for layer in architecture.layers("fig2_2", network, 3, 16) if layer.formula]
    assert blocks == ["x + Conv(GELU(BatchNorm(x)))"] * 2
    assert "ResidualConvBlock: x + Conv(GELU(BatchNorm(x)))" in inside(
        drawn(architecture.layers("fig2_2", network, 3, 16))
    )

    class Block(cnn.ResidualConvBlock):
        def forward(self, x):
            return self.convolution(torch.relu(x))

    assert architecture.formula(Block(4, 3)) == "Conv(relu(x))"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("fig2_2", "figure\tlayer\tchannels\tbins\tformula\nf\tConv\tmany\t3\t\n", "row 2: 'many' is not a number"),
        ("fig2_2", "figure\tlayer\tchannels\tbins\tformula\n", "holds no rows"),
        ("fig2_1", "figure\tstage\trow\tlabel\tdetail\nf\tmagic\t\ta\tb\n", "row 2: 'magic' is not a stage"),
        ("fig2_1", "figure\tstage\n", "no column row"),
    ],
)
def test_a_damaged_table_of_a_diagram_is_refused(tmp_path, name, text, message):
    (tmp_path / "t.tsv").write_text(text + "\n")
    with pytest.raises(InputError, match=message):
        FIGURES[name].read(tmp_path / "t.tsv")
