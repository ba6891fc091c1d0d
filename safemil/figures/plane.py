"""The plane of cost and return: where every method ends up on each task, seed by seed."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from safemil.catalogue import constrained_reference_of, method_named, method_order, task_display, task_order
from safemil.errors import UserError
from safemil.figures.seed_points import seed_points
from safemil.figures.style import (
    BLANK,
    COLUMN_WIDTH,
    KEY_BELOW,
    LIMIT_LINE,
    figure_style,
    new_figure,
    put_caption,
)
from safemil.protocol import COST_LIMIT, DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.main_table import make_main_table
from safemil.tables.captions import budget_sentence, is_partial, partial_mark
from safemil.tables.request import TableRun
from safemil.tables.text import seeds_text

PLOTTED_COLUMNS = [
    *["task", "source", "method", "variant", "element", "seed"],
    *["cost", "cost_low", "cost_high", "return", "return_low", "return_high"],
]
# What a partial figure has besides: on means, how many seeds are finished of how many.
COUNT_COLUMNS = ["n_seeds", "n_configured"]
_NUMBERS = PLOTTED_COLUMNS[6:]
_PANELS_PER_ROW = 2
_SEED_SIZE, _MEAN_SIZE = 2.4, 4.2
_RING: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 9.0,
    "markerfacecolor": "none",
    "markeredgecolor": "#555555",
    "markeredgewidth": 0.7,
    "zorder": 2.5,
}


def make(run: TableRun, episodes: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Return the figure of all episodes, and its numbers."""
    return plane(episodes, make_main_table(episodes, run.evaluation), cost_limit=run.limit)


def plane(
    episodes: pd.DataFrame, table: pd.DataFrame, *, cost_limit: float = COST_LIMIT
) -> tuple[Figure, pd.DataFrame]:
    """Draw cost (x) and return (y) of every method on each task (panels).

    A small point per seed, a large one for the mean, and a cross of its 95 % bootstrap intervals where there
    are at least three seeds. Hollow means are oracles; a ring marks the constrained reference. Random actions
    stand in words above each panel, for they are mostly far away from everything else. Returns span at least
    half the distance from them to the reference. Default variants only. Units: undiscounted sums per episode.

    Of a partial table (`partial_table`) each mean has its seeds of how many; methods without any are named.

    Args:
        episodes: the rows that `table` was made of.
        table: as from `main_table`.
        cost_limit: drawn as a line.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS` (and `COUNT_COLUMNS` of a partial
        table), where element is seed, mean, constrained_reference, random_reference or cost_limit.

    Raises:
        UserError: there is nothing to draw, or the table was not made of these episodes.
    """
    shown = table[table["variant"] == DEFAULT_VARIANT]
    methods = shown[shown["kind"] != "reference"]
    if methods.empty:
        raise UserError("there is no method to draw", expected="a default variant of a learner or an oracle")
    finished = shown[shown["n_seeds"] > 0]
    constrained = finished[finished["method"] == finished["source"].map(constrained_reference_of)]
    random = finished[finished["method"] == RANDOM_REFERENCE]
    limits = methods[["task", "source"]].drop_duplicates().assign(cost=cost_limit)
    parts = {
        "seed": seed_points(episodes, methods[methods["n_seeds"] > 0], ["return", "cost"]),
        "mean": methods,
        "constrained_reference": constrained,
        "random_reference": random,
        "cost_limit": limits,
    }
    counts = dict.fromkeys(COUNT_COLUMNS if is_partial(table) else [], "Int64")
    columns = [*PLOTTED_COLUMNS, *counts]
    rows = [part.assign(element=element).reindex(columns=columns) for element, part in parts.items()]
    types = {"seed": "Int64", **dict.fromkeys(_NUMBERS, "float64"), **counts}
    data = pd.concat([part.astype(types) for part in rows], ignore_index=True)
    caption = ". ".join(filter(None, [partial_mark(table), _caption(methods)]))
    with figure_style():
        return _draw(data, caption), data


def _caption(methods: pd.DataFrame) -> str:
    cross = f"crosses: {100 * CONFIDENCE:g} % bootstrap intervals over seeds"
    too_few = methods.loc[methods["n_seeds"] > 0, "n_seeds"] < MINIMUM_SEEDS
    if too_few.all():
        cross = f"no crosses: fewer than {MINIMUM_SEEDS} seeds"
    elif too_few.any():
        cross += f", where there are at least {MINIMUM_SEEDS}"
    sentences = [budget_sentence(methods), f"Large: mean over seeds; {cross}"]
    if (methods["kind"] == "oracle").any():
        sentences.append("Hollow: oracles, trained on true labels")
    sentences.append("Better: up, and left of the limit")
    return ". ".join(sentences) + "."


def _draw(data: pd.DataFrame, caption: str) -> Figure:
    tasks = sorted(data["task"].unique(), key=task_order)
    n_rows = -(-len(tasks) // _PANELS_PER_ROW)
    figure = new_figure(COLUMN_WIDTH, 1.15 + 1.7 * n_rows)
    n_columns = min(len(tasks), _PANELS_PER_ROW)
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in panels.flat[len(tasks) :]:
        axes.set_axis_off()
    for task, axes in zip(tasks, panels.flat, strict=False):
        _draw_panel(axes, data[data["task"] == task])
        axes.set_title(task_display(task), pad=10)
    for axes in panels[:, 0]:
        axes.set_ylabel("return per episode")
    for axes in panels.flat[max(len(tasks) - n_columns, 0) : len(tasks)]:
        axes.set_xlabel("cost per episode")
    _annotate(figure, data, caption)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    axes.axvline(panel.loc[panel["element"] == "cost_limit", "cost"].iloc[0], **LIMIT_LINE)
    for element in ("seed", "mean", "constrained_reference"):
        for row in panel[panel["element"] == element].to_dict("records"):
            _draw_point(axes, row, element)
    for row in panel[panel["element"] == "constrained_reference"].to_dict("records"):
        axes.plot(row["cost"], row["return"], **_RING)
    axes.margins(0.1)  # room for the ring
    references = panel[panel["element"].isin(["constrained_reference", "random_reference"])]
    if len(references) == 2:  # of a partial table, either may be missing
        _keep_scale(axes, references.set_index("element")["return"])
    axes.set_xlim(left=-0.04 * axes.get_xlim()[1])  # and for markers at a cost of 0
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=True, axis="x")
    for _, random in panel[panel["element"] == "random_reference"].iterrows():
        _tell_random(axes, random)
    if "n_seeds" in panel:
        _tell_seeds(axes, panel[panel["element"] == "mean"].to_dict("records"))


def _tell_seeds(axes: Axes, means: Sequence[dict[Hashable, Any]]) -> None:
    """Write the seeds of how many beside every mean, and which methods have none."""
    for row in means:
        if row["n_seeds"]:
            place = (row["cost"], row["return"])
            axes.annotate(seeds_text(row), place, (3, 3), textcoords="offset points", size=4.5)
    missing = [
        f"{method_named(row['method']).display} {seeds_text(row)}" for row in means if not row["n_seeds"]
    ]
    if missing:
        corner: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(0.98, 0.03, "\n".join(missing), size=4.5, color="#777777", bbox=BLANK, **corner)


def _keep_scale(axes: Axes, returns: "pd.Series[float]") -> None:
    """Widen the axis of returns to half the distance from random actions to the reference, if it is narrower.

    Otherwise returns that are all but equal would fill a panel.
    """
    distance = abs(returns["constrained_reference"] - returns["random_reference"])
    low, high = axes.get_ylim()
    missing = max(0.5 * distance - (high - low), 0.0)
    axes.set_ylim(low - missing / 2, high + missing / 2)


def _tell_random(axes: Axes, random: "pd.Series[Any]") -> None:
    """Say above the panel what random actions earn and cost, and mark them if they are in sight."""
    axes.autoscale(enable=False)
    axes.plot(random["cost"], random["return"], **_point(RANDOM_REFERENCE, "mean"))
    text = f"random: cost {random['cost']:.0f}, return {random['return']:z.1f}".replace("-", "−")
    axes.text(0.5, 1.03, text, transform=axes.transAxes, ha="center", size=5.5, color="#555555")


def _draw_point(axes: Axes, row: dict[Any, Any], element: str) -> None:
    axes.plot(row["cost"], row["return"], **_point(row["method"], element))
    if element == "mean" and not np.isnan(row["cost_low"]):
        colour = method_named(row["method"]).colour
        line: dict[str, Any] = {"color": colour, "linewidth": 0.9, "zorder": 2.8}
        axes.plot([row["cost_low"], row["cost_high"]], [row["return"]] * 2, **line)
        axes.plot([row["cost"]] * 2, [row["return_low"], row["return_high"]], **line)


def _point(method: str, element: str) -> dict[str, Any]:
    style = method_named(method)
    scale = 1.5 if style.marker == "*" else 1.0  # a star looks smaller than its box
    if element == "seed":
        size = {"markersize": _SEED_SIZE * scale, "alpha": 0.5, "markeredgewidth": 0, "zorder": 2}
        return {"linestyle": "none", "marker": style.marker, "color": style.colour, **size}
    return {
        "linestyle": "none",
        "marker": style.marker,
        "markersize": _MEAN_SIZE * scale,
        "color": style.colour,
        "markerfacecolor": "white" if method_named(method).kind == "oracle" else style.colour,
        "markeredgewidth": 0.8,
        "zorder": 3,
    }


def _annotate(figure: Figure, data: pd.DataFrame, caption: str) -> None:
    """Put the line on the budget above the panels and the key below."""
    put_caption(figure, caption, 66)
    methods = sorted(data.loc[data["element"] == "mean", "method"].unique(), key=method_order)
    key: dict[str, Any] = {
        method_named(name).display: Line2D([], [], **_point(name, "mean")) for name in methods
    }
    key |= _reference_key(data)
    labels, handles = list(key), list(key.values())
    figure.legend(handles, labels, ncols=2 if len(key) < 7 else 3, **KEY_BELOW)


def _reference_key(data: pd.DataFrame) -> dict[str, Any]:
    key: dict[str, Any] = {}
    for method in data.loc[data["element"] == "constrained_reference", "method"].unique():
        drawn = Line2D([], [], **_point(method, "mean")), Line2D([], [], **_RING)
        key[f"{method_named(method).display} (reference)"] = drawn
    limit = data.loc[data["element"] == "cost_limit", "cost"].iloc[0]
    key[f"cost limit {limit:g}"] = Line2D([], [], **LIMIT_LINE)
    return key
