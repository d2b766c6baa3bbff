import doctest
import re
import tracemalloc
import zlib

import numpy as np
import pytest

from chrom2expr.errors import InputError
from chrom2expr.tracks import tfrecords
from small_records import example, field, record, write_file

CONTENT = [b"first", b"", b"x" * 300_000, bytes(range(256)) * 10]
LARGEST = 400_000


def read(path, largest=LARGEST):
    return [bytes(one) for one in tfrecords.records(path, largest)]


def test_examples_of_the_docstrings():
    assert doctest.testmod(tfrecords).failed == 0


def test_records_come_as_they_were_written(tmp_path):
    write_file(tmp_path / "x.tfr", CONTENT)
    assert read(tmp_path / "x.tfr") == CONTENT
    write_file(tmp_path / "none.tfr", [])
    assert read(tmp_path / "none.tfr") == []


@pytest.mark.parametrize("place", [0, 7, 8, 12, 16, 17, 21, 33, 500, 300_060])
def test_a_changed_byte_of_the_stream_is_named_by_its_record(tmp_path, place):
    stream = bytearray(b"".join(map(record, CONTENT)))
    ends = np.cumsum([len(one) + 16 for one in CONTENT])
    stream[place] ^= 1
    path = tmp_path / "x.tfr"
    path.write_bytes(zlib.compress(bytes(stream)))
    number = int(np.searchsorted(ends, place, side="right")) + 1
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}, record {number}: .*checksum .*does not match"):
        read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_named(tmp_path, share):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.tfr"
    write_file(path, [rng.bytes(100_000) for _ in range(5)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=rf"record {int(share * 5) + 1}: the file is cut short here"):
        read(path)
    # Only the stream's own checksum is missing: the last record is whole, and what follows it is not.
    path.write_bytes(whole[:-2])
    with pytest.raises(InputError, match="record 6: the file is cut short here"):
        read(path)


def test_no_changed_byte_of_the_packed_file_changes_a_record(tmp_path):
    path = tmp_path / "x.tfr"
    write_file(path, [b"one", b"two" * 30])
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        path.write_bytes(bytes(changed))
        try:
            found = read(path)
        except InputError as error:
            assert str(error).startswith(str(path))
        else:  # a bit that packing leaves unused
            assert found == [b"one", b"two" * 30]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (record(b"one"), "record 1: no whole ZLIB stream"),
        (zlib.compress(record(b"one")) + b"more", "record 2: more bytes follow"),
        (zlib.compress(record(b"one") + b"more"), "record 2: 4 bytes are left"),
        (zlib.compress(record(b"one")[:-2]), "record 1: ends before its 3 bytes do"),
        (b"", "is empty"),
        (b"<html>404", "is a web page"),
        (zlib.compress(record(b"x" * (LARGEST + 1))), "record 1: 400,001 bytes, where 400,000 at most are expected"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, content, said):
    (tmp_path / "x.tfr").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "x.tfr")


def test_memory_is_that_of_one_record(tmp_path):
    write_file(tmp_path / "x.tfr", [bytes(1 << 20)] * 200)  # which packs to almost nothing
    for one in tfrecords.records(tmp_path / "x.tfr", 1 << 20):
        assert len(one) == 1 << 20
    tracemalloc.start()
    for one in tfrecords.records(tmp_path / "x.tfr", 1 << 20):
        del one
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


def test_features_are_told_by_name_and_others_passed_over():
    data = example({"sequence": b"abc", "target": b"12345678"}, floats=["target"])
    assert {name: bytes(one) for name, one in tfrecords.features(memoryview(data)).items()} == {
        "sequence": b"abc",
        "target": b"12345678",
    }
    # Fields of other kinds and numbers, and a feature of whole numbers (field 3).
    others = b"\x18\x96\x01" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + field(9, b"?")
    whole = field(1, field(1, field(1, b"count") + field(2, field(3, field(1, b"\x05")))))
    found = tfrecords.features(memoryview(others + data + whole))
    assert found.keys() == {"sequence", "target"}


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x0a", b"\x0b", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"])
def test_what_is_no_example_is_refused(data):
    with pytest.raises(ValueError):
        tfrecords.features(memoryview(data))


def test_the_real_shard_is_read(shared_data):
    path = shared_data / "cage10-train-00000-of-00100.tfrecord"
    shapes = []
    for one in tfrecords.records(path, 1 << 21):
        found = tfrecords.features(one)
        sequence = np.frombuffer(found["sequence"], np.uint8).reshape(262_144, 4)
        target = np.frombuffer(found["target"], "<f4").reshape(2_048, 10)
        assert set(sequence.sum(1).tolist()) <= {0, 1}
        assert np.isfinite(target).all() and (target >= 0).all() and target.any()
        shapes.append(found.keys())
    assert shapes == [{"sequence", "target"}] * 10
