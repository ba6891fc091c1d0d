"""The main table of a file of episodes, with the settings of a run: what the table and the figure share."""

from pathlib import Path

import pandas as pd

from safemil.evaluation.episodes import read_episodes
from safemil.evaluation.scores import main_table
from safemil.evaluation.settings import EvaluationSettings


def make_main_table(episodes: Path, settings: EvaluationSettings) -> pd.DataFrame:
    """Compute the main table of all episodes in a file.

    Raises:
        UserError: the rows are missing, not valid, or not comparable.
    """
    return main_table(
        read_episodes(episodes),
        cost_limit=settings.cost_limit,
        n_resamples=settings.bootstrap_resamples,
        bootstrap_seed=settings.bootstrap_seed,
    )
