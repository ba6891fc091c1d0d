"""Atomic writing: a file is there whole or not at all; and the one form of CSV."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block ends without an exception.

    The temporary file lies in the same folder because a rename is atomic only within one file system. If
    the block fails, the temporary file is removed and a file already at `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` atomically, in UTF-8 with Unix line ends on every system; return `path`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def csv_text(frame: "pd.DataFrame") -> str:
    """Return a frame as CSV: ten significant digits, `NaN` for what is missing, Unix line ends."""
    text: str = frame.to_csv(index=False, float_format="%.10g", na_rep="NaN", lineterminator="\n")
    return text


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
