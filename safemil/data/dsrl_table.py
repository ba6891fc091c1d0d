"""The published DSRL files as rows of `config/dsrl_files.tsv`: addresses, licence; size and hash if known.

Size and SHA-256 stay empty until somebody who has reached the server enters what the server itself states:
a number that was only computed from one download proves nothing about the file that was published.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from safemil.errors import UserError

DSRL_TABLE = Path(__file__).resolve().parents[2] / "config" / "dsrl_files.tsv"

_COLUMNS = ("file", "licence", "primary", "mirror", "size", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PublishedFile:
    """One row of the table.

    Attributes:
        name: the file's name.
        licence: SPDX id of the licence of the data.
        addresses: where it can be fetched, the first to be tried first.
        size: number of bytes; None where unknown.
        sha256: hexadecimal; None where unknown.
    """

    name: str
    licence: str
    addresses: tuple[str, ...]
    size: int | None
    sha256: str | None


def published_file(name: str, table: Path = DSRL_TABLE) -> PublishedFile:
    """Return the row of the file called `name`.

    Raises:
        UserError: the table is missing or malformed, or has no such row.
    """
    rows = _read_rows(table)
    if name not in rows:
        listed = ", ".join(rows) or "nothing"
        raise UserError("no such file in the table of files", expected=name, found=listed, where=table)
    row = rows[name]
    addresses = tuple(row[column] for column in ("primary", "mirror") if row[column])
    problems = []
    if not addresses:
        problems.append("expected a primary address, found none")
    if row["size"] and not row["size"].isdecimal():
        problems.append(f"size: expected a number of bytes or nothing, found {row['size']}")
    if row["sha256"] and not _SHA256.fullmatch(row["sha256"]):
        problems.append(
            f"sha256: expected 64 hexadecimal digits (lower case) or nothing, found {row['sha256']}"
        )
    if problems:
        raise UserError(f"bad row for {name}: {'; '.join(problems)}", where=table)
    size = int(row["size"]) if row["size"] else None
    return PublishedFile(name, row["licence"], addresses, size, row["sha256"] or None)


def _read_rows(table: Path) -> dict[str, dict[str, str]]:
    if not table.is_file():
        raise UserError("the table of files is missing", expected="a TSV file", where=table)
    with table.open(newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", restval="")
        rows = list(reader)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        found = f"none called {', '.join(missing)}"
        raise UserError(
            "not a table of files", expected=f"columns {', '.join(_COLUMNS)}", found=found, where=table
        )
    return {row["file"]: row for row in rows}
