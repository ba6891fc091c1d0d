"""The main table of all episodes, with the settings of a run: what the table and the figure share."""

import pandas as pd

from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.scores import main_table


def make_main_table(episodes: pd.DataFrame, settings: EvaluationSettings) -> pd.DataFrame:
    """Compute the main table of all episodes.

    Raises:
        UserError: the rows are not valid, or not comparable.
    """
    return main_table(
        episodes,
        cost_limit=settings.cost_limit,
        n_resamples=settings.bootstrap_resamples,
        bootstrap_seed=settings.bootstrap_seed,
    )
