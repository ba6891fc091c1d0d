"""Claims 8 and 9: what the learned cost knows, and what simulation says about the theory."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from safemil.catalogue import task_display, task_order
from safemil.claims.inputs import ClaimInputs, Table
from safemil.claims.parts import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_MEASURED,
    Bound,
    Claim,
    Judge,
    Part,
    Rows,
)
from safemil.protocol import DEFAULT_VARIANT
from safemil.statistics.improvement import SUBJECT
from safemil.statistics.intervals import CONFIDENCE
from safemil.tasks import paper_tasks
from safemil.theory.bags import COST_LAWS
from safemil.theory.table import LEMMA, THEOREM, exact_interval, outside

_AUROCS = {"step_auroc": "step AUROC", "trajectory_auroc": "episode AUROC"}
_CORRELATIONS = {
    "step_spearman": "step rank correlation",
    "trajectory_spearman": "episode rank correlation",
}
# The law of costs under which Theorem 1 is stated.
_ASSUMED_COSTS = "equal"


def recovers_costs(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 8: AUROC from the threshold on, rank correlation above 0, on the paper's tasks.

    Rank correlations have no threshold of their own: their largest possible value depends on how rare costs
    are.
    """
    statement = "The learned cost recovers true per-step costs."
    table = inputs.learned_cost
    rows = pd.DataFrame() if table is None else _own_rows(table.frame)
    if table is None or rows.empty:
        reason = "no learned cost of SafeMIL was scored"
        return Claim(8, statement, (Part("step and episode AUROC", "", NOT_MEASURED, reason=reason),))
    parts = [part for row in rows.to_dict("records") for part in _cost_parts(table, row, judge)]
    return Claim(8, statement, tuple(sorted(parts, key=lambda part: not part.decides)))


def _own_rows(frame: pd.DataFrame) -> pd.DataFrame:
    is_own = (frame["method"] == SUBJECT) & (frame["variant"] == DEFAULT_VARIANT)
    own = frame[is_own & frame["task"].isin(paper_tasks())]
    order = sorted(range(len(own)), key=lambda i: task_order(own["task"].iloc[i]))
    return own.iloc[order]


def _cost_parts(table: Table, row: dict[Any, Any], judge: Judge) -> Iterator[Part]:
    threshold = judge.claims.auroc
    recovered = Bound(f"interval at least {threshold:g}", low=threshold)
    above_chance = Bound("interval above 0", low=0.0, strict=True)
    bounds = {**dict.fromkeys(_AUROCS, recovered), **dict.fromkeys(_CORRELATIONS, above_chance)}
    key = ("task", "source", "held_out", "method", "variant", "step")
    for score, name in {**_AUROCS, **_CORRELATIONS}.items():
        part = Part(
            f"{task_display(row['task'])}, held out {row['held_out']}: {name}",
            bounds[score].text,
            NOT_MEASURED,
            n=int(row["n_seeds"]),
            rows=(Rows(table.file, {**{name: row[name] for name in key}, "column": score}, 1),),
            decides=row["held_out"] == judge.claims.held_out,
        )
        if math.isnan(row[score]):
            yield replace(part, reason=f"undefined: {row[f'{score}_missing']}")
        else:
            ends = row[f"{score}_low"], row[f"{score}_high"]
            yield judge.judge(part, row[score], *ends, bounds[score])


def theory_by_simulation(inputs: ClaimInputs, judge: Judge) -> Claim:
    """Return claim 9: no drawn frequency contradicts Lemma 1, nor Theorem 1 under its assumption.

    All intervals of a statement together hold with 95 % (Bonferroni). Theorem 1 under other costs than it
    assumes is reported and decides nothing.
    """
    statement = "Lemma 1 and Theorem 1 hold by simulation."
    table = inputs.theory
    if table is None:
        reason = "the theory was not simulated"
        return Claim(9, statement, (Part("Lemma 1 and Theorem 1", "", NOT_MEASURED, reason=reason),))
    frame = table.frame
    lemma = {"statement": LEMMA}
    parts = [_theory_part(table, frame[frame["statement"] == LEMMA], lemma, "Lemma 1", judge)]
    for law in COST_LAWS:
        rows = frame[(frame["statement"] == THEOREM) & (frame["costs"] == law.name)]
        where = {"statement": THEOREM, "costs": law.name}
        part = _theory_part(table, rows, where, f"Theorem 1, {law.display}", judge)
        parts.append(replace(part, decides=law.name == _ASSUMED_COSTS))
    return Claim(9, statement, tuple(parts))


def _theory_part(table: Table, rows: pd.DataFrame, where: dict[str, Any], name: str, judge: Judge) -> Part:
    precision = judge.claims.theory_precision
    part = Part(
        f"{name}: largest deviation of a drawn frequency from 1 − (1 − α)^K",
        "all simultaneous intervals hold 0",
        NOT_MEASURED,
        unit="draws",
        rows=(Rows(table.file, where, len(rows)),),
    )
    if rows.empty:
        return replace(part, reason="not simulated")
    deviation = rows["frequency"] - rows["formula"]
    worst = rows.iloc[int(deviation.abs().argmax())]
    n = int(worst["n"])
    ends = exact_interval(round(worst["frequency"] * n), n, 1.0 - (1.0 - CONFIDENCE) / len(rows))
    interval = ends[0] - worst["formula"], ends[1] - worst["formula"]
    value = float(worst["frequency"] - worst["formula"])
    measured = replace(part, value=value, interval=interval, n=n)
    widest = float((rows["high"] - rows["low"]).max())
    if widest > precision:
        return replace(measured, reason=f"a 95 % interval is {widest:.3f} wide, more than {precision:g}")
    agrees = outside(rows, "formula", simultaneous=True).empty
    slack = min(-interval[0], interval[1])
    return replace(measured, verdict=HOLDS if agrees else DOES_NOT_HOLD, slack=slack)
