"""A shard of encoded sequences through a backbone: its embedding as a shard of the feature store."""

from collections.abc import Mapping
from pathlib import Path

import torch

from chrom2expr.backbones import inference
from chrom2expr.backbones.backbone import Backbone
from chrom2expr.errors import InputError
from chrom2expr.genome.sequence_store import SequenceStore
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks.store_writer import ShardWriter, embedding_names


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
    InputError as predicting.predict_shard, and when the geometry has fewer bins.
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
        print(f"batch size {batch_size}, {inference.strands(reverse_complement)}, {bins} bins of {width} features")
        inference.fill(
            writer,
            sequences,
            lambda encoded: (backbone.embed(encoded, bins, reverse_complement), {}),
            batch_size,
            device,
        )
