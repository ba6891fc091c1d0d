"""The main figure: return, cost and CVaR of every method on every task."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safemil.catalogue import constrained_reference_of, method_named, method_order, task_display, task_order
from safemil.errors import UserError
from safemil.figures.seed_points import seed_points
from safemil.figures.style import (
    BLANK,
    COLUMN_WIDTH,
    LIMIT_LINE,
    REFERENCE_LINES,
    figure_style,
    new_figure,
    put_caption,
)
from safemil.protocol import COST_LIMIT, DEFAULT_VARIANT, RANDOM_REFERENCE, SECOND_REFERENCE
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.main_table import make_main_table
from safemil.statistics.scores import second_reference_tasks
from safemil.tables.captions import budget_sentence, is_partial, oracle_sentence, partial_mark
from safemil.tables.request import TableRun
from safemil.tables.text import seeds_text

QUANTITIES = {"return": "return", "cost": "cost", "cvar20": "CVaR@20 % of cost"}

PLOTTED_COLUMNS = [
    *["task", "source", "method", "variant", "quantity"],
    *["element", "seed", "value", "low", "high"],
]

# What a partial figure has besides: on means, how many seeds are finished of how many.
COUNT_COLUMNS = ["n_seeds", "n_configured"]

# Nullable integers, because only the points of single seeds have a seed.
_TYPES = {"seed": "Int64", "value": "float64", "low": "float64", "high": "float64"}

# Places within a method's slot on the axis, in units of the distance between two methods.
_SEED_OFFSET, _MEAN_OFFSET, _SEED_SPREAD = -0.18, 0.18, 0.12
_SEED_SIZE, _MEAN_SIZE = 2.6, 4.0

_LINES = {**REFERENCE_LINES, "cost_limit": LIMIT_LINE}
_ROLES = {
    "constrained_reference": "reference",
    "second_reference": "second reference",
    "random_reference": "return",
}


def make(run: TableRun, episodes: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Return the figure of all episodes, and its numbers."""
    return main_comparison(episodes, make_main_table(episodes, run.evaluation), cost_limit=run.limit)


def main_comparison(
    episodes: pd.DataFrame,
    table: pd.DataFrame,
    *,
    cost_limit: float = COST_LIMIT,
) -> tuple[Figure, pd.DataFrame]:
    """Draw return, cost and CVaR@20 % (rows) of each method on each task (columns).

    A small point per seed, a large one for the mean, its 95 % bootstrap interval where there are at least
    three seeds; the cost limit and the references as lines, which the source decides (`references`); where
    the constrained one does not keep the limit, BC-Safe as a second one. Hollow means are oracles. Default
    variants only: the others belong to the figures of the ablations. Units: undiscounted sums per episode.

    Of a partial table (`partial_table`) every configured method has its place, with its seeds of how many.

    Args:
        episodes: the rows that `table` was made of.
        table: as from `main_table`.
        cost_limit: drawn in the rows of the cost and its CVaR.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS` (and `COUNT_COLUMNS` of a partial
        table), where element is seed, mean, constrained_reference, second_reference, random_reference or
        cost_limit.

    Raises:
        UserError: there is nothing to draw, or the table was not made of these episodes.
    """
    shown = table[table["variant"] == DEFAULT_VARIANT]
    points = shown[shown["kind"] != "reference"]
    if points.empty:
        raise UserError("there is no method to draw", expected="a default variant of a learner or an oracle")
    parts = [
        _seed_points(episodes, points[points["n_seeds"] > 0]),
        _long(points, "mean"),
        *_reference_lines(shown[shown["n_seeds"] > 0], cost_limit),
        _limits(points, cost_limit),
    ]
    counts = dict.fromkeys(COUNT_COLUMNS if is_partial(table) else [], "Int64")
    columns, types = [*PLOTTED_COLUMNS, *counts], _TYPES | counts
    data = pd.concat([part.reindex(columns=columns).astype(types) for part in parts], ignore_index=True)
    caption = ". ".join(filter(None, [partial_mark(table), _caption(shown)]))
    with figure_style():
        return _draw(data, caption), data


def _reference_lines(shown: pd.DataFrame, cost_limit: float) -> list[pd.DataFrame]:
    is_constrained = shown["method"] == shown["source"].map(constrained_reference_of)
    has_second = shown["task"].isin(second_reference_tasks(shown, cost_limit=cost_limit))
    is_second = (shown["method"] == SECOND_REFERENCE) & has_second
    random = _long(shown[shown["method"] == RANDOM_REFERENCE], "random_reference")
    return [
        _long(shown[is_constrained], "constrained_reference"),
        _long(shown[is_second], "second_reference"),
        random[random["quantity"] == "return"],
    ]


def _caption(shown: pd.DataFrame) -> str:
    bars = f"Bars: {100 * CONFIDENCE:g} % bootstrap interval over seeds"
    finished = (shown["kind"] != "reference") & (shown["n_seeds"] > 0)
    too_few = shown.loc[finished, "n_seeds"] < MINIMUM_SEEDS
    if too_few.all():
        bars = f"No bars: fewer than {MINIMUM_SEEDS} seeds"
    elif too_few.any():
        bars += f", where there are at least {MINIMUM_SEEDS}"
    sentences = [budget_sentence(shown), bars]
    if oracle_sentence(shown):
        sentences.append(f"{oracle_sentence(shown)}: hollow points, right of the line")
    return ". ".join(sentences) + "."


def _long(rows: pd.DataFrame, element: str) -> pd.DataFrame:
    """Turn rows of the main table into one row per quantity."""
    parts = []
    counts = COUNT_COLUMNS if is_partial(rows) and element == "mean" else []
    for quantity in QUANTITIES:
        key = rows[["task", "source", "method", "variant", *counts]]
        part = key.assign(quantity=quantity, element=element)
        ends = {end: rows[f"{quantity}_{end}"] for end in ("low", "high")}
        parts.append(part.assign(seed=None, value=rows[quantity], **ends))
    return pd.concat(parts, ignore_index=True)


def _limits(points: pd.DataFrame, cost_limit: float) -> pd.DataFrame:
    tasks = points[["task", "source"]].drop_duplicates()
    parts = [tasks.assign(quantity=quantity, element="cost_limit") for quantity in ("cost", "cvar20")]
    limits = pd.concat(parts, ignore_index=True)
    return limits.assign(method=None, variant=None, seed=None, value=cost_limit, low=np.nan, high=np.nan)


def _seed_points(episodes: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    seeds = seed_points(episodes, points, list(QUANTITIES))
    key = [name for name in seeds.columns if name not in QUANTITIES]
    long = seeds.melt(id_vars=key, value_vars=list(QUANTITIES), var_name="quantity")
    return long.assign(element="seed", low=np.nan, high=np.nan)


def _draw(data: pd.DataFrame, caption: str) -> Figure:
    tasks = sorted(data["task"].unique(), key=task_order)
    methods = sorted(data.loc[data["element"] == "mean", "method"].unique(), key=method_order)
    panel_width = 0.5 + 0.17 * max(len(methods), 4)
    figure = new_figure(max(COLUMN_WIDTH, panel_width * len(tasks) + 0.3), 5.4)
    axes = figure.subplots(len(QUANTITIES), len(tasks), sharex=True, squeeze=False)
    for column, task in enumerate(tasks):
        axes[0, column].set_title(task_display(task), pad=20 if "n_seeds" in data else None)
        for row, quantity in enumerate(QUANTITIES):
            panel = data[(data["task"] == task) & (data["quantity"] == quantity)]
            _draw_panel(axes[row, column], panel, methods)
            if row == 0 and "n_seeds" in data:
                _tell_seeds(axes[row, column], panel, methods)
    for row, label in enumerate(QUANTITIES.values()):
        axes[row, 0].set_ylabel(f"{label} per episode" if label != QUANTITIES["cvar20"] else label)
    _label_methods(axes[-1], methods)
    _annotate(figure, data, caption)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame, methods: Sequence[str]) -> None:
    for element, line in _LINES.items():
        for value in panel.loc[panel["element"] == element, "value"]:
            axes.axhline(value, **line)
    for position, method in enumerate(methods):
        drawn = panel[panel["method"] == method]
        if drawn.empty:
            _mark_empty(axes, position, "not run")
        elif np.isnan(_mean_of(drawn)["value"]):
            _mark_empty(axes, position, seeds_text(_mean_of(drawn)), bbox=BLANK)
        else:
            _draw_method(axes, position, method, drawn)
    _separate_oracles(axes, methods)
    axes.set_xlim(-0.6, len(methods) - 0.4)
    if (panel["quantity"] != "return").all():
        axes.set_ylim(bottom=-0.06 * axes.get_ylim()[1])  # room for markers at a cost of 0


def _mean_of(drawn: pd.DataFrame) -> dict[Hashable, Any]:
    return drawn[drawn["element"] == "mean"].to_dict("records")[0]


def _mark_empty(axes: Axes, position: int, text: str, **style: Any) -> None:
    _write(axes, position, 0.5, text, va="center", size=5.5, color="#777777", **style)


def _tell_seeds(axes: Axes, panel: pd.DataFrame, methods: Sequence[str]) -> None:
    """Write above a panel how many seeds of each method are finished, of how many."""
    for position, method in enumerate(methods):
        drawn = panel[panel["method"] == method]
        if not drawn.empty:
            _write(axes, position, 1.02, seeds_text(_mean_of(drawn)), va="bottom", size=5)


def _write(axes: Axes, position: int, height: float, text: str, **style: Any) -> None:
    """Write upwards at a method's position, at a share of the panel's height."""
    place = axes.get_xaxis_transform()  # x in data, y in shares of the panel's height
    axes.text(position, height, text, transform=place, rotation=90, ha="center", **style)


def _draw_method(axes: Axes, position: int, method: str, drawn: pd.DataFrame) -> None:
    style = method_named(method)
    scale = 1.5 if style.marker == "*" else 1.0  # a star looks smaller than its box
    seeds = drawn.loc[drawn["element"] == "seed", "value"].to_numpy(dtype=float)
    spread = np.linspace(-_SEED_SPREAD, _SEED_SPREAD, len(seeds)) if len(seeds) > 1 else np.zeros(1)
    axes.plot(
        position + _SEED_OFFSET + spread,
        seeds,
        linestyle="none",
        marker=style.marker,
        markersize=_SEED_SIZE * scale,
        color=style.colour,
        alpha=0.5,
        markeredgewidth=0,
    )
    mean = _mean_of(drawn)
    ends = np.array([[mean["value"] - mean["low"]], [mean["high"] - mean["value"]]], dtype=float)
    hollow = method_named(method).kind == "oracle"
    axes.errorbar(
        [position + _MEAN_OFFSET],
        [mean["value"]],
        yerr=None if np.isnan(ends).any() else np.maximum(ends, 0.0),
        fmt=style.marker,
        markersize=_MEAN_SIZE * scale,
        color=style.colour,
        markerfacecolor="white" if hollow else style.colour,
        capsize=2.5,
        elinewidth=1.0,
        zorder=3,
    )


def _separate_oracles(axes: Axes, methods: Sequence[str]) -> None:
    learners = sum(method_named(method).kind == "learner" for method in methods)
    if 0 < learners < len(methods):
        axes.axvline(learners - 0.5, color="#BBBBBB", linewidth=0.6)


def _label_methods(bottom: Sequence[Axes], methods: Sequence[str]) -> None:
    for axes in bottom:
        names = [method_named(method).display for method in methods]
        axes.set_xticks(range(len(methods)), names, rotation=45, ha="right", rotation_mode="anchor")


def _annotate(figure: Figure, data: pd.DataFrame, caption: str) -> None:
    """Put the line on the budget above the panels and the key to lines and points below."""
    width = int(figure.get_figwidth() * 19)
    put_caption(figure, caption, width)
    handles = _legend_handles(data)
    columns = 2 if figure.get_figwidth() < 1.5 * COLUMN_WIDTH else len(handles)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _legend_handles(data: pd.DataFrame) -> list[Line2D]:
    def point(size: float, face: str, label: str) -> Line2D:
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": "#444444"}
        return Line2D([], [], markersize=size, markerfacecolor=face, label=label, **style)

    limit = data.loc[data["element"] == "cost_limit", "value"].iloc[0]
    handles = [point(_SEED_SIZE, "#444444", "one seed"), point(_MEAN_SIZE, "#444444", "mean of a learner")]
    if any(method_named(method).kind == "oracle" for method in data["method"].dropna()):
        handles.append(point(_MEAN_SIZE, "white", "mean of an oracle"))
    handles.append(Line2D([], [], label=f"cost limit {limit:g}", **LIMIT_LINE))
    for element, role in _ROLES.items():
        for method in data.loc[data["element"] == element, "method"].unique():
            label = f"{method_named(method).display} ({role})"
            handles.append(Line2D([], [], label=label, **_LINES[element]))
    return handles
