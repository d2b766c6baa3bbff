"""A file of variants with their effects: every record as it is, with one more INFO field, packed by bgzip and indexed.

The field, CHROM2EXPR, has an item for each alternative and gene, of the tissue with the largest effect. What VCF gives
a meaning (; = , | % and blanks) is percent-encoded in names, as VCF 4.3 says (section 1.2).
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pysam

from chrom2expr.application import effect_files, variant_files
from chrom2expr.errors import InputError, system_errors_named
from chrom2expr.files.packed import unpacked
from chrom2expr.files.whole import whole_file
from chrom2expr.job import Progress

FIELD = "CHROM2EXPR"
_ENCODED = {ord(character): f"%{ord(character):02X}" for character in "%;=,| \t\r\n"}
# No index of the kind .tbi reaches further, in bp.
_REACH = 1 << 29


def check(path: str | Path) -> None:
    """Raise InputError for a VCF or BCF that cannot be annotated, naming the row, before anything is done.

    It must be sorted, each contig's rows together, and end before 2^29 bp, for its index; and have no field CHROM2EXPR.
    Raises InputError as variant_files.rows, too.
    """
    if any(line.startswith(f"##INFO=<ID={FIELD},".encode()) for line in _header(path)):
        raise InputError(
            f"{path}: has a field {FIELD} already; take it away (bcftools annotate -x INFO/{FIELD}), or annotate the "
            "file that it was made of"
        )
    before, seen = ("", 0), set()
    for row in variant_files.rows(path):
        if row.chrom != before[0]:
            unsorted = row.chrom in seen
            seen.add(row.chrom)
        else:
            unsorted = row.pos < before[1]
        if unsorted:
            raise InputError(
                f"{row.where}: {row.chrom}:{row.pos:,} comes after {before[0]}:{before[1]:,}, and a file that is not "
                "sorted cannot be indexed: sort it (bcftools sort), or have it scored without an annotated VCF"
            )
        if row.pos - 1 + len(row.ref) > _REACH:
            raise InputError(
                f"{row.where}: {row.chrom}:{row.pos:,} lies beyond {_REACH:,} bp, where no .tbi index reaches: have it "
                "scored without an annotated VCF"
            )
        before = (row.chrom, row.pos)


def annotate(path: str | Path, table: str | Path, strongest: str | Path, output: str | Path) -> int:
    """Write the VCF or BCF `path` with the effects that a run found, as OUTPUT and OUTPUT.tbi, whole or not at all.

    `table` and `strongest` are the files of effects that effect_files.join left; the rows of the second, one for each
    variant and gene, are held in memory. Returns how many records have effects. Raises InputError as `check`.
    """
    check(path)
    effects, found, progress = _effects(strongest), 0, Progress(None, "records")
    described = _described(effect_files.read_about(table))
    # The index takes its place first, and is the younger file: htslib warns of one that is older than its VCF.
    with whole_file(output) as partial, whole_file(f"{output}.tbi") as index, system_errors_named(output):
        with pysam.BGZFile(str(partial), "w") as packed:
            for line in _lines(path):
                if line.startswith(b"#CHROM"):
                    packed.write(described.encode())
                elif not line.startswith(b"#"):
                    before, line = line, _with_effects(line, effects)
                    found += line is not before
                    progress.advance(1)
                packed.write(line + b"\n")
        pysam.tabix_index(str(partial), preset="vcf", index=str(index), force=True)
    return found


def _effects(strongest: str | Path) -> dict[bytes, list[str]]:
    """The items of each alternative, which its chrom, pos, ref and alt name, between tabs."""
    effects = defaultdict(list)
    for row in effect_files.read_strongest(strongest):
        named = [row["alt"], _encoded(row["gene_id"]), _encoded(row["tissue"])]
        item = "|".join([*named, row["log_fold_change"], row["distance"], row["flags"].replace(";", "&")])
        effects["\t".join(row[key] for key in ("chrom", "pos", "ref", "alt")).encode()].append(item)
    return effects


def _with_effects(line: bytes, effects: dict[bytes, list[str]]) -> bytes:
    """A record with the effects of its alternatives; the same object if they have none."""
    chrom, pos, name, ref, alternatives, quality, passed, info, *samples = line.split(b"\t")
    items = [item for alt in alternatives.split(b",") for item in effects.get(b"\t".join((chrom, pos, ref, alt)), ())]
    if not items:
        return line
    # Rows that tell the same variant twice have its effects twice.
    added = f"{FIELD}={','.join(dict.fromkeys(items))}".encode()
    info = added if info == b"." else info + b";" + added
    return b"\t".join((chrom, pos, name, ref, alternatives, quality, passed, info, *samples))


def _described(about: dict[str, Any]) -> str:
    """Header lines: what the field means, and what it was predicted by."""
    run = {key: value for key, value in about.items() if key != "tissues"}
    told = (
        "Predicted effect of each alternative on each gene, in the tissue where it is largest: allele|gene_id|tissue|"
        "log_fold_change|distance|flags. log_fold_change: ln(alternative) - ln(reference) of expression in "
        f"{about['unit']} + {about['pseudocount']}; distance: bp from the TSS, positive downstream of it; flags: "
        "joined by &. Names are percent-encoded. ##chrom2expr tells of the run"
    ).replace('"', "'")
    description = f'##INFO=<ID={FIELD},Number=.,Type=String,Description="{told}">'
    return f"{description}\n##chrom2expr={json.dumps(run, sort_keys=True)}\n"


def _encoded(name: str) -> str:
    return name.translate(_ENCODED)


def _header(path: str | Path) -> Iterator[bytes]:
    return takewhile(lambda line: line.startswith(b"#"), _lines(path))


def _lines(path: str | Path) -> Iterator[bytes]:
    """The lines of a VCF, byte by byte as they are but for their ends, or of a BCF as a VCF has them."""
    with unpacked(path) as stream:
        binary = stream.read(3) == b"BCF"
    if binary:
        with pysam.VariantFile(str(path)) as file:
            yield from str(file.header).encode().splitlines()
            for record in file:
                yield str(record).rstrip("\n").encode()
        return
    with unpacked(path) as stream:
        for line in stream:
            yield line.rstrip(b"\r\n")
