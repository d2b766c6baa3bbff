"""What the jobs leave that a run's tissues were dealt out to (heads.of_tissues), joined into one run's files.

For a room whose tissues learn nothing from one another: it offers `join(models, output)`, which writes one model.pt of
several, their tissues one after another.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from chrom2expr import heads
from chrom2expr.errors import InputError, reading
from chrom2expr.files import read_json
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
    columns: dict[str, list[np.ndarray]] = {"predicted": [], "observed": [], "tissue": []}
    genes: dict[str, np.ndarray] = {}
    for path in map(Path, parts):
        with reading(path, "prediction file"), h5py.File(path) as file:
            own = {name: file[name][:] for name in ("gene_id", "split")}
            if genes and any(not np.array_equal(own[name], genes[name]) for name in genes):
                raise InputError(f"{path}: other genes than {parts[0]}; delete both and run again")
            genes = own
            for name, values in columns.items():
                values.append(file[name][:])
    joined = {name: np.concatenate(values, axis=-1) for name, values in columns.items()} | genes
    names = ("predicted", "observed", "gene_id", "tissue", "split")
    heads.write_predictions(output, {name: joined[name] for name in names})


def join_summaries(parts: Sequence[Path], predictions: Path, output: Path) -> None:
    """Write one summary.json of several; the validation scores are those of the joined `predictions`."""
    summaries = [read_json(path) for path in parts]
    with h5py.File(predictions) as file:
        validation = file["split"].asstr()[:] == "val"
        predicted, observed = file["predicted"][:][validation], file["observed"][:][validation]
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
        "validation": heads.scores(predicted, observed),
    }
    heads.write_summary(output, joined)
