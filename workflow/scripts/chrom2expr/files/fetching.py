"""One published address in, one file out: whole or not at all, and resumed after a break.

What has arrived stays beside the file until it is whole, as `.NAME.part`, so that a try goes on where the last one,
or a job that was killed, ended. Only http and https; from https nothing leads down to http.
"""

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from chrom2expr import __version__
from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.files.packed import named_packed, unpack
from chrom2expr.files.whole import read_json, whole_file, write_json
from chrom2expr.job import Progress

WAITS = (1, 5, 30, 120)  # seconds before each further try after which nothing more has arrived
SILENCE = 60  # seconds without a byte
UNANNOUNCED = 8 << 30  # bytes at most where the server does not say how many there are
_LONGEST_WAIT = 600  # seconds at most, whatever a busy server asks for
_REDIRECTS = 10
_BLOCK = 1 << 16
_MB = 1_000_000
_NOT_THERE = {404, 410}
_BUSY = {408, 425, 429}
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_PROXIES = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
YOURSELF = "fetch it yourself and give its place as a path in the config"


def shown(url: str) -> str:
    """An address as messages and logs may show it: without user and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


class NotThere(InputError):
    """The server answers, and has no such file (404 or 410)."""


class Stopped(Exception):
    """The download was broken off, as it was asked to."""


class _MayPass(Exception):
    """The same request may succeed a little later; `wait`: the seconds that the server asks for, or 0."""

    def __init__(self, said: str, wait: float = 0) -> None:
        super().__init__(said)
        self.wait = wait


class _State(NamedTuple):
    """What is known of a file of which a part has arrived: its size (None: not announced), and which version it is."""

    size: int | None
    version: str
    packed: bool = False  # by the server, on its way


def fetch(url: str, path: str | Path, progress: bool = True, stop: threading.Event | None = None) -> None:
    """Download `url` to `path`, whole or not at all; what an earlier try left of it is not fetched again.

    A server that is busy or failing, a connection that breaks or falls silent, and fewer bytes than announced are tried
    again after each of WAITS, or after what the server asks for; whenever something more has arrived, from the first.
    Proxies, certificates and passwords are taken from the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE,
    .netrc), and HF_TOKEN for the Hugging Face hub. `progress`: print how much has arrived; `stop`: ends it with Stopped
    once it is set, from another thread.

    Raises NotThere if the server has no such file, InputError for what else does not pass (a redirect down from https,
    more bytes than announced, an empty file), and SystemTrouble for what might have passed, and for a full disk.
    """
    part, stop = _Part(Path(path)), stop or threading.Event()
    waits, furthest = iter(WAITS), part.arrived()
    while True:
        try:
            _go_on(url, part, progress, stop)
            break
        except _MayPass as failure:
            if (arrived := part.arrived()) > furthest:
                waits, furthest = iter(WAITS), arrived
            wait = next(waits, None)
            if wait is None:
                said = f"{shown(url)}: cannot be downloaded ({failure}); run again later, or {YOURSELF}"
                raise SystemTrouble(said) from None
            wait = max(wait, min(failure.wait, _LONGEST_WAIT))
            print(f"{shown(url)}: {failure}; trying again in {wait:g} s", flush=True)
            if stop.wait(wait):
                raise Stopped(url) from None
    part.finish()


class _Part:
    """What has arrived of a file that is to be at `path`, and what is known of the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content, self.about = (
            path.with_name(f".{path.name.removeprefix('.')}.part{ending}") for ending in ("", ".json")
        )
        path.parent.mkdir(parents=True, exist_ok=True)

    def arrived(self) -> int:
        """How many bytes are there of a version that is known."""
        return self.content.stat().st_size if self.about.is_file() and self.content.is_file() else 0

    def state(self) -> _State:
        """What is known of the file, nothing before an answer came."""
        try:
            return _State(**read_json(self.about))
        except (InputError, TypeError):
            return _State(None, "")

    def begin(self, state: _State) -> None:
        """Throw away what is there, of another version, and note what the server now has."""
        self.drop()
        write_json(self.about, state._asdict())

    def drop(self) -> None:
        """Throw away what is there."""
        for file in (self.about, self.content):
            file.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the file into its place, unpacked if the server packed it though it was asked not to."""
        state, arrived = self.state(), self.arrived()
        if state.size not in (None, arrived):
            self.drop()
            raise SystemTrouble(
                f"{self.path}: {arrived:,} bytes are there of {state.size:,}, although all came: did two processes "
                "write it? Run again"
            )
        if state.packed:
            with whole_file(self.path) as partial:
                unpack(self.content, partial)
            self.content.unlink()
        else:
            os.replace(self.content, self.path)
        self.about.unlink(missing_ok=True)


def _go_on(url: str, part: _Part, progress: bool, stop: threading.Event) -> None:
    """One request: what is lacking of the file, or all of it where the server cannot go on or has another version."""
    state, arrived = part.state(), part.arrived()
    if arrived and arrived == state.size:
        return
    asked = {"Range": f"bytes={arrived}-", "If-Range": state.version} if arrived and state.version else {}
    with _answer(url, asked) as answer:
        if answer.status_code == 416:  # what is there is longer than the file
            part.drop()
            raise _MayPass("the server has less of it than has arrived")
        first, whole = _range(answer)
        if answer.status_code == 206 and first == arrived and state.size in (None, whole):
            start, state = arrived, state._replace(size=whole)
        elif answer.status_code == 200:
            coding = answer.headers.get("Content-Encoding", "identity")
            packed = coding != "identity" and not named_packed(url)
            start, state = 0, _State(_announced(answer), _version(answer), packed)
            if state.size == 0:
                raise InputError(f"{shown(url)}: the server sends an empty file; correct the address, or {YOURSELF}")
            part.begin(state)
        else:
            part.drop()
            raise _MayPass(f"the server answers {answer.status_code} with another part than was asked for")
        _refuse_full(part.path.parent, url, (state.size or 0) - start)
        _receive(answer, part, start, state.size, _Watch(url, progress, stop))


class _Watch(NamedTuple):
    """Who looks on while a body comes."""

    url: str
    progress: bool
    stop: threading.Event


def _receive(answer: requests.Response, part: _Part, start: int, size: int | None, watch: _Watch) -> None:
    """Add the body of an answer to the `start` bytes that are there, up to `size`."""
    url = watch.url
    left = -(-(size - start) // _MB) if size else None
    told = Progress(left, "MB") if watch.progress and (left is None or left > 1) else None
    arrived, most = start, size or UNANNOUNCED
    with open(part.content, "ab") as handle:
        while block := _next_block(answer, arrived, size):
            if watch.stop.is_set():
                raise Stopped(url)
            arrived += len(block)
            if arrived > most:
                part.drop()
                raise InputError(
                    f"{shown(url)}: more bytes came than the {most:,} that were "
                    f"{'announced' if size else 'allowed of a file whose size is not announced'}; {YOURSELF}"
                )
            handle.write(block)
            handle.flush()  # what has come outlives this process
            if told and (more := -(-(arrived - start) // _MB) - told.done):
                told.advance(more)
    if size is not None and arrived < size:
        raise _MayPass(_broken(arrived, size))
    if not arrived:
        part.drop()
        raise InputError(f"{shown(url)}: the server sends an empty file; correct the address, or {YOURSELF}")


def _next_block(answer: requests.Response, arrived: int, size: int | None) -> bytes:
    """The next bytes of a body, as they are sent; empty at its end."""
    try:
        return answer.raw.read1(_BLOCK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise _MayPass(f"{_broken(arrived, size)}, then nothing for {SILENCE} s") from None
    except _FAILURES:
        raise _MayPass(_broken(arrived, size)) from None


def _broken(arrived: int, size: int | None) -> str:
    return f"{arrived:,}{f' of {size:,}' if size is not None else ''} bytes arrived"


@contextmanager
def _answer(url: str, asked: dict[str, str]) -> Iterator[requests.Response]:
    """The answer to a request, behind its redirects: 200, 206 or 416. Raises as `fetch`, and _MayPass."""
    with requests.Session() as session:
        place = url
        for _ in range(_REDIRECTS):
            _refuse_scheme(url, place)
            answer = _asked(session, place, asked)
            target = session.get_redirect_target(answer)
            if target is None:
                break
            answer.close()
            target = _joined(url, place, target)
            if _scheme(place) == "https" and _scheme(target) != "https":
                raise InputError(f"{shown(url)}: leads from https to {shown(target)}, which is not safe; {YOURSELF}")
            place = target
        else:
            raise InputError(f"{shown(url)}: leads on and on, more than {_REDIRECTS} times; correct it, or {YOURSELF}")
        with answer:
            _refuse_status(url, answer)
            yield answer


def _joined(url: str, place: str, target: str) -> str:
    """Where a redirect leads."""
    try:
        return urlsplit(urljoin(place, target)).geturl()
    except ValueError as error:
        raise InputError(f"{shown(url)}: leads to what is no address ({error}); correct it, or {YOURSELF}") from None


def _scheme(place: str) -> str:
    return place.partition(":")[0].lower()


def _refuse_scheme(url: str, place: str) -> None:
    if _scheme(place) not in ("http", "https"):
        what = "is" if place == url else f"leads to {shown(place)},"
        raise InputError(f"{shown(url)}: {what} neither http nor https; {YOURSELF}")


def _asked(session: requests.Session, place: str, asked: dict[str, str]) -> requests.Response:
    headers = {"Accept-Encoding": "identity", "User-Agent": f"chrom2expr/{__version__}", **asked}
    token = os.environ.get("HF_TOKEN", "").strip()
    if token and _scheme(place) == "https" and urlsplit(place).hostname == "huggingface.co":
        headers["Authorization"] = f"Bearer {token}"
    try:
        return session.get(place, headers=headers, stream=True, allow_redirects=False, timeout=(30, SILENCE))
    except requests.exceptions.InvalidProxyURL as error:
        raise InputError(f"{_PROXIES}: names a proxy by what is no address ({error}); correct it") from None
    except requests.exceptions.InvalidSchema as error:
        if "SOCKS" in str(error):
            raise InputError(f"{_PROXIES}: names a SOCKS proxy, which needs a package: pip install PySocks") from None
        raise InputError(f"{shown(place)}: is no address ({error}); correct it, or {YOURSELF}") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, ValueError) as error:
        raise InputError(f"{shown(place)}: is no address ({error}); correct it, or {YOURSELF}") from None
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise _MayPass("the encrypted connection failed") from None
        raise InputError(
            f"{shown(place)}: its certificate is not trusted here. Where a proxy has one of its own, name the file "
            f"with that in REQUESTS_CA_BUNDLE; or {YOURSELF}"
        ) from None
    except requests.exceptions.ProxyError:
        raise _MayPass(f"the proxy that {_PROXIES} names does not answer, or does not let it through") from None
    except requests.exceptions.Timeout:
        raise _MayPass(f"no answer in {SILENCE} s") from None
    except _FAILURES as error:
        raise _MayPass(_unreached(error)) from None
    except OSError as error:
        if "CA certificate bundle" not in str(error):
            raise
        raise InputError("REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: there is no such file of certificates") from None


def _unreached(error: Exception) -> str:
    """Why no answer came, in few words."""
    said = str(error)
    if "NameResolutionError" in said or "getaddrinfo" in said:
        return "its host is not known here: no network, or only through a proxy (set HTTPS_PROXY)"
    if "Connection refused" in said:
        return "its host refuses the connection"
    return "the connection failed"


def _refuse_status(url: str, answer: requests.Response) -> None:
    """Raise for an answer that is no file."""
    status = answer.status_code
    if status in (200, 206, 416):
        return
    said = f"{shown(url)}: cannot be downloaded ({status} {answer.reason or ''}".rstrip() + "); "
    if status in _NOT_THERE:
        raise NotThere(f"{said}correct the address, or {YOURSELF}")
    if status in _BUSY or status >= 500:
        raise _MayPass(f"{status} {answer.reason or ''}".rstrip(), _retry_after(answer))
    if status in (401, 403, 407):
        said += "the server wants to know who asks (a login, a licence to accept, HF_TOKEN), or refuses this machine; "
    raise InputError(f"{said}open the address in a browser, or {YOURSELF}")


def _retry_after(answer: requests.Response) -> float:
    """The seconds that a server asks to wait, given as such or as a date; 0 if it does not."""
    asked = answer.headers.get("Retry-After", "")
    if re.fullmatch("[0-9]{1,9}", asked):
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _announced(answer: requests.Response) -> int | None:
    """The size that an answer announces, in bytes as they are sent; None if it does not."""
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Transfer-Encoding" not in answer.headers else None


def _version(answer: requests.Response) -> str:
    """What tells this version of a file from later ones, "" if nothing does; a weak ETag promises too little."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _range(answer: requests.Response) -> tuple[int | None, int | None]:
    """Where the part begins that is sent, and how long the whole file is."""
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    places, _, size = rest.partition("/")
    first, _, _ = places.partition("-")
    if unit != "bytes" or not first.isdigit():
        return None, None
    return int(first), int(size) if size.isdigit() else None


def _refuse_full(folder: Path, url: str, needed: int) -> None:
    """Raise SystemTrouble before a download that the disk has no room for."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SystemTrouble(
            f"{folder}: {needed:,} bytes of {shown(url)} are to come, but only {free:,} are free. Make room there, or "
            "set pathvars: resources to another disk, then run again"
        )
