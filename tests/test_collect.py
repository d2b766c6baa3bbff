"""bigWigs are used in place, downloaded whole, or listed as missing."""

import io
import threading
import time

import numpy as np
import pandas as pd
import pytest

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files import fetching
from chrom2expr.files.checksums import Record
from chrom2expr.tracks.collect import NO_TEMPLATE, collect_bigwigs, found_tracks
from chrom2expr.tracks.track_tables import MANIFEST_COLUMNS, read_manifest
from file_server import cut, serving, status

TEMPLATES = {"EN": "{folder}/other/{identifier}.bw", "ENCFF": "{folder}/{identifier}.bw"}
IDENTIFIERS = [f"ENCFF{row}" for row in range(5)] + ["CNhs1", "ENx"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetching, "WAITS", (0, 0))


def track_table(identifiers):
    return pd.DataFrame(
        {"track_id": identifiers, "track_type": "chromatin", "clip": np.inf, "scale": 2.0, "sum_stat": "mean"}
    )


def collect(tmp_path, templates, missing="skip", group=0, groups=1, identifiers=None, mirror=None, overrides=None):
    identifiers = identifiers or IDENTIFIERS
    places = {prefix: place.replace("{folder}", str(tmp_path)) for prefix, place in templates.items()}
    collect_bigwigs(
        track_table(identifiers),
        places,
        overrides or {},
        missing,
        group,
        groups,
        tmp_path / "fetched",
        tmp_path / "manifest.tsv",
        tmp_path,
        "lab",
        mirror or {},
    )
    return read_manifest(tmp_path / "manifest.tsv")


def test_local_bigwigs_are_used_in_place_by_the_longest_prefix(tmp_path, capsys):
    (tmp_path / "other").mkdir()
    for name in ("ENCFF0.bw", "ENCFF3.bw", "other/ENx.bw", "other/ENCFF1.bw"):
        (tmp_path / name).touch()
    table = collect(tmp_path, TEMPLATES)
    assert table.columns.tolist() == MANIFEST_COLUMNS
    assert table["track_id"].tolist() == IDENTIFIERS
    assert dict(zip(table["track_id"], table["path"]))["ENx"] == str(tmp_path / "other" / "ENx.bw")
    assert (table["path"] != "").tolist() == [True, False, False, True, False, False, True]
    assert table.loc[1, "reason"] == f"{tmp_path}/ENCFF1.bw: no such file"
    assert ((table["reason"] == "") == (table["path"] != "")).all()
    assert np.isinf(table["clip"]).all() and (table["scale"] == 2).all()
    assert "6 of 7 tracks" in capsys.readouterr().out


def test_a_track_without_a_template_is_listed_with_the_missing(tmp_path, capsys):
    for name in IDENTIFIERS[:5]:
        (tmp_path / f"{name}.bw").touch()
    table = collect(tmp_path, {"ENCFF": "{folder}/{identifier}.bw"}, group=1, groups=2)
    assert table["track_id"].tolist() == IDENTIFIERS[4:]
    assert table["path"].tolist() == [str(tmp_path / "ENCFF4.bw"), "", ""]
    assert table["reason"].tolist() == ["", NO_TEMPLATE, NO_TEMPLATE]
    said = capsys.readouterr().out
    assert "2 of the 3 bigWigs of group 1 are missing" in said
    assert f"missing: CNhs1: {NO_TEMPLATE}" in said and f"missing: ENx: {NO_TEMPLATE}" in said


@pytest.mark.parametrize("group", [0, 1])
def test_a_track_without_a_template_can_be_an_error_in_whatever_group(tmp_path, group, server):
    message = r"^CNhs1: no template in bigwigs .*\(1 of 3 tracks\); add one to bigwigs .*missing_bigwigs: skip"
    with pytest.raises(InputError, match=message):
        collect(tmp_path, server.template, "error", group, 2, identifiers=["ENCFF0", "ENCFF4", "CNhs1"])
    assert not (tmp_path / "manifest.tsv").exists()
    assert not server.asked and not (tmp_path / "fetched").exists()


def test_groups_cover_every_track_once_in_order(tmp_path):
    (tmp_path / "other").mkdir()
    for name in ("ENCFF0.bw", "other/ENx.bw"):
        (tmp_path / name).touch()
    parts = [collect(tmp_path, TEMPLATES, group=group, groups=4)["track_id"].tolist() for group in range(4)]
    assert sum(parts, []) == IDENTIFIERS
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert collect(tmp_path, TEMPLATES, group=8, groups=9).empty


def test_missing_bigwigs_can_be_an_error(tmp_path):
    (tmp_path / "other").mkdir()
    for name in ("ENCFF4.bw", "other/ENx.bw"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"^ENCFF0: .*ENCFF0\.bw: no such file.*4 of 6.*missing_bigwigs: skip"):
        collect(tmp_path, TEMPLATES, missing="error", identifiers=IDENTIFIERS[:5] + ["ENx"])
    assert not (tmp_path / "manifest.tsv").exists()
    with pytest.raises(InputError, match="no track's identifier begins with X"):
        collect(tmp_path, {"X": "y"})


@pytest.fixture
def server(tmp_path):
    """ENCFF0 is there, ENCFF1 is not, ENCFF3 is forbidden, ENCFF4 fails once, ENCFF5 always, the rest is there."""
    folder = tmp_path / "published"
    folder.mkdir()
    for track in (0, 2, 3, 4, 5, *range(20, 30)):
        (folder / f"ENCFF{track}").write_bytes(f"data {track}".encode())
    with serving(folder) as server:
        server.template = {"ENCFF": f"{server.url}/{{identifier}}"}
        server.faults = {"/ENCFF3": [status(403)] * 9, "/ENCFF4": [status(500)], "/ENCFF5": [status(500)] * 9}
        yield server


def later(fault):
    """The fault, when the others have had their answers."""

    def late(handler, content):
        time.sleep(0.5)
        fault(handler, content)

    return late


def test_downloads_are_whole_or_missing_or_an_error(tmp_path, server, capsys):
    table = collect(tmp_path, server.template, identifiers=["ENCFF0", "ENCFF1", "ENCFF4"])
    fetched = [str(tmp_path / "fetched" / f"{name}.bigWig") for name in ("ENCFF0", "ENCFF4")]
    assert table["path"].tolist() == [fetched[0], "", fetched[1]]
    assert "404" in table.loc[1, "reason"]
    assert (tmp_path / "fetched" / "ENCFF0.bigWig").read_bytes() == b"data 0"
    assert {file.name for file in (tmp_path / "fetched").iterdir()} == {"ENCFF0.bigWig", "ENCFF4.bigWig"}
    assert {key: row.size for key, row in Record(tmp_path).read().items()} == {
        ("lab", "ENCFF0.bigWig"): 6, ("lab", "ENCFF4.bigWig"): 6
    }  # fmt: skip
    for identifier, message in (("ENCFF3", "403"), ("ENCFF5", "500")):
        with pytest.raises((InputError, SystemTrouble), match=message):
            collect(tmp_path, server.template, identifiers=[identifier])


def test_what_has_come_is_not_fetched_again_after_a_break(tmp_path, server):
    server.faults["/ENCFF4"] = [cut(3), *[later(status(500))] * 2]
    wanted = ["ENCFF0", "ENCFF2", "ENCFF4"]
    with pytest.raises(SystemTrouble, match="500"):
        collect(tmp_path, server.template, identifiers=wanted)
    assert not (tmp_path / "fetched").exists()
    asked = len(server.asked)
    assert (collect(tmp_path, server.template, identifiers=wanted)["path"] != "").all()
    assert [(path, headers["Range"]) for path, headers in server.asked[asked:]] == [("/ENCFF4", "bytes=3-")]
    assert (tmp_path / "fetched" / "ENCFF4.bigWig").read_bytes() == b"data 4"


@pytest.mark.parametrize("missing", ["error", "skip"])
def test_what_has_come_outlives_a_missing_file_and_a_wrong_address(tmp_path, server, missing):
    wanted = ["ENCFF0", "ENCFF2", *([] if missing == "skip" else ["ENCFF1"])]
    templates = dict(server.template)
    if missing == "skip":
        templates["ENX"] = f"{server.url}/typo/{{identifier}}"
        wanted += [f"ENX{track}" for track in range(10)]
    with pytest.raises(InputError, match="ENCFF1.*404|not one of 10 files"):
        collect(tmp_path, templates, missing, identifiers=wanted)
    assert not (tmp_path / "fetched").exists()
    server.asked.clear()
    collect(tmp_path, templates, "skip", identifiers=wanted[:3])
    assert not {"/ENCFF0", "/ENCFF2"} & {*server.paths()}


def test_what_has_come_from_another_address_is_not_taken(tmp_path, server):
    (server.folder / "other").mkdir()
    for track in (0, 3):
        (server.folder / f"other/ENCFF{track}").write_bytes(b"other")
    server.faults["/ENCFF3"] = [later(status(403))]
    with pytest.raises(InputError, match="403"):
        collect(tmp_path, server.template, identifiers=["ENCFF0", "ENCFF3"])
    assert [file.name for file in tmp_path.glob(".*.coming/ENCFF*")] == ["ENCFF0.bigWig"]
    other = {"ENCFF": f"{server.url}/other/{{identifier}}"}
    collect(tmp_path, other, identifiers=["ENCFF0", "ENCFF3"])
    assert {file.read_bytes() for file in (tmp_path / "fetched").iterdir()} == {b"other"}
    assert [file.name for file in tmp_path.iterdir() if "coming" in file.name] == []


def test_overrides_win_over_templates(tmp_path, server):
    for name in ("mine.bw", "ENCFF0.bw"):
        (tmp_path / name).touch()
    templates = {"ENCFF": TEMPLATES["ENCFF"]}
    own = {"CNhs1": "<resources>/mine.bw", "ENCFF1": f"{tmp_path}/mine.bw", "ENCFF2": f"{tmp_path}/nowhere.bw"}
    own["ENCFF3"] = f"{server.url}/ENCFF4"
    found = collect(tmp_path, templates, overrides=own).set_index("track_id")
    assert found["path"][["ENCFF0", "ENCFF1", "CNhs1", "ENCFF3"]].tolist() == [
        f"{tmp_path}/{name}" for name in ("ENCFF0.bw", "mine.bw", "mine.bw", "fetched/ENCFF3.bigWig")
    ]
    assert (tmp_path / "fetched/ENCFF3.bigWig").read_bytes() == b"data 4"
    assert found["reason"][["ENCFF2", "ENx"]].tolist() == [f"{tmp_path}/nowhere.bw: no such file", NO_TEMPLATE]
    with pytest.raises(InputError, match="^ENx: no template"):
        collect(tmp_path, templates, "error", overrides=own)


def test_what_has_come_from_an_address_that_an_override_replaces_is_not_taken(tmp_path, server):
    server.faults["/ENCFF3"] = [later(status(403))]
    with pytest.raises(InputError, match="403"):
        collect(tmp_path, server.template, identifiers=["ENCFF0", "ENCFF3"])
    own = {"ENCFF0": f"{server.url}/ENCFF2"}
    collect(tmp_path, server.template, identifiers=["ENCFF0", "ENCFF3"], overrides=own)
    assert (tmp_path / "fetched/ENCFF0.bigWig").read_bytes() == b"data 2"


def test_a_mirror_is_asked_in_place_of_the_published_address(tmp_path, server):
    published = {"ENCFF": "https://x.org/a/{identifier}"}
    collect(tmp_path, published, identifiers=["ENCFF0"], mirror={"https://x.org/a": server.url})
    assert Record(tmp_path).find("lab", "ENCFF0.bigWig", "https://x.org/a/ENCFF0")


@pytest.mark.parametrize("identifier", ["ENCFF/../../escaped", "ENCFF1/a", ".ENCFF"])
def test_an_identifier_that_names_no_file_is_refused(tmp_path, server, identifier):
    with pytest.raises(InputError, match="cannot name a downloaded file"):
        collect(tmp_path, {"": f"{server.url}/{{identifier}}"}, identifiers=["ENCFF0", identifier])
    assert not server.asked


def test_files_of_a_group_come_side_by_side(tmp_path, server):
    meeting = threading.Barrier(2, timeout=20)

    def together(handler, content):
        meeting.wait()
        handler.answer(content)

    server.faults = {f"/ENCFF{track}": [together] for track in (20, 21)}
    assert (collect(tmp_path, server.template, identifiers=["ENCFF20", "ENCFF21"])["path"] != "").all()


def test_a_bigwig_that_changed_since_it_first_came_is_an_error(tmp_path, server):
    collect(tmp_path, server.template, identifiers=["ENCFF0"])
    (server.folder / "ENCFF0").write_bytes(b"others")
    with pytest.raises(InputError, match=r"first came.*not kept.*delete the line of ENCFF0\.bigWig"):
        collect(tmp_path, server.template, identifiers=["ENCFF0"])


def test_a_page_in_the_place_of_a_bigwig_is_named(tmp_path, server):
    (server.folder / "ENCFF0").write_bytes(b"<html><body>Log in</body></html>")
    with pytest.raises(InputError, match="ENCFF0: what arrived is a web page"):
        collect(tmp_path, server.template, identifiers=["ENCFF0"])


def test_an_address_without_a_single_file_is_an_error_even_where_missing_ones_are_skipped(tmp_path, server):
    wrong = {"ENCFF": f"{server.url}/typo/{{identifier}}"}
    with pytest.raises(InputError, match=r"not one of 10 files is at .*typo.*404"):
        collect(tmp_path, wrong, identifiers=[f"ENCFF{track}" for track in range(10)])
    assert (collect(tmp_path, wrong, identifiers=["ENCFF0", "ENCFF1"])["path"] == "").all()


def test_a_path_without_a_single_file_is_an_error_even_where_missing_ones_are_skipped(tmp_path):
    (tmp_path / "ENCFF3.bw").touch()
    with pytest.raises(InputError, match=r"not one file .*/other/.*of 1 tracks: .*ENx\.bw is not there"):
        collect(tmp_path, TEMPLATES)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/ENx.bw").touch()
    # Its only file is of another group.
    assert (collect(tmp_path, TEMPLATES, group=0, groups=3)["path"] == "").all()


def test_what_is_skipped_is_counted_on_the_console(tmp_path, monkeypatch):
    console = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", console)
    (tmp_path / "ENCFF3.bw").touch()
    collect(tmp_path, {"ENCFF": "{folder}/{identifier}.bw"})
    assert "lab: 6 of the 7 bigWigs of group 0 are missing" in console.getvalue()
    (tmp_path / "ENCFF0.bw").touch()
    console.truncate(0)
    collect(tmp_path, {"ENCFF": "{folder}/{identifier}.bw"}, identifiers=["ENCFF0", "ENCFF3"])
    assert not console.getvalue().strip("\0")


def test_the_tracks_may_be_the_files_that_there_are(tmp_path):
    for name in (
        "a[1]/E2/E2.bw",
        "a[1]/E1/E1.bw",
        "a[1]/E3/E4.bw",
        "a[1]/F1/F1.bw",
        "b/CNhs1.x.bw",
        "b/sub/CNhs2.bw",
        "a1/E5/E5.bw",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    templates = {"E": "<resources>/a[1]/{identifier}/{identifier}.bw", "CN": f"{tmp_path}/b/{{identifier}}.bw"}
    found = found_tracks(templates, tmp_path)
    assert found["track_id"].tolist() == ["CNhs1.x", "E1", "E2"]
    assert (found["track_type"] == "chromatin").all() and (found["sum_stat"] == "mean").all()
    with pytest.raises(InputError, match="a table of tracks must say"):
        found_tracks({"E": "https://x.org/{identifier}.bw"}, tmp_path)
