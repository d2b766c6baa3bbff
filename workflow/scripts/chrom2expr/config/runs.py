"""What the runs of a figure are, how they are labelled, and what the figure takes of them."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from chrom2expr import registry
from chrom2expr.errors import InputError

# What names a run, in the order of its folder: models/{source}/{inputs}/{head}/{loss}.
RUN = ("source", "inputs", "head", "loss")
# The keys of a figure that all kinds have; the others are its kind's settings.
FIGURE_KEYS = ("kind", "runs", "groups", "series", "caption")
# What a kind of figure may take of its runs; there is a rule for each.
TAKEN = ("scores", "attention", "models", "sources", "variants")


def takes(config: Mapping[str, Any], figure: str) -> str:
    """What the kind of a figure takes of its runs, one of TAKEN (see figure.FigureKind).

    Raises InputError for a kind that takes anything else.
    """
    kind = registry.find("figures", config["figures"][figure]["kind"])
    taken = kind.declares.get("takes")
    if taken not in TAKEN:
        raise InputError(f"{kind.path}: {kind.attribute} takes {taken}; declare one of {', '.join(TAKEN)}")
    return taken


def settings(config: Mapping[str, Any], figure: str) -> dict[str, Any]:
    """The settings of a figure that its kind describes."""
    return {key: value for key, value in config["figures"][figure].items() if key not in FIGURE_KEYS}


def reduction(features: str) -> Mapping[str, Any]:
    """What the reduction that a head's `features` names declares (see reduction.Reduction); empty for others."""
    return {} if features in ("store", "sequences") else registry.find("reductions", features).declares


def figure_runs(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The runs of a figure, in their order: the names in `RUN`, `run` (its folder), `x`, `series`, `colour`.

    `x`, its group, is the line's `group`, or the label of what the figure's key `groups` names: the source, the inputs,
    the head or the loss. `series` is the line's `label`, or the label of what the figure's key `series` names.
    `colour` is the line's, empty if it has none.
    """
    grouped, told_apart = (config["figures"][figure][key] for key in ("groups", "series"))
    labels = {
        "source": lambda name: config["sources"][name]["label"],
        "inputs": lambda name: name.replace("_", " "),
        "head": lambda name: config["heads"][name]["label"],
        "loss": lambda name: config["losses"][name]["label"],
    }
    return [
        {part: run[part] for part in RUN}
        | {
            "run": "/".join(run[part] for part in RUN),
            "x": run.get("group", labels[grouped](run[grouped])),
            "series": run.get("label", labels[told_apart](run[told_apart])),
            "colour": run.get("colour", ""),
        }
        for run in named_runs(config, figure)
    ]


def named_runs(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The runs of a figure as written (see spelled_out)."""
    return spelled_out(config["figures"][figure]["runs"])


def spelled_out(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The runs of lines: every combination of a line's names, with its group, label and colour if any.

    >>> spelled_out([{"source": "s", "inputs": "all", "head": ["ridge", "cnn"], "loss": "mse"}])[1]
    {'source': 's', 'inputs': 'all', 'head': 'cnn', 'loss': 'mse'}
    """
    runs = []
    for line in lines:
        names = ([line[part]] if isinstance(line[part], str) else line[part] for part in RUN)
        own = {key: line[key] for key in ("group", "label", "colour") if key in line}
        runs += [dict(zip(RUN, chosen, strict=True)) | own for chosen in product(*names)]
    return runs


def figure_entries(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """What a figure of scores has rows for: its runs, then baselines.

    Of a run there are `run`, `source`, `x`, `series`, `colour`, of a baseline `run` and `x`.

    The baseline of a group is that of its sources' split.
    """
    runs = figure_runs(config, figure)
    splits = {run["x"]: config["sources"][run["source"]]["split"] for run in runs}
    return [{key: run[key] for key in ("run", "source", "x", "series", "colour")} for run in runs] + [
        {"run": f"baseline/{split}", "x": x} for x, split in splits.items()
    ]


def attention_models(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The models of a figure of attention: `series`, `colour`, `source` and `run`.

    First what its runs started from, the backbone of each source, whose `run` is empty; then its runs.
    """
    runs = figure_runs(config, figure)
    sources = list(dict.fromkeys(run["source"] for run in runs))
    bases = []
    for source in sources:
        backbone = config["backbones"][config["sources"][source]["backbone"]]["label"]
        own = f", {config['sources'][source]['label']}" if len(sources) > 1 else ""
        bases.append({"series": f"Base {backbone}{own}", "colour": "", "source": source, "run": ""})
    return bases + [{key: run[key] for key in ("series", "colour", "source", "run")} for run in runs]


def layout(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Where the bins of a source lie: `assembly`, `geometry`, `central_bins`, and who says so, by `name` and `label`.

    That is its backbone, or, for measured tracks of one's own, the source itself.
    """
    section = config["sources"][source]
    name = section.get("backbone")
    lender = config["backbones"][name] if name else section
    found = {key: lender[key] for key in ("label", "assembly", "geometry", "central_bins")}
    return {"name": name or source, **found}


def lifted_to(config: Mapping[str, Any]) -> list[str]:
    """The assemblies, sorted, that the genes are lifted over to: those that sources lie on, and the genes do not."""
    used = {layout(config, source)["assembly"] for source in config["sources"]} - {config["genes"]["assembly"]}
    return sorted(used & {*config["assemblies"]})


def comparing_tissues(config: Mapping[str, Any]) -> list[str]:
    """The runs of figures and variants whose loss compares tissues (see loss.Loss), and so needs several."""
    needed = []
    for section in (*config["figures"].values(), *config["variants"].values()):
        for run in spelled_out(section["runs"]):
            loss = config["losses"][run["loss"]]
            if not registry.has_trait(registry.find("losses", loss["type"]).declares, "one_tissue", loss):
                needed.append("/".join(run[part] for part in RUN))
    return list(dict.fromkeys(needed))


def overview(config: Mapping[str, Any], figure: str) -> list[dict[str, Any]]:
    """The backbones of a figure's runs, and sources without: `name`, `label`, `geometry`, and what heads are given.

    That is the kinds of `tracks` (chromatin, cage, all) and the numbers of `bins`; and where they come from: whether
    they are `predicted`, and the names of the sources where they are `measured`.
    """
    rows: dict[str, dict[str, Any]] = {}
    for run in figure_runs(config, figure):
        source, inputs = config["sources"][run["source"]], config["inputs"][run["inputs"]]
        lent = layout(config, run["source"])
        row = rows.setdefault(
            lent["name"],
            {key: lent[key] for key in ("name", "label", "geometry")}
            | {"predicted": False, "measured": [], "tracks": [], "bins": []},
        )
        row["predicted"] |= source["kind"] == "predicted"
        at_tss = reduction(config["heads"][run["head"]]["features"]).get("bins") == "backbone"
        bins = lent["central_bins"] if at_tss else inputs["bins"] or lent["geometry"]["bins"]
        found = {"tracks": inputs["tracks"], "bins": bins}
        if source["kind"] == "measured":
            found["measured"] = run["source"]
        for key, value in found.items():
            row[key] += [value] if value not in row[key] else []
    return list(rows.values())
