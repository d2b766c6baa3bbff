"""A shard of encoded sequences through a backbone into a shard of the feature store."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from chrom2expr.backbones.backbone import Backbone, Prediction
from chrom2expr.backbones.device import precision
from chrom2expr.errors import InputError
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry, central
from chrom2expr.job import Progress
from chrom2expr.tracks.store_writer import ShardWriter, embedding_names

# What is written of a batch: (gene, bin, track), and the means to keep by name.
Values = tuple[torch.Tensor, Mapping[str, torch.Tensor]]


def provenance(source: str, weights_sha256: str, software: Sequence[str], device: torch.device) -> dict[str, str]:
    """What a feature shard says of how it was computed; `software` are the packages that decide its numbers."""
    return {
        "source": source,
        "weights_sha256": weights_sha256,
        "device": device.type,
        "precision": precision(device),
        "software": ", ".join(f"{name} {version(name)}" for name in software),
    }


def predict_shard(
    backbone: Backbone,
    sequences_path: Path,
    output: Path,
    *,
    tracks: pd.DataFrame,
    geometry: Geometry,
    batch_size: int,
    reverse_complement: bool,
    central_bins: int,
    provenance: Mapping[str, str],
    device: torch.device,
) -> None:
    """Predict every gene of the sequence shard `sequences_path` and write the feature shard `output`.

    `tracks` is the track table (track_id, track_type), one row a predicted track. With `central_bins` > 0 the float32
    means over that many central bins are kept too, of the tracks and of the embedding if the backbone has one. A batch
    is written while the next one is computed; two batches are in memory at most. `backbone` lies on `device`, made
    ready by its `for_inference`.
    The attributes of the sequence shard (assembly, genome_sha256) join the `provenance`, and so does `central_bins`.

    Raises InputError if the sequence shard is damaged or shorter than the geometry's, if `central_bins` have no middle
    (see windows.central), or if a prediction is not a finite number, naming the gene; nothing is left at `output` then.
    """
    means, kept = {}, {}
    here = central(geometry.bins, central_bins or None)
    if central_bins:
        kept["central_bins"] = str(central_bins)
        means["central_tracks"] = len(tracks)
        if backbone.embedding_width:
            means["central_embedding"] = backbone.embedding_width

    def compute(encoded: torch.Tensor) -> Values:
        prediction = backbone.predict(encoded, reverse_complement)
        return prediction.tracks, _central(prediction, means, here)

    with SequenceStore([sequences_path], geometry.sequence_length) as sequences:
        writer = ShardWriter(
            output,
            gene_id=sequences.gene_id,
            strand=sequences.strand,
            track_id=tracks["track_id"].to_numpy(),
            track_type=tracks["track_type"].to_numpy(),
            bins=geometry.bins,
            bin_size=geometry.bin_size,
            provenance={**sequences.provenance, **provenance, **kept},
            means=means,
        )
        print(f"batch size {batch_size}, {_strands(reverse_complement)}")
        _fill(writer, sequences, compute, batch_size, device)


def embed_shard(
    backbone: Backbone,
    sequences_path: Path,
    output: Path,
    *,
    geometry: Geometry,
    bins: int,
    batch_size: int,
    reverse_complement: bool,
    provenance: Mapping[str, str],
    device: torch.device,
) -> None:
    """Write the embedding of the `bins` central bins of every gene of `sequences_path` as the feature shard `output`.

    Its tracks are the embedding's features, of type "embedding". The sequences are cropped to the geometry's; the
    network is in eval mode, reads the forward strand or both (`reverse_complement`), and computes no tracks. Raises
    InputError as predict_shard, and when the geometry has fewer bins.
    """
    if bins > geometry.bins:
        raise InputError(
            f"{output}: {bins} central bins are asked for, but {geometry.sequence_length:,} bp give {geometry.bins} "
            "only: change bins or geometry of the source"
        )
    width = backbone.embedding_width
    with SequenceStore([sequences_path], geometry.sequence_length) as sequences:
        writer = ShardWriter(
            output,
            gene_id=sequences.gene_id,
            strand=sequences.strand,
            track_id=embedding_names(width),
            track_type=["embedding"] * width,
            bins=bins,
            bin_size=geometry.bin_size,
            provenance={**sequences.provenance, **provenance},
        )
        print(f"batch size {batch_size}, {_strands(reverse_complement)}, {bins} bins of {width} features")
        _fill(
            writer,
            sequences,
            lambda encoded: (backbone.embed(encoded, bins, reverse_complement), {}),
            batch_size,
            device,
        )


def _strands(reverse_complement: bool) -> str:
    return "both strands averaged" if reverse_complement else "forward strand only"


def _fill(
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
            tracks, means = compute(torch.from_numpy(encoded).to(device))
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


def _central(prediction: Prediction, names: Mapping[str, int], here: slice) -> dict[str, torch.Tensor]:
    """Means (batch, width) of the central bins, those of the slice `here`."""
    parts = {"central_tracks": prediction.tracks, "central_embedding": prediction.embedding}
    return {name: parts[name][:, here].mean(1) for name in names}
