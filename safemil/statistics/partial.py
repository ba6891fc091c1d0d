"""The main table of the runs that are finished so far: every configured cell, with its seeds of how many."""

from collections.abc import Iterator, Sequence

import pandas as pd

from safemil.catalogue import constrained_reference_of, method_named, task_display
from safemil.protocol import DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.records.episodes import CELL, some
from safemil.records.finished import FinishedRuns, left_out_lines
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import in_reading_order
from safemil.statistics.scores import TABLE_COLUMNS, main_table, reference_notes

_COLUMNS = [*TABLE_COLUMNS[:5], "n_configured", *TABLE_COLUMNS[5:]]


def partial_table(runs: FinishedRuns, settings: EvaluationSettings) -> pd.DataFrame:
    """Return one row per configured task, method and variant, from the seeds that are finished.

    Args:
        runs: as from `gather_finished`.
        settings: cost limit and bootstrap.

    Returns:
        Columns of `scores.TABLE_COLUMNS`, with n_configured (seeds) after n_seeds. A cell without a finished
        seed has n_seeds and n_episodes 0 and NaN elsewhere. Scores relative to a reference that is not
        finished are NaN. Where all runs are finished, every number is that of the main table.

    Raises:
        UserError: the rows are not comparable.
    """
    table = main_table(
        runs.episodes,
        cost_limit=settings.cost_limit,
        n_resamples=settings.bootstrap_resamples,
        bootstrap_seed=settings.bootstrap_seed,
        allow_missing_references=True,
    )
    cells = runs.status.groupby(CELL, sort=False).size().rename("n_configured").reset_index()
    whole = cells.merge(table, on=CELL, how="left")
    counts = ["n_seeds", "n_episodes"]
    whole[counts] = whole[counts].fillna(0).astype("int64")
    whole["kind"] = [method_named(method).kind for method in whole["method"]]
    return in_reading_order(whole[_COLUMNS])


def partial_notes(
    runs: FinishedRuns, table: pd.DataFrame, unconfigured: Sequence[str], cost_limit: float
) -> list[str]:
    """Return the sentences that a partial table needs besides its legend, without markup.

    Args:
        runs: as from `gather_finished`.
        table: as from `partial_table`.
        unconfigured: files of episodes that the configuration does not ask for.
        cost_limit: of the scores.
    """
    unfinished = list(_unfinished_references(table))
    tasks = {task for task, n_seeds, _ in unfinished if n_seeds == 0}
    judged = table[~table["task"].isin(tasks) & (table["n_seeds"] > 0)]
    notes = [text for _, _, text in unfinished] + reference_notes(judged, cost_limit=cost_limit)
    left_out = left_out_lines(runs.status)
    if left_out:
        title = "Left out, for they are not what the configuration asks for (runs.csv lists all)"
        notes.append(f"{title}: {some(left_out, '; ')}.")
    if unconfigured:
        notes.append(f"Not asked for by the configuration, and left out too: {some(unconfigured, '; ')}.")
    return notes + list(_mixed_code(runs.status))


def _unfinished_references(table: pd.DataFrame) -> Iterator[tuple[str, int, str]]:
    """Return task, finished seeds and a sentence for each reference that is not finished."""
    default = table[(table["variant"] == DEFAULT_VARIANT) & (table["n_seeds"] < table["n_configured"])]
    for row in default.to_dict("records"):
        if row["method"] not in (RANDOM_REFERENCE, constrained_reference_of(row["source"])):
            continue
        counts = f"{row['n_seeds']} of {row['n_configured']} seeds finished"
        what = "may change" if row["n_seeds"] else "are undefined"
        name = method_named(row["method"]).display
        yield (
            row["task"],
            row["n_seeds"],
            f"{task_display(row['task'])}: of the reference {name} {counts}; scores relative to it {what}.",
        )


def _mixed_code(status: pd.DataFrame) -> Iterator[str]:
    """Say which cells hold seeds that were trained by different code."""
    codes = status[status["code"] != ""].groupby(CELL)["code"].nunique()
    cells = ["/".join((task, method, variant)) for task, _, method, variant in codes.index[codes > 1]]
    if cells:
        yield f"Seeds trained by different versions of the code stand together in {some(cells, '; ')}."
