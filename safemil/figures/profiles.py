"""The figure of performance profiles: which share of the runs reaches a return, or stays below a cost."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safemil.catalogue import method_named, task_display
from safemil.errors import UserError
from safemil.figures.style import TEXT_WIDTH, figure_style, new_figure, put_caption
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.over_tasks import cells_of
from safemil.statistics.profiles import PROFILED_SCORES, performance_profiles
from safemil.statistics.scores import relative_seed_scores
from safemil.tables.captions import budget_sentence, oracle_sentence
from safemil.tables.request import TableRun

_AXES = {
    "return_norm": ("Return", "normalised return, τ", "share of runs above τ"),
    "cost_diff": ("Cost", "cost − constrained reference, τ", "share of runs at most at τ"),
}
# Where the constrained reference stands.
_REFERENCES = {"return_norm": 1.0, "cost_diff": 0.0}
_WRAP = 130


def make(run: TableRun, episodes: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Return the figure of all episodes, and its numbers."""
    seeds = relative_seed_scores(episodes, cost_limit=run.limit)
    return profiles_figure(performance_profiles(seeds, run.evaluation), cells_of(seeds))


def profiles_figure(profiles: pd.DataFrame, cells: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the share of runs above a normalised return, and at most at a cost difference.

    In both panels the higher curve is the better one. Bands: pointwise 95 % intervals, where there are at
    least three seeds. Oracles are dashed, without a band.

    Args:
        profiles: as from `performance_profiles`.
        cells: as from `cells_of`, for the statement of the budget.

    Returns:
        The figure, and every number in it: the profiles as they were given.

    Raises:
        UserError: there is no profile to draw.
    """
    if profiles.empty:
        raise UserError(
            "there is no profile to draw", expected="a learner that was run on every task of the table"
        )
    with figure_style():
        return _draw(profiles, cells), profiles


def _draw(profiles: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    figure = new_figure(TEXT_WIDTH, 2.9)
    panels = figure.subplots(1, len(PROFILED_SCORES), sharey=True)
    for axes, score in zip(panels, PROFILED_SCORES, strict=True):
        _draw_panel(axes, profiles[profiles["score"] == score], score)
    caption = _caption(profiles, cells)
    put_caption(figure, caption, _WRAP)
    handles = [Line2D([], [], label=method_named(m).display, **_line(m)) for m in profiles["method"].unique()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))
    return figure


def _draw_panel(axes: Axes, drawn: pd.DataFrame, score: str) -> None:
    title, level, share = _AXES[score]
    axes.set_title(title)
    axes.set_xlabel(level)
    axes.set_ylabel(share)
    axes.set_ylim(-0.03, 1.03)
    axes.axvline(_REFERENCES[score], color="#8C8C8C", linewidth=0.8, zorder=1)
    if drawn.empty:
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", color="#777777")
    for number, (method, curve) in enumerate(drawn.groupby("method", sort=False)):
        _draw_curve(axes, str(method), curve, offset=number)


def _draw_curve(axes: Axes, method: str, curve: pd.DataFrame, offset: int) -> None:
    x, y = curve["threshold"].to_numpy(), curve["share"].to_numpy()
    # Markers of different methods at different places: curves often lie on each other.
    places = (3 * offset, len(x) // 6)
    axes.plot(x, y, drawstyle="steps-post", markevery=places, **_line(method))
    has_band = method_named(method).kind == "learner" and not curve["low"].isna().any()
    if has_band:
        low, high = curve["low"].to_numpy(), curve["high"].to_numpy()
        colour = method_named(method).colour
        axes.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)


def _line(method: str) -> dict[str, Any]:
    style, is_oracle = method_named(method), method_named(method).kind == "oracle"
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": 4.0 if style.marker == "*" else 3.0,
        "markerfacecolor": "white" if is_oracle else style.colour,
        "linestyle": (0, (3, 1.5)) if is_oracle else "-",
    }


def _caption(profiles: pd.DataFrame, cells: pd.DataFrame) -> str:
    shown = cells[cells["method"].isin(profiles["method"])]
    tasks = [task_display(task) for task in shown["task"].unique()]
    bands = f"Bands: pointwise {100 * CONFIDENCE:g} % bootstrap intervals over seeds"
    if profiles["n_seeds"].min() < MINIMUM_SEEDS:
        bands = f"No bands: fewer than {MINIMUM_SEEDS} seeds"
    sentences = [
        "Grey line: the constrained reference",
        f"A run is one task and seed; every task counts alike ({', '.join(tasks)})",
        budget_sentence(shown),
        bands,
    ]
    if oracle_sentence(shown):
        sentences.append(f"{oracle_sentence(shown)}: dashed, without a band")
    return ". ".join(sentences) + "."
