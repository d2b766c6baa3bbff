"""Downloads go on where they broke off, are bounded, unpacked and verified, and appear whole or not at all."""

import errno
import gzip
import hashlib
import importlib.util
import io
import json
import lzma
import os
import runpy
import subprocess
import sys
import tarfile
import threading
import time
from email.utils import formatdate
from types import SimpleNamespace

import numpy as np
import pytest

import scripts
from chrom2expr.config import resources
from chrom2expr.errors import InputError, SystemTrouble, system_trouble
from chrom2expr.files import download, fetching, packed
from chrom2expr.files.checksums import Record
from chrom2expr.files.mirrors import mirrored
from file_server import cut, endless, hang_up, serving, stall, status, unannounced, with_headers

CONTENT = b">chr1\nACGT\n" * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html>\n<p>The file has moved.</p>\n" * 40
ADDRESS = "https://x.org/genome"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetching, "WAITS", (0, 0))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def tar(*entries, mode="w:gz"):
    """An archive of entries: a name and its content, or a made TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in entries:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def special(name, kind, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.fixture
def server(tmp_path):
    published = tmp_path / "published"
    published.mkdir()
    whole, archive = gzip.compress(CONTENT), tar(("resources/weights.pth", CONTENT))
    for name, content in {
        "plain.fa": CONTENT,
        "genome.fa.gz": whole,
        "archive.tar.gz": archive,
        "archive.tar.xz": lzma.compress(gzip.decompress(archive)),
        "archive.tar": gzip.decompress(archive),
        "page.fa.gz": PAGE,
        "page.tar.gz": PAGE,
        "page.fa": PAGE,
        "pointer.bin": POINTER,
        "not_packed.fa.gz": CONTENT,
        "cut.fa.gz": whole[: len(whole) // 2],
        "cut.tar.gz": archive[: len(archive) // 2],
        "overwritten.fa.gz": whole[:12] + b"\xff" * 20 + whole[32:],
        "overwritten.tar.gz": archive[:12] + b"\xff" * 20 + archive[32:],
        "wrong_sum.fa.gz": whole[:-8] + b"\0" * 8,
        "cut.tar": gzip.decompress(archive)[: 512 + len(CONTENT) // 2],
        "zeros.tar": bytes(20),
        "empty": b"",
    }.items():
        (published / name).write_bytes(content)
    with serving(published) as server:
        yield server


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "resources" / "genome"
    folder.mkdir(parents=True)
    return folder / "file"


@pytest.fixture
def record(target):
    return Record(target.parents[1])


def get(server, target, record, *names, **options):
    urls = [name if "://" in name else f"{server.url}/{name}" for name in names]
    download.resource(urls, target, "genome", record, ADDRESS, **options)


# --- what arrives, and what is left ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, member",
    [
        ("plain.fa", None),
        ("genome.fa.gz", None),
        ("genome.fa.gz?download=1", None),
        ("archive.tar.gz?download=1", "weights.pth"),
        ("archive.tar.xz", "weights.pth"),
        ("archive.tar", "weights.pth"),
    ],
)
def test_unpacks_and_verifies(server, target, record, name, member):
    get(server, target, record, name, member=member, checksum=SUM)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_what_is_to_stay_packed_stays_packed(server, target, record):
    get(server, target.with_name("a.gz"), record, "genome.fa.gz")
    assert gzip.decompress(target.with_name("a.gz").read_bytes()) == CONTENT


def test_the_script_asks_the_addresses_of_the_config_and_its_mirror(server, target, tmp_path):
    config = {
        "resources": {"genome": {"url": ["https://a.org/genome.fa.gz", "https://b.org/plain.fa"], "sha256": SUM}},
        "mirror": {"https://a.org": f"{server.url}/nowhere", "https://b.org": server.url},
    }
    made = target.with_name("genome.fa")
    source = resources.download_source(config["resources"]["genome"], "genome", "genome.fa")
    urls, checksum = resources.plan(source, config)
    asked = SimpleNamespace(addresses=json.dumps(urls), sha256=checksum)
    snakemake = scripts.snakemake(
        params=scripts.params(source=source), resources=asked, output=[str(made)], log=[str(tmp_path / "log")]
    )
    runpy.run_path(scripts.path("download.py"), {"snakemake": snakemake})
    assert made.read_bytes() == CONTENT
    assert server.paths() == ["/nowhere/genome.fa.gz", "/plain.fa"]
    asked.sha256 = "0" * 64
    with pytest.raises(SystemExit):
        runpy.run_path(scripts.path("download.py"), {"snakemake": snakemake})
    assert "the config expects" in (tmp_path / "log").read_text()


def test_the_longest_beginning_of_an_address_has_its_mirror():
    mirror = {"https://a.org": "http://m", "https://a.org/b": "http://n"}
    assert mirrored("https://a.org/b/c", mirror) == "http://n/c"
    assert mirrored("https://a.org/d", mirror) == "http://m/d"
    assert mirrored("https://o.org/d", mirror) == "https://o.org/d"
    for start, place in (("https://", "http://m"), ("https://", "http://m/"), ("https://a.org/", "http://m/a.org")):
        assert mirrored("https://a.org/b/c", {start: place}) == "http://m/a.org/b/c"
    assert mirrored("https://a.org.other/b", mirror) == "https://a.org.other/b"
    assert mirrored("https://a.org/bc", mirror) == "http://m/bc"


@pytest.mark.parametrize(
    "name, member, checksum, message",
    [
        ("plain.fa", None, "0" * 64, "the config expects"),
        ("genome.fa.gz", None, "0" * 64, "the config expects"),
        ("archive.tar.gz", "weights.pth", "0" * 64, "the config expects"),
        ("absent", None, None, "404.*correct the address"),
        ("archive.tar.gz", "other.pth", None, "holds no file named other.pth"),
        ("page.fa.gz", None, None, "a web page or a server's message"),
        ("page.fa", None, None, "a web page or a server's message"),
        ("page.tar.gz", "weights.pth", None, "a web page or a server's message"),
        ("pointer.bin", None, None, "a Git LFS pointer"),
        ("empty", None, None, "an empty file"),
    ],
)
def test_a_bad_download_says_so_and_leaves_nothing(server, target, record, name, member, checksum, message):
    with pytest.raises(InputError, match=message) as error:
        get(server, target, record, name, member=member, checksum=checksum)
    assert str(error.value).startswith(f"{server.url}/{name}: ")
    assert not list(target.parent.iterdir()) and not record.path.exists()


@pytest.mark.parametrize(
    "name, member",
    [
        ("not_packed.fa.gz", None),
        ("cut.fa.gz", None),
        ("overwritten.fa.gz", None),
        ("wrong_sum.fa.gz", None),
        ("cut.tar.gz", "weights.pth"),
        ("overwritten.tar.gz", "weights.pth"),
        ("cut.tar", "weights.pth"),
        ("zeros.tar", "weights.pth"),
        ("plain.fa", "weights.pth"),
    ],
)
def test_a_damaged_file_is_named_and_leaves_nothing(server, target, record, name, member):
    kind = "tar archive" if member else r"\.gz file"
    with pytest.raises(InputError, match=f"^{server.url}/{name}: what arrived is not a whole {kind}.*run again"):
        get(server, target, record, name, member=member)
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("name", ["../../weights.pth", "/tmp/weights.pth", "a/../weights.pth"])
def test_no_path_of_an_archive_is_used(server, target, record, name):
    (server.folder / "odd.tar.gz").write_bytes(tar(("first", b"x"), (name, CONTENT)))
    get(server, target, record, "odd.tar.gz", member="weights.pth")
    assert target.read_bytes() == CONTENT
    assert list(target.parents[1].rglob("*weights*")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_of_an_archive_are_not_followed(server, target, record, kind):
    (server.folder / "odd.tar.gz").write_bytes(tar((special("weights.pth", kind, "/etc/passwd"), b"")))
    with pytest.raises(InputError, match="weights.pth is (a link|no file) there"):
        get(server, target, record, "odd.tar.gz", member="weights.pth")
    assert not list(target.parent.iterdir())


def test_a_member_is_checked_to_the_end_of_its_archive(server, target, record):
    content = bytes(np.random.default_rng(0).integers(0, 256, 6 << 20, dtype=np.uint8))
    archive = bytearray(tar(("a/weights.pth", content[: 1 << 20]), ("a/rest", content)))
    (server.folder / "odd.tar.gz").write_bytes(archive)
    get(server, target, record, "odd.tar.gz", member="weights.pth")
    assert target.read_bytes() == content[: 1 << 20]
    archive[300_000] ^= 1
    (server.folder / "odd.tar.gz").write_bytes(archive)
    target.unlink()
    with pytest.raises(InputError, match="not a whole tar archive|SHA-256"):
        download.resource(
            [f"{server.url}/odd.tar.gz"], target, "other", record, "https://x.org/other", member="weights.pth"
        )
    assert not target.exists()


def test_a_member_with_holes_is_refused(server, target, record):
    (target.parent / "weights.pth").write_bytes(b"x")
    os.truncate(target.parent / "weights.pth", 1 << 30)
    command = ["tar", "-S", "-cf", str(server.folder / "holes.tar"), "-C", str(target.parent), "weights.pth"]
    subprocess.run(command, check=True)
    (target.parent / "weights.pth").unlink()
    assert (server.folder / "holes.tar").stat().st_size < 1 << 20
    with pytest.raises(InputError, match="is stored there with holes"):
        get(server, target, record, "holes.tar", member="weights.pth")
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("name, member", [("bomb.fa.gz", None), ("bomb.tar.gz", "last"), ("bomb.tar.gz", "bomb")])
def test_what_unpacks_to_more_than_a_real_file_is_stopped(server, target, record, name, member, monkeypatch):
    monkeypatch.setattr(packed, "HARMLESS", 1 << 20)
    zeros = bytes(20 << 20)
    (server.folder / "bomb.fa.gz").write_bytes(gzip.compress(zeros))
    (server.folder / "bomb.tar.gz").write_bytes(tar(("bomb", zeros), ("last", b"x")))
    with pytest.raises(InputError, match=f"^{server.url}/{name}: unpacks to more than 200 times its size"):
        get(server, target, record, name, member=member)
    assert not list(target.parent.iterdir())


# --- several addresses -------------------------------------------------------------------------------------------


def test_addresses_are_tried_in_turn_until_one_has_the_file(server, target, record, capsys):
    server.faults["/forbidden"] = [status(403)]
    get(server, target, record, "absent", "forbidden", "page.fa", "cut.fa.gz", "genome.fa.gz", checksum=SUM)
    assert target.read_bytes() == CONTENT and list(target.parent.iterdir()) == [target]
    said = capsys.readouterr().out
    assert all(word in said for word in ("404", "403", "a web page", "not a whole .gz file"))


def test_what_is_wrong_with_every_address_is_said(server, target, record):
    server.faults["/busy"] = [status(503)] * 3
    with pytest.raises(InputError, match="(?s)404.*the config expects"):
        get(server, target, record, "absent", "plain.fa", checksum="0" * 64)
    with pytest.raises(SystemTrouble, match="(?s)404.*503"):
        get(server, target, record, "absent", "busy", checksum="0" * 64)
    assert not list(target.parent.iterdir())


# --- the record of checksums -------------------------------------------------------------------------------------


def test_a_file_is_recorded_and_has_to_be_the_same_ever_after(server, target, record):
    get(server, target, record, "plain.fa")
    row = record.find("genome", "file", ADDRESS)
    assert (row.size, row.sha256) == (len(CONTENT), SUM)
    assert str(target.parents[1]) not in record.path.read_text()
    target.unlink()
    get(server, target, record, "genome.fa.gz")
    assert record.find("genome", "file", ADDRESS) == row and target.read_bytes() == CONTENT
    target.unlink()
    (server.folder / "plain.fa").write_bytes(CONTENT + b"A")
    with pytest.raises(InputError, match=r"first came.*not kept.*delete the line of file in .*checksums\.tsv"):
        get(server, target, record, "plain.fa")
    assert not list(target.parent.iterdir()) and record.find("genome", "file", ADDRESS) == row
    other = hashlib.sha256(CONTENT + b"A").hexdigest()
    get(server, target, record, "plain.fa", checksum=other)
    assert record.find("genome", "file", ADDRESS).sha256 == other


def test_a_file_that_comes_again_is_as_old_as_at_first(server, target, record):
    get(server, target, record, "plain.fa")
    record.path.write_text(
        record.path.read_text().replace(record.find("genome", "file", ADDRESS).date, "2020-01-02T03:04:05+00:00")
    )
    target.unlink()
    get(server, target, record, "plain.fa")
    assert target.stat().st_mtime == record.find("genome", "file", ADDRESS).time() < time.time() - 1e8


def test_a_file_that_is_mended_is_fetched_again(server, target, record):
    for name, content in (("genome.fa.gz", gzip.compress(b"other")), ("plain.fa", b"other")):
        right = (server.folder / name).read_bytes()
        (server.folder / name).write_bytes(content)
        with pytest.raises(InputError, match="the config expects"):
            get(server, target, record, name, checksum=SUM)
        (server.folder / name).write_bytes(right)
        get(server, target, record, name, checksum=SUM)
        target.unlink()


def test_another_address_has_another_file(server, target, record):
    get(server, target, record, "plain.fa")
    target.unlink()
    (server.folder / "plain.fa").write_bytes(b"other")
    download.resource([f"{server.url}/plain.fa"], target, "genome", record, "https://me:secret@x.org/v2?token=a#b")
    assert record.find("genome", "file", ADDRESS) is None
    assert record.find("genome", "file", "https://x.org/v2").sha256 == hashlib.sha256(b"other").hexdigest()
    assert "secret" not in record.path.read_text() and "token" not in record.path.read_text()


def test_a_record_without_a_line_is_one(server, target, record):
    get(server, target, record, "plain.fa")
    lines = record.path.read_text().splitlines(keepends=True)
    record.path.write_text(lines[0] + "\n")
    assert record.read() == {}
    target.unlink()
    get(server, target, record, "plain.fa")
    assert record.find("genome", "file", ADDRESS)


def test_what_cannot_be_recorded_is_not_fetched_again(server, target, record, monkeypatch):
    def locked(*_):
        raise SystemTrouble("held")

    for name in ("plain.fa", "genome.fa.gz"):
        with monkeypatch.context() as patch:
            patch.setattr(Record, "add", locked)
            with pytest.raises(SystemTrouble, match="held"):
                get(server, target, record, name)
        assert not target.exists()
        asked = len(server.asked)
        get(server, target, record, name)
        assert target.read_bytes() == CONTENT and len(server.asked) == asked
        target.unlink()


def test_files_of_alike_names_leave_each_others_parts_alone(server, target, record):
    part = target.with_name(f".{target.name}.fai.01234567.packed.part")
    part.touch()
    get(server, target, record, "plain.fa")
    assert part.exists()


def test_jobs_at_a_time_lose_no_row(record):
    def note(number):
        for file in range(5):
            record.add(f"r{number}", f"f{file}", 1, SUM, ADDRESS)

    threads = [threading.Thread(target=note, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(record.read()) == 40
    assert [file.name for file in record.path.parent.iterdir() if file.is_file()] == ["checksums.tsv"]


def test_a_damaged_record_is_named(record):
    record.add("a", "b", 1, SUM, ADDRESS)
    whole = record.path.read_text()
    record.path.write_text(whole.replace(SUM, "x"))
    with pytest.raises(InputError, match="row 2: 'x' is no SHA-256; correct the row, or delete it"):
        record.read()
    record.path.write_text(whole[:-1])
    with pytest.raises(InputError, match="cut short"):
        record.add("a", "c", 1, SUM, ADDRESS)


# --- a connection that breaks ------------------------------------------------------------------------------------


def ranges(server):
    return [headers.get("Range") for _, headers in server.asked]


def test_a_download_goes_on_where_it_broke_off(server, target):
    server.faults["/plain.fa"] = [cut(1000), cut(2000)]
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT and list(target.parent.iterdir()) == [target]
    assert ranges(server) == [None, "bytes=1000-", "bytes=3000-"]


def test_patience_begins_anew_whenever_something_has_come(server, target):
    server.cut = 1500  # 8 requests for 11,000 bytes, with patience for 3
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT and len(server.asked) == 8


def test_a_later_run_goes_on_with_what_a_killed_one_left(server, target):
    server.faults["/plain.fa"] = [cut(1000), *[status(503)] * 2]
    with pytest.raises(SystemTrouble, match="503.*run again later"):
        fetching.fetch(f"{server.url}/plain.fa", target)
    assert not target.exists()
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT and ranges(server)[-1] == "bytes=1000-"


def test_a_job_that_is_killed_loses_nothing(server, target):
    server.faults["/plain.fa"] = [stall(1000, 60)]
    command = "import sys; from chrom2expr.files.fetching import fetch; fetch(*sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": scripts.path("")}
    job = subprocess.Popen([sys.executable, "-c", command, f"{server.url}/plain.fa", target], env=environment)
    part, end = target.with_name(".file.part"), time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.05)
    job.kill()
    job.wait()
    begun = part.stat().st_size
    assert 0 < begun <= 1000 and not target.exists()
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT and ranges(server) == [None, f"bytes={begun}-"]


def test_another_version_is_fetched_from_its_start(server, target):
    server.faults["/plain.fa"] = [cut(1000), *[status(503)] * 2]
    with pytest.raises(SystemTrouble):
        fetching.fetch(f"{server.url}/plain.fa", target)
    (server.folder / "plain.fa").write_bytes(CONTENT[::-1])
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", ['W/"weak"', None])
def test_without_a_version_to_hold_to_it_begins_anew(server, target, tag):
    server.ranges = tag is None
    server.faults["/plain.fa"] = [lambda handler, content: handler.answer(content, tag=tag or "", cut=1000)]
    if tag is None:  # a server that cannot send parts sends all
        server.ranges = False
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT
    assert ranges(server) == ([None, None] if tag else [None, "bytes=1000-"])


def test_a_wrong_part_is_not_put_in_the_place_of_the_right_one(server, target):
    server.faults["/plain.fa"] = [
        cut(1000),
        lambda handler, content: (
            handler.send_response(206),
            handler.send_header("Content-Range", f"bytes 500-{len(content) - 1}/{len(content)}"),
            handler.send_header("Content-Length", str(len(content) - 500)),
            handler.end_headers(),
            handler.wfile.write(content[500:]),
        ),
    ]
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT


def test_what_has_all_come_is_not_asked_for_again(server, target):
    server.faults["/plain.fa"] = [cut(1000)]
    part = target.with_name(".file.part")
    part.write_bytes(CONTENT)
    target.with_name(".file.part.json").write_text(json.dumps({"size": len(CONTENT), "version": '"x"'}))
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT and not server.asked


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, target):
    tag = f'"{hashlib.md5(CONTENT).hexdigest()}"'
    target.with_name(".file.part").write_bytes(CONTENT * 2)
    target.with_name(".file.part.json").write_text(json.dumps({"size": None, "version": tag}))
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [hang_up, *map(status, (408, 425, 429, 500, 502, 503, 504))])
def test_what_may_pass_is_tried_again(server, target, fault, capsys):
    server.faults["/plain.fa"] = [fault] * 2
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT
    assert capsys.readouterr().out.count("trying again") == 2
    server.faults["/plain.fa"] = [fault] * 3
    with pytest.raises(SystemTrouble, match="cannot be downloaded.*run again later") as error:
        fetching.fetch(f"{server.url}/plain.fa", target.with_name("other"))
    assert not isinstance(error.value, fetching.NotThere)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("code, there", [(400, True), (401, True), (403, True), (404, False), (410, False)])
def test_what_does_not_pass_is_asked_once(server, target, code, there):
    server.faults["/plain.fa"] = [status(code)]
    with pytest.raises(InputError, match=str(code)) as error:
        fetching.fetch(f"{server.url}/plain.fa", target)
    assert isinstance(error.value, fetching.NotThere) != there
    assert len(server.asked) == 1


def test_the_waits_are_kept_and_a_server_may_ask_for_longer(server, target, monkeypatch):
    waited, stop = [], threading.Event()
    monkeypatch.setattr(fetching, "WAITS", (5, 30))
    monkeypatch.setattr(stop, "wait", waited.append)
    server.faults["/plain.fa"] = [status(503), status(429, Retry_After="90")]
    fetching.fetch(f"{server.url}/plain.fa", target, stop=stop)
    assert waited == [5, 90]


def test_a_server_may_say_until_when_to_wait(server, target, monkeypatch):
    waited, stop = [], threading.Event()
    monkeypatch.setattr(fetching, "WAITS", (5, 5))
    monkeypatch.setattr(stop, "wait", waited.append)
    for asked in (formatdate(time.time() + 100, usegmt=True), "\u00b2".encode("latin-1").decode("latin-1"), "soon"):
        server.faults["/plain.fa"] = [status(503, Retry_After=asked)]
        fetching.fetch(f"{server.url}/plain.fa", target, stop=stop)
    assert 90 < waited[0] <= 100 and waited[1:] == [5, 5]


def test_silence_is_broken_off_and_gone_on_with(server, target, monkeypatch, capsys):
    monkeypatch.setattr(fetching, "SILENCE", 0.3)
    server.faults["/plain.fa"] = [stall(1000, 2), stall(0, 2)]
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT
    assert "then nothing for 0.3 s" in capsys.readouterr().out


def test_a_body_without_end_is_stopped(server, target, monkeypatch):
    monkeypatch.setattr(fetching, "UNANNOUNCED", 1 << 20)
    server.faults["/plain.fa"] = [endless]
    with pytest.raises(InputError, match="more bytes came than the 1,048,576 that were allowed"):
        fetching.fetch(f"{server.url}/plain.fa", target)
    assert not list(target.parent.iterdir())


def test_a_body_of_unannounced_size_is_whole(server, target):
    server.faults["/plain.fa"] = [unannounced]
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT


def test_what_a_server_packs_on_its_way_is_unpacked(server, target):
    packed_content = gzip.compress(CONTENT)
    server.faults["/plain.fa"] = [lambda handler, _: handler.answer(packed_content, Content_Encoding="gzip")]
    fetching.fetch(f"{server.url}/plain.fa", target)
    assert target.read_bytes() == CONTENT
    # Some servers call a .gz file that which they would have packed themselves.
    server.faults["/genome.fa.gz"] = [with_headers(Content_Encoding="gzip")]
    fetching.fetch(f"{server.url}/genome.fa.gz", target)
    assert gzip.decompress(target.read_bytes()) == CONTENT


def test_a_download_can_be_broken_off(server, target):
    stop = threading.Event()
    stop.set()
    with pytest.raises(fetching.Stopped):
        fetching.fetch(f"{server.url}/plain.fa", target, stop=stop)
    assert not target.exists()


def test_progress_is_printed_of_what_is_lacking(server, target, capsys):
    (server.folder / "large").write_bytes(bytes(3_500_000))
    server.faults["/large"] = [cut(1_000_000)]
    fetching.fetch(f"{server.url}/large", target)
    said = capsys.readouterr().out
    assert "4 MB to do" in said and "3 MB to do" in said and "3 of 3 MB" in said


# --- where it may lead -------------------------------------------------------------------------------------------


def test_redirects_are_followed_within_the_web(server, target):
    server.faults["/a"] = [status(302, Location="/b?x=1")]
    server.faults["/b"] = [status(307, Location=f"{server.url}/plain.fa")]
    fetching.fetch(f"{server.url}/a", target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://x.org/y", "data:,x"])
def test_redirects_do_not_leave_the_web(server, target, place):
    server.faults["/a"] = [status(302, Location=place)]
    with pytest.raises(InputError, match="leads to .* neither http nor https"):
        fetching.fetch(f"{server.url}/a", target)
    assert not list(target.parent.iterdir())


def test_redirects_do_not_lead_down_from_https(target, monkeypatch):
    answer = fetching.requests.Response()
    answer.status_code, answer.headers["Location"], answer.raw = 302, "http://x.org/plain", io.BytesIO()
    monkeypatch.setattr(fetching.requests.Session, "get", lambda *_, **__: answer)
    with pytest.raises(InputError, match="leads from https to http://x.org/plain"):
        fetching.fetch("https://x.org/a", target)


def test_redirects_come_to_an_end(server, target):
    server.faults["/a"] = [status(302, Location="/a")] * 20
    with pytest.raises(InputError, match="leads on and on"):
        fetching.fetch(f"{server.url}/a", target)


def test_the_token_goes_to_the_hub_alone(target, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    asked = []

    def get(session, place, headers, **_):
        asked.append((place, headers.get("Authorization")))
        answer = fetching.requests.Response()
        answer.status_code, answer.raw = 404, io.BytesIO()
        if "huggingface" in place:
            answer.status_code, answer.headers["Location"] = 302, "https://cdn.org/x"
        return answer

    monkeypatch.setattr(fetching.requests.Session, "get", get)
    with pytest.raises(fetching.NotThere):
        fetching.fetch("https://huggingface.co/a/resolve/main/x", target)
    assert asked == [("https://huggingface.co/a/resolve/main/x", "Bearer secret"), ("https://cdn.org/x", None)]


def test_proxies_of_the_environment_are_used(server, target, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    (server.folder / "http:/published.example").mkdir(parents=True)
    (server.folder / "http:/published.example/x").write_bytes(CONTENT)
    fetching.fetch("http://published.example/x", target)
    assert target.read_bytes() == CONTENT
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(SystemTrouble, match="the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names"):
        fetching.fetch("http://published.example/x", target)


@pytest.mark.parametrize(
    "url, kind, said",
    [
        ("http://127.0.0.1:9/x", SystemTrouble, "refuses the connection"),
        ("http://nowhere.invalid/x", SystemTrouble, "its host is not known here"),
        ("http:///x", InputError, "is no address"),
        ("http://[bad/x", InputError, "is no address"),
        ("http://me:secret@127.0.0.1:9/x", SystemTrouble, "^http://127.0.0.1:9/x: "),
        ("s3://a/b", InputError, "neither http nor https"),
        ("file:///etc/passwd", InputError, "neither http nor https"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_in_our_words(target, url, kind, said):
    with pytest.raises(kind, match=said) as error:
        fetching.fetch(url, target)
    assert "urllib3" not in str(error.value) and "object at" not in str(error.value)


@pytest.mark.parametrize(
    "name, value, kind, said",
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem", InputError, "no such file of certificates"),
        ("https_proxy", "http://", InputError, "names a proxy by what is no address|names a proxy"),
        ("https_proxy", "http://127.0.0.1:9", SystemTrouble, "does not answer, or does not let it through"),
        ("https_proxy", "socks5://127.0.0.1:9", InputError, "pip install PySocks"),
    ],
)
def test_the_environment_is_blamed_for_what_is_wrong_in_it(target, monkeypatch, name, value, kind, said):
    if "PySocks" in said and importlib.util.find_spec("socks"):
        pytest.skip("PySocks is installed")
    monkeypatch.setenv(name, value)
    with pytest.raises(kind, match=said):
        fetching.fetch("https://x.invalid/y", target)


def test_a_redirect_to_no_address_is_told(server, target):
    server.faults["/a"] = [status(302, Location="http://[bad/x")]
    with pytest.raises(InputError, match="leads to what is no address|is no address"):
        fetching.fetch(f"{server.url}/a", target)


def test_a_certificate_that_is_not_trusted_is_no_broken_connection(target, monkeypatch):
    def refuse(*_, **__):
        raise fetching.requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")

    monkeypatch.setattr(fetching.requests.Session, "get", refuse)
    with pytest.raises(InputError, match="REQUESTS_CA_BUNDLE"):
        fetching.fetch("https://x.org/y", target)


# --- a full disk -------------------------------------------------------------------------------------------------


def test_what_has_no_room_is_not_begun(server, target, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(SystemTrouble, match=r"11,000 bytes of .* but only 10 are free.*pathvars: resources"):
        fetching.fetch(f"{server.url}/plain.fa", target)
    assert not target.exists()


def test_a_disk_that_fills_keeps_what_came(server, target, record, monkeypatch):
    copy = packed._copy

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packed, "_copy", full)
    with pytest.raises(OSError) as error:
        get(server, target, record, "genome.fa.gz")
    assert "no space is left" in str(system_trouble(error.value))
    assert not target.exists()
    monkeypatch.setattr(packed, "_copy", copy)
    get(server, target, record, "genome.fa.gz")
    assert target.read_bytes() == CONTENT and len(server.asked) == 1
    assert list(target.parent.iterdir()) == [target]


def test_a_disk_that_is_really_full_is_named_and_what_came_is_kept(server, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    content = np.random.default_rng(0).bytes(3_000_000)
    (server.folder / "large").write_bytes(content)
    server.faults["/large"] = [unannounced]
    made, log = small / "genome/large", tmp_path / "log"
    source = {"name": "genome", "file": "large", "url": "https://x.org/large", "member": None}
    asked = SimpleNamespace(addresses=json.dumps([f"{server.url}/large"]), sha256="")
    job = scripts.snakemake(params=scripts.params(source=source), resources=asked, output=[str(made)], log=[str(log)])
    made.parent.mkdir()
    try:
        with pytest.raises(SystemExit):  # its size was not announced, so it was begun
            runpy.run_path(scripts.path("download.py"), {"snakemake": job})
        assert "System error: " in log.read_text() and "no space is left on its disk" in log.read_text()
        assert not made.exists()
        with pytest.raises(SystemExit):  # now it is, and known not to fit
            runpy.run_path(scripts.path("download.py"), {"snakemake": job})
        assert "3,000,000 bytes of" in log.read_text() and "Make room there" in log.read_text()
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        runpy.run_path(scripts.path("download.py"), {"snakemake": job})
        assert made.read_bytes() == content and list(made.parent.iterdir()) == [made]
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
