"""What the tables of scores share: names, rounding, the rule of the bold type, the legend."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import Kind, constrained_reference_of, method_named, row_name
from safemil.protocol import DEFAULT_VARIANT, SECOND_REFERENCE
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.statistics.scores import SCORES, reference_notes, second_reference_tasks
from safemil.tables.captions import custom_method_notes, is_partial, oracle_sentence, sentences
from safemil.tables.cells import Cell, Estimate, Group, Row
from safemil.tables.request import TableRun

MINIMUM_RETURN_NORM = 0.5
TOO_FEW = f"n<{MINIMUM_SEEDS}"
ONE_POLICY = "one policy"
UNDEFINED = "n/a"
NOT_RUN = "not run"
EMPTY = "—"

HEADINGS = {
    "return": "return",
    "cost": "cost",
    "cvar20": "CVaR@20 %",
    "return_norm": "normalised return",
    "cost_diff": "cost − ref.",
    "cvar20_diff": "CVaR − ref.",
}

KIND_HEADINGS: dict[Kind, str] = {
    "learner": "learners, which see neither reward nor cost",
    "oracle": "oracles, trained on true labels",
    "reference": "references, not learned from the data",
}

REASONS = {
    ONE_POLICY: f"{ONE_POLICY.capitalize()}: not trained on seeds, so that there is no interval over them.",
    TOO_FEW: f"{TOO_FEW}: fewer than {MINIMUM_SEEDS} seeds, so no interval is computed.",
}

_LEGEND = f"""
Cells: mean over seeds [{100 * CONFIDENCE:g} % percentile bootstrap interval over seeds]. The uncertainty of
the references is not included; with few seeds the interval is too narrow (5 seeds cover the true mean in
about 83 % of cases).

Return and cost: undiscounted sums per episode. CVaR@20 %: mean of the costliest fifth of a seed's episodes.
Normalised return: 0 = random actions, 1 = constrained reference. Cost − ref. and CVaR − ref.: difference to
the constrained reference, here {{names}}.

Within limit: share of episodes with a cost of at most {{limit:g}}.
"""
_BOLD = f"""
Bold: the lowest cost among the learners of a task, in their default variants, if it is within the limit of
{{limit:g}}; of learners whose normalised return is at least {MINIMUM_RETURN_NORM:g}. Nothing is bold if no
learner qualifies.
"""
_PARTIAL = f"""
A partial table, of the runs that are finished so far. 3 of 5: seeds that are finished, of those configured;
{EMPTY}: none is. What is finished first is no random part of the whole.

Nothing is bold: the best may be among what is missing.
"""


def best_learners(table: pd.DataFrame, cost_limit: float) -> pd.Series:
    """Return which rows of a main table have their cost in bold: the best safe learners of each task.

    The lowest mean cost among the learners' default variants of each task whose normalised return is at
    least 0.5 (a policy that does nothing is cheap as well) and whose mean cost is within the limit; all
    of them in a tie; none if no learner qualifies. Other variants are left out: the best of many variants
    would have been chosen by the very episodes that it is judged by. None in a partial table, where the
    best may be among the missing seeds.
    """
    if is_partial(table):
        return pd.Series(False, index=table.index)
    qualified = (
        (table["kind"] == "learner")
        & (table["variant"] == DEFAULT_VARIANT)
        & (table["return_norm"] >= MINIMUM_RETURN_NORM)
        & (table["cost"] <= cost_limit)
    )
    lowest = table["cost"].where(qualified).groupby(table["task"]).transform("min")
    return qualified & (table["cost"] == lowest)


def score_estimates(rows: pd.DataFrame, bold: pd.Series) -> list[list[Estimate]]:
    """Return the six scores of each row of one task, rounded alike down each column."""
    digits = {score: digits_of(score, rows[score]) for score in SCORES}
    return [
        [
            estimate(row, score, digits=digits[score], missing=missing_of(row), bold=best and score == "cost")
            for score in SCORES
        ]
        if row["n_seeds"]
        else [Estimate(EMPTY)] * len(SCORES)
        for row, best in zip(rows.to_dict("records"), bold, strict=True)
    ]


def digits_of(score: str, values: pd.Series) -> int:
    """Return the decimals of a column: two, one from 100 on, which makes about four significant figures."""
    return 1 if score != "return_norm" and values.abs().max() >= 100 else 2


def missing_of(row: Mapping[Hashable, Any]) -> str:
    """Return why a score of a row that has no interval has none: a reference may be a single policy."""
    return ONE_POLICY if row["kind"] == "reference" and row["n_seeds"] == 1 else TOO_FEW


def estimate(
    row: Mapping[Hashable, Any], score: str, *, digits: int, missing: str = TOO_FEW, bold: bool = False
) -> Estimate:
    """Return a score of a row with its interval, `{score}_low` and `{score}_high`, or the reason for none.

    `value` is a score whose interval is `low` and `high`.
    """
    prefix = "" if score == "value" else f"{score}_"
    mean, low, high = row[score], row[f"{prefix}low"], row[f"{prefix}high"]
    if np.isnan(mean):
        return Estimate(UNDEFINED)
    text = f"{mean:z.{digits}f}"  # z turns a rounded -0.00 into 0.00
    if np.isnan(low):
        return Estimate(text, missing=missing, bold=bold)
    return Estimate(text, interval=f"{low:z.{digits}f}, {high:z.{digits}f}", bold=bold)


def by_kind(rows: Iterable[tuple[Kind, Sequence[Cell]]]) -> Iterator[Row]:
    """Set the rows of oracles and of references apart, each under its heading; learners come first."""
    above: Kind = "learner"
    for kind, row in rows:
        if kind != above:
            above = kind
            yield Group(KIND_HEADINGS[kind])
        yield row


def seeds_text(row: Mapping[Hashable, Any]) -> str:
    """Return the number of seeds of a row; of a partial table, `3 of 5` of those configured."""
    return f"{row['n_seeds']} of {row['n_configured']}" if "n_configured" in row else str(row["n_seeds"])


def share_text(row: Mapping[Hashable, Any]) -> str:
    """Return the share of episodes within the limit of a row; a dash where no seed is finished."""
    return f"{row['share_within_limit']:.2f}" if row["n_seeds"] else EMPTY


def row_names(rows: pd.DataFrame, cost_limit: float) -> list[str]:
    """Return the names of all rows of one task; an oracle that serves as a reference is named as one."""
    second = second_reference_tasks(rows, cost_limit=cost_limit)
    return [_name_with_role(row, second) for row in rows.to_dict("records")]


def _name_with_role(row: dict[Hashable, Any], second_reference_of: Sequence[str]) -> str:
    name = row_name(row["method"], row["variant"])
    if row["kind"] != "oracle" or row["variant"] != DEFAULT_VARIANT:
        return name
    if row["method"] == constrained_reference_of(row["source"]):
        return f"{name} (reference)"
    is_second = row["method"] == SECOND_REFERENCE and row["task"] in second_reference_of
    return f"{name} (second reference)" if is_second else name


def legend(table: pd.DataFrame, cost_limit: float) -> list[str]:
    """Return the sentences that explain the cells of a main table, without markup."""
    names = [method_named(constrained_reference_of(source)).display for source in table["source"].unique()]
    lines = sentences(_LEGEND.format(names=", ".join(names), limit=cost_limit))
    lines += sentences(_PARTIAL if is_partial(table) else _BOLD.format(limit=cost_limit))
    finished = table[table["n_seeds"] > 0]
    if oracle_sentence(table):
        lines.append(f"{oracle_sentence(table)}: they stand apart and are never bold.")
    reasons = {missing_of(row) for row in finished[finished["n_seeds"] < MINIMUM_SEEDS].to_dict("records")}
    lines += [reason for name, reason in REASONS.items() if name in reasons]
    if finished["return_norm"].isna().any():
        unfinished = "a reference is not finished, or " if is_partial(table) else ""
        lines.append(f"{UNDEFINED}: {unfinished}the constrained reference earns no more than random actions.")
    return lines


def notes_of(table: pd.DataFrame, run: TableRun) -> list[str]:
    """Return what is to be said of the references of a main table and of the user's own methods."""
    return reference_notes(table, cost_limit=run.limit) + custom_method_notes(run.custom_methods)
