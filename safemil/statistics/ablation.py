"""The scores at every point of an ablation's curves."""

from collections.abc import Sequence

import pandas as pd

from safemil.errors import UserError
from safemil.statistics.scores import TABLE_COLUMNS

ABLATION_COLUMNS = ["series", "x", *TABLE_COLUMNS]

Point = tuple[str, str, str, float | str]


def ablation_table(scores: pd.DataFrame, points: Sequence[Point], tasks: Sequence[str]) -> pd.DataFrame:
    """Put the scores of an ablation's variants in the order of its curves.

    Args:
        scores: as from `main_table`, of the episodes of the ablation.
        points: method, variant, curve and x of each, as from `ablation_runs`. Points that show the same runs
            each get a row with their scores.
        tasks: the tasks of the ablation.

    Returns:
        Columns `ABLATION_COLUMNS`; a row per task and point, in this order.

    Raises:
        UserError: a point has no scores on a task; every such point is named.
    """
    frame = pd.DataFrame({"task": list(tasks)}).merge(
        pd.DataFrame(points, columns=["method", "variant", "series", "x"]), how="cross"
    )
    table = frame.merge(scores, on=["task", "method", "variant"], how="left", validate="many_to_one")
    missing = table[table["n_seeds"].isna()]
    if not missing.empty:
        rows = missing[["task", "method", "variant"]].drop_duplicates().itertuples(index=False)
        raise UserError(
            "points of the ablation have no episodes",
            expected="episodes of every variant of the ablation on every one of its tasks",
            found="none of " + ", ".join("/".join(row) for row in rows),
        )
    types = {name: scores[name].dtype for name in ("n_seeds", "n_episodes", "step")}
    return table.astype(types)[ABLATION_COLUMNS]
