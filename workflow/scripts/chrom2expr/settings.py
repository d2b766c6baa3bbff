"""The config: checked against its schema and for combinations that cannot work, before any job starts.

Imported by the Snakefile, so it needs nothing but NumPy and what Snakemake itself installs.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import jsonschema
import yaml

from chrom2expr.errors import InputError
from chrom2expr.windows import Geometry, central

_LIBRARY = Path(__file__).parent
# Modules that only talk to the user: an edit there changes no result.
_SILENT = {"door", "errors", "ownership"}
# Draft 2020-12, but 5.0 is no integer: a kernel or a batch of 5.0 fails in PyTorch.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, type_checker=jsonschema.Draft4Validator.TYPE_CHECKER
)

# How the name of a file ends that is unpacked once it is downloaded.
_PACKED = re.compile(r"\.gz$", re.IGNORECASE)
# What names a run, in the order of its folder: models/{source}/{inputs}/{head}/{loss}.
RUN = ("source", "inputs", "head", "loss")
# What the baseline is called in tables and figures (evaluation.BASELINE).
BASELINE = "Training mean"
# Figures of attention rather than scores.
ATTENTION = ("fig3_6", "fig3_7")
# What only sources of one kind have.
OWN_KEYS = {"measured": {"bigwigs", "groups", "missing_bigwigs"}, "embedded": {"geometry", "bins", "settings"}}


def checked(config: Mapping[str, Any], schema: str | Path) -> dict[str, Any]:
    """The config with the defaults of its schema, and of the rooms' schemas beside it, filled in.

    What only one room understands is described in `rooms/{room}.schema.yaml` beside `schema`, and under `$defs: run`
    there, which runs a head's room can fit; a room without such a file takes what it is given. Raises InputError naming
    every key that a schema rejects, or the keys of a combination that cannot work.
    """
    rules = _read_rules(Path(schema))
    full = _with_defaults(dict(config), rules, rules)
    _refuse(_rejected(full, rules))
    for section in ("backbones", "sources", "heads"):
        for name, entry in full[section].items():
            entry.setdefault("label", name.replace("_", " "))
    for source in full["sources"].values():
        if source["kind"] == "embedded":
            source.setdefault("settings", {})
    _refuse(_complete_rooms(full, Path(schema).parent / "rooms"))
    _refuse(_contradictions(full))
    _refuse(_unfit_runs(full, Path(schema).parent / "rooms"))
    return full


@cache
def _read_rules(schema: Path) -> dict[str, Any]:
    # The loader in C, where PyYAML has it, takes a tenth of the time of every dry run.
    return yaml.load(schema.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _refuse(problems: Iterable[str]) -> None:
    if lines := sorted(set(problems)):
        listed = "\n  ".join(lines)
        raise InputError(f"the config cannot be used:\n  {listed}\nconfig/README.md explains every key.")


def _rejected(section: Any, rules: Mapping[str, Any], path: Sequence[str] = ()) -> Iterator[str]:
    """Lines that say what a schema rejects in the section of the config at `path`."""
    for error in _Validator(rules).iter_errors(section):
        yield from _explained(error, path)


def _explained(error: jsonschema.ValidationError, path: Sequence[str]) -> Iterator[str]:
    """A schema error as lines of key, problem and the key's description; alternatives that all failed, in one line."""
    key = (*path, *error.absolute_path)
    if error.context:
        yield "; or ".join(dict.fromkeys(line for inner in error.context for line in _explained(inner, path)))
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known), key=str):
            yield f"{_key((*key, name))}: is unknown; known are {', '.join(known)}"
    else:
        hint = _number_hint(error)
        if "description" in error.schema and not isinstance(error.instance, Mapping):
            hint += f" ({error.schema['description']})"
        yield f"{_key(key)}: {error.message}{hint}"


def _number_hint(error: jsonschema.ValidationError) -> str:
    """What to do about a number that YAML took for text; empty for other errors."""
    if error.validator != "type" or not isinstance(error.instance, str):
        return ""
    try:
        float(error.instance)
    except ValueError:
        return ""
    return "; to YAML this is text, a number has no quotes and is written 1.0e-4, not 1e-4"


def _key(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)) or "top level"


def _complete_rooms(config: dict[str, Any], schemas: Path) -> Iterator[str]:
    """Fill in the defaults of the rooms' schemas; lines that say what those reject."""
    for path, room in _room_sections(config):
        file = schemas / f"{room}.schema.yaml"
        if file.is_file():
            rules = _read_rules(file)
            section = reduce(getitem, path, config)
            section.update(_with_defaults(section, rules, rules))
            yield from _rejected(section, rules, path)


def _unfit_runs(config: Mapping[str, Any], schemas: Path) -> Iterator[str]:
    """Lines that say which runs the room of their head cannot fit: what its schema's `$defs: run` rejects in them.

    Such a schema sees the sections of the config that the run names: `source`, its `backbone`, `inputs` and `loss`.
    """
    for figure in config["figures"]:
        for run in figure_runs(config, figure):
            file = schemas / f"{config['heads'][run['head']]['room']}.schema.yaml"
            rules = _read_rules(file).get("$defs", {}).get("run") if file.is_file() else None
            if rules:
                source = config["sources"][run["source"]]
                sections = {
                    "source": source,
                    "backbone": config["backbones"][source["backbone"]],
                    "inputs": config["inputs"]["sets"][run["inputs"]],
                    "loss": config["losses"][run["loss"]],
                }
                for line in _rejected(sections, rules):
                    yield f"figures.{figure}.runs: {run['run']}: {line}"


def _room_sections(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths of the sections that hold something only a room understands, and the room."""
    for kind in ("backbones", "heads"):
        for name, section in config[kind].items():
            yield (kind, name), section["room"]
    for name, source in config["sources"].items():
        if source["kind"] == "embedded" and source["backbone"] in config["backbones"]:
            yield ("sources", name), config["backbones"][source["backbone"]]["room"]
    if "simulation" in config:
        yield ("simulation",), "simulate"
        for name in config["simulation"]["backbones"]:
            if name in config["backbones"]:
                yield ("simulation", "backbones", name), config["backbones"][name]["room"]


def _with_defaults(value: Any, rules: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """A copy of `value` with the defaults of its schema `rules`, sections that are left out included."""
    if "$ref" in rules:
        rules = root["$defs"][rules["$ref"].rsplit("/", 1)[1]]
    if not isinstance(value, Mapping):
        return value
    full = dict(value)
    for key, inner in rules.get("properties", {}).items():
        if key not in full and "default" in inner:
            full[key] = inner["default"]
    other = rules.get("additionalProperties")
    for key in full:
        inner = rules.get("properties", {}).get(key, other)
        if isinstance(inner, Mapping):
            full[key] = _with_defaults(full[key], inner, root)
    return full


def _contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that name the keys of combinations that are each legal but cannot work together."""
    resources, backbones, sources = config["resources"], config["backbones"], config["sources"]
    for kind in ("backbones", "heads"):
        for name, section in config[kind].items():
            if not (_LIBRARY / f"{section['room']}.py").is_file():
                yield f"{kind}.{name}.room: there is no {section['room']}.py in {_LIBRARY}"
    for name, resource in resources.items():
        if not resource.get("path") and not resource.get("url"):
            yield f"resources.{name}: needs a url or a path"
        elif not resource.get("path") and not resource.get("files") and _file_name(resource) in ("", ".", ".."):
            yield (
                f"resources.{name}.url: {resource['url']} names no file: give the address of the file itself, or "
                "download it and give its path"
            )
        if isinstance(resource.get("sha256"), Mapping) != bool(resource.get("files")) and resource.get("sha256"):
            yield f"resources.{name}.sha256: give one checksum, or one for each of files"
    for name, backbone in backbones.items():
        for key in ("weights", "tracks"):
            if backbone[key] not in resources:
                yield f"backbones.{name}.{key}: {backbone[key]} is not among resources"
        for chromosome in sorted(set(backbone["held_out"]) & set(config["genes"]["exclude_chromosomes"])):
            yield f"backbones.{name}.held_out: {chromosome} is left out by genes.exclude_chromosomes"
        try:
            Geometry.from_config(backbone["geometry"])
        except InputError as error:
            yield f"backbones.{name}.geometry: {error}"
        try:
            central(backbone["geometry"]["bins"], backbone["central_bins"] or None)
        except InputError as error:
            yield f"backbones.{name}.central_bins: {error}"
    for name, source in sources.items():
        if source["backbone"] not in backbones:
            yield f"sources.{name}.backbone: {source['backbone']} is not among backbones"
        if source["kind"] == "measured" and not source["bigwigs"]:
            yield f"sources.{name}.bigwigs: a measured source needs at least one template"
        for kind, keys in OWN_KEYS.items():
            if source["kind"] != kind:
                for key in sorted(keys & set(source)):
                    yield f"sources.{name}.{key}: only {kind} sources have it"
        if source["kind"] == "embedded" and source["backbone"] in backbones:
            yield from _window_contradictions(name, source, backbones[source["backbone"]]["geometry"])
    for name, loss in config["losses"].items():
        if loss["alpha"] == loss["beta"] == 0:
            yield f"losses.{name}: alpha and beta are both 0, so nothing would be learned"
    for name, figure in config["figures"].items():
        yield from _figure_contradictions(config, name)
    for name, simulated in config.get("simulation", {}).get("backbones", {}).items():
        if name not in backbones:
            yield f"simulation.backbones.{name}: is not among backbones"
        source = sources.get(simulated["train_on"], {})
        if (source.get("kind"), source.get("backbone")) != ("measured", name):
            yield f"simulation.backbones.{name}.train_on: {simulated['train_on']} is not a measured source of {name}"


def _window_contradictions(name: str, source: Mapping[str, Any], whole: Mapping[str, int]) -> Iterator[str]:
    """Lines that say why an embedded source's window cannot be cropped from its backbone's sequences."""
    own = source["geometry"]
    try:
        Geometry.from_config(own)
    except InputError as error:
        yield f"sources.{name}.geometry: {error}"
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
    source, inputs = config["sources"][run["source"]], config["inputs"]["sets"][run["inputs"]]
    head, backbone = config["heads"][run["head"]], config["backbones"][source["backbone"]]
    features, embedded = head["features"], source["kind"] == "embedded"
    where = f"heads.{run['head']}.features: {features}"
    if features not in (("store", "sequences") if embedded else ("store", "spatial_basis", "central_means")):
        yield f"{where}: does not go with source {run['source']}, which is {source['kind']}"
    if (inputs["tracks"] == "embedding") != embedded and not (
        inputs["tracks"] == "embedding" and features == "central_means" and source["kind"] == "predicted"
    ):
        yield (
            f"inputs.sets.{run['inputs']}.tracks: {inputs['tracks']} is not what {run['head']} can take of "
            f"{run['source']}, which is {source['kind']}"
        )
    if features == "central_means" and not backbone["central_bins"]:
        yield f"{where}: needs backbones.{source['backbone']}.central_bins above 0"
    if features == "spatial_basis" and config["inputs"]["orientation"] != "gene":
        yield f"{where}: knows upstream and downstream only, so inputs.orientation must be gene"
    if features == "sequences" and config["inputs"]["orientation"] != "gene":
        yield (
            f"inputs.orientation: {run['head']} reads the forward strand, and its pool does not know the order of "
            "bins, so there is none to choose: set gene, or leave its runs out of figures"
        )
    if features == "sequences" and backbone["reverse_complement"]:
        yield (
            f"backbones.{source['backbone']}.reverse_complement: {run['head']} of {run['source']} reads the forward "
            f"strand only: set it false, or give sources.{run['source']} a backbone of its own"
        )
    bins = source["bins"] if embedded else backbone["geometry"]["bins"]
    if inputs["bins"] and (embedded or features == "central_means"):
        yield f"inputs.sets.{run['inputs']}.bins: {run['head']} of {run['source']} has no bins to choose from; set 0"
        return
    try:
        middle = central(bins, inputs["bins"] or None)
    except InputError as error:
        yield f"inputs.sets.{run['inputs']}.bins: sources.{run['source']}: {error}"
        return
    blocks = head["settings"].get("blocks", 0)
    if isinstance(blocks, int) and (middle.stop - middle.start) >> blocks < 1:
        yield (
            f"heads.{run['head']}.settings.blocks: {blocks} halvings leave nothing of the "
            f"{middle.stop - middle.start} bins of {run['source']}/{run['inputs']}"
        )


def attention_models(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The models of a figure of attention: `series`, `source` and `run`.

    First what its runs started from, the backbone of each source, whose `run` is empty; then its runs.
    """
    runs = figure_runs(config, figure)
    sources = list(dict.fromkeys(run["source"] for run in runs))
    bases = []
    for source in sources:
        backbone = config["backbones"][config["sources"][source]["backbone"]]["label"]
        own = f", {config['sources'][source]['label']}" if len(sources) > 1 else ""
        bases.append({"series": f"Base {backbone}{own}", "source": source, "run": ""})
    return bases + [{key: run[key] for key in ("series", "source", "run")} for run in runs]


def _attention_figure_contradictions(config: Mapping[str, Any], figure: str) -> Iterator[str]:
    """Lines that say why the attention of a figure's models cannot be shown beside one another."""
    models, where = attention_models(config, figure), f"figures.{figure}.runs"
    labels = [model["series"] for model in models]
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1:
            yield f"{where}: {labels.count(label)} models would be called {label!r}: give each a label of its own"
    windows = {}
    for model in models:
        source = config["sources"][model["source"]]
        windows.setdefault((source["backbone"], source["geometry"]["sequence_length"]), model["source"])
    if len(windows) > 1:
        yield f"{where}: the windows or the test genes of {' and '.join(windows.values())} differ: show one of them"


def _attention_contradictions(config: Mapping[str, Any], source: str) -> Iterator[str]:
    """Lines that say why the attention of the TSS's bin cannot be shown for a source's window."""
    window = config["sources"][source]["geometry"]
    bins, distal = window["sequence_length"] // window["bin_size"], config["attention"]["distal_bins"]
    if not bins % 2:
        yield f"sources.{source}.geometry: {bins} bins have none in the middle, where the TSS's attention is read"
    if distal >= bins // 2:
        yield f"attention.distal_bins: none of the {bins // 2} bins on a side of {source} is further away than {distal}"


def _figure_contradictions(config: Mapping[str, Any], name: str) -> Iterator[str]:
    sections = {
        "source": ("sources", config["sources"]),
        "inputs": ("inputs.sets", config["inputs"]["sets"]),
        "head": ("heads", config["heads"]),
        "loss": ("losses", config["losses"]),
    }
    where = f"figures.{name}.runs"
    unknown = [
        f"{where}: {part} {run[part]} is not among {sections[part][0]}"
        for run in _named_runs(config, name)
        for part in RUN
        if run[part] not in sections[part][1]
    ]
    if unknown:
        yield from dict.fromkeys(unknown)
        return
    labelled: dict[tuple[str, str], str] = {}
    grouped: dict[str, str] = {}
    for run in figure_runs(config, name):
        backbone_name = config["sources"][run["source"]]["backbone"]
        if backbone_name not in config["backbones"]:  # reported with its source
            continue
        label = run["series"], run["x"]
        if label in labelled:
            yield f"{where}: {labelled[label]} and {run['run']} would both be labelled {label[0]!r} of {label[1]!r}"
        labelled[label] = run["run"]
        if run["series"] == BASELINE:
            yield f"{where}: {run['run']} is labelled {BASELINE!r}, which is what the baseline is called"
        if grouped.setdefault(run["x"], backbone_name) != backbone_name:
            yield (
                f"{where}: group {run['x']!r} mixes {grouped[run['x']]} and {backbone_name}, whose test genes differ: "
                "give them groups of their own"
            )
        yield from _run_contradictions(config, run)
        if name in ATTENTION and config["heads"][run["head"]]["features"] != "sequences":
            yield f"{where}: {name} shows the attention of fine-tuned backbones, and {run['run']} is none"
        elif name in ATTENTION:
            yield from _attention_contradictions(config, run["source"])
        if name == "fig2_1" and config["inputs"]["sets"][run["inputs"]]["tracks"] == "embedding":
            yield f"{where}: fig2_1 shows sources of tracks, and {run['run']} takes an embedding"
    if name in ATTENTION and all(
        config["heads"][run["head"]]["features"] == "sequences" for run in figure_runs(config, name)
    ):
        yield from _attention_figure_contradictions(config, name)
    if name == "fig2_2" and len(figure_runs(config, name)) != 1:
        yield f"{where}: fig2_2 shows the network of one run, so name one"
    for run in figure_runs(config, name) if name == "fig2_2" else ():
        if config["heads"][run["head"]]["room"] != "cnn":
            yield f"{where}: fig2_2 shows a multi-tissue CNN (room: cnn), and the head of {run['run']} is none"


def _named_runs(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The runs of a figure as written: every combination of a line's names, with the line's group and label if any."""
    runs = []
    for line in config["figures"][figure]["runs"]:
        names = ([line[part]] if isinstance(line[part], str) else line[part] for part in RUN)
        own = {key: line[key] for key in ("group", "label") if key in line}
        runs += [dict(zip(RUN, chosen, strict=True)) | own for chosen in product(*names)]
    return runs


def figure_runs(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The runs of a figure, in the order in which they stand: the names in `RUN`, `run` (its folder), `x`, `series`.

    `x`, its group, is the line's `group`, or the label of what the figure's key `groups` names: the source, the inputs,
    the head or the loss. `series` is the line's `label`, or the label of what the figure's key `series` names.
    """
    grouped, told_apart = (config["figures"][figure][key] for key in ("groups", "series"))
    labels = {
        "source": lambda name: config["sources"][name]["label"],
        "inputs": lambda name: name.replace("_", " "),
        "head": lambda name: config["heads"][name]["label"],
        "loss": lambda name: loss_label(config["losses"][name]),
    }
    return [
        {part: run[part] for part in RUN}
        | {
            "run": "/".join(run[part] for part in RUN),
            "x": run.get("group", labels[grouped](run[grouped])),
            "series": run.get("label", labels[told_apart](run[told_apart])),
        }
        for run in _named_runs(config, figure)
    ]


def overview(config: Mapping[str, Any], figure: str) -> list[dict[str, Any]]:
    """The backbones of a figure's runs: `name`, `label`, `geometry`, and what heads are given of each.

    That is the kinds of `tracks` (chromatin, cage, all) and the numbers of `bins`; and where they come from: whether
    they are `predicted`, and the names of the sources where they are `measured`.
    """
    rows: dict[str, dict[str, Any]] = {}
    for run in figure_runs(config, figure):
        source, inputs = config["sources"][run["source"]], config["inputs"]["sets"][run["inputs"]]
        backbone = config["backbones"][source["backbone"]]
        row = rows.setdefault(
            source["backbone"],
            {"name": source["backbone"], "label": backbone["label"], "geometry": backbone["geometry"]}
            | {"predicted": False, "measured": [], "tracks": [], "bins": []},
        )
        row["predicted"] |= source["kind"] == "predicted"
        at_tss = config["heads"][run["head"]]["features"] == "central_means"
        bins = backbone["central_bins"] if at_tss else inputs["bins"] or backbone["geometry"]["bins"]
        found = {"tracks": inputs["tracks"], "bins": bins}
        if source["kind"] == "measured":
            found["measured"] = run["source"]
        for key, value in found.items():
            row[key] += [value] if value not in row[key] else []
    return list(rows.values())


def figure_entries(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """What a figure's table has rows for: `run`, `x` and `series` of its runs, then `run` and `x` of the baselines.

    The baseline of a group is that of its backbone's split.
    """
    runs = figure_runs(config, figure)
    backbones = {run["x"]: config["sources"][run["source"]]["backbone"] for run in runs}
    return [{key: run[key] for key in ("run", "x", "series")} for run in runs] + [
        {"run": f"baseline/{backbone}", "x": x} for x, backbone in backbones.items()
    ]


def resource_path(resource: Mapping[str, Any], name: str) -> str | list[str]:
    """Where a resource lies, as a pattern with <resources>: one file, or its `files` in their folder."""
    folder = resource.get("path")
    if resource.get("files"):
        return [f"{folder or f'<resources>/{name}'}/{file}" for file in resource["files"]]
    return folder or f"<resources>/{name}/{_file_name(resource)}"


def _file_name(resource: Mapping[str, Any]) -> str:
    """The name a download has once unpacked."""
    return resource.get("member") or re.sub(_PACKED, "", urlparse(resource["url"]).path.rpartition("/")[2])


def downloads(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of the resources that are downloaded rather than used in place."""
    return [name for name, resource in resources.items() if not resource.get("path")]


def download_source(resource: Mapping[str, Any], file: str) -> dict[str, str | bool | None]:
    """One file of a resource: its address, archive member, whether it is to be unpacked, and the SHA-256 it then has.

    What is unpacked has a name without .gz (see `resource_path`): the address's path decides, whatever query follows.
    """
    checksum, address = resource.get("sha256"), urlparse(resource["url"])
    if resource.get("files"):
        url = address._replace(path=f"{address.path.rstrip('/')}/{file}").geturl()
        return {"url": url, "member": None, "unpack": False, "sha256": (checksum or {}).get(file)}
    member = resource.get("member")
    unpack = not member and re.search(_PACKED, address.path) is not None
    return {"url": resource["url"], "member": member, "unpack": unpack, "sha256": checksum}


def loss_label(loss: Mapping[str, float]) -> str:
    """How a figure names a loss by its weights."""
    alpha, beta = loss["alpha"], loss["beta"]
    if alpha == 0:
        return "MSE"
    if beta == 0:
        return "Pearson only"
    return f"α = {alpha:g}" + ("" if beta == 1 else f", β = {beta:g}")


def modules(scripts: str | Path, script: str, rooms: Sequence[str] = ()) -> list[str]:
    """The library files that a script imports, directly or through others, and those of `rooms` it loads by name.

    Paths start with `scripts`, the folder that holds the script and the library. Modules that change no result (log,
    error messages, who may write) are left out.
    """
    library = Path(scripts) / "chrom2expr"
    found: set[str] = set()
    waiting = set(rooms) | _imports(Path(scripts) / script)
    while waiting:
        name = waiting.pop()
        if name not in found and (library / f"{name}.py").is_file():
            found.add(name)
            waiting |= _imports(library / f"{name}.py")
    return [str(library / f"{name}.py") for name in sorted(found - _SILENT)]


@cache
def _imports(path: Path) -> frozenset[str]:
    """The names of the library's modules that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "chrom2expr":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chrom2expr."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("chrom2expr.")}
    return frozenset(names)
