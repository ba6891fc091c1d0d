"""Finished runs that are kept in the repository, and when they may stand for runs that would be made here.

`snakemake keep` puts what is small of each finished run (episodes, curve, record, losses, scores of the
learned cost) into a few tables in `results/{run_name}/kept/`, with its origin, which says what decided its
numbers. In another clone the rows of a run are taken from there if its origin is, word for word, what the
configuration and the code ask for. So nothing is trained for tables and figures, and a run whose settings,
data or code differ is made anew.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safemil import paths
from safemil.files import replacing
from safemil.plan.gathering import gathered_tables
from safemil.plan.rules import Plan, Run, tracked
from safemil.protocol import BEHAVIOUR_REFERENCE, DEFAULT_VARIANT
from safemil.records import kept_store
from safemil.records.kept_store import Card, KeptRun, Key, read_kept
from safemil.records.provenance import source_digest
from safemil.tasks import get_task

if TYPE_CHECKING:
    import pandas as pd

_DATA_CARDS = ("json", "md", "png")


def keepable_runs(plan: Plan) -> list[Run]:
    """Return the runs that can be kept: all that the tables and the ablations of `all` show, once each.

    Only those on collected data, for other data are not in the repository, and none of custom methods,
    whose programs are not.
    """
    runs = plan.gathered_runs() if keepable_tasks(plan) else []
    for name in plan.ablation_names() if runs else []:
        runs += plan.ablation_cells(name)
    shown = {plan.path(paths.RUN, **run): run for run in runs}
    return [run for run in shown.values() if run["method"] not in plan.config.custom_methods]


def keepable_tasks(plan: Plan) -> list[str]:
    """Return the tasks whose data cards can be kept: all, if the data are collected."""
    return list(plan.config.tasks) if plan.config.source == "collected" else []


def files_of(plan: Plan, run: Run) -> dict[str, str]:
    """Return the files of a run whose rows are kept, by the table of kept runs."""
    files = {"episodes": paths.EPISODES}
    if run["method"] in plan.config.methods:
        files |= {kept_store.RUNS: paths.RUN_RECORD, "losses": paths.TRAINING_LOG}
        if plan.config.evaluation.curve_points and run in plan.curve_runs():
            files["curve_episodes"] = paths.CURVE_EPISODES
        if run in plan.cost_runs():
            files["learned_cost"] = paths.LEARNED_COST
            files["learned_cost_traces"] = paths.LEARNED_COST_TRACES
    return {name: plan.path(file, **run) for name, file in files.items()}


def cards_of(plan: Plan, task: str) -> list[str]:
    """Return the data cards of a task."""
    templates = (paths.DATA_CARD, paths.COLLECTED_CARD)
    known = {"task": task, "split": DEFAULT_VARIANT}
    return [plan.path(each, extension=kind, **known) for each in templates for kind in _DATA_CARDS]


def run_of(wildcards: Mapping[str, str]) -> Run:
    """Return the run that a rule's wildcards name."""
    names = ("task", "method", "variant")
    return {**{name: wildcards[name] for name in names}, "seed": int(wildcards["seed"])}


def origin_of_run(plan: Plan, run: Run) -> str:
    """Return what decides the numbers of a run's files, as JSON: task, settings, data, digests of the code.

    Versions of packages are not in it, nor the machine; the run's record states the versions. Runs of one
    task on data of different bytes are refused where they are gathered (`evaluation.runs`).
    """
    method, task = str(run["method"]), str(run["task"])
    known: dict[str, Any] = {
        "task": get_task(task).decisive(),
        "rollout": plan.rollout_parameters(),
        "rollout_code": source_digest("safemil.rollouts.evaluate"),
    }
    if method == BEHAVIOUR_REFERENCE:
        known |= _policies_origin(task)
    if method in plan.config.methods:
        split = plan.config.split_of(method, str(run["variant"]))
        known |= _data_origin(plan, task, split) | _training_origin(plan, run)
    return _json(known)


def origin_of_data(plan: Plan, task: str) -> str:
    """Return what decides a task's data and their cards, as JSON."""
    known = _data_origin(plan, task, DEFAULT_VARIANT)
    return _json(
        {"task": get_task(task).decisive(), **known, "card_code": source_digest("safemil.data.make_card")}
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _training_origin(plan: Plan, run: Run) -> dict[str, str]:
    method, evaluation = str(run["method"]), plan.config.evaluation
    known = {
        "training": plan.training_parameters(str(run["task"]), method, str(run["variant"])),
        "training_code": plan.training_code(method),
    }
    if evaluation.curve_points and run in plan.curve_runs():
        known["curve"] = f"{evaluation.curve_points} points, {plan.curve_rollout_parameters()}"
        known["curve_code"] = source_digest("safemil.rollouts.evaluate_curve")
    if run in plan.cost_runs():
        known["cost_limit"] = tracked(evaluation.cost_limit)
        known["cost_code"] = plan.cost_code(method)
        known["held_out_code"] = source_digest("safemil.data.held_out")
    return known


def _data_origin(plan: Plan, task: str, split: str) -> dict[str, str]:
    return {
        **_policies_origin(task),
        "collecting": plan.collect_options(task),
        "collecting_code": source_digest("safemil.behavior.collect"),
        "split": plan.split_parameters(split),
        "split_code": source_digest("safemil.data.prepare"),
    }


def _policies_origin(task: str) -> dict[str, str]:
    return {
        "policies": _digest_of(paths.SHIPPED_POLICIES.format(task=task)),
        "policies_card": _digest_of(paths.SHIPPED_CARD.format(task=task)),
    }


@cache
def _digest_of(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptRuns:
    """What is kept under a run name, held against what the configuration and the code ask for.

    Attributes:
        plan: the configuration as the rules see it.
        taken: runs that are kept as they are asked for, and were not made in this folder.
        own: runs that are kept as they are asked for, and were made here.
        other: runs that are kept, but of other settings, data or code, or whose rows are damaged; and in
            what they differ.
        tasks: the tasks whose data cards are kept as they are asked for.
        kept: the rows of `taken`, by the runs' keys.
    """

    plan: Plan
    taken: list[Run]
    own: list[Run]
    other: list[tuple[Run, str]]
    tasks: list[str]
    kept: Mapping[Key, KeptRun]

    def made_files(self, table: str) -> list[str]:
        """Return the files of the runs of a gathered table that are not taken."""
        entry = gathered_tables(self.plan)[table]
        made = [run for run in entry.runs(self.plan) if run not in self.taken]
        return self.plan.paths(entry.template, made)

    def kept_table(self, table: str) -> list[str]:
        """Return the table of kept runs that a gathered table takes rows from; none if it takes none."""
        entry = gathered_tables(self.plan)[table]
        takes = any(run in self.taken for run in entry.runs(self.plan))
        return [f"{self.plan.path(paths.KEPT)}/{entry.kept}.parquet"] if takes else []

    def digest(self, table: str) -> str:
        """Return a digest of what a gathered table takes, as a tracked parameter."""
        entry = gathered_tables(self.plan)[table]
        kept = [self.kept[self.plan.key(run)] for run in entry.runs(self.plan) if run in self.taken]
        text = json.dumps([[run.key, run.rows.get(entry.kept, run.record)] for run in kept])
        return hashlib.sha256(text.encode()).hexdigest()[:16] if kept else ""

    def episodes(self) -> "pd.DataFrame | None":
        """Return the episodes of the taken runs of methods and references; None where there are none."""
        keys = self.codes()
        return kept_store.read_rows(Path(self.plan.path(paths.KEPT)), "episodes", keys) if keys else None

    def codes(self) -> dict[Key, str]:
        """Return the digest of the code that trained each of these runs; empty for a reference."""
        runs = [self.kept[self.plan.key(run)] for run in self.plan.gathered_runs() if run in self.taken]
        return {run.key: json.loads(run.record)["code"] if run.record else "" for run in runs}

    def cards(self) -> list[str]:
        """Return the data cards that are taken."""
        return [card for task in self.tasks for card in cards_of(self.plan, task)]

    def runs_to_train(self) -> list[Run]:
        """Return the runs of the methods that are not taken."""
        return [run for run in self.plan.method_runs() if run not in self.taken]

    def notes(self) -> list[str]:
        """Return the note of each run that is not itself taken, and of the data of every such task."""
        runs = [run for run in keepable_runs(self.plan) if run not in self.taken]
        tasks = [task for task in keepable_tasks(self.plan) if task not in self.tasks]
        notes = self.plan.paths(paths.ORIGIN, runs)
        return notes + [self.plan.path(paths.DATA_ORIGIN, task=task) for task in tasks]

    def notice(self) -> str:
        """Return lines on what is taken and what is not; empty where nothing is kept."""
        if not (self.taken or self.own or self.other):
            return ""
        number = len(keepable_runs(self.plan))
        lines = [f"{self.plan.path(paths.KEPT)}: {len(self.taken)} of {number} runs are taken from there."]
        if self.own:
            lines.append(f"{len(self.own)} kept runs were made in this folder, too; its own are used.")
        if self.other:
            run, why = self.other[0]
            lines.append(
                f"{len(self.other)} kept runs are of other settings, data or code, or damaged, and are not "
                f"used, such as {self.plan.path(paths.RUN, **run)} ({why})."
            )
        return "\n".join(lines)


def find_kept_runs(plan: Plan) -> KeptRuns:
    """Look at what is kept under the configuration's run name.

    Raises:
        UserError: the table of kept runs cannot be read.
    """
    directory = Path(plan.path(paths.KEPT))
    runs, damaged_tables = read_kept(directory)
    kept = {run.key: run for run in runs}
    damaged = kept_store.damaged_runs(directory, runs, damaged_tables) if damaged_tables else set()
    found = [run for run in keepable_runs(plan) if plan.key(run) in kept]
    why = {plan.key(run): _why_not(plan, run, kept[plan.key(run)], damaged) for run in found}
    good = [run for run in found if not why[plan.key(run)]]
    own = [run for run in good if _is_own(plan, run)]
    taken = [run for run in good if run not in own]
    other = [(run, why[plan.key(run)]) for run in found if run not in good]
    cards = [] if kept_store.CARDS in damaged_tables else kept_store.read_cards(directory)
    tasks = [task for task in plan.config.tasks if _are_cards_kept(plan, task, cards)]
    rows = {plan.key(run): kept[plan.key(run)] for run in taken}
    return KeptRuns(plan, taken, own, other, tasks, rows)


def _is_own(plan: Plan, run: Run) -> bool:
    """Say whether a run was made here: it has its policy or, of a reference, its rollouts' benchmark."""
    template = paths.POLICY if run["method"] in plan.config.methods else paths.REFERENCE_BENCHMARK
    return Path(plan.path(template, **run)).exists()


def _why_not(plan: Plan, run: Run, kept: KeptRun, damaged: set[Key]) -> str:
    """Say in what a kept run is not what is asked for; empty if it is."""
    if kept.key in damaged:
        return "damaged rows"
    missing = [name for name in files_of(plan, run) if name != kept_store.RUNS and name not in kept.rows]
    if missing:
        return f"no rows of {', '.join(missing)}"
    found, asked = json.loads(kept.origin), json.loads(origin_of_run(plan, run))
    return ", ".join(sorted(name for name in found | asked if found.get(name) != asked.get(name)))


def _are_cards_kept(plan: Plan, task: str, cards: Sequence[Card]) -> bool:
    """Say whether a task's cards are kept as they are asked for, and were not made here."""
    found = [card for card in cards if card.task == task]
    made_here = Path(plan.path(paths.CARD_BENCHMARK, task=task, split=DEFAULT_VARIANT)).exists()
    if made_here or not {card.path for card in found}.issuperset(cards_of(plan, task)):
        return False
    asked = json.loads(origin_of_data(plan, task))
    return all(json.loads(card.origin) == asked for card in found)


def take_cards(plan: Plan, tasks: Sequence[str]) -> None:
    """Write the kept data cards of these tasks to where they belong."""
    for card in kept_store.read_cards(Path(plan.path(paths.KEPT))):
        if card.task in tasks:
            with replacing(Path(card.path)) as part:
                part.write_bytes(card.content)
