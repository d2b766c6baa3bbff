"""What a table of reproduction is made of: the scores of runs, attention, and numbers of genes, cell types and tracks.

Numbers are named as in the table of statements: `genes`, `lifted_genes`, `cell_types`, `split:NAME:PART`,
`tracks:BACKBONE:KIND`, `measured:SOURCE`, and `config:KEYS` for a number that the config sets.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from chrom2expr.backbones.attention import read_attention
from chrom2expr.evaluation import distal, scores, variation
from chrom2expr.evaluation.metric import Metric
from chrom2expr.evaluation.reproduction import Evidence
from chrom2expr.evaluation.statements import EXPRESSION
from chrom2expr.files.hdf5 import CheckedFile
from chrom2expr.files.tables import read_table
from chrom2expr.genome.splits import SPLITS, read_split
from chrom2expr.genome.targets import read_targets
from chrom2expr.tracks.store_writer import FORMAT
from chrom2expr.tracks.track_tables import read_tracks


class Files(Protocol):
    """Where the evidence lies: each list is in the order of the plan's list of the same things."""

    scores: Sequence[str | Path]  # run by run, a table for every metric
    bootstrap: Sequence[str | Path]
    attention: Sequence[str | Path]
    expression: str | Path
    tss: str | Path
    dropped: str | Path
    splits: Sequence[str | Path]
    tracks: Sequence[str | Path]
    features: Sequence[str | Path]


def gather(plan: Mapping[str, Any], files: Files, metrics: Mapping[str, Metric], resamples: int, seed: int) -> Evidence:
    """Read all that a plan names (config.reproduction.plan). Raises InputError for a file that is damaged."""
    found: dict[tuple[str, str], scores.Scores] = {}
    tables = iter(files.scores)
    for run, bootstrap in zip(plan["runs"], files.bootstrap, strict=True):
        own = scores.read_scores(scores.ScoreFiles({name: next(tables) for name in metrics}, bootstrap), metrics)
        found |= {(run, name): own for name in metrics}
    for model, path in zip(plan["attention"], files.attention, strict=True):
        own = distal.distal_scores(read_attention(path), **plan["distal"], resamples=resamples, seed=seed)
        found |= {(model, name): own for name in distal.UNITS}
    targets = read_targets(files.expression)
    varied = variation.variation_scores(targets, resamples, seed)
    found |= {(EXPRESSION, name): varied for name in variation.NAMES.values()}
    units = {name: metric.declares["quantity"] for name, metric in metrics.items()} | distal.UNITS
    units |= dict.fromkeys(variation.NAMES.values(), f"of {targets.unit}")
    return Evidence(found, units, count(plan, files) | {"cell_types": len(targets.tissue)})


def count(plan: Mapping[str, Any], files: Files) -> dict[str, float]:
    """The numbers of genes and tracks, and those that the config sets, by name."""
    genes = sum(1 for _ in read_table(files.tss, ("gene_id",)))
    dropped = [row["reason"] for _, row in read_table(files.dropped, ("reason",))]
    numbers = {f"config:{keys}": value for keys, value in plan["settings"].items()}
    numbers |= {"genes": genes, "lifted_genes": genes + sum("does not lift over" not in why for why in dropped)}
    for name, path in zip(plan["splits"], files.splits, strict=True):
        parts = read_split(path)[1].tolist()
        numbers |= {f"split:{name}:{part}": parts.count(part) for part in SPLITS}
    for name, path in zip(plan["tracks"], files.tracks, strict=True):
        kinds = read_tracks(path)["track_type"].tolist()
        numbers |= {f"tracks:{name}:{kind}": kinds.count(kind) for kind in ("chromatin", "cage")}
        numbers[f"tracks:{name}:all"] = len(kinds)
    for name, path in zip(plan["measured"], files.features, strict=True):
        with CheckedFile(path, FORMAT) as file:
            numbers[f"measured:{name}"] = len(file.read("track_id"))
    return numbers
