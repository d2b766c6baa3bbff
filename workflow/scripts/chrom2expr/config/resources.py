"""Where the inputs from elsewhere lie, and where they are downloaded from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chrom2expr.errors import InputError
from chrom2expr.files.checksums import Record
from chrom2expr.files.mirrors import mirrored
from chrom2expr.files.packed import named_packed

# How to get what has such an address.
_BUCKETS = {"gs": "gcloud storage cp", "s3": "aws s3 cp"}


def addresses(resource: Mapping[str, Any]) -> list[str]:
    """Where a resource is published, the first choice first.

    >>> addresses({"url": "https://example.org/hg19.fa.gz"})
    ['https://example.org/hg19.fa.gz']
    """
    url = resource.get("url")
    return [url] if isinstance(url, str) else list(url or ())


def resource_path(resource: Mapping[str, Any], name: str) -> str | list[str]:
    """Where a resource lies, as a pattern with <resources>: one file, or its `files` in their folder.

    >>> resource_path({"url": "https://example.org/hg19.fa.gz"}, "genome")
    '<resources>/genome/hg19.fa'
    """
    folder = resource.get("path")
    if resource.get("files"):
        return [f"{folder or f'<resources>/{name}'}/{file}" for file in resource["files"]]
    return folder or f"<resources>/{name}/{file_name(resource)}"


def file_name(resource: Mapping[str, Any]) -> str:
    """The name a download has once unpacked, by its first address."""
    first = addresses(resource)[0]
    name = urlsplit(first).path.rpartition("/")[2]
    return resource.get("member") or (name[: -len(".gz")] if named_packed(first) else name)


def file_names(resource: Mapping[str, Any]) -> list[str]:
    """The names of the files that are downloaded for a resource."""
    return list(resource.get("files") or [file_name(resource)])


def downloads(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of the resources that are downloaded rather than used in place."""
    return [name for name, resource in resources.items() if not resource.get("path") and addresses(resource)]


def download_source(resource: Mapping[str, Any], name: str, file: str) -> dict[str, str | None]:
    """What makes one file of a resource another one, and so fetches it again: its first address, and archive member.

    Further addresses, mirrors and checksums do not (see `plan`).
    """
    first = addresses(resource)[0]
    url = _below(first, file) if resource.get("files") else first
    return {"name": name, "file": file, "url": url, "member": resource.get("member")}


def plan(source: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """The addresses to ask in turn for what `download_source` describes, and the SHA-256 that the config gives it."""
    resource = config.get("resources", {}).get(source["name"], {})
    others = addresses(resource)[1:]
    urls = [source["url"], *(_below(url, source["file"]) if resource.get("files") else url for url in others)]
    return [mirrored(url, config.get("mirror", {})) for url in urls], expected(resource, source["file"])


def _below(url: str, file: str) -> str:
    """The address of a file in the folder at `url`, whose query goes to the end."""
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{file}").geturl()


def faults(resources: Mapping[str, Mapping[str, Any]], folder: str, used: Sequence[str]) -> Iterator[str]:
    """Lines that say what is wrong with resources, of which those `used` must be there, downloaded to `folder`."""
    for name, resource in resources.items():
        where = f"resources.{name}"
        urls, checksum = addresses(resource), resource.get("sha256")
        if not resource.get("path"):
            if not urls and "obtain" not in resource:
                yield f"{where}: needs a url or a path"
            elif not urls and name in used:
                yield f"{where}: chrom2expr cannot fetch it. {resource['obtain'].strip()} Then give its {where}.path"
            for url in urls:
                yield from _bad_address(where, resource, url)
        if isinstance(checksum, Mapping) != bool(resource.get("files")) and checksum:
            yield f"{where}.sha256: give one checksum, or one for each of files"
    yield from _other_files(resources, folder)


def _bad_address(where: str, resource: Mapping[str, Any], url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield f"{where}.url: {url} is no address ({error}): correct it"
        return
    if parts.scheme not in ("http", "https") or not parts.netloc:
        how = f" (with {_BUCKETS[parts.scheme]})" if parts.scheme in _BUCKETS else ""
        yield f"{where}.url: {url} is no http or https address: get it yourself{how}, and give it as {where}.path"
    elif not resource.get("files") and file_name({**resource, "url": url}) in ("", ".", ".."):
        yield f"{where}.url: {url} names no file: give the address of the file itself, or download it and give its path"


def _other_files(resources: Mapping[str, Mapping[str, Any]], folder: str) -> Iterator[str]:
    """Lines that name files that were downloaded and that the config now gives another checksum."""
    record = Record(folder)
    try:
        known = record.read()
    except InputError as error:
        yield str(error)
        return
    for (name, file), row in known.items():
        checksum = expected(resources.get(name, {}), file)
        path = Path(folder, name, file)
        if checksum and row.sha256 != checksum and path.exists():
            yield (
                f"resources.{name}.sha256: is {checksum}, but {path} was downloaded with {row.sha256} ({record.path}): "
                "correct it, or delete that file, which is then fetched again"
            )


def expected(resource: Mapping[str, Any], file: str) -> str | None:
    """The SHA-256 that the config gives a file of a resource that is downloaded."""
    checksum = None if resource.get("path") else resource.get("sha256")
    return checksum.get(file) if isinstance(checksum, Mapping) else checksum
