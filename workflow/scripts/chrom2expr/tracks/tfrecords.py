"""TFRecord files as Basenji writes them: one ZLIB stream of records, each a tf.train.Example with features.

A record is its length (uint64), the length's checksum (uint32), its data, and their checksum, little-endian; checksums
are CRC-32C, masked as TensorFlow does (tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details"). An
Example is a protocol buffer: field 1 holds its Features, whose field 1, repeated, is an entry of a map from a name
(1) to a Feature (2); in that, field 1 is a list of bytes, or field 2 one of floats, packed together
(tensorflow/core/example/example.proto and feature.proto).
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from crc32c import crc32c

from chrom2expr.errors import InputError
from chrom2expr.files.foreign import foreign, start_of

# Packed bytes read at once.
_BLOCK = 1 << 18
_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
# Wire types of protocol buffers: a varint, eight bytes, bytes with their length before them, four bytes.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_OF_BYTES, _OF_FLOATS = 1, 2
_NOTHING = memoryview(b"")
_DAMAGED = "the file is damaged, get it again"


def records(path: str | Path, largest: int) -> Iterator[memoryview]:
    """The data of each record of a file, in order; a view of it, which holds until the next is asked for.

    No more than one record, of `largest` bytes at most, is in memory. Raises InputError, naming file and record (the
    first is record 1), for what is no ZLIB stream, is cut short, or does not match its checksums.
    """
    path = Path(path)
    start_of(path, foreign)
    stream, number, data = _Inflated(path), 0, bytearray()
    with stream:
        while True:
            number += 1
            where = f"{path}, record {number}"
            head = bytearray(_LENGTH.size)
            if not (got := stream.fill(head, where)):
                return
            if got < len(head):
                raise InputError(f"{where}: {got} bytes are left, too few for a record; {_DAMAGED}")
            length, expected = _LENGTH.unpack(head)
            if masked(head[:8]) != expected:
                raise InputError(f"{where}: the checksum of its length does not match; {_DAMAGED}")
            if length > largest:
                raise InputError(
                    f"{where}: {length:,} bytes, where {largest:,} at most are expected; is it of this data set?"
                )
            if len(data) != length + _CHECKSUM.size:
                data = bytearray(length + _CHECKSUM.size)
            if stream.fill(data, where) < len(data):
                raise InputError(f"{where}: ends before its {length:,} bytes do; {_DAMAGED}")
            record = memoryview(data)[:length]
            if masked(record) != _CHECKSUM.unpack_from(data, length)[0]:
                raise InputError(f"{where}: its checksum does not match; {_DAMAGED}")
            yield record


def masked(data: bytes | bytearray | memoryview) -> int:
    """The masked CRC-32C of some bytes: rotated right by 15 bits, plus a constant.

    >>> hex(masked(b"123456789"))
    '0xc78ab0e5'
    """
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def features(example: memoryview) -> dict[str, memoryview]:
    """The features of an Example by name: the bytes of each, a view of it, those of a list of floats as float32.

    Of several values that are bytes the first counts; what is neither bytes nor floats is left out. Raises ValueError
    for bytes that are no Example.

    >>> example = b"\\x0a\\x0d\\x0a\\x0b\\x0a\\x01x\\x12\\x06\\x0a\\x04\\x0a\\x02\\x07\\x08"
    >>> {name: bytes(value) for name, value in features(memoryview(example)).items()}
    {'x': b'\\x07\\x08'}
    """
    found = {}
    for group in _inside(example, 1):
        for entry in _inside(group, 1):
            parts = dict(_fields(entry))
            lists = [one for kind, one in _fields(parts.get(2, _NOTHING)) if kind in (_OF_BYTES, _OF_FLOATS)]
            if values := [value for one in lists for value in _inside(one, 1)]:
                found[bytes(parts.get(1, _NOTHING)).decode()] = values[0]
    return found


def _inside(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The values of the field `wanted` of a message."""
    return (value for field, value in _fields(message) if field == wanted)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, value) of the fields of a message that are bytes or messages; others are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == _VARINT:
            _, at = _varint(message, at)
            continue
        if key & 7 == _BYTES:
            length, at = _varint(message, at)
        elif key & 7 in (_EIGHT, _FOUR):
            length = 8 if key & 7 == _EIGHT else 4
        else:
            raise ValueError(f"no field is of wire type {key & 7}")
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        if key & 7 == _BYTES:
            yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that is written in groups of seven bits from `at` on, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number does not end")


class _Inflated:
    """A file that is one ZLIB stream, unpacked from beginning to end; use it in a `with` block."""

    def __init__(self, path: Path) -> None:
        self._path, self._stream = path, zlib.decompressobj()

    def __enter__(self) -> "_Inflated":
        self._file = open(self._path, "rb", buffering=0)
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def fill(self, buffer: bytearray, where: str) -> int:
        """Fill a buffer with what comes next; fewer bytes only where the stream ends. Raises InputError, at `where`."""
        count = 0
        while count < len(buffer) and not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_BLOCK)
            if not packed:
                raise InputError(f"{where}: the file is cut short here, within its ZLIB stream; get it again")
            try:
                piece = self._stream.decompress(packed, len(buffer) - count)
            except zlib.error as error:
                raise InputError(f"{where}: no whole ZLIB stream ({error}); {_DAMAGED}") from None
            buffer[count : count + len(piece)] = piece
            count += len(piece)
        if not count and (self._stream.unused_data or self._file.read(1)):
            raise InputError(f"{where}: more bytes follow the end of the ZLIB stream; {_DAMAGED}")
        return count
