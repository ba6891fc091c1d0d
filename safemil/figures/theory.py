"""The figure of the theory: what Lemma 1 and Theorem 1 state, what holds, and what was drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safemil.errors import UserError
from safemil.figures.style import COLUMN_WIDTH, figure_style, new_figure, put_caption
from safemil.statistics.intervals import CONFIDENCE
from safemil.tables.request import TableRun
from safemil.theory.bags import COST_LAWS, order_probability, preferred_probability
from safemil.theory.table import LEMMA, THEOREM, read_theory_table

PLOTTED_COLUMNS = ["statement", "costs", "element", "alpha", "bag_size", "value", "low", "high", "n"]

# From dark to light, so that the order of the shares is seen in grey too; Okabe and Ito's colours.
_SHARE_STYLES = (("#000000", "o"), ("#0072B2", "s"), ("#D55E00", "^"), ("#E69F00", "D"))
_LINES: dict[str, dict[str, Any]] = {
    "formula": {"linestyle": (0, (3, 1.5)), "linewidth": 0.8},
    "exact": {"linestyle": "-", "linewidth": 1.0},
}
_POINTS_PER_LINE = 60


def make(run: TableRun, table: Path) -> tuple[Figure, pd.DataFrame]:  # noqa: ARG001  # as of every maker
    """Return the figure of the table of the theory (CSV), and its numbers."""
    return theory_figure(read_theory_table(table))


def theory_figure(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw probability over K, one curve per alpha: Lemma 1, then Theorem 1 under each law of costs.

    Dashed: 1 - (1 - alpha)^K. Solid: what holds under the panel's costs. Points: frequency as drawn, with
    its 95 % interval. The lines are computed at the table's K and between them.

    Args:
        table: as from `theory_table` with the laws of `COST_LAWS`, and at most four alphas.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS`, element formula, exact or frequency.

    Raises:
        UserError: there are more alphas than styles.
    """
    shares = _checked_shares(table)
    points = table.assign(element="frequency", value=table["frequency"])[PLOTTED_COLUMNS]
    data = pd.concat([_curves(table), points], ignore_index=True)
    with figure_style():
        return _draw(data, shares), data


def _checked_shares(table: pd.DataFrame) -> list[float]:
    shares = sorted(float(alpha) for alpha in table["alpha"].unique())
    if len(shares) > len(_SHARE_STYLES):
        raise UserError(
            "too many shares for one figure",
            expected=f"at most {len(_SHARE_STYLES)}",
            found=shares,
            where="theory.alphas of the configuration",
        )
    return shares


def _curves(table: pd.DataFrame) -> pd.DataFrame:
    """Return both lines of each panel and alpha, at about equal steps of log K."""
    laws = {law.name: law for law in COST_LAWS}
    rows = []
    between = np.geomspace(table["bag_size"].min(), table["bag_size"].max(), _POINTS_PER_LINE)
    sizes = sorted({round(size) for size in between.tolist()} | set(table["bag_size"]))
    curves = table[["statement", "costs", "alpha"]].drop_duplicates()
    for statement, costs, alpha in curves.itertuples(index=False, name=None):
        for size in sizes:
            formula = preferred_probability(alpha, size)
            exact = order_probability(laws[costs], alpha, size) if statement == THEOREM else formula
            rows += [
                (statement, costs, element, alpha, size, value, np.nan, np.nan, np.nan)
                for element, value in (("formula", formula), ("exact", exact))
            ]
    return pd.DataFrame(rows, columns=PLOTTED_COLUMNS)


def _draw(data: pd.DataFrame, shares: list[float]) -> Figure:
    titles = {(LEMMA, "any"): "Lemma 1: bag holds\na preferred trajectory"}
    titles |= {(THEOREM, law.name): f"Theorem 1:\n{law.display}" for law in COST_LAWS}
    figure = new_figure(COLUMN_WIDTH, 4.4)
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, ((statement, costs), title) in zip(panels.flat, titles.items(), strict=True):
        axes.set_title(title)
        drawn = data[(data["statement"] == statement) & (data["costs"] == costs)]
        for alpha, style in zip(shares, _SHARE_STYLES, strict=False):
            _draw_share(axes, drawn[drawn["alpha"] == alpha], *style)
    _label_axes(panels, sorted(data.loc[data["element"] == "frequency", "bag_size"].unique()))
    _annotate(figure, data, shares)
    return figure


def _draw_share(axes: Axes, drawn: pd.DataFrame, colour: str, marker: str) -> None:
    for element, line in _LINES.items():
        curve = drawn[drawn["element"] == element]
        axes.plot(curve["bag_size"], curve["value"], color=colour, **line)
    points = drawn[drawn["element"] == "frequency"]
    value = points["value"].to_numpy(dtype=float)
    ends = [value - points["low"].to_numpy(dtype=float), points["high"].to_numpy(dtype=float) - value]
    axes.errorbar(
        points["bag_size"],
        value,
        yerr=np.maximum(ends, 0.0),
        fmt=marker,
        color=colour,
        markersize=3.0,
        markerfacecolor="white",
        markeredgewidth=0.8,
        elinewidth=0.8,
        capsize=1.5,
        zorder=3,
    )


def _label_axes(panels: Any, sizes: list[int]) -> None:
    for axes in panels.flat:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_ylim(-0.03, 1.03)
    for axes in panels[-1]:
        axes.set_xlabel("trajectories per bag, K")
    for axes in panels[:, 0]:
        axes.set_ylabel("probability")


def _annotate(figure: Figure, data: pd.DataFrame, shares: list[float]) -> None:
    n = int(data["n"].max())
    caption = (
        f"Points: frequency in n = {n:,} drawn bags (Lemma 1) or pairs of bags (Theorem 1), with the "
        f"{100 * CONFIDENCE:g} % interval of Clopper and Pearson, mostly hidden by the marker. Theorem 1: "
        "the non-preferred bag costs strictly more than the unlabelled one. "
        "Upper panels: both lines coincide."
    )
    put_caption(figure, caption, 72)
    handles = [
        Line2D(
            [], [], color=colour, marker=marker, markersize=3.0, markerfacecolor="white", label=f"α = {a:g}"
        )
        for a, (colour, marker) in zip(shares, _SHARE_STYLES, strict=False)
    ]
    handles += [
        Line2D([], [], color="#444444", label="exact for these costs", **_LINES["exact"]),
        Line2D([], [], color="#444444", label="1 − (1 − α)$^K$ (the paper)", **_LINES["formula"]),
    ]
    columns = 3 if len(shares) > 3 else 2  # filled column by column: shares first, the long labels last
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
