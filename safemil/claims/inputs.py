"""What the claims are decided on: seed scores, with the files they are from, and other tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from safemil.catalogue import constrained_reference_of, row_name, task_display
from safemil.claims.parts import Rows, Sample, nothing
from safemil.errors import UserError
from safemil.protocol import DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.records.completeness import check_equal
from safemil.records.episodes import read_episodes
from safemil.statistics.improvement import SUBJECT
from safemil.statistics.scores import relative_seed_scores

# Scores that are differences to the constrained reference, or are normalised by it.
_RELATIVE = {"return_norm", "cost_diff", "cvar20_diff"}

ABLATION_COLUMNS = ["task", "source", "method", "variant", "series", "x", "n_seeds", "return", "cost"]


@dataclass(frozen=True)
class SeedScores:
    """Scores of each seed as from `relative_seed_scores`, and the file of episodes they were computed from.

    Attributes:
        file: named in the evidence.
        frame: one row per task, source, method, variant, step and seed.
        reference_file: where the episodes of the references are, if they are not in `file`.
    """

    file: str
    frame: pd.DataFrame
    reference_file: str = ""

    def cell(self, task: str, method: str, variant: str = DEFAULT_VARIANT) -> pd.DataFrame:
        """Return the rows of one cell, indexed by seed in order; empty if it was not run."""
        frame = self.frame
        chosen = (frame["task"] == task) & (frame["method"] == method) & (frame["variant"] == variant)
        return frame[chosen].set_index("seed").sort_index()

    def rows(self, task: str, method: str, variant: str, seeds: Sequence[int]) -> Rows:
        """Return which rows of the file the scores of these seeds are from."""
        cell = self.cell(task, method, variant).loc[list(seeds)]
        where: dict[str, Any] = {"task": task, "method": method, "variant": variant, "seed": list(seeds)}
        where |= {"source": cell["source"].iloc[0], "step": int(cell["step"].iloc[0])}
        return Rows(self.file, where, int(cell["n_episodes"].sum()))

    def reference_rows(self, task: str) -> tuple[Rows, ...]:
        """Return the rows of the two references that relative scores of a task stand on."""
        source = self.frame["source"].iloc[0]
        scores = SeedScores(self.reference_file or self.file, self.frame)
        methods = (constrained_reference_of(source), RANDOM_REFERENCE)
        cells = [(method, scores.cell(task, method)) for method in methods]
        return tuple(
            scores.rows(task, method, DEFAULT_VARIANT, cell.index.tolist()) for method, cell in cells
        )

    def single(self, task: str, cell: tuple[str, str], score: str, statement: str) -> Sample:
        """Return a score of one cell by seed."""
        rows = self.cell(task, *cell)
        if rows.empty:
            return nothing(statement, f"{row_name(*cell)} was not run on {task_display(task)}")
        evidence = (self.rows(task, *cell, rows.index.tolist()), *self._references_of(task, score))
        return Sample(statement, rows[score].to_numpy(dtype=np.float64), evidence)

    def paired(
        self, task: str, first: tuple[str, str], second: tuple[str, str], score: str, statement: str
    ) -> Sample:
        """Return the difference of a score, first minus second, by the seeds that both have.

        Raises:
            UserError: the two were not given the same steps and episodes.
        """
        cells = [self.cell(task, *cell) for cell in (first, second)]
        absent = [row_name(*cell) for cell, rows in zip((first, second), cells, strict=True) if rows.empty]
        if absent:
            return nothing(statement, f"{' and '.join(absent)} not run on {task_display(task)}")
        both = pd.concat(cells)
        check_equal(both, "step", "gradient steps")
        check_equal(both, "n_episodes", "episodes per seed")
        seeds = cells[0].index.intersection(cells[1].index).sort_values()
        if seeds.empty:
            return nothing(statement, "they have no seed in common")
        values = [rows.loc[seeds, score].to_numpy(dtype=np.float64) for rows in cells]
        evidence = tuple(self.rows(task, *cell, seeds.tolist()) for cell in (first, second))
        references = self._references_of(task, score, pair=True)
        return Sample(statement, values[0] - values[1], (*evidence, *references))

    def _references_of(self, task: str, score: str, *, pair: bool = False) -> tuple[Rows, ...]:
        # The constrained cost drops out of a difference of two costs, the scale of the return does not.
        needed = score in _RELATIVE and not (pair and score != "return_norm")
        return self.reference_rows(task) if needed else ()


@dataclass(frozen=True)
class Ablation:
    """One ablation: which variant stands for which value, and the scores of their seeds."""

    scores: SeedScores
    table: pd.DataFrame

    def variants(self, task: str, series: str | None = None) -> dict[str, tuple[str, str]]:
        """Return method and variant of SafeMIL by the value of x, as text, on one task and in one series."""
        rows = self.table[(self.table["task"] == task) & (self.table["method"] == SUBJECT)]
        rows = rows if series is None else rows[rows["series"] == series]
        return {row["x"]: (row["method"], row["variant"]) for row in rows.to_dict("records")}


@dataclass(frozen=True)
class Table:
    """A table of another diagnostic, and its file."""

    file: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class ClaimInputs:
    """Everything that the claims are decided on; what is missing makes claims `not measured`."""

    main: SeedScores
    learned_cost: Table | None = None
    theory: Table | None = None
    ablations: Mapping[str, Ablation] = field(default_factory=dict)


def read_ablation(
    name: str, table_path: Path, episodes_path: Path, main: Path, cost_limit: float
) -> Ablation:
    """Read an ablation's table and episodes; the references are those of the main episodes.

    Args:
        name: of the ablation, for messages.
        table_path: says which variant stands for which value.
        episodes_path: episodes of these variants.
        main: all episodes of the run.
        cost_limit: of the scores.

    Raises:
        UserError: a file is missing or not valid, the table has rows without episodes or other means than
            the episodes do, or the two files do not belong together.
    """
    table = _read_table(name, table_path)
    episodes, of_run = read_episodes(episodes_path), read_episodes(main)
    source = str(of_run["source"].iloc[0])
    references = of_run[
        of_run["method"].isin([constrained_reference_of(source), RANDOM_REFERENCE])
        & of_run["task"].isin(episodes["task"].unique())
        & (of_run["variant"] == DEFAULT_VARIANT)
    ]
    key = ["task", "method", "variant"]
    present = references.merge(episodes[key].drop_duplicates(), on=key, how="left", indicator=True)
    added = references[(present["_merge"] == "left_only").to_numpy()]
    together = pd.concat([episodes, added], ignore_index=True)
    frame = relative_seed_scores(together, cost_limit=cost_limit)
    check_equal(frame, "n_episodes", "episodes per seed", by=["task"])
    _check_table(name, table, frame, table_path)
    reference_file = str(main) if len(added) else ""
    return Ablation(SeedScores(str(episodes_path), frame, reference_file), table)


def _read_table(name: str, path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"no table of the ablation {name}", where=path)
    table = pd.read_csv(path, dtype=dict.fromkeys(["task", "method", "variant", "series", "x"], "str"))
    lacking = [column for column in ABLATION_COLUMNS if column not in table.columns]
    if lacking or table.empty:
        raise UserError(
            f"not a table of the ablation {name}",
            expected=f"columns {', '.join(ABLATION_COLUMNS)} and rows",
            found=f"without {', '.join(lacking)}" if lacking else "no rows",
            where=path,
        )
    repeated = table[table.duplicated(["task", "method", "series", "x"], keep=False)]
    if not repeated.empty:
        keys = repeated[["task", "method", "series", "x", "variant"]].itertuples(index=False, name=None)
        raise UserError("duplicate rows", found="; ".join("/".join(map(str, k)) for k in keys), where=path)
    return table


def _check_table(name: str, table: pd.DataFrame, frame: pd.DataFrame, path: Path) -> None:
    key = ["task", "source", "method", "variant"]
    means = frame.groupby(key, as_index=False).agg(measured=("cost", "mean"), seeds=("seed", "size"))
    both = table.merge(means, on=key, how="left")
    agrees = np.isclose(both["measured"], both["cost"]) & (both["seeds"] == both["n_seeds"])
    if not agrees.all():
        wrong = both[~agrees]
        found = [
            f"{row['task']}/{row['method']}/{row['variant']}: cost {row['cost']:g} of {row['n_seeds']}, "
            f"in the episodes {row['measured']:g} of {row['seeds']:g} seeds"
            for row in wrong.head(5).to_dict("records")
        ]
        raise UserError(
            f"the table of the ablation {name} was not made of these episodes",
            found="; ".join(found),
            where=path,
            hint="make both from one gather",
        )


def check_same_run(main: SeedScores, learned_cost: Table | None) -> None:
    """Refuse a table of learned costs of another source, or of another budget than the policies.

    Raises:
        UserError: names the rows.
    """
    if learned_cost is None:
        return
    key = ["task", "source", "method", "variant"]
    steps = main.frame[[*key, "step"]].drop_duplicates()
    both = learned_cost.frame[[*key, "step"]].drop_duplicates().merge(steps, on=key, how="left")
    wrong = both[both["step_x"] != both["step_y"]]
    if not wrong.empty:
        names = ["/".join(map(str, row)) for row in wrong[[*key, "step_x"]].head(5).itertuples(index=False)]
        raise UserError(
            "the learned costs are not those of the evaluated runs",
            expected="the source and the gradient steps of the episodes",
            found=", ".join(names),
            where=learned_cost.file,
            hint="make both with one configuration",
        )
