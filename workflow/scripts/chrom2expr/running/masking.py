"""Text that others may read: without passwords, tokens, and the names of user and machine."""

import getpass
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from chrom2expr.reporting.masking import in_addresses

_MASK = "***"
# Names of variables and keys whose values are secret.
_SECRET = r"token|passw(?:or)?d|secret|api_?key|access_?key|credential|authorization"
_PATTERNS = (
    (re.compile(rf"(?i)((?:{_SECRET})[\w-]*[\"']?\s*[=:]\s*)(?:bearer\s+|basic\s+)?[^\s,;}}]+"), rf"\1{_MASK}"),
    (re.compile(rf"(?i)(--[\w-]*(?:{_SECRET})[\w-]*\s+)\S+"), rf"\1{_MASK}"),
    # Tokens that are known by how they begin.
    (re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|AKIA|xox[abp]-)[\w-]{10,}"), _MASK),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), f"{_MASK}@{_MASK}"),
    (re.compile(r"(?m)^(\s*(?:Host|User): ).*$"), rf"\1{_MASK}"),
)


def masked(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text with *** for users and passwords, values of queries, tokens, mail addresses; ~ for home and user name.

    A secret that a variable of the environment holds, by its name, is masked wherever it stands.

    >>> masked("https://me:hidden@example.org/a?key=1&track={identifier} HF_TOKEN=abc", {})
    'https://***@example.org/a?key=***&track={identifier} HF_TOKEN=***'
    """
    for name, value in environment.items():
        if re.search(rf"(?i){_SECRET}|_key$", name) and len(value) >= 8:
            text = text.replace(value, _MASK)
    text = in_addresses(text)
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    home = str(Path.home())
    if home != "/":
        text = re.sub(rf"{re.escape(home)}(?![\w-])", "~", text)
    for name in (*_users(), socket.gethostname()):
        if len(name) > 2:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "~", text)
    return text


def _users() -> list[str]:
    try:
        return [getpass.getuser()]
    except (KeyError, OSError):  # a container's user without a name
        return []
