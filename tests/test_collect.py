"""bigWigs are used in place, downloaded whole, or listed as missing."""

import http.server
import threading

import numpy as np
import pandas as pd
import pytest

from chrom2expr.collect import collect_bigwigs
from chrom2expr.errors import InputError
from chrom2expr.tracks import MANIFEST_COLUMNS, read_manifest

TEMPLATES = {"EN": "{folder}/other/{identifier}.bw", "ENCFF": "{folder}/{identifier}.bw"}


def track_table(identifiers):
    return pd.DataFrame(
        {"track_id": identifiers, "track_type": "chromatin", "clip": np.inf, "scale": 2.0, "sum_stat": "mean"}
    )


def collect(tmp_path, templates, missing="skip", group=0, groups=1, identifiers=None):
    identifiers = identifiers or [f"ENCFF{row}" for row in range(5)] + ["CNhs1", "ENx"]
    places = {prefix: place.replace("{folder}", str(tmp_path)) for prefix, place in templates.items()}
    collect_bigwigs(
        track_table(identifiers), places, missing, group, groups, tmp_path / "fetched", tmp_path / "manifest.tsv"
    )
    return read_manifest(tmp_path / "manifest.tsv")


def test_local_bigwigs_are_used_in_place_by_the_longest_prefix(tmp_path, capsys):
    (tmp_path / "other").mkdir()
    for name in ("ENCFF0.bw", "ENCFF3.bw", "other/ENx.bw", "other/ENCFF1.bw"):
        (tmp_path / name).touch()
    table = collect(tmp_path, TEMPLATES)
    assert table.columns.tolist() == MANIFEST_COLUMNS
    assert table["track_id"].tolist() == [f"ENCFF{row}" for row in range(5)] + ["ENx"]
    assert dict(zip(table["track_id"], table["path"]))["ENx"] == str(tmp_path / "other" / "ENx.bw")
    assert (table["path"] != "").tolist() == [True, False, False, True, False, True]
    assert table.loc[1, "reason"] == f"{tmp_path}/ENCFF1.bw: no such file, for track ENCFF1"
    assert np.isinf(table["clip"]).all() and (table["scale"] == 2).all()
    assert "6 of 7 tracks" in capsys.readouterr().out


def test_groups_cover_every_track_once_in_order(tmp_path):
    parts = [collect(tmp_path, TEMPLATES, group=group, groups=4)["track_id"].tolist() for group in range(4)]
    assert sum(parts, []) == [f"ENCFF{row}" for row in range(5)] + ["ENx"]
    assert [len(part) for part in parts] == [2, 2, 1, 1]
    assert collect(tmp_path, TEMPLATES, group=8, groups=9).empty


def test_missing_bigwigs_can_be_an_error(tmp_path):
    with pytest.raises(InputError, match=r"ENCFF0\.bw: no such file.*6 of 6.*missing_bigwigs: skip"):
        collect(tmp_path, TEMPLATES, missing="error")
    assert not (tmp_path / "manifest.tsv").exists()
    with pytest.raises(InputError, match="no track's identifier begins with X"):
        collect(tmp_path, {"X": "y"})


@pytest.fixture
def server():
    """ENCFF0 is there, ENCFF1 is not, ENCFF2 breaks off, anything else is a server's failure."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status = {"/ENCFF0": 200, "/ENCFF1": 404, "/ENCFF2": 200}.get(self.path, 500)
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
    table = collect(tmp_path, server, identifiers=["ENCFF0", "ENCFF1"])
    assert table["path"].tolist() == [str(tmp_path / "fetched" / "ENCFF0.bigWig"), ""]
    assert "404" in table.loc[1, "reason"]
    assert (tmp_path / "fetched" / "ENCFF0.bigWig").read_bytes() == b"data"
    for identifier, message in (("ENCFF2", "4 of 9 bytes"), ("ENCFF3", "500")):
        with pytest.raises(InputError, match=message):
            collect(tmp_path, server, identifiers=[identifier])
    assert [file.name for file in (tmp_path / "fetched").iterdir()] == ["ENCFF0.bigWig"]
