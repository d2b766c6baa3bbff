"""The wiring between config and code: every param and every input of every script decides something.

A small world in the real formats goes through all scripts once (small_workflow). Then each param and input of each is
changed by itself, and another result is demanded: other numbers, not just another description of where they come from.
What is documented to change nothing is in the table too, with the reason, and then must not. The table is complete,
or a test fails: who adds a param to a rule, a key to a head's settings or a script adds a line here.
"""

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from chrom2expr import registry
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.heads import cnn, finetuned, frozen_trunk, ridge
from chrom2expr.simulation import genome
from chrom2expr.tracks.store_reader import FeatureStore
from made_expecto import write_dump
from small_workflow import (
    AUDITED,
    CATALOGUED,
    EFFECTS,
    METRICS,
    MODELS,
    OVERVIEW,
    PLAN,
    RUNS,
    SCORING,
    STEPS,
    each,
    weights,
)
from small_world import ROOT, SCRIPTS, Raw, Refusal, differing, of

# What is in the world beside the files that the base steps read.
OTHER_LIFT = of("lift", "tss", input__chains=[Raw("other.over.chain.gz")])
FEWER_TRACKS = of("collect_0", "manifest", params__groups=3)
PRIMARY = {"input.tss": of("lift", "tss", params__contigs="primary")}
REPEATS_37 = of("index_grch37", "fasta", input__fasta=Raw("grch37_repeats.fa"))
OTHER_GENES = of("split", params__seed=2)
OTHER_TARGETS = of("targets", input__expression=Raw("other.exp.csv"))
OTHER_WEIGHTS = weights("enformer_other")
OTHER_SCORES = each("evaluate_ridge", "evaluate_cnn", "baseline", name="scores")
OTHER_METRICS = [{"name": "cross_gene", "type": "cross_celltype"}, {"name": "cross_celltype", "type": "cross_gene"}]
OTHER_PREDICTED = each("predict_0", "predict_1", input__weights=OTHER_WEIGHTS)
OTHER_EMBEDDED = each("embed_0", "embed_1", input__weights=OTHER_WEIGHTS)
MOVED_MEASURED = each("bin_0", "bin_1", input__tss=OTHER_LIFT)
OTHER_EFFECTS = each("score_0", "score_1", input__vcf=Raw("variants_other.vcf"))
WIDE = {"input.weights": weights("enformer_wide")}
OTHER_38 = {"input__fasta": Raw("grch38_other.fa")}
OTHER_37 = {"input__fasta": Raw("grch37_other.fa")}
LONGER_CHAIN = of("lift", "contigs", input__chains=[Raw("longer.over.chain.gz")])


@dataclass(frozen=True)
class Change:
    """Another value of a param or input, and what it must do.

    `shows` says where: in the numbers, in the descriptions alone, as an error whose log has the `text`, or nowhere, for
    the reason in `text`; `swapped` puts another file's content in the input's place, which must give other numbers or
    an error. `given` are changes that both runs share.
    """

    value: Any
    shows: str = "numbers"
    text: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    error: type[BaseException] = Refusal


def described(value: Any) -> Change:
    """Where it comes from is noted, and no number depends on it."""
    return Change(value, "descriptions")


def refused(value: Any, text: str, given: dict[str, Any] | None = None, error: type[BaseException] = Refusal) -> Change:
    """The script ends with this message."""
    return Change(value, "error", text, given or {}, error)


def same(value: Any, reason: str, given: dict[str, Any] | None = None) -> Change:
    """Documented to change no number."""
    return Change(value, "nowhere", reason, given or {})


def swapped(value: Any) -> Change:
    """The input is read through another file, or beside it, by the path it had."""
    return Change(value, "swapped")


def given(changes: dict[str, Any], value: Any) -> Change:
    """What shows only together with other changes."""
    return Change(value, given=changes)


class Several(tuple):
    """Several changes of one param or input."""


def several(*changes: Any) -> Several:
    return Several(changes)


ELSEWHERE = refused("elsewhere", "elsewhere")
NO_KIND = refused("pies", "there is no pies among figures")
ONE_POINT = "an ordinary regression has nothing to choose and draws nothing"
EXACT = "the solution is exact: nothing is trained step by step, and nothing drawn"
NOT_TRAINED = "its models are read, and the config refuses runs of other losses"
BATCHES = "how many genes are read at a time"
A_GPU = "of GPUs, of which there is none here"

# Where nothing is learned, the seed shows in the initial weights, not in the order of the genes.
STILL = {"params.grid.learning_rate": [1e-12]}

# Without BatchNorm too, whose statistics would tell one order of the genes from another.
BARE = STILL | {"params.settings.blocks": 0}
FLAT = {"input.expression": of("targets", input__expression=Raw("flat.exp.csv"))}

# Params that all heads which are trained step by step have in common.
TRAINED = {
    "params.type": ELSEWHERE,
    "params.loss.type": refused("elsewhere", "elsewhere among losses"),
    "params.loss.alpha": 5,
    "params.loss.beta": 7,
    "params.settings.weight_decay": 5.0,
    "params.grid.learning_rate": [0.002],
    "params.batch_size": 5,
    "params.devices": same(2, A_GPU),
    "params.max_epochs": 1,
    "params.patience": given(STILL | {"params.max_epochs": 4}, 1),
    "params.select_by": refused("validation_cross_gene", "undefined", FLAT),
    "params.seed": several(2, given(STILL, 2)),
    "input.split": OTHER_GENES,
    "input.expression": OTHER_TARGETS,
}
# Of heads that fit_head trains.
OWN_MODELS = {"input.models": same([Raw("expecto/resources/modellist")], "only heads that are not trained read them")}
CNN = (
    TRAINED
    | OWN_MODELS
    | {
        "params.patience": given(BARE | {"params.max_epochs": 4}, 1),
        "params.seed": several(2, given(BARE, 2)),
        "params.tracks": "all",
        "params.bins": 4,
        "params.orientation": "genomic",
        "params.features": refused("spatial_basis", "no chrom2expr reduced feature file"),
        "params.settings.transform": "none",
        "params.settings.width": 6,
        "params.settings.kernel_size": 5,
        "params.settings.blocks": 1,
        "params.grid.dropout": [0.6],
        "params.job": given({"params.jobs": 2}, 1),
        "params.jobs": 2,
        "input.features": of("merge_predicted", input__shards=OTHER_PREDICTED),
        "input.shards": swapped(OTHER_PREDICTED),
    }
)
LINEAR = OWN_MODELS | {
    "params.type": ELSEWHERE,
    "params.loss.alpha": refused(1, "compares tissues|a loss that is one"),
    "params.loss.beta": same(3, "a factor of the whole loss"),
    "params.batch_size": same(3, BATCHES),
    "params.devices": same(2, A_GPU),
    "params.max_epochs": same(1, EXACT),
    "params.patience": same(1, EXACT),
    "params.seed": same(2, EXACT),
    "params.job": given({"params.jobs": 2}, 1),
    "params.jobs": 2,
    "params.tracks": refused("all", "its features have tracks chromatin"),
    "params.features": refused("store", "no chrom2expr feature file"),
    "input.split": OTHER_GENES,
    "input.expression": OTHER_TARGETS,
    "input.shards": same(each("predict_0"), "reduced features are read from their own file: the rule gives no shards"),
}
TUNED = TRAINED | {
    "params.settings.warmup_steps": 0,
    "params.settings.gradient_clip": given({"params.settings.weight_decay": 0.0}, 1e-9),
    "params.settings.accumulation": 2,
}
GAMMA = refused(True, "use_tf_gamma is for 196,608 bp")
SLICE = given(WIDE, "pretrained_slice")
SOURCE = described("another")

CHANGES: dict[str, dict[str, Any]] = {
    "simulate": {
        "params.seed": 2,
        "params.variants": {"chr8": 1},
        "params.simulation.genes": {"chr1": 12, "chr8": 9},
        "params.simulation.gene_spacing": 3100,
        "params.simulation.edit_spacing": 700,
        "params.simulation.longest_edit": 30,
        "params.simulation.unliftable": 2,
        "params.simulation.rrna": 2,
        "params.simulation.tissues": 6,
        "params.simulation.lineages": 4,
        "params.simulation.beluga_lineages": 3,
        "params.simulation.core_motifs": 4,
        "params.simulation.regulators": 4,
        "params.simulation.motif_length": 9,
        "params.simulation.mutation": 0.5,
        "params.simulation.enhancers": 3,
        "params.simulation.enhancer_distance": [500, 1000],
        "params.simulation.enhancer_decay": 300,
        "params.simulation.baseline_sd": 2.0,
        "params.simulation.tissue_sd": 0.9,
        "params.simulation.gene_noise_sd": 0.5,
        "params.simulation.noise_sd": 0.1,
        "params.simulation.missing": 0.3,
        "params.simulation.track_noise": 0.5,
        "params.simulation.resolution": 32,
    },
    "download": {
        "params.source.url": same(
            "HTTP/b.txt", "an address that changes fetches the file again, from where resources say"
        ),
        "params.source.member": given(
            {"resources.addresses": '["HTTP/both.tar"]', "params.source.member": "a.txt"}, "b.txt"
        ),
        "params.source.name": same("other", "the name that checksums.tsv has it under"),
        "params.source.file": same("other", "a file of another name is another one, and fetched for itself"),
        "resources.addresses": '["HTTP/b.txt"]',
        "resources.sha256": refused("0" * 64, "the config expects 0000"),
    },
    "lift": {
        "params.tss": several(same("most_upstream", "a table gives its TSSs itself"), refused("all", "no transcripts")),
        "params.columns": {"tss": "TSS"},
        "params.only_types": ["protein_coding"],
        "params.exclude_types": [],
        "params.exclude_chromosomes": ["chrX", "chr8"],
        "params.contigs": "primary",
        "input.annotation": Raw("geneanno_moved.csv"),
        "input.chains": [Raw("other.over.chain.gz")],
        "input.info": same(of("index_grch37", "info"), "a chain knows the contigs"),
        "params.assembly": "grch36",
        "params.lift_to": ["grch39"],
    },
    "lift_none": {
        "params.tss": several(same("most_upstream", "a table gives its TSSs itself"), refused("all", "no transcripts")),
        "params.columns": {"tss": "TSS"},
        "params.only_types": ["protein_coding"],
        "params.exclude_types": [],
        "params.exclude_chromosomes": ["chrX", "chr8"],
        "params.contigs": same("primary", "without a chain no gene leaves its chromosome"),
        "params.assembly": "grch36",
        "params.lift_to": refused(["grch38"], "argument 2 is longer", error=ValueError),
        "input.annotation": Raw("geneanno_moved.csv"),
        "input.chains": refused([Raw("other.over.chain.gz")], "argument 2 is shorter", error=ValueError),
        "input.info": refused(
            of("index_grch37", "info", input__fasta=Raw("grch38_shorter.fa")), "lies past the contig's end"
        ),
    },
    "split": {
        "params.name": same("another", "it is a name in messages"),
        "params.section": several({"held_out": ["chr8"]}, {"validation": ["chr8"], "test": ["chr14"]}),
        "params.seed": 2,
        "input.dropped": same(of("lift", "dropped", params__exclude_types=[]), "only a file may name what was dropped"),
        "input.tss": of("lift", "tss", params__exclude_types=[]),
    },
    "split_file": {
        "input.file": Raw("split_other.tsv"),
        "input.dropped": refused(of("lift", "dropped", params__exclude_types=[]), "is not in the gene table"),
    },
    "split_families": {
        "params.section.families.shared": given({"input.fasta": REPEATS_37}, 0),
        # Windows of neighbours, 400 bp apart, overlap, and then all genes of a chromosome are one group.
        "params.section.families.window": several(500, refused(1_000, "leaves an empty split")),
        "params.section.families.validation": 0.1,
        "params.section.families.test": 0.1,
        "params.seed": 2,
        "input.families": Raw("families_other.tsv"),
        "input.fasta": REPEATS_37,
        "input.fai": swapped(of("index_grch38", "fai")),
        "input.info": refused(of("index_grch38", "info"), "not the index that was made with it"),
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
    },
    "targets": {
        "resources.comparing_tissues": same("a/b/c/d", "the matrix has tissues to compare"),
        "params.tss": several(same("most_upstream", "a table gives its TSSs itself"), refused("all", "no transcripts")),
        "params.columns": refused({"gene_id": "symbol"}, "is not in the gene table"),
        "params.pseudocount": several(0.2, {"default": 0.1, "tissue 2": 0.3}),
        "params.missing": refused("error", "no value for gene"),
        "params.ids": refused("gene_id", "expression: ids"),
        "params.unit": several("counts", refused("log", "is no logarithm"), described("tpm")),
        "params.unmatched": same("skip", "every gene has its row"),
        "params.cells": same({"key": "tissue"}, "the matrix holds no cells"),
        "params.counts_to": refused("tpm", "give a GTF or GFF3", {"params.unit": "counts"}),
        "params.samples": refused({"file": "", "tissue": "tissue 1"}, "no file"),
        "input.quantifications": same([Raw("other.exp.csv")], "they are found by the sample sheet, here a matrix"),
        "input.annotation": Raw("geneanno_swapped.csv"),
        "input.expression": Raw("other.exp.csv"),
        "input.tss": of("lift", "tss", params__exclude_types=[]),
    },
    "index_grch38": {"input.fasta": Raw("grch38_longer.fa")},
    "encoded_0": {
        "params.assembly": "grch37",
        "params.geometry.sequence_length": 98,
        "params.geometry.bins": refused(13, "do not fit in it"),
        "params.geometry.bin_size": refused(16, "do not fit in it"),
        "params.shard": 1,
        "params.shards": 3,
        "input.tss": OTHER_LIFT,
        "input.fasta": of("index_grch38", "fasta", **OTHER_38),
        "input.fai": swapped(of("index_grch38", "fai", input__fasta=Raw("grch38_shorter.fa"))),
        "input.info": several(
            described(of("index_grch38", "info", **OTHER_38)),
            refused(of("index_grch38", "info", input__fasta=Raw("grch38_longer.fa")), "bp long there"),
            refused(of("index_grch38", "info", input__fasta=Raw("grch38_shorter.fa")), "bp long there"),
        ),
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
    },
    "score_0": {
        "input.vcf": Raw("variants_other.vcf"),
        "input.pairs": Raw("pairs.tsv"),
        "input.model": of("fit_cnn", "model", params__seed=2),
        "input.summary": swapped(of("fit_cnn", "summary", params__orientation="genomic")),
        "input.weights": refused(OTHER_WEIGHTS, "not the weights that this run was made with"),
        "input.tss": OTHER_LIFT,
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
        "input.fasta": of("index_grch38", "fasta", **OTHER_38),
        "input.fai": swapped(of("index_grch38", "fai", input__fasta=Raw("grch38_shorter.fa"))),
        "input.info": refused(of("index_grch38", "info", input__fasta=Raw("grch38_longer.fa")), "bp long there"),
        "params.assembly": "grch37",
        "params.written_on": same("grch37", "the chain alone decides; this is for messages"),
        "params.ref_mismatch": refused("error", "REF is"),
        "params.shard": 1,
        "params.shards": 3,
    },
    "score_lifted": {
        "input.chain": Raw("other.over.chain.gz"),
        "input.source": of("index_grch37", "fasta", **OTHER_37),
        "input.source_fai": swapped(of("index_grch38", "fai", input__fasta=Raw("grch38_shorter.fa"))),
        "input.source_info": refused(of("index_grch38", "info"), "not the index that was made with it"),
    },
    "join_variants": {"input.shards": OTHER_EFFECTS},
    "compare_cnn": {
        "input.effects": of("score_lifted"),
        "input.truth": Raw("effects_other.tsv"),
        "params.resamples": 30,
        "params.seed": 2,
    },
    "tabulate_variants": {
        "params.figure": "other",
        "params.kind": NO_KIND,
        "params.runs": [SCORING[0], {**SCORING[1], "series": "Another"}],
        "params.settings.variants": same("yours", "the rule gives the files"),
        "params.settings.top": 4,
        "input.effects": [*EFFECTS.values()][::-1],
        "input.agreements": each("compare_lifted", "compare_cnn"),
        "input.truth": Raw("effects_other.tsv"),
    },
    "annotate_variants": {
        "input.vcf": Raw("variants_other.vcf"),
        "input.table": of("join_variants", "table", input__shards=OTHER_EFFECTS),
        "input.strongest": of("join_variants", "strongest", input__shards=OTHER_EFFECTS),
    },
    "encoded_beluga": {
        "params.assembly": given(PRIMARY, "grch38"),
        "params.geometry.window": 322,
        "params.geometry.bins": 5,
        "params.geometry.bin_size": 18,
    },
    "collect_0": {
        "params.templates.ENCFF": "RAW/bigwigs_other/{identifier}.bw",
        "params.missing": same("error", "no bigWig of this group is missing"),
        "params.group": 1,
        "params.groups": 3,
        "params.source": same("other", "the name that checksums.tsv and messages have it under"),
        "input.tracks": Raw("targets_other.txt"),
        "input.overrides": Raw("overrides.tsv"),
    },
    "collect_1": {
        "resources.mirror": '{"HTTP": "HTTP/nowhere"}',
        "params.templates.CNhs": "HTTP/bigwigs_other/{identifier}.bw",
        "params.missing": refused("error", "ENCFF003"),
    },
    # A source whose table of tracks is its own.
    "collect_lab": {"input.tracks": refused(Raw("targets_human.txt"), "ENCFF003")},
    "bin_lab": {
        "input.manifest": of("collect_lab", "manifest", params__templates={"": "RAW/bigwigs_other/{identifier}.bw"})
    },
    "bin_0": {
        "params.assembly": "grch37",
        "params.geometry.sequence_length": same(200, "the bins lie around the TSS, whatever surrounds them"),
        "params.geometry.bins": 6,
        "params.geometry.bin_size": 12,
        "params.source": SOURCE,
        "input.tss": OTHER_LIFT,
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
        "input.manifest": of("collect_0", "manifest", input__tracks=Raw("targets_other.txt")),
        "input.info": several(
            described(of("index_grch38", "info", **OTHER_38)),
            refused(of("index_grch38", "info", input__fasta=Raw("grch38_longer.fa")), "bp long there"),
        ),
    },
    "bin_1": {
        # Its bigWigs are downloaded into the folder, where the manifest finds them.
        "input.folder": swapped(
            of("collect_1", "folder", params__templates__CNhs="HTTP/bigwigs_other/{identifier}.bw")
        ),
    },
    "bin_beluga": {
        "params.assembly": given(PRIMARY, "grch38"),
        "params.geometry.window": same(400, "the bins lie around the TSS, whatever surrounds them"),
        "params.geometry.bins": 5,
        "params.geometry.bin_size": 20,
    },
    "unpack_0": {
        "params.assembly": "grch37",
        "params.geometry.sequence_length": same(200, "the bins lie around the TSS, whatever surrounds them"),
        "params.geometry.bins": 6,
        "params.geometry.bin_size": 12,
        "params.missing": refused("error", "has no ENCFF003"),
        "params.group": 1,
        "params.groups": 3,
        "input.tss": OTHER_LIFT,
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
        "input.fasta": refused(of("index_grch38", "fasta", **OTHER_38), "bases are not those of"),
        "input.fai": swapped(of("index_grch38", "fai", input__fasta=Raw("grch38_shorter.fa"))),
        "input.info": several(
            described(of("index_grch38", "info", **OTHER_38)),
            refused(of("index_grch38", "info", input__fasta=Raw("grch38_longer.fa")), "bp long there"),
        ),
        "input.tracks": Raw("targets_other.txt"),
        "input.records": Raw("records_other"),
    },
    "average_0": {
        "params.assembly": refused("grch37", "its assembly is grch38"),
        "params.geometry.sequence_length": same(200, "the bins lie around the TSS, whatever surrounds them"),
        "params.geometry.bins": refused(6, "made for other genes"),
        "params.geometry.bin_size": refused(4, "made for other genes"),
        "params.shard": 1,
        "params.shards": 3,
        "params.source": SOURCE,
        "input.tss": refused(OTHER_LIFT, "made for other genes"),
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
        "input.info": several(
            refused(of("index_grch38", "info", **OTHER_38), "its genome_sha256 is"),
            refused(of("index_grch38", "info", input__fasta=Raw("grch38_longer.fa")), "bp long there"),
        ),
        "input.kept": several(
            each("unpack_0", "unpack_1", input__records=Raw("records_other")),
            same(each("unpack_1", "unpack_0"), "bins are added in the order of their rows"),
            refused(each("unpack_0"), "are the groups .0., but there should be 2"),
            refused(
                [of("unpack_0"), of("unpack_1", input__tracks=Raw("lab_tracks.txt"), params__missing="error")],
                "has other tracks than",
            ),
        ),
    },
    "predict_0": {
        "params.type": ELSEWHERE,
        "params.geometry.sequence_length": 80,
        "params.geometry.bins": 6,
        "params.geometry.bin_size": refused(4, "bins of 8 bp, but the config's geometry has bins of 4 bp"),
        "params.settings.use_tf_gamma": GAMMA,
        "params.settings.positional_basis": SLICE,
        "params.reverse_complement": True,
        "params.precision": "bf16",
        "params.central_bins": 4,
        "params.source": SOURCE,
        "resources.batch_size": same(5, "decides memory and speed"),
        "input.encoded": of("encoded_0", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
        "input.weights": OTHER_WEIGHTS,
        "input.tracks": Raw("targets_other.txt"),
    },
    "predict_beluga": {
        "params.geometry.window": refused(400, "the tensors do not fit the configured network"),
        "params.geometry.bins": refused(6, "sequences of 368 bp, but the geometry needs 400 bp"),
        "params.geometry.bin_size": 8,
        "params.settings.channels": refused([4, 5, 7], "the tensors do not fit the configured network"),
        "params.settings.hidden": refused(6, "the tensors do not fit the configured network"),
        "params.reverse_complement": False,
        "params.precision": "bf16",
        "params.central_bins": 2,
        "params.source": SOURCE,
        "input.encoded": of("encoded_beluga", input__fasta=of("index_grch37", "fasta", **OTHER_37)),
        "input.weights": Raw("beluga_other.pth"),
        "input.tracks": Raw("beluga_other.tsv"),
    },
    "embed_0": {
        "params.type": ELSEWHERE,
        "params.geometry.sequence_length": 88,
        "params.geometry.bins": refused(3, "4 central bins are asked for"),
        "params.geometry.bin_size": refused(4, "bins of 8 bp, but the config's geometry has bins of 4 bp"),
        "params.bins": 3,
        "params.reverse_complement": True,
        "params.precision": "bf16",
        "params.settings.use_tf_gamma": GAMMA,
        "params.settings.positional_basis": SLICE,
        "params.source": SOURCE,
        "resources.batch_size": same(5, "decides memory and speed"),
        "input.encoded": of("encoded_0", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
        "input.weights": OTHER_WEIGHTS,
    },
    "merge_predicted": {
        "input.shards": several(
            OTHER_PREDICTED,
            refused([of("predict_0"), OTHER_PREDICTED[1]], "differs from .* in weights_sha256"),
            refused([of("predict_0"), of("predict_1", params__source="another")], "differs from .* in source"),
            refused([of("predict_0"), of("predict_1", params__geometry__bins=6)], "differs from .* in bins"),
            refused([of("predict_0"), of("predict_0")], "twice"),
        ),
    },
    "merge_measured": {
        "input.shards": several(
            each("bin_0"),
            each("bin_1", "bin_0"),
            refused([of("bin_0"), of("bin_1", params__geometry__bin_size=4)], "differs from .* in bin_size"),
            refused([of("bin_0"), of("bin_1", params__assembly="grch37")], "differs from .* in assembly"),
            refused(
                [of("bin_0"), of("bin_1", input__info=of("index_grch38", "info", **OTHER_38))],
                "differs from .* in genome_sha256",
            ),
        ),
    },
    "merge_records": {
        "input.shards": several(
            each("average_0"),
            refused([of("average_0"), of("average_1", params__source="another")], "differs from .* in source"),
        ),
    },
    "sums": {
        "params.reduction": given({"params.bins": 2}, "central_means"),
        "params.geometry.sequence_length": same(200, "the bins lie around the TSS, whatever surrounds them"),
        "params.geometry.bins": refused(6, "has 8 bins of 8 bp"),
        "params.geometry.bin_size": refused(4, "has 8 bins of 8 bp"),
        "params.bins": 4,
        "params.tracks": "cage",
        "input.features": of("merge_predicted", input__shards=OTHER_PREDICTED),
        "input.shards": swapped(OTHER_PREDICTED),
    },
    "means": {
        "params.reduction": "spatial_basis",
        "params.geometry.bins": refused(6, "has 8 bins of 8 bp"),
        "params.bins": 4,
        "params.tracks": "all",
        "input.features": of("merge_measured", input__shards=MOVED_MEASURED),
        "input.shards": swapped(MOVED_MEASURED),
    },
    "fit_cnn": CNN,
    "fit_single_cnn": CNN
    | {
        "params.loss.alpha": refused(1, "compares tissues|a loss that is one"),
        # An undefined correlation is no error here. Of five networks, one at least has its epochs in another order.
        "params.select_by": given(
            {"params.max_epochs": 8, "params.grid.learning_rate": [0.1]}, "validation_cross_gene"
        ),
        "params.settings.bundle": same(2, "networks do not see one another, in whatever company they are trained"),
    },
    "fit_ridge": LINEAR
    | {
        "params.bins": refused(4, "its features have bins 8"),
        "params.orientation": refused("genomic", "its features have orientation gene"),
        "params.features": refused("central_means", "its features have reduction spatial_basis"),
        "params.select_by": refused("validation_loss", "select_by must be validation_cross_gene"),
        "params.settings.standardise": True,
        "params.grid.penalty": [10],
        "input.features": of("sums", params__bins=4),
    },
    "fit_probe": LINEAR
    | {
        "params.bins": refused(4, "its features have bins 2"),
        "params.orientation": same("genomic", "a mean over the bins has no direction"),
        "params.select_by": same("validation_loss", ONE_POINT),
        "params.settings": same({"standardise": True}, ONE_POINT),
        "params.grid": same({"penalty": [1]}, ONE_POINT),
        "input.features": of("means", params__bins=4),
    },
    "fit_expecto": LINEAR
    | {
        "params.loss.alpha": same(1, NOT_TRAINED),
        "params.bins": refused(4, "its features have bins 8"),
        "params.orientation": refused("genomic", "its features have orientation gene"),
        "params.select_by": same("validation_loss", NOT_TRAINED),
        "params.settings.models": same("another", "the name of the resource, whose files are inputs"),
        "params.settings.base_score": 3,
        "params.grid": same({"penalty": [1]}, NOT_TRAINED),
        "input.features": of("sums", params__bins=4),
        "input.models": [Raw("expecto_other/resources/modellist")],
    },
    "fit_frozen": TUNED
    | OWN_MODELS
    | {
        "params.tracks": refused("chromatin", "none of its 48 tracks is of the kind 'chromatin'"),
        "params.bins": 2,
        "params.features": refused("spatial_basis", "no chrom2expr reduced feature file"),
        "params.orientation": same("genomic", "the pool takes a mean over the bins, whose order does not matter"),
        "params.job": given({"params.jobs": 2}, 1),
        "params.jobs": 2,
        "input.features": of("merge_embedded", input__shards=OTHER_EMBEDDED),
        "input.shards": swapped(OTHER_EMBEDDED),
    },
    "finetune": TUNED
    | {
        "params.source": SOURCE,
        "params.geometry.sequence_length": 88,
        "params.geometry.bins": refused(3, "4 central bins are asked for"),
        "params.geometry.bin_size": refused(4, "bins of 8 bp, but the config's geometry has bins of 4 bp"),
        "params.bins": 2,
        "params.trunk.use_tf_gamma": GAMMA,
        "params.trunk.positional_basis": SLICE,
        "params.settings.precision": "bf16",
        "params.settings.activation_checkpointing": same(True, "the same activations, computed twice"),
        "params.backbone_type": ELSEWHERE,
        "params.adaptation.type": given({"params.adaptation": {"type": "all"}}, "frozen"),
        "params.adaptation.batch_norm": "train",
        "resources.gpu": same(0, A_GPU),
        "input.encoded": several(
            each("encoded_0", "encoded_1", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
            refused(each("encoded_0"), "has no sequence there"),
            refused(
                [of("encoded_0"), of("encoded_1", input__info=of("index_grch38", "info", **OTHER_38))],
                "not of the same genome",
            ),
        ),
        "input.weights": OTHER_WEIGHTS,
    },
    "join": {
        "params.type": ELSEWHERE,
        "input.models": each("fit_job_0", "fit_job_1", name="model", params__seed=2),
        "input.grids": each("fit_job_0", "fit_job_1", name="grid", params__seed=2),
        "input.predictions": each("fit_job_0", "fit_job_1", name="predictions", params__seed=2),
        "input.summaries": each("fit_job_0", "fit_job_1", name="summary", params__seed=2),
    },
    "evaluate_cnn": {
        "params.metrics": OTHER_METRICS,
        "params.resamples": 30,
        "params.seed": 2,
        "input.predictions": of("fit_cnn", "predictions", params__seed=2),
    },
    "baseline": {
        "params.metrics": OTHER_METRICS,
        "params.resamples": 30,
        "params.seed": 2,
        "input.splits": several([OTHER_GENES], [of("split"), of("split_beluga")]),
        "input.expression": OTHER_TARGETS,
    },
    "join_folds": {
        "params.runs": described(["a@fold0/b/c/d"]),
        "input.predictions": several(
            [of("fit_ridge", "predictions")],
            refused(
                [of("fit_ridge", "predictions"), of("fit_ridge", "predictions", params__seed=2)],
                "is tested in several of",
            ),
        ),
    },
    "attend_base": {
        "params.type": ELSEWHERE,
        "params.geometry.sequence_length": 88,
        "params.geometry.bins": refused(8, "the same number cropped on both sides"),
        "params.geometry.bin_size": refused(4, "needs an odd number of whole bins"),
        "params.settings.use_tf_gamma": GAMMA,
        "params.settings.positional_basis": SLICE,
        "input.encoded": each("encoded_0", "encoded_1", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
        "input.split": OTHER_GENES,
        "input.weights": OTHER_WEIGHTS,
    },
    "attend_run": {
        "params.head": ELSEWHERE,
        "params.geometry.sequence_length": 88,
        "input.encoded": each("encoded_0", "encoded_1", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
        "input.split": OTHER_GENES,
        "input.model": of("finetune", "model", params__seed=2),
    },
    "tabulate_catalogue": {
        "params.sources": several(
            [{**CATALOGUED[0], "name": "other"}, CATALOGUED[1]],
            [{**CATALOGUED[0], "backbone": ""}, CATALOGUED[1]],
            [{**CATALOGUED[0], "assembly": "grch37"}, CATALOGUED[1]],
            [{**CATALOGUED[0], "overridden": False}, CATALOGUED[1]],
            [CATALOGUED[0], {**CATALOGUED[1], "templates": {"E001": "<resources>/{identifier}.bw"}}],
        ),
        "input.tracks": [Raw("targets_other.txt"), Raw("beluga_other.tsv")],
        "input.overrides": [Raw("overrides_other.tsv")],
    },
    "tabulate_attention": {
        "params.figure": "other",
        "params.kind": "attention_map",
        "params.models": [MODELS[0], {**MODELS[1], "series": "Another"}],
        "params.settings.distal_bins": 3,
        "params.settings.thresholds": [0.09, 0.1, 0.12],
        "input.attention": each("attend_run", "attend_base"),
    },
    "tabulate_scores": {
        "params.figure": "other",
        "params.kind": NO_KIND,
        "params.settings.layout": same("beside", "how bars are drawn"),
        "params.metrics": refused([*reversed(METRICS)], "no column"),
        "params.runs": several(
            [{**RUNS[0], "series": "Another"}, *RUNS[1:]], [{**RUNS[0], "colour": "tab:blue"}, *RUNS[1:]]
        ),
        "params.compare_with_thesis": False,
        "input.scores": OTHER_SCORES,
        "params.sources": refused([{**AUDITED, "source": "other"}], "mine", error=KeyError),
        "params.shared": 1,
        "input.bootstrap": each("evaluate_cnn", "evaluate_ridge", "baseline", name="bootstrap", params__seed=2),
        "input.thesis": Raw("thesis_other.tsv"),
        "input.audits": [of("audit", params__trained_on=None)],
        "input.predictions": each("fit_ridge", "fit_cnn", name="predictions", input__split=of("split_file")),
    },
    "tabulate_sources": {
        "params.figure": "other",
        "params.kind": NO_KIND,
        "params.settings": same({"any": 1}, "an overview has no settings"),
        "params.backbones": [{**OVERVIEW[0], "bins": [6]}],
        "params.heads": ["Ridge", "Probe"],
        "input.tracks": [Raw("targets_other.txt")],
        "input.features": [of("merge_measured", input__shards=[of("bin_0", input__manifest=FEWER_TRACKS)])],
        "input.shards": swapped(each("bin_0", "bin_1", params__geometry__bins=6)),
        "input.expression": of("targets", input__expression=Raw("fewer.exp.csv")),
    },
    "tabulate_models": {
        "params.figure": "other",
        "params.kind": NO_KIND,
        "params.settings": same({"any": 1}, "a network has no settings"),
        "params.runs": refused(
            [{"run": RUNS[0]["run"], "type": "single_cnn"}], "no chrom2expr single-tissue CNN model file"
        ),
        "input.models": each("fit_cnn", name="model", params__settings__width=6),
    },
    "tabulate_variation": {
        "params.compare_with_thesis": False,
        "input.expression": OTHER_TARGETS,
        "input.thesis": Raw("thesis_other.tsv"),
    },
    "tabulate_reproduction": {
        "params.metrics": refused([*reversed(METRICS)], "no column"),
        "params.plan.runs": PLAN["runs"][::-1],
        "params.plan.attention": PLAN["attention"][::-1],
        "params.plan.splits": ["another"],
        "params.plan.tracks": ["beluga"],
        "params.plan.measured": ["another"],
        "params.plan.settings": {"seed": 2},
        "params.plan.distal.beyond": 3,
        "params.plan.distal.thresholds": [0.09, 0.1, 0.12],
        "params.resamples": 30,
        "params.seed": 2,
        "params.compare_with_thesis": False,
        "input.thesis": Raw("thesis_other.tsv"),
        "input.statements": Raw("thesis_statements_other.tsv"),
        "input.scores": each("evaluate_ridge", "evaluate_cnn", name="scores"),
        "input.bootstrap": each("evaluate_cnn", "evaluate_ridge", name="bootstrap", params__seed=2),
        "input.attention": each("attend_run", "attend_base"),
        "input.expression": OTHER_TARGETS,
        "input.tss": of("lift", "tss", params__exclude_types=[]),
        "input.dropped": of("lift", "dropped", params__exclude_types=[]),
        "input.splits": [of("split_beluga")],
        "input.tracks": [Raw("targets_other.txt")],
        "input.features": [of("merge_measured", input__shards=[of("bin_0", input__manifest=FEWER_TRACKS)])],
    },
    "compare": {
        "params.assembly": given(PRIMARY, "grch38"),
        "params.geometry.sequence_length": 430,
        "params.geometry.bins": refused(2, "do not fit in it"),
        "params.geometry.bin_size": same(100, "which bins a window has makes no difference"),
        "params.geometry.tss_index_plus": 200,
        "params.geometry.tss_index_minus": 220,
        "params.sampled": 2,
        "input.tss": of("lift", "tss", params__exclude_chromosomes=["chrX", "chr8"]),
        "input.split": of("split_file", input__file=Raw("split_other.tsv")),
        "input.fasta": REPEATS_37,
        "input.fai": swapped(of("index_grch38", "fai")),
        "input.info": refused(of("index_grch38", "info"), "not the index that was made with it"),
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
    },
    "audit": {
        "params.source": same("another", "it is a name in messages"),
        "params.backbone": same("another", "it is a name in messages"),
        "params.assembly": refused("grch38", "has no chr2_alt"),
        "params.geometry.sequence_length": 430,
        "params.geometry.bins": 20,
        "params.geometry.bin_size": 10,
        "params.geometry.tss_index_plus": 195,
        "params.geometry.tss_index_minus": 205,
        "params.trained_on": several(
            None, {}, {"all_but": ["chr1"]}, refused({"regions": "regions.bed", "folds": ["fold1"]}, "no region is in")
        ),
        "params.trained_on.folds": ["valid"],
        "input.compared": [of("compare", params__sampled=2)],
        "input.tss": of("lift", "tss", input__annotation=Raw("geneanno_moved.csv")),
        "input.lifted": refused(LONGER_CHAIN, "bp long there"),
        "input.info": refused(of("index_grch37", "info", input__fasta=Raw("grch38_shorter.fa")), "bp long there"),
        "input.regions": Raw("regions_other.bed"),
    },
    "tabulate_leakage": {
        "params.sources": [{**AUDITED, "split": "other"}],
        "params.runs": [{"run": "another", "source": "mine"}],
        "params.metrics": OTHER_METRICS,
        "params.shared": 1,
        "input.audits": [of("audit", params__trained_on=None)],
        "input.predictions": [
            of("fit_ridge", "predictions", input__split=of("split_file"), input__expression=OTHER_TARGETS)
        ],
    },
    "draw": {
        "params.figure": refused("other", "is the table of bars, not of other"),
        "params.kind": NO_KIND,
        "params.settings.metrics": ["cross_celltype"],
        "params.settings.x_label": "Another",
        "params.settings.legend": "groups",
        "params.settings.layout": refused("joined", "has room for one series"),
        "input.table": of("tabulate_scores", "table", input__scores=OTHER_SCORES),
    },
    "train_enformer": {
        "params.type": refused("elsewhere", "no recipe to train a small elsewhere"),
        "params.settings.network.dim": 36,
        "params.settings.network.depth": 2,
        "params.settings.network.heads": 1,
        "params.settings.network.attn_dim_key": 6,
        "params.settings.network.dim_divisible_by": 6,
        "params.settings.network.num_downsamples": refused(4, "bins of 16 bp, but the config's geometry has bins of 8"),
        "params.settings.network.dropout_rate": 0.5,
        "params.settings.epochs": 2,
        "params.settings.batch_size": 6,
        "params.settings.learning_rate": 1e-2,
        "params.settings.shift": 0,
        "params.seed": 2,
        "input.encoded": each("encoded_0", "encoded_1", input__fasta=of("index_grch38", "fasta", **OTHER_38)),
        "input.features": of("merge_measured", input__shards=MOVED_MEASURED),
        "input.shards": swapped(MOVED_MEASURED),
        "input.motifs": of("simulate", "motifs", params__seed=2),
        "input.split": of("split_beluga"),
    },
    "plan": {
        "params.config.bootstrap_resamples": 10**9,
        "params.snakefile": "RAW/three.smk",
        "params.configs": ["RAW/four.json"],
        "params.overlaid": {"runs": ["c"]},
        "params.cores": 1,
        "params.gpus": 1,
        "input.rates": Raw("rates_other.tsv"),
    },
    "results": {
        "params.runs": [["another", ["dropout", "learning_rate"]], [RUNS[1]["run"], ["penalty"]]],
        "input.scores": [of("tabulate_scores", "table", params__figure="other")],
        "input.pairs": [of("tabulate_scores", "pairs", params__figure="other")],
        "input.grids": several(
            [of("fit_cnn", "grid", params__seed=2), of("fit_ridge", "grid")],
            refused(each("fit_ridge", "fit_cnn", name="grid"), "no column dropout"),
        ),
        "input.dropped": of("lift", "dropped", params__exclude_types=[]),
    },
    "methods": {
        "params.config.seed": 2,
        "params.shown": "fig3_2",
        "input.environments": same([Raw("environment_other.yaml")], "what is installed goes before what is pinned"),
    },
    "describe": {
        "params.config.seed": 2,
        "params.given": {"seed": 2},
        "params.snakefile": "RAW/three.smk",
        "params.configs": ["RAW/four.json"],
        "params.overlaid": {"minutes": 7},
        "input.figures": [Raw("planned/a"), Raw("planned/c")],
        "input.pages": [Raw("planned/b"), Raw("planned/c")],
        "input.others": [Raw("planned/c")],
        "input.base": Raw("below_other.yaml"),
        "input.environments": [Raw("environment_other.yaml")],
    },
    "train_beluga": {
        "params.geometry.bin_size": 8,
        "params.settings.network.channels": [5, 5, 6],
        "params.settings.network.hidden": 6,
    },
}
TABLE = [
    pytest.param(step, place, one, id=f"{step}-{place}" + (f"-{number}" if number else ""))
    for step, places in CHANGES.items()
    for place, change in places.items()
    for number, one in enumerate(change if isinstance(change, Several) else several(change))
]


@pytest.mark.parametrize("step", STEPS)
def test_the_same_again(world, step):
    first, second = world.make(step).content, world.make(step, again=True).content
    assert first.numbers
    assert not differing(first.numbers, second.numbers, rtol=0)
    assert not differing(first.descriptions, second.descriptions, rtol=0)


@pytest.mark.parametrize(("step", "place", "change"), TABLE)
def test_every_param_and_input_decides_something(world, step, place, change):
    change = change if isinstance(change, Change) else Change(change)
    base = world.make(step, change.given).content
    if change.shows == "swapped":
        here = world.path(STEPS[step].input[place.removeprefix("input.")])
        with world.swapped(here, world.path(change.value)):
            try:
                other = world.make(step, again=True).content
            except Refusal as refusal:
                assert "Error: " in str(refusal)
                return
        assert differing(base.numbers, other.numbers)
        return
    changes = {**change.given, place: change.value}
    if change.shows == "error":
        text = f"(?s)Error: .*{change.text}" if change.error is Refusal else change.text
        with pytest.raises(change.error, match=text):
            world.make(step, changes)
        return
    other = world.make(step, changes).content
    if change.shows == "numbers":
        assert differing(base.numbers, other.numbers)
    else:
        assert not differing(base.numbers, other.numbers, rtol=1e-4), change.text
        assert change.shows == "nowhere" or differing(base.descriptions, other.descriptions)


# --- the table is complete ---------------------------------------------------------------------------------------

LIST_RULES = """
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.settings.types import StorageSettings, WorkflowSettings

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path("config/demo.yaml")]),
        storage_settings=StorageSettings(),
        workflow_settings=WorkflowSettings(),
        snakefile=Path("Snakefile"),
    )
    rules = [
        {
            "name": rule.name,
            "script": Path(rule.script).name,
            "input": [name for name, _ in rule.input._allitems()],
            "params": [name for name, _ in rule.params._allitems()],
        }
        for rule in workflow._workflow.rules
        if rule.script
    ]
print("RULES", json.dumps(rules))
"""


@pytest.fixture(scope="module")
def rules():
    """Name, script, inputs and params of every rule with a script; the name of what has none is None."""
    done = subprocess.run([sys.executable, "-c", LIST_RULES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("RULES ")[1])


def places_of(step):
    """What a step's rule gives it, `code` left out: it decides when a job runs again, and no script reads it."""
    return {f"{part}.{name}" for part in ("input", "params") for name in getattr(STEPS[step], part)}


def in_the_table(steps):
    """The places that some steps' changes name; a key of one in JSON counts as that one."""
    return {".".join(place.split(".")[:2]) for step in steps for place in CHANGES.get(step, {})}


def test_the_steps_are_given_what_the_rules_give(rules):
    assert len(rules) > 27
    given = {(step.script, frozenset(places_of(name))) for name, step in STEPS.items()}
    for rule in rules:
        assert None not in (*rule["input"], *rule["params"]), f"{rule['name']} has an input or param without a name"
        # What an address has is not fetched again for an edit.
        assert ("code" in rule["params"]) == (rule["script"] != "download.py"), f"{rule['name']} does not say its code"
        names = {f"{part}.{name}" for part in ("input", "params") for name in rule[part] if name != "code"}
        assert (rule["script"], frozenset(names)) in given, f"no step is given what {rule['name']} is"


def test_the_table_names_every_param_and_input(rules):
    for script in {rule["script"] for rule in rules}:
        steps = [name for name, step in STEPS.items() if step.script == script]
        wanted = set().union(*map(places_of, steps))
        assert not wanted - in_the_table(steps), f"{script}: no change of these in the table"


def test_every_script_is_run_here():
    assert {step.script for step in STEPS.values()} == {file.name for file in SCRIPTS.glob("*.py")}


def test_the_table_names_every_key_of_every_head():
    for name in registry.names("heads"):
        schema = registry.find("heads", name).declares["schema"]
        keys = {
            f"params.{section}.{key}"
            for section in ("settings", "grid")
            for key in schema["properties"].get(section, {}).get("properties", {})
        }
        keys |= {f"params.loss.{key}" for key in registry.find("losses", "hybrid").declares["schema"]["properties"]}
        steps = [step for step in STEPS if json.loads(STEPS[step].params.get("type", "null")) == name]
        changed = set().union(*(CHANGES.get(step, {}) for step in steps))
        assert steps and not keys - changed, f"{name}: no change of these in the table"
        assert not set().union(*map(places_of, steps)) - in_the_table(steps), f"{name}: no change of these in the table"


def test_the_table_names_every_key_of_the_backbones_and_the_simulation():
    for script, part in (("predict_tracks.py", "settings"), ("train_simulated_backbone.py", "settings.network")):
        for name in registry.OWN["backbones"]:
            schema = registry.find("backbones", name).declares["schema"]
            keys = schema["properties"][part.rpartition(".")[2]]
            keys = schema["$defs"]["sizes"] if "$ref" in keys else keys
            steps = [
                key for key, step in STEPS.items() if (step.script, step.params.get("type")) == (script, f'"{name}"')
            ]
            changed = set().union(*(CHANGES.get(step, {}) for step in steps))
            assert steps and not {f"params.{part}.{key}" for key in keys["properties"]} - changed, name
    names = {f"params.simulation.{field.name}" for field in dataclasses.fields(genome.Settings)}
    assert not names - set(CHANGES["simulate"])


def test_the_table_names_every_key_of_the_adaptations():
    for name in registry.names("adaptations"):
        keys = registry.find("adaptations", name).declares["schema"]["properties"]
        assert not {f"params.adaptation.{key}" for key in keys} - set(CHANGES["finetune"])


# --- what no other value of a param can show ---------------------------------------------------------------------


def training_means(world):
    """Mean of the training genes' targets in each tissue."""
    split = pd.read_csv(world.make("split").output[""], sep="\t")
    with h5py.File(world.make("targets").output[""]) as file:
        observed = file["log_expression"][:].astype(np.float64)
        assert file["gene_id"].asstr()[:].tolist() == split["gene_id"].tolist()
    assert np.isnan(observed).any()
    return np.nanmean(observed[split["split"] == "train"], axis=0)


@pytest.mark.parametrize(
    ("step", "bias"),
    [
        ("fit_cnn", lambda path: cnn.MultiTissueCNN.load(path).network.output.bias),
        ("fit_frozen", lambda path: frozen_trunk.FrozenTrunk.load(path).network.output.bias),
        ("finetune", lambda path: finetuned.FineTunedBackbone.load(path).network.pool.output.bias),
    ],
)
def test_training_starts_from_the_means_of_the_training_genes(world, step, bias):
    still = world.make(step, {"params.grid.learning_rate": [1e-12]})
    np.testing.assert_allclose(bias(still.output["model"]).detach().numpy(), training_means(world), rtol=1e-5)


def test_a_source_with_a_table_of_its_own_has_its_tracks_alone(world):
    with FeatureStore(world.make("merge_lab").output[""]) as store:
        assert store.track_id.tolist() == ["CNhs01", "ENCFF001"] and set(store.track_type) == {"chromatin"}
        found = store.select(store.gene_id, "all", "genomic").read(np.arange(len(store.gene_id)))
    with FeatureStore(world.make("merge_measured").output[""]) as store:
        column = store.track_id.tolist().index("ENCFF001")
        whole = store.select(store.gene_id, "all", "genomic").read(np.arange(len(store.gene_id)))
    # The backbone's table clips this track softly at 2, the lab's at 9.
    mine, its = found[..., 1].astype(float), whole[..., column].astype(float)
    assert found.shape[1:] == (8, 2) and 2 < mine.max() < 9
    np.testing.assert_allclose(np.where(mine > 2, 2 + np.sqrt(np.maximum(mine - 2, 0)), mine), its, rtol=5e-3)


def test_records_have_what_bigwigs_have_but_one_table(world):
    """Shards of records are of genes, those of bigWigs of tracks; the merged stores hold the same genes and tracks."""
    with FeatureStore(world.make("merge_records").output[""]) as store:
        genes, tracks, kinds = store.gene_id.tolist(), store.track_id.tolist(), store.track_type.tolist()
        values = store.select(store.gene_id, "all", "genomic").read(np.arange(len(genes)))
    with FeatureStore(world.make("merge_measured").output[""]) as store:
        assert (genes, tracks, kinds) == (store.gene_id.tolist(), store.track_id.tolist(), store.track_type.tolist())
    assert (values != 0).any(axis=(1, 2)).mean() > 0.8
    assert "1 of 6 tracks are not in" in world.make("unpack_0").log


def test_the_world_has_genes_on_both_strands_some_of_them_turned(world):
    genes = pd.read_csv(world.make("lift").output["tss"], sep="\t")
    genes = genes.merge(pd.read_csv(world.make("split").output[""], sep="\t"), on="gene_id")
    for split in ("train", "val", "test"):
        here = genes[genes["split"] == split]
        assert set(here["strand"]) == {"+", "-"}, split
        assert set(here["strand"] == here["strand_grch38"]) == {True, False}, split
    dropped = pd.read_csv(world.make("lift").output["dropped"], sep="\t")
    assert dropped["reason"].str.contains("lift over").any()
    assert (genes["chrom_grch38"] == "chr2_alt").any()


def test_a_ridge_written_as_models_of_expecto_predicts_the_same(world, tmp_path):
    fitted = world.make("fit_ridge")
    head = ridge.Ridge.load(fitted.output["model"])
    rows = ["ModelName\tTissue"]
    # In another order, by which no tissue could find its own.
    for column, tissue in reversed([*enumerate(head.metadata["tissue"])]):
        write_dump(
            tmp_path / f"mine.{tissue}.dump", head.coefficients[:, column].reshape(10, -1), head.intercept[column] - 2
        )
        rows.append(f"mine.{tissue}.save\t{tissue}")
    (tmp_path / "modellist").write_text("\n".join(rows) + "\n")
    read = world.make("fit_expecto", {"input.models": [str(tmp_path / "modellist")]})
    one, other = (read_predictions(made.output["predictions"]) for made in (fitted, read))
    np.testing.assert_allclose(other.predicted, one.predicted, atol=1e-4)
    assert one.tissue.tolist() == other.tissue.tolist() and one.gene_id.tolist() == other.gene_id.tolist()
