"""The transcripts of a GTF or GFF3: which gene each is of, and how many bases the exons of a gene cover.

Only what is asked for is kept of each line, so that an annotation of gigabytes takes little memory.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, gff

# Features of a GFF3 that are parts of transcripts, and of which it has many.
_PARTS = frozenset(["exon", "CDS", "five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon"])
# No feature lies deeper below its gene, unless it is its own ancestor.
_DEEPEST = 10
_VERSIONED = re.compile(r"((?:ENS[A-Z]*T|[NX][MR]_)\d+)\.\d+(?:_\d+)?(_PAR_Y)?(?:_\d+)?")


class _Feature(NamedTuple):
    """A line of a GTF or GFF3: its number (1-based), its fields, and what finds an attribute by name ("" = none)."""

    line: int
    fields: Sequence[str]
    attribute: Callable[[str], str]
    gff3: bool


class TranscriptGenes:
    """Which gene each transcript of a GTF or GFF3 is of; `gene_id` are the genes, in the order in which they come."""

    def __init__(self, path: str | Path) -> None:
        """Raises InputError for a gene table that is neither, and, with its line, for a transcript without its ids."""
        self.path = path
        found = _transcripts(path)
        codes: dict[str, int] = {}
        self._exact = {transcript: codes.setdefault(gene, len(codes)) for transcript, gene in found.items()}
        self.gene_id = list(codes)
        self._unversioned: dict[str, int] = {}
        for transcript, code in self._exact.items():
            # What several genes have without its version is of none of them.
            name = without_version(transcript)
            self._unversioned[name] = code if self._unversioned.get(name, code) == code else -1

    def some(self) -> str:
        """A few transcripts, for a message."""
        return ", ".join(list(self._exact)[:3])

    def find(self, names: Sequence[str]) -> np.ndarray:
        """The place in `gene_id` of each transcript's gene (transcript,), -1 for none; versions may differ."""
        exact, unversioned = self._exact, self._unversioned
        found = (exact.get(name, unversioned.get(without_version(name), -1)) for name in names)
        return np.fromiter(found, dtype=np.int64, count=len(names))


def without_version(transcript_id: str) -> str:
    """An Ensembl or RefSeq transcript's id without its version; other ids are left alone.

    >>> without_version("ENST00000456328.2_1"), without_version("NM_000014.6"), without_version("MSTRG.1.2")
    ('ENST00000456328', 'NM_000014', 'MSTRG.1.2')
    """
    match = _VERSIONED.fullmatch(transcript_id)
    return match[1] + (match[2] or "") if match else transcript_id


def gene_lengths(path: str | Path) -> dict[str, int]:
    """How many bases the exons of each gene of a GTF or GFF3 cover, those of all its transcripts together.

    Raises InputError for a gene table that is neither or has no exons, and, naming file and line, for an exon without a
    gene, or that stops before its start.
    """
    genes: dict[str, int] = {}
    contigs: dict[tuple[int, str], int] = {}
    contig, start, end = array("q"), array("q"), array("q")
    for gene, chrom, first, last in _exons(path):
        code = genes.setdefault(gene, len(genes))
        contig.append(contigs.setdefault((code, chrom), len(contigs)))
        start.append(first)
        end.append(last)
    if not genes:
        raise InputError(f"{path}: holds no exons, which give the genes' lengths: take another, or counts_to: cpm")
    covered = _covered(np.array(contig), np.array(start), np.array(end))
    lengths = np.bincount([code for code, _ in contigs], weights=covered, minlength=len(genes))
    return dict(zip(genes, lengths.astype(int).tolist()))


def _covered(group: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How many positions the intervals of each group cover: group, start, end (interval,), 0-based -> (group,).

    >>> _covered(np.array([0, 0, 1, 0]), np.array([10, 15, 10, 40]), np.array([20, 30, 11, 41])).tolist()
    [21.0, 1.0]
    """
    order = np.lexsort((start, group))
    # One axis, on which every group lies beyond the one before it.
    shift = group[order] * (end.max() + 1)
    first, last = start[order] + shift, end[order] + shift
    reached = np.concatenate([[0], np.maximum.accumulate(last)[:-1]])
    return np.bincount(group[order], weights=np.maximum(last - np.maximum(first, reached), 0))


def _features(path: str | Path, kinds: Sequence[str]) -> Iterator[_Feature]:
    """The features of a GTF that are of these kinds, or all of a GFF3. Raises InputError for another file."""
    kind = annotation.format_of(path)
    if kind not in ("GTF", "GFF3"):
        raise InputError(
            f"{path}: a {kind} of genes, but their transcripts and exons are needed (to sum transcripts over genes, or "
            "for expression: counts_to: tpm): give a GTF or GFF3 as gene table (resources: gene_annotation)"
        )
    for number, fields in gff.lines(path, kind):
        if kind == "GFF3":
            yield _Feature(number, fields, _gff3_attribute(fields[8]), True)
        elif fields[2] in kinds:
            yield _Feature(number, fields, _gtf_attribute(fields[8]), False)


def _gtf_attribute(text: str) -> Callable[[str], str]:
    def find(name: str) -> str:
        match = re.search(rf'(?:^|;)\s*{name}\s+(?:"([^"]*)"|([^\s;]+))', text)
        return (match[1] or match[2] or "") if match else ""

    return find


def _gff3_attribute(text: str) -> Callable[[str], str]:
    def find(name: str) -> str:
        match = re.search(rf"(?:^|;)\s*{name}=([^;]*)", text)
        return unquote(match[1].strip()) if match else ""

    return find


class _Ancestry:
    """The features of a GFF3 that others lie below: what each is called, and its parent, by their IDs."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self._name: dict[str, str] = {}

    def add(self, feature: _Feature) -> None:
        """Note a feature that has an ID."""
        if own := feature.attribute("ID"):
            self.parent[own] = feature.attribute("Parent").partition(",")[0]
            kind = "transcript_id" if self.parent[own] else "gene_id"
            # Ensembl and RefSeq put what a feature is before its name: gene:ENSG…, rna-NM_….
            self._name[own] = feature.attribute(kind) or gff.bare(own)

    def name(self, own: str) -> str:
        """What a feature is called."""
        return self._name[own]

    def gene(self, own: str) -> str:
        """What the gene above a feature is called; none for one that is not in the file."""
        for _ in range(_DEEPEST):
            if not (above := self.parent.get(own)):
                break
            own = above
        return self._name.get(own, "")


def _transcripts(path: str | Path) -> dict[str, str]:
    """The gene of every transcript, by their ids."""
    ancestry, found = _Ancestry(), {}
    for feature in _features(path, ["transcript"]):
        if feature.gff3:
            if feature.fields[2] not in _PARTS:
                ancestry.add(feature)
            continue
        transcript, gene = feature.attribute("transcript_id"), feature.attribute("gene_id")
        if not transcript or not gene:
            raise InputError(
                f"{path}, line {feature.line}: the transcript has no {'gene_id' if transcript else 'transcript_id'}"
            )
        found[transcript] = gene
    below = ((own, ancestry.gene(own)) for own, parent in ancestry.parent.items() if parent)
    return found | {ancestry.name(own): gene for own, gene in below if gene}


def _exons(path: str | Path) -> Iterator[tuple[str, str, int, int]]:
    """Gene, chromosome, start and end (0-based) of every exon; in a GFF3 one for each transcript that it is of."""
    ancestry = _Ancestry()
    codes: dict[tuple[str, str], int] = {}
    # Of the exons of a GFF3, whose genes may come later: parent and chromosome, start, end, line.
    kept = tuple(array("q") for _ in range(4))
    for feature in _features(path, ["exon"]):
        if feature.fields[2] != "exon":
            if feature.fields[2] not in _PARTS:
                ancestry.add(feature)
            continue
        chrom, start, end = feature.fields[0], int(feature.fields[3]) - 1, int(feature.fields[4])
        if end <= start:
            raise InputError(f"{path}, line {feature.line}: the exon stops before its start")
        if not feature.gff3:
            if not (gene := feature.attribute("gene_id")):
                raise InputError(f"{path}, line {feature.line}: the exon has no gene_id")
            yield gene, chrom, start, end
            continue
        for parent in feature.attribute("Parent").split(","):
            code = codes.setdefault((parent, chrom), len(codes))
            for column, value in zip(kept, (code, start, end, feature.line)):
                column.append(value)
    places = [(ancestry.gene(parent), parent, chrom) for parent, chrom in codes]
    for code, start, end, line in zip(*kept):
        gene, parent, chrom = places[code]
        if not gene:
            above = f"its Parent {parent} is not in the file" if parent else "it has no Parent"
            raise InputError(f"{path}, line {line}: the exon is of no gene: {above}")
        yield gene, chrom, start, end
