"""Encoded sequences around the TSSs: the genome's index, N-padded access, and the sharded files backbones read.

All coordinates are 0-based half-open, on the forward strand.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyfaidx
from kipoiseq import Interval
from kipoiseq.extractors import FastaStringExtractor

from chrom2expr.errors import InputError, system_trouble
from chrom2expr.files.foreign import foreign_table, start_of
from chrom2expr.files.hdf5 import create_file
from chrom2expr.files.packed import opener
from chrom2expr.files.whole import read_json, sha256, whole_file, write_json
from chrom2expr.genome import windows
from chrom2expr.genome.genes import locate
from chrom2expr.genome.sequence_store import FORMAT
from chrom2expr.job import Progress


def index_genome(fasta: str | Path, out_fasta: str | Path, out_json: str | Path) -> None:
    """Link `fasta` as `out_fasta`, index it beside the link (.fai), and write {"sha256", "fai_sha256",
    "contigs": {name: length}}.

    Nothing is written beside `fasta`, which may lie in a read-only folder. Raises InputError if it is empty,
    compressed, not FASTA, or cannot be indexed (lines of uneven length, repeated names).
    """
    fasta, out_fasta = Path(fasta), Path(out_fasta)
    _check_fasta(fasta)
    with whole_file(out_fasta) as link, whole_file(f"{out_fasta}.fai") as fai:
        # A file within the project is linked relatively, so that the project can move; other files where they lie.
        link.symlink_to(fasta if fasta.is_absolute() else os.path.relpath(fasta.resolve(), link.parent.resolve()))
        size = fasta.stat().st_size
        print(f"{fasta}: {size / 1e6:,.0f} MB to index, and then to read once more for its checksum", flush=True)
        try:
            pyfaidx.Faidx(str(link), indexname=str(fai)).close()
        except (pyfaidx.FastaIndexingError, pyfaidx.IndexNotFoundError, ValueError, OSError) as error:
            if trouble := system_trouble(error, fasta):
                raise trouble from error
            raise InputError(f"{fasta}: cannot be indexed as FASTA ({error})") from None
        contigs = _read_fai(fai)
        if not sum(contigs.values()):
            raise InputError(f"{fasta}: holds no sequence")
        write_json(out_json, {"sha256": sha256(fasta), "fai_sha256": sha256(fai), "contigs": contigs}, indent=1)


def _check_fasta(fasta: Path) -> None:
    start = start_of(fasta, foreign_table)
    if opener(start) is not open:
        tool = "bgzip -d" if start[12:14] == b"BC" else "gunzip" if start[:2] == b"\x1f\x8b" else "bunzip2 or unxz"
        raise InputError(f"{fasta}: the FASTA is compressed; sequences are read at random from it. Unpack it ({tool})")
    if start[:1] != b">":
        raise InputError(f"{fasta}, line 1: not FASTA, which begins with '>'")


def _read_fai(fai: str | Path) -> dict[str, int]:
    """Contig lengths in bp of a FASTA index, in file order."""
    with open(fai, encoding="utf-8") as handle:
        return {fields[0]: int(fields[1]) for fields in (line.split("\t") for line in handle)}


class Genome:
    """An indexed FASTA: `contigs` {name: length in bp}, and any interval encoded, N past a contig's ends.

    Raises InputError if the index is not the one whose SHA-256 is given, so that a cut one shows.
    """

    def __init__(self, fasta: str | Path, fai_sha256: str | None = None) -> None:
        self.fasta = Path(fasta)
        if fai_sha256 and sha256(f"{fasta}.fai") != fai_sha256:
            raise InputError(f"{fasta}.fai: not the index that was made with it; delete it and run again")
        self.contigs: dict[str, int] = _read_fai(f"{fasta}.fai")
        self._extractor = FastaStringExtractor(str(fasta))

    def encoded(self, chrom: str, start: int, end: int) -> np.ndarray:
        """[start, end) of `chrom`, which may reach past its ends, encoded (end - start,) uint8 (see `windows.encode`).

        Raises InputError if the FASTA holds less there than its index says.
        """
        encoded = np.full(end - start, windows.N, dtype=np.uint8)
        first, last = max(start, 0), min(end, self.contigs[chrom])
        if first < last:
            # kipoiseq returns a shorter string past the end and fails at a negative start: only ask for what is there.
            sequence = self._extractor.extract(Interval(chrom, first, last))
            if len(sequence) != last - first:
                raise InputError(
                    f"{self.fasta}: {len(sequence)} bp at {chrom}:{first}-{last}, where the index promises "
                    f"{last - first}. The file is cut short, or was changed after it was indexed"
                )
            encoded[first - start : last - start] = windows.encode(sequence)
        return encoded


@contextmanager
def temporarily_indexed(fasta: str | Path) -> Iterator[tuple[Genome, str]]:
    """A FASTA, indexed in a temporary folder, and its SHA-256. Raises InputError as `index_genome`."""
    with tempfile.TemporaryDirectory(prefix="chrom2expr-") as folder:
        link, info = Path(folder, "genome.fa"), Path(folder, "genome.json")
        index_genome(Path(fasta).resolve(), link, info)
        yield Genome(link), read_json(info)["sha256"]


def shard_of(genes: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The genes of shard `shard` (0-based) of `shards`: runs of neighbouring rows, equally long to within one."""
    if shards > len(genes):
        raise InputError(f"{len(genes)} genes cannot fill {shards} shards: lower shards of the backbone or source")
    return genes.iloc[np.array_split(np.arange(len(genes)), shards)[shard]]


def write_sequences(
    path: str | Path,
    genes: pd.DataFrame,
    genome: Genome,
    assembly: str,
    geometry: windows.Geometry,
    genome_sha256: str,
) -> None:
    """Write the sequences of `genes` (rows of a tss.tsv) to HDF5, one gene in memory at a time.

    `encoded` (gene, sequence_length) uint8, forward strand, N past a contig's ends; `gene_id`; `strand` of the gene in
    `assembly`; attributes assembly, genome_sha256.
    """
    located = locate(genes, assembly)
    length = geometry.sequence_length
    with create_file(path, FORMAT, {"assembly": assembly, "genome_sha256": genome_sha256}) as store:
        store.write("gene_id", genes["gene_id"].to_numpy(dtype=str))
        store.write("strand", located["strand"].to_numpy(dtype=str))
        store.create("encoded", (len(genes), length), np.uint8)
        progress = Progress(len(genes), "sequences")
        for row, place in enumerate(located.itertuples()):
            start = geometry.sequence_start(place.tss, place.strand)
            store.put("encoded", row, genome.encoded(place.chrom, start, start + length)[None])
            progress.advance(1)
