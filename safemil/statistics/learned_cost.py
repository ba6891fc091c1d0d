"""From the scores of each run's learned cost to means and intervals over seeds."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import method_order, task_order, variant_order
from safemil.errors import UserError
from safemil.learned_cost.rows import COUNTS, SCORES
from safemil.records.episodes import CELL, some
from safemil.statistics.intervals import N_RESAMPLES, bootstrap_interval

TABLE_COLUMNS = [
    *["task", "held_out", "method", "variant", "source", "n_seeds", *COUNTS, "step"],
    *[f"{score}{end}" for score in SCORES for end in ("", "_low", "_high", "_missing")],
]

_TEXT_COLUMNS = ["task", "held_out", "method", "variant", "source", *(f"{score}_missing" for score in SCORES)]
_NUMBERS = [f"{score}{end}" for score in SCORES for end in ("", "_low", "_high")]


def learned_cost_table(
    rows: pd.DataFrame, *, n_resamples: int = N_RESAMPLES, bootstrap_seed: int = 0
) -> pd.DataFrame:
    """Return one row per task, held-out set, method and variant: mean scores over seeds with 95 % intervals.

    The intervals resample the row's seeds (see `bootstrap_interval`), each row afresh; all seeds are scored
    on the same episodes, so what another draw of episodes would change is not included. A score that is
    undefined for any seed has no mean, and its `_missing` says why and for how many seeds.

    Args:
        rows: as from `gather_rows`.
        n_resamples: bootstrap resamples.
        bootstrap_seed: seed of the resampling.

    Returns:
        Columns `TABLE_COLUMNS`; n_* as in the rows; step is gradient steps. The paper's order of tasks, then
        held-out sets, then methods.

    Raises:
        UserError: a run lacks a score, or a held-out set that other seeds have.
    """
    _check_whole(rows)
    groups = rows.groupby([*CELL, "held_out"], sort=True)
    cells = [
        _cell(dict(zip([*CELL, "held_out"], key, strict=True)), group, n_resamples, bootstrap_seed)
        for key, group in groups
    ]
    return _in_order(pd.DataFrame(cells, columns=TABLE_COLUMNS))


def _check_whole(rows: pd.DataFrame) -> None:
    sets = rows.groupby(CELL)["held_out"].unique()
    present = set(rows[[*CELL, "seed", "held_out", "score"]].itertuples(index=False, name=None))
    lacking = [
        "{}/{}/{}/{} seed {}: {} on {}".format(*run, score, held_out)
        for run in rows[[*CELL, "seed"]].drop_duplicates().itertuples(index=False, name=None)
        for held_out in sets[run[:-1]]
        for score in SCORES
        if (*run, held_out, score) not in present
    ]
    if lacking:
        raise UserError(
            "scores of learned costs are missing",
            expected="every score for every run, and the same held-out sets for all seeds",
            found=some(lacking),
            hint="score these runs again",
        )


def _cell(
    cell: dict[str, Hashable], rows: pd.DataFrame, n_resamples: int, bootstrap_seed: int
) -> dict[str, Any]:
    by_seed = rows.pivot_table(index="seed", columns="score", values="value", dropna=False)
    values = by_seed.reindex(columns=SCORES).to_numpy(dtype=np.float64)
    low, high = bootstrap_interval(values, n_resamples=n_resamples, seed=bootstrap_seed)
    scores: dict[str, Any] = {}
    for column, score in enumerate(SCORES):
        missing = _reasons(rows.loc[rows["score"] == score, "missing"])
        ends = {f"{score}_low": low[column], f"{score}_high": high[column], f"{score}_missing": missing}
        scores |= {score: values[:, column].mean(), **ends}
    first = rows.iloc[0]
    return {**cell, "n_seeds": len(values), **first[[*COUNTS, "step"]], **scores}


def _reasons(missing: pd.Series) -> str:
    """Return the reasons why a score is undefined, with the number of seeds unless it is all of them."""
    counts = missing[missing != ""].value_counts(sort=False)
    whole = len(missing)
    return "; ".join(
        str(reason) if count == whole else f"{reason} in {count} of {whole} seeds"
        for reason, count in counts.items()
    )


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    def key(position: int) -> tuple[Any, ...]:
        row = table.iloc[position]
        method = method_order(row["method"]), variant_order(row["variant"])
        return task_order(row["task"]), row["held_out"], *method

    return table.iloc[sorted(range(len(table)), key=key)].reset_index(drop=True)


def read_learned_cost_table(path: Path) -> pd.DataFrame:
    """Read learned_cost.csv.

    Raises:
        UserError: there is no such file, or it has other columns or no rows, a row twice, or a score with
            neither a value nor a reason.
    """
    if not path.is_file():
        raise UserError(
            "no table of learned costs", where=path, hint="make it with `safemil table-learned-cost`"
        )
    text = dict.fromkeys(_TEXT_COLUMNS, "str")
    not_a_number = {column: ["NaN"] for column in _NUMBERS}
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=not_a_number)
    if list(table.columns) != TABLE_COLUMNS or table.empty:
        found = list(table.columns)
        raise UserError("not a table of learned costs", expected=TABLE_COLUMNS, found=found, where=path)
    key = ["task", "source", "held_out", "method", "variant"]
    repeated = table[table.duplicated(key, keep=False)]
    unexplained = [
        f"{'/'.join(row[name] for name in key)} {score}"
        for row in table.to_dict("records")
        for score in SCORES
        if pd.isna(row[score]) != (row[f"{score}_missing"] != "")
    ]
    if len(repeated) or unexplained:
        rows = ["/".join(row) for row in repeated[key].itertuples(index=False)]
        problems = "; ".join(
            [*(f"twice {row}" for row in rows), *(f"no value and no reason {u}" for u in unexplained)]
        )
        raise UserError("rows of the table of learned costs cannot be used", found=problems, where=path)
    return table
