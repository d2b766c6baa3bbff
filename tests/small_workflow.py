"""The steps of the small world: a call of every script, with all that its rules give it, in the order of the flow."""

import json
from typing import Any

from chrom2expr.config import folds, overlays, schema
from small_world import BELUGA_TRACKS, ROOT, SIZES, WINDOW, Of, Raw, Step, of

ENFORMER = {"sequence_length": 96, "bins": 8, "bin_size": 8}
# What is embedded: an odd number of bins, as attention wants it, within the sequences of the backbone.
EMBEDDED = {"sequence_length": 72, "bins": 9, "bin_size": 8}
BELUGA = {"window": WINDOW, "bins": len(BELUGA_TRACKS), "bin_size": 16}
FILES = ["config.json", "pytorch_model.bin"]
CHAIN = Raw("grch37ToGrch38.over.chain.gz")
FITTED = {"model": "model.pt", "grid": "grid.tsv", "predictions": "predictions.h5", "summary": "summary.json"}
SCORES = {"scores": ["cross_gene.tsv", "cross_celltype.tsv"], "bootstrap": "bootstrap.h5"}
METRICS = [{"name": name, "type": name} for name in ("cross_gene", "cross_celltype")]
SIMULATION = {
    "genes": {"chr1": 12, "chr8": 8},
    "gene_spacing": 3000,
    "edit_spacing": 900,
    "longest_edit": 40,
    "unliftable": 1,
    "rrna": 1,
    "tissues": 5,
    "lineages": 3,
    "beluga_lineages": 2,
    "core_motifs": 3,
    "regulators": 3,
    "motif_length": 8,
    "mutation": 0.05,
    "enhancers": 2,
    "enhancer_distance": [500, 900],
    "enhancer_decay": 1000,
    "baseline_sd": 2.5,
    "tissue_sd": 0.6,
    "gene_noise_sd": 1.0,
    "noise_sd": 0.4,
    "missing": 0.05,
    "track_noise": 0.3,
    "resolution": 64,
}
HYBRID, MSE = ({"type": "hybrid", "alpha": alpha, "beta": 1} for alpha in (1, 0))
CNN = {"transform": "log1p", "width": 4, "kernel_size": 3, "blocks": 2, "weight_decay": 0.01}
TUNING = {"weight_decay": 1e-3, "warmup_steps": 2, "gradient_clip": 0.2, "accumulation": 1}
FINETUNING = {**TUNING, "precision": "auto", "activation_checkpointing": False}
MODELS = [
    {"series": "Base Enformer", "colour": "", "source": "enformer_50kb", "run": ""},
    {"series": "Fine-tuned", "colour": "", "source": "enformer_50kb", "run": "enformer_50kb/embedding/finetuned/mse"},
]
RUNS = [
    {
        "run": "enformer_predicted/chromatin/multi_cnn/mse",
        "source": "mine",
        "series": "Multi-tissue CNN",
        "x": "Beluga",
        "colour": "",
    },
    {
        "run": "enformer_predicted/chromatin/ridge/mse",
        "source": "mine",
        "series": "Ridge",
        "x": "Beluga",
        "colour": "tab:red",
    },
    {"run": "baseline/chr14", "x": "Beluga"},
]
# Windows of which some neighbours' overlap.
COMPARED = {"sequence_length": 420, "bins": 21, "bin_size": 20, "tss_index_plus": 210, "tss_index_minus": 200}
OF_REPEATS = of("compare", input__fasta=of("index_grch37", "fasta", input__fasta=Raw("grch37_repeats.fa")))
AUDITED = {"source": "mine", "split": "own", "assembly": "grch37", "window_bp": 420}
# What of a config says how much work its jobs are.
PLANNED = {
    **dict.fromkeys(("sources", "backbones", "heads", "inputs", "splits"), {}),
    "resources": {"gene_annotation": {"path": "RAW/geneanno.csv"}},
    "pathvars": {"resources": "RAW"},
    "bootstrap_resamples": 10**8,
    "allow_cpu": True,
}
# A config as a report tells of it, and what of one it describes a run by.
REPORTED = folds.spread(schema.checked(overlays.read([ROOT / "config/config.yaml"])))
DESCRIBED = {"seed": 1, "pathvars": {"resources": "RAW"}, "resources": {}}
SCORED = ("evaluate_cnn", "evaluate_ridge", "baseline")
BARS = {"metrics": ["cross_gene"], "layout": "above", "x_label": "Input", "legend": "series"}
PLAN = {
    "runs": [RUNS[0]["run"], RUNS[1]["run"]],
    "attention": ["enformer_50kb", MODELS[1]["run"]],
    "splits": ["mine"],
    "tracks": ["enformer"],
    "measured": ["enformer_experimental"],
    "settings": {"seed": 1},
    "distal": {"beyond": 2, "thresholds": [0.08, 0.1, 0.12]},
}
OVERVIEW = [
    {"name": "enformer", "label": "Enformer", "geometry": ENFORMER, "predicted": True}
    | {"measured": ["enformer_experimental"], "tracks": ["chromatin"], "bins": [8, 4]},
]


def weights(name: str) -> list[Raw]:
    """The files of a weights folder."""
    return [Raw(f"{name}/{file}") for file in FILES]


def each(*steps: str, name: str = "", **changes: Any) -> list[Of]:
    """The same output of several steps."""
    return [of(step, name, **changes) for step in steps]


def _step(script: str, output: Any, input: Any = (), params: Any = (), **resources: Any) -> Step:
    output = output if isinstance(output, dict) else {"": output}
    params = {key: json.dumps(value) for key, value in dict(params).items()}
    if "gpu" in resources:
        resources |= {"allow_cpu": 0}
    return Step(f"{script}.py", dict(input), params, output, resources)


FAMILIES = {"table": "families.tsv", "shared": 0.2, "window": 200, "validation": 0.2, "test": 0.2}


def _split(section: dict[str, Any], **tables: Any) -> Step:
    given = {"tss": of("lift", "tss"), "dropped": of("lift", "dropped"), "file": [], "families": []} | tables
    compared = section.get("families", {}).get("shared")
    given |= {name: of("index_grch37", name) if compared else [] for name in ("fasta", "fai", "info")}
    given["lifted"] = of("lift", "contigs") if compared else []
    made = {"": "split.tsv", "shared": "split.shared_tss.tsv"}
    return _step("split_genes", made, given, {"name": "mine", "section": section, "seed": 1})


def _encoded(assembly: str, geometry: dict[str, int], shard: int, shards: int) -> Step:
    index = f"index_{assembly}"
    given = {name: of(index, name) for name in ("fasta", "fai", "info")}
    params = {"assembly": assembly, "geometry": geometry, "shard": shard, "shards": shards}
    return _step(
        "extract_sequences", "encoded.h5", {"tss": of("lift", "tss"), **given, "lifted": of("lift", "contigs")}, params
    )


def _collect(table: str, templates: dict[str, str], missing: str, group: int, groups: int) -> Step:
    params = {"templates": templates, "missing": missing, "group": group, "groups": groups, "source": "measured"}
    made = {"manifest": "bigwigs/measured/0.tsv", "folder": "bigwigs/measured/0"}
    return _step("collect_bigwigs", made, {"tracks": Raw(table), "overrides": []}, params, mirror="{}")


def _bin(collected: str, assembly: str, geometry: dict[str, int], source: str) -> Step:
    given = {"tss": of("lift", "tss"), "lifted": of("lift", "contigs")}
    given |= {name: of(collected, name) for name in ("manifest", "folder")}
    given["info"] = of(f"index_{assembly}", "info")
    return _step("bin_bigwigs", "shard.h5", given, {"assembly": assembly, "geometry": geometry, "source": source})


def _unpack(group: int, groups: int) -> Step:
    given = {"tss": of("lift", "tss"), "lifted": of("lift", "contigs")}
    given |= {name: of("index_grch38", name) for name in ("fasta", "fai", "info")}
    given |= {"tracks": Raw("targets_human.txt"), "records": Raw("records")}
    params = {"assembly": "grch38", "geometry": ENFORMER, "missing": "skip", "group": group, "groups": groups}
    return _step("unpack_records", "kept.h5", given, params)


def _average(shard: int, shards: int) -> Step:
    given = {"tss": of("lift", "tss"), "lifted": of("lift", "contigs"), "info": of("index_grch38", "info")}
    given["kept"] = each("unpack_0", "unpack_1")
    params = {"assembly": "grch38", "geometry": ENFORMER, "shard": shard, "shards": shards}
    return _step("bin_records", "shard.h5", given, params | {"source": "enformer_records"})


def _predict(encoded: str) -> Step:
    given = {"encoded": of(encoded), "weights": weights("enformer"), "tracks": Raw("targets_human.txt")}
    params = {"type": "enformer", "geometry": ENFORMER, "settings": {"use_tf_gamma": False}}
    params |= {"reverse_complement": False, "precision": "auto", "central_bins": 2, "source": "enformer_predicted"}
    return _step("predict_tracks", "shard.h5", given, params, gpu=1, batch_size=4)


def _embed(encoded: str) -> Step:
    params = {"type": "enformer", "geometry": EMBEDDED, "bins": 4}
    params |= {"settings": {"use_tf_gamma": False, "positional_basis": "library"}, "source": "enformer_50kb"}
    params |= {"reverse_complement": False, "precision": "auto"}
    given = {"encoded": of(encoded), "weights": weights("enformer")}
    return _step("embed_sequences", "shard.h5", given, params, gpu=1, batch_size=4)


def _merge(source: str, *shards: str) -> Step:
    return _step("merge_features", f"{source}.h5", {"shards": each(*shards)})


def _targets() -> dict[str, Of]:
    return {"split": of("split"), "expression": of("targets")}


def _fit(
    type: str,
    features: Of,
    shards: list[Of],
    tracks: str,
    settings: Any,
    grid: Any,
    kind: str = "store",
    models: list[Raw] | None = None,
    **changes: Any,
) -> Step:
    given = {"features": features, "shards": shards, "models": models or [], **_targets()}
    params = {"type": type, "tracks": tracks, "bins": 0, "orientation": "gene", "features": kind}
    params |= {"loss": HYBRID, "settings": settings, "grid": grid, "batch_size": 8}
    params |= {"max_epochs": 4, "patience": 4, "select_by": "validation_loss", "seed": 1, "job": 0, "jobs": 1}
    params |= {"devices": 1}
    return _step("fit_head", FITTED, given, params | changes, gpu=1)


def _single(job: int = 0, jobs: int = 1) -> Step:
    settings, grid = {**CNN, "bundle": 0}, {"learning_rate": [0.01], "dropout": [0.2]}
    changes = {"loss": MSE, "max_epochs": 2, "job": job, "jobs": jobs}
    shards = each("predict_0", "predict_1")
    return _fit("single_cnn", of("merge_predicted"), shards, "chromatin", settings, grid, **changes)


def _linear(
    type: str,
    features: Of,
    kind: str,
    grid: dict[str, Any],
    settings: dict[str, Any],
    models: list[Raw] | None = None,
) -> Step:
    changes = {"loss": MSE, "select_by": "validation_cross_gene"}
    return _fit(type, features, [], "chromatin", settings, grid, kind, models, **changes)


def _train(backbone: str, assembly: str, geometry: dict[str, int], measured: str, **settings: Any) -> Step:
    encoded, shards, split = {
        "enformer": (each("encoded_0", "encoded_1"), each("bin_0", "bin_1"), of("split")),
        "beluga": (each("encoded_beluga"), each("bin_beluga"), of("split_beluga")),
    }[backbone]
    given = {"encoded": encoded, "features": of(measured), "shards": shards}
    given |= {"motifs": of("simulate", "motifs"), "split": split}
    settings = {"epochs": 1, "batch_size": 4, "learning_rate": 4e-3, "shift": 3, **settings}
    params = {"type": backbone, "geometry": geometry, "settings": settings, "seed": 1}
    made = [f"weights/{file}" for file in FILES] if backbone == "enformer" else "weights.pth"
    return _step("train_simulated_backbone", {"weights": made}, given, params, gpu=1)


CATALOGUED = [
    {"name": "measured", "backbone": "enformer", "assembly": "grch38"}
    | {"templates": {"ENCFF": "https://x.org/{identifier}.bw"}, "overridden": True},
    {"name": "old", "backbone": "beluga", "assembly": "grch37"}
    | {"templates": {"E": "<resources>/{identifier}.bw"}, "overridden": False},
]
ANNOTATION = {"tss": "canonical", "columns": {}}
LIFT = {"only_types": [], "exclude_types": ["rRNA"], "exclude_chromosomes": ["chrX"], "contigs": "all"} | ANNOTATION
EXPECTO = [Raw("expecto/resources/modellist")]
OTHER_FOLD = of("fit_ridge", "predictions", input__split=of("split_beluga"))


def _score(model: str, vcf: str, shard: int = 0, shards: int = 1, **changes: Any) -> Step:
    given = {"vcf": Raw(vcf), "pairs": [], "model": of(model, "model"), "summary": of(model, "summary")}
    given |= {"weights": weights("enformer"), "tss": of("lift", "tss"), "lifted": of("lift", "contigs")}
    given |= {name: of("index_grch38", name) for name in ("fasta", "fai", "info")}
    given |= {"chain": [], "source": [], "source_fai": [], "source_info": []} | changes
    params = {"assembly": "grch38", "written_on": "grch37" if changes else "grch38", "ref_mismatch": "skip"}
    params |= {"shard": shard, "shards": shards}
    return _step("score_variants", "shard.parquet", given, params, gpu=1, batch_size=4, annotated=0)


# The effects of two runs; those of shards are joined.
EFFECTS = {"cnn": of("join_variants", "table"), "lifted": of("score_lifted")}
SCORING = [{"run": RUNS[0]["run"], "series": "CNN"}, {"run": RUNS[1]["run"], "series": "Ridge"}]
STEPS = {
    "simulate": _step(
        "simulate_genome",
        {
            "grch37": "grch37.fa",
            "grch38": "grch38.fa",
            "chain": "grch37ToGrch38.over.chain.gz",
            "annotation": "geneanno.csv",
            "expression": "geneanno.exp.csv",
            "enformer_tracks": "targets_human.txt",
            "beluga_tracks": "beluga.txt",
            "motifs": "motifs.tsv",
            "variants": "variants.vcf",
            "effects": "effects.tsv",
            "bigwigs_enformer": "bigwigs/enformer",
            "bigwigs_beluga": "bigwigs/beluga",
        },
        params={"simulation": SIMULATION, "variants": {"chr1": 2}, "seed": 1},
    ),
    "download": _step(
        "download",
        "text/a.txt",
        params={"source": {"name": "text", "file": "a.txt", "url": "", "member": None}},
        addresses='["HTTP/a.txt"]',
        sha256="",
    ),
    "lift": _step(
        "lift_genes",
        {"tss": "tss.tsv", "dropped": "dropped.tsv", "contigs": "contigs.json"},
        {"annotation": Raw("geneanno.csv"), "chains": [CHAIN], "info": []},
        LIFT | {"assembly": "grch37", "lift_to": ["grch38"]},
    ),
    "lift_none": _step(
        "lift_genes",
        {"tss": "tss.tsv", "dropped": "dropped.tsv", "contigs": "contigs.json"},
        {"annotation": Raw("geneanno.csv"), "chains": [], "info": of("index_grch37", "info")},
        LIFT | {"assembly": "grch37", "lift_to": []},
    ),
    "split": _split({"held_out": ["chr14"]}),
    "split_beluga": _split({"held_out": ["chr8"]}),
    "split_file": _split({"file": "split.tsv"}, file=Raw("split.tsv")),
    "split_families": _split({"families": FAMILIES}, families=Raw("families.tsv")),
    "targets": _step(
        "compute_targets",
        "expression.h5",
        {
            "annotation": Raw("geneanno.csv"),
            "expression": Raw("geneanno.exp.csv"),
            "quantifications": [],
            "tss": of("lift", "tss"),
        },
        {
            "pseudocount": 0.1,
            "missing": "keep",
            "ids": "auto",
            "unit": "rpkm",
            "unmatched": "error",
            "cells": {},
            "counts_to": "cpm",
            "samples": {"file": "file", "tissue": "tissue"},
        }
        | ANNOTATION,
        comparing_tissues="",
    ),
    **{
        f"index_{assembly}": _step(
            "index_genome",
            {"fasta": "genome.fa", "fai": "genome.fa.fai", "info": "genome.json"},
            {"fasta": Raw(f"{assembly}.fa")},
        )
        for assembly in ("grch37", "grch38")
    },
    "encoded_0": _encoded("grch38", ENFORMER, 0, 2),
    "encoded_1": _encoded("grch38", ENFORMER, 1, 2),
    "encoded_beluga": _encoded("grch37", BELUGA, 0, 1),
    **{
        f"collect_{group}": _collect(
            "targets_human.txt",
            {"ENCFF": "RAW/bigwigs/{identifier}.bw", "CNhs": "HTTP/bigwigs/{identifier}.bw"},
            "skip",
            group,
            groups=2,
        )
        for group in range(2)
    },
    "collect_beluga": _collect("beluga.tsv", {"E": "RAW/bigwigs/{identifier}.bw"}, "error", 0, 1),
    "collect_lab": _collect("lab_tracks.txt", {"": "RAW/bigwigs/{identifier}.bw"}, "error", 0, 1),
    "tabulate_catalogue": _step(
        "tabulate_catalogue",
        {"table": "catalogue.tsv", "page": "catalogue.html"},
        {"tracks": [Raw("targets_human.txt"), Raw("beluga.tsv")], "overrides": [Raw("overrides.tsv")]},
        {"sources": CATALOGUED},
        thesis="{}",
    ),
    "bin_lab": _bin("collect_lab", "grch38", ENFORMER, "lab"),
    "bin_0": _bin("collect_0", "grch38", ENFORMER, "enformer_experimental"),
    "bin_1": _bin("collect_1", "grch38", ENFORMER, "enformer_experimental"),
    "bin_beluga": _bin("collect_beluga", "grch37", BELUGA, "beluga_experimental"),
    "unpack_0": _unpack(0, 2),
    "unpack_1": _unpack(1, 2),
    "average_0": _average(0, 2),
    "average_1": _average(1, 2),
    "predict_0": _predict("encoded_0"),
    "predict_1": _predict("encoded_1"),
    "predict_beluga": _step(
        "predict_tracks",
        "shard.h5",
        {"encoded": of("encoded_beluga"), "weights": Raw("beluga.pth"), "tracks": Raw("beluga.tsv")},
        {"type": "beluga", "geometry": BELUGA, "settings": SIZES}
        | {"reverse_complement": True, "precision": "auto", "central_bins": 0, "source": "beluga_predicted"},
        gpu=1,
        batch_size=4,
    ),
    "embed_0": _embed("encoded_0"),
    "embed_1": _embed("encoded_1"),
    "merge_predicted": _merge("enformer_predicted", "predict_0", "predict_1"),
    "merge_measured": _merge("enformer_experimental", "bin_0", "bin_1"),
    "merge_records": _merge("enformer_records", "average_0", "average_1"),
    "merge_lab": _merge("lab", "bin_lab"),
    "merge_beluga": _merge("beluga_experimental", "bin_beluga"),
    "merge_embedded": _merge("enformer_50kb", "embed_0", "embed_1"),
    "sums": _step(
        "reduce_features",
        "reduced.h5",
        {"features": of("merge_predicted"), "shards": each("predict_0", "predict_1")},
        {"reduction": "spatial_basis", "geometry": ENFORMER, "bins": 0, "tracks": "chromatin"},
    ),
    "means": _step(
        "reduce_features",
        "reduced.h5",
        {"features": of("merge_measured"), "shards": each("bin_0", "bin_1")},
        {"reduction": "central_means", "geometry": ENFORMER, "bins": 2, "tracks": "chromatin"},
    ),
    "fit_cnn": _fit(
        "cnn",
        of("merge_predicted"),
        each("predict_0", "predict_1"),
        "chromatin",
        CNN,
        {"learning_rate": [0.01], "dropout": [0.2]},
    ),
    "fit_single_cnn": _single(),
    "fit_job_0": _single(0, 2),
    "fit_job_1": _single(1, 2),
    "fit_ridge": _linear("ridge", of("sums"), "spatial_basis", {"penalty": [1e-2, 1, 100]}, {"standardise": False}),
    "fit_probe": _linear("probe", of("means"), "central_means", {}, {}),
    "fit_expecto": _linear("expecto", of("sums"), "spatial_basis", {}, {"models": "expecto", "base_score": 2}, EXPECTO),
    "fit_frozen": _fit(
        "frozen",
        of("merge_embedded"),
        each("embed_0", "embed_1"),
        "embedding",
        TUNING,
        {"learning_rate": [0.03]},
    ),
    "finetune": _step(
        "finetune_backbone",
        FITTED,
        {"encoded": each("encoded_0", "encoded_1"), "weights": weights("enformer"), **_targets()},
        {"type": "finetuned", "source": "enformer_50kb", "geometry": EMBEDDED, "bins": 4}
        | {"trunk": {"use_tf_gamma": False, "positional_basis": "library"}, "loss": HYBRID, "devices": 1}
        | {"settings": FINETUNING, "grid": {"learning_rate": [0.01]}, "batch_size": 13, "max_epochs": 2, "patience": 2}
        | {"backbone_type": "enformer", "adaptation": {"type": "all", "batch_norm": "frozen"}}
        | {"select_by": "validation_loss", "seed": 1},
        gpu=1,
        owner_stale_after=60,
    ),
    "join": _step(
        "join_tissues",
        FITTED,
        {
            "models": each("fit_job_0", "fit_job_1", name="model"),
            "grids": each("fit_job_0", "fit_job_1", name="grid"),
            "predictions": each("fit_job_0", "fit_job_1", name="predictions"),
            "summaries": each("fit_job_0", "fit_job_1", name="summary"),
        },
        {"type": "single_cnn"},
    ),
    "score_0": _score("fit_cnn", "variants_grch38.vcf", 0, 2),
    "score_1": _score("fit_cnn", "variants_grch38.vcf", 1, 2),
    "score_lifted": _score(
        "fit_ridge",
        "variants_grch37.vcf",
        chain=CHAIN,
        source=of("index_grch37", "fasta"),
        source_fai=of("index_grch37", "fai"),
        source_info=of("index_grch37", "info"),
    ),
    "join_variants": _step(
        "join_variants",
        {"table": "effects.parquet", "strongest": "effects.tsv.gz"},
        {"shards": each("score_0", "score_1")},
    ),
    "annotate_variants": _step(
        "annotate_variants",
        {"vcf": "effects.vcf.gz", "index": "effects.vcf.gz.tbi"},
        {
            "vcf": Raw("variants_grch38.vcf"),
            "table": of("join_variants", "table"),
            "strongest": of("join_variants", "strongest"),
        },
    ),
    **{
        f"compare_{run}": _step(
            "compare_effects",
            "effects.truth.tsv",
            {"effects": effects, "truth": Raw("effects.tsv")},
            {"resamples": 20, "seed": 1},
        )
        for run, effects in EFFECTS.items()
    },
    "tabulate_variants": _step(
        "tabulate_variants",
        {"table": "variants.tsv"},
        {"effects": [*EFFECTS.values()], "agreements": each("compare_cnn", "compare_lifted")}
        | {"truth": Raw("effects.tsv")},
        {"figure": "effects", "kind": "variant_effects", "runs": SCORING}
        | {"settings": {"variants": "mine", "top": 5}},
    ),
    **{
        f"evaluate_{head}": _step(
            "evaluate_run",
            SCORES,
            {"predictions": of(f"fit_{head}", "predictions")},
            {"metrics": METRICS, "resamples": 20, "seed": 1},
        )
        for head in ("cnn", "ridge")
    },
    "join_folds": _step(
        "join_folds",
        {"predictions": "predictions.h5", "summary": "summary.json"},
        {"predictions": [of("fit_ridge", "predictions"), OTHER_FOLD]},
        {"runs": ["a@fold0/b/c/d", "a@fold1/b/c/d"]},
    ),
    "baseline": _step(
        "evaluate_baseline",
        SCORES,
        {"splits": [of("split")], "expression": of("targets")},
        {"metrics": METRICS, "resamples": 20, "seed": 1},
    ),
    "attend_base": _step(
        "attend_genes",
        "attention.h5",
        {"encoded": each("encoded_0", "encoded_1"), "split": of("split"), "weights": weights("enformer")},
        {"type": "enformer", "geometry": EMBEDDED}
        | {"settings": {"use_tf_gamma": False, "positional_basis": "library"}},
        gpu=1,
    ),
    "attend_run": _step(
        "attend_genes",
        "attention.h5",
        {"encoded": each("encoded_0", "encoded_1"), "split": of("split"), "model": of("finetune", "model")},
        {"head": "finetuned", "geometry": EMBEDDED},
        gpu=1,
    ),
    "tabulate_attention": _step(
        "tabulate_attention",
        {"table": "distal.tsv"},
        {"attention": each("attend_base", "attend_run")},
        {"figure": "distal", "kind": "distal_attention", "models": MODELS}
        | {"settings": {"distal_bins": 2, "thresholds": [0.08, 0.1, 0.12]}},
    ),
    "tabulate_scores": _step(
        "tabulate_scores",
        {"table": "bars.tsv", "pairs": "bars.pairs.tsv"},
        {"scores": each(*SCORED, name="scores"), "bootstrap": each(*SCORED, name="bootstrap")}
        | {"thesis": Raw("thesis_values.tsv"), "audits": [of("audit", input__compared=[OF_REPEATS])]}
        | {"predictions": each("fit_cnn", "fit_ridge", name="predictions", input__split=of("split_file"))},
        {"figure": "bars", "kind": "scores", "settings": BARS, "metrics": METRICS, "runs": RUNS}
        | {"compare_with_thesis": True, "sources": [AUDITED], "shared": 0.5},
    ),
    "tabulate_sources": _step(
        "tabulate_sources",
        {"table": "strategy.tsv"},
        {
            "tracks": [Raw("targets_human.txt")],
            "features": each("merge_measured"),
            "shards": each("bin_0", "bin_1"),
            "expression": of("targets"),
        },
        {"figure": "strategy", "kind": "overview", "settings": {}, "backbones": OVERVIEW, "heads": ["Ridge"]},
    ),
    "tabulate_models": _step(
        "tabulate_models",
        {"table": "layers.tsv"},
        {"models": each("fit_cnn", name="model")},
        {"figure": "layers", "kind": "network", "settings": {}, "runs": [{"run": RUNS[0]["run"], "type": "cnn"}]},
    ),
    "tabulate_variation": _step(
        "tabulate_variation",
        "variation.tsv",
        {"expression": of("targets"), "thesis": Raw("thesis_values.tsv")},
        {"compare_with_thesis": True},
    ),
    "tabulate_reproduction": _step(
        "tabulate_reproduction",
        {"table": "reproduction.tsv", "page": "reproduction.html"},
        {
            "thesis": Raw("thesis_values.tsv"),
            "statements": Raw("thesis_statements.tsv"),
            "scores": each(*SCORED[:2], name="scores"),
            "bootstrap": each(*SCORED[:2], name="bootstrap"),
            "attention": each("attend_base", "attend_run"),
            "expression": of("targets"),
            "tss": of("lift", "tss"),
            "dropped": of("lift", "dropped"),
            "splits": [of("split")],
            "tracks": [Raw("targets_human.txt")],
            "features": each("merge_measured"),
        },
        {"metrics": METRICS, "plan": PLAN, "resamples": 20, "seed": 1, "compare_with_thesis": True},
    ),
    "compare": _step(
        "compare_windows",
        "compared.tsv",
        {"tss": of("lift", "tss"), "split": of("split_file"), "lifted": of("lift", "contigs")}
        | {name: of("index_grch37", name) for name in ("fasta", "fai", "info")},
        {"assembly": "grch37", "geometry": COMPARED | {"bins": 1, "bin_size": 420}, "sampled": 0},
    ),
    "audit": _step(
        "audit_leakage",
        "audited.tsv",
        {"compared": [of("compare")], "tss": of("lift", "tss"), "lifted": of("lift", "contigs")}
        | {"info": of("index_grch37", "info"), "regions": Raw("regions.bed")},
        {"source": "mine", "backbone": "beluga", "assembly": "grch37", "geometry": COMPARED}
        | {"trained_on": {"regions": "regions.bed"}},
    ),
    "tabulate_leakage": _step(
        "tabulate_leakage",
        {"table": "leakage.tsv", "scores": "leakage.scores.tsv", "page": "leakage.html"},
        {
            "audits": [of("audit", input__compared=[OF_REPEATS])],
            "predictions": [of("fit_ridge", "predictions", input__split=of("split_file"))],
        },
        {"sources": [AUDITED], "runs": [{"run": "mine/chromatin/ridge/mse", "source": "mine"}]}
        | {"metrics": METRICS, "shared": 0.5},
    ),
    "plan": _step(
        "plan_run",
        "plan.html",
        {"rates": Raw("rates.tsv")},
        {"config": PLANNED, "snakefile": "RAW/two.smk", "configs": [], "overlaid": {}, "cores": 2, "gpus": None},
    ),
    "results": _step(
        "tabulate_results",
        {"scores": "scores.html", "grids": "grids.html", "dropped": "dropped.html"},
        {"scores": [of("tabulate_scores", "table")], "pairs": [of("tabulate_scores", "pairs")]}
        | {"grids": each("fit_cnn", "fit_ridge", name="grid"), "dropped": of("lift", "dropped")},
        {"runs": [[RUNS[0]["run"], ["dropout", "learning_rate"]], [RUNS[1]["run"], ["penalty"]]]},
    ),
    "methods": _step(
        "write_methods",
        "methods.html",
        {"environments": [Raw("environment.yaml")]},
        {"config": REPORTED, "shown": "fig3_1"},
    ),
    "describe": _step(
        "describe_run",
        {"config": "config.html", "provenance": "provenance.html", "usage": "usage.html"},
        {"figures": [Raw("planned/a")], "pages": [Raw("planned/b")], "others": [], "base": Raw("below.yaml")}
        | {"environments": [Raw("environment.yaml")]},
        {"config": DESCRIBED, "given": {"seed": 1}, "snakefile": "RAW/two.smk", "configs": [], "overlaid": {}},
    ),
    "draw": _step(
        "draw_figure",
        {"pdf": "figure.pdf", "png": "figure.png"},
        {"table": of("tabulate_scores", "table")},
        {"figure": "bars", "kind": "scores", "settings": BARS},
    ),
    "train_enformer": _train(
        "enformer",
        "grch38",
        ENFORMER,
        "merge_measured",
        network={"dim": 24, "depth": 1, "heads": 2, "attn_dim_key": 4, "dim_divisible_by": 4, "num_downsamples": 3}
        | {"dropout_rate": 0.05},
    ),
    "train_beluga": _train("beluga", "grch37", BELUGA, "merge_beluga", network=SIZES),
}
