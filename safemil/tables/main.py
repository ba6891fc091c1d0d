"""The main table as files: CSV for programs, Markdown for readers, LaTeX for papers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from safemil.files import write_text
from safemil.statistics.scores import COST_LIMIT
from safemil.tables.latex import main_table_latex
from safemil.tables.markdown import main_table_markdown


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: ten significant digits, `NaN` for what is missing, Unix line ends."""
    text: str = frame.to_csv(index=False, float_format="%.10g", na_rep="NaN", lineterminator="\n")
    return text


def write_main_table(
    table: pd.DataFrame,
    directory: Path,
    *,
    run_name: str,
    notes: Sequence[str] = (),
    cost_limit: float = COST_LIMIT,
) -> list[Path]:
    """Write main.csv, main.md and main.tex into `directory`; return their paths.

    Each file is written atomically and its bytes depend on the arguments only. The CSV holds every
    column; the other two are rounded, state source, seeds, episodes, gradient steps and what the
    interval is, and set in bold what `best_learners` names.

    Args:
        table: as from `main_table`.
        directory: is made if it does not exist.
        run_name: the scale of the run, such as `quick` or `paper`.
        notes: sentences without markup, such as those of `reference_notes`.
        cost_limit: the limit that `main_table` was given, stated in the legend.
    """
    directory = Path(directory)
    texts = {
        "main.csv": csv_text(table),
        "main.md": main_table_markdown(table, run_name=run_name, notes=notes, cost_limit=cost_limit),
        "main.tex": main_table_latex(table, run_name=run_name, notes=notes, cost_limit=cost_limit),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
