"""Which sources and runs the audit of leakage is about, and which windows it compares for them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from chrom2expr.config.folds import fold_names, folded
from chrom2expr.config.runs import figure_runs, layout, takes
from chrom2expr.genome.contigs import plain
from chrom2expr.genome.windows import Geometry


def sources(config: Mapping[str, Any], figures: Iterable[str] | None = None) -> list[str]:
    """The sources of the runs of these figures, or of all, sorted."""
    shown = config["figures"] if figures is None else figures
    return sorted({run["source"] for figure in shown for run in figure_runs(config, figure)})


def scored_runs(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """The runs of all figures of scores, sorted: `run`, its folder, and `source`."""
    shown = [figure for figure in config["figures"] if takes(config, figure) == "scores"]
    found = {(run["run"], run["source"]) for figure in shown for run in figure_runs(config, figure)}
    return [{"run": run, "source": source} for run, source in sorted(found)]


def window(config: Mapping[str, Any], source: str) -> Geometry:
    """What of the genome a source is made of: the sequence around a TSS, or, of measured tracks, their bins alone."""
    section = config["sources"][source]
    whole = Geometry.from_config(section.get("geometry") or layout(config, source)["geometry"])
    if section["kind"] != "measured":
        return whole
    indices = {key: getattr(whole, key) - whole.margin for key in ("tss_index_plus", "tss_index_minus")}
    return replace(whole, sequence_length=whole.bins * whole.bin_size, **indices)


def compared(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What decides how a source's windows compare, by which sources share that work: `assembly`, `geometry`, `name`.

    The geometry has one bin, since which bins a window has makes no difference. The name says the assembly, the bp, and
    the index of the TSS in them, on either strand where that differs.
    """
    found, assembly = window(config, source), layout(config, source)["assembly"]
    indices = list(dict.fromkeys((found.tss_index_plus, found.tss_index_minus)))
    return {
        "name": "_".join(map(str, (assembly, found.sequence_length, *indices))),
        "assembly": assembly,
        "geometry": asdict(replace(found, bins=1, bin_size=found.sequence_length)),
    }


def splits_of(config: Mapping[str, Any], source: str) -> list[str]:
    """The split of a source, or those of its folds."""
    split = config["sources"][source]["split"]
    return fold_names(config, "splits", split) if source in folded(config) else [split]


def trained_on(config: Mapping[str, Any], source: str) -> dict[str, Any] | None:
    """The section trained_on of a source's backbone, empty if it has none; None if no backbone made the source."""
    section = config["sources"][source]
    if section["kind"] == "measured":
        return None
    return config["backbones"][section["backbone"]].get("trained_on", {})


def summarised(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What a row of leakage.tsv says of a source beside its numbers: `source`, `split`, `assembly`, `window_bp`."""
    return {
        "source": source,
        "split": config["sources"][source]["split"],
        "assembly": layout(config, source)["assembly"],
        "window_bp": window(config, source).sequence_length,
    }


def warnings(config: Mapping[str, Any]) -> list[str]:
    """Lines that say which sources are evaluated on chromosomes that their backbones were trained on.

    Told from the names of chromosomes alone: of regions in a file, and of splits by genes, the audit says it.
    """
    said = []
    for source in sources(config):
        split = config["splits"][config["sources"][source]["split"]]
        unseen = {*map(plain, (trained_on(config, source) or {}).get("all_but", ()))}
        seen = [name for name in split.get("test", split.get("held_out", ())) if plain(name) not in unseen]
        if unseen and seen:
            said.append(
                f"{source} is evaluated on {', '.join(seen)}, which its backbone was trained on (backbones: "
                f"{config['sources'][source]['backbone']}: trained_on). Its scores will be too good by as much as the "
                "backbone remembers; choose a split that holds out what the backbone has not seen"
            )
    return said
