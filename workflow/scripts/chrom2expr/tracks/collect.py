"""The bigWigs of a group of tracks: found where they lie or downloaded, and listed in a manifest."""

import glob
import hashlib
import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.files.download import STALE_AFTER, bigwig
from chrom2expr.files.fetching import NotThere
from chrom2expr.files.ownership import owned
from chrom2expr.files.tables import write_table
from chrom2expr.job import Progress, tell
from chrom2expr.tracks.bigwig_places import NO_TEMPLATE, is_url, located
from chrom2expr.tracks.track_tables import MANIFEST_COLUMNS, plain_tracks

# Downloads at a time.
AT_ONCE = 4
# So many tracks of which none has a file mean a wrong address, not missing files.
SUSPICIOUS = 10


def collect_bigwigs(
    tracks: pd.DataFrame,
    templates: Mapping[str, str],
    overrides: Mapping[str, str],
    missing: str,
    group: int,
    groups: int,
    folder: str | Path,
    manifest: str | Path,
    resources: str | Path,
    source: str,
    mirror: Mapping[str, str],
) -> None:
    """Find or download the bigWigs of one of `groups` groups of tracks, and write the manifest (MANIFEST_COLUMNS).

    tracks: as `track_tables.read_tracks` returns them, each in exactly one group's manifest; templates, overrides: see
    bigwig_places.located; `resources` is what <resources> in them stands for, where checksums.tsv keeps the downloads
    under the name of their `source`; `mirror`: see mirrors.mirrored. Downloads go to `folder`, which is made; what has
    come stays beside it when the job does not end well, and is not fetched again from the same addresses.

    A track without a template or an override, or whose file is not there, is an InputError if `missing` is "error", the
    former before anything is downloaded, and has a reason but no path if it is "skip", which is counted on the console.
    A template of which there is not one file (not one in this group, of SUSPICIOUS at least, if it is a URL) is an
    InputError either way, as is an identifier that cannot name a file. A download that fails otherwise is always an
    error (see fetching.fetch), so that a bad network never drops a track.
    """
    templates, overrides = _placed(templates, resources), _placed(overrides, resources)
    found = located(tracks["track_id"], templates, overrides)
    prefixes, places = [place.prefix for place in found], [place.bigwig for place in found]
    without = tracks["track_id"][[place is None for place in places]]
    if len(without) == len(tracks):
        raise InputError(f"bigwigs: no track's identifier begins with {' or '.join(templates) or 'anything'}")
    print(f"{len(tracks) - len(without):,} of {len(tracks):,} tracks have a place for their bigWig")
    if len(without) and missing == "error":
        raise InputError(
            f"{without.iloc[0]}: {NO_TEMPLATE} ({len(without):,} of {len(tracks):,} tracks); add one to bigwigs in "
            "the config under the first letters of the identifier, or set missing_bigwigs: skip to go on without them"
        )
    _refuse_barren(templates, prefixes, places)
    rows = np.array_split(np.arange(len(tracks)), groups)[group]
    table, folder = tracks.iloc[rows], Path(folder)
    wanted = {identifier: places[row] for row, identifier in zip(rows, table["track_id"])}
    _refuse_names(wanted)
    # Snakemake takes the folder away when a job fails, not this one, which is that of these addresses.
    kind = hashlib.sha256(repr(sorted(templates.items()) + sorted(overrides.items())).encode()).hexdigest()[:8]
    coming = folder.with_name(f".{folder.name}.{kind}.coming")
    with owned(folder, STALE_AFTER) as owner:
        collected = _collected(wanted, coming, Record(resources), source, mirror)
        table = table.assign(
            path=[collected[identifier][0] for identifier in wanted],
            reason=[collected[identifier][1] for identifier in wanted],
        )
        absent = table[table["path"] == ""]
        say = tell if len(absent) and missing == "skip" else print
        say(f"{source}: {len(absent):,} of the {len(table):,} bigWigs of group {group} are missing (see {manifest})")
        for track in absent.itertuples():
            print(f"missing: {track.track_id}: {track.reason}")
        _refuse_absent(templates, [prefixes[row] for row in rows], table)
        if len(absent) and missing == "error":
            raise InputError(
                f"{absent['track_id'].iloc[0]}: {absent['reason'].iloc[0]} ({len(absent)} of {len(table)} bigWigs of "
                "this group are missing); correct bigwigs in the config, or set missing_bigwigs: skip to go on without "
                "them"
            )
        owner.check()
        if folder.exists():
            shutil.rmtree(folder)
        coming.rename(folder)
        for old in folder.parent.glob(f".{glob.escape(folder.name)}.*.coming"):
            shutil.rmtree(old)
    table["path"] = [
        str(folder / Path(path).name) if path and Path(path).parent == coming else path for path in table["path"]
    ]
    write_table(manifest, MANIFEST_COLUMNS, table[MANIFEST_COLUMNS].astype(str).itertuples(index=False, name=None))


def _refuse_names(wanted: Mapping[str, str | None]) -> None:
    """Raise InputError for an identifier that cannot name a file, of a bigWig that is downloaded."""
    for identifier, place in wanted.items():
        if place and is_url(place) and ("/" in identifier or identifier.startswith(".")):
            raise InputError(
                f"{identifier}: cannot name a downloaded file; correct the identifier in the table of tracks, or "
                "download the bigWig and give a path for it in bigwigs"
            )


def _placed(templates: Mapping[str, str], resources: str | Path) -> dict[str, str]:
    """The templates, or overrides, with the folder that <resources> stands for."""
    return {prefix: place.replace("<resources>", str(resources), 1) for prefix, place in templates.items()}


def found_tracks(templates: Mapping[str, str], resources: str | Path) -> pd.DataFrame:
    """The tracks of all bigWigs that the templates find on this machine, by identifier, as track_tables.plain_tracks.

    Raises InputError for a template that is a URL, where nothing tells which files there are.
    """
    found = set()
    for prefix, template in _placed(templates, resources).items():
        if is_url(template):
            raise InputError(f"bigwigs: {template}: which tracks there are, a table of tracks must say (tracks)")
        first, *others = template.split("{identifier}")
        inside = "".join(f"(?P=identifier){re.escape(part)}" for part in others[1:])
        pattern = re.compile(
            f"{re.escape(first)}(?P<identifier>{re.escape(prefix)}[^/]*){re.escape(others[0])}{inside}"
        )
        for path in glob.iglob(f"{glob.escape(prefix)}*".join(map(glob.escape, [first, *others]))):
            if match := re.fullmatch(pattern, path):
                found.add(match["identifier"])
    return plain_tracks(sorted(found))


def _refuse_barren(templates: Mapping[str, str], prefixes: Sequence[str | None], places: Sequence[str | None]) -> None:
    """Raise InputError for a template of paths of which there is not one file, in any group."""
    for prefix, template in templates.items():
        own = [place for place, found in zip(places, prefixes) if found == prefix]
        if own and not is_url(template) and not any(Path(place).is_file() for place in own):
            raise InputError(
                f"bigwigs: there is not one file {template}, of {len(own):,} tracks: {own[0]} is not there, nor any "
                "other; correct the template in the config"
            )


def _refuse_absent(templates: Mapping[str, str], prefixes: Sequence[str | None], table: pd.DataFrame) -> None:
    """Raise InputError for an address of which not one of many files is there: it is the address that is wrong."""
    for prefix, template in templates.items():
        own = table[[found == prefix for found in prefixes]]
        if is_url(template) and len(own) >= SUSPICIOUS and (own["path"] == "").all():
            raise InputError(
                f"bigwigs: not one of {len(own):,} files is at {template}, the first: {own['reason'].iloc[0]}; correct "
                "the address in the config"
            )


def _collected(
    wanted: Mapping[str, str | None], coming: Path, record: Record, source: str, mirror: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """The path of each track's bigWig and "", or "" and the reason why it is missing; downloads go to `coming`."""
    coming.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()

    def find(identifier: str, place: str | None) -> tuple[str, str]:
        """What is found of one track."""
        if place is None:
            return "", NO_TEMPLATE
        if not is_url(place):
            return (place, "") if Path(place).is_file() else ("", f"{place}: no such file")
        path = coming / f"{identifier}.bigWig"
        try:
            if not path.exists():
                bigwig(place, path, source, record, mirror, stop)
        except NotThere as error:
            return "", str(error)
        return str(path), ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        tasks = {identifier: pool.submit(find, identifier, place) for identifier, place in wanted.items()}
        progress = Progress(len(tasks), "bigWigs")
        try:
            for task in as_completed(tasks.values()):
                task.result()
                progress.advance(1)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return {identifier: task.result() for identifier, task in tasks.items()}
