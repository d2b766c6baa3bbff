"""A local server of files: ranges, versions, and all that goes wrong with servers."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[["Handler", bytes], None]


class FileServer(ThreadingHTTPServer):
    """Serves the files of a folder. `faults[path]` is what happens to the first requests for a path instead.

    `asked`: path, and headers, of every request. `ranges`: whether it can send parts. `cut`: it hangs up after so many
    bytes of every answer, if not 0; `breaks`: and in the middle of the first so many answers of every file.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.faults, self.asked = folder, {}, []
        self.ranges, self.cut, self.breaks = True, 0, 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        """A client that leaves is no news."""

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.asked]


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """A server of a folder, on loopback."""
    server = FileServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((self.path, dict(self.headers)))
        file = self.server.folder / path.lstrip("/")
        content = file.read_bytes() if file.is_file() else None
        faults = self.server.faults.get(path, [])
        if faults:
            faults.pop(0)(self, content or b"")
        elif content is None:
            status(404)(self, b"")
        else:
            self.answer(content)

    def answer(self, content: bytes, tag: str = "", cut: int = 0, **headers: str) -> None:
        """Send a file, or the part that is asked for of the version that is asked for."""
        tag = tag or f'"{hashlib.md5(content).hexdigest()}"'
        asked, start = self.headers.get("Range"), 0
        if asked and self.server.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                status(416)(self, b"")
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in {"ETag": tag, "Content-Length": str(len(content) - start), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        cut = cut or self.server.cut
        if self.server.paths().count(self.path) <= self.server.breaks:
            cut = max(1, len(content) // 3)
        body = content[start : start + cut] if cut else content[start:]
        self.wfile.write(body)
        if start + len(body) < len(content):
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection."""
        self.wfile.flush()
        self.close_connection = True


def status(code: int, **headers: str) -> Fault:
    """An answer that is no file."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return fault


def cut(after: int) -> Fault:
    """Hang up after so many bytes."""
    return lambda handler, content: handler.answer(content, cut=after)


def hang_up(handler: Handler, content: bytes) -> None:
    """Hang up without an answer."""
    handler.hang_up()


def stall(after: int, seconds: float) -> Fault:
    """Say nothing more after so many bytes."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.wfile.flush()
        time.sleep(seconds)
        handler.hang_up()

    return fault


def endless(handler: Handler, content: bytes) -> None:
    """Send for ever, without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"A" * 65536)


def unannounced(handler: Handler, content: bytes) -> None:
    """Send all without saying how much, in chunks."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for block in (content[:100], content[100:]):
        handler.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def with_headers(**headers: str) -> Fault:
    """Send the file with other headers."""
    return lambda handler, content: handler.answer(content, **headers)
