"""What tables and figures are made of: which files of a run, and how they are read and checked.

The workflow asks for the files, the command reads them; so both stand here together, once for each kind.
Reading imports what it needs when it is done, for the workflow plans without pandas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safemil import paths
from safemil.errors import UserError
from safemil.plan.rules import Plan

if TYPE_CHECKING:
    import pandas as pd

    from safemil.records.expected import ExpectedRun

Files = Sequence[Path]


@dataclass(frozen=True)
class Input:
    """One argument of a maker.

    Attributes:
        read: returns the argument from the files.
        files: where they are in a run's folder; none for what the configuration says itself.
    """

    read: Callable[[Files], Any]
    files: Sequence[str] = ()


Inputs = Mapping[str, Input]


def files_of(inputs: Inputs) -> list[str]:
    """Return all files in order."""
    return [file for each in inputs.values() for file in each.files]


def read_inputs(inputs: Inputs, files: Files = ()) -> dict[str, Any]:
    """Read the arguments of a maker.

    Args:
        inputs: by the names of the arguments.
        files: in the order of `files_of`; those in the run's folder when left out.

    Raises:
        UserError: there are more or fewer files than asked for, or one of them is not what it should be.
    """
    asked = [Path(file) for file in files_of(inputs)]
    if files and len(files) != len(asked):
        raise UserError(
            "these are not the files that this is made of",
            expected=f"{len(asked)} files: {', '.join(map(str, asked)) or 'none'}",
            found=f"{len(files)} files",
            hint="name none, and those in the run's folder are read",
        )
    given = iter(files or asked)
    return {name: each.read([next(given) for _ in each.files]) for name, each in inputs.items()}


def value(of: object) -> Input:
    """Return an argument that the configuration says itself."""
    return Input(lambda _: of)


def one(file: str) -> Input:
    """Return a file that the maker reads."""
    return Input(lambda files: files[0], [file])


def several(files: Sequence[str]) -> Input:
    """Return files that the maker reads."""
    return Input(lambda found: found, files)


def cards(plan: Plan, template: str) -> Input:
    """Return the card of each task's data in JSON."""
    return Input(lambda found: found, plan.for_tasks(plan.path(template, extension="json")))


def episodes(plan: Plan) -> Input:
    """Return all episodes of final policies, checked to be those of the configuration."""
    return _complete(plan.path(paths.ALL_EPISODES), plan.expected_runs)


def ablation_episodes(plan: Plan, name: str) -> Input:
    """Return the episodes of an ablation, checked as `episodes`."""
    path = plan.path(paths.ABLATION_EPISODES, ablation=name)
    return _complete(path, lambda: plan.expected_ablation_runs(name))


def curve_episodes(plan: Plan) -> Input:
    """Return the episodes of all learning curves, checked as `episodes`; an error where there are none."""
    plan.curve_runs()
    return _complete(plan.path(paths.ALL_CURVE_EPISODES), plan.expected_curve_runs)


def scores(plan: Plan) -> Inputs:
    """Return the inputs of what is computed from the episodes of final policies alone."""
    return {"episodes": episodes(plan)}


def curves(plan: Plan) -> Inputs:
    """Return the inputs of what is computed from learning curves and where they end."""
    return {"curves": curve_episodes(plan), "episodes": episodes(plan)}


def _complete(file: str, expected: "Callable[[], list[ExpectedRun]]") -> Input:
    return Input(lambda files: complete_episodes(files[0], expected()), [file])


def complete_episodes(path: Path, expected: "Sequence[ExpectedRun]") -> "pd.DataFrame":
    """Read a table of episodes and check that it is of exactly these runs, as `gather` does."""
    from safemil.records.completeness import check_complete
    from safemil.records.episodes import read_episodes

    found = read_episodes(path)
    check_complete(found, expected)
    return found


def learned_costs(plan: Plan) -> Input:
    """Return the scores of all learned costs, checked to be those of the configuration."""

    def read(files: Files) -> "pd.DataFrame":
        from safemil.learned_cost.rows import read_all_rows
        from safemil.records.completeness import check_learned_costs

        rows = read_all_rows(files[0])
        check_learned_costs(rows, plan.expected_cost_runs())
        return rows

    return Input(read, [plan.path(paths.GATHERED, gathered="learned_cost")])


def traces(plan: Plan) -> Input:
    """Return learned and true costs along episodes."""

    def read(files: Files) -> "pd.DataFrame":
        from safemil.learned_cost.rows import read_all_traces

        return read_all_traces(files[0])

    return Input(read, [plan.path(paths.GATHERED, gathered="learned_cost_traces")])


def losses(plan: Plan) -> Input:
    """Return what the trainings of the selecting methods logged."""

    def read(files: Files) -> "pd.DataFrame":
        from safemil.records.losses import read_losses

        return read_losses(files[0])

    return Input(read, [plan.path(paths.GATHERED, gathered="losses")])


def records(plan: Plan) -> Input:
    """Return the record of every run with its peak memory."""

    def read(files: Files) -> list[tuple[Any, float]]:
        from safemil.records.record_table import read_record_table, records_of

        return records_of(read_record_table(files[0]))

    return Input(read, [plan.path(paths.GATHERED, gathered="records")])
