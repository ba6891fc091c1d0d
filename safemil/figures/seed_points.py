"""The scores of single seeds that stand behind the rows of a main table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from safemil.errors import UserError
from safemil.statistics.scores import seed_scores

_KEY = ["task", "source", "method", "variant", "step"]


def seed_points(episodes: pd.DataFrame, rows: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Return each seed's scores in the table's order, after checking that they belong to the table.

    Args:
        episodes: the rows that the main table was made of.
        rows: some of its rows.
        quantities: scores to check and return, such as return and cost.

    Returns:
        Columns task, source, method, variant, step, seed and the quantities.

    Raises:
        UserError: the means over seeds are not those of the table.
    """
    seeds = rows[_KEY].merge(seed_scores(episodes), on=_KEY, how="left", validate="one_to_many")
    means = seeds.groupby(_KEY, sort=False)[list(quantities)].mean()
    if not np.allclose(means.to_numpy(), rows[list(quantities)].to_numpy()):
        raise UserError("the main table was not made of these episodes", hint="make both from one gather")
    return seeds[[*_KEY, "seed", *quantities]]
