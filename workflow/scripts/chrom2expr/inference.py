"""A shard of sequence codes through a backbone into a shard of the feature store."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import h5py
import pandas as pd
import torch

from chrom2expr.backbone import Backbone, Prediction
from chrom2expr.door import Progress
from chrom2expr.errors import InputError
from chrom2expr.store import ShardWriter
from chrom2expr.windows import Geometry


def predict_shard(
    backbone: Backbone,
    codes_path: Path,
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
    """Predict every gene of the sequence shard `codes_path` and write the feature shard `output`.

    `tracks` is the track table (track_id, track_type), one row a predicted track. With `central_bins` > 0 the float32
    means over that many central bins are kept too, of the tracks and of the embedding if the backbone has one. A batch
    is written while the next one is computed; two batches are in memory at most. `backbone` lies on `device`.
    The attributes of the sequence shard (assembly, genome_sha256) join the `provenance`.

    Raises InputError if the sequence shard is damaged or of another length than the geometry's, or if a prediction is
    not a number, naming the gene; nothing is left at `output` then.
    """
    means = {}
    if central_bins:
        means["central_tracks"] = len(tracks)
        if backbone.embedding_width:
            means["central_embedding"] = backbone.embedding_width
    with _open_codes(codes_path, geometry) as file:
        codes, gene_id, strand = file["codes"], file["gene_id"].asstr()[:], file["strand"].asstr()[:]
        strands = "both strands averaged" if reverse_complement else "forward strand only"
        print(f"{len(codes):,} genes, batch size {batch_size}, {strands}")
        progress = Progress(len(codes), "genes")
        with (
            ShardWriter(
                output,
                gene_id=gene_id,
                strand=strand,
                track_id=tracks["track_id"].to_numpy(),
                track_type=tracks["track_type"].to_numpy(),
                bins=geometry.bins,
                bin_size=geometry.bin_size,
                provenance={**file.attrs, **provenance},
                means=means,
            ) as writer,
            ThreadPoolExecutor(max_workers=1) as thread,
        ):
            written: Future | None = None
            for start in range(0, len(codes), batch_size):
                batch = torch.from_numpy(codes[start : start + batch_size]).to(device)
                prediction = backbone.predict(batch, reverse_complement)
                values = prediction.tracks.half().cpu().numpy()
                arrays = {name: mean.cpu().numpy() for name, mean in _central(prediction, means, central_bins).items()}
                if written:
                    written.result()  # raises what went wrong in writing the last batch
                written = thread.submit(writer.write, start, values, **arrays)
                progress.advance(len(batch))
            if written:
                written.result()


def _central(prediction: Prediction, names: Mapping[str, int], count: int) -> dict[str, torch.Tensor]:
    """Means (batch, width) of the `count` central bins; one more bin lies after them than before if they differ."""
    start = (prediction.tracks.shape[1] - count) // 2
    parts = {"central_tracks": prediction.tracks, "central_embedding": prediction.embedding}
    return {name: parts[name][:, start : start + count].mean(1) for name in names}


def _open_codes(path: Path, geometry: Geometry) -> h5py.File:
    """The sequence shard, open for reading; InputError if it is damaged or made for another geometry."""
    advice = "delete it and run again"
    try:
        file = h5py.File(path)
    except OSError as error:
        raise InputError(f"{path}: not a readable sequence shard ({error}); {advice}") from None
    absent = [name for name in ("codes", "gene_id", "strand") if name not in file]
    if absent:
        file.close()
        raise InputError(f"{path}: a sequence shard without {', '.join(absent)}; {advice}")
    length = file["codes"].shape[1]
    if length != geometry.sequence_length:
        file.close()
        raise InputError(
            f"{path}: sequences of {length:,} bp, but the geometry needs {geometry.sequence_length:,} bp; {advice}"
        )
    return file
