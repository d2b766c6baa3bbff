"""What lies in a file's place is named alike, whichever file it should have been."""

import bz2
import gzip
import json
import lzma

import pytest

from chrom2expr.backbones import enformer
from chrom2expr.backbones.backbone import read_checkpoint
from chrom2expr.errors import InputError
from chrom2expr.files.tables import read_table
from chrom2expr.genome import expression, genes, liftover, sequences
from chrom2expr.genome.windows import Geometry
from chrom2expr.tracks import track_tables
from chrom2expr.tracks.bigwig import BigWig

READERS = {
    "gene table": genes.read_annotation,
    "matrix": lambda path: expression.read_matrix(path, None, "genes.csv"),
    "chain": lambda path: liftover.read_chain(path, "a", "b"),
    "FASTA": lambda path: sequences.index_genome(path, path.with_name("o.fa"), path.with_name("o.json")),
    "track table": track_tables.read_tracks,
    "split": lambda path: list(read_table(path, ["gene_id"], ours=False)),
    "bigWig": lambda path: BigWig(path, {"chr1": 9}, ["chr1"]),
    "checkpoint": read_checkpoint,
    "network's config": lambda path: enformer.read(path.parent, Geometry.centred(96, 8, 8)),
}
PLACES = {"network's config": "config.json"}
CONTENTS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n",
    "a web page": b"<!DOCTYPE html>\n<html><body>Log in</body></html>",
    "a server's message": b'{"error": "not authorised"}' + b"x",
    "empty": b"",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", CONTENTS)
def test_it_is_named(tmp_path, reader, content):
    path = tmp_path / PLACES.get(reader, "file")
    path.write_bytes(CONTENTS[content])
    with pytest.raises(InputError, match=f"{path}: is .*{content}"):
        READERS[reader](path)


PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("reader", ["FASTA", "bigWig"])
@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_what_is_read_at_random_must_not_be_packed(tmp_path, reader, packed):
    (tmp_path / "file").write_bytes(packed(b">chr1\nACGTACGT\n"))
    with pytest.raises(InputError, match="(?i)packed|compressed.*unpack it"):
        READERS[reader](tmp_path / "file")


@pytest.mark.parametrize("packed", [*PACKED.values(), bytes], ids=[*PACKED, "plain"])
def test_a_chain_may_be_packed(tmp_path, packed):
    (tmp_path / "over.chain").write_bytes(packed(b"chain 1 chrA 10 + 0 10 chrB 10 + 0 10 1\n10\n\n"))
    assert dict(liftover.read_chain(tmp_path / "over.chain", "a", "b").source) == {"chrA": 10}
    whole = packed(b"chain 1 chrA 10 + 0 10 chrB 10 + 0 10 1\n10\n\n" * 40)
    if packed is not bytes:
        (tmp_path / "over.chain").write_bytes(whole[:-9])
        with pytest.raises(InputError, match="over.chain: a damaged chain file"):
            liftover.read_chain(tmp_path / "over.chain", "a", "b")


def test_json_of_another_kind_is_no_network(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="must be a JSON object"):
        READERS["network's config"](tmp_path / "config.json")
