"""Finished runs that are kept in the repository, and when they may stand for runs that would be made here.

`snakemake keep` copies what is small of each finished run (episodes, curve, record, losses, scores of the
learned cost) to `results/{run_name}/kept/`, beside `origin.json`, which says what decided its numbers. In
another clone the rule `take_up` copies a run back if its origin is, word for word, what the configuration
and the code ask for there. So nothing is trained for tables and figures, and a run whose settings, data or
code differ is made anew.
"""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safemil import paths
from safemil.errors import UserError
from safemil.files import replacing, sha256, write_text
from safemil.plan.configuration import DEFAULT_VARIANT
from safemil.plan.rules import Plan, Run, tracked
from safemil.records.provenance import source_digest
from safemil.references import BEHAVIOUR_REFERENCE
from safemil.tasks import get_task

SAME_NUMBERS_COLUMNS = ["before", "after", "reason"]

# Whose policy of the first seed is kept as well, so that anyone can roll it out.
WITH_POLICY = ("bc", "safemil")

_DATA_CARDS = ("json", "md", "png")
_DIGEST = re.compile("[0-9a-f]{16}")


def keepable_runs(plan: Plan) -> list[Run]:
    """Return the runs that can be kept: all that the tables and the ablations of `all` show, once each.

    Only those on collected data, for other data are not in the repository, and none of custom methods,
    whose programs are not.
    """
    if plan.config.source != "collected":
        return []
    return [run for run in _shown_runs(plan).values() if run["method"] not in plan.config.custom_methods]


def _shown_runs(plan: Plan) -> dict[str, Run]:
    runs = plan.gathered_runs()
    for name in plan.ablation_names():
        runs += plan.ablation_cells(name)
    return {plan.path(paths.RUN, **run): run for run in runs}


def files_of(plan: Plan, run: Run) -> list[str]:
    """Return the files that are kept of a run, and that stand for it in another clone."""
    files = [paths.EPISODES]
    if run["method"] in plan.config.methods:
        files += [paths.RUN_RECORD, paths.TRAINING_LOG, paths.TRAINING_BENCHMARK]
        if plan.config.evaluation.curve_points and run in plan.curve_runs():
            files.append(paths.CURVE_EPISODES)
        if run in plan.cost_runs():
            files += [paths.LEARNED_COST, paths.LEARNED_COST_TRACES]
    return [plan.path(file, **run) for file in files]


def policies_of(plan: Plan, run: Run) -> list[str]:
    """Return the policy of a run if it is one of the few that are kept."""
    is_shown = run["method"] in WITH_POLICY and run["variant"] == DEFAULT_VARIANT
    is_first = int(run["seed"]) == plan.config.seeds[0]
    return [plan.path(paths.POLICY, **run)] if is_shown and is_first else []


def cards_of(plan: Plan, task: str) -> list[str]:
    """Return the data cards of a task, and how long collecting took.

    They stand for its data where nothing is left to train.
    """
    templates = (paths.DATA_CARD, paths.COLLECTED_CARD)
    known = {"task": task, "split": DEFAULT_VARIANT}
    cards = [plan.path(each, extension=kind, **known) for each in templates for kind in _DATA_CARDS]
    return [*cards, plan.path(paths.COLLECTING_BENCHMARK, task=task)]


def kept_path(plan: Plan, path: str) -> str:
    """Return where a file is kept: its path below the folder of the run name, or below the project."""
    return f"{plan.path(paths.KEPT)}/{path.removeprefix(plan.path(paths.RESULTS) + '/')}"


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
        other: runs that are kept, but of other settings, data or code, or whose files are damaged.
        is_complete: every run is taken, and the data cards are kept: nothing is left to train.
    """

    plan: Plan
    taken: list[Run]
    own: list[Run]
    other: list[Run]
    is_complete: bool

    def files(self) -> list[str]:
        """Return the files that `take_up` brings back."""
        return [file for run in self.taken for file in files_of(self.plan, run)]

    def digest(self) -> str:
        """Return a digest of what is taken, as a tracked parameter: other kept runs are taken up again."""
        lists = [_files_list(self.plan, run).read_bytes() for run in self.taken]
        return hashlib.sha256(b"".join(lists)).hexdigest()[:16]

    def runs_to_train(self) -> list[Run]:
        """Return the runs of the methods that are not taken."""
        return [run for run in self.plan.method_runs() if run not in self.taken]

    def data_files(self, cards: Iterable[str]) -> list[str]:
        """Return the paths of data cards, or where they are kept if nothing is left to train."""
        return [kept_path(self.plan, card) if self.is_complete else card for card in cards]

    def origins_to_write(self) -> list[str]:
        """Return the origin of each run that is not itself taken, and of the data of every task."""
        runs = [run for run in keepable_runs(self.plan) if run not in self.taken]
        cards = [self.plan.path(paths.DATA_ORIGIN, task=task) for task in self.plan.config.tasks]
        return [self.plan.path(paths.ORIGIN, **run) for run in runs] + (cards if runs else [])

    def notice(self) -> str:
        """Return lines on what is taken and what is not; empty where nothing is kept."""
        if not (self.taken or self.own or self.other):
            return ""
        number = len(keepable_runs(self.plan))
        lines = [f"{self.plan.path(paths.KEPT)}: {len(self.taken)} of {number} runs are taken from there."]
        if self.own:
            lines.append(f"{len(self.own)} kept runs were made in this folder, too; its own are used.")
        if self.other:
            run = self.plan.path(paths.RUN, **self.other[0])
            what = ", ".join(_differences(self.plan, self.other[0])) or "damaged or missing files"
            lines.append(
                f"{len(self.other)} kept runs are of other settings, data or code and are not used, such as "
                f"{run} ({what})."
            )
        return "\n".join(lines)


def find_kept_runs(plan: Plan) -> KeptRuns:
    """Look at what is kept under the configuration's run name.

    An origin may differ in digests of code that the file `same_numbers.csv` beside it says are of code with
    the same numbers, each with a reason.

    Raises:
        UserError: that file is not what it should be.
    """
    if not Path(plan.path(paths.KEPT)).is_dir():
        return KeptRuns(plan, [], [], [], is_complete=False)
    changes = _same_numbers(Path(plan.path(paths.SAME_NUMBERS)))
    kept = [run for run in keepable_runs(plan) if Path(plan.path(paths.ORIGIN, **run)).is_file()]
    good = [run for run in kept if _is_as_asked(plan, run, changes)]
    own = [run for run in good if _is_own(plan, run)]
    taken = [run for run in good if run not in own]
    is_complete = len(taken) == len(_shown_runs(plan)) and all(
        _are_cards_kept(plan, task, changes) for task in plan.config.tasks
    )
    other = [run for run in kept if run not in good]
    return KeptRuns(plan, taken, own, other, is_complete)


def _is_own(plan: Plan, run: Run) -> bool:
    """Say whether a run was made here: it has its policy or, of a reference, its rollouts' benchmark."""
    template = paths.POLICY if run["method"] in plan.config.methods else paths.REFERENCE_BENCHMARK
    return Path(plan.path(template, **run)).exists()


def _is_as_asked(plan: Plan, run: Run, changes: Mapping[str, str]) -> bool:
    found = _read_origin(Path(plan.path(paths.ORIGIN, **run)), changes)
    if found != json.loads(origin_of_run(plan, run)):
        return False
    digests = _read_json(_files_list(plan, run))
    files = {file: Path(kept_path(plan, file)) for file in files_of(plan, run)}
    return all(path.is_file() and digests.get(file) == sha256(path) for file, path in files.items())


def _are_cards_kept(plan: Plan, task: str, changes: Mapping[str, str]) -> bool:
    origin = _read_origin(Path(plan.path(paths.DATA_ORIGIN, task=task)), changes)
    files = [Path(kept_path(plan, card)) for card in cards_of(plan, task)]
    return origin == json.loads(origin_of_data(plan, task)) and all(file.is_file() for file in files)


def _files_list(plan: Plan, run: Run) -> Path:
    return Path(plan.path(paths.ORIGIN, **run)).with_name("files.json")


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a kept file says; nothing where it is missing or no JSON, so that its run is not used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_origin(path: Path, changes: Mapping[str, str]) -> dict[str, Any]:
    """Return an origin, the digests of its code brought up to date."""
    origin = _read_json(path)
    for name in filter(lambda each: each.endswith("_code"), origin):
        digest = str(origin[name])
        for _ in changes:  # at most as many steps as there are changes, so that a circle ends
            digest = changes.get(digest, digest)
        origin[name] = digest
    return origin


def _same_numbers(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    is_whole = reader.fieldnames == SAME_NUMBERS_COLUMNS and all(
        row["reason"] and _DIGEST.fullmatch(row["before"]) and _DIGEST.fullmatch(row["after"]) for row in rows
    )
    if not is_whole or len({row["before"] for row in rows}) < len(rows):
        columns = ", ".join(SAME_NUMBERS_COLUMNS)
        raise UserError(
            "this is not a list of changes that change no number",
            expected=f"columns {columns}: two digests of 16 digits and a reason; each before once",
            found=f"columns {', '.join(reader.fieldnames or [])}, {len(rows)} rows",
            where=path,
        )
    return {row["before"]: row["after"] for row in rows}


def _differences(plan: Plan, run: Run) -> Iterator[str]:
    changes = _same_numbers(Path(plan.path(paths.SAME_NUMBERS)))
    found = _read_origin(Path(plan.path(paths.ORIGIN, **run)), changes)
    asked = json.loads(origin_of_run(plan, run))
    yield from sorted(name for name in found | asked if found.get(name) != asked.get(name))


def take_up(plan: Plan, files: Iterable[str]) -> None:
    """Copy kept files to where the rules look for them."""
    for file in files:
        _copy(Path(kept_path(plan, file)), Path(file))


def _check_code(records: Iterable[Path], origin: Mapping[str, Any]) -> None:
    for record in records:
        found = _read_json(record).get("code")
        if found != origin.get("training_code"):
            raise UserError(
                "this run was not trained by the present code, and is not kept",
                expected=f"code {origin.get('training_code')}",
                found=f"code {found}",
                where=record,
                hint="train it again, without --rerun-triggers",
            )


def keep(plan: Plan, files: Sequence[str], origin: str, output: Path) -> None:
    """Keep files of one run, or the data cards of a task; write their digests, and last their origin.

    Raises:
        UserError: the record is of other code than the origin says, for the run was not made again.
    """
    _check_code([Path(file) for file in files if Path(file).name == "run.json"], json.loads(origin))
    copies = {file: _copy(Path(file), Path(kept_path(plan, file))) for file in files}
    digests = {file: sha256(copy) for file, copy in copies.items()}
    write_text(output.with_name("files.json"), _json(digests))
    write_text(output, origin)


def _copy(source: Path, target: Path) -> Path:
    with replacing(target) as part:
        shutil.copyfile(source, part)
    return target
