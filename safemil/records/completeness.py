"""Is everything there? Episode rows against the configured runs, and runs against each other.

`episodes.check_comparable` sees only rows, and a run that has none leaves no trace in them. What a
configuration asks for is checked here, so that no number is ever computed from fewer runs than it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from safemil.catalogue import known_methods, method_named
from safemil.errors import UserError
from safemil.protocol import DEFAULT_VARIANT
from safemil.records.episodes import CELL, some
from safemil.records.expected import ExpectedRun

_RUN = [*CELL, "seed"]


def check_complete(episodes: pd.DataFrame, expected: Sequence[ExpectedRun]) -> None:
    """Refuse a table of episodes that is not exactly what the configuration asks for.

    Args:
        episodes: rows that fit the schema; curve points before the final checkpoint are allowed.
        expected: every run that must be there.

    Raises:
        UserError: a configured run has no rows, there are rows of a run that is not configured, or a run's
            last step or its number of episodes there is another than configured. Names the runs.
    """
    last = episodes[episodes["step"] == episodes.groupby(_RUN)["step"].transform("max")]
    found = last.groupby(_RUN)["step"].agg(["first", "size"])
    steps = dict(found["first"].items())
    budgets = {key: f"step {steps[key]} with {size} episodes" for key, size in found["size"].items()}
    wanted = {run.key: f"step {_step(run, steps)} with {run.episodes} episodes" for run in expected}
    _check_runs("episode rows", budgets, wanted)


def check_learned_costs(rows: pd.DataFrame, expected: Sequence[ExpectedRun]) -> None:
    """Refuse scores of learned costs that are not exactly those of the configured runs.

    Args:
        rows: as from `learned_cost_rows.gather_rows`.
        expected: every run of a method that learns a cost.

    Raises:
        UserError: as `check_complete`, but for the number of episodes.
    """
    steps = dict(rows.groupby(_RUN)["step"].max().items())
    budgets = {key: f"step {step}" for key, step in steps.items()}
    _check_runs("rows of learned costs", budgets, {run.key: f"step {_step(run, steps)}" for run in expected})


def _step(run: ExpectedRun, found: Mapping[Any, int]) -> int:
    return found.get(run.key, 0) if run.step is None else run.step


def _check_runs(name: str, budgets: Mapping[Any, str], wanted: Mapping[Any, str]) -> None:
    problems = {
        "missing": [_name(key) for key in wanted if key not in budgets],
        "not configured": [_name(key) for key in budgets if key not in wanted],
        "of another budget": [
            f"{_name(key)} has {budgets[key]}, not {budget}"
            for key, budget in wanted.items()
            if budgets.get(key, budget) != budget
        ],
    }
    found = [f"{len(runs)} {problem}: {some(runs)}" for problem, runs in problems.items() if runs]
    if found:
        raise UserError(
            f"the {name} are not those of the configuration",
            expected=f"{len(wanted)} runs: every task, method, variant and seed of the configuration",
            found="; ".join(found),
            hint="run the missing ones, or use the configuration that the rows are from",
        )


def _name(key: tuple[str, str, str, str, int]) -> str:
    return "{}/{}/{}/{} seed {}".format(*key)


def check_same_budget(scores: pd.DataFrame) -> None:
    """Refuse to compare methods that were not given the same.

    Statistics over methods and tasks hold the default variants against each other: those of one task must
    have the same number of episodes, and learners the same seeds on every task. The learners of the paper
    must also have the same gradient steps on a task; what a step of another program is, it alone knows.

    Args:
        scores: rows of default variants as from `scores.seed_scores`.

    Raises:
        UserError: names the methods that differ.
    """
    default = scores[scores["variant"] == DEFAULT_VARIANT]
    check_equal(default, "n_episodes", "episodes per seed", by=["task"])
    is_learner = default["method"].map(lambda method: method_named(method).kind == "learner")
    learners = default[is_learner]
    known = list(known_methods())
    check_equal(learners[learners["method"].isin(known)], "step", "gradient steps", by=["task"])
    seeds = learners.groupby(CELL)["seed"].agg(lambda seeds: " ".join(map(str, sorted(seeds)))).reset_index()
    check_equal(seeds, "seed", "seeds")


def check_equal(rows: pd.DataFrame, column: str, name: str, by: Sequence[str] = ()) -> None:
    """Refuse rows that differ in a column, within the groups that `by` makes.

    Args:
        rows: with the columns of `CELL`.
        column: must be the same in all rows of a group.
        name: of the column, for readers.
        by: columns; one group when left out.

    Raises:
        UserError: names every value and the cells that have it.
    """
    for group in [group for _, group in rows.groupby(list(by))] if by else [rows]:
        if group[column].nunique() > 1:
            cells = group.drop_duplicates([*CELL, column])
            found = [
                f"{value} in {some(['/'.join(cell) for cell in having[CELL].itertuples(index=False)])}"
                for value, having in cells.groupby(column)
            ]
            raise UserError(
                f"methods with different {name} are compared",
                expected=f"the same {name} for all",
                found="; ".join(found),
                hint="run them all with one budget",
            )
