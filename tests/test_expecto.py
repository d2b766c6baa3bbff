"""ExPecto's models and effects, in files made up in its formats, against slow loops over the formulas in float64."""

import math
import re
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from chrom2expr import command_line
from chrom2expr.application import expecto as effects_of
from chrom2expr.config import schema
from chrom2expr.errors import InputError
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import expecto, expecto_models
from chrom2expr.heads.tasks import Split
from chrom2expr.tracks.reductions import SpatialBasis
from made_expecto import write_dump, write_intermediate, write_models
from planned_jobs import planned_jobs
from test_ridge import Rows, make_task

ROOT = Path(__file__).resolve().parents[1]
TRACKS, DECAYS = 6, (0.01, 0.02, 0.05, 0.1, 0.2)
SHIFTS = (0, -200, -400, -600, -800, 200, 400, 600, 800)
TISSUES = ["Whole_Blood", "GM12878", "GM12878.1", "liver", "Liver", "HT-29"]
# As the list calls them, the second and third as another copy of it might have them.
LISTED = ["Whole Blood", "GM12878.1", "GM12878", "Liver | ENCODE", "NA", "HT-29 cells"]


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path / "ExPecto", TISSUES, TRACKS, listed=LISTED)


# --- the dumps ---------------------------------------------------------------------------------------------------


def test_models_are_read_as_they_were_written(models):
    path, weights, bias = models
    read = expecto_models.read_models(path)
    np.testing.assert_array_equal(read.weights, weights)
    np.testing.assert_array_equal(read.bias, bias)
    assert read.weights.dtype == np.float64 and read.tissue == LISTED
    assert [row.dump.parent.name for row in read.listed] == ["models"] * len(TISSUES)
    assert read.pseudocounts().tolist() == [1e-4] * len(TISSUES)


@pytest.mark.parametrize("place", ["the list's folder", "the one above", "the working directory"])
def test_paths_in_a_list_start_from_its_folder_the_one_above_or_the_working_one(models, place, tmp_path, monkeypatch):
    path, weights, _ = models
    if place == "the list's folder":
        path = path.rename(path.parents[1] / "mine")
    if place == "the working directory":
        monkeypatch.chdir(path.parents[1])
        path = path.rename(tmp_path / "mine")
    np.testing.assert_array_equal(expecto_models.read_models(path).weights, weights)
    assert len(expecto_models.files_of(path)) == 1 + len(TISSUES)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: ["booster[1]:", *lines[1:]], r"line 1: booster\[0\]: was expected, not booster\[1\]:"),
        (lambda lines: lines[:2], "line 4: weight: was expected, not the end of the file"),
        (lambda lines: [], r"line 1: booster\[0\]: was expected"),
        (lambda lines: [*lines[:2], "many", *lines[3:]], "line 3: 'many' is not a finite number"),
        (lambda lines: [*lines[:20], "0.1x", *lines[21:]], "line 21: '0.1x' is not a finite number"),
        (lambda lines: [*lines[:20], "", *lines[21:]], "line 21: '' is not a finite number"),
        (lambda lines: [*lines[:20], "nan", *lines[21:]], "line 21: 'nan' is not a finite number"),
        (lambda lines: lines[:-1], "69 weights are not 10 blocks of equal length"),
        (lambda lines: lines[:-10], r"line \d+: the first of a block's 6 weights is .*must be 0"),
        (lambda lines: [*lines[:11], "0.5", *lines[12:]], "line 12: the first of a block's 7 weights is 0.5"),
        (lambda lines: lines[:14], "10 weights are not 10 blocks"),
    ],
)
def test_a_damaged_dump_is_named_with_its_line(models, edit, message):
    dump = expecto_models.read_list(models[0])[2].dump
    lines = dump.read_text().splitlines()
    assert len(lines) == 4 + 10 * (1 + TRACKS)
    dump.write_text("\n".join(edit(lines)) + "\n")
    with pytest.raises(InputError, match=f"GM12878.1.dump.*{message}"):
        expecto_models.read_models(models[0])


def test_dumps_that_are_not_there_or_of_other_tracks_are_named(models, tmp_path):
    path, *_ = models
    dump = expecto_models.read_list(path)[3].dump
    write_dump(dump, np.ones((10, TRACKS + 1)), 0)
    with pytest.raises(InputError, match=r"liver.dump: weights of 7 tracks, but .*Whole_Blood.dump has 6"):
        expecto_models.read_models(path)
    dump.unlink()
    with pytest.raises(InputError, match=r"liver.dump: there is no such file; get ExPecto's models again"):
        expecto_models.read_models(path)
    # What Snakemake then says is missing.
    assert str(dump) in expecto_models.files_of(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Model\tTissue\na.save\tA\n", "no column ModelName"),
        ("ModelName\tTissue\n", "no models below the header"),
        ("ModelName\tTissue\na.json\tA\n", "row 2: ModelName is 'a.json', which ends neither in .save nor in .dump"),
        ("ModelName\tTissue\na.save\tA\nb.save\tA\n", "row 3: Tissue: A is already in row 2"),
        ("ModelName\tTissue\na.save\t\n", "row 2: Tissue: no name"),
    ],
)
def test_what_is_no_list_of_models_is_named(tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(InputError, match=message):
        expecto_models.read_models(tmp_path / "list")
    assert expecto_models.files_of(tmp_path / "list") == [str(tmp_path / "list")]


def test_tissues_are_called_by_files_or_all_by_the_list(models):
    read = expecto_models.read_models(models[0])
    order = [3, 2, 1, 0]
    for names in (TISSUES, LISTED):
        found = read.of([names[row] for row in order], "list")
        # GM12878 and GM12878.1 are both kinds of names, and what they mean is told by the others.
        assert [row.dump for row in found.listed] == [read.listed[row].dump for row in order]
        np.testing.assert_array_equal(found.weights, read.weights[order])
        np.testing.assert_array_equal(found.bias, read.bias[order])
    with pytest.raises(InputError, match="list: 2 of the matrix's 3 tissues have no model of their own: brain, LIVER"):
        read.of(["liver", "brain", "LIVER"], "list")


# --- the head ----------------------------------------------------------------------------------------------------


def task_of(path, tissues=TISSUES):
    """test_ridge's task, whose tissues are the models'."""
    task = make_task(10 * TRACKS)
    return replace(
        task,
        data=replace(task.data, tissue=np.array(tissues, dtype=object)),
        settings={"models": "expecto_models", "base_score": 2},
        grid={},
        models=path,
    )


def test_a_prediction_is_base_score_and_bias_and_weights_times_features(models):
    path, weights, bias = models
    task = task_of(path, TISSUES[::-1])
    fitted = expecto.ExPecto.fit(task)
    features = task.data.splits["test"].features
    expected = [
        [
            2
            + bias[tissue]
            + sum(
                weights[tissue, block, track] * float(gene[block * TRACKS + track])
                for block in range(10)
                for track in range(TRACKS)
            )
            for tissue in reversed(range(len(TISSUES)))
        ]
        for gene in features.features
    ]
    np.testing.assert_allclose(fitted.predict(features), expected, rtol=1e-6)
    assert fitted.metadata["base_score"] == 2
    other = expecto.ExPecto.fit(replace(task, settings={"models": "", "base_score": 0.5}))
    np.testing.assert_allclose(fitted.intercept - other.intercept, 1.5)


def test_its_features_are_those_of_spatial_basis(models):
    """Blocks, tracks and strands: predicted from bins, as ExPecto's training has them."""
    path, weights, bias = models
    geometry = Geometry.from_config({"window": 2000, "bins": 200, "bin_size": 200})
    bins = np.random.default_rng(3).random((2, 200, TRACKS)).astype(np.float16)
    task = task_of(path)
    fitted = expecto.ExPecto.fit(task)
    predicted = fitted.predict(Reduced(SpatialBasis(geometry)(bins)))
    for gene in range(2):
        for tissue in range(len(TISSUES)):
            expected = 2 + bias[tissue]
            for index, shift in enumerate(range(-20000, 20000, 200)):
                for block, decay in enumerate(DECAYS):
                    weight = math.exp(-decay * abs(shift) / 200)
                    if shift <= 0:
                        expected += weight * weights[tissue, block] @ bins[gene, index].astype(float)
                    if shift >= 0:
                        expected += weight * weights[tissue, 5 + block] @ bins[gene, index].astype(float)
            np.testing.assert_allclose(predicted[gene, tissue], expected, rtol=1e-5)


class Reduced(Rows):
    dtype = np.float32


def test_its_table_says_which_model_and_how_well_it_predicts(models):
    task = task_of(models[0])
    observed = task.data.splits["val"].observed.copy()
    observed[:, 1] = 3
    observed[4:, 2] = np.nan
    splits = {**task.data.splits, "val": Split(task.data.splits["val"].features, observed)}
    fitted = expecto.ExPecto.fit(replace(task, data=replace(task.data, splits=splits)))
    predicted = fitted.predict(splits["val"].features)
    assert [row["model"].split("basescore2.")[1] for row in fitted.table] == [f"{tissue}.dump" for tissue in TISSUES]
    assert [row["tissue"] for row in fitted.table] == TISSUES
    assert {row["chosen"] for row in fitted.table} == {"yes"} and {row["pseudocount"] for row in fitted.table} == {1e-4}
    assert fitted.table[1]["validation_cross_gene"] is None
    assert fitted.table[2]["validation_genes"] == 4
    np.testing.assert_allclose(
        fitted.table[0]["validation_cross_gene"], spearmanr(predicted[:, 0], observed[:, 0]).statistic
    )


def test_another_pseudocount_is_warned_of(tmp_path, capsys):
    path, *_ = write_models(tmp_path, TISSUES, TRACKS, pseudocount="0.01")
    expecto.ExPecto.fit(task_of(path))
    assert "6 of 6 models were fitted to another pseudocount" in capsys.readouterr().out
    task = task_of(path)
    expecto.ExPecto.fit(replace(task, data=replace(task.data, pseudocount=np.full(len(TISSUES), 0.01))))
    assert "pseudocount" not in capsys.readouterr().out


def test_what_cannot_be_fitted_is_named(models):
    path, *_ = models
    task = task_of(path)
    narrow = {name: Split(Rows(np.zeros((3, 10 * TRACKS - 10))), np.zeros((3, 6))) for name in task.data.splits}
    broken = task.data.splits["val"].features.features.copy()
    broken[3, 7] = np.nan
    infinite = {**task.data.splits, "val": Split(Rows(broken), task.data.splits["val"].observed)}
    cases = [
        (replace(task, models=None), "are read from a list"),
        (task_of(path, [*TISSUES[:-1], "brain"]), "1 of the matrix's 6 tissues have no model of their own: brain"),
        (replace(task, data=replace(task.data, splits=narrow)), "10 weights for each of 6 tracks, but a gene has 50"),
        (replace(task, data=replace(task.data, splits=infinite)), "row 3, column 7: nan is no value of a feature"),
    ]
    for given, message in cases:
        with pytest.raises(InputError, match=message):
            expecto.ExPecto.fit(given)


# --- ExPecto's own effects ---------------------------------------------------------------------------------------


def variant_rows(count, seed=1):
    """Variants on both sides of a TSS at all distances that matter, some of them exactly on a step of 200 bp."""
    random = np.random.default_rng(seed)
    offsets = [0, 200, -200, 800, -800, 1, -1, 199, -199, 19532, -21530, *random.integers(-30000, 30000, count)][:count]
    variants = [(f"chr{1 + row % 3}", 50_000 + 7 * row, "-", "A", "ACGT"[row % 4]) for row in range(count)]
    genes = [
        (
            chrom[3:],
            pos - 1,
            pos,
            ref,
            alt,
            chrom[3:],
            pos + offset - 1,
            pos + offset,
            "+-"[row % 2],
            f"ENSG{row}",
            offset,
        )
        for row, ((chrom, pos, _, ref, alt), offset) in enumerate(zip(variants, offsets, strict=True))
    ]
    effects = {shift: random.normal(0, 0.1, (2 * count, TRACKS)).astype(np.float32) for shift in SHIFTS}
    return variants, genes, effects


def slow(effects, genes, weights):
    """The formula, number by number, (variant, tissue)."""
    found = np.zeros((len(genes), len(weights)))
    for row, gene in enumerate(genes):
        strand = 1 if gene[-3] == "+" else -1
        for shift, values in effects.items():
            mean = (values[row].astype(float) + values[row + len(genes)].astype(float)) / 2
            d = (-gene[-1] + shift) * strand
            for block, decay in enumerate(DECAYS):
                weight = math.exp(-decay * math.floor(abs(d) / 200))
                for tissue in range(len(weights)):
                    if d <= 0:
                        found[row, tissue] += weight * (weights[tissue, block] * mean).sum()
                    if d >= 0:
                        found[row, tissue] += weight * (weights[tissue, 5 + block] * mean).sum()
    return found


def run(vcf, genes, pattern, models, output):
    given = {"--vcf": vcf, "--genes": genes, "--effects": pattern, "--models": models, "--output": output}
    return command_line.main(["expecto", *(str(word) for pair in given.items() for word in pair)])


@pytest.mark.parametrize("block", [effects_of.BLOCK, 7])
def test_effects_are_those_of_the_formula(models, tmp_path, block, monkeypatch):
    monkeypatch.setattr(effects_of, "BLOCK", block)
    path, weights, _ = models
    variants, genes, effects = variant_rows(40)
    # The table's rows in another order, one of them twice: the first counts.
    shuffled = [*genes[::-1], (*genes[0][:-1], 5)]
    vcf, table, pattern = write_intermediate(tmp_path, variants, shuffled, effects)
    assert run(vcf, table, pattern, path, tmp_path / "out.tsv") == 0
    made = pd.read_csv(tmp_path / "out.tsv", sep="\t", keep_default_na=False)
    assert made.columns.tolist() == ["chrom", "pos", "ref", "alt", "gene", *LISTED]
    assert [*zip(made["chrom"], made["pos"], made["ref"], made["alt"])] == [(v[0], v[1], v[3], v[4]) for v in variants]
    assert made["gene"].tolist() == [gene[-2] for gene in genes]
    expected = slow(effects, genes, weights)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(made[LISTED].to_numpy(dtype=float), expected, rtol=1e-6, atol=1e-8)


def test_a_vcf_with_a_header_and_sample_columns_is_read_too(models, tmp_path):
    variants, genes, effects = variant_rows(3)
    vcf, table, pattern = write_intermediate(tmp_path, variants, genes, effects)
    assert run(vcf, table, pattern, models[0], tmp_path / "plain.tsv") == 0
    rows = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL"]
    vcf.write_text("\r\n".join([*rows, *("\t".join(map(str, (*row, "."))) for row in variants)]) + "\r\n")
    assert run(vcf, table, pattern, models[0], tmp_path / "header.tsv") == 0
    assert (tmp_path / "plain.tsv").read_bytes() == (tmp_path / "header.tsv").read_bytes()


def edited(rows, row, column, cell):
    cells = [list(one) for one in rows]
    cells[row][column] = cell
    return cells


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v, g, e: (v[:-1], g, e), r"shift_-800.diff.h5: `pred` has 8 rows, but the 3 variants of .* have 6"),
        (lambda v, g, e: ([["#CHROM"]], g, e), "my.vcf: holds no variants"),
        (lambda v, g, e: (edited(v, 1, 1, "POS"), g, e), "my.vcf, row 2: position is 'POS', not a whole number"),
        (lambda v, g, e: ([*v[:3], ["chr1 77 - A C"]], g, e), "my.vcf, row 4: 1 cells with tabs between them; needs"),
        (lambda v, g, e: (v, g[:-1], e), "closestgene: has no row of chr1:50021, which .*my.vcf has"),
        (lambda v, g, e: (v, edited(g, 2, -3, "."), e), "closestgene, row 3: strand is '.', not . or -"),
        (lambda v, g, e: (v, edited(g, 2, -1, "NA"), e), "closestgene, row 3: TSS - variant is 'NA', not a whole"),
        (lambda v, g, e: (v, edited(g, 2, -1, "1.5"), e), "closestgene, row 3: TSS - variant is '1.5', not a whole"),
        (lambda v, g, e: (v, g, {**e, 400: e[400][:, 1:]}), "shift_400.diff.h5: `pred` has 5 tracks, .* weights for 6"),
        (lambda v, g, e: (v, g, {**e, 0: e[0][0]}), "shift_0.diff.h5: holds no table of numbers `pred`"),
        (lambda v, g, e: (v, g, {**e, 600: np.where(e[600] > 0.2, np.nan, e[600])}), r"shift_600.*of variant \d"),
    ],
)
def test_bad_files_are_named_and_nothing_is_written(models, tmp_path, capsys, edit, message):
    files = write_intermediate(tmp_path, *edit(*variant_rows(4)))
    assert run(*files, models[0], tmp_path / "out.tsv") == 1
    assert re.search(message, capsys.readouterr().err)
    assert not [file for file in tmp_path.iterdir() if "out.tsv" in file.name]


def test_what_is_read_is_not_written_over(models, tmp_path, capsys):
    vcf, table, pattern = write_intermediate(tmp_path, *variant_rows(3))
    before = vcf.read_bytes()
    assert run(vcf, table, pattern, models[0], vcf) == 1
    assert "my.vcf: would be written over, and it is read" in capsys.readouterr().err
    assert vcf.read_bytes() == before
    assert run(tmp_path / "gone.vcf", table, pattern, models[0], vcf) == 1
    assert "gone.vcf: " in capsys.readouterr().err


def test_effects_that_are_missing_or_not_named_by_shift(models, tmp_path, capsys):
    vcf, table, pattern = write_intermediate(tmp_path, *variant_rows(4))
    assert run(vcf, table, pattern.replace("{shift}", "SHIFT"), models[0], tmp_path / "out.tsv") == 1
    assert "has no {shift}" in capsys.readouterr().err
    file = tmp_path / "my.vcf.shift_-600.diff.h5"
    with h5py.File(file, "a") as open_file:
        del open_file["pred"]
    assert run(vcf, table, pattern, models[0], tmp_path / "out.tsv") == 1
    assert "shift_-600.diff.h5: holds no table of numbers `pred`" in capsys.readouterr().err
    file.write_bytes(b"no HDF5")
    assert run(vcf, table, pattern, models[0], tmp_path / "out.tsv") == 1
    assert "shift_-600.diff.h5: damaged, or no HDF5 file" in capsys.readouterr().err
    file.unlink()
    assert run(vcf, table, pattern, models[0], tmp_path / "out.tsv") == 1
    assert "shift_-600.diff.h5: there is no such file" in capsys.readouterr().err
    assert not (tmp_path / "out.tsv").exists()


# --- the config --------------------------------------------------------------------------------------------------


@pytest.fixture
def config(models):
    """The thesis run, with a figure of ExPecto's models."""
    full = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    full["resources"]["expecto_models"] = {"path": str(models[0])}
    settings = {"models": "expecto_models"}
    full["heads"]["expecto"] = {"type": "expecto", "features": "spatial_basis", "settings": settings}
    run = {"source": "beluga_predicted", "inputs": "chromatin", "head": ["ridge", "expecto"], "loss": "mse"}
    full["figures"]["expecto"] = {"kind": "scores", "series": "head", "runs": [run]}
    return full


def test_a_config_may_name_the_models(config):
    head = schema.checked(config)["heads"]["expecto"]
    assert head["settings"] == {"models": "expecto_models", "base_score": 2} and head["label"] == "expecto"


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("heads.expecto.settings", {}, "heads.expecto.settings.models: is needed"),
        ("heads.expecto.settings.models", "nowhere", "heads.expecto.settings.models: nowhere is not among resources"),
        ("heads.expecto.settings.models", "beluga_tracks", "resources.beluga_tracks.path: is needed, since nothing"),
        ("heads.expecto.settings.base_scor", 2, "base_scor: is unknown; known are models, base_score"),
        ("heads.expecto.features", "central_means", "heads.expecto.features: 'spatial_basis' was expected"),
        ("heads.expecto.grid", {"penalty": [1]}, "heads.expecto.grid.penalty: is unknown"),
        ("heads.expecto.jobs", 2, "heads.expecto.jobs: the tissues of type expecto"),
        ("resources.expecto_models", {"obtain": "Clone it."}, "chrom2expr cannot fetch it. Clone it. Then give its"),
        ("figures.expecto.runs.0.source", "beluga_experimental", "source.kind: 'predicted' was expected"),
        ("figures.expecto.runs.0.loss", "hybrid_1", "expecto/hybrid_1: loss.squared_error: True was expected"),
        ("inputs.chromatin.bins", 150, "chromatin/expecto/mse: inputs.bins: 0 was expected"),
    ],
)
def test_a_config_that_cannot_work_is_refused(config, keys, value, said):
    *path, last = (int(key) if key.isdigit() else key for key in keys.split("."))
    reduce(getitem, path, config)[last] = value
    with pytest.raises(InputError, match=re.escape(said)):
        schema.checked(config)


@pytest.mark.slow
def test_the_list_and_its_dumps_are_inputs_of_the_job(config, models, tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    jobs = planned_jobs(["results/figures/expecto.pdf"], [tmp_path / "mine.yaml"])
    given = {output: set(job.inputs) for (rule, output), job in jobs.items() if rule == "fit_head"}
    own, ridge = (
        given[f"results/models/beluga_predicted/chromatin/{head}/mse/model.pt"] for head in ("expecto", "ridge")
    )
    dumps = {str(row.dump) for row in expecto_models.read_list(models[0])}
    assert own - ridge == {str(models[0]), *dumps} and len(dumps) == len(TISSUES)
