"""What the runs of a figure are, and how they are labelled."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from chrom2expr import registry

# What names a run, in the order of its folder: models/{source}/{inputs}/{head}/{loss}.
RUN = ("source", "inputs", "head", "loss")
# What the baseline is called in tables and figures (evaluation.BASELINE).
BASELINE = "Training mean"
# Figures of attention rather than scores.
ATTENTION = ("fig3_6", "fig3_7")


def reduction(features: str) -> Mapping[str, Any]:
    """What the reduction that a head's `features` names declares (see reduction.Reduction); empty if it is none."""
    return {} if features in ("store", "sequences") else registry.find("reductions", features).declares


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
        "loss": lambda name: config["losses"][name]["label"],
    }
    return [
        {part: run[part] for part in RUN}
        | {
            "run": "/".join(run[part] for part in RUN),
            "x": run.get("group", labels[grouped](run[grouped])),
            "series": run.get("label", labels[told_apart](run[told_apart])),
        }
        for run in named_runs(config, figure)
    ]


def named_runs(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """The runs of a figure as written: every combination of a line's names, with the line's group and label if any."""
    runs = []
    for line in config["figures"][figure]["runs"]:
        names = ([line[part]] if isinstance(line[part], str) else line[part] for part in RUN)
        own = {key: line[key] for key in ("group", "label") if key in line}
        runs += [dict(zip(RUN, chosen, strict=True)) | own for chosen in product(*names)]
    return runs


def figure_entries(config: Mapping[str, Any], figure: str) -> list[dict[str, str]]:
    """What a figure's table has rows for: `run`, `x` and `series` of its runs, then `run` and `x` of the baselines.

    The baseline of a group is that of its sources' split.
    """
    runs = figure_runs(config, figure)
    splits = {run["x"]: config["sources"][run["source"]]["split"] for run in runs}
    return [{key: run[key] for key in ("run", "x", "series")} for run in runs] + [
        {"run": f"baseline/{split}", "x": x} for x, split in splits.items()
    ]


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


def overview(config: Mapping[str, Any], figure: str) -> list[dict[str, Any]]:
    """The backbones of a figure's runs: `name`, `label`, `geometry`, and what heads are given of each.

    That is the kinds of `tracks` (chromatin, cage, all) and the numbers of `bins`; and where they come from: whether
    they are `predicted`, and the names of the sources where they are `measured`.
    """
    rows: dict[str, dict[str, Any]] = {}
    for run in figure_runs(config, figure):
        source, inputs = config["sources"][run["source"]], config["inputs"][run["inputs"]]
        backbone = config["backbones"][source["backbone"]]
        row = rows.setdefault(
            source["backbone"],
            {"name": source["backbone"], "label": backbone["label"], "geometry": backbone["geometry"]}
            | {"predicted": False, "measured": [], "tracks": [], "bins": []},
        )
        row["predicted"] |= source["kind"] == "predicted"
        at_tss = reduction(config["heads"][run["head"]]["features"]).get("bins") == "backbone"
        bins = backbone["central_bins"] if at_tss else inputs["bins"] or backbone["geometry"]["bins"]
        found = {"tracks": inputs["tracks"], "bins": bins}
        if source["kind"] == "measured":
            found["measured"] = run["source"]
        for key, value in found.items():
            row[key] += [value] if value not in row[key] else []
    return list(rows.values())
