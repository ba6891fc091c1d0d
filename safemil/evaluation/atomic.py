"""Files that are either whole or absent: written under a temporary name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block ends without an exception.

    The temporary file lies in the same folder because a rename is atomic only within one file system.
    If the block fails, the temporary file is removed and a file already at `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` atomically, in UTF-8 with Unix line ends on every system; return `path`."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return path
