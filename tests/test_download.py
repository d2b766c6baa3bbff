"""Downloads are unpacked, verified, and appear whole or not at all."""

import gzip
import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chrom2expr import download
from chrom2expr.errors import InputError

CONTENT = b">chr1\nACGT\n" * 1000


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; announces twice as many bytes as it sends of a file named short."""

    def log_message(self, *args):
        pass

    def send_header(self, name, value):
        if name == "Content-Length" and self.path.endswith("short"):
            value = str(2 * int(value))
        super().send_header(name, value)


@pytest.fixture
def server(tmp_path):
    published = tmp_path / "published"
    published.mkdir()
    (published / "plain.fa").write_bytes(CONTENT)
    (published / "short").write_bytes(CONTENT)
    (published / "genome.fa.gz").write_bytes(gzip.compress(CONTENT))
    with tarfile.open(published / "archive.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("resources/weights.pth")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=published))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "resources"
    folder.mkdir()
    return folder / "file"


@pytest.mark.parametrize("name, member", [("plain.fa", None), ("genome.fa.gz", None), ("archive.tar.gz", "weights.pth")])
def test_unpacks_and_verifies(server, target, name, member):
    download.resource(f"{server}/{name}", target, member, hashlib.sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_prints_the_checksum_where_none_is_known(server, target, capsys):
    download.resource(f"{server}/plain.fa", target)
    assert hashlib.sha256(CONTENT).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, member, checksum, message",
    [
        ("plain.fa", None, "0" * 64, "the config expects"),
        ("short", None, None, "bytes arrived"),
        ("absent", None, None, "cannot be downloaded"),
        ("archive.tar.gz", "other.pth", None, "holds no file named other.pth"),
    ],
)
def test_a_bad_download_says_so_and_leaves_nothing(server, target, name, member, checksum, message):
    with pytest.raises(InputError, match=message) as error:
        download.resource(f"{server}/{name}", target, member, checksum)
    assert f"{server}/{name}" in str(error.value)
    assert not list(target.parent.iterdir())
