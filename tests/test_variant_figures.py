"""The figure of effects of variants against the files that it is made of."""

from itertools import combinations

import matplotlib
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import PathCollection

from chrom2expr.errors import InputError
from chrom2expr.evaluation import effect_truth
from chrom2expr.figures import figure, plots, variant_tables
from chrom2expr.files.tables import write_table

TISSUES = [f"lineage{number % 3}_tissue{number}" for number in range(12)]
KIND = figure.build("variant_effects", "variants", {"variants": "planted", "top": 7})
RUNS = [{"series": "Multi-tissue CNN", "run": "a/b/c/d"}, {"series": "Ridge", "run": "e/f/g/h"}]


def write_effects(path, seed, variants=30):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(variants):
        effects = rng.normal(0, 1 + number % 4, len(TISSUES))
        place = ("chr1", 1000 + 37 * number, "A", "G", f"g{number % 5}", 50 * number - 700)
        rows += [(f"v{number}", *place, tissue, 0.0, e, e, "") for tissue, e in zip(TISSUES, effects)]
    columns = "variant_id chrom pos ref alt gene_id distance tissue reference alternative log_fold_change flags"
    frame = pl.DataFrame(rows, schema=columns.split(), orient="row")
    frame.with_columns(pl.col("log_fold_change").cast(pl.Float32)).write_parquet(path)
    return frame


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs' effects of variants; true ones, which the first run's resemble, of all but three."""
    folder = tmp_path_factory.mktemp("effects")
    frames = [write_effects(folder / f"{number}.parquet", number) for number in (1, 2)]
    first = frames[0].filter(~pl.col("variant_id").is_in(["v0", "v1", "v2"]))
    kinds = ["weakened", "deleted", "created"]
    truth = [
        (
            row["variant_id"],
            row["gene_id"],
            kinds[int(row["variant_id"][1:]) % 3],
            row["tissue"],
            0.5 * row["alternative"],
        )
        for row in first.to_dicts()
    ]
    write_table(folder / "truth.tsv", ("variant_id", "gene_id", "kind", "tissue", "effect"), truth)
    for number in (1, 2):
        compared = effect_truth.beside_truth(
            effect_truth.read_truth(folder / "truth.tsv"), folder / f"{number}.parquet"
        )
        effect_truth.write(folder / f"{number}.tsv", effect_truth.agreements(compared, 50, 1))
    return folder, frames


def read(folder, truth=True, runs=RUNS):
    effects = [folder / f"{number}.parquet" for number in (1, 2)]
    agreements = [folder / f"{number}.tsv" for number in (1, 2)]
    return variant_tables.read_runs("variants", runs, effects, *((folder / "truth.tsv", agreements) if truth else ()))


def of_panel(rows, panel, series="Multi-tissue CNN"):
    return [row for row in rows if (row.panel, row.series) == (panel, series)]


def test_the_table_holds_the_numbers_of_the_files(made):
    folder, frames = made
    rows = KIND.tabulate(read(folder))
    for frame, run in zip(frames, RUNS):
        values = {(row["variant_id"], row["tissue"]): row["alternative"] for row in frame.to_dicts()}
        strongest = {
            name: max((values[name, tissue] for tissue in TISSUES), key=abs) for name in frame["variant_id"].unique()
        }
        distance = dict(zip(frame["variant_id"], frame["distance"]))
        found = of_panel(rows, "distance", run["series"])
        assert len(found) == 30
        for row in found:
            assert row.y == pytest.approx(strongest[row.variant_id]) and row.x == distance[row.variant_id]
            assert values[row.variant_id, row.tissue] == pytest.approx(row.y)
        shown = of_panel(rows, "tissues", run["series"])
        names = list(dict.fromkeys(row.variant_id for row in shown))
        assert set(names) == set(sorted(strongest, key=lambda name: -abs(strongest[name]))[:7])
        assert names == sorted(names, key=lambda name: int(name[1:]))  # along the chromosome
        assert len(shown) == 7 * len(TISSUES)
        assert all(row.y == pytest.approx(values[row.variant_id, row.tissue]) for row in shown)
    kinds = {row.variant_id: row.kind for row in of_panel(rows, "distance")}
    assert (kinds["v3"], kinds["v4"], kinds["v5"]) == ("weakened", "deleted", "created")
    assert {kinds["v0"], kinds["v1"], kinds["v2"]} <= {"raised", "lowered"}  # without a true effect


def test_true_effects_stand_beside_the_predicted(made):
    rows = KIND.tabulate(read(made[0]))
    found = of_panel(rows, "truth")
    assert len(found) == 27
    for row in found:
        assert row.x == pytest.approx(0.5 * row.y, abs=1e-5)
    (whole,) = of_panel(rows, "agreement")
    assert whole.y == pytest.approx(1, abs=1e-6) and whole.x < 0.5 and whole.ci_low <= whole.y
    (other,) = of_panel(rows, "agreement", "Ridge")
    assert abs(other.y) < 0.3


def test_without_true_effects_signs_tell_the_points_apart(made):
    rows = KIND.tabulate(read(made[0], truth=False))
    assert {row.panel for row in rows} == {"distance", "tissues"}
    assert all(row.kind == ("raised" if row.y > 0 else "lowered") for row in of_panel(rows, "distance"))


def test_the_written_table_alone_redraws_the_figure(made, tmp_path):
    rows = KIND.tabulate(read(made[0]))
    KIND.write(tmp_path / "t.tsv", rows)
    plots.draw(KIND, tmp_path / "t.tsv", tmp_path / "f.pdf", tmp_path / "f.png")
    assert min((tmp_path / f"f.{suffix}").stat().st_size for suffix in ("pdf", "png")) > 10_000
    for back, row in zip(KIND.read(tmp_path / "t.tsv"), rows, strict=True):
        assert back[:8] == row[:8]
        np.testing.assert_allclose(back[8:], row[8:], atol=1e-6)


@pytest.mark.parametrize("truth", [True, False])
def test_the_figure_shows_the_table(made, truth):
    rows = KIND.tabulate(read(made[0], truth))
    with matplotlib.rc_context(plots.STYLE):
        drawn = KIND.draw(rows)
        drawn.draw_without_rendering()
    maps = [axes for axes in drawn.axes if axes.images]
    for axes, run in zip(maps, RUNS, strict=True):
        shown = of_panel(rows, "tissues", run["series"])
        np.testing.assert_allclose(axes.images[0].get_array().ravel(), [row.y for row in shown])
        low, high = axes.images[0].get_clim()
        assert low == -high and high == max(abs(row.y) for row in rows if row.panel == "tissues")
    assert sum("Log fold change (ln)" in axes.get_xlabel() for axes in drawn.axes) == 2
    clouds = [axes for axes in drawn.axes if any(isinstance(own, PathCollection) for own in axes.collections)]
    assert len(clouds) == (4 if truth else 2)
    places = sum(len(own.get_offsets()) for own in clouds[0].collections if isinstance(own, PathCollection))
    assert places == 30
    words = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert sum(word.startswith("\u03c1 = ") and "shuffled: below" in word for word in words) == (2 if truth else 0)
    # No label lies over another, or outside of the figure.
    for axes in maps:
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(lower.y1 <= upper.y0 + 1 for upper, lower in zip(boxes, boxes[1:]))
    inside = drawn.bbox.padded(1)
    boxes = [axes.get_tightbbox() for axes in drawn.axes]
    assert all(inside.contains(*corner) for box in boxes for corner in box.corners())
    # A colour bar belongs to its map's column; but for it, no two axes overlap.
    assert not any(one.padded(-1).overlaps(other.padded(-1)) for one, other in combinations(boxes, 2))


def test_what_cannot_be_is_refused(made, tmp_path):
    with pytest.raises(InputError, match="two runs named Ridge"):
        read(made[0], runs=[RUNS[1], RUNS[1]])
    rows = KIND.tabulate(read(made[0]))
    for wrong, said in ((rows[0]._replace(panel="pie"), "no panel pie"), (rows[0]._replace(y=np.nan), "no effect")):
        KIND.write(tmp_path / "t.tsv", [wrong])
        with pytest.raises(InputError, match=said):
            KIND.read(tmp_path / "t.tsv")
    frame = pl.read_parquet(made[0] / "1.parquet").with_columns(log_fold_change=pl.lit(None, pl.Float32))
    frame.write_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="holds no effects"):
        variant_tables.read_runs("variants", RUNS[:1], [tmp_path / "none.parquet"])
