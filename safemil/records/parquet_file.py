"""Tables as Parquet files whose bytes depend on their rows and on the version of Arrow alone."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow
from pyarrow import parquet

from safemil.errors import UserError
from safemil.files import replacing


def write_parquet(
    path: Path,
    frame: pd.DataFrame,
    schema: pyarrow.Schema | None = None,
    about: Mapping[str, str] | None = None,
) -> Path:
    """Write a frame without its index, atomically.

    Args:
        path: the file.
        frame: the rows, in their order.
        schema: types of the columns; those that Arrow sees where it is left out.
        about: text on the whole file.
    """
    table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
    with replacing(Path(path)) as part:
        # pandas would put its own version into the file.
        parquet.write_table(table.replace_schema_metadata(dict(about or {})), part, compression="zstd")
    return Path(path)


def read_parquet(path: Path, what: str, hint: str) -> pd.DataFrame:
    """Read a file that `write_parquet` wrote.

    Args:
        path: the file.
        what: the file is of, e.g. `episode rows`.
        hint: what to do if it is not there.

    Raises:
        UserError: it is missing, or is no Parquet file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"a file of {what} is missing", where=path, hint=hint)
    try:
        # ParquetFile rather than read_table, which would invent columns from folders called `key=value`.
        with parquet.ParquetFile(path) as file:
            frame: pd.DataFrame = file.read().to_pandas()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"a file of {what} cannot be read", found=error, where=path) from error
    return frame
