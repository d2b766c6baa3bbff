"""Where the bigWig of each track is said to lie: by a source's templates, or by a table of the user's own."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import numbered_rows, refuse_repeated

NO_TEMPLATE = "no template in bigwigs for its identifier"
# The columns of a table of the user's own; a column remark may stand beside them.
OVERRIDE_COLUMNS = ("identifier", "bigwig")


class Place(NamedTuple):
    """A track's bigWig, a path or an address, and the prefix of the template that says so; None: nothing says so."""

    prefix: str | None
    bigwig: str | None


class Override(NamedTuple):
    """A row of the user's table: a path or an address, and what the user remarks on it."""

    bigwig: str
    remark: str


def located(identifiers: Iterable[str], templates: Mapping[str, str], overrides: Mapping[str, str]) -> list[Place]:
    """The place of each track's bigWig, of which nobody has looked whether it is there.

    templates: a path or an address with {identifier}, by the prefix of the identifiers that it is for, the longest of
    which wins; overrides: a path or an address by identifier, which wins over every template.

    >>> located(["E1", "E2", "x"], {"E": "https://a.org/{identifier}.bw"}, {"E2": "mine.bw"})
    ... # doctest: +NORMALIZE_WHITESPACE
    [Place(prefix='E', bigwig='https://a.org/E1.bw'), Place(prefix=None, bigwig='mine.bw'),
     Place(prefix=None, bigwig=None)]
    """
    places = []
    for identifier in identifiers:
        prefix = max((prefix for prefix in templates if identifier.startswith(prefix)), key=len, default=None)
        if identifier in overrides:
            places.append(Place(None, overrides[identifier]))
        elif prefix is None:
            places.append(Place(None, None))
        else:
            places.append(Place(prefix, templates[prefix].replace("{identifier}", identifier)))
    return places


def is_url(place: str) -> bool:
    """Whether a place is an address rather than a path."""
    return "://" in place


def read_overrides(path: str | Path, identifiers: Collection[str]) -> dict[str, Override]:
    """The rows of a table of the user's, by the track's identifier, which must be one of `identifiers`.

    Columns, separated by tabs or commas: identifier, bigwig (a path, which starts from the table's folder or with
    <resources>, or an address), and, if need be, remark; others are passed over. `~` and variables are expanded.

    Raises InputError, naming file and line, for a column that is not there, a table without rows, an empty identifier
    or bigwig, an identifier that is no track's or is there twice, and an address that is not http or https.
    """
    numbered = numbered_rows(path)
    _, header = next(numbered)
    if lacking := [name for name in OVERRIDE_COLUMNS if name not in header]:
        raise InputError(f"{path}, line 1: no column {', '.join(lacking)}; found: {', '.join(header)}")
    refuse_repeated(path, header, [*OVERRIDE_COLUMNS, "remark"])
    known, rows, lines = set(identifiers), {}, {}
    for line, row in numbered:
        fields = dict(zip(header, row))
        identifier, place = fields["identifier"], fields["bigwig"]
        if not identifier or not place:
            raise InputError(f"{path}, line {line}: no {'bigwig' if identifier else 'identifier'}; fill it in")
        if identifier not in known:
            raise InputError(
                f"{path}, line {line}: there is no track {identifier}; write it as the table of tracks does"
            )
        if (first := lines.setdefault(identifier, line)) != line:
            raise InputError(f"{path}, line {line}: {identifier} is already on line {first}; keep one row")
        if is_url(place) and not place.lower().startswith(("http://", "https://")):
            raise InputError(f"{path}, line {line}: {place} is no http or https address, nor a path")
        rows[identifier] = Override(_from_table(place, path), fields.get("remark", ""))
    if not rows:
        raise InputError(f"{path}: no tracks below the header")
    return rows


def _from_table(place: str, table: str | Path) -> str:
    """A place as the job that reads the table finds it."""
    if is_url(place) or place.startswith("<resources>"):
        return place
    return str(Path(table).parent / os.path.expandvars(os.path.expanduser(place)))
