"""What a source's backbone has seen of the test genes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.genome import overlaps
from chrom2expr.genome.audits import NO, NONE, UNKNOWN, YES, Audited, Compared
from chrom2expr.genome.genes import locate
from chrom2expr.genome.training_regions import Place, Seen, by_chromosomes, by_regions, read_regions
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import tell

# What the folds that a backbone was trained on are called where the config does not say it.
FOLDS = ("train",)


def places(genes: pd.DataFrame, assembly: str, geometry: Geometry, contigs: Mapping[str, int]) -> Place:
    """Where the windows of genes of a tss.tsv lie in `assembly`, cut at contigs' ends, and the TSSs' bins."""
    located = locate(genes, assembly)
    start, end = overlaps.spans(located, geometry, contigs)
    whole = [geometry.bins_start(place.tss, place.strand) for place in located.itertuples()]
    first, tss = np.array(whole, dtype=np.int64), located["tss"].to_numpy(dtype=np.int64)
    bins = first + (tss - first) // geometry.bin_size * geometry.bin_size
    return Place(located["chrom"].to_numpy(dtype=object), start, end, bins, bins + geometry.bin_size)


def seen(
    place: Place, trained_on: Mapping[str, Any], contigs: Mapping[str, int], regions: str | Path | None = None
) -> Seen:
    """What was seen of genes by a backbone with such a section trained_on of the config, which is not empty.

    `regions` is the file that it names. Raises InputError as read_regions, by_regions and by_chromosomes.
    """
    if "all_but" in trained_on:
        return by_chromosomes(place, trained_on["all_but"], contigs)
    try:
        return by_regions(place, read_regions(regions, contigs), trained_on.get("folds", FOLDS))
    except InputError as error:
        raise InputError(str(error) if str(regions) in str(error) else f"{regions}: {error}") from None


def audited(rows: Sequence[Compared], found: Seen | None, known: bool = True) -> list[Audited]:
    """The rows with what was seen of their genes; `found` is None if none was trained or, unless `known`, told of."""
    if found is None:
        return [Audited(*row, NONE if known else UNKNOWN, "", np.nan) for row in rows]
    words = np.where(found.tss, YES, NO).tolist()
    columns = zip(rows, words, found.fold.tolist(), found.share.tolist(), strict=True)
    return [Audited(*row, word, fold, share) for row, word, fold, share in columns]


def warn(source: str, backbone: str, rows: Sequence[Audited]) -> None:
    """Say on the console, too, if a backbone was trained on test genes of a source."""
    trained = [row.gene_id for row in rows if row.trained_on_tss == YES]
    if trained:
        tell(
            f"Warning: {source} is evaluated on genes that its backbone was trained on: {len(trained):,} of "
            f"{len(rows):,} test genes ({len(trained) / len(rows):.0%}) have their TSS in what backbones: {backbone}: "
            f"trained_on says, at first {trained[0]}. Its scores are too good by as much as the backbone remembers of "
            "them; choose a split that holds out what the backbone has not seen"
        )
