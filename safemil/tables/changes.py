"""The comparison of two runs for a terminal, and as Markdown, CSV or JSON."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from safemil import paths
from safemil.catalogue import row_name, task_display
from safemil.errors import UserError
from safemil.files import csv_text, write_text
from safemil.records.episodes import read_episodes
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.changes import (
    CHANGED,
    NOT_SHOWN,
    ONLY_FIRST,
    ONLY_SECOND,
    SAME,
    TOO_FEW,
    UNDEFINED,
    RunComparison,
)
from safemil.statistics.intervals import CONFIDENCE, MINIMUM_SEEDS
from safemil.tables import markdown
from safemil.tables.text import HEADINGS

SUFFIXES = (".md", ".csv", ".json")
RULE = (
    f"Changed: the {100 * CONFIDENCE:g} % percentile bootstrap interval over seeds of the difference of "
    "means, B − A, excludes 0. Seeds are paired where both runs have the same training seeds and the same "
    "episodes in them."
)

_HEADER = [
    *["task", "method", "score", "seeds", "A", "B", "B − A"],
    *[f"{100 * CONFIDENCE:g} % interval", "verdict"],
]
_SCORES = {**HEADINGS, "share_within_limit": "within limit"}
_SETTINGS = ("cost_limit", "bootstrap_resamples", "bootstrap_seed")
_PLAIN_WIDTH = 150  # of a table that goes into a file or a pipe


@dataclass(frozen=True)
class StoredRun:
    """The episodes of a run, and the settings that its scores are computed with.

    Attributes:
        name: as the user gave it.
        file: the table of episodes.
        episodes: its rows.
        settings: cost limit and bootstrap of its configuration; the defaults where it has none.
    """

    name: str
    file: Path
    episodes: pd.DataFrame
    settings: EvaluationSettings


def read_run(name: str) -> StoredRun:
    """Read a run by its name, its folder, or its table of episodes.

    Raises:
        UserError: there is no such run, it has no table of episodes yet, or the table is not valid.
    """
    file = _episodes_file(name)
    folders = (file.parent, file.parent.parent)  # the second for the folder of a partial run
    found = [folder / "config.json" for folder in folders if (folder / "config.json").is_file()]
    settings = _settings(found[0]) if found else EvaluationSettings()
    return StoredRun(name, file, read_episodes(file), settings)


def _episodes_file(name: str) -> Path:
    named = Path(paths.ALL_EPISODES.format(run_name=name))
    if Path(name).is_file():
        return Path(name)
    for folder in (named.parent, Path(name)):
        if not folder.is_dir():
            continue
        if (folder / named.name).is_file():
            return folder / named.name
        raise UserError(
            "this run has no table of all episodes",
            expected=named.name,
            where=folder,
            hint="finish it, or make a table of what is finished (snakemake partial) and compare its folder, "
            f"{folder / 'partial'}",
        )
    raise UserError(
        "there is no such run",
        expected="the name of a run, its folder, or a table of episodes",
        found=f"neither {named.parent} nor {name}",
    )


def _settings(path: Path) -> EvaluationSettings:
    """Read what is needed here; a configuration of an older version may not be valid any more."""
    try:
        given = json.loads(path.read_text()).get("evaluation", {})
        return EvaluationSettings.model_validate({key: given[key] for key in _SETTINGS if key in given})
    except (ValueError, AttributeError) as error:
        raise UserError("a configuration cannot be read", found=error, where=path) from error


def settings_sentences(first: StoredRun, second: StoredRun) -> list[str]:
    """Return a sentence for each setting of scores that differs between the runs; those of A are used."""
    pairs = [(name, getattr(first.settings, name), getattr(second.settings, name)) for name in _SETTINGS]
    return [
        f"evaluation.{name} differs: {a:g} in A, {b:g} in B; that of A is used for both."
        for name, a, b in pairs
        if a != b
    ]


def summary_lines(comparison: RunComparison) -> list[str]:
    """Return what the comparison amounts to, without markup."""
    if comparison.identical:
        return ["No cell differs: all episodes are the same, bit for bit."]
    counts = [
        (comparison.count(verdict), verdict) for verdict in (CHANGED, NOT_SHOWN, SAME, TOO_FEW, UNDEFINED)
    ]
    compared = sum(count for count, _ in counts)
    parts = ", ".join(f"{count} {verdict}" for count, verdict in counts if count)
    lines = [f"{compared} scores of cells in both runs: {parts or 'none'}."]
    if comparison.judged:
        nominal, likely = comparison.expected_by_chance
        lines.append(
            f"If nothing had changed, {nominal:.1f} of the {comparison.judged} that have an interval and are "
            f"not the same would be flagged by chance at a level of {100 * (1 - CONFIDENCE):g} %; with so "
            f"few seeds the intervals are too narrow: for normal scores it would be {likely:.1f}. "
            "Nothing is corrected for this."
        )
    if comparison.count(TOO_FEW):
        lines.append(f"Too few seeds: fewer than {MINIMUM_SEEDS} in a run, so there is no interval.")
    for verdict in (ONLY_FIRST, ONLY_SECOND):
        only = comparison.table[comparison.table["verdict"] == verdict]
        cells = [_cell(row) for row in only.drop_duplicates(["task", "method", "variant"]).to_dict("records")]
        if cells:
            verb = "are" if len(cells) > 1 else "is"
            lines.append(
                f"{len(cells)} {'cells' if len(cells) > 1 else 'cell'} {verb} {verdict}: {'; '.join(cells)}."
            )
    return lines


def _cell(row: Mapping[Any, Any]) -> str:
    return f"{row_name(row['method'], row['variant'])} on {task_display(row['task'])}"


def _rows(table: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Return verdict and texts of each row."""
    for row in table.to_dict("records"):
        seeds = f"{row['first_seeds']} and {row['second_seeds']}"
        if row["first_seeds"] == row["second_seeds"]:
            seeds = str(row["first_seeds"])
        if row["resampling"]:
            seeds += f", {row['resampling']}"
        interval = "" if math.isnan(row["low"]) else f"{_number(row['low'])}, {_number(row['high'])}"
        numbers = [_number(row[name]) for name in ("first", "second", "difference")]
        names = [task_display(row["task"]), row_name(row["method"], row["variant"]), _SCORES[row["score"]]]
        yield row["verdict"], [*names, seeds, *numbers, interval, row["verdict"]]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:z.4g}"


def print_comparison(
    first: StoredRun, second: StoredRun, comparison: RunComparison, console: Console
) -> None:
    """Print what differs; rows without a change are counted, and stand in the file that one may ask for."""
    console.print(f"A: {first.name} ({first.file})\nB: {second.name} ({second.file})")
    for line in comparison.differing:
        console.print(f"Warning: {line}", style="yellow")
    shown = comparison.table[comparison.table["verdict"].isin([CHANGED, TOO_FEW, UNDEFINED])]
    if not comparison.identical and not shown.empty:
        table = Table(*_HEADER)
        for verdict, texts in _rows(shown):
            table.add_row(*texts, style="bold" if verdict == CHANGED else None)
        console.print(table)
    for line in summary_lines(comparison):
        console.print(line)
    console.print(RULE, style="dim")


def plain_console() -> Console:
    """Return the terminal; where the output is no terminal, wide enough for the table."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    return console


def check_suffix(path: Path) -> None:
    """Refuse a file whose form its name does not say.

    Raises:
        UserError: the name ends in none of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(
            "the form of the output is not known",
            expected=f"a name ending in {', '.join(SUFFIXES)}",
            found=path,
        )


def write_comparison(path: Path, first: StoredRun, second: StoredRun, comparison: RunComparison) -> Path:
    """Write all rows of a comparison in the form that the file's name says, atomically.

    Raises:
        UserError: as `check_suffix`.
    """
    check_suffix(path)
    forms = {".md": _markdown, ".json": _json, ".csv": lambda *_: csv_text(comparison.table)}
    return write_text(path, forms[path.suffix](first, second, comparison))


def _markdown(first: StoredRun, second: StoredRun, comparison: RunComparison) -> str:
    warnings = [f"Warning: {line}" for line in comparison.differing]
    return markdown.page(
        f"# Comparison of `{first.name}` (A) and `{second.name}` (B)",
        markdown.bullets([f"{first.file}", f"{second.file}", *warnings, *summary_lines(comparison), RULE]),
        markdown.table(_HEADER, [texts for _, texts in _rows(comparison.table)]),
    )


def _json(first: StoredRun, second: StoredRun, comparison: RunComparison) -> str:
    nominal, likely = comparison.expected_by_chance
    cells = [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in comparison.table.to_dict("records")
    ]
    content = {
        "a": {"run": first.name, "episodes": first.file.as_posix()},
        "b": {"run": second.name, "episodes": second.file.as_posix()},
        "identical": comparison.identical,
        "warnings": comparison.differing,
        "rule": RULE,
        "judged": comparison.judged,
        "changed": comparison.count(CHANGED),
        "expected_by_chance": {"nominal": nominal, "with_so_few_seeds": likely},
        "cells": cells,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
