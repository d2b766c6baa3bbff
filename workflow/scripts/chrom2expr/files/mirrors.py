"""Addresses that stand for others, where the published ones cannot be reached."""

from collections.abc import Mapping


def mirrored(url: str, mirror: Mapping[str, str]) -> str:
    """The address to ask in place of `url`: by the longest prefix that `mirror` has another one for.

    >>> mirrored("https://example.org/hg19.fa.gz", {"https://example.org": "http://files.lab"})
    'http://files.lab/hg19.fa.gz'
    """
    prefix = max((prefix for prefix in mirror if url.startswith(prefix)), key=len, default=None)
    return url if prefix is None else mirror[prefix] + url.removeprefix(prefix)
