"""A shard of encoded sequences through a backbone: its tracks as a shard of the feature store."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch

from chrom2expr.backbones import inference
from chrom2expr.backbones.backbone import Backbone, Prediction
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry, central
from chrom2expr.tracks.store_writer import ShardWriter


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

    def compute(encoded: torch.Tensor) -> inference.Values:
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
        print(f"batch size {batch_size}, {inference.strands(reverse_complement)}")
        inference.fill(writer, sequences, compute, batch_size, device)


def _central(prediction: Prediction, names: Mapping[str, int], here: slice) -> dict[str, torch.Tensor]:
    """Means (batch, width) of the central bins, those of the slice `here`."""
    parts = {"central_tracks": prediction.tracks, "central_embedding": prediction.embedding}
    return {name: parts[name][:, here].mean(1) for name in names}
