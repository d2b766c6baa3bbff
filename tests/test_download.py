"""Downloads are unpacked, verified, and appear whole or not at all."""

import gzip
import hashlib
import http.client
import io
import runpy
import ssl
import tarfile
import threading
import urllib.error
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import scripts
from chrom2expr.config import resources
from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files import download

CONTENT = b">chr1\nACGT\n" * 1000


PAGE = b"<!DOCTYPE html>\n<p>The file has moved.</p>\n" * 40


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; announces twice as many bytes as it sends of a file named short.

    The first answers to an address /STATUS/COUNT/NAME are failures: a status, 0 to hang up, 1 to announce too much.
    """

    asked: list[str]

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.count("/") == 3:
            _, status, count, name = self.path.split("/")
            if self.asked.count(self.path) <= int(count):
                self.fail(int(status))
                return
            self.path = f"/{name}"
        super().do_GET()

    def fail(self, status):
        if status > 1:
            self.send_error(status)
        elif status == 1:
            self.path = "/short"
            super().do_GET()
        self.close_connection = True

    def send_header(self, name, value):
        if name == "Content-Length" and self.path.endswith("short"):
            value = str(2 * int(value))
        super().send_header(name, value)


@pytest.fixture
def server(tmp_path, monkeypatch):
    published = tmp_path / "published"
    published.mkdir()
    (published / "plain.fa").write_bytes(CONTENT)
    (published / "short").write_bytes(CONTENT)
    (published / "genome.fa.gz").write_bytes(gzip.compress(CONTENT))
    with tarfile.open(published / "archive.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("resources/weights.pth")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    whole, tar = (published / "genome.fa.gz").read_bytes(), (published / "archive.tar.gz").read_bytes()
    for name, content in {
        "page.fa.gz": PAGE,
        "page.tar.gz": PAGE,
        "cut.fa.gz": whole[: len(whole) // 2],
        "cut.tar.gz": tar[: len(tar) // 2],
        "overwritten.fa.gz": whole[:12] + b"\xff" * 20 + whole[32:],
        "overwritten.tar.gz": tar[:12] + b"\xff" * 20 + tar[32:],
        "wrong_sum.fa.gz": whole[:-8] + b"\0" * 8,
        "cut.tar": gzip.decompress(tar)[: 512 + len(CONTENT) // 2],
        "empty.tar": b"",
    }.items():
        (published / name).write_bytes(content)
    monkeypatch.setattr(Quiet, "asked", [], raising=False)
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


@pytest.mark.parametrize(
    "name, member, unpack",
    [
        ("plain.fa", None, False),
        ("genome.fa.gz", None, True),
        ("genome.fa.gz?download=1", None, True),
        ("archive.tar.gz?download=1", "weights.pth", False),
    ],
)
def test_unpacks_and_verifies(server, target, name, member, unpack):
    download.resource(f"{server}/{name}", target, member, hashlib.sha256(CONTENT).hexdigest(), unpack)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_what_is_not_to_be_unpacked_stays_packed(server, target):
    download.resource(f"{server}/genome.fa.gz", target)
    assert gzip.decompress(target.read_bytes()) == CONTENT


def test_the_script_unpacks_what_the_config_says(server, target, tmp_path):
    for url in (f"{server}/genome.fa.gz?download=1", f"{server}/plain.fa?name=x.gz"):
        source = resources.download_source({"url": url}, "genome.fa")
        snakemake = scripts.snakemake(
            params=scripts.params(source=source), output=[str(target)], log=[str(tmp_path / "log")]
        )
        runpy.run_path(scripts.path("download.py"), {"snakemake": snakemake})
        assert target.read_bytes() == CONTENT


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
    with pytest.raises((InputError, SystemTrouble), match=message) as error:
        download.resource(f"{server}/{name}", target, member, checksum)
    assert f"{server}/{name}" in str(error.value)
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize(
    "name, member",
    [
        ("page.fa.gz", None),
        ("cut.fa.gz", None),
        ("overwritten.fa.gz", None),
        ("wrong_sum.fa.gz", None),
        ("page.tar.gz", "weights.pth"),
        ("cut.tar.gz", "weights.pth"),
        ("overwritten.tar.gz", "weights.pth"),
        ("cut.tar", "weights.pth"),
        ("empty.tar", "weights.pth"),
    ],
)
def test_a_damaged_file_is_named_and_leaves_nothing(server, target, name, member):
    kind = "tar archive" if member else r"\.gz file"
    with pytest.raises(InputError, match=f"^{server}/{name}: what arrived is not a whole {kind}.*run again"):
        download.resource(f"{server}/{name}", target, member, unpack=not member)
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("status", [0, 1, 408, 429, 500, 503])
def test_what_may_pass_is_tried_again(server, target, status, capsys):
    download.fetch(f"{server}/{status}/2/plain.fa", target)
    assert target.read_bytes() == CONTENT
    assert capsys.readouterr().out.count("trying again") == 2
    with pytest.raises(SystemTrouble, match="cannot be downloaded.*run again later") as error:
        download.fetch(f"{server}/{status}/3/plain.fa", target.with_name("other"))
    assert not isinstance(error.value, download.NotThere)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("status, there", [(400, True), (401, True), (403, True), (404, False), (410, False)])
def test_what_does_not_pass_is_asked_once(server, target, status, there):
    with pytest.raises(InputError, match=str(status)) as error:
        download.fetch(f"{server}/{status}/1/plain.fa", target)
    assert isinstance(error.value, download.NotThere) != there
    assert len(Quiet.asked) == 1


@pytest.mark.parametrize(
    "failure, tries",
    [
        (TimeoutError("timed out"), 3),
        (urllib.error.URLError(TimeoutError("timed out")), 3),
        (urllib.error.URLError(OSError(113, "No route to host")), 3),
        (ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF"), 3),
        (http.client.IncompleteRead(b"part"), 3),
        (http.client.InvalidURL("a space"), 1),
        (urllib.error.URLError("unknown url type: s3"), 1),
        (urllib.error.URLError(ssl.SSLCertVerificationError(1, "no issuer")), 1),
    ],
)
def test_a_failed_connection_is_tried_again_but_not_a_bad_address(target, monkeypatch, failure, tries):
    asked = []

    def fail(url, timeout):
        asked.append(url)
        raise failure

    monkeypatch.setattr(download.urllib.request, "urlopen", fail)
    with pytest.raises(SystemTrouble if tries > 1 else InputError, match="https://x/y: cannot be downloaded"):
        download.fetch("https://x/y", target)
    assert len(asked) == tries


def test_the_waits_are_kept_between_tries(server, target, monkeypatch):
    waited = []
    monkeypatch.setattr(download, "WAITS", (5, 30))
    monkeypatch.setattr(download.time, "sleep", waited.append)
    download.fetch(f"{server}/503/2/plain.fa", target)
    assert waited == [5, 30]


def test_a_missing_local_file_is_asked_once(target, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda wait: pytest.fail("waited"))
    with pytest.raises(InputError, match="No such file"):
        download.fetch(f"file://{target}.nowhere", target)


def test_a_full_disk_is_no_failed_download(server, target, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        download.fetch(f"{server}/plain.fa", target)
    assert len(Quiet.asked) == 1 and not list(target.parent.iterdir())
