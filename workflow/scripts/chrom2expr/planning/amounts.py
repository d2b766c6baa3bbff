"""How much work a job is: genes, tracks, bins, … by which the table of rates multiplies."""

import glob
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.config import audited, resources
from chrom2expr.files.csv_rows import open_text
from chrom2expr.planning.jobs import Job
from chrom2expr.tracks.bigwig_places import located, read_overrides
from chrom2expr.tracks.track_tables import read_tracks

# What a job's work may be counted in.
AMOUNTS = {
    "genes": "genes, of the job's shard if it has one",
    "held_out": "validation and test genes",
    "tissues": "tissues, of the job's share if they are dealt out",
    "bins": "bins of a gene",
    "bp": "bases of a gene's window",
    "tracks": "tracks, or the width of an embedding; of the job's group if it has one",
    "strands": "2 if a backbone reads both strands",
    "points": "points of a head's grid",
    "epochs": "epochs at most",
    "width": "channels of a head's network",
    "resamples": "bootstrap resamples",
    "genome_bp": "bases of an assembly",
}
# The thesis's, where the files that tell are not there yet.
_GENES, _TISSUES, _HELD_OUT = 22_828, 218, 840
_TRACKS = {"enformer": {"all": 5_313, "cage": 638}, "beluga": {"all": 2_002, "cage": 0}}
# Those of them that a template of config.yaml names a bigWig for (docs/catalogue.md), none of them CAGE.
_BIGWIGS = {"enformer": 4_506, "beluga": 1_187}
_EMBEDDING = {"enformer": 3_072}
_GENOME = 3.1e9


class Counts(NamedTuple):
    """What a run's jobs have in common; `tracks` by source and kind; `assumed`: lines that say what is not counted."""

    genes: int
    held_out: int
    tissues: int
    tracks: Mapping[str, Mapping[str, int]]
    assumed: list[str]


def count(config: Mapping[str, Any], jobs: list[Job]) -> Counts:
    """Count genes, tissues and tracks in the files that are there, or in what is simulated; else assume the thesis's.

    Raises InputError for a table of genes or tracks that cannot be read.
    """
    assumed: list[str] = []
    simulated = config.get("simulation", {}).get("genome", {})
    genes = _genes(config, jobs, simulated)
    if genes is None:
        genes = _GENES
        assumed.append(f"{genes:,} genes, as in the thesis run: there is no table of genes yet")
    if simulated:
        tissues = simulated["tissues"]
    else:
        tissues = _TISSUES
        assumed.append(f"{tissues} tissues, as in the thesis run")
    return Counts(genes, _held_out(config, genes, simulated), tissues, _tracks(config, assumed), assumed)


def amounts(job: Job, config: Mapping[str, Any], counts: Counts) -> dict[str, float]:
    """How much of each of AMOUNTS a job works on; what does not concern it, or is not known, is left out."""
    named = {
        section: config[section].get(job.wildcards.get(wildcard, ""), {})
        for section, wildcard in (
            ("sources", "source"),
            ("backbones", "backbone"),
            ("heads", "head"),
            ("inputs", "inputs"),
        )
    }
    source, head, inputs = named["sources"], named["heads"], named["inputs"]
    backbone = named["backbones"] or config["backbones"].get(source.get("backbone", ""), {})
    found: dict[str, float] = {"genes": counts.genes, "held_out": counts.held_out, "tissues": counts.tissues}
    found["resamples"] = config["bootstrap_resamples"]
    geometry = source.get("geometry") or backbone.get("geometry") or _window(job, config)
    if geometry:
        found["bins"] = inputs.get("bins") or source.get("bins") or geometry["bins"]
        slid = (geometry["bins"] - 1) * geometry["bin_size"] + geometry.get("window", 0)
        found["bp"] = geometry.get("sequence_length", slid)
    if backbone:
        found["strands"] = 1 + backbone["reverse_complement"]
    tracks = counts.tracks.get(job.wildcards.get("source", ""), {})
    # What a run of a source reads it by another name for, `embedding` say, has a width of its own.
    kind = inputs.get("tracks", "all")
    if kind in tracks:
        found["tracks"] = tracks[kind]
    if "shard" in job.wildcards:
        if job.rule.endswith("unpack_records"):
            found["genes"] /= source["groups"]  # what is kept of its records lies around as many
        elif source.get("groups") and not job.rule.endswith("bin_records"):
            found["tracks"] = found.get("tracks", math.nan) / source["groups"]
        else:
            found["genes"] /= source.get("shards") or backbone.get("shards", 1)
    if head:
        found["points"] = math.prod(len(values) for values in head["grid"].values())
        found["epochs"], found["width"] = head["max_epochs"], head["settings"].get("width", 1)
        found["tissues"] /= head["jobs"] if "job" in job.wildcards else 1
    simulated = config.get("simulation", {}).get("genome")
    found["genome_bp"] = sum(simulated["genes"].values()) * simulated["gene_spacing"] if simulated else _GENOME
    return {name: value for name, value in found.items() if not math.isnan(value)}


def types(job: Job, config: Mapping[str, Any]) -> list[str]:
    """What a job works with, by which its rate is found, the most telling first: `simulated cnn`, `cnn`, and ``."""
    wildcards = job.wildcards
    source = config["sources"].get(wildcards.get("source", ""), {})
    resource = wildcards.get("resource", "")
    found = [f"{resource}/{wildcards.get('file', '')}"] if resource else []
    found += [resource, wildcards.get("reduction", "")]
    found.append(config["heads"].get(wildcards.get("head", ""), {}).get("type", ""))
    if source.get("bigwigs") and "shard" in wildcards:
        found.append("addresses" if any("://" in place for place in source["bigwigs"].values()) else "paths")
    backbone = wildcards.get("backbone", source.get("backbone", ""))
    found.append(config["backbones"].get(backbone, {}).get("type", ""))
    small = "simulation" in config
    return [way for name in found if name for way in ([f"simulated {name}"] if small else []) + [name]] + [""]


def _window(job: Job, config: Mapping[str, Any]) -> dict[str, int] | None:
    """The geometry of the window that a job compares, if it is such a job."""
    windows = (audited.compared(config, source) for source in config["sources"] if "window" in job.wildcards)
    return next((found["geometry"] for found in windows if found["name"] == job.wildcards["window"]), None)


def _genes(config: Mapping[str, Any], jobs: list[Job], simulated: Mapping[str, Any]) -> int | None:
    """Genes that take part, as tss.tsv or what is simulated has them; those of the gene table are a few more."""
    lifted = [job.output[0] for job in jobs if job.rule.endswith("lift_genes")]
    if lifted and Path(lifted[0]).is_file():
        with open_text(lifted[0]) as table:
            return sum(1 for line in table if line.strip()) - 1
    if simulated:
        kept = [n for name, n in simulated["genes"].items() if name not in config["genes"]["exclude_chromosomes"]]
        return sum(kept) - simulated["rrna"] - simulated["unliftable"]
    annotation = _in_place(config, "gene_annotation")
    if not annotation:
        return None
    with open_text(annotation) as table:
        lines = [line for line in table if line.strip() and not line.startswith("#")]
    features = sum("\tgene\t" in line for line in lines)
    return features or len(lines) - 1


def _held_out(config: Mapping[str, Any], genes: int, simulated: Mapping[str, Any]) -> int:
    """Validation and test genes of the largest split, roughly; the thesis's share where nothing tells."""
    if not simulated:
        return round(genes * _HELD_OUT / _GENES)
    return max(
        sum(simulated["genes"].get(name, 0) for name in split.get("held_out", ()))
        for split in config["splits"].values()
    )


def _tracks(config: Mapping[str, Any], assumed: list[str]) -> dict[str, dict[str, int]]:
    """Tracks of each source, by kind: all, chromatin, cage, embedding."""
    found = {}
    for name, source in config["sources"].items():
        backbone = config["backbones"].get(source.get("backbone", ""), {})
        tracks = _table(config, source, backbone) if source["kind"] != "embedded" else {}
        if tracks is None:
            tracks = _simulated_tracks(config, backbone) or _TRACKS.get(backbone.get("type", ""))
            if tracks and "simulation" not in config and "store" not in source:
                tracks = {"all": _BIGWIGS[backbone["type"]], "cage": 0} if source.get("bigwigs") else tracks
                assumed.append(f"{tracks['all']:,} tracks of {name}: its table of tracks is not there yet")
        tracks = dict(tracks or {})
        if tracks:
            tracks["chromatin"] = tracks["all"] - tracks["cage"]
        if source["kind"] in ("embedded", "predicted") and (width := _width(config, source, backbone)):
            tracks["embedding"] = width
            tracks.setdefault("all", width)
        found[name] = tracks
    return found


def _table(config: Mapping[str, Any], source: Mapping[str, Any], backbone: Mapping[str, Any]) -> dict[str, int] | None:
    """What the table of tracks says, of a measured source those that a bigWig is named for; None without a table."""
    path = _in_place(config, source.get("tracks") or backbone.get("tracks"))
    if not path and not backbone and source.get("bigwigs"):
        # A folder of one's own: each file is a track.
        return {
            "all": sum(len(glob.glob(file.replace("{identifier}", "*"))) for file in source["bigwigs"].values()),
            "cage": 0,
        }
    if not path:
        return None
    table = read_tracks(path)
    if source.get("bigwigs"):
        named = source.get("overrides")
        rows = read_overrides(named, table["track_id"].tolist()) if named else {}
        places = located(table["track_id"], source["bigwigs"], {name: row.bigwig for name, row in rows.items()})
        table = table[[place.bigwig is not None for place in places]]
    return {"all": len(table), "cage": int((table["track_type"] == "cage").sum())}


def _simulated_tracks(config: Mapping[str, Any], backbone: Mapping[str, Any]) -> dict[str, int] | None:
    """Of each lineage four chromatin tracks and one of CAGE for Enformer, five chromatin tracks for Beluga."""
    if "simulation" not in config:
        return None
    genome = config["simulation"]["genome"]
    if backbone["type"] == "beluga":
        return {"all": 5 * genome["beluga_lineages"], "cage": 0}
    return {"all": 5 * genome["lineages"], "cage": genome["lineages"]}


def _width(config: Mapping[str, Any], source: Mapping[str, Any], backbone: Mapping[str, Any]) -> int | None:
    """Width of a backbone's embedding: twice its dim."""
    small = config.get("simulation", {}).get("backbones", {}).get(source.get("backbone"), {}).get("network", {})
    return 2 * small["dim"] if "dim" in small else _EMBEDDING.get(backbone.get("type", ""))


def _in_place(config: Mapping[str, Any], name: str | None) -> str | None:
    """The path of a resource of one file, if it is there."""
    if not name:
        return None
    path = resources.resource_path(config["resources"][name], name)
    if not isinstance(path, str):
        return None
    path = path.replace("<resources>", config["pathvars"]["resources"])
    return path if Path(path).is_file() else None
