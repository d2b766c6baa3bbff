"""Measured tracks: bigWig files binned around every gene and written to the feature store.

The rule is Basenji's (calico/basenji, bin/basenji_data_read.py): bases that nothing covers count as 0, also in a mean;
bins are summed or averaged; what exceeds the track's clip is softened to clip + sqrt(excess); the result is scaled.
Unlike Basenji we do not round bases to float16 before they are pooled.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyBigWig

from chrom2expr.errors import InputError
from chrom2expr.files.foreign import START, foreign
from chrom2expr.files.packed import opener
from chrom2expr.files.whole import allow_open_files, sha256
from chrom2expr.genome.contigs import called, check_lengths, say_renamed
from chrom2expr.genome.genes import locate
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import Progress
from chrom2expr.tracks.store_writer import ShardWriter

# Bases read at once, which bounds the memory of overlapping windows, and values of a block of genes held at once.
SPAN = 1 << 20
BLOCK = 1 << 25


class Span(NamedTuple):
    """Overlapping windows on one contig, read together: [low, high) bp, 0-based, and which windows they are."""

    chrom: str
    low: int
    high: int
    windows: list[int]


def merge_windows(chrom: np.ndarray, start: np.ndarray, width: int) -> list[Span]:
    """Merge windows (window,) of `width` bp into spans that cover each base once, but for the cuts at SPAN bases."""
    spans: list[Span] = []
    for window in np.lexsort((start, chrom)):
        low, high = int(start[window]), int(start[window]) + width
        last = spans[-1] if spans else None
        if last and last.chrom == chrom[window] and low <= last.high and high - last.low <= max(SPAN, width):
            last.windows.append(int(window))
            spans[-1] = last._replace(high=high)
        else:
            spans.append(Span(str(chrom[window]), low, high, [int(window)]))
    return spans


class BigWig:
    """A bigWig file of an assembly whose contigs have these lengths. Close it, or use it in a `with` block.

    Genes lie on the contigs `used`. `names` is what the file calls the contigs that it has.

    Raises InputError if it is missing, is not a whole bigWig or contradicts these contigs (see contigs.check_lengths),
    and OSError where the system does not let it be read.
    """

    def __init__(self, path: str | Path, contigs: Mapping[str, int], used: Collection[str]) -> None:
        self.path = Path(path)
        try:
            # pyBigWig does not say why it cannot open a file; this does, if the reason is not in the file itself.
            with open(path, "rb") as handle:
                start = handle.read(START)
            self._file = pyBigWig.open(str(path))
        except FileNotFoundError:
            raise InputError(
                f"{path}: missing, although it was there when its group was collected; put it back, or run again with "
                "--forcerun collect_bigwigs"
            ) from None
        except RuntimeError:
            raise InputError(f"{path}: {_told(start) or 'cut short, or not a bigWig file; fetch it again'}") from None
        if not self._file.isBigWig():
            raise InputError(f"{path}: a bigBed file, not a bigWig")
        self.lengths: dict[str, int] = self._file.chroms() or {}
        self.names = called(contigs, self.lengths)
        check_lengths(used, self.lengths, contigs, str(path), "the file belongs to another assembly")

    def __enter__(self) -> "BigWig":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @np.errstate(over="ignore", invalid="ignore")  # what is infinite is refused below, by its place
    def sums(self, spans: list[Span], start: np.ndarray, bins: int, bin_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Sums (window, bin) float32 over the covered bases of each bin, and whether a bin has any (window, bin) bool.

        `spans` are those of windows that start at `start` (window,) and are bins * bin_size bp wide; bins beyond the
        contig's ends, and on contigs that the file does not have, are uncovered. Raises InputError if the file breaks,
        and for an infinite value, which is named by its place.
        """
        sums = np.zeros((len(start), bins), dtype=np.float32)
        covered = np.zeros((len(start), bins), dtype=bool)
        for span in spans:
            if span.chrom not in self.names:
                continue
            values = self._values(span)
            bare = np.isnan(values)
            values[bare] = 0
            any_bare = bare.any()
            for window in span.windows:
                first = start[window] - span.low
                part = slice(first, first + bins * bin_size)
                values[part].reshape(bins, bin_size).sum(axis=1, out=sums[window])
                covered[window] = ~bare[part].reshape(bins, bin_size).all(axis=1) if any_bare else True
            if not np.isfinite(sums[span.windows]).all():
                self._refuse(span, values)
        return sums, covered

    def _refuse(self, span: Span, values: np.ndarray) -> NoReturn:
        """Say where the values (base,) of a span, whose sums are not finite, are infinite."""
        infinite = np.flatnonzero(np.isinf(values))
        if not infinite.size:
            raise InputError(
                f"{self.path}: the values in {span.chrom}:{span.low + 1:,}-{span.high:,} (1-based) are so large that "
                "their sum over a bin is infinite; correct the file, or leave the track out"
            )
        raise InputError(
            f"{self.path}: the value at {span.chrom}:{span.low + infinite[0] + 1:,} (1-based) is "
            f"{values[infinite[0]]}, as -log10 of a p value of 0 is; write a number there, or leave the track out"
        )

    def _values(self, span: Span) -> np.ndarray:
        """One float32 a base of the span, NaN where nothing covers it or where the contig does not reach."""
        name = self.names[span.chrom]
        low, high = max(span.low, 0), min(span.high, self.lengths[name])
        try:
            inside = self._file.values(name, low, high, numpy=True) if low < high else []
        except RuntimeError:
            sha256(self.path)  # raises the system's own error, if it is the disk that fails
            raise InputError(
                f"{self.path}: cannot be read at {span.chrom}:{low:,}-{high:,}; it is damaged, fetch it again"
            ) from None
        if len(inside) == span.high - span.low:
            return inside
        values = np.full(span.high - span.low, np.nan, dtype=np.float32)
        values[low - span.low :][: len(inside)] = inside
        return values


def _told(start: bytes) -> str:
    """What a file that begins so is, if that is known of a file that is no bigWig."""
    if opener(start) is not open:
        return "packed, but values are read at random from it: unpack it"
    return f"is {found}" if (found := foreign(start)) else ""


def transform(sums: np.ndarray, bin_size: int, sum_stat: str, clip: float, scale: float) -> np.ndarray:
    """Basenji's value of a bin from its sum: mean or sum, soft clip, scale, in this order; same shape, float32."""
    pooled = sums / np.float32(bin_size) if sum_stat == "mean" else sums
    excess = np.maximum(pooled - np.float32(clip), 0)
    return np.float32(scale) * np.where(excess > 0, np.float32(clip) + np.sqrt(excess), pooled)


def bin_group(
    manifest: pd.DataFrame,
    genes: pd.DataFrame,
    geometry: Geometry,
    contigs: Mapping[str, int],
    assembly: str,
    output: str | Path,
    provenance: Mapping[str, str],
) -> None:
    """Bin a group of bigWigs around all genes into one shard of the feature store.

    manifest: of `collect_bigwigs`, rows without a path are left out; genes: of `genes.read_genes`; contigs: length by
    name. All files are open at once. Memory does not grow with the genes. Raises InputError, before anything is
    computed, if so many cannot be open, or a file is not readable, contradicts the assembly or has none of the genes'
    contigs, and later if one breaks while it is read.
    """
    tracks = manifest[manifest["path"] != ""]
    located = locate(genes, assembly)
    chrom = located["chrom"].to_numpy(dtype=str)
    start = np.array([geometry.bins_start(tss, strand) for tss, strand in zip(located["tss"], located["strand"])])
    in_order = np.lexsort((start, chrom))
    block = max(1, BLOCK // (geometry.bins * max(1, len(tracks))))
    allow_open_files(len(tracks), "deal the tracks out to more jobs (sources: NAME: groups)")
    with ExitStack() as stack:
        used = np.unique(chrom).tolist()
        files = [stack.enter_context(BigWig(path, contigs, used)) for path in tracks["path"]]
        _say_names(files)
        for file in files:
            _count_absent(file, chrom)
        writer = stack.enter_context(
            ShardWriter(
                output,
                gene_id=genes["gene_id"].to_numpy(),
                strand=located["strand"].to_numpy(),
                track_id=tracks["track_id"].to_numpy(),
                track_type=tracks["track_type"].to_numpy(),
                bins=geometry.bins,
                bin_size=geometry.bin_size,
                provenance={**provenance, "assembly": assembly},
                covered=True,
            )
        )
        print(f"{len(files)} bigWigs, {len(manifest) - len(files)} missing")
        progress = Progress(len(genes), "genes")
        for first in range(0, len(genes), block):
            rows = in_order[first : first + block]
            spans = merge_windows(chrom[rows], start[rows], geometry.bins * geometry.bin_size)
            values = np.empty((len(rows), geometry.bins, len(files)), dtype=np.float32)
            covered = np.empty(values.shape, dtype=bool)
            for column, (file, track) in enumerate(zip(files, tracks.itertuples())):
                sums, covered[:, :, column] = file.sums(spans, start[rows], geometry.bins, geometry.bin_size)
                values[:, :, column] = transform(sums, geometry.bin_size, track.sum_stat, track.clip, track.scale)
            for index, row in enumerate(rows):
                writer.write(int(row), values[index : index + 1], covered[index : index + 1])
            progress.advance(len(rows))


def _say_names(files: Sequence[BigWig]) -> None:
    """Say what files call contigs otherwise than the genome, once for all that call them the same."""
    said = []
    for file in files:
        if file.names not in said:
            said.append(file.names)
            say_renamed(file.names, str(file.path))


def _count_absent(file: BigWig, chrom: np.ndarray) -> None:
    """Say how many genes the file cannot cover; InputError if it is all of them."""
    absent = chrom[~np.isin(chrom, list(file.names))]
    if len(absent) == len(chrom):
        raise InputError(
            f"{file.path}: has none of the genes' contigs ({', '.join(np.unique(chrom)[:3])}, ...) but "
            f"{', '.join(list(file.lengths)[:3])}, ...; its contigs must be named as in the genome"
        )
    if len(absent):
        names = np.unique(absent)
        print(f"{file.path}: {len(absent):,} genes lie on {len(names)} contigs it does not have, {names[0]}, ...")
