"""Find the class that a name in the config means, and what it declares, without importing it.

A name is one of chrom2expr's own (`OWN`), or one that an installed package brings by an entry point of the group
`chrom2expr.heads` (`.backbones`, `.losses`, ...), or `path/to/file.py:Class`, a file of one's own.

Every class declares what the config and the workflow must know of it in an attribute `declares`, a dictionary written
out in full: it is read from the source text, so that a dry run needs neither PyTorch nor the package's environment.

`api`: the version of the interface that the class was written for (see `API`).
`schema`: JSON schema of what it understands in its section of the config, defaults included. Its key `like` names
another class of the kind, to whose schema the rest is added.
What else each kind declares, its base class says.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from chrom2expr.errors import InputError

# Raised when a base class changes in a way that classes written for it would not survive.
API = 1
OWN: dict[str, dict[str, str]] = {
    "backbones": {"enformer": "chrom2expr.backbones.enformer:Enformer", "beluga": "chrom2expr.backbones.beluga:Beluga"},
    "heads": {
        "ridge": "chrom2expr.heads.ridge:Ridge",
        "probe": "chrom2expr.heads.linear_probe:LinearProbe",
        "expecto": "chrom2expr.heads.expecto:ExPecto",
        "cnn": "chrom2expr.heads.cnn:MultiTissueCNN",
        "single_cnn": "chrom2expr.heads.single_cnn:SingleTissueCNNs",
        "frozen": "chrom2expr.heads.frozen_trunk:FrozenTrunk",
        "finetuned": "chrom2expr.heads.finetuned:FineTunedBackbone",
    },
    "losses": {"hybrid": "chrom2expr.losses.hybrid:Hybrid"},
    "figures": {
        "scores": "chrom2expr.figures.bar_charts:BarCharts",
        "overview": "chrom2expr.figures.overview:Overview",
        "network": "chrom2expr.figures.network:Network",
        "attention_map": "chrom2expr.figures.attention_figures:AttentionMap",
        "distal_attention": "chrom2expr.figures.attention_figures:DistalAttention",
        "variant_effects": "chrom2expr.figures.variant_figures:VariantEffects",
    },
    "adaptations": {
        "all": "chrom2expr.heads.adaptations:AllParameters",
        "frozen": "chrom2expr.heads.adaptations:Frozen",
    },
    "reductions": {
        "spatial_basis": "chrom2expr.tracks.reductions:SpatialBasis",
        "central_means": "chrom2expr.tracks.reductions:CentralMeans",
    },
    "metrics": {
        "cross_gene": "chrom2expr.evaluation.spearman:CrossGene",
        "cross_celltype": "chrom2expr.evaluation.spearman:CrossCelltype",
    },
}

# What the classes of each kind may declare beside `api` and `schema`; their base classes say what it means.
DECLARED: dict[str, set[str]] = {
    "backbones": {"offers"},
    "heads": {"takes", "run", "by_tissue", "devices", "halves_bins", "models"},
    "losses": {"labels", "traits"},
    "figures": {"takes", "run"},
    "adaptations": set(),
    "reductions": {"bins", "orientation", "kept_means"},
    "metrics": {"label", "quantity", "unit", "limits"},
}


@dataclass(frozen=True)
class Entry:
    """What a name means: the class `attribute` of `module`, whose text lies in `path`, and what it declares.

    `version` is that of the installed package that brings it; empty for chrom2expr's own and for a file of one's own.
    """

    kind: str
    name: str
    module: str
    attribute: str
    path: Path
    declares: Mapping[str, Any]
    version: str = ""

    def load(self) -> Any:
        """Import the class. Raises InputError where its module cannot be imported here."""
        try:
            if self.module in sys.modules or importlib.util.find_spec(self.module):
                module = importlib.import_module(self.module)
            else:
                module = _import_file(self.module, self.path)
        except ImportError as error:
            raise InputError(
                f"{self.kind}: {self.name}: {self.path} cannot be imported ({error}): install what it needs into the "
                "environment of this job"
            ) from error
        return getattr(module, self.attribute)


@cache
def find(kind: str, name: str) -> Entry:
    """The entry of `kind` (a key of OWN) that is called `name`.

    >>> find("losses", "hybrid").attribute
    'Hybrid'

    Raises InputError for a name that nobody brings, or several do; for a class that is not where it is said to be; and
    for one that declares nothing, or was written for another version of the interface.
    """
    listed = [point.name for point in _brought(kind)]
    if listed.count(name) > 1:
        raise InputError(f"several installed packages bring {kind} {name}: uninstall all but one")
    brought = {point.name: point.value for point in _brought(kind)}
    version = next((point.dist.version for point in _brought(kind) if point.name == name and point.dist), "")
    if twice := brought.keys() & OWN[kind]:
        raise InputError(f"an installed package brings {kind} {min(twice)}, a name of chrom2expr's own: rename it")
    known = OWN[kind] | brought
    if name in known:
        module, _, attribute = known[name].partition(":")
        path = _text_of(module)
        if path is None:
            raise InputError(f"{kind}: {name} is said to lie in {module}, which cannot be found: install it again")
    else:
        file, _, attribute = name.rpartition(":")
        path = Path(file)
        if path.suffix == ".py" and not path.is_file():
            raise InputError(f"{kind}: there is no file {path}")
        if name.endswith(".py"):
            raise InputError(f"{kind}: {name}: name its class too, {name}:Class")
        if path.suffix != ".py" or not path.is_file():
            raise InputError(f"there is no {name} among {kind}; there are {', '.join(sorted(known))}")
        # Two folders may each hold a file of this name.
        module = f"chrom2expr_file_{re.sub(r'[^0-9A-Za-z]', '_', str(path.absolute()))}"
    declares = _declared(path, attribute)
    if unknown := sorted(declares.keys() - {"api", "schema"} - DECLARED[kind]):
        raise InputError(
            f"{path}: {attribute} declares {unknown[0]}, which means nothing for {kind}; known are api, schema"
            + "".join(f", {key}" for key in sorted(DECLARED[kind]))
        )
    if "api" not in declares:
        raise InputError(f"{path}: {attribute} declares no api: add 'api': {API} to `declares`")
    if declares.get("api") != API:
        raise InputError(
            f"{path}: {attribute} was written for version {declares.get('api')} of chrom2expr's interface, this is "
            f"version {API}: look for a newer one, or see docs/extending.md"
        )
    schema = dict(declares.get("schema", {}))
    if other := schema.pop("like", None):
        declares["schema"] = laid_over(find(kind, other).declares["schema"], schema)
    return Entry(kind, name, module, attribute, path, declares, version)


def build(kind: str, section: Mapping[str, Any]) -> Any:
    """The class that a section of the config names by `type`, made with the section's other keys.

    >>> build("losses", {"type": "hybrid", "alpha": 10, "beta": 1}).alpha
    10

    Raises InputError as `find` and Entry.load do.
    """
    settings = {key: value for key, value in section.items() if key != "type"}
    return find(kind, section["type"]).load()(**settings)


def names(kind: str) -> list[str]:
    """The names of a kind, chrom2expr's own first, then those that installed packages bring.

    >>> names("losses")[0]
    'hybrid'
    """
    return [*OWN[kind], *sorted(point.name for point in _brought(kind))]


def holds(when: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the settings have the values that `when` names, as in the labels and traits of a loss.

    >>> holds({"alpha": 0}, {"alpha": 0, "beta": 1})
    True
    """
    return all(key in settings and settings[key] == value for key, value in when.items())


def has_trait(declares: Mapping[str, Any], trait: str, settings: Mapping[str, Any]) -> bool:
    """Whether what a loss declares gives it a trait with these settings (see loss.Loss)."""
    return any(holds(when, settings) for when in declares.get("traits", {}).get(trait, ()))


def laid_over(below: Any, above: Any) -> Any:
    """Two nested mappings as one: what `above` says counts, as when Snakemake lays config files over one another.

    >>> laid_over({"seed": 1, "heads": {"ridge": {"jobs": 1}}}, {"heads": {"ridge": {"jobs": 4}}})
    {'seed': 1, 'heads': {'ridge': {'jobs': 4}}}
    """
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}


@cache
def _installed() -> Any:
    """All entry points; looking through what is installed takes a while."""
    return entry_points()


def _brought(kind: str) -> tuple[Any, ...]:
    return tuple(_installed().select(group=f"chrom2expr.{kind}"))


def _text_of(module: str) -> Path | None:
    """Where a module's text lies. Imports the packages that hold it, not the module itself."""
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _declared(path: Path, attribute: str) -> dict[str, Any]:
    """The dictionary `declares` in the body of a class, read from the text of its module."""
    try:
        text = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.msg}") from None
    for node in text.body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            for line in node.body:
                targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
                if any(isinstance(target, ast.Name) and target.id == "declares" for target in targets):
                    try:
                        return ast.literal_eval(line.value)
                    except ValueError:
                        raise InputError(
                            f"{path}, line {line.lineno}: declares must be written out in full, without names or calls"
                        ) from None
            raise InputError(f"{path}, line {node.lineno}: {attribute} has no dictionary `declares`: docs/extending.md")
    raise InputError(f"{path}: there is no class {attribute} in it")


def _import_file(module: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(module, path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[module] = found
    spec.loader.exec_module(found)
    return found
