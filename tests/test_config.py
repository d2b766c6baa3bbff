"""The config is refused by name before any job starts, and completed with its defaults."""

import copy
import dataclasses
import inspect
import re
from pathlib import Path

import pytest
import yaml

from chrom2expr import registry
from chrom2expr.backbones import beluga, enformer
from chrom2expr.config import reference, resources, runs, schema
from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.heads import adaptations, cnn
from chrom2expr.simulation import genome

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow/scripts/chrom2expr/config/config.schema.yaml"
EMBEDDED_BELUGA = {
    "kind": "embedded",
    "backbone": "beluga",
    "split": "chr8",
    "geometry": {"sequence_length": 1280, "bins": 10, "bin_size": 128},
    "bins": 10,
}
SIMULATION = SCHEMA.with_name("simulation.schema.yaml")


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture
def demo(config):
    """The config with the demo's laid over it."""
    return laid_over(config, yaml.safe_load((ROOT / "config/demo.yaml").read_text()))


def laid_over(below, above):
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: laid_over(below.get(key), value) for key, value in above.items()}


def broken(config, keys, value):
    """A copy of the config in which the key at the path `keys` is `value`."""
    changed = copy.deepcopy(config)
    section = changed
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    return changed


def test_thesis_config_is_accepted_and_completed(config):
    del config["genes"]["contigs"]
    full = schema.checked(config)
    assert full["genes"]["contigs"] == "all"
    assert full["threads"] == {"predict_tracks": 8, "fit_head": 8}
    assert full["backbones"]["enformer"]["mem_mb"] == 16000
    assert "genes" in config and "contigs" not in config["genes"], "the caller's config stays as it was"


@pytest.mark.parametrize(
    "keys, value, named",
    [
        (["sede"], 1, "sede"),
        (["seed"], "one", "seed"),
        (["genes", "contigs"], "some", "genes.contigs"),
        (["genes", "exclude_type"], [], "exclude_type"),
        (["expression", "pseudocount"], 0, "expression.pseudocount"),
        (["backbones", "enformer", "shards"], 0, "backbones.enformer.shards"),
        (["backbones", "enformer", "weights"], "enformer_wieghts", "backbones.enformer.weights"),
        (["backbones", "enformer", "held_out"], ["chr14"], "backbones.enformer.held_out: is now splits.NAME.held_out"),
        (
            ["splits", "chr14", "held_out"],
            ["chrX"],
            "splits.chr14.held_out: chrX is left out by genes.exclude_chromosomes",
        ),
        (
            ["splits", "chr14"],
            {"validation": ["chr1"], "test": ["chr2", "chrY"]},
            "splits.chr14.test: chrY is left out",
        ),
        (["splits", "chr14"], {"validation": ["chr1"], "test": ["chr2", "chr1"]}, "splits.chr14: chr1 is for both"),
        (
            ["splits", "chr14", "test"],
            ["chr1"],
            "splits.chr14: give held_out, or validation and test, or folds, or families, or file, and only one",
        ),
        (
            ["splits", "chr14"],
            {"validation": ["chr1"]},
            "splits.chr14: give held_out, or validation and test, or folds, or families, or file, and",
        ),
        (
            ["splits", "chr14"],
            {},
            "splits.chr14: give held_out, or validation and test, or folds, or families, or file, and only one",
        ),
        (
            ["splits", "chr14"],
            {"file": "a.tsv", "held_out": ["chr1"]},
            "splits.chr14: give held_out, or validation and",
        ),
        (["splits", "chr14"], {"folds": 2}, "splits.chr14.folds: 2 is less than the minimum of 3"),
        (
            ["splits", "chr14"],
            {"folds": 3, "fold": 1},
            "splits.chr14.fold: is unknown; known are held_out, validation, test, folds, families, file",
        ),
        (
            ["splits", "chr14"],
            {"families": {"shared": 0}},
            "splits.chr14.families: give a table, or a share above 0 as shared",
        ),
        (
            ["splits", "chr14"],
            {"families": {"validation": 0.5, "test": 0.5}},
            "splits.chr14.families: validation and test take all genes",
        ),
        (["splits", "chr14"], {"families": {"shared": 1}}, "splits.chr14.families.shared: 1 is greater than or equal"),
        (["splits", "chr14"], {"families": {"windows": 500}}, "splits.chr14.families.windows: is unknown; known are"),
        (
            ["splits", "chr14"],
            {"hold_out": ["chr1"]},
            "splits.chr14.hold_out: is unknown; known are held_out, validation",
        ),
        (["sources", "beluga_predicted", "split"], "chr9", "sources.beluga_predicted.split: chr9 is not among splits"),
        (
            ["sources", "beluga_predicted"],
            {"kind": "predicted", "backbone": "beluga"},
            "sources.beluga_predicted.split: is needed",
        ),
        (["backbones", "enformer", "geometry", "bins"], 2000, "backbones.enformer.geometry"),
        (["backbones", "enformer", "geometry", "window"], 2000, "backbones.enformer.geometry"),
        (["backbones", "enformer", "central_bins"], 1000, "backbones.enformer.central_bins"),
        (
            ["backbones", "enformer", "central_bins"],
            11,
            "backbones.enformer.central_bins: bins is 11: the middle of 896",
        ),
        (["backbones", "beluga", "central_bins"], 7, "backbones.beluga.central_bins: bins is 7: the middle of 200"),
        (
            ["backbones", "enformer", "reverse_complement"],
            True,
            "backbones.enformer.reverse_complement: finetuned of enformer_50kb reads the forward strand only",
        ),
        (
            ["inputs", "embedding", "orientation"],
            "genomic",
            "inputs.embedding.orientation: finetuned reads the forward strand",
        ),
        (["inputs", "orientation"], "gene", "inputs.orientation: is now inputs.NAME.orientation"),
        (["inputs", "sets"], {"mine": {"tracks": "all"}}, "inputs.sets: is now inputs.NAME"),
        (["inputs", "chromatin", "orientation"], "gnomic", "inputs.chromatin.orientation: 'gnomic' is not one of"),
        (["expression", "ids"], "entrez", "expression.ids: 'entrez' is not one of"),
        (
            ["resources", "genome_grch38"],
            {"url": "https://x.org/genomes/"},
            "resources.genome_grch38.url: https://x.org/genomes/ names no file",
        ),
        (["resources", "genome_grch38"], {"url": "https://x.org/?download=1"}, "resources.genome_grch38.url"),
        (["resources", "genome_grch38"], {"url": "https://x.org?file=a.fa.gz"}, "resources.genome_grch38.url"),
        (["resources", "genome_grch38"], {"url": "https://x.org/a/.gz"}, "resources.genome_grch38.url"),
        (["resources", "genome_grch38"], {"url": "https://x.org/a/.."}, "resources.genome_grch38.url"),
        (["sources", "beluga_predicted", "backbone"], "borzoi", "sources.beluga_predicted.backbone"),
        (["sources", "beluga_predicted", "groups"], 4, "sources.beluga_predicted.groups"),
        (
            ["sources", "beluga_predicted", "tracks"],
            "beluga_tracks",
            "sources.beluga_predicted.tracks: only measured sources have it",
        ),
        (
            ["sources", "beluga_experimental", "tracks"],
            "lab",
            "sources.beluga_experimental.tracks: lab is not among resources",
        ),
        (["sources", "beluga_experimental", "bigwigs"], {}, "sources.beluga_experimental.bigwigs"),
        (["sources", "beluga_predicted", "overrides"], "own.tsv", "sources.beluga_predicted.overrides: only measured"),
        (["sources", "beluga_experimental", "bigwigs"], {"E": "a.bw"}, "sources.beluga_experimental.bigwigs.E"),
        (["losses", "mse"], {"alpha": 0, "beta": 0}, "losses.mse"),
        (["losses", "mse"], {"alpha": -1, "beta": 1}, "losses.mse.alpha"),
        (["losses", "a/b"], {"alpha": 1, "beta": 1}, "a/b"),
        (
            ["figures", "fig3_2", "runs", 0, "loss"],
            ["mse", "msee"],
            "figures.fig3_2.runs: loss msee is not among losses",
        ),
        (["losses", "hybrid_0.1"], {"alpha": 1, "beta": 1}, "figures.fig3_2.runs: enformer_predicted/"),
        (["heads", "ridge", "label"], "Multi-tissue CNN", "would both be labelled 'Multi-tissue CNN' of 'Beluga'"),
        (["figures", "fig3_1", "runs", 1, "group"], "Enformer predictions", "figures.fig3_1.runs"),
        (
            ["figures", "fig2_3", "runs", 0, "source"],
            ["beluga_predicted", "enformer_predicted"],
            "group 'Beluga' mixes",
        ),
        (
            ["figures", "fig2_2", "runs", 0, "head"],
            ["multi_cnn", "multi_cnn_cage"],
            "figures.fig2_2.runs: 2 are too many, there may be 1 (It shows the network of one run.)",
        ),
        (
            ["figures", "fig2_2", "kind"],
            "networks",
            "figures.fig2_2.kind: there is no networks among figures; there are attention_map",
        ),
        (
            ["figures", "fig2_3", "metrics"],
            ["cross_gene", "pearson"],
            "figures.fig2_3.metrics: pearson is not among metrics",
        ),
        (["figures", "fig2_3", "metrics"], [], "figures.fig2_3.metrics: []"),
        (["figures", "fig2_3", "layout"], "diagonal", "figures.fig2_3.layout: 'diagonal' is not one of"),
        (
            ["figures", "fig2_3", "thresholds"],
            [0.1],
            "figures.fig2_3.thresholds: is unknown; known are kind, runs, groups, series, caption, metrics",
        ),
        (["figures", "fig3_4", "runs", 2, "colour"], "pink!", "figures.fig3_4.runs.2.colour: 'pink!' does not match"),
        (["figures", "a/b"], {"kind": "scores", "runs": []}, "figures: 'a/b' does not match"),
        (["metrics", "grid"], {"type": "cross_gene"}, "metrics: 'grid' should not be valid"),
        (
            ["metrics", "mine"],
            {"type": "cross_gene"},
            "metrics: cross_gene and mine are both called 'cross-gene' in figures",
        ),
        (["metrics", "mine"], {"type": "kendall"}, "metrics.mine.type: there is no kendall among metrics"),
        (["metrics", "mine"], {"type": "cross_gene", "digits": 3}, "metrics.mine.digits: is unknown; known are type"),
        (["figures", "fig3_1", "runs", 0, "groop"], "x", "groop"),
        (["figures", "fig3_1", "series"], "colour", "figures.fig3_1.series"),
        (["inputs", "chromatin_40kb", "bins"], 313, "inputs.chromatin_40kb.bins"),
        (["inputs", "chromatin_40kb", "bins"], 898, "inputs.chromatin_40kb.bins"),
        (["inputs", "chromatin_40kb", "bins"], 64, "enformer_experimental/chromatin_40kb"),
        (["figures", "fig9_1"], {}, "figures.fig9_1.kind: is needed (The kind of figure"),
        (["figures", "fig3_2", "runs", 0, "source"], [], "figures.fig3_2.runs.0.source"),
        (["figures", "fig3_2", "runs", 0, "head"], "cnn", "figures.fig3_2.runs: head cnn is not among heads"),
        (["figures", "fig3_2", "runs", 0, "inputs"], "cagee", "figures.fig3_2.runs: inputs cagee is not among inputs"),
        (["figures", "fig3_2", "runs", 0, "inputs"], "embedding", "inputs.embedding.tracks: embedding is not what"),
        (
            ["figures", "fig3_2", "runs", 0, "head"],
            "finetuned",
            "heads.finetuned.features: sequences: does not go with",
        ),
        (["figures", "fig3_5", "runs", 0, "source"], "enformer_predicted", "enformer_predicted, which is predicted"),
        (["figures", "fig3_5", "runs", 0, "inputs"], "chromatin", "inputs.chromatin.tracks: chromatin is not what"),
        (
            ["heads", "finetuned"],
            {
                "type": "finetuned",
                "features": "sequences",
                "adaptation": {"batch_norm": "train"},
                "settings": {"activation_checkpointing": True},
                "grid": {"learning_rate": [1e-4]},
            },
            "heads.finetuned.settings.activation_checkpointing: False was expected (Computing",
        ),
        (
            ["heads", "finetuned", "settings", "batch_norm"],
            "train",
            "heads.finetuned.settings.batch_norm: is now heads.NAME.adaptation.batch_norm",
        ),
        (
            ["heads", "finetuned", "adaptation"],
            {"type": "lora"},
            "heads.finetuned.adaptation.type: there is no lora among adaptations; there are all, frozen",
        ),
        (
            ["heads", "finetuned", "adaptation"],
            {"type": "frozen", "batch_norm": "train"},
            "heads.finetuned.adaptation.batch_norm: is unknown; known are type",
        ),
        (
            ["heads", "finetuned", "adaptation"],
            {"batch_norm": "off"},
            "heads.finetuned.adaptation.batch_norm: 'off' is not one of",
        ),
        (["heads", "frozen", "adaptation"], {"type": "all"}, "heads.frozen.adaptation: type frozen trains no backbone"),
        (["backbones", "enformer", "conda"], "nowhere.yaml", "backbones.enformer.conda: there is no file nowhere.yaml"),
        (
            ["backbones", "enformer", "conda"],
            "environment.txt",
            "backbones.enformer.conda: 'environment.txt' does not match",
        ),
        (["backbones", "enformer", "room"], "enformer", "backbones.enformer.room: is now backbones.NAME.type"),
        (["heads", "multi_cnn", "batch_size"], 1, "heads.multi_cnn.batch_size: 1 is less than"),
        (
            ["sources", "enformer_50kb", "geometry"],
            {"sequence_length": 50048, "bins": 390, "bin_size": 128},
            "391 bins of 128 bp, which cannot be cropped to 390",
        ),
        (
            ["sources", "enformer_50kb", "geometry"],
            {"sequence_length": 50050, "bins": 391, "bin_size": 128},
            "which cannot be cropped",
        ),
        (
            ["sources", "enformer_50kb", "geometry"],
            {"sequence_length": 50176, "bins": 196, "bin_size": 256},
            "geometry.bin_size: must be the backbone's, 128",
        ),
        (["figures", "fig3_6", "runs", 0, "label"], "Base Enformer", "2 models would be called 'Base Enformer'"),
        (
            ["figures", "fig3_6", "runs", 0],
            {
                "group": "a",
                "label": "Fine-tuned, α = 10",
                "source": "enformer_50kb",
                "inputs": "embedding",
                "head": "finetuned",
                "loss": "mse",
            },
            "2 models would be called",
        ),
        (
            ["figures", "fig2_2", "runs", 0, "head"],
            "single_cnn",
            "head.type: 'cnn' was expected (It shows a multi-tissue CNN.)",
        ),
        (["figures", "fig2_3", "runs", 0, "label"], "Training mean", "which is what the baseline is called"),
        (
            ["figures", "fig2_1", "runs"],
            [{"source": "enformer_50kb", "inputs": "embedding", "head": "frozen", "loss": "mse"}],
            "enformer_50kb/embedding/frozen/mse: inputs.tracks: 'embedding' should not be valid under",
        ),
        (
            ["figures", "fig3_6", "runs", 0, "head"],
            "frozen",
            "/frozen/mse: head.features: 'sequences' was expected (A figure of attention shows",
        ),
        (["figures", "fig2_5", "runs", 0, "inputs"], "chromatin_40kb", "has no bins to choose from"),
        (["backbones", "enformer", "central_bins"], 0, "needs backbones.enformer.central_bins above 0"),
        (
            ["inputs", "chromatin", "orientation"],
            "genomic",
            "heads.ridge.features: spatial_basis: knows upstream and downstream only",
        ),
        (["sources", "enformer_50kb", "geometry", "sequence_length"], 393216, "cannot be the middle of the backbone's"),
        (["sources", "enformer_50kb", "geometry", "bins"], 392, "sources.enformer_50kb.geometry: "),
        (["sources", "enformer_50kb", "bins"], 392, "sources.enformer_50kb.bins: more than geometry.bins (391)"),
        (["sources", "enformer_50kb"], EMBEDDED_BELUGA, "only a backbone with one centred window"),
        (
            ["sources", "enformer_50kb"],
            EMBEDDED_BELUGA,
            "sources.enformer_50kb.kind: embedded: needs the embedding of backbone beluga, but its type beluga offers only tracks",
        ),
        (
            ["sources", "enformer_50kb", "settings"],
            {"use_tf_gama": 1},
            "sources.enformer_50kb.settings.use_tf_gama: is",
        ),
        (
            ["sources", "enformer_predicted", "bins"],
            10,
            "sources.enformer_predicted.bins: only embedded sources have it",
        ),
        (
            ["sources", "enformer_50kb", "geometry"],
            {"sequence_length": 50176, "bins": 392, "bin_size": 128},
            "have none in the middle",
        ),
        (
            ["figures", "fig3_7", "distal_bins"],
            195,
            "figures.fig3_7.distal_bins: none of the 195 bins on a side of enformer_50kb",
        ),
        (["figures", "fig3_7", "thresholds"], [1.5], "figures.fig3_7.thresholds.0: 1.5"),
        (["attention"], {"distal_bins": 50}, "attention: is now figures.NAME.distal_bins and figures.NAME.thresholds"),
        (["heads", "multi_cnn", "settings", "blocks"], 8, "heads.multi_cnn.settings.blocks"),
        (["heads", "multi_cnn", "grid", "dropout"], [], "heads.multi_cnn.grid.dropout"),
        (["heads", "multi_cnn", "type"], "cmn", "heads.multi_cnn.type: there is no cmn among heads; there are cnn, "),
        (["heads", "multi_cnn", "room"], "cnn", "heads.multi_cnn.room: is now heads.NAME.type"),
        (["heads", "single_cnn", "settings", "jobs"], 2, "heads.single_cnn.settings.jobs: is now heads.NAME.jobs"),
        (
            ["heads", "finetuned", "settings", "devices"],
            2,
            "heads.finetuned.settings.devices: is now heads.NAME.devices",
        ),
        (["heads", "multi_cnn", "jobs"], 2, "heads.multi_cnn.jobs: the tissues of type cnn learn from one another"),
        (["heads", "ridge", "devices"], 2, "heads.ridge.devices: type ridge works on one device"),
        (["losses", "mse", "type"], "hybird", "losses.mse.type: there is no hybird among losses; there are hybrid"),
        (["losses", "mse", "gamma"], 1, "losses.mse.gamma: is unknown; known are type, label, alpha, beta"),
        (
            ["backbones", "beluga", "type"],
            "belugo",
            "backbones.beluga.type: there is no belugo among backbones; there are beluga, enformer",
        ),
        (["heads", "multi_cnn", "settings", "widht"], 3, "heads.multi_cnn.settings.widht: is unknown"),
        (["heads", "multi_cnn", "settings", "transform"], "lgo", "heads.multi_cnn.settings.transform: 'lgo'"),
        (["heads", "multi_cnn", "settings", "kernel_size"], "five", "heads.multi_cnn.settings.kernel_size: 'five'"),
        (["heads", "multi_cnn", "settings", "kernel_size"], 5.0, "heads.multi_cnn.settings.kernel_size: 5.0"),
        (["heads", "multi_cnn", "settings", "kernel_size"], 4, "sees; odd"),
        (["heads", "multi_cnn", "settings", "weight_decay"], -1, "heads.multi_cnn.settings.weight_decay: -1"),
        (["heads", "multi_cnn", "grid", "learning_rte"], [1], "heads.multi_cnn.grid.learning_rte: is unknown"),
        (["heads", "multi_cnn", "grid"], {"dropout": [0]}, "heads.multi_cnn.grid.learning_rate: is needed"),
        (["heads", "multi_cnn", "grid", "learning_rate"], [0], "heads.multi_cnn.grid.learning_rate.0: 0 "),
        (["heads", "multi_cnn", "grid", "learning_rate"], ["1e-4"], "learning_rate.0: '1e-4' is not of type 'number'"),
        (["heads", "multi_cnn", "grid", "learning_rate"], ["1e-4"], "written 1.0e-4, not 1e-4"),
        (["expression", "pseudocount"], "1e-4", "written 1.0e-4, not 1e-4"),
        (["expression", "pseudocount"], "0.01", "in --config 'a={b: 1}' Snakemake makes text"),
        (["heads", "multi_cnn", "max_epochs"], "5", "in --config 'a={b: 1}' Snakemake makes text"),
        (["backbones", "enformer", "reverse_complement"], "true", "in --config 'a={b: 1}' Snakemake makes text"),
        (["heads", "multi_cnn", "grid", "dropout"], [2.0, -1], "heads.multi_cnn.grid.dropout.0: 2.0 "),
        (["heads", "multi_cnn", "grid", "dropout"], [2.0, -1], "heads.multi_cnn.grid.dropout.1: -1 "),
        (
            ["figures", "fig2_3", "runs", 0, "loss"],
            "hybrid_1",
            "/ridge/hybrid_1: loss.squared_error: True was expected (Ridge minimises",
        ),
        (
            ["figures", "fig2_3", "runs", 0, "loss"],
            "hybrid_1",
            "single_cnn/hybrid_1: loss.one_tissue: True was expected (It has no other tissue",
        ),
        (
            ["figures", "fig2_5", "runs", 0, "loss"],
            "pearson",
            "figures.fig2_5.runs: enformer_predicted/cage/probe/pearson: loss",
        ),
        (["figures", "fig3_1", "runs", 0, "head"], "frozen", "source.kind: 'embedded' was expected"),
        (["heads", "ridge", "features"], "store", "heads.ridge.features: store, but type ridge takes reduced features"),
        (
            ["heads", "ridge", "select_by"],
            "validation_loss",
            "heads.ridge.select_by: 'validation_cross_gene' was expected",
        ),
        (
            ["heads", "multi_cnn", "features"],
            "spatial_basis",
            "heads.multi_cnn.features: spatial_basis, but type cnn takes the feature store",
        ),
        (
            ["heads", "single_cnn", "features"],
            "central_means",
            "heads.single_cnn.features: central_means, but type single_cnn takes the feature store",
        ),
        (["heads", "probe", "features"], "store", "heads.probe.features: 'central_means' was expected"),
        (
            ["heads", "frozen", "features"],
            "central_means",
            "heads.frozen.features: central_means, but type frozen takes the feature store",
        ),
        (
            ["heads", "finetuned", "features"],
            "store",
            "heads.finetuned.features: store, but type finetuned takes sequences",
        ),
        (["backbones", "enformer", "settings"], {"use_tf_gama": True}, "backbones.enformer.settings.use_tf_gama: is"),
        (["backbones", "enformer", "geometry", "sequence_length"], 131072, "only length that use_tf_gamma exists for"),
        (["backbones", "beluga", "settings"], {"hiden": 3}, "backbones.beluga.settings.hiden: is unknown"),
        (["backbones", "beluga", "settings"], {"channels": [1, 2]}, "backbones.beluga.settings.channels"),
        (
            ["backbones", "beluga", "trained_on"],
            {"regions": "a.bed", "all_but": ["chr8"]},
            "backbones.beluga.trained_on: give regions, or all_but, and only one of these",
        ),
        (
            ["backbones", "beluga", "trained_on"],
            {"folds": ["train"], "all_but": ["chr8"]},
            "backbones.beluga.trained_on: ",
        ),
        (["backbones", "beluga", "trained_on"], {"region": "a.bed"}, "backbones.beluga.trained_on"),
        (["leakage"], {"shared": 1}, "leakage.shared"),
        (["leakage"], {"sampled": -1}, "leakage.sampled"),
        (["figures", "fig3_1", "losses"], ["mse", "pearson"], "figures.fig3_1.losses"),
        (
            ["sources", "beluga_predicted", "label"],
            "Enformer predictions",
            "figures.fig3_2.runs: group 'Enformer predictions' mixes the splits chr14 and chr8",
        ),
        (["resources", "genome_grch38"], {}, "resources.genome_grch38"),
        (["resources", "genome_grch38", "sha256"], "abc", "resources.genome_grch38.sha256"),
    ],
)
def test_a_bad_key_is_named(config, keys, value, named):
    with pytest.raises(InputError, match="config/README.md") as error:
        schema.checked(broken(config, keys, value))
    assert named in str(error.value)


@pytest.mark.parametrize(
    "keys, value, named",
    [
        (["genome", "tisues"], 24, "simulation.genome.tisues: is unknown"),
        (["genome", "tissues"], "many", "simulation.genome.tissues"),
        (["genome", "genes", "chr1"], -1, "simulation.genome.genes.chr1"),
        (["genome"], {}, "simulation.genome.genes: is needed"),
        (["backbones", "beluga", "train_on"], "nope", "simulation.backbones.beluga.train_on: nope"),
        (["backbones", "beluga", "train_on"], "beluga_predicted", "simulation.backbones.beluga.train_on"),
        (["backbones", "beluga", "train_on"], "enformer_experimental", "simulation.backbones.beluga.train_on"),
        (["backbones", "beluga", "epoch"], 3, "simulation.backbones.beluga.epoch: is unknown"),
        (["backbones", "beluga", "network", "dim"], 3, "simulation.backbones.beluga.network.dim: is unknown"),
        (["backbones", "enformer", "network", "depth"], 0, "simulation.backbones.enformer.network.depth"),
        (["backbones", "borzoi"], {}, "borzoi"),
    ],
)
def test_a_bad_key_of_the_simulation_is_named(demo, keys, value, named):
    with pytest.raises(InputError) as error:
        schema.checked(broken(demo, ["simulation", *keys], value))
    assert named in str(error.value)


def test_a_simulated_backbone_is_trained_on_tracks_that_it_predicts(demo):
    demo["sources"]["beluga_experimental"]["tracks"] = "beluga_tracks"
    schema.checked(demo)
    demo["sources"]["beluga_experimental"]["tracks"] = "enformer_tracks"
    with pytest.raises(InputError, match="simulation.backbones.beluga.train_on: beluga_experimental has tracks of its"):
        schema.checked(demo)


def test_the_demo_is_accepted_and_what_types_understand_is_completed(demo):
    demo["heads"]["multi_cnn"]["settings"] = {"blocks": 3}
    demo["backbones"]["enformer"]["settings"] = {}
    full = schema.checked(demo)
    assert full["heads"]["multi_cnn"]["settings"]["transform"] == "log1p"
    assert full["backbones"]["enformer"]["settings"] == {"use_tf_gamma": False, "positional_basis": "library"}
    assert full["backbones"]["beluga"]["settings"] == demo["backbones"]["beluga"]["settings"]
    assert demo["heads"]["multi_cnn"]["settings"] == {"blocks": 3}, "the caller's config stays as it was"


def test_a_file_of_ones_own_declares_what_its_head_takes(config, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "class Mine:\n    declares = {'api': 1, 'takes': 'store', 'schema': {'properties': {'settings': {'properties': "
        "{'depth': {'type': 'integer', 'default': 3}}}}}}\n"
    )
    config["heads"]["multi_cnn_cage"] = {"type": f"{file}:Mine", "label": "Mine", "settings": {"blocks": 12}}
    full = schema.checked(config)["heads"]["multi_cnn_cage"]
    assert full["settings"] == {"blocks": 12, "depth": 3}, "no name of a setting means anything by itself"
    config["heads"]["multi_cnn_cage"]["settings"]["depth"] = "many"
    with pytest.raises(InputError, match="heads.multi_cnn_cage.settings.depth: 'many' is not of type 'integer'"):
        schema.checked(config)


@pytest.mark.parametrize(
    "offers, named",
    [
        ([], "sources.enformer_predicted.kind: predicted: needs the tracks of backbone enformer, but its type"),
        ([], "offers only nothing"),
        (["tracks"], "sources.enformer_50kb.kind: embedded: needs the embedding of backbone enformer"),
        (["tracks"], "inputs.embedding.tracks: embedding: enformer_predicted/embedding/probe/mse: needs the embedding"),
        (
            ["tracks", "embedding"],
            "heads.finetuned.features: sequences: enformer_50kb/embedding/finetuned/mse: needs the trunk",
        ),
        (
            ["tracks", "embedding", "trunk"],
            "sources.enformer_50kb: figures of attention: needs the attention of backbone",
        ),
        (["tracks", "embedding", "trunk"], "offers only tracks, embedding, trunk"),
    ],
)
def test_what_a_run_needs_of_a_backbone_must_be_offered(config, tmp_path, offers, named):
    file = tmp_path / "mine.py"
    file.write_text(f"class Mine:\n    declares = {{'api': 1, 'offers': {offers}}}\n")
    config["backbones"]["enformer"] |= {"type": f"{file}:Mine", "settings": {}}
    with pytest.raises(InputError) as error:
        schema.checked(config)
    assert named in str(error.value)
    config["figures"] = {name: config["figures"][name] for name in ("fig2_3", "fig3_3") if "trunk" in offers}
    if config["figures"]:
        schema.checked(config)


def test_heads_on_sequences_train_all_of_the_trunk_where_nothing_is_said(config):
    for given in ({}, {"adaptation": {}}, {"adaptation": {"type": "all"}}):
        config["heads"]["finetuned"].pop("adaptation", None)
        config["heads"]["finetuned"] |= given
        full = schema.checked(config)["heads"]
        assert full["finetuned"]["adaptation"] == {"type": "all", "batch_norm": "frozen"}
        assert not any("adaptation" in head for name, head in full.items() if name != "finetuned")


@pytest.mark.parametrize(
    "kind, name, part, wanted",
    [
        ("backbones", "enformer", "settings", lambda: parameters(enformer.read)),
        ("backbones", "beluga", "settings", lambda: parameters(beluga.Network)),
        ("backbones", "beluga", "network", lambda: parameters(beluga.Network)),
        ("adaptations", "all", None, lambda: parameters(adaptations.AllParameters)),
        ("adaptations", "frozen", None, lambda: parameters(adaptations.Frozen)),
        ("simulation", None, "genome", lambda: {field.name for field in dataclasses.fields(genome.Settings)}),
    ],
)
def test_schemas_list_what_the_code_takes(kind, name, part, wanted):
    simulation = yaml.safe_load(SIMULATION.read_text())
    rules = simulation if kind == "simulation" else registry.find(kind, name).declares["schema"]
    section = rules["properties"][part] if part else rules
    section = rules["$defs"]["sizes"] if "$ref" in section else section
    assert set(section["properties"]) == wanted()


def test_the_cnn_declares_what_its_network_takes():
    declared = registry.find("heads", "cnn").declares["schema"]["properties"]["settings"]["properties"]
    assert set(declared) == parameters(cnn.ExpressionCNN) | {"weight_decay"}


def parameters(function):
    """The parameters of a function that settings give, not its data, geometry, grid or seed."""
    given = {"weights", "geometry", "tracks", "bins", "tissues", "window", "dropout", "seed", "start"}
    return set(inspect.signature(function).parameters) - given


def test_a_missing_section_is_named(config):
    del config["losses"]
    with pytest.raises(InputError, match="losses"):
        schema.checked(config)


def described_keys():
    """Every key of every schema, by where it is, with its schema, and where the default of its section comes from."""

    def below(rules, where, origin):
        for key, inner in rules.get("properties", {}).items():
            own = inner.get("origin", origin)
            yield f"{where}.{key}", inner, own
            yield from below(inner, f"{where}.{key}", own)
        for inner in [rules.get("additionalProperties"), rules.get("items"), *rules.get("$defs", {}).values()]:
            if isinstance(inner, dict):
                yield from below(inner, where, inner.get("origin", origin))

    schemas = {file.name: yaml.safe_load(file.read_text()) for file in [SCHEMA, SIMULATION]}
    schemas |= {
        f"{kind}.{name}": registry.find(kind, name).declares.get("schema", {})
        for kind in registry.OWN
        for name in registry.OWN[kind]
    }
    return [found for where, rules in schemas.items() for found in below(rules, where, "")]


@pytest.mark.parametrize(
    ("where", "rules", "origin"), [pytest.param(*found, id=found[0]) for found in described_keys()]
)
def test_every_key_is_described_and_its_default_has_an_origin(where, rules, origin):
    is_leaf = not {"properties", "additionalProperties", "$ref"} & set(rules) and rules.get("type") != "object"
    if is_leaf or "description" in rules:
        # An unquoted comma would end it early.
        assert rules.get("description", "").endswith("."), "give it a description, a sentence"
    if is_leaf and "default" in rules:
        assert origin, "say where its default comes from (origin)"
    assert not origin or origin.split(",")[0] in reference.ORIGINS


def test_the_readme_is_what_the_schemas_say():
    assert reference.README.read_text() == reference.text(), "config/README.md differs from the schemas: run make docs"


def test_the_readme_has_every_key():
    readme = reference.README.read_text()
    for where, *_ in described_keys():
        key = where.rpartition(".")[2]
        assert re.search(rf"`(\w+\.)*{key}`( \||\n)", readme), f"config/README.md has no line for {where}"


def test_the_readme_shows_the_values_of_the_config():
    lines = {line.split(" | ")[0]: line.split(" | ")[1:] for line in reference.text().splitlines()}
    assert lines["| `heads.NAME.patience`"][:2] == ["`2`", "our choice"]
    assert lines["| `heads.NAME.max_epochs`"][0] == "`5`; `multi_cnn_cage`: `10`", "fine-tuning has its own lines"
    assert lines["| `max_epochs`"][:2] == ["`50`", "thesis, section 2.2"]
    assert lines["| `backbones.NAME.geometry.window`"][0] == "`beluga`: `2000`"
    assert lines["| `simulation.genome.tissues`"][0] == "`24`"
    assert lines["| `figures.NAME.kind`"][:2] == ["needed", ""]
    assert lines["| `seed`"][0] == "`20250501`"


def test_a_figure_has_any_name_and_its_kind_takes_what_it_says(config):
    config["figures"]["my-own_2"] = {"kind": "distal_attention", "runs": config["figures"]["fig3_7"]["runs"]}
    full = schema.checked(config)
    assert runs.settings(full, "my-own_2") == {
        "distal_bins": 50,
        "thresholds": [0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03],
    }
    assert [runs.takes(full, name) for name in ("my-own_2", "fig2_1", "fig2_2", "fig2_3")] == [
        "attention", "sources", "models", "scores"
    ]  # fmt: skip


def test_what_a_class_of_ones_own_does_not_declare_is_named(config, tmp_path):
    (tmp_path / "mine.py").write_text('class A:\n    declares = {"api": 1, "schema": {}}\n')
    config["figures"]["mine"] = {"kind": f"{tmp_path}/mine.py:A", "runs": config["figures"]["fig3_1"]["runs"]}
    with pytest.raises(InputError, match="A takes None; declare one of scores, attention, models, sources"):
        schema.checked(config)
    del config["figures"]["mine"]
    config["metrics"]["mine"] = {"type": f"{tmp_path}/mine.py:A"}
    with pytest.raises(InputError, match="metrics.mine.type: .*mine.py:A does not declare label, quantity, unit"):
        schema.checked(config)


def test_no_code_knows_a_figure_by_its_name():
    files = [
        *(ROOT / "workflow").rglob("*.py"),
        *(ROOT / "workflow").rglob("*.smk"),
        *(ROOT / "workflow").rglob("*.rst"),
    ]
    assert len(files) > 50
    assert not [file for file in files if re.search(r"fig\d_\d", file.read_text())]


def test_runs_have_the_metrics_of_the_config(config):
    del config["metrics"]
    assert list(schema.checked(config)["metrics"]) == ["cross_gene", "cross_celltype"]
    config["metrics"] = {"cross_gene": {"type": "cross_gene"}}
    with pytest.raises(InputError, match="figures.fig3_4.metrics: cross_celltype is not among metrics"):
        schema.checked(config)


def test_a_colour_is_that_of_every_run_of_its_line(config):
    found = runs.figure_runs(schema.checked(config), "fig3_4")
    assert [run["colour"] for run in found] == [""] * 8 + ["tab:pink"] * 3


def test_a_line_of_runs_is_every_combination_in_order(config):
    full = schema.checked(config)
    found = runs.figure_runs(full, "fig3_2")
    assert len(found) == 24
    assert [run["run"] for run in found[:2]] == [
        "enformer_predicted/chromatin/multi_cnn/mse", "enformer_predicted/chromatin/multi_cnn/hybrid_0.1"
    ]  # fmt: skip
    assert (found[6]["x"], found[6]["series"], found[7]["series"]) == ("Enformer experimental", "MSE", "α = 0.1")
    found = runs.figure_runs(full, "fig2_3")
    assert [(run["x"], run["series"]) for run in found] == [
        (x, series)
        for x in ("Beluga", "Enformer 114.7 kb", "Enformer 40.2 kb")
        for series in ("Ridge", "Single-tissue CNN", "Multi-tissue CNN")
    ]
    assert {run["inputs"] for run in found[6:]} == {"chromatin_40kb"}


def test_one_line_adds_a_run_with_a_label_of_its_own(config):
    config["figures"]["fig2_3"]["runs"].append(
        {"group": "Beluga", "label": "mine", "source": "beluga_experimental", "inputs": "chromatin", "head": "multi_cnn",
         "loss": "pearson"}
    )  # fmt: skip
    added = runs.figure_runs(schema.checked(config), "fig2_3")[-1]
    assert (added["x"], added["series"]) == ("Beluga", "mine")
    assert added["run"] == "beluga_experimental/chromatin/multi_cnn/pearson"


def test_the_overview_says_what_heads_are_given_of_each_backbone(config):
    config["figures"]["fig2_1"]["runs"] += [
        {
            "label": "40 kb",
            "source": "enformer_experimental",
            "inputs": "chromatin_40kb",
            "head": "ridge",
            "loss": "mse",
        },
        {"source": "enformer_predicted", "inputs": "cage", "head": "probe", "loss": "mse"},
    ]
    enformer, beluga = runs.overview(schema.checked(config), "fig2_1")
    assert enformer.pop("geometry") == {"sequence_length": 196608, "bins": 896, "bin_size": 128}
    assert enformer == {
        "name": "enformer", "label": "Enformer", "predicted": True, "measured": ["enformer_experimental"],
        "tracks": ["chromatin", "cage"], "bins": [896, 314, 10],
    }  # fmt: skip
    assert (beluga["measured"], beluga["bins"]) == (["beluga_experimental"], [200])


def test_the_same_run_twice_is_refused_and_the_baseline_has_one_name(config):
    config["figures"]["fig2_3"]["runs"].append(config["figures"]["fig2_3"]["runs"][0])
    with pytest.raises(InputError, match="would both be labelled 'Ridge' of 'Beluga'"):
        schema.checked(config)


def test_attention_of_two_sources_is_told_apart(config):
    other = config["sources"]["enformer_50kb"] | {
        "label": "Pretrained slice",
        "settings": {"positional_basis": "pretrained_slice"},
    }
    config["sources"]["slice"] = other
    run = {"label": "Fine-tuned, slice", "source": "slice", "inputs": "embedding", "head": "finetuned", "loss": "mse"}
    config["figures"]["fig3_6"]["runs"] = [*config["figures"]["fig3_6"]["runs"], run]
    models = runs.attention_models(schema.checked(config), "fig3_6")
    assert [model["series"] for model in models] == [
        "Base Enformer, Enformer embedding", "Base Enformer, Pretrained slice",
        "Fine-tuned, MSE", "Fine-tuned, α = 10", "Fine-tuned, slice",
    ]  # fmt: skip
    other["geometry"] = {"sequence_length": 49792, "bins": 389, "bin_size": 128}
    with pytest.raises(InputError, match="the windows or the test genes of enformer_50kb and slice differ"):
        schema.checked(config)


def test_an_embedded_source_needs_no_settings(config):
    del config["sources"]["enformer_50kb"]["settings"]
    full = schema.checked(config)
    assert full["sources"]["enformer_50kb"]["settings"] == {"use_tf_gamma": False, "positional_basis": "library"}


def test_every_group_of_a_figure_has_the_baseline_of_its_split(config):
    entries = runs.figure_entries(schema.checked(config), "fig2_4")
    assert [entry for entry in entries if "series" not in entry] == [
        {"run": "baseline/chr8", "x": "Beluga"},
        {"run": "baseline/chr14", "x": "Enformer 114.7 kb"},
        {"run": "baseline/chr14", "x": "Enformer 40.2 kb"},
    ]
    assert len(entries) == 12


def test_thesis_values_are_those_of_runs_and_metrics_of_the_thesis_config(config):
    from chrom2expr.evaluation.scores import read_thesis_values

    full = schema.checked(config)
    stated = {run for _, run in read_thesis_values(ROOT / "config/thesis_values.tsv") if run}
    assert stated <= {run["run"] for figure in full["figures"] for run in runs.figure_runs(full, figure)}
    metrics = {metric for metric, run in read_thesis_values(ROOT / "config/thesis_values.tsv") if run}
    assert metrics <= set(full["metrics"])


def test_resource_paths():
    assert resources.resource_path({"url": "https://x.org/a/hg19.fa.gz"}, "genome") == "<resources>/genome/hg19.fa"
    assert resources.resource_path({"url": "https://x.org/a.tar.gz", "member": "b.pth"}, "w") == "<resources>/w/b.pth"
    assert resources.resource_path({"url": "https://x.org/a.gz", "path": "mine/c.gz"}, "w") == "mine/c.gz"
    both = {"url": "https://x.org/m", "files": ["c.json", "d.bin"], "sha256": {"c.json": "0" * 64}}
    assert resources.resource_path(both, "w") == ["<resources>/w/c.json", "<resources>/w/d.bin"]
    assert resources.resource_path(both | {"path": "here"}, "w") == ["here/c.json", "here/d.bin"]
    source = resources.download_source(both, "w", "c.json")
    assert source == {"name": "w", "file": "c.json", "url": "https://x.org/m/c.json", "member": None}
    assert resources.plan(source, {"resources": {"w": both}}) == (["https://x.org/m/c.json"], "0" * 64)


def test_further_addresses_mirrors_and_checksums_do_not_make_it_another_file():
    first = {"url": "https://x.org/m/?a=1", "files": ["c.gz"]}
    more = {**first, "url": [first["url"], "https://y.org/n"], "sha256": {"c.gz": "1" * 64}}
    source = resources.download_source(more, "w", "c.gz")
    assert source == resources.download_source(first, "w", "c.gz")
    config = {"resources": {"w": more}, "mirror": {"https://x.org": "http://lab/x"}}
    assert resources.plan(source, config) == (["http://lab/x/m/c.gz?a=1", "https://y.org/n/c.gz"], "1" * 64)
    one = {"url": ["https://x.org/a.csv.gz", "https://y.org/a.csv"]}
    assert resources.resource_path(one, "w") == "<resources>/w/a.csv"
    source = resources.download_source(one, "w", "a.csv")
    assert resources.plan(source, {"resources": {"w": one}}) == (one["url"], None)
    other = {"url": one["url"][::-1]}
    assert resources.download_source(other, "w", "a.csv") != source


@pytest.mark.parametrize(
    "address, name",
    [
        ("a/x.csv.gz", "x.csv"),
        ("a/x.csv.gz?download=1", "x.csv"),
        ("a/x.csv.gz#top", "x.csv"),
        ("a/x.csv.GZ?a=b#c", "x.csv"),
        ("a/x.csv?name=x.csv.gz", "x.csv"),
        ("a/x.csv#x.gz", "x.csv"),
        ("x.gz/x.csv", "x.csv"),
        ("a/xgz", "xgz"),
    ],
)
def test_what_is_unpacked_has_a_name_that_says_so(address, name):
    resource = {"url": f"https://x.org/{address}"}
    assert resources.resource_path(resource, "r") == f"<resources>/r/{name}"


def test_members_and_listed_files_keep_their_names():
    archive = {"url": "https://x.org/a.tar.gz?download=1", "member": "b.gz"}
    assert resources.resource_path(archive, "w") == "<resources>/w/b.gz"
    listed = {"url": "https://x.org/m/?download=1", "files": ["c.gz"]}
    assert resources.resource_path(listed, "w") == ["<resources>/w/c.gz"]
    assert resources.download_source(listed, "w", "c.gz")["url"] == "https://x.org/m/c.gz?download=1"


def test_an_address_without_a_name_is_legal_where_the_name_stands_elsewhere(config):
    for resource in ({"files": ["a"]}, {"member": "a"}, {"path": "a.gz"}):
        config["resources"]["genome_grch38"] = {"url": "https://x.org/api/?download=1"} | resource
        schema.checked(config)


def test_loss_labels(config):
    def label(**loss):
        config["losses"]["mine"] = loss
        return schema.checked(config)["losses"]["mine"]["label"]

    assert label(alpha=0, beta=1) == "MSE"
    assert label(alpha=1, beta=0) == "Pearson only"
    assert label(alpha=0.1, beta=1) == "α = 0.1"
    assert label(alpha=10, beta=2) == "α = 10, β = 2"
    assert label(alpha=10, beta=2, label="Mine") == "Mine"


# --- resources and paths ------------------------------------------------------------------------------------------


def refusal(config):
    with pytest.raises(InputError) as error:
        schema.checked(config)
    return str(error.value)


@pytest.mark.parametrize(
    "url, said",
    [
        ("gs://bucket/hg38.fa.gz", "is no http or https address: get it yourself (with gcloud storage cp)"),
        ("s3://bucket/hg38.fa.gz", "(with aws s3 cp), and give it as resources.genome_grch38.path"),
        ("ftp://x.org/hg38.fa.gz", "is no http or https address"),
        ("file:///data/hg38.fa", "is no http or https address"),
        ("hg38.fa", "is no http or https address"),
        ("http://[bad/hg38.fa", "is no address"),
        (["https://x.org/hg38.fa", "https://x.org/"], "https://x.org/ names no file"),
        ([], "resources.genome_grch38.url"),
    ],
)
def test_an_address_that_cannot_be_fetched_is_refused(config, url, said):
    config["resources"]["genome_grch38"] = {"url": url}
    assert said in refusal(config)


def test_what_has_no_address_says_how_to_get_it_once_it_is_used(config):
    config["resources"]["mine"] = {"obtain": "Ask the consortium for tracks.txt."}
    schema.checked(config)
    config["backbones"]["enformer"]["tracks"] = "mine"
    found = refusal(config)
    assert "resources.mine: chrom2expr cannot fetch it. Ask the consortium for tracks.txt. Then give its" in found
    config["resources"]["mine"]["path"] = "tracks.txt"
    schema.checked(config)
    del config["resources"]["genome_grch37"]["url"]
    assert "resources.genome_grch37: needs a url or a path" in refusal(config)


def test_a_mirror_is_an_address(config):
    config["mirror"] = {"https://hgdownload.soe.ucsc.edu": "http://files.lab/ucsc"}
    schema.checked(config)
    for mirror in ({"https://x.org": "/data"}, {"/data": "https://x.org"}):
        config["mirror"] = mirror
        assert "mirror" in refusal(config)


def test_a_checksum_that_a_downloaded_file_does_not_have_is_refused(config, tmp_path):
    config["pathvars"]["resources"] = str(tmp_path)
    record = Record(tmp_path)
    record.add("genome_grch38", "hg38.fa", 9, "1" * 64, "https://x.org")
    record.add("enformer_weights", "config.json", 9, "2" * 64, "https://x.org")
    config["resources"]["genome_grch38"]["sha256"] = "3" * 64
    config["resources"]["enformer_weights"]["sha256"] = {"config.json": "4" * 64}
    schema.checked(config)  # nothing is there, and so nothing is wrong
    for name in ("genome_grch38/hg38.fa", "enformer_weights/config.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = refusal(config)
    assert f"resources.genome_grch38.sha256: is {'3' * 64}, but {tmp_path}/genome_grch38/hg38.fa was" in found
    assert "resources.enformer_weights.sha256" in found
    config["resources"]["genome_grch38"]["sha256"] = "1" * 64
    config["resources"]["enformer_weights"]["sha256"] = {"config.json": "2" * 64}
    schema.checked(config)


def test_home_and_variables_in_paths_are_expanded(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAB", str(tmp_path / "lab"))
    for name in ("bw/CNhs1.bw", "lab/split.tsv", "lab/env.yaml", "lab/kin.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    config["resources"]["genome_grch38"] = {"path": "~/hg38.fa"}
    config["splits"]["lab"] = {"file": "$LAB/split.tsv"}
    config["splits"]["kin"] = {"families": {"table": "$LAB/kin.tsv"}}
    config["backbones"]["enformer"]["conda"] = "${LAB}/env.yaml"
    config["thesis_values"] = "$LAB/values.tsv"
    config["sources"]["enformer_experimental"]["bigwigs"]["CNhs"] = "~/bw/{identifier}.bw"
    config["sources"]["enformer_experimental"]["overrides"] = "$LAB/own.tsv"
    full = schema.checked(config)
    assert full["resources"]["genome_grch38"]["path"] == f"{tmp_path}/hg38.fa"
    assert full["splits"]["lab"]["file"] == f"{tmp_path}/lab/split.tsv"
    kin = {"table": f"{tmp_path}/lab/kin.tsv", "shared": 0.2, "window": 2000, "validation": 0.1, "test": 0.1}
    assert full["splits"]["kin"] == {"families": kin}
    assert full["backbones"]["enformer"]["conda"] == f"{tmp_path}/lab/env.yaml"
    assert full["thesis_values"] == f"{tmp_path}/lab/values.tsv"
    assert full["sources"]["enformer_experimental"]["bigwigs"]["CNhs"] == f"{tmp_path}/bw/{{identifier}}.bw"
    assert full["sources"]["enformer_experimental"]["overrides"] == f"{tmp_path}/lab/own.tsv"
    assert config["resources"]["genome_grch38"]["path"] == "~/hg38.fa"


@pytest.mark.parametrize(
    "path, said",
    [
        ("$NOT_SET_HERE/x.fa", "the variable NOT_SET_HERE is not set here"),
        ("${NOT_SET_HERE}/x.fa", "the variable NOT_SET_HERE is not set here"),
        ("~nobody_of_this_name/x.fa", "there is no such user's folder"),
    ],
)
def test_what_cannot_be_expanded_is_refused(config, path, said):
    config["resources"]["genome_grch38"] = {"path": path}
    assert f"resources.genome_grch38.path: {path}: {said}" in refusal(config)


@pytest.mark.parametrize("missing", ["skip", "error"])
def test_a_template_without_a_single_file_is_refused(config, tmp_path, missing):
    source = config["sources"]["enformer_experimental"]
    source["missing_bigwigs"] = missing
    source["bigwigs"] = {"CNhs": f"{tmp_path}/b[1]/{{identifier}}/{{identifier}}.bw"}
    for name in ("b[1]/CNhs1", "b1/CNhs1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b1/CNhs1/CNhs1.bw").touch()
    (tmp_path / "b[1]/CNhs1/ENCFF1.bw").touch()
    assert "sources.enformer_experimental.bigwigs.CNhs: there is not one file" in refusal(config)
    (tmp_path / "b[1]/CNhs1/CNhs1.bw").touch()
    schema.checked(config)
    source["bigwigs"] = {"": "<resources>/later/{identifier}.bw"}
    schema.checked(config)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", ".", "", "a\\b"])
def test_a_file_is_named_without_a_folder(config, name):
    config["resources"]["enformer_weights"]["files"] = [name]
    config["resources"]["beluga_weights"]["member"] = name
    found = refusal(config)
    assert "resources.enformer_weights.files.0" in found and "resources.beluga_weights.member" in found


@pytest.mark.parametrize("path", ["~/results", "$HOME/results"])
def test_roots_are_not_expanded_and_so_refused(config, path):
    config["pathvars"]["results"] = path
    assert f"pathvars.results: {path}: ~ and variables are not expanded here" in refusal(config)


def test_braces_in_paths_are_refused(config):
    config["pathvars"]["results"], config["thesis_values"] = "a{b}", "{c}.tsv"
    said = refusal(config)
    assert "thesis_values: {c}.tsv: Snakemake takes braces for wildcards" in said
    del config["thesis_values"]
    assert "pathvars.results: a{b}: Snakemake takes braces for wildcards" in refusal(config)


def test_a_template_of_another_scheme_is_refused(config):
    config["sources"]["enformer_experimental"]["bigwigs"]["CNhs"] = "s3://bucket/{identifier}.bw"
    assert "bigwigs.CNhs: s3://bucket/{identifier}.bw is no http or https address" in refusal(config)


# --- measured tracks of one's own ---------------------------------------------------------------------------------


@pytest.fixture
def lab(config, tmp_path):
    """A measured source without a backbone, and a figure of it."""
    (tmp_path / "a.bw").touch()
    config["sources"]["lab"] = {
        "kind": "measured", "assembly": "grch38", "split": "chr14", "groups": 1, "missing_bigwigs": "error",
        "geometry": {"sequence_length": 12800, "bins": 100, "bin_size": 128},
        "bigwigs": {"": f"{tmp_path}/{{identifier}}.bw"},
    }  # fmt: skip
    runs = [{"source": "lab", "inputs": "chromatin", "head": ["ridge"], "loss": "mse"}]
    config["figures"]["lab"] = {"kind": "scores", "groups": "head", "runs": runs}
    return config


def test_measured_tracks_of_ones_own_need_no_backbone(lab):
    full = schema.checked(lab)
    found = runs.layout(full, "lab")
    assert found == {
        "name": "lab", "label": "lab", "assembly": "grch38", "central_bins": 0,
        "geometry": {"sequence_length": 12800, "bins": 100, "bin_size": 128},
    }  # fmt: skip
    assert runs.layout(full, "beluga_experimental")["name"] == "beluga"
    lab["figures"]["fig2_1"]["runs"].append({"source": "lab", "inputs": "chromatin", "head": "ridge", "loss": "mse"})
    [*_, last] = runs.overview(schema.checked(lab), "fig2_1")
    assert (last["name"], last["measured"], last["predicted"], last["bins"]) == ("lab", ["lab"], False, [100])


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"assembly": None}, "sources.lab.assembly: is needed, since there are several assemblies (grch37, grch38)"),
        ({"geometry": None}, "sources.lab.geometry: is needed, or a backbone, whose it then is"),
        ({"geometry": {"sequence_length": 100, "bins": 100, "bin_size": 128}}, "sources.lab.geometry: "),
        ({"backbone": "enformer"}, "sources.lab.assembly: is that of its backbone; leave one of the two out"),
        ({"kind": "predicted"}, "sources.lab.backbone: is needed, since it is predicted"),
        ({"bigwigs": {"": "https://x.org/{identifier}.bw"}}, "sources.lab.tracks: is needed: at an address"),
    ],
)
def test_what_they_lack_is_named(lab, changes, said):
    for key, value in changes.items():
        lab["sources"]["lab"][key] = value
        if value is None:
            del lab["sources"]["lab"][key]
    assert said in refusal(lab)


def test_linear_probes_of_them_need_central_bins(lab):
    lab["figures"]["lab"]["runs"][0]["head"] = "probe"
    assert "needs sources.lab.central_bins above 0" in refusal(lab)
    lab["sources"]["lab"]["central_bins"] = 10
    schema.checked(lab)


# --- measured tracks of preprocessed records ----------------------------------------------------------------------


@pytest.fixture
def recorded(config):
    """The thesis's measured source as it takes Basenji's preprocessed data."""
    config["resources"]["basenji_tracks"]["path"] = "human"
    config["sources"]["enformer_experimental"] |= {"from": "tfrecords", "records": "basenji_tracks", "bigwigs": None}
    return config


def test_a_source_may_come_from_records(recorded):
    full = schema.checked(recorded)["sources"]
    assert full["beluga_experimental"]["from"] == "bigwigs" and "shards" not in full["beluga_experimental"]
    source = full["enformer_experimental"]
    assert source["shards"] == 32 and source["groups"] == 40 and "bigwigs" not in source
    # Of its own, without a backbone and a table: the data say which tracks there are.
    recorded["sources"]["lab"] = {
        "kind": "measured", "assembly": "grch38", "split": "chr14", "from": "tfrecords", "records": "basenji_tracks",
        "geometry": {"sequence_length": 12800, "bins": 100, "bin_size": 128},
    }  # fmt: skip
    assert schema.checked(recorded)["sources"]["lab"]["groups"] == 1


@pytest.mark.parametrize(
    "name, changes, said",
    [
        ("enformer_experimental", {"bigwigs": {"E": "x/{identifier}.bw"}}, ".bigwigs: from is tfrecords, which needs no"),
        ("enformer_experimental", {"records": None}, "enformer_experimental.records: is needed"),
        ("enformer_experimental", {"records": "nowhere"}, ".records: nowhere is not among resources"),
        ("enformer_experimental", {"records": "genome_grch38"}, "resources.genome_grch38.path: is needed, since nothing"),
        ("enformer_experimental", {"from": "bigwigs"}, ".bigwigs: a measured source needs at least one template"),
        ("enformer_experimental", {"from": "elsewhere"}, ".from: 'elsewhere' is not one of"),
        ("beluga_experimental", {"records": "basenji_tracks"}, ".records: only sources from tfrecords have it"),
        ("beluga_experimental", {"shards": 3}, ".shards: only sources from tfrecords have it"),
        ("beluga_experimental", {"bigwigs": None}, ".bigwigs: a measured source needs at least one template"),
        ("enformer_predicted", {"from": "tfrecords"}, ".from: only measured sources have it"),
    ],
)  # fmt: skip
def test_what_contradicts_records_is_named(recorded, name, changes, said):
    for key, value in changes.items():
        recorded["sources"][name][key] = value
        if value is None and key != "bigwigs":
            del recorded["sources"][name][key]
    assert said in refusal(recorded)


def test_records_that_are_not_there_say_how_to_get_them(recorded):
    del recorded["resources"]["basenji_tracks"]["path"]
    assert "resources.basenji_tracks: chrom2expr cannot fetch it. Its bucket serves no https" in refusal(recorded)


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (["variants"], "elsewhere", "figures.variants.variants: elsewhere is not among variants"),
        (["top"], 0, "figures.variants.top: 0 is less than the minimum"),
        (
            ["runs"],
            [{"source": "beluga_predicted", "inputs": "chromatin", "head": "multi_cnn", "loss": "mse"}],
            "figures.variants.runs: beluga_predicted/chromatin/multi_cnn/mse is not among the runs of variants.planted",
        ),
    ],
)
def test_a_figure_of_variants_shows_runs_that_score_them(demo, keys, value, named):
    with pytest.raises(InputError, match=named):
        schema.checked(broken(demo, ["figures", "variants", *keys], value))


# --- files of variants ---------------------------------------------------------------------------------------------


@pytest.fixture
def scored(config):
    """A file of variants of GRCh38, and two runs of one section."""
    runs = [{"source": "enformer_predicted", "inputs": "chromatin", "head": ["multi_cnn", "ridge"], "loss": "mse"}]
    config["variants"] = {"mine": {"vcf": "mine.vcf.gz", "runs": runs}}
    return config


def test_a_file_of_variants_is_accepted_and_completed(scored):
    found = schema.checked(scored)["variants"]["mine"]
    assert (found["ref_mismatch"], found["shards"], found["annotated_vcf"]) == ("error", 1, False)
    assert len([*runs.spelled_out(found["runs"])]) == 2
    assert schema.checked(broken(scored, ["variants"], {}))["variants"] == {}
    # Of the run's own assembly, and of one that a chain leads from.
    for run, assembly in ({"source": "enformer_predicted"}, "grch37"), ({"source": "beluga_predicted"}, "grch37"):
        scored["variants"]["mine"] |= {"assembly": assembly, "runs": [scored["variants"]["mine"]["runs"][0] | run]}
        schema.checked(scored)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"source": "nowhere"}, "variants.mine.runs: source nowhere is not among sources"),
        ({"head": ["ridge", "nothing"]}, "variants.mine.runs: head nothing is not among heads"),
        ({"source": "enformer_experimental"}, "enformer_experimental/chromatin/multi_cnn/mse reads measured tracks"),
        ({"source": "beluga_predicted", "assembly": "grch38"}, "assemblies.grch38.lift_to.grch37 must name the chain"),
        ({"assembly": "mm39"}, "variants.mine.assembly: mm39 is not among assemblies"),
        ({"vcf": 3}, "variants.mine.vcf: 3 is not of type 'string'"),
        ({"annotated_vcf": "yes"}, "variants.mine.annotated_vcf: 'yes' is not of type 'boolean'"),
        ({"ref_mismatch": "drop"}, "variants.mine.ref_mismatch: 'drop' is not one of"),
        ({"shards": 0}, "variants.mine.shards: 0 is less than the minimum of 1"),
        ({"loss": None}, "variants.mine.runs.0.loss"),
    ],
)
def test_what_no_run_can_score_is_named(scored, changes, said):
    [run] = scored["variants"]["mine"]["runs"]
    for key, value in changes.items():
        (run if key in run else scored["variants"]["mine"])[key] = value
    assert said in refusal(scored)


def test_of_a_folded_source_one_model_is_named(scored):
    scored["splits"]["three"] = {"folds": 3}
    scored["sources"]["mine"] = scored["sources"]["enformer_predicted"] | {"split": "three"}
    [run] = scored["variants"]["mine"]["runs"]
    run["source"] = "mine"
    assert "source mine has a model for each fold: name one, as mine@fold0" in refusal(scored)
    run["source"] = "mine@fold1"
    schema.checked(scored)
