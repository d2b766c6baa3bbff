"""The methods text: every setting that decides what was done is in it, and nothing that was not done."""

import copy
import re
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

from chrom2expr.config import folds, overlays, schema
from chrom2expr.reporting import methods, models, references, scope
from test_pages import Reader

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = {"snakemake": "9.1", "torch": "2.5"}
# Another value of a key whose values are words; of others one is made (see other).
WORDS = {
    "tss": "all",
    "unit": "tpm",
    "missing": "error",
    "contigs": "primary",
    "orientation": "genomic",
    "select_by": {"validation_loss": "validation_cross_gene", "validation_cross_gene": "validation_loss"},
    "transform": "none",
    "precision": "fp32",
    "batch_norm": "train",
    "ref_mismatch": "skip",
    "tracks": {"chromatin": "cage", "cage": "all", "all": "embedding", "embedding": "all"},
}
# What the text does not state, and why, by the end of its key.
UNSAID = {
    **dict.fromkeys(("mem_mb", "runtime", "jobs", "devices", "shards", "groups"), "how work is dealt out"),
    **dict.fromkeys(("bundle", "activation_checkpointing"), "the same results, computed otherwise"),
    **dict.fromkeys(("ids", "unmatched"), "how rows find their genes; an error where they do not"),
    **dict.fromkeys(("file", "tissue", "layer", "symbols", "pool", "minimum"), "of sample sheets and cells only"),
    "counts_to": "of counts only",
    "missing_bigwigs": "the catalogue says which tracks there are",
    "annotated_vcf": "a file beside the results",
}
# The same, where a key of that name elsewhere is stated.
UNSAID_THERE = {
    "backbones.NAME.batch_size": "how many genes are computed at a time",
    "backbones.NAME.tracks": "the table of its tracks; which are given to heads is said of these",
    "backbones.NAME.central_bins": "said of the heads that take means over them",
    **dict.fromkeys((f"sources.NAME.bigwigs.{prefix}" for prefix in ("ENCFF", "CNhs", "E")), "paths; hosts are said"),
    "variants.NAME.batch_size": "how many windows are computed at a time",
    "metrics.NAME.type": "a name in it is that of its class, which cannot be another here",
    "heads.NAME.features": "what its type takes, or said with the source",
}
# Keys of a type that its sentence leaves out.
OF_OTHER_TYPES = {
    "ridge": ("batch_size", "max_epochs", "patience", "select_by"),
    "probe": ("batch_size", "max_epochs", "patience", "select_by"),
}


def read(*files):
    return folds.spread(schema.checked(overlays.read([ROOT / "config" / file for file in files])))


@pytest.fixture(scope="module")
def demo():
    return read("config.yaml", "demo.yaml")


@pytest.fixture(scope="module")
def thesis():
    return read("config.yaml")


def told(config, name="all"):
    paragraphs, papers = references.numbered(list(methods.text(config, scope.scope(config, name), VERSIONS)))
    return "\n".join([*paragraphs, *papers])


def leaves(section, path=()):
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def other(key, value):
    """Another value of a key."""
    if key in WORDS:
        return WORDS[key][value] if isinstance(WORDS[key], dict) else WORDS[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, list):
        return [*value, other("", value[-1]) if value else "new"]
    return f"{value}x" if isinstance(value, str) else {"new": 1}


def replaced(config, path, value):
    changed = copy.deepcopy(config)
    reduce(getitem, path[:-1], changed)[path[-1]] = value
    return changed


def used_sections(config, found):
    """Where what decides a report's results stands: whole sections, and the entries that its runs use."""
    names = {part: {run[part] for run in found.runs} for part in ("source", "inputs", "head", "loss")}
    yield from (("seed",), ("bootstrap_resamples",), ("genes",), ("expression",), ("leakage",))
    yield from (("inputs", name) for name in names["inputs"])
    yield from (("losses", name) for name in names["loss"])
    yield from (("heads", name) for name in names["head"])
    yield from (("variants", name) for name in found.variants)
    yield from (("splits", name) for name in {config["sources"][source]["split"] for source in names["source"]})
    for source in names["source"]:
        yield ("sources", source)
        if config["sources"][source]["kind"] != "measured":
            yield ("backbones", config["sources"][source]["backbone"])


def stated(config, name):
    """Paths and values of all settings that decide the results of a report, but for those that are left unsaid."""
    for section in dict.fromkeys(used_sections(config, scope.scope(config, name))):
        value = reduce(getitem, section, config)
        for path, leaf in leaves(value, section) if isinstance(value, dict) else [(section, value)]:
            general = ".".join((path[0], "NAME", *path[2:]))
            kind = config["heads"][path[1]]["type"] if path[0] == "heads" else ""
            skipped = path[-1] in UNSAID or general in UNSAID_THERE or path[-1] in OF_OTHER_TYPES.get(kind, ())
            if not skipped and leaf != {} and path[-1] != "runs":
                yield path, leaf


def test_every_setting_that_decides_results_is_in_the_text(demo, thesis):
    for config, name in ((demo, "all"), (thesis, "fig3_1+fig2_5+fig3_7")):
        before, silent, count = told(config, name), [], 0
        for path, leaf in stated(config, name):
            # What names an entry elsewhere, which would have to be there: see below.
            if path[-1] in ("kind", "backbone", "assembly", "split", "weights", "from") or path[-2:] == (
                "bigwigs",
                "CNhs",
            ):
                continue
            count += 1
            if told(replaced(config, path, other(path[-1], leaf)), name) == before:
                silent.append(".".join(map(str, path)))
        assert not silent and count > 100, (count, silent)


def test_what_a_source_names_is_in_the_text(demo):
    before = told(demo)
    for path, value in (
        (("sources", "beluga_predicted", "split"), "chr14"),
        (("backbones", "beluga", "assembly"), "grch38"),
        (("backbones", "beluga", "weights"), "enformer_weights"),
        (("sources", "beluga_experimental", "from"), "tfrecords"),
        (("backbones", "beluga", "trained_on"), {"regions": "a/regions.bed", "folds": ["f1"]}),
        (("backbones", "beluga", "trained_on"), {}),
        (("compare_with_thesis",), True),
        (("backbones", "enformer", "central_bins"), 12),
        (("sources", "beluga_experimental", "bigwigs"), {"": "https://example.org/{identifier}"}),
    ):
        assert told(replaced(demo, path, value)) != before, path


@pytest.mark.parametrize(
    ("split", "text"),
    [
        (
            {"validation": ["chr2"], "test": ["chr3", "chr4"]},
            "the genes of chr2 are for validation and those of chr3 and chr4 for test",
        ),
        ({"folds": 4}, "dealt out to 4 groups"),
        ({"file": "mine/split.tsv"}, "divided by split.tsv"),
        (
            {"families": {"table": "families.tsv", "shared": 0.3, "window": 900, "validation": 0.1, "test": 0.2}},
            "one family in families.tsv or sharing more than 0.3 of the 31-mers in 900 bp around the TSS) are in one part, "
            "0.1 of all genes for validation and 0.2 for test",
        ),
        (
            {"families": {"table": "families.tsv", "shared": 0, "window": 900, "validation": 0.1, "test": 0.2}},
            "(one family in families.tsv)",
        ),
    ],
)
def test_every_form_of_a_split_is_told(thesis, split, text):
    assert text in told(replaced(thesis, ("splits", "chr14"), split), "fig3_1")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("expression", "unit"), "counts", "Counts became counts per million"),
        (("expression", "cells"), {"key": "celltype", "pool": "mean", "minimum": 7}, "by celltype (their mean); tissues of fewer than 7"),
        (("expression", "pseudocount"), {"default": 0.1, "liver": 0.5}, "p = 0.1 (default) and 0.5 (liver)"),
        (("genes", "only_types"), ["protein_coding"], "Only genes of the types protein_coding"),
        (("heads", "multi_cnn", "type"), "package:Class", "a model of type package:Class"),
        (("losses", "mse", "type"), "huber", "type huber"),
    ],
)  # fmt: skip
def test_what_only_some_configs_have_is_told(thesis, path, value, text):
    assert text not in told(thesis, "fig3_1") and text in told(replaced(thesis, path, value), "fig3_1")


def test_logarithms_have_no_pseudocount(thesis):
    assert "pseudocount" not in told(replaced(thesis, ("expression", "unit"), "log"), "fig3_1")


def test_nothing_is_told_of_what_was_not_done(demo):
    """Neither of figures nor of what they alone use, whatever stands in the config."""
    before = told(demo, "fig3_1")
    for word in (
        "Ridge",
        "probe",
        "Fine-tuned",
        "Single-tissue",
        "attention",
        "allele",
        "hybrid",
        "Pearson only",
        "CAGE",
    ):
        assert word not in before, word
    found = scope.scope(demo, "fig3_1")
    used = {run[part] for run in found.runs for part in run} | {*found.figures, *found.sources, "chr14", "chr8"}
    changed = copy.deepcopy(demo)
    for section in ("heads", "losses", "inputs", "figures", "variants", "splits"):
        for name in {*demo[section]} - used:
            del changed[section][name]
    for name in {*demo["sources"]} - used:
        changed["sources"][name] |= {"label": "Elsewhere", "bins": 1}
    assert told(changed, "fig3_1") == before


def test_each_combination_that_was_fitted_is_told_and_no_other(thesis):
    text = told(thesis, "fig2_5")
    ridge = text[text.index("Ridge (ridge)") :].partition("Single-tissue")[0]
    assert "Enformer predictions (chromatin tracks) and Enformer predictions (all tracks) with the loss MSE" in ridge
    both = told(thesis, "fig3_1+fig3_3")
    assert "to Enformer predictions (chromatin tracks) with the loss MSE, α = 1, α = 10 and α = 100; Enformer" in both
    assert "Beluga experimental (chromatin tracks) with the loss MSE, given" not in both


def test_what_is_cited_is_listed_once_and_in_order(thesis):
    text = told(thesis, "fig3_1")
    assert "[@" not in text and "[1] Hinrichs" in text
    numbers = [int(line.split("]")[0][1:]) for line in text.splitlines() if line.startswith("[")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert "Hoerl" not in text and "Hoerl" in told(thesis, "fig2_3")
    # Every paper is cited somewhere.
    sources = "".join(Path(module.__file__).read_text() for module in (methods, models))
    assert {*re.findall(r"cite\(.(\w+).\)", sources)} == {*references.PAPERS}


def test_the_page_is_the_text(thesis, tmp_path):
    methods.write(tmp_path / "methods.html", thesis, "fig3_1", VERSIONS)
    page = (tmp_path / "methods.html").read_text(encoding="utf-8")
    assert not Reader(page).open and "PyTorch 2.5" in page and "Snakemake 9.1" in page and "<h2>References</h2>" in page
