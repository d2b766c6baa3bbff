"""Expression of new sequences by a trained run, batch by batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from chrom2expr import __version__
from chrom2expr.application.new_sequences import NewSequences
from chrom2expr.application.trained_run import TrainedRun
from chrom2expr.backbones.device import precision_of, to_device
from chrom2expr.genome.batching import batches
from chrom2expr.genome.windows import N
from chrom2expr.job import Progress


@dataclass(frozen=True)
class Prediction:
    """Predicted expression, `values` (gene, tissue) float32, on the scale that `about` names.

    genes: the table of the sequences, and `unknown_bases`, how many bases of each window are N; about: `values`, the
    scale (ln(TPM + 1), say), `unit`, `pseudocount` (one, or a list with one a tissue), and what it was predicted by.
    """

    genes: pd.DataFrame
    tissue: Sequence[str]
    values: np.ndarray
    about: Mapping[str, str]


def predict(run: TrainedRun, sequences: NewSequences, batch_size: int = 1) -> Prediction:
    """Expression of all sequences, on the device where the run is; two or three batches of windows are in memory.

    Other batches change the values by rounding only.

    >>> predict(run, of_fasta("windows.fa", run.geometry)).values.shape  # doctest: +SKIP
    (12, 218)
    """
    device = next(run.parameters()).device
    count = len(sequences.genes)
    values, unknown = np.empty((count, len(run.tissues)), np.float32), np.empty(count, np.int64)
    strand = sequences.genes["strand"].tolist()
    coming = sequences.windows()

    def read(rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        for place in range(len(rows)):
            out[place] = next(coming)
        return out

    progress = Progress(count, "windows")
    for rows, encoded in batches(read, np.arange(count), batch_size, (run.window,), np.uint8):
        unknown[rows] = (encoded == N).sum(axis=1)
        with torch.inference_mode():
            found = run(to_device(encoded, device), [strand[row] for row in rows])
        values[rows] = found.float().cpu().numpy()
        progress.advance(len(rows))
    if unknown.any():
        some = (unknown > 0).sum()
        print(f"{some:,} of {count:,} windows have bases that are N or past a contig's end (column unknown_bases)")
    return Prediction(sequences.genes.assign(unknown_bases=unknown), run.tissues, values, _about(run, device))


def _about(run: TrainedRun, device: torch.device) -> dict[str, str]:
    return {
        "values": scale(run.unit, run.pseudocount),
        "unit": run.unit,
        "pseudocount": json.dumps(run.pseudocount),
        "trained_on": f"{run.assembly}, SHA-256 {run.genome_sha256}",
        "run": json.dumps({name: run.provenance[name] for name in ("inputs", "head", "loss")}, sort_keys=True),
        "device": f"{device.type}, {precision_of(run.precision, device)}",
        "software": f"chrom2expr {__version__}, torch {torch.__version__}",
    }


def scale(unit: str, pseudocount: float | Sequence[float]) -> str:
    """What predicted values are.

    >>> scale("TPM", 1.0), scale("TPM", [0.1, 0.2]), scale("the matrix's logarithm", 0.0)
    ('ln(TPM + 1)', 'ln(TPM + pseudocount)', "the matrix's logarithm")
    """
    if not np.any(pseudocount):
        return unit
    return f"ln({unit} + {'pseudocount' if isinstance(pseudocount, Sequence) else f'{pseudocount:g}'})"
