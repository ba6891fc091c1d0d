"""Finished runs that are kept in the repository, and when they may stand for runs that would be made here.

`snakemake archive` copies what is small of each finished run (episodes, curves, record, losses, scores of
the learned cost) to `results/{run_name}/finished/`, beside a file `origin.json` that says what decided its
numbers. In another clone the rule `take_up` copies a run back if its origin is, word for word, what the
configuration and the code ask for there. So nothing is trained for tables and figures, and a run whose
settings, data or code differ is made anew.
"""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from safemil import paths
from safemil.config import DEFAULT_VARIANT
from safemil.errors import UserError
from safemil.evaluation.references import BEHAVIOUR_REFERENCE
from safemil.files import replacing, write_text
from safemil.training.provenance import source_digest
from safemil.workflow import Plan, Run, tracked

SAME_NUMBERS_COLUMNS = ["before", "after", "reason"]

# Whose policy of the first seed is kept as well, so that anyone can roll it out.
WITH_POLICY = ("bc", "safemil")

_DATA_CARDS = ("json", "md", "png")


def all_runs(plan: Plan) -> list[Run]:
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
    is_kept = run["method"] in WITH_POLICY and run["variant"] == DEFAULT_VARIANT
    is_first = int(run["seed"]) == plan.config.seeds[0]
    return [plan.path(paths.POLICY, **run)] if is_kept and is_first else []


def cards_of(plan: Plan, task: str) -> list[str]:
    """Return the data cards of a task, and how long collecting took.

    They stand for its data where nothing is left to train.
    """
    templates = (paths.DATA_CARD, paths.COLLECTED_CARD)
    known = {"task": task, "split": DEFAULT_VARIANT}
    cards = [plan.path(each, extension=kind, **known) for each in templates for kind in _DATA_CARDS]
    return [*cards, plan.path(paths.COLLECTING_BENCHMARK, task=task)]


def archived(plan: Plan, path: str) -> str:
    """Return where a file is kept: its path below the folder of the run name, or below the project."""
    return f"{plan.path(paths.FINISHED)}/{path.removeprefix(plan.path(paths.RESULTS) + '/')}"


def run_of(wildcards: Mapping[str, str]) -> Run:
    """Return the run that a rule's wildcards name."""
    names = ("task", "method", "variant")
    return {**{name: wildcards[name] for name in names}, "seed": int(wildcards["seed"])}


def origins_to_write(plan: Plan) -> list[str]:
    """Return the file of origin of each run that is not itself taken from the archive, and of the data."""
    taken = taken_runs(plan)
    runs = [run for run in all_runs(plan) if run not in taken]
    cards = [plan.path(paths.DATA_ORIGIN, task=task) for task in plan.config.tasks] if runs else []
    return [origin_file(plan, run) for run in runs] + cards


def origin_file(plan: Plan, run: Run) -> str:
    """Return the file that says what decided the numbers of a kept run."""
    return plan.path(paths.ORIGIN, **run)


def origin(plan: Plan, run: Run) -> str:
    """Return what decides the numbers of a run's files, as JSON: settings, data and digests of the code.

    Versions of packages are not in it, nor the machine: they change bits and no conclusion, and the run's
    record states them.
    """
    method, task = str(run["method"]), str(run["task"])
    known = {
        "rollout": plan.rollout_parameters(),
        "rollout_code": source_digest("safemil.evaluation.evaluate"),
    }
    if method == BEHAVIOUR_REFERENCE:
        known |= _policies_origin(task)
    if method in plan.config.methods:
        split = plan.config.split_of(method, str(run["variant"]))
        known |= data_origin(plan, task, split) | _training_origin(plan, run)
    return json.dumps(known, indent=2, sort_keys=True) + "\n"


def _training_origin(plan: Plan, run: Run) -> dict[str, str]:
    method, evaluation = str(run["method"]), plan.config.evaluation
    known = {
        "training": plan.training_parameters(method, str(run["variant"])),
        "training_code": plan.training_code(method),
    }
    if evaluation.curve_points and run in plan.curve_runs():
        known["curve"] = f"{evaluation.curve_points} points, {plan.curve_rollout_parameters()}"
        known["curve_code"] = source_digest("safemil.evaluation.evaluate_curve")
    if run in plan.cost_runs():
        known["cost_limit"] = tracked(evaluation.cost_limit)
        known["cost_code"] = plan.cost_code(method)
        known["held_out_code"] = source_digest("safemil.data.held_out")
    return known


def data_origin(plan: Plan, task: str, split: str = DEFAULT_VARIANT) -> dict[str, str]:
    """Return what decides the training data of a task: policies, collecting, split, and their code."""
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


def kept_runs(plan: Plan) -> list[Run]:
    """Return the runs that are kept whole and are what the configuration and the code ask for.

    An origin may differ in digests that the file `same_numbers.csv` of the archive says are of code with
    the same numbers, each with a reason.
    """
    if not Path(plan.path(paths.FINISHED)).is_dir():
        return []
    changes = _same_numbers(Path(plan.path(paths.SAME_NUMBERS)))
    return [run for run in all_runs(plan) if _is_kept(plan, run, changes)]


def _is_kept(plan: Plan, run: Run, changes: dict[str, str]) -> bool:
    file = Path(origin_file(plan, run))
    if not file.is_file() or _up_to_date(file.read_text(), changes) != origin(plan, run):
        return False
    return all(Path(archived(plan, each)).is_file() for each in files_of(plan, run))


def _up_to_date(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def _same_numbers(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if reader.fieldnames != SAME_NUMBERS_COLUMNS or not all(row["reason"] for row in rows):
        raise UserError(
            "this is not a list of changes that change no number",
            expected=f"columns {', '.join(SAME_NUMBERS_COLUMNS)}, and a reason in every row",
            found=", ".join(reader.fieldnames or ["an empty file"]),
            where=path,
        )
    return {row["before"]: row["after"] for row in rows}


def is_own(plan: Plan, run: Run) -> bool:
    """Say whether a run was made in this folder: it has its policy or, of a reference, its benchmark."""
    template = paths.POLICY if run["method"] in plan.config.methods else paths.REFERENCE_BENCHMARK
    return Path(plan.path(template, **run)).exists()


def taken_runs(plan: Plan) -> list[Run]:
    """Return the runs that are taken from the archive instead of being made."""
    return [run for run in kept_runs(plan) if not is_own(plan, run)]


def taken_files(plan: Plan) -> list[str]:
    """Return the files that `take_up` brings back; the data cards only where nothing is left to train."""
    taken = taken_runs(plan)
    files = [file for run in taken for file in files_of(plan, run)]
    if taken and len(taken) == len(_shown_runs(plan)):
        files += [card for task in plan.config.tasks for card in _kept_cards(plan, task)]
    return files


def _kept_cards(plan: Plan, task: str) -> list[str]:
    if Path(paths.COLLECTED_DATA.format(task=task)).is_file():
        return []  # Collected here for another configuration: from there the cards come in seconds.
    return [card for card in cards_of(plan, task) if Path(archived(plan, card)).is_file()]


def take_up(plan: Plan) -> list[Path]:
    """Copy the files of `taken_files` to where the rules look for them; return their paths."""
    return [_copy(Path(archived(plan, file)), Path(file)) for file in taken_files(plan)]


def keep(plan: Plan, files: Iterable[str], origin_text: str, output: Path) -> None:
    """Copy files of one run, or the data cards of a task, to the archive, and last write their origin."""
    for file in files:
        _copy(Path(file), Path(archived(plan, file)))
    write_text(output, origin_text)


def _copy(source: Path, target: Path) -> Path:
    with replacing(target) as part:
        shutil.copyfile(source, part)
    return target


def notice(plan: Plan) -> str:
    """Return a line on what is taken from the archive and what is not; empty where there is no archive."""
    if not Path(plan.path(paths.FINISHED)).is_dir():
        return ""
    kept, runs = kept_runs(plan), all_runs(plan)
    taken = f"{len(taken_runs(plan))} of {len(runs)} runs"
    lines = [f"{plan.path(paths.FINISHED)}: {taken} are taken from there."]
    other = [run for run in runs if Path(origin_file(plan, run)).is_file() and run not in kept]
    if other:
        what = ", ".join(_differences(plan, other[0])) or "files are missing"
        lines.append(
            f"{len(other)} kept runs are of other settings, data or code and are not used, such as "
            f"{plan.path(paths.RUN, **other[0])} ({what})."
        )
    return "\n".join(lines)


def _differences(plan: Plan, run: Run) -> Iterator[str]:
    changes = _same_numbers(Path(plan.path(paths.SAME_NUMBERS)))
    found = json.loads(_up_to_date(Path(origin_file(plan, run)).read_text(), changes))
    asked = json.loads(origin(plan, run))
    yield from sorted(name for name in found | asked if found.get(name) != asked.get(name))
