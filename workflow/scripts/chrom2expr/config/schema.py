"""The config, checked against its schema and completed with its defaults, before any job starts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, reduce
from importlib.metadata import PackageNotFoundError, version
from operator import getitem
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from chrom2expr import __version__, registry
from chrom2expr.config import places
from chrom2expr.config.contradictions import contradictions
from chrom2expr.config.overlays import DEFAULT_BASE
from chrom2expr.config.runs import FIGURE_KEYS, figure_runs, takes
from chrom2expr.errors import InputError

# Draft 2020-12, but 5.0 is no integer: a kernel or a batch of 5.0 fails in PyTorch.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, type_checker=jsonschema.Draft4Validator.TYPE_CHECKER
)
# Keys of older versions, and what to write now.
OLD_KEYS = {
    "backbones.NAME.held_out": "splits.NAME.held_out, which sources name (sources.NAME.split)",
    "backbones.NAME.room": "backbones.NAME.type",
    "heads.NAME.room": "heads.NAME.type",
    "heads.NAME.settings.batch_norm": "heads.NAME.adaptation.batch_norm",
    "losses.NAME.room": "losses.NAME.type",
    "heads.NAME.settings.jobs": "heads.NAME.jobs",
    "heads.NAME.settings.devices": "heads.NAME.devices",
    "inputs.sets": "inputs.NAME, without sets between",
    "inputs.orientation": "inputs.NAME.orientation",
    "attention": "figures.NAME.distal_bins and figures.NAME.thresholds, of the figures of kind distal_attention",
}
# Where what a type understands lies in the section itself, not in its `settings`: the keys that all types have.
FLAT = {
    "losses": {
        "type": {"type": "string", "description": "The loss."},
        "label": {"type": "string", "description": "Its name in figures."},
    },
    "adaptations": {"type": {"type": "string", "description": "The adaptation."}},
    "metrics": {"type": {"type": "string", "description": "The metric."}},
    "figures": {key: {} for key in FIGURE_KEYS},
}
# What runs must be for a figure that takes this of them.
TAKEN_RUNS = {
    "attention": {
        "properties": {
            "head": {
                "properties": {
                    "features": {
                        "const": "sequences",
                        "description": "A figure of attention shows backbones that a head of sequences trained.",
                    }
                }
            }
        }
    }
}
# What may be behind names that are not there.
_OVER_THE_THESIS = (
    f" This one names no base, so it lies over {DEFAULT_BASE}, the thesis run; for data of your own, base: "
    "config/base.yaml."
)
# What heads may demand of a loss (see loss.Loss).
TRAITS = ("squared_error", "one_tissue")


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the defaults of config.schema.yaml, and of what its sections name by `type`, filled in.

    What only one type understands, and which runs a head can fit, its class declares (see registry). Raises InputError
    naming every key that a schema rejects, or the keys of a combination that cannot work.

    >>> checked({"seed": 1})
    Traceback (most recent call last):
    ...
    chrom2expr.errors.InputError: the config has no pathvars, ...
    """
    rules = read_rules("config")
    _refuse_rootless(config, rules)
    _refuse([*_taken_for_names(config), *_keys_of_no_text(config)])
    full = _with_defaults(dict(config), rules, rules)
    _refuse(_rejected(full, rules))
    _refuse(places.expand(full))
    for section in ("backbones", "sources", "heads"):
        for name, entry in full[section].items():
            entry.setdefault("label", name.replace("_", " "))
    _place(full)
    for source in full["sources"].values():
        if source["kind"] == "embedded":
            source.setdefault("settings", {})
        if source["kind"] == "measured":
            source.setdefault("groups", 1)
            source.setdefault("missing_bigwigs", "error")
            if source.setdefault("from", "bigwigs") == "tfrecords":
                source.setdefault("shards", 32)
        if source.get("bigwigs", {}) is None:
            del source["bigwigs"]
    for head in full["heads"].values():
        if head["features"] == "sequences":
            head.setdefault("adaptation", {"type": "all"})
    simulation = read_rules("simulation")
    problems = _complete(full, ("simulation",), simulation) if "simulation" in full else ()
    _refuse([*problems, *_unknown_features(full), *_complete_types(full)])
    _label_losses(full)
    _refuse(contradictions(full), "" if "base" in config else _OVER_THE_THESIS)
    _refuse(_unfit_runs(full))
    return full


def _place(full: Mapping[str, Any]) -> None:
    """Fill in the assembly of genes, backbones and measured sources without one, if there is but one."""
    own = [source for source in full["sources"].values() if source["kind"] == "measured" and "backbone" not in source]
    for source in own:
        source.setdefault("central_bins", 0)
    if len(full["assemblies"]) == 1:
        for section in (full["genes"], *full["backbones"].values(), *own):
            section.setdefault("assembly", *full["assemblies"])


def _refuse_rootless(config: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """Raise InputError for a config that is only what is to be laid over chrom2expr's."""
    base = config.get("base", DEFAULT_BASE)
    lacking = [name for name in rules["required"] if name not in config]
    if len(lacking) > len(rules["required"]) // 2:
        raise InputError(
            f"the config has no {', '.join(lacking)}: it is to be laid over {base}, which is looked for in the "
            f"working directory, {Path.cwd()}. Work in the folder that holds it, or name it before your own (in a "
            f"module too): PATH/{base} yours.yaml"
        )


def refuse_other_version() -> None:
    """Raise InputError if another version of chrom2expr than this one is installed, which jobs might import."""
    try:
        installed = version("chrom2expr")
    except PackageNotFoundError:
        return
    if installed != __version__:
        raise InputError(
            f"chrom2expr {installed} is installed, but this workflow is {__version__}: install the workflow's own "
            "(pip install . in its folder, or make install), or uninstall the other"
        )


@cache
def read_rules(name: str) -> dict[str, Any]:
    """The schema NAME.schema.yaml beside this module: of the config, or of its section simulation."""
    schema = Path(__file__).with_name(f"{name}.schema.yaml")
    # The loader in C, where PyYAML has it, takes a tenth of the time of every dry run.
    return yaml.load(schema.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _refuse(problems: Iterable[str], hint: str = "") -> None:
    if lines := sorted(set(problems)):
        listed = "\n  ".join(lines)
        raise InputError(f"the config cannot be used:\n  {listed}\nconfig/README.md explains every key.{hint}")


def _rejected(section: Any, rules: Mapping[str, Any], path: Sequence[str] = ()) -> Iterator[str]:
    """Lines that say what a schema rejects in the section of the config at `path`."""
    for error in _Validator(rules).iter_errors(section):
        yield from _explained(error, path)


def _explained(error: jsonschema.ValidationError, path: Sequence[str]) -> Iterator[str]:
    """A schema error as lines of key, problem and the key's description; alternatives that all failed, in one line."""
    key = (*path, *error.absolute_path)
    if error.validator == "oneOf" and all("required" in one for one in error.validator_value):
        ways = (" and ".join(one["required"]) for one in error.validator_value)
        yield (
            f"{_key(key)}: give {', or '.join(ways)}, and only one of these (a config laid over another adds keys, and "
            "takes none away: give it another name)"
        )
    elif error.validator == "required":
        for name in sorted(set(error.validator_value) - set(error.instance)):
            if not any((_renamed((*key, old)) or "").endswith(f".{name}") for old in error.instance):
                said = error.schema.get("properties", {}).get(name, {}).get("description", "")
                yield f"{_key((*key, name))}: is needed" + (f" ({said})" if said else "")
    elif error.context:
        yield "; or ".join(dict.fromkeys(line for inner in error.context for line in _explained(inner, path)))
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known), key=str):
            if new := _renamed((*key, name)):
                yield f"{_key((*key, name))}: is now {new}"
            else:
                yield f"{_key((*key, name))}: is unknown; known are {', '.join(known)}"
    else:
        hint = _number_hint(error)
        if "description" in error.schema and not isinstance(error.instance, Mapping):
            hint += f" ({error.schema['description']})"
        message = error.message
        if error.validator == "maxItems":  # the items themselves say nothing
            message = f"{len(error.instance)} are too many, there may be {error.validator_value}"
        yield f"{_key(key)}: {message}{hint}"


def _taken_for_names(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say what keys of older versions are now, which a schema would take for names of the user's."""
    for old, new in OLD_KEYS.items():
        section, *keys = old.split(".")
        if len(keys) == 1 and keys[0] in (config.get(section) or {}):
            yield f"{old}: is now {new}"


def _keys_of_no_text(section: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Lines that name keys which YAML takes for a number, a date, true, false or null."""
    for key, value in section.items() if isinstance(section, Mapping) else ():
        if not isinstance(key, str):
            yield f"{_key((*path, str(key)))}: to YAML this name is {key!r}, no text: put it in quotes"
        yield from _keys_of_no_text(value, (*path, str(key)))


def _renamed(path: Sequence[str | int]) -> str | None:
    """What a key of an older version is called now; None for other keys."""
    for old, new in OLD_KEYS.items():
        parts = old.split(".")
        if len(parts) == len(path) and all(part in ("NAME", str(key)) for part, key in zip(parts, path, strict=True)):
            return new
    return None


def _number_hint(error: jsonschema.ValidationError) -> str:
    """What to do about a number, or a true or false, that came as text; empty for other errors."""
    if error.validator != "type" or not isinstance(error.instance, str):
        return ""
    wanted = error.validator_value
    if not {"number", "integer", "boolean"} & {*([wanted] if isinstance(wanted, str) else wanted)}:
        return ""
    try:
        read = yaml.safe_load(error.instance)
        float(error.instance if isinstance(read, str) else read)
    except (ValueError, TypeError, yaml.YAMLError):
        return ""
    if isinstance(read, str):
        return "; to YAML this is text: a number is written 1.0e-4, not 1e-4"
    return (
        "; it came as text: write it without quotes, and in a --configfile, since of what stands in braces or brackets "
        "in --config 'a={b: 1}' Snakemake makes text"
    )


def _key(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)) or "top level"


def _unknown_features(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say which heads' features are neither the store, nor sequences, nor a reduction's name."""
    known = ("store", "sequences", *registry.names("reductions"))
    for name, head in config["heads"].items():
        if head["features"] not in known:
            yield f"heads.{name}.features: there is no {head['features']}; there are {', '.join(known)}"


def _complete(config: dict[str, Any], path: Sequence[str], rules: Mapping[str, Any]) -> Iterator[str]:
    """Fill in the defaults of a schema in the section at `path`; lines that say what it rejects there."""
    section = reduce(getitem, path, config)
    section.update(_with_defaults(section, rules, rules))
    yield from _rejected(section, rules, path)


def _complete_types(config: dict[str, Any]) -> Iterator[str]:
    """Fill in the defaults of what sections name by `type` or `kind`; lines that say what its schema rejects."""
    for kind, path, name in _typed_sections(config):
        try:
            rules = _declared_rules(kind, name)
        except InputError as error:
            yield f"{_key(path)}.{'kind' if kind == 'figures' else 'type'}: {error}"
            continue
        yield from _complete(config, path, rules)


def _typed_sections(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The sections that hold something only a type understands: its kind, their path, and the type.

    A backbone's type describes its embedded sources and what the simulation trains too.
    """
    backbones = config["backbones"]
    for name, head in config["heads"].items():
        if "adaptation" in head:
            yield "adaptations", ("heads", name, "adaptation"), head["adaptation"]["type"]
    for kind in ("backbones", "heads", "losses", "metrics", "figures"):
        for name, section in config[kind].items():
            yield kind, (kind, name), section["kind" if kind == "figures" else "type"]
    for name, source in config["sources"].items():
        if source["kind"] == "embedded" and source.get("backbone") in backbones:
            yield "backbones", ("sources", name), backbones[source["backbone"]]["type"]
    for name in config.get("simulation", {}).get("backbones", {}):
        if name in backbones:
            yield "backbones", ("simulation", "backbones", name), backbones[name]["type"]


def _declared_rules(kind: str, name: str) -> dict[str, Any]:
    """The schema that a class declares, for the whole section that names it."""
    rules = registry.find(kind, name).declares.get("schema", {})
    if kind not in FLAT:
        return rules
    own = {"type": "object", "additionalProperties": False}
    return {**own, **rules, "properties": {**FLAT[kind], **rules.get("properties", {})}}


def _label_losses(config: dict[str, Any]) -> None:
    """Give every loss that has no label the one that its type declares for its settings."""
    for name, section in config["losses"].items():
        labels = registry.find("losses", section["type"]).declares.get("labels", [])
        found = (text.format(**section) for when, text in labels if registry.holds(when, section))
        section.setdefault("label", next(found, name.replace("_", " ")))


def _unfit_runs(config: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say which runs their head cannot fit, or their figure cannot show.

    That is what the schemas `run` that the head's type and the figure's kind declare reject in them, and what the
    kind's own schema rejects in the figure's runs, run by run.
    """
    for figure, section in config["figures"].items():
        kind, runs = registry.find("figures", section["kind"]).declares, figure_runs(config, figure)
        for run in runs:
            head = registry.find("heads", config["heads"][run["head"]]["type"]).declares
            sections = _sections_of(config, run)
            for rules in (head.get("run"), kind.get("run"), TAKEN_RUNS.get(takes(config, figure))):
                for line in _rejected(sections, rules) if rules else ():
                    yield f"figures.{figure}.runs: {run['run']}: {line}"
        rules = _declared_rules("figures", section["kind"])
        yield from _rejected({**section, "runs": runs}, rules, ("figures", figure))


def _sections_of(config: Mapping[str, Any], run: Mapping[str, str]) -> dict[str, Any]:
    """The sections of the config that a run names, the loss's with all traits that losses may have, true or false."""
    source, loss = config["sources"][run["source"]], config["losses"][run["loss"]]
    declared = registry.find("losses", loss["type"]).declares
    traits = {*TRAITS, *declared.get("traits", {})}
    return {
        "source": source,
        "backbone": config["backbones"][source["backbone"]] if "backbone" in source else {},
        "inputs": config["inputs"][run["inputs"]],
        "head": config["heads"][run["head"]],
        "loss": loss | {trait: registry.has_trait(declared, trait, loss) for trait in traits},
    }


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
