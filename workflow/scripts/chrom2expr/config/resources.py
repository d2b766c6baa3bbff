"""Where the inputs from elsewhere lie, and where they are downloaded from."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlparse

# How the name of a file ends that is unpacked once it is downloaded.
_PACKED = re.compile(r"\.gz$", re.IGNORECASE)


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
    """The name a download has once unpacked."""
    return resource.get("member") or re.sub(_PACKED, "", urlparse(resource["url"]).path.rpartition("/")[2])


def downloads(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of the resources that are downloaded rather than used in place."""
    return [name for name, resource in resources.items() if not resource.get("path")]


def download_source(resource: Mapping[str, Any], file: str) -> dict[str, str | bool | None]:
    """One file of a resource: its address, archive member, whether it is to be unpacked, and the SHA-256 it then has.

    What is unpacked has a name without .gz (see `resource_path`): the address's path decides, whatever query follows.
    """
    checksum, address = resource.get("sha256"), urlparse(resource["url"])
    if resource.get("files"):
        url = address._replace(path=f"{address.path.rstrip('/')}/{file}").geturl()
        return {"url": url, "member": None, "unpack": False, "sha256": (checksum or {}).get(file)}
    member = resource.get("member")
    unpack = not member and re.search(_PACKED, address.path) is not None
    return {"url": resource["url"], "member": member, "unpack": unpack, "sha256": checksum}
