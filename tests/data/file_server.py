"""A file server on this machine that answers each request the way a test tells it to."""

import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers one request; what it serves and how is said by its server's `FileServer`."""

    owner: "FileServer"

    def do_GET(self) -> None:
        folder = self.path.split("/")[1]
        self.owner.asked.append((folder, dict(self.headers)))
        answers = self.owner.answers.get(folder, [])
        answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else whole_or_rest
        answer(self)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


class FileServer:
    """Serves `content` at every path; the first folder of a path picks the list of answers.

    Attributes:
        content: the file.
        etag: its mark; None sends none.
        answers: for each folder the answers to its first, second, ... request; the last one is repeated.
        asked: folder and headers of each request so far.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag: str | None = '"first"'
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        handler = type("BoundHandler", (Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def address(self, folder: str, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{folder}/{name}"

    @property
    def folders(self) -> list[str]:
        """Which folder each request so far was for."""
        return [folder for folder, _ in self.asked]

    def ranges(self) -> list[str | None]:
        """Return which bytes each request so far asked for; None for all."""
        return [headers.get("Range") for _, headers in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _mark(handler: Handler) -> dict[str, str]:
    return {} if handler.owner.etag is None else {"ETag": handler.owner.etag}


def whole(handler: Handler, sent: int | None = None) -> None:
    """Send the whole file whatever was asked for, or promise it and send only `sent` bytes."""
    content = handler.owner.content
    handler.head(200, Content_Length=str(len(content)), **_mark(handler))
    handler.wfile.write(content[:sent])


def whole_or_rest(handler: Handler) -> None:
    """Send what was asked for, as a server does that honours Range and If-Range."""
    content, asked = handler.owner.content, handler.headers.get("Range")
    if asked is None or handler.headers.get("If-Range", handler.owner.etag) != handler.owner.etag:
        whole(handler)
        return
    first = int(asked.removeprefix("bytes=").removesuffix("-"))
    if first >= len(content):
        handler.head(416, Content_Range=f"bytes */{len(content)}")
        return
    extent = f"bytes {first}-{len(content) - 1}/{len(content)}"
    length = str(len(content) - first)
    handler.head(206, Content_Range=extent, Content_Length=length, **_mark(handler))
    handler.wfile.write(content[first:])


def cut_after(n_bytes: int) -> Answer:
    """Promise the whole file and hang up after `n_bytes`."""
    return lambda handler: whole(handler, n_bytes)


def stall_after(n_bytes: int, released: threading.Event) -> Answer:
    """Send `n_bytes` of the whole file, and the rest only once `released` is set."""

    def answer(handler: Handler) -> None:
        whole(handler, n_bytes)
        handler.wfile.flush()
        released.wait(60)

    return answer


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and no file."""
    return lambda handler: handler.head(code, Content_Length="0", **headers)


def page(handler: Handler) -> None:
    """Answer 200 with a web page, as networks that want a login do."""
    text = b"<html><body>please log in</body></html>"
    handler.head(200, Content_Type="text/html; charset=utf-8", Content_Length=str(len(text)))
    handler.wfile.write(text)


def redirect_to_storage(handler: Handler) -> None:
    """Redirect to the folder `storage`, stating the content's SHA-256, as the primary is said to do."""
    name = handler.path.rsplit("/", maxsplit=1)[1]
    digest = hashlib.sha256(handler.owner.content).hexdigest()
    handler.head(302, Location=f"/storage/{name}", X_Linked_Etag=f'"{digest}"', Content_Length="0")
