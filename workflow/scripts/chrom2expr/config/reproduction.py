"""What a table of reproduction takes of a config: the runs, files and numbers that statements name and it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from chrom2expr.config import folds, runs
from chrom2expr.evaluation.statements import Statement

_LISTS = ("runs", "attention", "splits", "tracks", "measured")


def plan(config: Mapping[str, Any], statements: Sequence[Statement]) -> dict[str, Any]:
    """Lists of `runs`, models with `attention`, `splits`, backbones' `tracks`, `measured` sources; and `settings`.

    A run is in the config if one of its figures shows it. A model with attention is a run, or a source for its
    backbone, of a figure of attention; `distal` is what the figure of kind distal_attention, of several the first by
    name, takes for distal (see distal.distal_scores), empty if there is none. Settings are numbers of the config by the
    keys that lead to them. Everything is empty where the thesis is not compared with.
    """
    found: dict[str, Any] = {name: [] for name in _LISTS} | {"settings": {}, "distal": {}}
    if not config["compare_with_thesis"]:
        return found
    figures = config["figures"]
    scored = {run["run"] for figure in figures for run in runs.figure_runs(config, figure)}
    attending = {
        model["run"] or model["source"]: None
        for figure in figures
        if runs.takes(config, figure) == "attention"
        for model in runs.attention_models(config, figure)
    }
    distal = [figures[name] for name in sorted(figures) if figures[name]["kind"] == "distal_attention"]
    if distal:
        found["distal"] = {"beyond": distal[0]["distal_bins"], "thresholds": distal[0]["thresholds"]}
    counted = {
        "split": ("splits", [name for name, split in config["splits"].items() if not folds.has_folds(split)]),
        "tracks": ("tracks", list(config["backbones"])),
        "measured": ("measured", [name for name, source in config["sources"].items() if source["kind"] == "measured"]),
    }
    for statement in statements:
        kind, _, rest = statement.metric.partition(":")
        name = rest.partition(":")[0]
        if kind == "config":
            value = _number(config, rest)
            found["settings"] |= {} if value is None else {rest: value}
        elif kind in counted:
            place, known = counted[kind]
            found[place] += [name] if name in known else []
        for run, metric in statement.scored:
            found["runs"] += [run] if metric in config["metrics"] and run in scored else []
            found["attention"] += [run] if distal and metric.startswith("distal_") and run in attending else []
    return found | {name: list(dict.fromkeys(found[name])) for name in _LISTS}


def _number(config: Mapping[str, Any], keys: str) -> float | None:
    """The number under keys with dots between them, or in a list of it alone; None if there is none."""
    value: Any = config
    for key in keys.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
