# What the rules share: the checked config, and helpers that turn its sections into paths and params.

import atexit
import glob
import json
import os
import sys
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

# The folder of this workflow, whichever Snakefile includes it.
WORKFLOW = os.path.dirname(str(workflow.current_basedir))
SCRIPTS = os.path.relpath(os.path.join(WORKFLOW, "scripts"))
if not os.path.isdir(SCRIPTS):
    raise WorkflowError(
        f"{WORKFLOW} is no folder: the workflow runs from a clone on disk. Clone chrom2expr, and name the clone's "
        "workflow/Snakefile (docs/module.md)."
    )
sys.path.insert(0, os.path.abspath(SCRIPTS))

from chrom2expr import registry
from chrom2expr.config import audited, dependencies, folds, overlays, resources, runs, schema, source_text
from chrom2expr.errors import InputError
from chrom2expr.genome import sample_sheets
from chrom2expr.reporting import masking, scope

try:
    schema.refuse_other_version()
    # Snakemake has read them by now, and takes the last of two equal keys.
    overlays.read(workflow.overwrite_configfiles)
    base = overlays.base_of(config)
except InputError as error:
    raise WorkflowError(str(error))


configfile: base


# The config as it was given, and with all defaults.
GIVEN = deepcopy(config)
try:
    CHECKED = schema.checked(config)
    config = folds.spread(CHECKED)
except InputError as error:
    raise WorkflowError(str(error))


SOURCES = config["sources"]
# Sources with a store of their own, by kind: folds read that of their source.
STORED = {name: source["kind"] for name, source in SOURCES.items() if "store" not in source}
PREDICTED = [name for name, kind in STORED.items() if kind == "predicted"]
MEASURED = [name for name, kind in STORED.items() if kind == "measured"]
BINNED = [name for name in MEASURED if SOURCES[name]["from"] == "bigwigs"]
RECORDED = [name for name in MEASURED if SOURCES[name]["from"] == "tfrecords"]
EMBEDDED = [name for name, kind in STORED.items() if kind == "embedded"]
# Sources that heads are fitted to fold by fold, and those that they are fitted to.
FOLDED = folds.folded(config)
FITTED = [name for name in SOURCES if name not in FOLDED]
SEQUENCE_HEADS = [name for name, head in config["heads"].items() if head["features"] == "sequences"]
# What heads are fitted to, beside stores and sequences.
REDUCTIONS = sorted({head["features"] for head in config["heads"].values()} - {"store", "sequences"})
# Heads whose tissues are dealt out to several jobs.
SPLIT_HEADS = [name for name, head in config["heads"].items() if head["jobs"] > 1]
OTHER_HEADS = [name for name in config["heads"] if name not in (*SEQUENCE_HEADS, *SPLIT_HEADS)]
# The assemblies that the genes are lifted over to.
LIFTED_TO = runs.lifted_to(config)
# Whether a job may use the CPU though there is a GPU; as a resource it triggers no rerun.
ALLOW_CPU = int(config["allow_cpu"])
# The conda environment of jobs that compute with PyTorch, as the rule files name it.
MODEL_ENVIRONMENT = {"cuda": "../envs/model.yaml", "cpu": "../envs/model_cpu.yaml"}[config["pytorch"]]
# Lists made of keys of the config are sorted where no result needs their order: a config says the same with its keys
# in another, in which Snakemake has those of an overlay first.
METRICS = [{"name": name, **config["metrics"][name]} for name in sorted(config["metrics"])]
# Windows whose leakage is audited, by the names of their tables; sources may share one.
WINDOWS = {
    found["name"]: found for found in (audited.compared(config, name) for name in audited.sources(config))
}
# A run: one head, fitted to one source with one loss.
RUN = "{source}/{inputs}/{head}/{loss}"
# The same as one name, of what a run says of a file of variants.
VARIANT_RUN = "{source}__{inputs}__{head}__{loss}"
VARIANTS = config["variants"]
# The wildcard, or the key of a source, that names an entry of a section.
WILDCARDS = {
    "backbones": "backbone",
    "sources": "source",
    "inputs": "inputs",
    "heads": "head",
    "losses": "loss",
    "figures": "figure",
    "splits": "split",
    "variants": "variants",
}


# The config without what is secret in it, for pages that others may read.
MASKED = masking.masked(config)
# What Snakemake was called with, by which it is asked again for the jobs of a run.
SNAKEFILE = os.path.relpath(workflow.main_snakefile)
CONFIGS = [os.path.relpath(file) for file in workflow.config_settings.configfiles]
OVERLAID = masking.masked(dict(workflow.config_settings.config))


def one_of(names):
    """A wildcard constraint that matches these names only."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    assembly=one_of(config["assemblies"]),
    backbone=one_of(config["backbones"]),
    split=one_of(config["splits"]),
    source=one_of(SOURCES),
    inputs=one_of(config["inputs"]),
    head=one_of(config["heads"]),
    loss=one_of(config["losses"]),
    figure=one_of(config["figures"]),
    metric=one_of(config["metrics"]),
    window=one_of(WINDOWS),
    variants=one_of(VARIANTS),
    shard=r"\d{3}",
    job=r"\d{3}",
    shown=rf"{scope.ALL}|(?:{one_of(config['figures'])})(?:\+(?:{one_of(config['figures'])}))*",


# What the files of the library do, so that the next run reads those that were edited.
KEPT_TEXTS = Path(".snakemake/chrom2expr/texts.json")
source_text.recall(KEPT_TEXTS)
atexit.register(source_text.keep, KEPT_TEXTS)


@cache
def code(script, *loaded, without=()):
    """What `script` and the classes that it finds by name do, as a param: an edit reruns what it can change.

    Methods called `without` are left out (see dependencies.fingerprint).
    """
    try:
        return json.dumps(dependencies.fingerprint(SCRIPTS, script, loaded, without))
    except InputError as error:
        raise WorkflowError(str(error))


def setting(section, key):
    """What the config says under `key` of the entry of `section` that a job's wildcards name, itself or by its source."""

    def value(wildcards):
        entry = getattr(wildcards, WILDCARDS[section], None)
        if entry is None:
            entry = SOURCES[wildcards.source][WILDCARDS[section]]
        return config[section][entry][key]

    return value


def param(value):
    """A param, or a function of the wildcards that gives one, as JSON: equal whatever the order of the config's keys."""
    return lambda wildcards: json.dumps(value(wildcards) if callable(value) else value, sort_keys=True)


def in_place(path):
    """A file that the config names: one of the user's own lies where it says, whatever prefix a module gives."""
    return path if path.startswith("<") else local(path)


def resource(name):
    """Where a resource lies: the user's own file or files, or the place it is downloaded to."""
    path = resources.resource_path(config["resources"][name], name)
    return in_place(path) if isinstance(path, str) else [in_place(file) for file in path]


@cache
def quantified():
    """The files that a sample sheet of the user's names in place of a matrix of expression."""
    path = config["resources"]["gene_expression"].get("path", "<")
    return [] if path.startswith("<") else sample_sheets.files_of(path, config["expression"]["samples"])


def quantification_files(wildcards):
    """The files that a sample sheet names, which make the targets anew when they change."""
    return [in_place(file) for file in quantified()]


def download_source(wildcards):
    """What makes a downloaded file another one, and so fetches it again."""
    section = config["resources"][wildcards.resource]
    return resources.download_source(section, wildcards.resource, wildcards.file)


def download_plan(wildcards):
    """The addresses of a downloaded file, in turn, and its SHA-256 in the config."""
    return resources.plan(download_source(wildcards), config)


def of_the_workflow(name):
    """A file of the workflow's own config folder, from where Snakemake runs."""
    return os.path.relpath(os.path.join(WORKFLOW, "..", "config", name))


def thesis_values():
    """The table of what the thesis states: one that the config names, or the workflow's own."""
    return in_place(config.get("thesis_values", of_the_workflow("thesis_values.tsv")))


def thesis_statements():
    """The table of the thesis's statements and how each is checked."""
    return in_place(of_the_workflow("thesis_statements.tsv"))


def backbone_of(source):
    """The config section of a source's backbone."""
    return config["backbones"][SOURCES[source]["backbone"]]


def split_file(source):
    """The split that a source names, as a file."""
    return f"<results>/genes/splits/{SOURCES[source]['split']}.tsv"


def families_of(wildcards):
    """What the wildcards' split says of families; nothing if it keeps none together."""
    return config["splits"][wildcards.split].get("families", {})


def own_table(section, key):
    """A table of the user's own that a section names under `key`; none if it does not."""
    return in_place(section[key]) if key in section else []


def compared_genome(suffix):
    """A file of the genome that the genes lie on, if the wildcards' split compares their windows."""
    path = f"<results>/genome/{config['genes']['assembly']}.{suffix}"
    return lambda wildcards: path if families_of(wildcards).get("shared") else []


def split_of(wildcards):
    """The split of the wildcards' source."""
    return split_file(wildcards.source)


def splits_of(wildcards):
    """The wildcards' split, or its folds."""
    name = wildcards.split
    names = folds.fold_names(config, "splits", name) if folds.has_folds(config["splits"][name]) else [name]
    return expand("<results>/genes/splits/{split}.tsv", split=names)


def store_of(wildcards):
    """The source whose feature store the wildcards' source reads."""
    return SOURCES[wildcards.source].get("store", wildcards.source)


def fold_runs(wildcards):
    """The runs of the folds of the wildcards' source."""
    names = folds.fold_names(config, "sources", wildcards.source)
    return [f"{name}/{wildcards.inputs}/{wildcards.head}/{wildcards.loss}" for name in names]


def fold_predictions(wildcards):
    """What the heads that were fitted to each fold of the wildcards' source predict."""
    return [f"<results>/models/{run}/predictions.h5" for run in fold_runs(wildcards)]


def overrides(wildcards):
    """The user's table of bigWigs of a measured source; none if it names none."""
    return own_table(SOURCES[wildcards.source], "overrides")


def track_table(wildcards):
    """The table of the tracks of a measured source: its own, or its backbone's; none if its files say which there are."""
    source = SOURCES[wildcards.source]
    named = source.get("tracks") or ("backbone" in source and backbone_of(wildcards.source)["tracks"])
    return resource(named) if named else []


def catalogued(value):
    """What `value` says of each measured source with bigWigs and a table of tracks."""
    found = [SimpleNamespace(source=name) for name in sorted(MEASURED) if SOURCES[name].get("bigwigs")]
    return [value(wildcards) for wildcards in found if track_table(wildcards)]


def catalogued_source(wildcards):
    """What the catalogue has to know of a measured source beside its tables."""
    source = SOURCES[wildcards.source]
    return {
        "name": wildcards.source,
        "backbone": source.get("backbone", ""),
        "assembly": layout("assembly")(wildcards),
        "templates": source["bigwigs"],
        "overridden": "overrides" in source,
    }


def records_folder(wildcards):
    """The folder of preprocessed data that the wildcards' source reads."""
    return in_place(config["resources"][SOURCES[wildcards.source]["records"]]["path"])


def kept_bins(wildcards):
    """What the groups of the wildcards' source keep of its records."""
    groups = shard_names(SOURCES[wildcards.source]["groups"])
    return expand("<resources>/records/{source}/{shard}.h5", source=wildcards.source, shard=groups)


def layout(key):
    """Where the bins of the wildcards' source lie: its backbone's assembly, geometry or central bins, or its own."""
    return lambda wildcards: runs.layout(config, wildcards.source)[key]


def genome_of(suffix):
    """A file of the genome that the wildcards' backbone reads, or that their source's bins lie on."""

    def file(wildcards):
        find = setting("backbones", "assembly") if hasattr(wildcards, "backbone") else layout("assembly")
        return f"<results>/genome/{find(wildcards)}.{suffix}"

    return file


def genome_of_window(suffix):
    """A file of the genome that the wildcards' window lies on."""
    return lambda wildcards: f"<results>/genome/{WINDOWS[wildcards.window]['assembly']}.{suffix}"


def compared_windows(wildcards):
    """How the windows of the wildcards' source compare, in its split or in each of its folds."""
    return expand(
        "<results>/leakage/windows/{split}/{window}.tsv",
        split=audited.splits_of(config, wildcards.source),
        window=audited.compared(config, wildcards.source)["name"],
    )


def loss_of(wildcards):
    """A run's loss as its section of the config says, without its label, which changes no result."""
    return {key: value for key, value in config["losses"][wildcards.loss].items() if key != "label"}


def classes(*found):
    """The files of the classes that a job finds by name, of each kind and the name in it, with what tells them apart."""
    entries = [registry.find(kind, name) for kind, name in found]
    return [(entry.path, f"{entry.attribute} {entry.version}") for entry in entries]


def backbone_class(wildcards):
    """The class of the wildcards' backbone."""
    return classes(("backbones", setting("backbones", "type")(wildcards)))


def head_classes(run):
    """The classes that load a fitted head of a run, or of wildcards: the head's, and those of a backbone it trained."""
    head = config["heads"][run.head]
    found = [("heads", head["type"])]
    if "adaptation" in head:
        found.append(("adaptations", head["adaptation"]["type"]))
    return classes(*found) + (backbone_class(run) if "adaptation" in head else [])


def fitted_classes(wildcards):
    """The classes that fit the wildcards' head: those that load it, and the loss's."""
    return head_classes(wildcards) + classes(("losses", config["losses"][wildcards.loss]["type"]))


def used_classes(wildcards):
    """The classes that make a module of the wildcards' run: its head's, its backbone's, and its reduction's."""
    features = setting("heads", "features")(wildcards)
    reduced = classes(("reductions", features)) if features in REDUCTIONS else []
    return dict.fromkeys([*head_classes(wildcards), *backbone_class(wildcards), *reduced])


def variants_file(key):
    """A file that the wildcards' section of variants names under `key`; none if it does not."""
    return lambda wildcards: own_table(VARIANTS[wildcards.variants], key)


def variants_assembly(wildcards):
    """The assembly that the wildcards' variants are written on: that of the run if their section says none."""
    return VARIANTS[wildcards.variants].get("assembly", layout("assembly")(wildcards))


def variants_genome(suffix):
    """A file of the genome that the wildcards' variants are written on, if that is not the run's."""

    def file(wildcards):
        name = variants_assembly(wildcards)
        return [] if name == layout("assembly")(wildcards) else f"<results>/genome/{name}.{suffix}"

    return file


def variants_chain(wildcards):
    """The chain from the assembly that the wildcards' variants are written on to the run's, if that is another."""
    name, there = variants_assembly(wildcards), layout("assembly")(wildcards)
    return [] if name == there else resource(config["assemblies"][name]["lift_to"][there])


def variants_weights(wildcards):
    """The weights that the wildcards' run reads DNA with; none where its model has its own."""
    own = setting("heads", "features")(wildcards) == "sequences"
    return [] if own else resource(backbone_of(wildcards.source)["weights"])


def variants_shards(wildcards):
    """What the wildcards' run says of variants, by shards of genes."""
    return expand(
        f"<results>/variants/{{variants}}/{VARIANT_RUN}/{{shard}}.parquet",
        **wildcards,
        shard=shard_names(VARIANTS[wildcards.variants]["shards"]),
    )


def scored_variants():
    """What is made of all variants by all runs that they name: tables, and what their sections ask for beside them."""
    return [
        f"<results>/variants/{name}/{VARIANT_RUN}.{kind}".format(**run)
        for name, section in VARIANTS.items()
        for run in runs.spelled_out(section["runs"])
        for kind, wanted in (
            ("parquet", True),
            ("truth.tsv", "truth" in section),
            ("vcf.gz", section["annotated_vcf"]),
        )
        if wanted
    ]


def figure_effects(suffix):
    """The files with this suffix of the variants that the wildcards' figure shows, run by run."""

    def files(wildcards):
        name = config["figures"][wildcards.figure]["variants"]
        if suffix == ".truth.tsv" and "truth" not in VARIANTS[name]:
            return []
        shown = runs.figure_runs(config, wildcards.figure)
        return [f"<results>/variants/{name}/{VARIANT_RUN}{suffix}".format(**run) for run in shown]

    return files


def environment(backbone):
    """The conda environment of jobs that load a backbone: its own file, or the models'."""
    own = config["backbones"][backbone].get("conda")
    return os.path.abspath(own) if own else MODEL_ENVIRONMENT


def backbone_environment(wildcards):
    """The conda environment of jobs that load the wildcards' source's backbone."""
    return environment(SOURCES[wildcards.source]["backbone"])


def shard_names(count):
    """The names of `count` shards: 000, 001, ..."""
    return [f"{shard:03d}" for shard in range(count)]


def shards_of(name):
    """The shards of a source's feature store: of tracks if they are of bigWigs, else of genes."""
    if name in MEASURED:
        count = SOURCES[name]["groups" if name in BINNED else "shards"]
    else:
        count = backbone_of(name)["shards"]
    return expand("<results>/features/{source}/{shard}.h5", source=name, shard=shard_names(count))


def feature_shards(wildcards):
    """The shards of the store that the wildcards' source reads."""
    return shards_of(store_of(wildcards))


def metric_classes():
    """The classes of the config's metrics."""
    return classes(*(("metrics", metric["type"]) for metric in METRICS))


def figure_scores(*files):
    """The score files, by these names, of each of a figure's runs and baselines, run by run."""
    return lambda wildcards: [
        f"<results>/models/{entry['run']}/{file}"
        for entry in runs.figure_entries(config, wildcards.figure)
        for file in files
    ]


def audited_sources(wildcards):
    """The sources of the runs of the wildcards' figure."""
    return audited.sources(config, [wildcards.figure])


def figure_audits(wildcards):
    """The audits of leakage of the sources of the wildcards' figure."""
    return expand("<results>/leakage/{source}.tsv", source=audited_sources(wildcards))


def figures_of(taken):
    """The figures whose kind takes this of their runs."""
    return [figure for figure in config["figures"] if runs.takes(config, figure) == taken]


def figure_labels(wildcards):
    """What the report calls a figure: one label, since Snakemake may take a second one for a switch."""
    count = len(runs.figure_runs(config, wildcards.figure))
    kind = setting("figures", "kind")(wildcards)
    return {"figure": f"{wildcards.figure}: {kind.replace('_', ' ')}, {count} run{'s' * (count > 1)}"}


def figure_settings(wildcards):
    """The settings of the wildcards' figure."""
    return runs.settings(config, wildcards.figure)


def figure_models(wildcards):
    """The runs of the wildcards' figure with the types of their heads."""
    return [
        {"run": run["run"], "type": config["heads"][run["head"]]["type"]}
        for run in runs.figure_runs(config, wildcards.figure)
    ]


def figure_heads(wildcards):
    """The labels of the heads of the wildcards' figure."""
    shown = runs.figure_runs(config, wildcards.figure)
    return list(dict.fromkeys(config["heads"][run["head"]]["label"] for run in shown))


def figure_sources(part):
    """Files of the sources of the wildcards' figure: the backbones' tables of tracks, or stores of measured tracks."""

    def files(wildcards):
        backbones = runs.overview(config, wildcards.figure)
        measured = [source for row in backbones for source in row["measured"]]
        return {
            "tracks": [
                resource(config["backbones"][row["name"]]["tracks"]) for row in backbones if row["predicted"]
            ],
            "features": [f"<results>/features/{source}.h5" for source in measured],
            "shards": [shard for source in measured for shard in shards_of(source)],
        }[part]

    return files


def tabulating(script, *loaded, heads=False):
    """The code that tabulates a figure, the `heads` of its runs included; what only its drawing needs is left out."""

    def found_code(wildcards):
        shown = runs.figure_runs(config, wildcards.figure) if heads else ()
        found = classes(("figures", setting("figures", "kind")(wildcards)))
        found += [entry for run in shown for entry in head_classes(SimpleNamespace(**run))]
        return code(script, *dict.fromkeys(found), *loaded, without=("draw",))

    return found_code


def attention_file(model):
    """The attention of a run, or of the backbone that a source's runs start from."""
    return f"<results>/attention/{model}.h5" if model in SOURCES else f"<results>/models/{model}/attention.h5"


def attention_files(wildcards):
    """The attention of a figure's models: of the backbones that its runs started from, then theirs."""
    models = runs.attention_models(config, wildcards.figure)
    return [attention_file(model["run"] or model["source"]) for model in models]


def encoded_of(backbone):
    """All sequence shards of a backbone."""
    shards = shard_names(config["backbones"][backbone]["shards"])
    return expand("<results>/sequences/{backbone}/{shard}.h5", backbone=backbone, shard=shards)


def simulated_training_inputs(backbone):
    """What a small backbone is trained on: sequences and measured tracks of genes that the tracks' split trains on."""
    source = config["simulation"]["backbones"][backbone]["train_on"]
    return {
        "encoded": encoded_of(backbone),
        "features": f"<results>/features/{source}.h5",
        "shards": shards_of(source),
        "split": split_file(source),
    }


def head_features(wildcards):
    """What a head is fitted to: the source's feature store, or features reduced from it."""
    features, store = setting("heads", "features")(wildcards), store_of(wildcards)
    return (
        f"<results>/features/{store}.h5"
        if features == "store"
        else f"<results>/reduced_features/{features}/{store}/{{inputs}}.h5"
    )


def of_tissue_jobs(file):
    """One of the files that the jobs of a run leave, each of some tissues."""
    return lambda wildcards: expand(
        f"<results>/models/{RUN}/jobs/{{job}}/{file}",
        **wildcards,
        job=shard_names(setting("heads", "jobs")(wildcards)),
    )


def head_shards(wildcards):
    """The shards that a head reads through the feature store."""
    return feature_shards(wildcards) if setting("heads", "features")(wildcards) == "store" else []


@cache
def listed_models(head):
    """The list of fitted models that a head reads, and the files that it names; none of a head that is trained."""
    from chrom2expr.heads import expecto_models

    section = config["heads"][head]
    named = registry.find("heads", section["type"]).declares.get("models")
    if not named:
        return []
    return expecto_models.files_of(config["resources"][section["settings"][named]]["path"])


def head_models(wildcards):
    """The files of the models of the wildcards' head, if it reads such."""
    return [in_place(file) for file in listed_models(wildcards.head)]


def source_geometry(wildcards):
    """The geometry of a source: its own, or its backbone's."""
    return SOURCES[wildcards.source].get("geometry") or layout("geometry")(wildcards)


def sequence_shards(wildcards):
    """All sequence shards of a source's backbone."""
    return encoded_of(SOURCES[wildcards.source]["backbone"])


@cache
def stated():
    """The thesis's statements that are checked; none where it is not compared with."""
    # Loaded when a job asks: every job's start reads this file.
    from chrom2expr.evaluation import reproduction, statements

    if not config["compare_with_thesis"]:
        return []
    try:
        return statements.read_statements(thesis_statements(), reproduction.NEEDS)
    except InputError as error:
        raise WorkflowError(str(error))


def found_by_the_thesis(wildcards):
    """How many tracks of a measured source the thesis found a bigWig for, by source, as JSON."""
    found = {
        one.metric.removeprefix("measured:"): one.value
        for one in stated()
        if one.metric.startswith("measured:")
    }
    return json.dumps(found)


@cache
def reproduction_plan():
    """What the table of reproduction takes of the config."""
    from chrom2expr.config import reproduction
    from chrom2expr.evaluation import statements

    try:
        values = statements.read_values(thesis_values()) if config["compare_with_thesis"] else []
    except InputError as error:
        raise WorkflowError(str(error))
    return reproduction.plan(config, values + stated())


def reproduced(files):
    """Files that the table of reproduction is made of, if the thesis is compared with."""
    return lambda wildcards: files(reproduction_plan()) if config["compare_with_thesis"] else []


def tables_of_scores(ending):
    """The tables of the wildcards' figures that show scores."""
    return lambda wildcards: [
        f"<results>/figures/{figure}{ending}"
        for figure in scope.scope(config, wildcards.shown).figures
        if figure in figures_of("scores")
    ]


def environments():
    """The files of the workflow's own environments."""
    return [
        in_place(os.path.relpath(file))
        for file in sorted(glob.glob(os.path.join(WORKFLOW, "envs", "*.yaml")))
    ]


def reported_beside(wildcards):
    """What the report of all figures has beside them; its pages make nothing that the figures do not take."""
    if wildcards.shown != scope.ALL:
        return []
    measured = {source for source in scope.scope(config, scope.ALL).sources if source in MEASURED}
    catalogue = {source["name"] for source in catalogued(catalogued_source)}
    found = ["<results>/genes/variation.tsv", "<results>/tables/leakage.html", "<results>/plan.html"]
    found += ["<results>/tables/catalogue.html"] if catalogue and catalogue <= measured else []
    compared = config["compare_with_thesis"] and {*reproduction_plan()["measured"]} <= measured
    return found + ["<results>/tables/reproduction.html"] * compared + scored_variants()
