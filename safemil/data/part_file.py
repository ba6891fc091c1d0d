"""A download in progress: the bytes so far, and what the server said about the whole file.

Both lie beside the final path and outlive a killed process. They are one thing only together: bytes without
a description cannot be continued, for nothing tells whether the server still has the same file.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from safemil.errors import UserError
from safemil.files import write_text


@dataclass(frozen=True)
class RemoteFile:
    """A file as its server describes it: equal descriptions mean the same file.

    Attributes:
        address: where it was asked for.
        size: number of bytes.
        etag: the server's strong mark of this content, as the header has it.
        modified: when it was last changed, as the header has it.
        sha256: of its content, where the server states it.
    """

    address: str
    size: int | None
    etag: str | None = None
    modified: str | None = None
    sha256: str | None = None


class PartFile:
    """The bytes of a file as far as they have been fetched. Open it with `open_part`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._description = _description_of(path)

    @property
    def size(self) -> int:
        """Number of bytes fetched so far."""
        return self._file.seek(0, 2)

    def remote(self) -> RemoteFile | None:
        """Return the file that the bytes are the beginning of; None if that is not known."""
        try:
            return RemoteFile(**json.loads(self._description.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, remote: RemoteFile) -> None:
        """Drop what there is and begin with the first byte of `remote`."""
        self._file.truncate(0)
        write_text(self._description, json.dumps(asdict(remote)) + "\n")

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.write(data)
        # At once: what was received before a kill is in the file.
        self._file.flush()

    def discard(self) -> None:
        """Drop everything, so that the next try begins anew."""
        self._file.truncate(0)
        self._description.unlink(missing_ok=True)

    def move_to(self, target: Path) -> None:
        """Give the complete file its final name."""
        self.path.replace(target)
        self._description.unlink(missing_ok=True)


@contextmanager
def open_part(target: Path) -> Iterator[PartFile]:
    """Open the download that is to become `target`, for this process alone.

    Raises:
        UserError: another process is downloading the same file.
    """
    path = target.with_name(f"{target.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        _lock(path, file)
        part = PartFile(path, file)
        try:
            yield part
        finally:
            if path.exists() and not part.size:
                path.unlink()
                _description_of(path).unlink(missing_ok=True)


def _lock(path: Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our opening and our locking, another process may have finished and given it its final name.
        ours = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        hint = "wait until it is done, or stop it"
        raise UserError("another process is downloading this file", where=path, hint=hint)


def _description_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
