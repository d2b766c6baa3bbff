"""The bigWigs of a group of tracks: found where they lie or downloaded, and listed in a manifest."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.download import NotThere, fetch
from chrom2expr.files.tables import write_table
from chrom2expr.tracks.track_tables import MANIFEST_COLUMNS

NO_TEMPLATE = "no template in bigwigs for its identifier"


def collect_bigwigs(
    tracks: pd.DataFrame,
    templates: Mapping[str, str],
    missing: str,
    group: int,
    groups: int,
    folder: str | Path,
    manifest: str | Path,
    resources: str | Path,
) -> None:
    """Find or download the bigWigs of one of `groups` groups of tracks, and write the manifest (MANIFEST_COLUMNS).

    tracks: as `track_tables.read_tracks` returns them, each in exactly one group's manifest; templates: a URL or path
    with {identifier}, by the prefix of the identifiers it is for; the longest prefix wins; `resources` is what
    <resources> in them stands for. Downloads go to `folder`, which is made. A track without a template, or whose file
    is not there, is an InputError if `missing` is "error", the former before anything is downloaded, and has a reason
    but no path if it is "skip". A download that fails otherwise is always an error (see download.fetch), so that a bad
    network never drops a track.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    templates = {prefix: place.replace("<resources>", str(resources), 1) for prefix, place in templates.items()}
    prefixes = [_longest_prefix(identifier, templates) for identifier in tracks["track_id"]]
    without = tracks["track_id"][[prefix is None for prefix in prefixes]]
    if len(without) == len(tracks):
        raise InputError(f"bigwigs: no track's identifier begins with {' or '.join(templates) or 'anything'}")
    print(f"{len(tracks) - len(without):,} of {len(tracks):,} tracks have a place for their bigWig")
    if len(without) and missing == "error":
        raise InputError(
            f"{without.iloc[0]}: {NO_TEMPLATE} ({len(without):,} of {len(tracks):,} tracks); add one to bigwigs in "
            "the config under the first letters of the identifier, or set missing_bigwigs: skip to go on without them"
        )
    rows = np.array_split(np.arange(len(tracks)), groups)[group]
    table = tracks.iloc[rows]
    found = [_find(track, templates.get(prefixes[row]), folder) for row, track in zip(rows, table["track_id"])]
    table = table.assign(path=[path for path, _ in found], reason=[reason for _, reason in found])
    absent = table[table["path"] == ""]
    print(f"{len(absent):,} of {len(table):,} bigWigs of this group are missing")
    for track in absent.itertuples():
        print(f"missing: {track.track_id}: {track.reason}")
    if len(absent) and missing == "error":
        raise InputError(
            f"{absent['track_id'].iloc[0]}: {absent['reason'].iloc[0]} ({len(absent)} of {len(table)} bigWigs of this "
            "group are missing); correct bigwigs in the config, or set missing_bigwigs: skip to go on without them"
        )
    write_table(manifest, MANIFEST_COLUMNS, table[MANIFEST_COLUMNS].astype(str).itertuples(index=False, name=None))


def _longest_prefix(identifier: str, templates: Mapping[str, str]) -> str | None:
    return max((prefix for prefix in templates if identifier.startswith(prefix)), key=len, default=None)


def _find(identifier: str, template: str | None, folder: Path) -> tuple[str, str]:
    """The path of a track's bigWig, downloaded if need be, and "", or "" and the reason why it is missing."""
    if template is None:
        return "", NO_TEMPLATE
    place = template.replace("{identifier}", identifier)
    if "://" not in place:
        return (place, "") if Path(place).is_file() else ("", f"{place}: no such file")
    path = folder / f"{identifier}.bigWig"
    try:
        fetch(place, path)
    except NotThere as error:
        return "", str(error)
    return str(path), ""
