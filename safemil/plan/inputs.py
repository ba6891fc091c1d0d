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
        are_cards: whether they are cards of data, for which kept ones may stand.
    """

    read: Callable[[Files], Any]
    files: Sequence[str] = ()
    are_cards: bool = False


Inputs = Mapping[str, Input]


def files_of(inputs: Inputs, cards: Callable[[Sequence[str]], Sequence[str]] = list) -> list[str]:
    """Return all files in order; `cards` says where cards of data are."""
    return [
        file for each in inputs.values() for file in (cards(each.files) if each.are_cards else each.files)
    ]


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
    return Input(lambda found: found, plan.for_tasks(plan.path(template, extension="json")), are_cards=True)


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
        from safemil.records.completeness import check_learned_costs

        rows = _gathered(files)
        check_learned_costs(rows, plan.expected_cost_runs())
        return rows

    return Input(read, plan.paths(paths.LEARNED_COST, plan.cost_runs()))


def _gathered(files: Files) -> "pd.DataFrame":
    from safemil.learned_cost.rows import gather_rows

    return gather_rows(files)


def selection_costs(plan: Plan) -> Input:
    """Return the scores of the learned costs that are held against the cost avoided."""
    return Input(_gathered, plan.paths(paths.LEARNED_COST, plan.selection_runs()))


def selection_logs(plan: Plan) -> Input:
    """Return the logs of the trainings of the same runs, by task, method and seed."""
    runs = plan.selection_runs()
    keys = [(str(run["task"]), str(run["method"]), int(run["seed"])) for run in runs]
    return Input(lambda files: dict(zip(keys, files, strict=True)), plan.paths(paths.TRAINING_LOG, runs))


def records(plan: Plan) -> Input:
    """Return the record of every run with its peak memory, checked to be of the configuration."""

    def read(files: Files) -> list[tuple[Any, float]]:
        from safemil.records.finished import check_records
        from safemil.records.training_records import read_peak_memory, read_run_record

        check_records(plan.wanted_runs())
        benchmarks = plan.paths(paths.TRAINING_BENCHMARK, plan.method_runs())
        pairs = zip(files, map(Path, benchmarks), strict=True)
        return [(read_run_record(record), read_peak_memory(benchmark)) for record, benchmark in pairs]

    return Input(read, plan.paths(paths.RUN_RECORD, plan.method_runs()))
