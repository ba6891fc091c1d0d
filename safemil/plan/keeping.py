"""Keeping finished runs: the note that says what made a run's files, and the tables that take them in."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from safemil import paths
from safemil.errors import UserError
from safemil.files import replacing, sha256, write_text
from safemil.plan.gathering import gather_rows_of
from safemil.plan.kept import cards_of, files_of, keepable_runs, keepable_tasks, origin_of_data, origin_of_run
from safemil.plan.rules import Plan, Run
from safemil.protocol import DEFAULT_VARIANT
from safemil.records import kept_store
from safemil.records.kept_store import Card, KeptRun, Key

if TYPE_CHECKING:
    import pandas as pd

# Whose policy of the first seed is kept as well, so that anyone can roll it out.
WITH_POLICY = ("safemil",)


def note_origin(origin: str, files: Sequence[Path], output: Path) -> None:
    """Note beside the files of a run, or of a task's data, what decided them.

    Args:
        origin: as from `kept.origin_of_run` or `kept.origin_of_data`.
        files: what was made, the record among them.
        output: the note.

    Raises:
        UserError: the record is of other code than the origin says, for the run was not made again.
    """
    for record in (file for file in files if file.name == "run.json"):
        found, expected = json.loads(record.read_text()).get("code"), json.loads(origin).get("training_code")
        if found != expected:
            raise UserError(
                "this run was not trained by the present code, and is not kept",
                expected=f"code {expected}",
                found=f"code {found}",
                where=record,
                hint="train it again, without --rerun-triggers",
            )
    digests = {file.as_posix(): sha256(file) for file in files}
    note = {"origin": json.loads(origin), "files": digests}
    write_text(output, json.dumps(note, indent=2, sort_keys=True) + "\n")


def keep(plan: Plan) -> list[Run]:
    """Take every finished run, with a note of the present settings and code, into the tables of kept runs.

    Runs that are kept already and were not made here stay. Returns the runs that were taken in.
    """
    directory = Path(plan.path(paths.KEPT))
    fresh = [run for run in keepable_runs(plan) if _is_noted(plan, run)]
    tasks = [task for task in keepable_tasks(plan) if _is_data_noted(plan, task)]
    if not fresh and not tasks:
        return []
    known, damaged = kept_store.read_kept(directory)
    if damaged:
        raise UserError(
            "kept tables are missing or were changed by hand, and nothing is added to them",
            found=", ".join(sorted(damaged)),
            where=directory,
            hint="get them again from the repository, or remove the folder",
        )
    staying = [run for run in known if run.key not in {plan.key(each) for each in fresh}]
    rows = {name: _rows(plan, name, fresh, staying, directory) for name in kept_store.ROWS}
    records = _rows(plan, kept_store.RUNS, fresh, staying, directory)
    added = [_kept_run(plan, run, records) for run in fresh]
    cards = [card for card in kept_store.read_cards(directory) if card.task not in tasks]
    cards += [card for task in tasks for card in _cards(plan, task)]
    for run in fresh:
        _keep_policy(plan, run)
    kept_store.write_kept(directory, [*staying, *added], rows, cards)
    return fresh


def _is_noted(plan: Plan, run: Run) -> bool:
    files = list(files_of(plan, run).values())
    return _note_holds(Path(plan.path(paths.ORIGIN, **run)), origin_of_run(plan, run), files)


def _is_data_noted(plan: Plan, task: str) -> bool:
    note = Path(plan.path(paths.DATA_ORIGIN, task=task))
    return _note_holds(note, origin_of_data(plan, task), cards_of(plan, task))


def _note_holds(note: Path, origin: str, files: Sequence[str]) -> bool:
    if not note.is_file():
        return False
    noted = json.loads(note.read_text())
    return noted["origin"] == json.loads(origin) and all(
        Path(file).is_file() and noted["files"].get(file) == sha256(Path(file)) for file in files
    )


def _rows(
    plan: Plan, name: str, fresh: Sequence[Run], staying: Sequence[KeptRun], directory: Path
) -> "pd.DataFrame":
    """Return the rows of a table of kept runs: those that stay, and those of the runs that are new."""
    made = [run for run in fresh if name in files_of(plan, run)]
    keys = [run.key for run in staying if name == kept_store.RUNS or name in run.rows]
    kept = kept_store.read_rows(directory, name, keys) if keys else None
    files = [Path(files_of(plan, run)[name]) for run in made]
    return gather_rows_of(plan, name, made, files, kept)


def _kept_run(plan: Plan, run: Run, records: "pd.DataFrame") -> KeptRun:
    key = plan.key(run)
    found = records[[each == key for each in records[kept_store.RUN].itertuples(index=False, name=None)]]
    record = str(found["record"].iloc[0]) if len(found) else ""
    memory = float(found["peak_memory_mb"].iloc[0]) if len(found) else float("nan")
    return KeptRun(key, record, memory, origin_of_run(plan, run), {})


def _cards(plan: Plan, task: str) -> list[Card]:
    files = [*cards_of(plan, task), plan.path(paths.COLLECTING_BENCHMARK, task=task)]
    origin = origin_of_data(plan, task)
    return [Card(task, origin, file, Path(file).read_bytes()) for file in files if Path(file).is_file()]


def _keep_policy(plan: Plan, run: Run) -> None:
    is_shown = run["method"] in WITH_POLICY and run["variant"] == DEFAULT_VARIANT
    if is_shown and int(run["seed"]) == plan.config.seeds[0]:
        content = Path(plan.path(paths.POLICY, **run)).read_bytes()
        target = Path(plan.path(paths.KEPT_POLICY, **run))
        with replacing(target) as part:
            part.write_bytes(content)


def restamp(plan: Plan, reason: str) -> list[Key]:
    """Say that changes of the code have changed no number: give kept runs the digests of the present code.

    What else decides a run must be what is asked for; a run of which it is not stays as it is. The reason is
    added to a list beside the tables.

    Args:
        plan: the configuration.
        reason: why the numbers are the same, for readers of the list.

    Returns:
        The runs whose digests were changed.
    """
    directory = Path(plan.path(paths.KEPT))
    asked = {plan.key(run): origin_of_run(plan, run) for run in keepable_runs(plan)}
    runs, damaged = kept_store.read_kept(directory)
    new = {run.key: asked[run.key] for run in runs if _differ_in_code(run.origin, asked.get(run.key))}
    tasks = {task: origin_of_data(plan, task) for task in plan.config.tasks}
    cards = [
        replace(card, origin=tasks[card.task]) if _differ_in_code(card.origin, tasks.get(card.task)) else card
        for card in kept_store.read_cards(directory)
    ]
    changed = sorted({name for run in runs if run.key in new for name in _changed(run.origin, new[run.key])})
    if damaged or not changed:
        return []
    rows = {
        name: kept_store.read_rows(directory, name, [run.key for run in runs])
        for name in kept_store.ROWS
        if kept_store.table_path(directory, name).is_file()
    }
    stamped = [replace(run, origin=new.get(run.key, run.origin)) for run in runs]
    kept_store.write_kept(directory, stamped, rows, cards)
    listed = directory / "restamped.md"
    before = listed.read_text() if listed.is_file() else _LIST
    write_text(listed, f"{before}- {', '.join(changed)} of {len(new)} runs: {reason}\n")
    return sorted(new)


_LIST = """# Changes of the code that changed no number

Kept runs were given the digests of newer code, for the reason that each line states.

"""


def _changed(origin: str, asked: str) -> set[str]:
    found, wanted = json.loads(origin), json.loads(asked)
    return {name for name in found | wanted if found.get(name) != wanted.get(name)}


def _differ_in_code(origin: str, asked: str | None) -> bool:
    changed: set[str] = _changed(origin, asked) if asked else set()
    return bool(changed) and all(name.endswith("_code") for name in changed)
