"""Fetches one file over HTTP: continued where it was cut off, tried again, from the first address that works.

A cut download is continued only if the server still has the same file: the part remembers the server's own
description (size, ETag or date, hash where stated), the request names the ETag (`If-Range`), and the
answer must describe the same file. A server that ignores the request for the rest, or has another file by
now, sends all of it from the first byte, and so the part is begun anew.

What the servers of DSRL answer could not be seen from where this was written. Of the primary it is known from
its maintainers' public statements that it redirects to a storage server, that the storage server need not
send an ETag, and that the redirect states the SHA-256 of a large file in `X-Linked-Etag`.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import requests

from safemil.data.part_file import PartFile, RemoteFile, open_part
from safemil.errors import UserError
from safemil.files import sha256

_LOG = logging.getLogger(__name__)

DEFAULT_RETRIES = 4
FIRST_WAIT = 1.0  # seconds; each further wait is twice as long
LONGEST_WAIT = 60.0
_CONNECT_TIMEOUT, _READ_TIMEOUT = 10.0, 60.0
_CHUNK = 1 << 16
_MEGABYTE = 1e6

_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A part is continued byte by byte, so the bytes must be the file's own and not a compressed form of it.
_HEADERS = {"Accept-Encoding": "identity"}


class Reporter(Protocol):
    """Shows how far a download is."""

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Report that `step` megabytes are there."""


class ReporterFactory(Protocol):
    """Opens a reporter; `training.progress.Progress` is one."""

    def __call__(self, title: str, total: int, *, unit: str, start: int) -> AbstractContextManager[Reporter]:
        """Begin to report on `total` megabytes, `start` of which are there already."""


class _PassingError(Exception):
    """Worth another try, after `wait` seconds if the server asked for that."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _UnusableAddressError(Exception):
    """Trying this address again would not help."""


@dataclass(frozen=True)
class Downloader:
    """How files are fetched.

    Attributes:
        report: shows the progress.
        retries: further tries of an address after one that got nowhere.
        first_wait: seconds before the first of them.
    """

    report: ReporterFactory
    retries: int = DEFAULT_RETRIES
    first_wait: float = FIRST_WAIT

    def fetch(
        self,
        addresses: Sequence[str],
        target: Path,
        check: Callable[[Path], None],
        *,
        hint: str | None = None,
    ) -> None:
        """Fetch a file to `target`; nothing is there before the whole file has been checked.

        Args:
            addresses: where to ask, in this order.
            target: gets the file. While it is fetched, it is called `target` with `.part` behind.
            check: raises a `UserError` if the complete file at the given path is not the right one.
            hint: what else the user can do, for the error.

        Raises:
            UserError: no address gave the right file; says for each why not.
        """
        problems = []
        with open_part(target) as part, requests.Session() as session:
            for address in addresses:
                try:
                    remote = self._fetch_from(session, address, part)
                    _check_content(part, remote, check)
                except (_UnusableAddressError, UserError) as error:
                    problems.append(f"{address}: {_problem_of(error)}")
                else:
                    part.move_to(target)
                    return
        summary = "\n  - ".join([f"{target.name} could not be downloaded", *problems])
        raise UserError(summary, where=target, hint=hint)

    def _fetch_from(self, session: requests.Session, address: str, part: PartFile) -> RemoteFile:
        """Fetch all of the file at `address`, trying again as long as there is hope."""
        failures, furthest = 0, part.size
        while True:
            try:
                return self._try_once(session, address, part)
            except (_PassingError, requests.ConnectionError, requests.Timeout) as error:
                reason, asked_wait = _root_of(error), getattr(error, "wait", 0.0)
            except requests.exceptions.ChunkedEncodingError as error:
                reason, asked_wait = f"connection lost ({_root_of(error)})", 0.0
            except requests.RequestException as error:
                raise _UnusableAddressError(_root_of(error)) from error
            # A try that got further is no failure: on a bad line a long file takes many.
            failures = 0 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures > self.retries:
                raise _UnusableAddressError(f"{reason} (retries used up: {self.retries})")
            wait = min(max(asked_wait, self.first_wait * 2 ** max(failures - 1, 0)), LONGEST_WAIT)
            _LOG.warning("%s: %s; trying again in %.0f s", address, reason, wait)
            time.sleep(wait)

    def _try_once(self, session: requests.Session, address: str, part: PartFile) -> RemoteFile:
        begun = part.remote()
        if begun is None or begun.address != address or not part.size:
            begun = None
        elif begun.size == part.size:
            return begun  # complete, but the process was killed before it could be checked
        with _request(session, address, begun, part.size) as response:
            _refuse_status(response)
            remote = _describe(address, response)
            if response.status_code == HTTPStatus.OK:
                part.begin(remote)
            elif begun is None:
                raise _UnusableAddressError(_answered(response))
            elif remote != begun or _first_byte(response) != part.size:
                part.discard()
                return self._try_once(session, address, part)
            self._receive(response, remote, part)
        return remote

    def _receive(self, response: requests.Response, remote: RemoteFile, part: PartFile) -> None:
        done, total = part.size, remote.size or 0
        title = f"download {part.path.stem}"
        with self.report(title, _megabytes(total), unit="MB", start=_megabytes(done)) as report:
            for chunk in response.iter_content(_CHUNK):
                part.append(chunk)
                done += len(chunk)
                report.update(_megabytes(done), {})
        if remote.size is not None and done < remote.size:
            raise _PassingError(f"connection lost ({done} of {remote.size} bytes)")


def _request(
    session: requests.Session, address: str, begun: RemoteFile | None, n_bytes: int
) -> requests.Response:
    """Ask for the file, or for what follows the first `n_bytes` of the one that was begun."""
    headers = dict(_HEADERS)
    if begun is not None:
        headers["Range"] = f"bytes={n_bytes}-"
        if begun.etag is not None:
            headers["If-Range"] = begun.etag
    return session.get(address, headers=headers, stream=True, timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT))


def _refuse_status(response: requests.Response) -> None:
    """Refuse every answer that is not the file or the rest of it."""
    status = response.status_code
    if status in _PASSING_STATUS:
        asked = response.headers.get("Retry-After", "")
        raise _PassingError(_answered(response), float(asked) if asked.isdecimal() else 0.0)
    # 416: the part is longer than the file is now, which the comparison of descriptions finds out.
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _UnusableAddressError(_answered(response))
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        # Seen before the part is touched: the page of a hotel's network must not cost 900 MB.
        raise _UnusableAddressError("answered with a web page instead of the file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _UnusableAddressError("answered with a compressed form of the file")


def _answered(response: requests.Response) -> str:
    return f"answered {response.status_code} {response.reason or ''}".strip()


def _describe(address: str, response: requests.Response) -> RemoteFile:
    """Return what an answer says about the whole file."""
    etag: str | None = response.headers.get("ETag", "")
    if not etag or etag.startswith("W/"):
        etag = None
    linked = next((h for r in response.history if (h := r.headers.get("X-Linked-Etag"))), "").strip('"')
    length: str | None = response.headers.get("Content-Length")
    if response.status_code != HTTPStatus.OK:
        matched = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        length = matched.group(2) if matched else None
    return RemoteFile(
        address=address,
        size=int(length) if length and length.isdecimal() else None,
        etag=etag,
        # The ETag is the better mark, and an answer to `If-Range` may leave the date out.
        modified=None if etag else response.headers.get("Last-Modified"),
        sha256=linked if _SHA256.fullmatch(linked) else None,
    )


def _first_byte(response: requests.Response) -> int | None:
    matched = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(matched.group(1)) if matched else None


def _check_content(part: PartFile, remote: RemoteFile, check: Callable[[Path], None]) -> None:
    """Check a complete part; drop it if it is wrong, so that it does not spoil the next try."""
    try:
        if remote.size not in (None, part.size):
            raise UserError(f"sent {part.size} bytes instead of {remote.size}")
        if remote.sha256 is not None and sha256(part.path) != remote.sha256:
            raise UserError(f"the content arrived damaged: its SHA-256 is not {remote.sha256}")
        check(part.path)
    except UserError:
        part.discard()
        raise


def _problem_of(error: Exception) -> str:
    text = error.problem if isinstance(error, UserError) else str(error)
    return text.replace("\n  - ", "\n      - ")


def _root_of(error: BaseException) -> str:
    """Return the message at the bottom of a chain, e.g. that of a refused connection."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _megabytes(n_bytes: int) -> int:
    return round(n_bytes / _MEGABYTE)
