"""The bigWigs of a group of tracks: found where they lie or downloaded, and listed in a manifest."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chrom2expr.download import NotThere, fetch
from chrom2expr.errors import InputError
from chrom2expr.files import whole_file
from chrom2expr.tracks import MANIFEST_COLUMNS


def collect_bigwigs(
    tracks: pd.DataFrame,
    templates: Mapping[str, str],
    missing: str,
    group: int,
    groups: int,
    folder: str | Path,
    manifest: str | Path,
) -> None:
    """Find or download the bigWigs of one of `groups` groups of tracks, and write the manifest (MANIFEST_COLUMNS).

    tracks: as `tracks.read_tracks` returns them; templates: a URL or path with {identifier}, by the prefix of the identifiers it
    is for; the longest prefix wins, and tracks of no prefix take no part. Downloads go to `folder`, which is made.
    A file that is not there is an InputError if `missing` is "error", and has a reason but no path if it is "skip".
    A download that fails otherwise is always an InputError, so that a bad network never drops a track.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prefixes = [_longest_prefix(identifier, templates) for identifier in tracks["track_id"]]
    wanted = [row for row, prefix in enumerate(prefixes) if prefix is not None]
    if not wanted:
        raise InputError(f"bigwigs: no track's identifier begins with {' or '.join(templates) or 'anything'}")
    print(f"{len(wanted):,} of {len(tracks):,} tracks have a place for their bigWig")
    rows = np.array_split(wanted, groups)[group]
    found = [_find(tracks["track_id"].iloc[row], templates[prefixes[row]], folder) for row in rows]
    reasons = [reason for _, reason in found if reason]
    for reason in reasons:
        print(f"missing: {reason}")
    if reasons and missing == "error":
        raise InputError(
            f"{reasons[0]} ({len(reasons)} of {len(rows)} bigWigs of this group are missing); correct bigwigs in the "
            "config, or set missing_bigwigs: skip to go on without them"
        )
    table = tracks.iloc[rows].assign(path=[path for path, _ in found], reason=[reason for _, reason in found])
    with whole_file(manifest) as partial:
        table[MANIFEST_COLUMNS].to_csv(partial, sep="\t", index=False, lineterminator="\n")


def _longest_prefix(identifier: str, templates: Mapping[str, str]) -> str | None:
    return max((prefix for prefix in templates if identifier.startswith(prefix)), key=len, default=None)


def _find(identifier: str, template: str, folder: Path) -> tuple[str, str]:
    """The path of a track's bigWig, downloaded if need be, and "", or "" and the reason why there is none."""
    place = template.replace("{identifier}", identifier)
    if "://" not in place:
        return (place, "") if Path(place).is_file() else ("", f"{place}: no such file, for track {identifier}")
    path = folder / f"{identifier}.bigWig"
    try:
        fetch(place, path)
    except NotThere as error:
        return "", f"{error}, for track {identifier}"
    return str(path), ""
