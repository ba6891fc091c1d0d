"""The one look of all figures: colours, markers, type sizes, and how a figure is saved.

Figures are made without pyplot: a `Figure` of its own has no global state, opens no window and is freed
with its last reference. The style is applied in a context, so that importing this module changes nothing.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from safemil.files import csv_text, replacing, write_text

# Widths of one column and of the full text of a two-column paper, in inches.
COLUMN_WIDTH = 3.4
TEXT_WIDTH = 7.0

PNG_DPI = 200


# The limit is drawn over the references, so that both are seen where they coincide.
LIMIT_LINE: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 0.8, "zorder": 1.5}
REFERENCE_LINES: dict[str, dict[str, Any]] = {
    "constrained_reference": {"color": "#8C8C8C", "linestyle": "-", "linewidth": 1.6, "zorder": 1},
    "second_reference": {"color": "#8C8C8C", "linestyle": "-.", "linewidth": 1.2, "zorder": 1},
    "random_reference": {"color": "#8C8C8C", "linestyle": ":", "linewidth": 1.4, "zorder": 1},
}

# Three columns of names within the width of one column of a paper.
KEY_BELOW: dict[str, Any] = {"loc": "outside lower center", "columnspacing": 1.2, "handlelength": 1.7}

# Behind a text that lines would cross.
BLANK: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Type 42 keeps text in the PDF selectable; journals refuse Type 3.
    "pdf.fonttype": 42,
}


def put_caption(figure: Figure, caption: str, width: int) -> None:
    """Put a caption above the panels, in lines of at most `width` characters; a number keeps its per cent."""
    kept = caption.replace(" %", "\N{NO-BREAK SPACE}%")  # textwrap breaks lines at ASCII's blanks alone
    lines = "\n".join(textwrap.wrap(kept, width)).replace("\N{NO-BREAK SPACE}", " ")
    figure.suptitle(lines, x=0.01, ha="left", fontsize=6.5)


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the style inside the block, starting from matplotlib's defaults, not from the user's settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        parameters: Any = STYLE  # matplotlib types every key as a literal
        mpl.rcParams.update(parameters)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` × `height` inches, drawn by Agg, with constrained layout."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, data: pd.DataFrame, path_stem: Path) -> list[Path]:
    """Write `path_stem`.png (200 dpi), .pdf and .csv (the plotted numbers); return the three paths.

    Each file is atomic, and holds neither a time nor a version of the software that made it, so that the
    same figure gives the same bytes.
    """
    stem = Path(path_stem)
    png, pdf, csv = (stem.with_name(stem.name + suffix) for suffix in (".png", ".pdf", ".csv"))
    with figure_style():
        with replacing(png) as part:
            figure.savefig(part, format="png", dpi=PNG_DPI, metadata={"Software": None})
        with replacing(pdf) as part:
            empty = {"CreationDate": None, "Creator": None, "Producer": None}
            figure.savefig(part, format="pdf", metadata=empty)
    return [png, pdf, write_text(csv, csv_text(data))]
