"""The figure of learned costs: learned and true cost along a safe and an unsafe episode of each task."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from safemil.catalogue import method_named, method_order, task_display, task_order
from safemil.errors import UserError
from safemil.figures.style import COLUMN_WIDTH, figure_style, new_figure, put_caption
from safemil.protocol import DEFAULT_VARIANT
from safemil.tables.request import TableRun

PLOTTED_COLUMNS = [
    *["task", "source", "episode", "source_index", "element", "method", "n_seeds"],
    *["environment_step", "value", "low", "high"],
]
EPISODES = ("safe", "unsafe")

# Steps of the moving mean of a learned cost: a thousand single steps are too many for half a column's width.
WINDOW = 20

# The edge keeps a cost of a single step from vanishing between two pixels.
_TRUE_COST: dict[str, Any] = {"facecolor": "#C8C8C8", "edgecolor": "#C8C8C8", "linewidth": 0.4}
# Told apart without colour as well.
_LINE_STYLES: dict[str, Any] = {
    "safemil": "-",
    "trex_wbc": (0, (4, 1.2)),
    "dwbc_nu": (0, (1, 1)),
    "safedice": (0, (5, 1, 1, 1)),
}
_OTHER_LINE_STYLE = (0, (5, 1, 1, 1, 1, 1))


def make(run: TableRun, traces: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:  # noqa: ARG001  # as of every maker
    """Return the figure of all traces, and its numbers."""
    return learned_cost_figure(traces)


def learned_cost_figure(traces: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw learned costs (lines) and the true cost (grey) over the steps of two episodes of each task (rows).

    A line is the mean over a method's seeds and its band their range, both after a moving mean over `WINDOW`
    steps of each seed; the true cost is that of each step. Default variants only. Costs are per step.

    Args:
        traces: as from `gather_traces`.

    Returns:
        The figure, and every number in it: columns `PLOTTED_COLUMNS`, element true_cost or learned_cost.

    Raises:
        UserError: there is nothing to draw.
    """
    shown = traces[traces["variant"] == DEFAULT_VARIANT]
    if shown.empty:
        raise UserError("there is no learned cost to draw", expected="a default variant of a method with one")
    data = _plotted(shown)
    with figure_style():
        return _draw(data, int(shown["step"].max())), data


def _plotted(traces: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for (task, episode), rows in traces.groupby(["task", "episode"], sort=True):
        first = rows.iloc[0]
        identity = {"task": task, "episode": episode, **first[["source", "source_index"]]}
        true = rows.groupby("environment_step")["cost"].first().rename("value").reset_index()
        parts.append(true.assign(element="true_cost", **identity))
        for method, runs in rows.groupby("method", sort=True):
            seeds = runs.pivot_table(index="environment_step", columns="seed", values="learned_cost")
            learned = _summary(seeds).assign(element="learned_cost", method=method)
            parts.append(learned.assign(n_seeds=seeds.shape[1], **identity))
    data = pd.concat(parts, ignore_index=True)
    return data[PLOTTED_COLUMNS].astype({"n_seeds": "Int64"})


def _summary(values: pd.DataFrame) -> pd.DataFrame:
    """Return mean and range over columns of the moving mean over rows; shorter windows at both ends."""
    smooth = values.rolling(WINDOW, center=True, min_periods=1).mean()
    columns = {"value": smooth.mean(axis=1), "low": smooth.min(axis=1), "high": smooth.max(axis=1)}
    return pd.DataFrame(columns).reset_index()


def _draw(data: pd.DataFrame, steps: int) -> Figure:
    tasks = sorted(data["task"].unique(), key=task_order)
    figure = new_figure(COLUMN_WIDTH, 1.0 + 1.15 * len(tasks))
    panels = figure.subplots(len(tasks), len(EPISODES), sharex="row", sharey="row", squeeze=False)
    methods = sorted(data["method"].dropna().unique(), key=method_order)
    for task, row in zip(tasks, panels, strict=True):
        drawn = data[data["task"] == task]
        for episode, axes in zip(EPISODES, row, strict=True):
            _draw_panel(axes, drawn[drawn["episode"] == episode], episode, methods)
        row[0].set_xlim(0, drawn["environment_step"].max())
        # Room beyond 0 and 1, where a saturated cost would otherwise hide behind the frame.
        highest = max(1.0, drawn[["value", "high"]].max(axis=None))
        row[0].set_ylim(min(0.0, drawn["low"].min()) - 0.06 * highest, 1.08 * highest)
        row[0].set_ylabel(f"{task_display(task)}\ncost per step")
    for axes in panels[-1]:
        axes.set_xlabel("environment step")
    _annotate(figure, data, methods, steps)
    return figure


def _draw_panel(axes: Axes, drawn: pd.DataFrame, episode: str, methods: list[str]) -> None:
    if drawn.empty:
        axes.set_title(f"{episode}: no episode held out")
        return
    true = drawn[drawn["element"] == "true_cost"]
    axes.set_title(f"{episode}, cost {true['value'].sum():g}")
    axes.fill_between(true["environment_step"], true["value"], step="mid", **_TRUE_COST)
    for method in methods:
        line, style = drawn[drawn["method"] == method], _line(method)
        x = line["environment_step"]
        axes.fill_between(x, line["low"], line["high"], color=style["color"], alpha=0.25, linewidth=0)
        axes.plot(x, line["value"], **style)


def _line(method: str) -> dict[str, Any]:
    linestyle = _LINE_STYLES.get(method, _OTHER_LINE_STYLE)
    return {"color": method_named(method).colour, "linestyle": linestyle, "linewidth": 0.9}


def _annotate(figure: Figure, data: pd.DataFrame, methods: list[str], steps: int) -> None:
    """Say above the panels what is drawn, and put the key below."""
    seeds = data["n_seeds"].dropna()
    number = " to ".join(str(n) for n in sorted({int(seeds.min()), int(seeds.max())}))
    caption = (
        f"Source {', '.join(sorted(data['source'].unique()))}; held-out episodes, nearest to the median cost "
        f"of their class. Lines: learned cost after {steps:,} gradient steps, moving mean over {WINDOW} "
        f"environment steps, mean of {number} seed{'s' if seeds.max() > 1 else ''}; bands: their range. "
        "Scales are the methods' own."
    )
    put_caption(figure, caption, 64)
    handles: list[Any] = [Patch(label="true cost", **_TRUE_COST)]
    handles += [Line2D([], [], label=method_named(name).display, **_line(name)) for name in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
