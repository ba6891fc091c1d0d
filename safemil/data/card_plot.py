"""The picture of a data card: each trajectory of the source in the cost x return plane.

Apart from `card.py`, so that nothing else of this room needs matplotlib. Colours are Okabe and Ito's, which
colour-blind readers can tell apart, and each set has a marker of its own.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle as Patch

from safemil.data.split import AppliedRectangle, BuiltSplit, EpisodeSums
from safemil.data.trajectories import IndexArray

_GREY = "#999999"
_BLUE = "#0072B2"
_ORANGE = "#E69F00"
_VERMILION = "#D55E00"


def _axes(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel("episode cost (undiscounted sum)")
    axes.set_ylabel("episode return (undiscounted sum)")
    return figure, axes


def _shade(axes: Axes, rectangles: tuple[AppliedRectangle, ...]) -> None:
    for number, area in enumerate(rectangles, start=1):
        if area.return_low is None or area.return_high is None:
            continue
        corner = (area.cost_low, area.return_low)
        width, height = area.cost_high - area.cost_low, area.return_high - area.return_low
        label = f"filter {number} (drops {len(area.dropped)})"
        hatch = ("//", "\\\\", "..")[number % 3]
        axes.add_patch(
            Patch(
                corner, width, height, facecolor=_GREY, edgecolor=_GREY, alpha=0.2, hatch=hatch, label=label
            )
        )


def plot_source(returns: EpisodeSums, costs: EpisodeSums, title: str) -> Figure:
    """Draw every trajectory of a source; returns and costs have shape (M,)."""
    figure, axes = _axes(title)
    axes.scatter(
        costs, returns, s=10, color=_BLUE, alpha=0.6, linewidths=0, label=f"trajectories, n = {len(costs)}"
    )
    axes.legend(fontsize="small")
    return figure


def plot_split(returns: EpisodeSums, costs: EpisodeSums, built: BuiltSplit, title: str) -> Figure:
    """Draw the source, the filter's rectangles, D_N and both parts of D_U; `returns` and `costs` are (M,)."""
    figure, axes = _axes(title)
    _shade(axes, built.rectangles)
    split = built.split
    drawn = np.concatenate([split.non_preferred, split.unlabelled])
    sets: tuple[tuple[str, IndexArray, str, str, float], ...] = (
        ("not drawn", np.setdiff1d(np.arange(len(costs)), drawn), _GREY, ".", 8),
        ("$D_U$, preferred", split.unlabelled[split.unlabelled_is_preferred], _BLUE, "o", 14),
        ("$D_U$, others", split.unlabelled[~split.unlabelled_is_preferred], _ORANGE, "s", 14),
        ("$D_N$, non-preferred", split.non_preferred, _VERMILION, "^", 18),
    )
    for name, indices, color, marker, size in sets:
        label = f"{name}, n = {len(indices)}"
        axes.scatter(
            costs[indices], returns[indices], s=size, c=color, marker=marker, linewidths=0, label=label
        )
    figure.legend(loc="outside right upper", fontsize="small")
    return figure
