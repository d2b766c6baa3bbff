"""Readers of the files that users give, for test_malicious; as a program, reads spoilt files by one of them.

    python spoilt.py KIND WHOLE FILE ...

Reads the WHOLE file, which must be read, then each other one, which must be read too or be named in an InputError.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.application import variant_files
from chrom2expr.backbones.backbone import read_checkpoint
from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.genome import annotation, liftover, matrices, sequences
from chrom2expr.tracks import track_tables
from chrom2expr.tracks.bigwig import BigWig, merge_windows


class Reader(NamedTuple):
    """A file of the kind, in the folder of a lab's files or in that of the simulated resources, and what reads it.

    `trusted`: so many bytes at its start are never spoilt: pyBigWig takes the list of contigs for right, and crashes.
    """

    file: str
    read: Callable[[Path], Any]
    trusted: int = 0


def index(path: Path) -> None:
    sequences.index_genome(path, path.with_name("made.fa"), path.with_name("made.json"))


def lift(path: Path) -> None:
    chain = liftover.read_chain(path, "grch37", "grch38")
    places = pd.DataFrame({"chrom": ["chr1", "chr14"], "tss": [1000, 20_000], "strand": ["+", "-"]})
    places["gene_id"] = ["a", "b"]
    liftover.lift_over(places.assign(symbol="", type="protein_coding"), chain)


def bigwig(path: Path) -> None:
    with BigWig(path, {"chr1": 1_050_000}, []) as file:
        start = np.arange(0, 1_000_000, 40_000)
        file.sums(merge_windows(np.repeat("chr1", len(start)), start, 64 * 128), start, 64, 128)


READERS = {
    "gene table": Reader("simulated/geneanno.csv", annotation.read),
    "GTF": Reader("lab/human/genes.gtf.gz", annotation.read),
    "GFF3": Reader("lab/fly/genes.gff3.gz", annotation.read),
    "text matrix": Reader("simulated/geneanno.exp.csv", matrices.read),
    "GCT": Reader("lab/human/expression.gct", matrices.read),
    "h5ad": Reader("lab/fly/cells.h5ad", lambda path: matrices.read(path, {"key": "cell_type"})),
    "chain": Reader("simulated/grch37ToGrch38.over.chain.gz", lift),
    "FASTA": Reader("simulated/grch38.fa", index),
    "track table": Reader("simulated/targets_human.txt", track_tables.read_tracks),
    "VCF": Reader("simulated/variants.vcf", lambda path: list(variant_files.rows(path))),
    "bigWig": Reader("lab/human/bigwigs/DNase_lineage0.bw", bigwig, 300),
    "checkpoint": Reader("simulated/enformer_weights/pytorch_model.bin", read_checkpoint),
}


def main(kind: str, whole: str, *files: str) -> None:
    """See above."""
    read = READERS[kind].read
    read(Path(whole))
    for file in files:
        try:
            read(Path(file))
        except (InputError, SystemTrouble) as error:
            assert Path(file).name in str(error), error
        except Exception:
            print(f"by {file}", flush=True)
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
