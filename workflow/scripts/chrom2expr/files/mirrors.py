"""Addresses that stand for others, where the published ones cannot be reached."""

from collections.abc import Mapping


def mirrored(url: str, mirror: Mapping[str, str]) -> str:
    """The address to ask in place of `url`: by the longest beginning, of whole parts, that `mirror` names.

    >>> mirrored("https://example.org/hg19.fa.gz", {"https://example.org": "http://files.lab/example"})
    'http://files.lab/example/hg19.fa.gz'
    >>> mirrored("https://example.org/hg19.fa.gz", {"https://": "http://files.lab"})
    'http://files.lab/example.org/hg19.fa.gz'
    """
    starts = {start if start.endswith("://") else f"{start.rstrip('/')}/": place for start, place in mirror.items()}
    start = max((start for start in starts if url.startswith(start)), key=len, default=None)
    return url if start is None else f"{starts[start].rstrip('/')}/{url.removeprefix(start)}"
