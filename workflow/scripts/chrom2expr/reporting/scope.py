"""What a report is about: all figures, or some, and the runs, sources and variants that they take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.config import folds, runs

ALL = "all"


class Scope(NamedTuple):
    """Figures, and what is made for them, each once: `runs` as in runs.spelled_out, those that are fitted."""

    figures: list[str]
    runs: list[dict[str, str]]
    sources: list[str]
    variants: list[str]


def scope(config: Mapping[str, Any], name: str) -> Scope:
    """What a report is about: `all`, or the names of figures with + between them.

    A figure that only counts what its sources hold (see runs.TAKEN) has none of its runs fitted, and takes measured
    sources alone. The report of all figures is also about all that the section `variants` asks for.
    """
    figures = list(config["figures"]) if name == ALL else name.split("+")
    fitted = [figure for figure in figures if runs.takes(config, figure) != "sources"]
    lines = [run for figure in fitted for run in runs.named_runs(config, figure)]
    variants = [config["figures"][name]["variants"] for name in fitted if runs.takes(config, name) == "variants"]
    if name == ALL:
        variants = list(config["variants"])
        lines += [run for name in variants for run in runs.spelled_out(config["variants"][name]["runs"])]
    found = {_folder(run): {part: run[part] for part in runs.RUN} for run in lines}
    counted = [
        source
        for figure in figures
        if figure not in fitted
        for backbone in runs.overview(config, figure)
        for source in backbone["measured"]
    ]
    sources = dict.fromkeys([*(run["source"] for run in found.values()), *counted])
    return Scope(figures, list(found.values()), list(sources), list(dict.fromkeys(variants)))


def fitted_runs(config: Mapping[str, Any], name: str) -> list[str]:
    """The folders of the models of a report, below results/models: those of each fold where a source has folds."""
    folded = folds.folded(config)
    return [
        _folder({**run, "source": source})
        for run in scope(config, name).runs
        for source in (
            folds.fold_names(config, "sources", run["source"]) if run["source"] in folded else [run["source"]]
        )
    ]


def searched(config: Mapping[str, Any], name: str) -> list[tuple[str, list[str]]]:
    """The same with what the head of each is searched over, by name."""
    return [(run, sorted(config["heads"][Path(run).parts[2]]["grid"])) for run in fitted_runs(config, name)]


def _folder(run: Mapping[str, str]) -> str:
    return "/".join(run[part] for part in runs.RUN)
