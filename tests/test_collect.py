"""bigWigs are used in place, downloaded whole, or listed as missing."""

import http.server
import threading

import numpy as np
import pandas as pd
import pytest

from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files import download
from chrom2expr.tracks.collect import NO_TEMPLATE, collect_bigwigs
from chrom2expr.tracks.track_tables import MANIFEST_COLUMNS, read_manifest

TEMPLATES = {"EN": "{folder}/other/{identifier}.bw", "ENCFF": "{folder}/{identifier}.bw"}
IDENTIFIERS = [f"ENCFF{row}" for row in range(5)] + ["CNhs1", "ENx"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))


def track_table(identifiers):
    return pd.DataFrame(
        {"track_id": identifiers, "track_type": "chromatin", "clip": np.inf, "scale": 2.0, "sum_stat": "mean"}
    )


def collect(tmp_path, templates, missing="skip", group=0, groups=1, identifiers=None):
    identifiers = identifiers or IDENTIFIERS
    places = {prefix: place.replace("{folder}", str(tmp_path)) for prefix, place in templates.items()}
    collect_bigwigs(
        track_table(identifiers),
        places,
        missing,
        group,
        groups,
        tmp_path / "fetched",
        tmp_path / "manifest.tsv",
        tmp_path,
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
    assert "2 of 3 bigWigs of this group are missing" in said
    assert f"missing: CNhs1: {NO_TEMPLATE}" in said and f"missing: ENx: {NO_TEMPLATE}" in said


@pytest.mark.parametrize("group", [0, 1])
def test_a_track_without_a_template_can_be_an_error_in_whatever_group(tmp_path, group, server):
    message = r"^CNhs1: no template in bigwigs .*\(1 of 3 tracks\); add one to bigwigs .*missing_bigwigs: skip"
    with pytest.raises(InputError, match=message):
        collect(tmp_path, server, "error", group, 2, identifiers=["ENCFF0", "ENCFF4", "CNhs1"])
    assert not (tmp_path / "manifest.tsv").exists()
    assert not list((tmp_path / "fetched").iterdir())


def test_groups_cover_every_track_once_in_order(tmp_path):
    parts = [collect(tmp_path, TEMPLATES, group=group, groups=4)["track_id"].tolist() for group in range(4)]
    assert sum(parts, []) == IDENTIFIERS
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert collect(tmp_path, TEMPLATES, group=8, groups=9).empty


def test_missing_bigwigs_can_be_an_error(tmp_path):
    with pytest.raises(InputError, match=r"^ENCFF0: .*ENCFF0\.bw: no such file.*6 of 6.*missing_bigwigs: skip"):
        collect(tmp_path, TEMPLATES, missing="error", identifiers=IDENTIFIERS[:5] + ["ENx"])
    assert not (tmp_path / "manifest.tsv").exists()
    with pytest.raises(InputError, match="no track's identifier begins with X"):
        collect(tmp_path, {"X": "y"})


@pytest.fixture
def server():
    """ENCFF0 is there, ENCFF1 is not, ENCFF2 breaks off, ENCFF3 is forbidden, ENCFF4 fails once, the rest always."""

    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            known = {"/ENCFF0": 200, "/ENCFF1": 404, "/ENCFF2": 200, "/ENCFF3": 403}
            if asked.count("/ENCFF4") == 2:
                known["/ENCFF4"] = 200
            status = known.get(self.path, 500)
            self.send_response(status)
            self.send_header("Content-Length", str(9 if self.path == "/ENCFF2" else 4))
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield {"ENCFF": f"http://127.0.0.1:{httpd.server_port}/{{identifier}}"}
        httpd.shutdown()


def test_downloads_are_whole_or_missing_or_an_error(tmp_path, server):
    table = collect(tmp_path, server, identifiers=["ENCFF0", "ENCFF1", "ENCFF4"])
    fetched = [str(tmp_path / "fetched" / f"{name}.bigWig") for name in ("ENCFF0", "ENCFF4")]
    assert table["path"].tolist() == [fetched[0], "", fetched[1]]
    assert "404" in table.loc[1, "reason"]
    assert (tmp_path / "fetched" / "ENCFF0.bigWig").read_bytes() == b"data"
    for identifier, message in (("ENCFF2", "4 of 9 bytes"), ("ENCFF3", "403"), ("ENCFF5", "500")):
        with pytest.raises((InputError, SystemTrouble), match=message):
            collect(tmp_path, server, identifiers=[identifier])
    assert {file.name for file in (tmp_path / "fetched").iterdir()} == {"ENCFF0.bigWig", "ENCFF4.bigWig"}


def test_a_missing_local_bigwig_is_looked_for_once(tmp_path, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda wait: pytest.fail("waited"))
    assert collect(tmp_path, TEMPLATES, identifiers=["ENCFF0"])["path"].tolist() == [""]
