"""What the jobs leave that a run's tissues were dealt out to (heads.of_tissues), joined into one run's files.

For a room whose tissues learn nothing from one another: it offers `join(models, output)`, which writes one model.pt of
several, their tissues one after another.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chrom2expr import heads
from chrom2expr.errors import InputError
from chrom2expr.files import read_json
from chrom2expr.predictions import read_predictions, write_predictions
from chrom2expr.tables import read_lines, write_lines


def join_grids(parts: Sequence[Path], output: Path) -> None:
    """Write one grid.tsv with the rows of several."""
    header, *rows = read_lines(parts[0]).splitlines(keepends=True)
    for path in parts[1:]:
        other, *more = read_lines(path).splitlines(keepends=True)
        if other != header:
            raise InputError(f"{path}: other columns than {parts[0]}; delete both and run again")
        rows += more
    write_lines(output, header + "".join(rows))


def join_predictions(parts: Sequence[Path], output: Path) -> None:
    """Write one predictions.h5 with the tissues of several. Raises InputError unless they are of the same genes."""
    found = [read_predictions(path) for path in parts]
    for path, part in zip(parts, found, strict=True):
        if any(not np.array_equal(getattr(part, name), getattr(found[0], name)) for name in ("gene_id", "split")):
            raise InputError(f"{path}: other genes than {parts[0]}; delete both and run again")
    joined = {
        name: np.concatenate([getattr(part, name) for part in found], axis=-1)
        for name in ("predicted", "observed", "tissue")
    }
    write_predictions(output, found[0]._replace(**joined))


def join_summaries(parts: Sequence[Path], predictions: Path, output: Path) -> None:
    """Write one summary.json of several; the validation scores are those of the joined `predictions`."""
    summaries = [read_json(path) for path in parts]
    validation = read_predictions(predictions).of("val")
    genes = {
        split: {
            **counts,
            "missing_values": sum(summary["genes"][split]["missing_values"] for summary in summaries),
        }
        for split, counts in summaries[0]["genes"].items()
    }
    joined = {
        **summaries[0],
        "tissues": sum(summary["tissues"] for summary in summaries),
        "genes": genes,
        "chosen": [row for summary in summaries for row in summary["chosen"]],
        "diverged": sum(summary["diverged"] for summary in summaries),
        "validation": heads.scores(validation.predicted, validation.observed),
    }
    heads.write_summary(output, joined)
