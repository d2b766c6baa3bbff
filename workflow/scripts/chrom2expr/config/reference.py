"""config/README.md, made of the schemas: every key of the config, its default, where that comes from, and its meaning.

A schema says what a key means in `description` (short: error messages show it too) and when to change it in `advice`.
`origin` says where its default comes from: thesis, publisher or our choice, and where in it. A section's counts for all
keys below it. Values are those of config/config.yaml, and of config/demo.yaml for the simulation.

`make docs` writes the file; a test says when it is not what the schemas say.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from chrom2expr import registry
from chrom2expr.config.schema import checked, read_rules

ROOT = Path(__file__).resolve().parents[4]
README = ROOT / "config/README.md"
ORIGINS = ("thesis", "publisher", "our choice")
# The kinds of classes that entries of a section name, and the key that names them.
KINDS = {
    "backbones": {"backbones": "type"},
    "heads": {"heads": "type", "adaptations": "adaptation.type", "reductions": "features"},
    "losses": {"losses": "type"},
    "metrics": {"metrics": "type"},
    "figures": {"figures": "kind"},
}
HEADER = (
    "The column *from* says where a default comes from: **thesis** is stated there; **publisher** is how the published "
    "model or data set is defined; **our choice** is ours, and not to be taken for the author's. The column *default* "
    "shows what counts where a key is left out, then, by name, the entries of `config.yaml` that have another. NAME "
    "is any name that you choose."
)
TAKES = {
    "store": "the feature store",
    "reduced_features": "a reduction of the feature store",
    "sequences": "the sequences",
}
# In paths, in place of a name of the user's.
NAME = "NAME"
# A bar inside a cell of a table.
BAR = "\\|"


class Key(NamedTuple):
    """A key of a schema: its path, what the schema says of it, where its default comes from, whether it is needed."""

    path: tuple[str, ...]
    rules: Mapping[str, Any]
    origin: str
    required: bool


def main() -> None:
    """Write config/README.md."""
    README.write_text(text(), encoding="utf-8")


def text() -> str:
    """What config/README.md holds."""
    schema, config = read_schema(), read_config()
    parts = ["# Every key of the config", "<!-- Generated from the schemas (make docs): edit those, not this file. -->"]
    parts += [*_paragraphs(schema["advice"]), *_paragraphs(HEADER)]
    sections = {name: inner for name, inner in schema["properties"].items() if inner["type"] == "object"}
    single = {name: inner for name, inner in schema["properties"].items() if name not in sections}
    parts += ["## Keys without a section", *_table(keys({**schema, "properties": single}, schema), config)]
    for name, inner in sections.items():
        found = keys(inner, schema, (name,), inner.get("origin", ""))
        parts += [f"## `{name}`", *_introduction(inner), *_table(found, config)]
        for kind, named_by in KINDS.get(name, {}).items():
            for type_ in registry.OWN[kind]:
                parts += [f"### `{named_by}: {type_}`", *_type(kind, type_, config)]
    return "\n\n".join(parts) + "\n"


def read_schema() -> dict[str, Any]:
    """The config's schema, that of the simulation in its place."""
    schema, simulation = (deepcopy(read_rules(name)) for name in ("config", "simulation"))
    schema["properties"]["simulation"]["properties"]["genome"] |= simulation["properties"]["genome"]
    return schema


def read_config() -> dict[str, Any]:
    """The values of config/config.yaml, and the simulation of config/demo.yaml, with their defaults."""
    config, demo = (_read(ROOT / f"config/{name}.yaml") for name in ("config", "demo"))
    return checked({**config, "simulation": demo["simulation"]})


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def keys(
    rules: Mapping[str, Any], root: Mapping[str, Any], path: tuple[str, ...] = (), origin: str = ""
) -> Iterator[Key]:
    """Every key below `path`, where a schema has `rules`; `root` is the schema that holds its $defs.

    >>> [key.path for key in keys({"additionalProperties": {"properties": {"bins": {"default": 0}}}}, {}, ("inputs",))]
    [('inputs', 'NAME', 'bins')]
    """
    if "$ref" in rules.get("items", {}):
        rules = _resolved(rules["items"], root)
    inner_rules = dict(rules.get("properties", {}))
    if isinstance(rules.get("additionalProperties"), Mapping):
        inner_rules[NAME] = rules["additionalProperties"]
    for name, inner in inner_rules.items():
        full = _resolved(inner, root)
        own = full.get("origin", origin)
        # What a schema describes beside a reference, it describes once: what the reference holds is found elsewhere.
        once = "$ref" in inner and "description" in inner
        below = [] if once else list(keys(full, root, (*path, name), own))
        if "description" in full or not below and name != NAME:
            yield Key((*path, name), full, own, name in rules.get("required", ()))
        yield from below


def _resolved(rules: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**root["$defs"][rules["$ref"].rsplit("/", 1)[1]], **rules} if "$ref" in rules else rules


def type_keys(kind: str, type_: str) -> list[Key]:
    """The keys of a section that only a class understands, by what it declares."""
    schema = registry.find(kind, type_).declares.get("schema", {})
    return list(keys(schema, schema))


def _type(kind: str, type_: str, config: Mapping[str, Any]) -> Iterator[str]:
    """What a class understands in the entries that name it."""
    declared = registry.find(kind, type_).declares
    yield from _introduction(declared.get("schema", {}))
    if facts := _facts(kind, declared):
        yield facts
    found = [key._replace(path=(NAME, *key.path)) for key in type_keys(kind, type_)]
    yield from _table(found, _entries(kind, type_, config), shown=1)


def _facts(kind: str, declared: Mapping[str, Any]) -> str:
    """What a class declares beside its schema, in words."""
    if kind == "backbones":
        return f"Offers: {', '.join(declared['offers'])}."
    if kind == "heads":
        several = [key for key, trait in (("jobs", "by_tissue"), ("devices", "devices")) if declared.get(trait)]
        return f"Fitted to {TAKES[declared['takes']]}." + "".join(f" `{key}` may be above 1." for key in several)
    if kind == "metrics":
        return f"{declared['quantity']}, one for each {declared['unit']}; called {declared['label']} in figures."
    return ""


def _entries(kind: str, type_: str, config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The entries of the config that name a class, by their names; embedded sources name that of their backbone."""
    found = dict(config.get(kind, {}))
    if kind == "backbones":
        sources = {name: source for name, source in config["sources"].items() if source["kind"] == "embedded"}
        found |= {name: {**source, "type": found[source["backbone"]]["type"]} for name, source in sources.items()}
    if kind == "adaptations":
        found = {name: head["adaptation"] for name, head in config["heads"].items() if "adaptation" in head}
    return {name: entry for name, entry in found.items() if entry.get("type") == type_}


def _introduction(rules: Mapping[str, Any]) -> Iterator[str]:
    for part in ("description", "advice"):
        yield from _paragraphs(rules.get(part, ""))


def _paragraphs(words: str) -> list[str]:
    return [textwrap.fill(line, 120, break_long_words=False, break_on_hyphens=False) for line in words.splitlines()]


def _table(found: Iterable[Key], config: Mapping[str, Any], shown: int = 0) -> Iterator[str]:
    """The table of keys, if there are any, whose paths are written from their part number `shown` on."""
    rows = []
    for key in found:
        origin = key.origin if _valued(key) else ""
        rows.append((_code(".".join(key.path[shown:])), _default(key, config), origin, _meaning(key.rules)))
    if rows:
        lines = [("key", "default", "from", "meaning, and when to change it"), ("---",) * 4, *rows]
        yield "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |" for row in lines)


def _valued(key: Key) -> bool:
    """Whether a key has values to speak of, rather than names, texts or keys of its own."""
    inner = key.rules.get("additionalProperties") or {}
    return bool(key.origin) and "properties" not in key.rules and "properties" not in inner


def _default(key: Key, config: Mapping[str, Any]) -> str:
    """What counts where a key is left out, and the entries that have another value."""
    named = [(_written(value), name) for name, value in _values(key.path, config)] if _valued(key) else []
    default = _written(key.rules["default"]) if key.rules.get("default", {}) != {} else ""
    if NAME not in key.path:
        found = named[0][0] if named else default
    else:
        others = _grouped((value, name) for value, name in named if not _described_by_type(key, name, config))
        if not default and len(others) == 1 and len(named) == len(config):
            default = next(iter(others))
        texts = [f"{', '.join(map(_code, names))}: {value}" for value, names in others.items() if value != default]
        found = "; ".join(filter(None, [default, *texts]))
    return found or ("needed" if key.required else "")


def _described_by_type(key: Key, name: str, config: Mapping[str, Any]) -> bool:
    """Whether an entry's value is not listed: its type has the key in its own table, or its section is of figures."""
    kind = key.path[0]
    if kind not in ("backbones", "heads"):
        return kind == "figures"
    schema = registry.find(kind, config[kind][name]["type"]).declares.get("schema", {})
    return "origin" in schema.get("properties", {}).get(key.path[2], {})


def _values(path: Sequence[str], section: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What a config has at a path, and the names of the entry that it is in."""
    if not path:
        yield name, section
    elif path[0] == NAME:
        for entry, inner in section.items():
            yield from _values(path[1:], inner, entry)
    elif isinstance(section, Mapping) and path[0] in section:
        yield from _values(path[1:], section[path[0]], name)


def _grouped(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for value, name in named:
        groups.setdefault(value, []).append(name)
    return groups


def _meaning(rules: Mapping[str, Any]) -> str:
    """The description and the advice of a key, and the values that it may have."""
    words = [rules.get("description", "")]
    if "enum" in rules:
        words.append(f"One of {', '.join(map(_written, rules['enum']))}.")
    if "const" in rules:
        words.append(f"Always {_written(rules['const'])}.")
    return " ".join([*words, *rules.get("advice", "").splitlines()]).strip()


def _written(value: Any) -> str:
    """A value as YAML, which takes 1e-05 for text."""
    return _code(_yaml(value))


def _code(words: str) -> str:
    return f"`{words}`"


def _yaml(value: Any) -> str:
    """A value as YAML on one line.

    >>> _yaml({"penalty": [1e10, 0.01], "all": True})
    '{penalty: [1.0e+10, 0.01], all: true}'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return re.sub(r"^(-?\d+)e([+-])0?", r"\1.0e\2", f"{value:g}")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return str(value) if value != "" else '""'


if __name__ == "__main__":
    main()
