"""Combinations of config keys that are each legal but cannot work together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chrom2expr import registry
from chrom2expr.config.folds import fold_names, folded
from chrom2expr.config.places import bare_roots, barren_templates
from chrom2expr.config.resources import faults
from chrom2expr.config.runs import (
    RUN,
    attention_models,
    figure_runs,
    layout,
    named_runs,
    reduction,
    spelled_out,
    takes,
)
from chrom2expr.errors import InputError
from chrom2expr.figures.rows import BASELINE
from chrom2expr.genome.windows import Geometry, central

# What only sources of one kind have.
OWN_KEYS = {
    "measured": {"bigwigs", "groups", "missing_bigwigs", "tracks", "assembly", "central_bins", "overrides"}
    | {"from", "records", "shards"},
    "embedded": {"bins", "settings"},
}


# The sections that hold what the parts of a run name.
SECTIONS = {"source": "sources", "inputs": "inputs", "head": "heads", "loss": "losses"}
# Resources that every run needs.
NEEDED = ("gene_annotation", "gene_expression")


def contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that name the keys of combinations that are each legal but cannot work together."""
    resources, backbones, sources = config["resources"], config["backbones"], config["sources"]
    for name, head in config["heads"].items():
        yield from _head_contradictions(name, head)
    for where, named in _model_lists(config).items():
        if named not in resources:
            yield f"{where}: {named} is not among resources"
        elif not resources[named].get("path") and "obtain" not in resources[named]:
            yield f"resources.{named}.path: is needed, since nothing fetches the models that {where} lists"
    yield from _assembly_contradictions(config)
    yield from faults(resources, config["pathvars"]["resources"], _used_resources(config))
    yield from bare_roots(config["pathvars"])
    yield from barren_templates(sources)
    for name, backbone in backbones.items():
        for key in ("weights", "tracks"):
            if backbone[key] not in resources:
                yield f"backbones.{name}.{key}: {backbone[key]} is not among resources"
        if "conda" in backbone and not Path(backbone["conda"]).is_file():
            yield f"backbones.{name}.conda: there is no file {backbone['conda']}"
        yield from _bad_geometry(f"backbones.{name}", backbone["geometry"])
        try:
            central(backbone["geometry"]["bins"], backbone["central_bins"] or None)
        except InputError as error:
            yield f"backbones.{name}.central_bins: {error}"
    for name, split in config["splits"].items():
        for key in split.keys() & {"held_out", "validation", "test"}:
            for chromosome in sorted(set(split[key]) & set(config["genes"]["exclude_chromosomes"])):
                yield f"splits.{name}.{key}: {chromosome} is left out by genes.exclude_chromosomes"
        for chromosome in sorted(set(split.get("validation", ())) & set(split.get("test", ()))):
            yield f"splits.{name}: {chromosome} is for both validation and test"
        if "families" in split:
            yield from _family_contradictions(f"splits.{name}.families", split["families"])
    for name, source in sources.items():
        if source["split"] not in config["splits"]:
            yield f"sources.{name}.split: {source['split']} is not among splits"
        yield from _place_contradictions(name, source, backbones)
        if source["kind"] == "measured":
            yield from _measured_contradictions(name, source, resources)
        if "tracks" in source and source["tracks"] not in resources:
            yield f"sources.{name}.tracks: {source['tracks']} is not among resources"
        for kind, keys in OWN_KEYS.items():
            if source["kind"] != kind:
                for key in sorted(keys & set(source)):
                    yield f"sources.{name}.{key}: only {kind} sources have it"
        needed = {"predicted": "tracks", "embedded": "embedding"}.get(source["kind"])
        if needed and source.get("backbone") in backbones:
            yield from _not_offered(config, source["backbone"], needed, f"sources.{name}.kind: {source['kind']}")
        if source["kind"] == "embedded" and source.get("backbone") in backbones:
            yield from _window_contradictions(name, source, backbones[source["backbone"]]["geometry"])
    labels: dict[str, str] = {}
    for name, metric in config["metrics"].items():
        declared = registry.find("metrics", metric["type"]).declares
        if missing := [key for key in ("label", "quantity", "unit") if key not in declared]:
            yield f"metrics.{name}.type: {metric['type']} does not declare {', '.join(missing)} (docs/extending.md)"
            continue
        if declared["unit"] not in ("tissue", "gene"):
            yield f"metrics.{name}.type: {metric['type']} has the unit {declared['unit']}: declare tissue or gene"
        label = declared["label"]
        if label in labels:
            yield f"metrics: {labels[label]} and {name} are both called {label!r} in figures: keep one"
        labels[label] = name
    for name in config["figures"]:
        yield from _figure_contradictions(config, name)
    for name, section in config["variants"].items():
        yield from _variant_contradictions(config, name, section)
    for name, simulated in config.get("simulation", {}).get("backbones", {}).items():
        if name not in backbones:
            yield f"simulation.backbones.{name}: is not among backbones"
        source = sources.get(simulated["train_on"], {})
        if (source.get("kind"), source.get("backbone")) != ("measured", name):
            yield f"simulation.backbones.{name}.train_on: {simulated['train_on']} is not a measured source of {name}"
        elif simulated["train_on"] in folded(config):
            yield f"simulation.backbones.{name}.train_on: {simulated['train_on']} is split into folds: name another"
        elif source.get("tracks", backbones[name]["tracks"]) != backbones[name]["tracks"]:
            yield (
                f"simulation.backbones.{name}.train_on: {simulated['train_on']} has tracks of its own, but {name} must "
                "predict those of its own table"
            )


def _family_contradictions(where: str, families: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say why a split cannot keep such families together."""
    if "table" not in families and not families["shared"]:
        yield f"{where}: give a table, or a share above 0 as shared; without either no gene has a family"
    if families["validation"] + families["test"] >= 1:
        yield f"{where}: validation and test take all genes ({families['validation']} + {families['test']})"


def _measured_contradictions(
    name: str, source: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Lines that say what is wrong with where measured tracks come from."""
    if source["from"] == "bigwigs":
        if not source.get("bigwigs"):
            yield f"sources.{name}.bigwigs: a measured source needs at least one template"
        for key in sorted({"records", "shards"} & source.keys()):
            yield f"sources.{name}.{key}: only sources from tfrecords have it, and this one is from bigwigs"
        return
    records = source["records"]
    if "bigwigs" in source:
        yield (
            f"sources.{name}.bigwigs: from is tfrecords, which needs no templates; take them away (where they are in "
            "the config below: bigwigs: null)"
        )
    if "overrides" in source:
        yield f"sources.{name}.overrides: names bigWigs, and from is tfrecords: take it away"
    if records not in resources:
        yield f"sources.{name}.records: {records} is not among resources"
    elif not resources[records].get("path") and "obtain" not in resources[records]:
        yield f"resources.{records}.path: is needed, since nothing fetches the folder that sources.{name}.records is"


def _variant_contradictions(config: Mapping[str, Any], name: str, section: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say why a run cannot score a file of variants."""
    where = f"variants.{name}"
    written = section.get("assembly")
    if written is not None and written not in config["assemblies"]:
        yield f"{where}.assembly: {written} is not among assemblies"
        return
    # A model of each fold, by the name that the fold has.
    folds = {fold: source for source in folded(config) for fold in fold_names(config, "sources", source)}
    for named in spelled_out(section["runs"]):
        run = named | {"source": folds.get(named["source"], named["source"]), "run": "/".join(named[k] for k in RUN)}
        if unknown := [part for part in RUN if run[part] not in config[SECTIONS[part]]]:
            yield from (f"{where}.runs: {part} {run[part]} is not among {SECTIONS[part]}" for part in unknown)
        elif _has_no_place(config, run["source"]):
            continue  # reported with the source
        elif config["sources"][run["source"]]["kind"] == "measured":
            yield f"{where}.runs: {run['run']} reads measured tracks, and a variant has none: take a predicted source"
        elif named["source"] in folded(config):
            first = fold_names(config, "sources", run["source"])[0]
            yield f"{where}.runs: source {run['source']} has a model for each fold: name one, as {first}"
        else:
            yield from _run_contradictions(config, run)
            there = layout(config, run["source"])["assembly"]
            if written not in (None, there) and there not in config["assemblies"][written]["lift_to"]:
                yield (
                    f"{where}.assembly: {run['run']} reads {there}: assemblies.{written}.lift_to.{there} must name the "
                    f"chain that leads there from {written}"
                )


def _place_contradictions(name: str, source: Mapping[str, Any], backbones: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say what is wrong with where a source's bins lie, which its backbone says, or its own keys."""
    own = {"assembly", "geometry", "central_bins"} & source.keys()
    if "backbone" in source:
        if source["backbone"] not in backbones:
            yield f"sources.{name}.backbone: {source['backbone']} is not among backbones"
        if source["kind"] != "embedded":
            for key in sorted(own):
                yield f"sources.{name}.{key}: is that of its backbone; leave one of the two out"
    elif source["kind"] != "measured":
        yield f"sources.{name}.backbone: is needed, since it is {source['kind']}"
    else:
        if "geometry" not in source:
            yield f"sources.{name}.geometry: is needed, or a backbone, whose it then is"
        if "geometry" in source:
            yield from _bad_geometry(f"sources.{name}", source["geometry"])
        if "tracks" not in source and any("://" in template for template in source.get("bigwigs", {}).values()):
            yield f"sources.{name}.tracks: is needed: at an address, nothing tells which tracks there are"


def _bad_geometry(where: str, geometry: Mapping[str, int]) -> Iterator[str]:
    """A line that says what is wrong with a geometry, if anything is."""
    try:
        Geometry.from_config(geometry)
    except InputError as error:
        yield f"{where}.geometry: {error}"


def _assembly_contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say what is wrong with the assemblies, and with what lies on them."""
    assemblies, resources, genes = config["assemblies"], config["resources"], config["genes"].get("assembly")
    for name, assembly in assemblies.items():
        if assembly["fasta"] not in resources:
            yield f"assemblies.{name}.fasta: {assembly['fasta']} is not among resources"
        for other, chain in assembly["lift_to"].items():
            if other not in assemblies or other == name:
                yield f"assemblies.{name}.lift_to: {other} is not among the other assemblies"
            if chain not in resources:
                yield f"assemblies.{name}.lift_to.{other}: {chain} is not among resources"
    placed = {"genes": genes}
    placed |= {f"backbones.{name}": backbone.get("assembly") for name, backbone in config["backbones"].items()}
    own = {name: source for name, source in config["sources"].items() if "backbone" not in source}
    placed |= {f"sources.{name}": one.get("assembly") for name, one in own.items() if one["kind"] == "measured"}
    for where, assembly in placed.items():
        if assembly is None:
            yield f"{where}.assembly: is needed, since there are several assemblies ({', '.join(assemblies)})"
        elif assembly not in assemblies:
            yield f"{where}.assembly: {assembly} is not among assemblies ({', '.join(assemblies)})"
    for name, source in config["sources"].items():
        lender = config["backbones"].get(source["backbone"], {}) if "backbone" in source else source
        assembly = lender.get("assembly")
        if genes in assemblies and assembly in assemblies and assembly not in (genes, *assemblies[genes]["lift_to"]):
            yield (
                f"assemblies.{genes}.lift_to.{assembly}: is needed, a chain from {genes}, on which the genes lie, to "
                f"{assembly}, on which source {name} does"
            )


def _used_resources(config: Mapping[str, Any]) -> list[str]:
    """The names of the resources that must be there: those of every run, and those that sections name."""
    named = [*NEEDED, *(backbone[key] for backbone in config["backbones"].values() for key in ("weights", "tracks"))]
    for assembly in config["assemblies"].values():
        named += [assembly["fasta"], *assembly["lift_to"].values()]
    sources = config["sources"].values()
    named += [source[key] for source in sources for key in ("tracks", "records") if key in source]
    return [*named, *_model_lists(config).values()]


def _model_lists(config: Mapping[str, Any]) -> dict[str, str]:
    """The resource that each head which reads a list of fitted models names, by the path of its key."""
    found = {}
    for name, head in config["heads"].items():
        if key := registry.find("heads", head["type"]).declares.get("models"):
            found[f"heads.{name}.settings.{key}"] = head["settings"][key]
    return found


def _not_offered(config: Mapping[str, Any], backbone: str, needed: str, where: str) -> Iterator[str]:
    """A line that says so, if a backbone does not offer what is needed of it at `where` (see backbone.Backbone)."""
    type_ = config["backbones"][backbone]["type"]
    offers = registry.find("backbones", type_).declares.get("offers", [])
    if needed not in offers:
        listed = ", ".join(offers) or "nothing"
        yield f"{where}: needs the {needed} of backbone {backbone}, but its type {type_} offers only {listed}"


def _head_contradictions(name: str, head: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say what a head's keys ask of its type that it does not do."""
    declared = registry.find("heads", head["type"]).declares
    given = head["features"] if head["features"] in ("store", "sequences") else "reduced_features"
    wanted = {"store": "the feature store", "sequences": "sequences", "reduced_features": "reduced features"}
    if declared.get("takes") not in wanted:
        yield f"heads.{name}.type: {head['type']} takes {declared.get('takes')}: declare one of {', '.join(wanted)}"
    elif given != declared["takes"]:
        yield f"heads.{name}.features: {head['features']}, but type {head['type']} takes {wanted[declared['takes']]}"
    if given == "reduced_features" and (bins := reduction(head["features"]).get("bins")) not in ("inputs", "backbone"):
        yield f"heads.{name}.features: {head['features']} takes the bins of {bins}: declare inputs or backbone"
    if head["jobs"] > 1 and not declared.get("by_tissue"):
        yield f"heads.{name}.jobs: the tissues of type {head['type']} learn from one another and need one job"
    elif head["jobs"] > 1 and given == "sequences":
        yield f"heads.{name}.jobs: a head that trains a backbone needs one job"
    if head["devices"] > 1 and not declared.get("devices"):
        yield f"heads.{name}.devices: type {head['type']} works on one device"
    if "adaptation" in head and declared.get("takes") != "sequences":
        yield f"heads.{name}.adaptation: type {head['type']} trains no backbone: only heads that take sequences do"


def _window_contradictions(name: str, source: Mapping[str, Any], whole: Mapping[str, int]) -> Iterator[str]:
    """Lines that say why an embedded source's window cannot be cropped from its backbone's sequences."""
    own = source["geometry"]
    yield from _bad_geometry(f"sources.{name}", own)
    if "window" in whole or "window" in own:
        yield f"sources.{name}: only a backbone with one centred window (geometry: sequence_length) can be embedded"
    elif own["sequence_length"] > whole["sequence_length"] or (whole["sequence_length"] - own["sequence_length"]) % 2:
        yield (
            f"sources.{name}.geometry.sequence_length: {own['sequence_length']:,} bp cannot be the middle of the "
            f"backbone's {whole['sequence_length']:,} bp: make it shorter by an even number"
        )
    elif own["bin_size"] != whole["bin_size"]:
        yield f"sources.{name}.geometry.bin_size: must be the backbone's, {whole['bin_size']}"
    elif own["sequence_length"] % own["bin_size"] or (own["sequence_length"] // own["bin_size"] - own["bins"]) % 2:
        yield (
            f"sources.{name}.geometry: {own['sequence_length']:,} bp are {own['sequence_length'] / own['bin_size']:g} "
            f"bins of {own['bin_size']} bp, which cannot be cropped to {own['bins']} by as many whole bins a side"
        )
    if source["bins"] > own["bins"]:
        yield f"sources.{name}.bins: more than geometry.bins ({own['bins']})"


def _run_contradictions(config: Mapping[str, Any], run: Mapping[str, str]) -> Iterator[str]:
    """Lines that say why a run's head cannot take these inputs of this source."""
    source, inputs = config["sources"][run["source"]], config["inputs"][run["inputs"]]
    head, lent = config["heads"][run["head"]], layout(config, run["source"])
    features, embedded = head["features"], source["kind"] == "embedded"
    reduced = reduction(features)
    where = f"heads.{run['head']}.features: {features}"
    if reduced if embedded else features == "sequences":
        yield f"{where}: does not go with source {run['source']}, which is {source['kind']}"
    if (inputs["tracks"] == "embedding") != embedded and not (
        inputs["tracks"] == "embedding" and reduced.get("kept_means") and source["kind"] == "predicted"
    ):
        yield (
            f"inputs.{run['inputs']}.tracks: {inputs['tracks']} is not what {run['head']} can take of "
            f"{run['source']}, which is {source['kind']}"
        )
    if inputs["tracks"] == "embedding":
        of = f"inputs.{run['inputs']}.tracks: embedding: {run['run']}"
        yield from _not_offered(config, source["backbone"], "embedding", of)
    if features == "sequences":
        yield from _not_offered(config, source["backbone"], "trunk", f"{where}: {run['run']}")
    if reduced.get("bins") == "backbone" and not lent["central_bins"]:
        section = "backbones" if "backbone" in source else "sources"
        yield f"{where}: needs {section}.{lent['name']}.central_bins above 0"
    if (needed := reduced.get("orientation", inputs["orientation"])) != inputs["orientation"]:
        yield f"{where}: knows upstream and downstream only, so inputs.{run['inputs']}.orientation must be {needed}"
    if features == "sequences" and inputs["orientation"] != "gene":
        yield (
            f"inputs.{run['inputs']}.orientation: {run['head']} reads the forward strand, and its pool does not know "
            "the order of bins, so the key has no effect: set gene, or leave its runs out of figures"
        )
    if features == "sequences" and embedded and config["backbones"][source["backbone"]]["reverse_complement"]:
        yield (
            f"backbones.{source['backbone']}.reverse_complement: {run['head']} of {run['source']} reads the forward "
            f"strand only: set it false, or give sources.{run['source']} a backbone of its own"
        )
    bins = source["bins"] if embedded else lent["geometry"]["bins"]
    if inputs["bins"] and (embedded or reduced.get("bins") == "backbone"):
        yield f"inputs.{run['inputs']}.bins: {run['head']} of {run['source']} has no bins to choose from; set 0"
        return
    try:
        middle = central(bins, inputs["bins"] or None)
    except InputError as error:
        yield f"inputs.{run['inputs']}.bins: sources.{run['source']}: {error}"
        return
    halving = registry.find("heads", head["type"]).declares.get("halves_bins")
    if halving and (middle.stop - middle.start) >> head["settings"][halving] < 1:
        yield (
            f"heads.{run['head']}.settings.{halving}: {head['settings'][halving]} halvings leave nothing of the "
            f"{middle.stop - middle.start} bins of {run['source']}/{run['inputs']}"
        )


def _attention_contradictions(config: Mapping[str, Any], figure: str) -> Iterator[str]:
    """Lines that say why the attention of a figure's models cannot be shown, or not beside one another."""
    models, where = attention_models(config, figure), f"figures.{figure}.runs"
    labels = [model["series"] for model in models]
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1:
            yield f"{where}: {labels.count(label)} models would be called {label!r}: give each a label of its own"
    windows = {}
    for model in models:
        source = config["sources"][model["source"]]
        window = source["backbone"], source["split"], source["geometry"]["sequence_length"]
        windows.setdefault(window, model["source"])
    if len(windows) > 1:
        yield f"{where}: the windows or the test genes of {' and '.join(windows.values())} differ: show one of them"
    distal = config["figures"][figure].get("distal_bins", 0)
    for name in dict.fromkeys(model["source"] for model in models):
        asking = f"sources.{name}: figures of attention"
        yield from _not_offered(config, config["sources"][name]["backbone"], "attention", asking)
        window = config["sources"][name]["geometry"]
        bins = window["sequence_length"] // window["bin_size"]
        if not bins % 2:
            yield f"sources.{name}.geometry: {bins} bins have none in the middle, where the TSS's attention is read"
        if distal >= bins // 2:
            yield (
                f"figures.{figure}.distal_bins: none of the {bins // 2} bins on a side of {name} is further away than "
                f"{distal}"
            )


def _score_contradictions(config: Mapping[str, Any], figure: str) -> Iterator[str]:
    """Lines that say why the scores of a figure's runs cannot be told apart or shown in their groups."""
    where = f"figures.{figure}.runs"
    for metric in config["figures"][figure].get("metrics", []):
        if metric not in config["metrics"]:
            yield f"figures.{figure}.metrics: {metric} is not among metrics"
    labelled: dict[tuple[str, str], str] = {}
    grouped: dict[str, str] = {}
    for run in figure_runs(config, figure):
        label, split = (run["series"], run["x"]), config["sources"][run["source"]]["split"]
        if label in labelled:
            yield f"{where}: {labelled[label]} and {run['run']} would both be labelled {label[0]!r} of {label[1]!r}"
        labelled[label] = run["run"]
        if run["series"] == BASELINE:
            yield f"{where}: {run['run']} is labelled {BASELINE!r}, which is what the baseline is called"
        if grouped.setdefault(run["x"], split) != split:
            yield (
                f"{where}: group {run['x']!r} mixes the splits {grouped[run['x']]} and {split}, whose test genes "
                "differ: give them groups of their own"
            )


def _has_no_place(config: Mapping[str, Any], name: str) -> bool:
    """Whether a source has neither a backbone that there is, nor what measured tracks need without one."""
    source = config["sources"][name]
    if "backbone" in source:
        return source["backbone"] not in config["backbones"]
    return source["kind"] != "measured" or not {"assembly", "geometry"} <= set(source)


def _figure_contradictions(config: Mapping[str, Any], name: str) -> Iterator[str]:
    where = f"figures.{name}.runs"
    unknown = [
        f"{where}: {part} {run[part]} is not among {SECTIONS[part]}"
        for run in named_runs(config, name)
        for part in RUN
        if run[part] not in config[SECTIONS[part]]
    ]
    if unknown:
        yield from dict.fromkeys(unknown)
        return
    runs = figure_runs(config, name)
    if any(_has_no_place(config, run["source"]) for run in runs):
        return  # reported with the source
    for run in runs:
        yield from _run_contradictions(config, run)
    taken = takes(config, name)
    if taken in ("attention", "models"):
        for source in sorted({run["source"] for run in runs} & {*folded(config)}):
            yield (
                f"figures.{name}.runs: source {source} is split into folds, each with a model of its own, so there is "
                "none to show: give the figure a source with another split"
            )
    if taken == "scores":
        yield from _score_contradictions(config, name)
    if taken == "variants":
        chosen = config["figures"][name].get("variants")
        if chosen not in config["variants"]:
            yield f"figures.{name}.variants: {chosen} is not among variants"
            return
        scored = ["/".join(run[part] for part in RUN) for run in spelled_out(config["variants"][chosen]["runs"])]
        for run in runs:
            if run["run"] not in scored:
                yield f"{where}: {run['run']} is not among the runs of variants.{chosen}"
    # A run without a window of its own is refused by what figures of attention demand of runs (see schema).
    if taken == "attention" and all("geometry" in config["sources"][run["source"]] for run in runs):
        yield from _attention_contradictions(config, name)
