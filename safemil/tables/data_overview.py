"""One table over the tasks: what the collected data were to reach, what they reach, and what was drawn.

The targets (`config/behavior_targets.tsv`) were set from DSRL's own extremes before the behaviour policies
were trained. Everything else is read off the cards that the pipeline wrote; nothing is typed by hand.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from safemil.errors import UserError
from safemil.protocol import COST_LIMIT
from safemil.tables.cells import Markup
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun

TARGET_TABLE = Path(__file__).resolve().parents[2] / "config" / "behavior_targets.tsv"
TAB = "\t"
LEAST_NON_PREFERRED = 150
LEAST_PREFERRED = 100
LEAST_TRAINING_SEEDS = 2
# Preferred trajectories that earn less, relative to the reference, would be merely slow.
LEAST_PREFERRED_RETURN_SHARE = 0.5
_INTRODUCTION = """\
Found, then the target. Return and cost are undiscounted sums over an episode; the reference acts by its mean
action. Collecting time is wall time of one core."""


class Target(NamedTuple):
    """What a task's collected data are to reach."""

    highest_return: float
    highest_cost: float
    reference_return: float


class TaskFiles(NamedTuple):
    """Where the facts about one task's data are.

    Attributes:
        behavior_card: card of the shipped behaviour policies.
        policies: the shipped policies.
        source_card: data card of the collected file; the benchmark of collecting lies beside its folder.
        split_card: data card of the split.
    """

    behavior_card: Path
    policies: Path
    source_card: Path
    split_card: Path


@dataclass(frozen=True)
class Check:
    """One target with what was found."""

    name: str
    found: float
    expected: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.found <= self.expected if self.at_most else self.found >= self.expected

    def text(self) -> str:
        """Return e.g. `38.8 ≥ 36`, or `35 < 36 MISSED`."""
        sign = ("≤" if self.at_most else "≥") if self.met else (">" if self.at_most else "<")
        return f"{self.found:.4g} {sign} {self.expected:g}" + ("" if self.met else " **missed**")


def read_targets(path: Path = TARGET_TABLE) -> dict[str, Target]:
    """Read the targets by task."""
    with path.open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return {row["task"]: Target(*(float(row[name]) for name in Target._fields)) for row in rows}


def task_checks(
    target: Target, behavior: dict[str, Any], source: dict[str, Any], split: dict[str, Any]
) -> list[Check]:
    """Compare one task's cards with its targets.

    Args:
        target: what is to be reached.
        behavior: card of the shipped behaviour policies.
        source: data card of the collected file.
        split: data card of the split.
    """
    everything, sets = source["sets"]["all"], split["sets"]
    reference = behavior["constrained_reference"]
    costly, preferred = sets["available, non-preferred"], sets["available, preferred"]
    return [
        Check("highest return", everything["episode_return"]["maximum"], target.highest_return),
        Check("highest cost", everything["episode_cost"]["maximum"], target.highest_cost),
        Check("reference: return", reference["mean_return"], target.reference_return),
        Check("reference: cost", reference["mean_cost"], COST_LIMIT, at_most=True),
        Check("non-preferred", split["available_non_preferred"], LEAST_NON_PREFERRED),
        Check("their training seeds", _training_seeds(costly), LEAST_TRAINING_SEEDS),
        Check("preferred", split["available_preferred"], LEAST_PREFERRED),
        Check("their training seeds ", _training_seeds(preferred), LEAST_TRAINING_SEEDS),
        Check(
            "preferred return / reference's",
            preferred["episode_return"]["mean"] / reference["mean_return"],
            LEAST_PREFERRED_RETURN_SHARE,
        ),
    ]


def _training_seeds(summary: dict[str, Any]) -> int:
    return int(summary["provenance"]["training_seed"]["distinct_values"])


def make(
    _run: TableRun,
    behavior_cards: Sequence[Path],
    policies: Sequence[Path],
    source_cards: Sequence[Path],
    split_cards: Sequence[Path],
    targets: Path,
    tasks: Sequence[str],
) -> Document:
    """Return the table of all tasks; files are in their order."""
    cards = zip(behavior_cards, policies, source_cards, split_cards, strict=True)
    files = {task: TaskFiles(*each) for task, each in zip(tasks, cards, strict=True)}
    return document(files, read_targets(targets))


def document(files: Mapping[str, TaskFiles], targets: Mapping[str, Target]) -> Document:
    """Return the table with one column per task.

    Raises:
        UserError: a task has no targets.
    """
    unknown = [task for task in files if task not in targets]
    if unknown:
        raise UserError("no targets for a task", expected=list(targets), found=unknown, where=TARGET_TABLE)
    columns = {task: _column(task, each, targets[task]) for task, each in files.items()}
    names = list(next(iter(columns.values())))
    rows = [[name.strip(), *(columns[task][name] for task in files)] for name in names]
    section = Section(
        columns=["", *map(Markup, files)],
        rows=[list(map(Markup, row)) for row in rows],
        rule=f"| {' | '.join(['---'] * (1 + len(files)))} |",
    )
    return Document(
        "data_overview",
        "The collected data",
        pd.DataFrame(rows, columns=["quantity", *files]).map(lambda text: text.replace("**", "")),
        [section],
        introduction=_INTRODUCTION,
        made_from="the cards of data and behaviour policies",
    )


def _column(task: str, files: TaskFiles, target: Target) -> dict[str, str]:
    behavior, source, split = (
        json.loads(path.read_text()) for path in (files.behavior_card, files.source_card, files.split_card)
    )
    # Data that were copied here instead of collected come without the time it took.
    benchmark = files.source_card.parents[1] / "benchmarks" / f"{task}.tsv"
    seconds = f"{pd.read_csv(benchmark, sep=TAB)['s'].iloc[0]:.0f}" if benchmark.is_file() else "–"
    return {
        **{check.name: check.text() for check in task_checks(target, behavior, source, split)},
        "rule": f"{split['rule']} (> {split['non_preferred_cost']:g}, < {split['preferred_cost']:g})",
        "drawn D_N": str(split["drawn_non_preferred"]),
        "drawn D_U (preferred)": f"{split['drawn_unlabelled']} ({split['drawn_unlabelled_preferred']})",
        "AUROC of single pairs": f"{split['separability']:.3f}",
        "trajectories": str(split["in_file"]),
        "policies": str(len(behavior["policies"])),
        "policies, MB": f"{files.policies.stat().st_size / 1e6:.1f}",
        "collecting, s": seconds,
    }
