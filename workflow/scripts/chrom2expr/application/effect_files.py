"""Tables of effects: Parquet with a row for each variant, gene and tissue, and text with one for each variant and gene.

Columns of the Parquet file: variant_id, chrom, pos (1-based), ref, alt, as the file of variants has them; gene_id;
distance (bp from the TSS, positive downstream); tissue; reference, alternative (ln of expression plus pseudocount) and
log_fold_change, alternative - reference (natural logarithm), float32; flags, separated by ";" (see `flags`).
"""

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chrom2expr.application.variant_genes import Pairs
from chrom2expr.application.variants import Variant
from chrom2expr.errors import reading, system_errors_named
from chrom2expr.files.csv_rows import open_text
from chrom2expr.files.whole import whole_file
from chrom2expr.job import Progress

if TYPE_CHECKING:  # it loads PyTorch, and most that is done with these files needs none
    from chrom2expr.application.effects import Expression

_NAME = pa.dictionary(pa.int32(), pa.string())
_NUMBERS = ("reference", "alternative", "log_fold_change")
SCHEMA = pa.schema(
    [
        ("variant_id", _NAME),
        ("chrom", _NAME),
        ("pos", pa.int64()),
        ("ref", _NAME),
        ("alt", _NAME),
        ("gene_id", _NAME),
        ("distance", pa.int64()),
        ("tissue", _NAME),
        *((name, pa.float32()) for name in _NUMBERS),
        ("flags", _NAME),
    ]
)
# What a row of the text file tells of a variant and a gene, before the strongest tissue's effect and its rank.
_PAIR = ("variant_id", "chrom", "pos", "ref", "alt", "gene_id", "distance")
_KEY = b"chrom2expr"


class Effects(NamedTuple):
    """Effects of pairs of a variant and a gene: what names each pair, (pair,), and (pair, tissue) float32 numbers."""

    pairs: Mapping[str, Sequence[Any]]  # of _PAIR and "flags"
    reference: np.ndarray
    alternative: np.ndarray
    log_fold_change: np.ndarray


def effects(variants: Sequence[Variant], pairs: Pairs, gene_id: Sequence[str], found: "Expression") -> Effects:
    """Effects of the user's ALT: of a variant whose REF and ALT changed places with the assembly, these change too."""
    chosen = [variants[variant] for variant in pairs.variant]
    swapped = np.array([one.reference_swapped for one in chosen], dtype=bool)[:, None]
    before = np.where(swapped, found.alternative, found.reference)
    after = np.where(swapped, found.reference, found.alternative)
    named = {
        "variant_id": [one.id for one in chosen],
        "chrom": [one.chrom for one in chosen],
        "pos": [one.pos for one in chosen],
        "ref": [one.ref_in_file for one in chosen],
        "alt": [one.alt_in_file for one in chosen],
        "gene_id": [str(gene_id[gene]) for gene in pairs.gene],
        "distance": pairs.distance.tolist(),
        "flags": [flags(one, same) for one, same in zip(chosen, found.same, strict=True)],
    }
    return Effects(named, *(values.astype(np.float32) for values in (before, after, after - before)))


def flags(variant: Variant, same: bool) -> str:
    """reference_swapped: the genome has the user's ALT; unchanged: both alleles give the same window."""
    told = {"reference_swapped": variant.reference_swapped, "unchanged": same}
    return ";".join(name for name, holds in told.items() if holds)


def write(path: str | Path, blocks: Iterable[Effects], tissues: Sequence[str], about: Mapping[str, Any]) -> None:
    """Write a Parquet file, whole or not at all, a group of rows for each block; `about` goes into its metadata."""
    with whole_file(path) as partial, _writer(partial, {**about, "tissues": [*tissues]}) as writer:
        for block in blocks:
            _add(writer, _table(block, tissues))


def read_about(path: str | Path) -> dict[str, Any]:
    """What `write` was told of the effects, and `tissues`. Raises InputError for a file that it did not write."""
    with _open(path) as file:
        return _about(file)


def blocks(path: str | Path) -> Iterator[pd.DataFrame]:
    """The rows of a Parquet file, all tissues of some pairs at a time."""
    with _open(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group).to_pandas()


def join(parts: Sequence[str | Path], table: str | Path, strongest: str | Path) -> int:
    """Write one Parquet file of several, and the text file; returns how many pairs they have.

    The text file, packed by gzip, has a row for each variant and gene: the tissue with the largest effect, whichever
    its sign, that effect, its `rank` among all rows (1 is the largest), and the flags.
    """
    sizes, progress = [], Progress(len(parts), "shards")
    with whole_file(table) as partial, _writer(partial, read_about(parts[0])) as writer:
        for path in parts:
            with _open(path) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group)
                    _add(writer, rows)
                    effect = rows["log_fold_change"].to_numpy().reshape(-1, len(_about(file)["tissues"]))
                    sizes.append(np.abs(effect).max(axis=1))
            progress.advance(1)
    largest = np.concatenate(sizes) if sizes else np.empty(0)
    rank = np.empty(len(largest), dtype=np.intp)
    rank[np.argsort(-largest, kind="stable")] = np.arange(1, len(largest) + 1)
    with whole_file(strongest) as partial, _packed(partial) as text:
        text.write("\t".join((*_PAIR, "tissue", "log_fold_change", "rank", "flags")) + "\n")
        ranks, progress = iter(rank), Progress(len(rank), "rows of text")
        for row in _strongest(table):
            *named, effect, told = row
            text.write("\t".join((*map(str, named), f"{effect:.6g}", str(next(ranks)), told)) + "\n")
            progress.advance(1)
    return len(largest)


def read_strongest(path: str | Path) -> Iterator[dict[str, str]]:
    """The rows of the text file that `join` leaves, each by its columns."""
    with open_text(path, "a table of effects") as lines:
        header = next(lines).rstrip("\n").split("\t")
        for line in lines:
            yield dict(zip(header, line.rstrip("\n").split("\t"), strict=True))


def _strongest(path: str | Path) -> Iterator[tuple[Any, ...]]:
    """Of each pair what names it, its strongest tissue, that effect, and the flags."""
    tissues = len(read_about(path)["tissues"])
    for block in blocks(path):
        effect = np.abs(block["log_fold_change"].to_numpy()).reshape(-1, tissues)
        rows = block.iloc[np.arange(len(effect)) * tissues + effect.argmax(axis=1)]
        yield from rows[[*_PAIR, "tissue", "log_fold_change", "flags"]].itertuples(index=False, name=None)


@contextmanager
def _writer(path: Path, about: Mapping[str, Any]) -> Iterator[pq.ParquetWriter]:
    told = SCHEMA.with_metadata({_KEY: json.dumps(about, sort_keys=True)})
    with system_errors_named(path), pq.ParquetWriter(path, told, compression="zstd") as writer:
        yield writer


def _add(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    """As one group of rows, so that the tissues of a pair stay together."""
    if len(rows):
        writer.write_table(rows.cast(writer.schema), row_group_size=len(rows))


@contextmanager
def _open(path: str | Path) -> Iterator[pq.ParquetFile]:
    with reading(path, "Parquet file of effects"), pq.ParquetFile(path) as file:
        yield file


def _about(file: pq.ParquetFile) -> dict[str, Any]:
    return json.loads(file.schema_arrow.metadata[_KEY])


@contextmanager
def _packed(path: Path) -> Iterator[TextIO]:
    """A text file packed by gzip, the same bytes for the same text."""
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def _table(block: Effects, tissues: Sequence[str]) -> pa.Table:
    """A row for each pair and tissue."""
    count, columns = len(tissues), {}
    for name, values in block.pairs.items():
        if pa.types.is_dictionary(SCHEMA.field(name).type):
            coded = pa.array(values, pa.string()).dictionary_encode()
            columns[name] = pa.DictionaryArray.from_arrays(np.repeat(coded.indices.to_numpy(), count), coded.dictionary)
        else:
            columns[name] = pa.array(np.repeat(np.array(values, dtype=np.int64), count))
    each = np.tile(np.arange(count, dtype=np.int32), len(block.reference))
    columns["tissue"] = pa.DictionaryArray.from_arrays(each, pa.array(tissues, pa.string()))
    columns |= {name: pa.array(getattr(block, name).reshape(-1)) for name in _NUMBERS}
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
