"""Claims 4, 5 and 6: what bag size, segment length and weighting do."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from safemil.catalogue import task_display
from safemil.claims.inputs import Ablation, ClaimInputs
from safemil.claims.parts import Claim, Judge, Part, Sample, aside, nothing
from safemil.records.completeness import check_equal

TASK = "swimmer_velocity"
ALIKE_TASKS = ("swimmer_velocity", "point_goal1")
BAG_SIZE, SEGMENT_LENGTH, WEIGHTING = "k", "h", "weighting"

# The paper's K ablation keeps the number of bags, so that a larger K is a larger batch as well; the other
# series keeps the number of segments per step.
FIXED_BAGS = "number of bags fixed"
FIXED_SEGMENTS = "number of segments fixed"

LENGTHS = ("1", "5", "10")
TRAJECTORY, STATE_ACTION = "trajectory", "state-action"

# A line through fewer points says nothing about a trend.
_MINIMUM_SIZES = 3

Cells = dict[str, tuple[str, str]]


def falls_with_bag_size(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 4: cost falls with K, from some K on near the constrained cost; return stays level."""
    statement = (
        "On Swimmer-Velocity cost falls with K and is near 0 from "
        f"K = {judge.claims.near_zero_from} on, while return stays level."
    )
    ablation = inputs.ablations.get(BAG_SIZE)
    cells = _by_number(ablation.variants(TASK, FIXED_BAGS)) if ablation else {}
    if ablation is None or not cells:
        nothing_there = nothing("cost by K", f"the ablation {BAG_SIZE} was not run")
        return Claim(4, statement, (judge.decide(nothing_there, judge.cost_below_zero()),))
    parts = [_slope(ablation, judge, cells, FIXED_BAGS)]
    parts += _near_zero(ablation, judge, cells)
    parts += _level_return(ablation, judge, cells)
    beside = _by_number(ablation.variants(TASK, FIXED_SEGMENTS))
    parts += aside([_slope(ablation, judge, beside, FIXED_SEGMENTS)]) if beside else ()
    return Claim(4, statement, tuple(parts))


def _by_number(cells: Cells) -> Cells:
    """Return the cells by number, ascending: `128.0` is `128`, and what is no number is left out."""
    numbers = pd.to_numeric(pd.Series(list(cells), index=list(cells), dtype=str), errors="coerce").dropna()
    return {f"{number:g}": cells[str(x)] for x, number in numbers.sort_values().items()}


def _slope(ablation: Ablation, judge: Judge, cells: Cells, series: str) -> Part:
    statement = f"{task_display(TASK)}, {series}: change of cost for each doubling of K (line through all K)"
    bound = judge.cost_below_zero()
    if len(cells) < _MINIMUM_SIZES:
        reason = f"{len(cells)} values of K, fewer than {_MINIMUM_SIZES}"
        return judge.decide(nothing(statement, reason), bound)
    frames = [ablation.scores.cell(TASK, *cell) for cell in cells.values()]
    check_equal(pd.concat(frames), "step", "gradient steps")
    seeds = sorted(set.intersection(*(set(frame.index) for frame in frames)))
    if not seeds:
        return judge.decide(nothing(statement, "the values of K have no seed in common"), bound)
    costs = np.array([frame.loc[seeds, "cost"].to_numpy(dtype=np.float64) for frame in frames])
    doublings = np.log2([float(x) for x in cells])
    slopes = np.polyfit(doublings, costs, deg=1)[0]
    rows = tuple(ablation.scores.rows(TASK, *cell, seeds) for cell in cells.values())
    return judge.decide(Sample(statement, slopes, rows), bound)


def _near_zero(ablation: Ablation, judge: Judge, cells: Cells) -> Iterator[Part]:
    start = judge.claims.near_zero_from
    large = {x: cell for x, cell in cells.items() if float(x) >= start}
    if not large:
        yield judge.decide(
            nothing(f"C − C_con from K = {start} on", "no such K was run"), judge.cost_at_most()
        )
    for x, cell in large.items():
        statement = f"{task_display(TASK)}: C − C_con at K = {x}"
        yield judge.decide(ablation.scores.single(TASK, cell, "cost_diff", statement), judge.cost_at_most())


def _level_return(ablation: Ablation, judge: Judge, cells: Cells) -> Iterator[Part]:
    *smaller, largest = cells
    for x in smaller:
        statement = f"{task_display(TASK)}: normalised return at K = {x} − at K = {largest}"
        sample = ablation.scores.paired(TASK, cells[x], cells[largest], "return_norm", statement)
        yield judge.decide(sample, judge.return_within())


def level_in_length(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 5: the costs at any two of the paper's segment lengths are within the margin."""
    parts = []
    for pair in combinations(reversed(LENGTHS), 2):
        text = f"{task_display(TASK)}: cost at H = {pair[0]} − at H = {pair[1]}"
        parts.append(_alike(inputs, judge, SEGMENT_LENGTH, TASK, pair, "cost", text))
    return Claim(5, "On Swimmer-Velocity cost is level in H = 1, 5, 10 at K = 128.", tuple(parts))


def alike_in_weighting(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 6: either weighting gives the same cost and return, up to the margins."""
    statement = (
        "Weighting trajectories and weighting state-action pairs are alike on Swimmer-Velocity and "
        "Point-Goal1."
    )
    pair, parts = (TRAJECTORY, STATE_ACTION), []
    for task in ALIKE_TASKS:
        for score, name in (("cost", "cost"), ("return_norm", "normalised return")):
            text = f"{task_display(task)}: {name}, {TRAJECTORY} − {STATE_ACTION}"
            parts.append(_alike(inputs, judge, WEIGHTING, task, pair, score, text))
    return Claim(6, statement, tuple(parts))


def _alike(
    inputs: ClaimInputs,
    judge: Judge,
    name: str,
    task: str,
    pair: tuple[str, str],
    score: str,
    statement: str,
) -> Part:
    """Return whether a score is the same at two values of an ablation, up to the margin."""
    bound = judge.return_within() if score == "return_norm" else judge.cost_within()
    ablation = inputs.ablations.get(name)
    if ablation is None:
        return judge.decide(nothing(statement, f"the ablation {name} was not run"), bound)
    cells = ablation.variants(task)
    cells = _by_number(cells) if name == SEGMENT_LENGTH else cells
    absent = [x for x in pair if x not in cells]
    if absent:
        reason = f"the ablation has no {' and no '.join(absent)} on {task_display(task)}"
        return judge.decide(nothing(statement, reason), bound)
    first, second = (cells[x] for x in pair)
    return judge.decide(ablation.scores.paired(task, first, second, score, statement), bound)
