"""The figure of an ablation: cost and return against the varied setting, one curve per series and method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from safemil.catalogue import constrained_reference_of, method_named, task_display
from safemil.errors import UserError
from safemil.figures.style import COLUMN_WIDTH, figure_style, new_figure, put_caption
from safemil.plan.ablation_cells import ShownPoint
from safemil.plan.ablations import Ablation
from safemil.protocol import COST_LIMIT, DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.statistics.ablation import ablation_table
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.main_table import make_main_table
from safemil.statistics.scores import seed_scores
from safemil.tables.captions import budget_sentence
from safemil.tables.request import TableRun

QUANTITIES = {"cost": "cost per episode", "return": "return per episode"}
PLOTTED_COLUMNS = [
    *["task", "source", "method", "variant", "series", "x", "position", "quantity"],
    *["element", "seed", "value", "low", "high"],
]
_TYPES = {"seed": "Int64", "value": "float64", "low": "float64", "high": "float64", "position": "float64"}

# Line style and face of the markers of the first, second, ... series of one method.
_SERIES_STYLES: tuple[tuple[Any, bool], ...] = (("-", True), ((0, (4, 2)), False), (":", True))
_CON_LINE: dict[str, Any] = {"color": "#8C8C8C", "linestyle": "-", "linewidth": 1.6, "zorder": 1}
_LIMIT_LINE: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 0.8, "zorder": 1.5}
_RANDOM_LINE: dict[str, Any] = {"color": "#8C8C8C", "linestyle": ":", "linewidth": 1.4, "zorder": 1}
# Curves that share a value of x are drawn side by side, this many inches apart.
_DODGE = 0.07


def make(
    run: TableRun,
    episodes: pd.DataFrame,
    ablation: Ablation,
    points: Sequence[ShownPoint],
    tasks: Sequence[str],
) -> tuple[Figure, pd.DataFrame]:
    """Return the figure of the episodes of an ablation, and its numbers."""
    scores = make_main_table(episodes, run.evaluation)
    table = ablation_table(scores, points, tasks)
    return ablation_figure(episodes, table, scores, ablation, cost_limit=run.limit)


def ablation_figure(
    episodes: pd.DataFrame,
    table: pd.DataFrame,
    references: pd.DataFrame,
    ablation: Ablation,
    *,
    cost_limit: float = COST_LIMIT,
) -> tuple[Figure, pd.DataFrame]:
    """Draw cost and return (rows) on each task (columns) against the varied setting.

    A small point per seed; a line through the means with their 95 % bootstrap intervals where there are
    at least three seeds; the cost limit and the references as lines.

    Args:
        episodes: the rows that `table` was made of.
        table: as from `ablation_table`.
        references: the main table of the same episodes, of which the references are drawn.
        ablation: title, axis and scale.
        cost_limit: drawn in the row of the cost.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS`.

    Raises:
        UserError: there is nothing to draw.
    """
    if table.empty:
        raise UserError("there is no point to draw", expected="rows of the ablation's table")
    points = table.assign(position=_positions(table, ablation))
    default = references[references["variant"] == DEFAULT_VARIANT]
    constrained = default["method"] == default["source"].map(constrained_reference_of)
    lines = [
        _long(rows[rows["task"].isin(table["task"])], element).assign(series=None, x=None, position=None)
        for rows, element in (
            (default[constrained], "constrained_reference"),
            (default[default["method"] == RANDOM_REFERENCE], "random_reference"),
        )
    ]
    parts = [_seed_points(episodes, points), _long(points, "mean"), *lines]
    drawn = [part[PLOTTED_COLUMNS].astype(_TYPES) for part in parts if not part.empty]
    data = pd.concat(drawn, ignore_index=True)
    caption = f"{ablation.title}. {budget_sentence(table)}. {_bars(table)}."
    with figure_style():
        figure = _draw(data, ablation, caption, cost_limit)
    return figure, data


def _bars(table: pd.DataFrame) -> str:
    if (table["n_seeds"] < MINIMUM_SEEDS).all():
        return f"No bars: fewer than {MINIMUM_SEEDS} seeds"
    return f"Bars: {100 * CONFIDENCE:g} % bootstrap interval over seeds"


def _positions(table: pd.DataFrame, ablation: Ablation) -> pd.Series:
    """Return where each row stands on the axis: its x, or for categories their order of appearance."""
    if ablation.scale != "categories":
        return table["x"].astype(float)
    order = {x: place for place, x in enumerate(dict.fromkeys(table["x"]))}
    return table["x"].map(order).astype(float)


def _long(rows: pd.DataFrame, element: str) -> pd.DataFrame:
    parts = []
    for quantity in QUANTITIES:
        ends = {end: rows[f"{quantity}_{end}"] for end in ("low", "high")}
        parts.append(rows.assign(quantity=quantity, element=element, seed=None, value=rows[quantity], **ends))
    return pd.concat(parts, ignore_index=True)


def _seed_points(episodes: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    key = ["task", "source", "method", "variant", "step"]
    kept = points[[*key, "series", "x", "position"]]
    seeds = kept.merge(seed_scores(episodes), on=key, how="left", validate="many_to_many")
    long = seeds.melt(
        id_vars=[*kept.columns, "seed"], value_vars=list(QUANTITIES), var_name="quantity", value_name="value"
    )
    return long.assign(element="seed", low=np.nan, high=np.nan)


def _draw(data: pd.DataFrame, ablation: Ablation, caption: str, cost_limit: float) -> Figure:
    tasks = list(dict.fromkeys(data.loc[data["element"] == "mean", "task"]))
    figure = new_figure(max(COLUMN_WIDTH, 2.4 * len(tasks)), 4.2)
    axes = figure.subplots(len(QUANTITIES), len(tasks), sharex=True, squeeze=False)
    curves = _curves(data)
    for column, task in enumerate(tasks):
        axes[0, column].set_title(task_display(task))
        for row, quantity in enumerate(QUANTITIES):
            panel = data[(data["task"] == task) & (data["quantity"] == quantity)]
            _draw_panel(axes[row, column], panel, curves, cost_limit if quantity == "cost" else None)
            _label_values(axes[row, column], data, ablation)
        axes[-1, column].set_xlabel(ablation.axis)
    for row, label in enumerate(QUANTITIES.values()):
        axes[row, 0].set_ylabel(label)
    width = int(figure.get_figwidth() * 19)
    put_caption(figure, caption, width)
    figure.legend(handles=_legend(data, curves, cost_limit), loc="outside lower center", ncols=2)
    return figure


def _curves(data: pd.DataFrame) -> list[tuple[str, str]]:
    means = data[data["element"] == "mean"]
    return list(dict.fromkeys(zip(means["series"], means["method"], strict=True)))


def _curve_style(curves: Sequence[tuple[str, str]], place: int) -> dict[str, Any]:
    series, method = curves[place]
    style = method_named(method)
    number = list(dict.fromkeys(name for name, each in curves if each == method)).index(series)
    line, filled = _SERIES_STYLES[number % len(_SERIES_STYLES)]
    colour = style.colour if number == 0 else "#0072B2"
    face = colour if filled else "white"
    return {"linestyle": line, "marker": style.marker, "color": colour, "markerfacecolor": face}


def _draw_panel(
    axes: Axes, panel: pd.DataFrame, curves: Sequence[tuple[str, str]], cost_limit: float | None
) -> None:
    for element, line in (("constrained_reference", _CON_LINE), ("random_reference", _RANDOM_LINE)):
        if element == "random_reference" and cost_limit is not None:
            continue
        for value in panel.loc[panel["element"] == element, "value"]:
            axes.axhline(value, **line)
    if cost_limit is not None:
        axes.axhline(cost_limit, **_LIMIT_LINE)
    axes.set_xmargin(0.025 * max(2, len(curves)))  # room for the points that stand beside their place
    for place, (series, method) in enumerate(curves):
        rows = panel[(panel["series"] == series) & (panel["method"] == method)]
        shift = _DODGE * (place - (len(curves) - 1) / 2)
        _draw_curve(axes, rows, _curve_style(curves, place), shift)


def _draw_curve(axes: Axes, rows: pd.DataFrame, style: dict[str, Any], shift: float) -> None:
    offset = ScaledTranslation(shift, 0, axes.figure.dpi_scale_trans)
    transform = axes.transData + offset
    means, seeds = (rows[rows["element"] == element] for element in ("mean", "seed"))
    axes.plot(
        seeds["position"],
        seeds["value"],
        linestyle="none",
        marker="o",
        markersize=2.6,
        color=style["color"],
        alpha=0.45,
        markeredgewidth=0,
        transform=transform,
    )
    # Categories have no between: their points are not joined.
    joined = {} if means["x"].map(lambda x: isinstance(x, int | float)).all() else {"linestyle": "none"}
    axes.plot(
        means["position"], means["value"], markersize=4.5, transform=transform, zorder=3, **(style | joined)
    )
    bars = means.dropna(subset=["low", "high"])
    axes.vlines(
        bars["position"], bars["low"], bars["high"], color=style["color"], linewidth=1, transform=transform
    )
    axes.update_datalim(rows[["position", "value"]].to_numpy(dtype=float))
    axes.autoscale_view()


def _label_values(axes: Axes, data: pd.DataFrame, ablation: Ablation) -> None:
    means = data[data["element"] == "mean"].drop_duplicates("position").sort_values("position")
    if ablation.scale == "log":
        axes.set_xscale("log", base=2)
    labels = [f"{x:g}" if isinstance(x, int | float) else str(x) for x in means["x"]]
    axes.set_xticks(means["position"].to_list(), labels)
    axes.minorticks_off()
    if ablation.scale == "categories":
        axes.set_xlim(-0.5, len(means) - 0.5)


def _legend(data: pd.DataFrame, curves: Sequence[tuple[str, str]], cost_limit: float) -> list[Line2D]:
    methods = {method for _, method in curves}
    handles = []
    for place, (series, method) in enumerate(curves):
        label = series if len(methods) == 1 else method_named(method).display
        handles.append(Line2D([], [], label=label, markersize=4.5, **_curve_style(curves, place)))
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.6, "color": "#444444"}
    handles += [
        Line2D([], [], label="one seed", **dot),
        Line2D([], [], label=f"cost limit {cost_limit:g}", **_LIMIT_LINE),
    ]
    for element, line, note in (
        ("constrained_reference", _CON_LINE, "reference"),
        ("random_reference", _RANDOM_LINE, "return"),
    ):
        names = data.loc[data["element"] == element, "method"].unique()
        handles += [Line2D([], [], label=f"{method_named(name).display} ({note})", **line) for name in names]
    return handles
