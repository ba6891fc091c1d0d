"""What the report holds besides figures, in which order, and what its captions say of the run."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safemil import paths
from safemil.plan.rules import Plan
from safemil.protocol import DEFAULT_VARIANT
from safemil.tables.entries import TABLES, TableEntry
from safemil.tasks import get_task

# Snakemake sorts categories by their names; the numbers put them in the order of reading.
CATEGORY = {
    "claims": "1 Claims",
    "comparison": "2 Comparison of methods",
    "learning_curves": "3 Learning curves",
    "ablations": "4 Ablations",
    "learned_cost": "5 Learned cost",
    "theory": "6 Theory",
    "fairness": "7 Fairness",
    "data": "8 Data",
    "provenance": "9 Runs, configuration and versions",
}


@dataclass(frozen=True)
class Page:
    """A page of the report.

    Attributes:
        source: the Markdown that it is made of.
        output: the HTML file.
        caption: name of its caption in workflow/report/, without ending.
        category: name of its category in the report.
        label: what its entry there is called; different from every other label of the category.
    """

    source: str
    output: str
    caption: str
    category: str
    label: str


def planned_pages(plan: Plan) -> list[Page]:
    """Return the pages of a configuration; those of ablations have a rule of their own."""
    claims = plan.path(paths.CLAIMS, extension="md")
    return [
        Page(claims, _output(plan, "claims"), "claims", CATEGORY["claims"], "The paper's claims"),
        *(_table(plan, entry) for entry in TABLES if entry.label and entry.when(plan)),
        *_data_pages(plan),
        *(
            Page(
                plan.path(paths.REPORT_TEXT, page=name),
                _output(plan, name),
                name,
                CATEGORY["provenance"],
                label,
            )
            for name, label in (
                ("configuration", "Configuration, seeds and versions"),
                ("runs", "Runs: every training"),
            )
        ),
    ]


def _output(plan: Plan, page: str) -> str:
    return plan.path(paths.REPORT_PAGE, page=page)


def _table(plan: Plan, entry: TableEntry) -> Page:
    name = f"table_{entry.name}"
    source = plan.table_file(entry.name, "md")
    return Page(source, _output(plan, name), name, CATEGORY[entry.category], entry.label)


def _data_pages(plan: Plan) -> Iterator[Page]:
    for task in plan.config.tasks:
        name, known = get_task(task).paper_name, {"task": task, "split": DEFAULT_VARIANT, "extension": "md"}
        cards = [plan.path(card, **known) for card in (paths.DATA_CARD, paths.COLLECTED_CARD)]
        split, collected = cards
        output = _output(plan, f"split_{task}")
        yield Page(split, output, "card_split", CATEGORY["data"], f"{name}: what is drawn of it")
        if plan.config.source == "collected":
            output = _output(plan, f"source_{task}")
            yield Page(collected, output, "card_source", CATEGORY["data"], f"{name}: what was collected")


def report_facts(plan: Plan, configfiles: Sequence[Path]) -> dict[str, object]:
    """Return what captions say of the run, as plain values; text is fit for reStructuredText.

    Keys: run_name, source, tasks, n (tasks, seeds and episodes), n_seeds, steps, curves, draws (of the
    theory), ablations (name -> title), command (to which a target is added), claims (verdict and statement
    of each; empty before they are decided).

    Args:
        plan: the configuration as the rules see it.
        configfiles: the files that were given to snakemake.
    """
    config = plan.config
    evaluation = config.evaluation
    points, episodes = evaluation.curve_points, evaluation.curve_episodes
    given = " ".join(["--configfile", *map(_as_typed, configfiles)]) if configfiles else ""
    return {
        "run_name": config.run_name,
        "source": config.source,
        "tasks": ", ".join(get_task(task).paper_name for task in config.tasks),
        "n": f"{_count(len(config.tasks), 'task')} × {_count(len(config.seeds), 'seed')} × "
        f"{_count(evaluation.episodes, 'episode')}",
        "n_seeds": _count(len(config.seeds), "seed"),
        "steps": _steps(plan),
        "curves": f"{_count(points, 'point')}, {_count(episodes, 'episode')} each",
        "draws": f"{config.theory.draws:,}",
        "ablations": {name: _escape(each.title) for name, each in config.ablations.items()},
        "command": " ".join(filter(None, ["snakemake", given, "--cores 1"])),
        "claims": _verdicts(Path(plan.path(paths.CLAIMS, extension="json"))),
    }


def _as_typed(path: Path) -> str:
    """Return a path for the shell, relative where it lies below the working directory."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _steps(plan: Plan) -> str:
    """Return the gradient steps of the configured trainings; as a range where they differ."""
    steps = {run.step for run in plan.expected_runs() if run.method in plan.config.methods and run.step}
    if not steps:
        return "gradient steps as the programs of the user's own say"
    low, high = min(steps), max(steps)
    return f"{low:,} gradient steps" if low == high else f"{low:,} to {high:,} gradient steps"


def _verdicts(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        return [
            {"verdict": each["verdict"], "statement": _escape(f"{each['number']}. {each['claim']}")}
            for each in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (ValueError, KeyError, TypeError):  # of another version: must not keep it from being made anew
        return []


def _escape(text: str) -> str:
    """Return text that reStructuredText shows as it is."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)
