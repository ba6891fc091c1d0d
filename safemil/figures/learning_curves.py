"""The figure of learning curves: return and cost of every method over the steps of its training."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from safemil.catalogue import method_named, method_order, task_display, task_order
from safemil.errors import UserError
from safemil.figures.style import (
    COLUMN_WIDTH,
    KEY_BELOW,
    LIMIT_LINE,
    REFERENCE_LINES,
    figure_style,
    new_figure,
    put_caption,
)
from safemil.protocol import DEFAULT_VARIANT
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import QUANTITIES, check_same_runs, curve_means, reference_means, without_curve
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.tables.captions import amount
from safemil.tables.request import TableRun

PLOTTED_COLUMNS = [
    *["task", "source", "method", "variant", "quantity", "element", "step"],
    *["n_seeds", "n_episodes", "value", "low", "high"],
]
_TYPES = dict.fromkeys(("step", "n_seeds", "n_episodes"), "Int64")
_BAND_ALPHA = 0.1  # seven of them lie over each other
_MARKERS = 7  # at most, along one line
_NAMES = {"constrained_reference": "reference", "random_reference": "return"}


def make(run: TableRun, curves: pd.DataFrame, episodes: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Return the figure of all curves and of the episodes at their ends, and its numbers."""
    return learning_curves(curves, episodes, run.evaluation)


def learning_curves(
    curves: pd.DataFrame, finals: pd.DataFrame, settings: EvaluationSettings
) -> tuple[Figure, pd.DataFrame]:
    """Draw return and cost (columns) over the policy's gradient steps, for each task (rows).

    A line per method, the mean over its seeds, with its 95 % bootstrap interval as a band where there are at
    least three. Default variants only. Lines for the cost limit, the constrained reference and the return of
    random actions. Methods without a learning curve are named in the caption. Units: undiscounted sums
    per episode.

    Args:
        curves: episodes of learning curves.
        finals: episodes of final policies and references.
        settings: cost limit and bootstrap.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS`, where element is curve,
        constrained_reference, random_reference or cost_limit.

    Raises:
        UserError: there is nothing to draw, the rows are not valid or not comparable, or the episodes of
            curves and of final policies are of different runs.
    """
    shown = curves[curves["variant"] == DEFAULT_VARIANT]
    if shown.empty:
        raise UserError(
            "there is no learning curve to draw", expected="a default variant of a trained method"
        )
    check_same_runs(shown, finals)
    means = curve_means(
        shown, n_resamples=settings.bootstrap_resamples, bootstrap_seed=settings.bootstrap_seed
    )
    tasks = sorted(means["task"].unique(), key=task_order)
    lines = _reference_rows(finals[finals["task"].isin(tasks)], settings.cost_limit)
    parts = [_curve_rows(means), *lines]
    data = pd.concat([part.reindex(columns=PLOTTED_COLUMNS).astype(_TYPES) for part in parts])
    data = data.reset_index(drop=True)
    caption = _caption(means, without_curve(shown, finals[finals["task"].isin(tasks)]))
    with figure_style():
        return _draw(data, tasks, caption), data


def _curve_rows(means: pd.DataFrame) -> pd.DataFrame:
    shared = [*["task", "source", "method", "variant", "step"], "n_seeds", "n_episodes"]
    parts = [
        means[shared].assign(
            quantity=quantity,
            element="curve",
            value=means[quantity],
            low=means[f"{quantity}_low"],
            high=means[f"{quantity}_high"],
        )
        for quantity in QUANTITIES
    ]
    return pd.concat(parts, ignore_index=True)


def _reference_rows(finals: pd.DataFrame, cost_limit: float) -> list[pd.DataFrame]:
    references = reference_means(finals).assign(variant=DEFAULT_VARIANT)
    shared = ["task", "source", "method", "variant", "element"]
    lines = references.melt(shared, list(QUANTITIES), "quantity", "value")
    # The cost of random actions says nothing, as in the main figure.
    is_cost_of_random = (lines["element"] == "random_reference") & (lines["quantity"] == "cost")
    limits = references[["task", "source"]].drop_duplicates()
    return [
        lines[~is_cost_of_random],
        limits.assign(quantity="cost", element="cost_limit", value=cost_limit),
    ]


def _caption(means: pd.DataFrame, missing: pd.DataFrame) -> str:
    enough = means["n_seeds"] >= MINIMUM_SEEDS
    bands = f"bands: {100 * CONFIDENCE:g} % bootstrap interval over seeds"
    if not enough.any():
        bands = f"no bands: fewer than {MINIMUM_SEEDS} seeds"
    elif not enough.all():
        bands += f", where there are at least {MINIMUM_SEEDS}"
    budget = f"{amount(means['n_seeds'], 'seed')} × {amount(means['n_episodes'], 'episode')}"
    sentences = [
        f"Source {', '.join(sorted(means['source'].unique()))}. Each point: {budget}, mean action",
        f"Lines: mean over seeds; {bands}",
    ]
    if (means["kind"] == "oracle").any():
        sentences.append("Hollow: oracles, trained on true labels")
    if not missing.empty:
        sentences.append(f"No curve: {_names(missing, means['task'].nunique())}")
    return ". ".join(sentences) + "."


def _names(missing: pd.DataFrame, n_tasks: int) -> str:
    """Name methods, with their tasks where they lack a curve on some only."""
    names = []
    for method, rows in missing.groupby("method", sort=False):
        name = method_named(str(method)).display
        tasks = ", ".join(task_display(task) for task in rows["task"])
        names.append(name if len(rows) == n_tasks else f"{name} ({tasks})")
    return "; ".join(names)


def _draw(data: pd.DataFrame, tasks: list[str], caption: str) -> Figure:
    methods = sorted(data.loc[data["element"] == "curve", "method"].unique(), key=method_order)
    figure = new_figure(COLUMN_WIDTH, 1.5 + (1.4 if len(tasks) < 4 else 1.2) * len(tasks))
    panels = figure.subplots(len(tasks), len(QUANTITIES), sharex=True, squeeze=False)
    for task, row in zip(tasks, panels, strict=True):
        for quantity, axes in zip(QUANTITIES, row, strict=True):
            _draw_panel(axes, data[(data["task"] == task) & (data["quantity"] == quantity)], methods)
        row[0].set_ylabel(task_display(task))
        row[1].set_ylim(bottom=-0.04 * row[1].get_ylim()[1])  # room for markers at a cost of 0
    for axes, quantity in zip(panels[0], QUANTITIES, strict=True):
        axes.set_title(f"{quantity} per episode")
    for axes in panels[-1]:
        axes.set_xlabel("gradient steps")
    _annotate(figure, data, methods, caption)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame, methods: list[str]) -> None:
    for element, line in (*REFERENCE_LINES.items(), ("cost_limit", LIMIT_LINE)):
        for value in panel.loc[panel["element"] == element, "value"]:
            axes.axhline(value, **line)
    for place, method in enumerate(methods):
        curve = panel[(panel["element"] == "curve") & (panel["method"] == method)]
        if curve.empty:
            continue
        steps = curve["step"].to_numpy(dtype=float)
        low, value, high = (curve[name].to_numpy(dtype=float) for name in ("low", "value", "high"))
        if not np.isnan(low).any():
            axes.fill_between(
                steps,
                low,
                high,
                color=method_named(method).colour,
                alpha=_BAND_ALPHA,
                linewidth=0,
                zorder=1.8,
            )
        every = -(-len(steps) // _MARKERS)  # markers of one method stand beside those of the next
        axes.plot(steps, value, **_line(method), markevery=(place % every, every))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _line(method: str) -> dict[str, Any]:
    style = method_named(method)
    hollow = method_named(method).kind == "oracle"
    return {
        "color": style.colour,
        "linewidth": 0.9,
        "linestyle": (0, (3, 1.2)) if hollow else "-",
        "marker": style.marker,
        "markersize": 4.2 if style.marker == "*" else 2.8,
        "markerfacecolor": "white" if hollow else style.colour,
        "markeredgewidth": 0.6,
    }


def _annotate(figure: Figure, data: pd.DataFrame, methods: list[str], caption: str) -> None:
    """Put what the numbers are above the panels and the key below."""
    put_caption(figure, caption, 66)
    handles = [Line2D([], [], label=method_named(name).display, **_line(name)) for name in methods]
    limit = data.loc[data["element"] == "cost_limit", "value"].iloc[0]
    handles.append(Line2D([], [], label=f"cost limit {limit:g}", **LIMIT_LINE))
    for element, role in _NAMES.items():
        for method in data.loc[data["element"] == element, "method"].unique():
            label = f"{method_named(method).display} ({role})"
            handles.append(Line2D([], [], label=label, **REFERENCE_LINES[element]))
    figure.legend(handles=handles, ncols=2 if len(handles) < 7 else 3, **KEY_BELOW)
