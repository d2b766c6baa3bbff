"""What lies in a file's place after a clone, a failed download or a wrong export, told by how it begins."""

from collections.abc import Callable
from pathlib import Path

from chrom2expr.errors import InputError

# How much of a file `foreign` wants to see.
START = 512
_POINTER = b"version https://git-lfs"
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<error", b'{"error"', b'{"message"')
_TABLES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV in UTF-8",
    b"\xff\xfe": "text in UTF-16: save it in UTF-8",
    b"\xfe\xff": "text in UTF-16: save it in UTF-8",
    b"\x89HDF": "an HDF5 file, but a table of text is wanted here",
}


def foreign(start: bytes) -> str:
    """What a file with these first bytes is, whatever it should be, and what to do; empty where they do not tell.

    >>> foreign(b"<html><body>Not found")
    "a web page or a server's message, which came in place of the file: open its address in a browser, and get it again"
    """
    if not start:
        return "empty: get it again"
    if start.startswith(_POINTER):
        return "a Git LFS pointer, not the file itself: run git lfs pull in the clone that it is from, or download it"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return (
            "a web page or a server's message, which came in place of the file: open its address in a browser, and get "
            "it again"
        )
    return ""


def start_of(path: str | Path, told: Callable[[bytes], str] = foreign) -> bytes:
    """The first bytes of a file, START at most. Raises InputError if `told` knows them as those of something else."""
    with open(path, "rb") as handle:
        start = handle.read(START)
    if found := told(start):
        raise InputError(f"{path}: is {found}")
    return start


def foreign_table(start: bytes) -> str:
    """As `foreign`, of a file that should be a table of text."""
    return next((found for magic, found in _TABLES.items() if start.startswith(magic)), foreign(start))
