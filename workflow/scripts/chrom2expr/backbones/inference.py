"""What is computed of a shard of encoded sequences into a shard of the feature store, batch by batch."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from chrom2expr.backbones.backbone import Backbone
from chrom2expr.backbones.device import precision_of, say_precision, to_device
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import Progress
from chrom2expr.tracks.store_writer import ShardWriter

# What is written of a batch: (gene, bin, track), and the means to keep by name.
Values = tuple[torch.Tensor, Mapping[str, torch.Tensor]]


def provenance(
    source: str,
    weights: str | Sequence[str],
    weights_sha256: str,
    description: Mapping[str, Any],
    software: Sequence[str],
    device: torch.device,
) -> dict[str, str]:
    """What a feature shard says of how it was computed; `software` are the packages that decide its numbers.

    `weights` are the files that its weights lie in; `description` is what loading the backbone again takes beside them
    (see `described`).
    """
    return {
        "source": source,
        "backbone": json.dumps(description, sort_keys=True),
        "weights": json.dumps(weights if isinstance(weights, str) else [*weights]),
        "weights_sha256": weights_sha256,
        "device": device.type,
        "precision": precision_of(description["precision"], device),
        "software": ", ".join(f"{name} {version(name)}" for name in software),
    }


def ready(backbone: Backbone, precision: str, device: torch.device) -> Backbone:
    """A backbone that was loaded, on a device, set to predict and embed in a precision, which is printed."""
    backbone.precision = precision
    say_precision(precision, device)
    return backbone.for_inference().to(device)


def described(
    type: str,
    settings: Mapping[str, Any],
    geometry: Geometry,
    reverse_complement: bool,
    precision: str = "auto",
    **taken: int,
) -> dict[str, Any]:
    """What loading a backbone, and reading with it, takes beside its weights, as JSON has it.

    type, settings: for Backbone.load; geometry: asdict; and what is `taken` of it: `tracks`, how many it predicts, or
    `bins`, how many central ones of its embedding.
    """
    return {
        "type": type,
        "settings": dict(settings),
        "geometry": asdict(geometry),
        "reverse_complement": reverse_complement,
        "precision": precision,
        **taken,
    }


def strands(reverse_complement: bool) -> str:
    """How the strands are read, for the log."""
    return "both strands averaged" if reverse_complement else "forward strand only"


def fill(
    writer: ShardWriter,
    sequences: SequenceStore,
    compute: Callable[[torch.Tensor], Values],
    batch_size: int,
    device: torch.device,
) -> None:
    """Write what is computed of every sequence; a batch is written while the next one is computed."""
    everything = np.arange(len(sequences.gene_id))
    progress = Progress(len(everything), "genes")
    with writer, ThreadPoolExecutor(max_workers=1) as thread:
        written: Future | None = None
        for rows, encoded in sequences.select(sequences.gene_id).batches(everything, batch_size):
            tracks, means = compute(to_device(encoded, device))
            half = tracks.half()
            # What float16 cannot hold goes as it is, so that the writer tells large values from infinite ones.
            values = (tracks if half.isinf().any() else half).cpu().numpy()
            arrays = {name: mean.cpu().numpy() for name, mean in means.items()}
            if written:
                written.result()  # raises what went wrong in writing the last batch
            written = thread.submit(writer.write, int(rows[0]), values, **arrays)
            progress.advance(len(rows))
        if written:
            written.result()
