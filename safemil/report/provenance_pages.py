"""Where a run comes from, as Markdown: resolved configuration, seeds, versions, commits; its trainings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from safemil.files import write_text
from safemil.records.provenance import commit
from safemil.records.versions import versions
from safemil.tables import markdown

_RUN_COLUMNS = {
    "task": "task",
    "method": "method",
    "kind": "kind",
    "variant": "variant",
    "seed": "seed",
    "policy_steps": "gradient steps",
    "pretraining_steps": "steps before",
    "parameters": "parameters",
    "seconds": "s, last sitting",
    "resumed_from_step": "resumed from step",
    "run_id": "run id",
    "data_sha256": "data (SHA-256)",
    "code": "code",
    "commit": "commit",
}
_DIGITS_OF_A_DIGEST = 12


def write_provenance(config: Mapping[str, Any], runs: pd.DataFrame, directory: Path) -> list[Path]:
    """Write configuration.md and runs.md.

    Args:
        config: the resolved configuration, as plain values.
        runs: one row per training (`safemil.records.trainings`).
        directory: where they go.
    """
    return [
        write_text(directory / "configuration.md", configuration_markdown(config, runs)),
        write_text(directory / "runs.md", runs_markdown(config, runs)),
    ]


def configuration_markdown(config: Mapping[str, Any], runs: pd.DataFrame) -> str:
    """Return versions, commits, seeds and the resolved configuration of a run."""
    return markdown.page(
        f"# Configuration and versions: run `{config['run_name']}`, source `{config['source']}`",
        f"n = {_trainings(len(runs))}. Each recorded the versions and the commit that it was run with; the "
        "last column of the first table and the last row of the second are those of the process that wrote "
        "this page. `-dirty`: tracked files differed from the commit; `unknown`: no git checkout.",
        "## Versions",
        _versions(runs),
        "## Commits",
        _commits(runs),
        "## Seeds",
        markdown.table(["setting", "value"], list(_seeds(config))),
        "## Resolved configuration",
        "With every default filled in, as in `config.json`.",
        f"```yaml\n{yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).rstrip()}\n```",
    )


def _trainings(count: int) -> str:
    return f"{count} training" if count == 1 else f"{count} trainings"


def _versions(runs: pd.DataFrame) -> str:
    """Return a row per package and a column per set of versions that trainings were run with."""
    counts = runs["versions"].value_counts(sort=False)
    sets = [json.loads(text) for text in counts.index]
    now = versions()
    names = list(dict.fromkeys(name for each in (*sets, now) for name in each))
    header = ["package", *(_trainings(count) for count in counts), "this page"]
    return markdown.table(header, [[name, *(each.get(name, "–") for each in (*sets, now))] for name in names])


def _commits(runs: pd.DataFrame) -> str:
    counts = runs["commit"].value_counts(sort=False)
    rows = [[str(name), str(count)] for name, count in counts.items()]
    return markdown.table(["commit", "trainings"], [*rows, [commit(), "this page"]])


def _seeds(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return every seed among the settings, with its place."""
    for name, value in config.items():
        place = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{place}.")
        elif name in ("seed", "seeds") or name.endswith("_seed"):
            yield place, " ".join(map(str, value)) if isinstance(value, list) else str(value)


def runs_markdown(config: Mapping[str, Any], runs: pd.DataFrame) -> str:
    """Return one row per training: what it was, how long it took, and its id, data, code and commit."""
    rows = [
        [_text(name, value) for name, value in zip(_RUN_COLUMNS, values, strict=True)]
        for values in runs[list(_RUN_COLUMNS)].itertuples(index=False, name=None)
    ]
    return markdown.page(
        f"# Trainings: run `{config['run_name']}`, source `{config['source']}`",
        f"n = {_trainings(len(runs))}, from `runs.parquet`, which holds their settings and versions too "
        "and joins the episodes by the run id. Digests are cut to their first digits.",
        markdown.table(list(_RUN_COLUMNS.values()), rows),
    )


def _text(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    if name in ("policy_steps", "pretraining_steps", "parameters", "resumed_from_step"):
        return f"{value:,}"
    if name in ("data_sha256", "commit"):
        digest, *rest = str(value).split("-")
        return "-".join([digest[:_DIGITS_OF_A_DIGEST], *rest])
    return str(value)
