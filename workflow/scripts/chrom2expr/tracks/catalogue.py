"""The catalogue: which bigWig measures each track of a table, and where there is none, why."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.pages import Table, write_page
from chrom2expr.files.tables import write_table
from chrom2expr.tracks.bigwig_places import NO_TEMPLATE, Override, is_url, located

NONE = "none"
# The assays that Basenji's descriptions begin with; ChIP is told apart by its target.
_ASSAYS = {"DNASE": ("dnase", "DNase"), "ATAC": ("atac", "ATAC"), "CAGE": ("cage", "CAGE")}
# Names of peak files, as ExPecto's table of Beluga's tracks has them.
_PEAKS = re.compile(r"E\d{3}-|wgEncode")
_HISTONE = re.compile(r"H[1-4]([ABFKRST]|$)")


class Entry(NamedTuple):
    """A row of the catalogue, its fields in the order of the columns.

    kind: dnase, atac, histone, tf (any other protein), chip (a target that the table does not name), cage; empty where
    the table does not say. rule: what in the source's section names the bigWig. bigwig: a path or an address as the
    config writes it, or "none", and the reason. assembly: the one that a run takes the file to be on. remark: what a
    rule cannot say of the file, or the user's.
    """

    source: str
    backbone: str
    identifier: str
    kind: str
    cell_type: str
    assay: str
    publisher: str
    rule: str
    bigwig: str
    assembly: str
    reason: str
    remark: str


class Counts(NamedTuple):
    """How many of a source's tracks there are, have a bigWig by a rule or by overrides, are doubtful, or have none."""

    source: str
    backbone: str
    assembly: str
    tracks: int
    by_rule: int
    by_overrides: int
    doubtful: int
    without: int


class Naming(NamedTuple):
    """How a publisher names what a table calls by identifiers of this pattern.

    remark: what is to be known of a file whose address a template makes; reason: why the name leads to no bigWig;
    sure: whether the publisher names a signal like the track at all.
    """

    pattern: str
    publisher: str
    remark: str = ""
    reason: str = ""
    sure: bool = True


# What the page says above its tables.
_ABOUT = (
    "Which bigWig measures each track of the config's measured sources, and where there is none, why. This is where a "
    "run looks: no address has been tried. docs/catalogue.md says more, and how to give what no rule can tell."
)
_SOURCES = (
    "assembly: the one that a run takes the files to be on. tracks: in the source's table. by_rule: with a bigWig that "
    "a template of the config names; doubtful of these may be at no such address (see their notes). by_overrides: "
    "named by the user's own table. without: no bigWig."
)
_OF_PUBLISHERS = ("source", "publisher", "rule", "reason", "tracks")
_PUBLISHERS = (
    "How many tracks of a publisher, told by their identifiers, have a bigWig by which rule of the config, or none for "
    "which reason."
)
_OF_TRACKS = ("source", "identifier", "kind", "cell_type", "assay", "publisher", "rule", "bigwig", "note")
_TRACKS = (
    "A row for each track, in the order of its table. kind: dnase, atac, histone, tf for any other protein, cage, chip "
    "where the target is not named. rule: what in the config names the bigWig. bigwig: its address or path, or none. "
    "note: the reason why there is none, or a remark: what a rule cannot tell of the file, or the user's own."
)
# The first pattern that an identifier begins with counts.
NAMINGS = (
    Naming(
        r"E\d{3}-DNase\..",
        "Roadmap",
        remark="the name is that of peaks called in the epigenome's DNase, whose one signal is called "
        "{epigenome}-DNase.pval.signal.bigwig: there may be no file at this address, and overrides can name that one; "
        "Roadmap publishes on GRCh37",
        sure=False,
    ),
    Naming(r"E\d{3}-", "Roadmap", remark="Roadmap publishes on GRCh37"),
    Naming(
        r"ENCFF",
        "ENCODE",
        remark="the accession does not tell which assembly the file is on, nor that it is a bigWig",
    ),
    Naming(
        r"wgEncodeAwg\w+UniPk$",
        "ENCODE",
        reason="it names ENCODE's uniform peaks on GRCh37, whose signals have also the number of replicates, or a "
        "replicate and a version, in their names, which the table does not tell",
    ),
    Naming(
        r"GSM\d",
        "GEO",
        reason="GEO keeps files under the names that their authors gave them, which the accession does not tell",
    ),
    Naming(
        r"CNhs\d",
        "FANTOM5",
        reason="FANTOM5 publishes counts of single bases, by strand, in files with the whole name of the sample, not a "
        "bigWig called by the identifier",
    ),
)
_UNKNOWN = Naming("", "")


def catalogued(
    source: str,
    backbone: str,
    assembly: str,
    tracks: pd.DataFrame,
    templates: Mapping[str, str],
    overrides: Mapping[str, Override],
) -> list[Entry]:
    """A row for each track of a source, in the table's order.

    tracks: as track_tables.read_tracks returns them; templates: the source's (see bigwig_places.located); overrides: as
    bigwig_places.read_overrides returns them. What a row says is what a run looks for: nobody has looked whether it is
    there.
    """
    own = {identifier: override.bigwig for identifier, override in overrides.items()}
    entries = []
    for place, track in zip(located(tracks["track_id"], templates, own), tracks.itertuples()):
        naming, kind = naming_of(track.track_id), told(track.track_id, track.description)
        rule = reason = remark = ""
        if track.track_id in overrides:
            rule, remark = "overrides", overrides[track.track_id].remark
        elif place.prefix is not None:
            rule = f"bigwigs.{place.prefix or repr('')}"
            # Of a file on this machine its owner knows.
            remark = naming.remark.format(epigenome=track.track_id[:4]) if is_url(place.bigwig) else ""
        else:
            reason = "; ".join(filter(None, (NO_TEMPLATE, naming.reason)))
        bigwig, on = (place.bigwig, assembly) if rule else (NONE, "")
        entry = (source, backbone, track.track_id, *kind, naming.publisher, rule, bigwig, on, reason, remark)
        entries.append(Entry(*entry))
    return entries


def naming_of(identifier: str) -> Naming:
    """The naming that an identifier follows; one that says nothing, if none.

    >>> naming_of("GSM1208649").publisher, naming_of("E003-DNase.hot").sure, naming_of("mine").publisher
    ('GEO', False, '')
    """
    return next((naming for naming in NAMINGS if re.match(naming.pattern, identifier)), _UNKNOWN)


def told(identifier: str, description: str) -> tuple[str, str, str]:
    """Kind, cell type (with its treatment) and assay of a track, as its table describes it.

    >>> told("ENCFF1", "CHIP:H3K4me3:liver male"), told("CNhs1", "CAGE:liver, adult")
    (('histone', 'liver male', 'H3K4me3'), ('cage', 'liver, adult', 'CAGE'))
    >>> told("wgEncodeAwgTfbsHaibA549GrUniPk", "A549 GR DEX_1nM"), told("mine", "any text")
    (('tf', 'A549 DEX_1nM', 'GR'), ('', 'any text', ''))
    """
    assay, _, cell = description.partition(":")
    if assay in _ASSAYS and cell:
        kind, assay = _ASSAYS[assay]
        return kind, cell, assay
    if assay == "CHIP" and ":" in cell:
        target, _, cell = cell.partition(":")
        return ("chip", cell, "") if target == "." else (_chip(target), cell, target)
    words = description.split()
    if _PEAKS.match(identifier) and len(words) > 1:
        cell, assay, *treatment = words
        kind = "dnase" if assay.startswith("DNase") else _chip(assay)
        return kind, " ".join((cell, *treatment)), assay
    return "", description, ""


def _chip(target: str) -> str:
    return "histone" if _HISTONE.match(target) else "tf"


def counts(entries: Sequence[Entry]) -> Counts:
    """The counts of a source's tracks, of which there is one at least; no assembly if none has a bigWig."""
    by_rule = [entry for entry in entries if entry.rule.startswith("bigwigs.")]
    return Counts(
        entries[0].source,
        entries[0].backbone,
        max(entry.assembly for entry in entries),
        len(entries),
        len(by_rule),
        sum(entry.rule == "overrides" for entry in entries),
        sum(not naming_of(entry.identifier).sure and is_url(entry.bigwig) for entry in by_rule),
        sum(entry.bigwig == NONE for entry in entries),
    )


def counted(entries: Sequence[Entry], thesis: float | None) -> str:
    """How many of a source's tracks have a bigWig, by a rule and by overrides, and of which publishers.

    thesis: how many the thesis found, if that is to be said.
    """
    counted = counts(entries)
    stated = "" if thesis is None else f" (the thesis found {thesis:,.0f})"
    total = Counter(entry.publisher for entry in entries)
    found = Counter(entry.publisher for entry in entries if entry.rule)
    parts = [f"{name or 'others'} {found[name]:,} of {total[name]:,}" for name in sorted(total)]
    said = f"{counted.source}: {counted.by_rule:,} of {counted.tracks:,} tracks have a bigWig by a rule{stated}"
    said += f", {counted.by_overrides:,} by overrides" if counted.by_overrides else ""
    said += f"; {', '.join(parts)}"
    return said + (f"; {counted.doubtful:,} addresses are doubtful (see their remark)" if counted.doubtful else "")


def write(table: str | Path, page: str | Path, sources: Iterable[Sequence[Entry]]) -> None:
    """Write the catalogue of sources, a row for each entry, and a page of it. Raises InputError if there is none."""
    found = [entries for entries in sources if entries]
    rows = [entry for entries in found for entry in entries]
    if not rows:
        raise InputError("no measured source of the config has bigwigs and a table of tracks: nothing to list")
    write_table(table, Entry._fields, rows)
    notes = dict.fromkeys({entry.remark for entry in rows}, "faint")
    why = Counter((entry.source, entry.publisher, entry.rule, entry.reason) for entry in rows)
    tables = (
        Table("Sources", Counts._fields, list(map(counts, found)), text=[_SOURCES]),
        Table("Publishers", _OF_PUBLISHERS, [(*key, tracks) for key, tracks in why.items()], text=[_PUBLISHERS]),
        Table("Tracks", _OF_TRACKS, [_listed(entry) for entry in rows], {NONE: "bad", **notes}, [_TRACKS]),
    )
    write_page(page, "The catalogue of tracks", [_ABOUT], tables)


def _listed(entry: Entry) -> tuple[str, ...]:
    return (*(getattr(entry, name) for name in _OF_TRACKS[:-1]), entry.reason or entry.remark)
