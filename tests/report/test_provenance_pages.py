"""Configuration and runs as pages: counts of versions and commits are right, no setting is lost."""

import json
import re

import pandas as pd
import yaml

from safemil.report.provenance_pages import configuration_markdown, runs_markdown

CONFIG = {
    "run_name": "a",
    "source": "collected",
    "seeds": [3, 4],
    "split": {"data_seed": 7, "alpha": 0.5},
    "training": {"steps": 1200},
    "claims": {"minimum_seeds": 5},  # a number of seeds, not a seed
}


def runs() -> pd.DataFrame:
    versions = [{"python": "3.11", "torch": "2.13"}] * 2 + [{"python": "3.11", "torch": "2.14", "new": "1"}]
    rows = [
        {
            **{"task": "point_goal1", "method": "bc", "kind": "learner", "variant": "default", "seed": seed},
            **{"policy_steps": 1200, "pretraining_steps": 0, "parameters": 70000, "seconds": 1234.56},
            **{"resumed_from_step": 0, "run_id": f"{seed}f00f00f00f00f00", "data_sha256": "d" * 64},
            **{"code": "c0de", "commit": "a" * 40 + ("-dirty" if seed == 2 else "")},
            "versions": json.dumps(versions[seed], sort_keys=True),
        }
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def cells(markdown: str, first: str) -> list[list[str]]:
    """Return the rows of the table whose first heading is `first`."""
    (table,) = (part for part in markdown.split("\n\n") if part.startswith(f"| {first} |"))
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


def test_versions_and_commits_are_counted() -> None:
    markdown = configuration_markdown(CONFIG, runs())
    header, *rows = cells(markdown, "package")
    assert header == ["package", "2 trainings", "1 training", "this page"]
    by_name = {row[0]: row[1:3] for row in rows}
    assert by_name["torch"] == ["2.13", "2.14"]
    assert by_name["new"] == ["–", "1"]
    assert by_name["mujoco"] == ["–", "–"]  # known of this page alone
    commits = cells(markdown, "commit")
    assert commits[1:3] == [["a" * 40, "2"], ["a" * 40 + "-dirty", "1"]]
    assert commits[3][1] == "this page"


def test_every_seed_and_every_setting_is_shown() -> None:
    markdown = configuration_markdown(CONFIG, runs())
    assert cells(markdown, "setting")[1:] == [["seeds", "3 4"], [r"split.data\_seed", "7"]]
    block = re.search(r"```yaml\n(.*)```", markdown, re.DOTALL)
    assert block is not None
    assert yaml.safe_load(block[1]) == CONFIG


def test_a_row_per_training() -> None:
    header, *rows = cells(runs_markdown(CONFIG, runs()), "task")
    assert len(rows) == 3
    row = dict(zip(header, rows[2], strict=True))
    assert row["run id"] == "2f00f00f00f00f00"
    assert row["commit"] == "aaaaaaaaaaaa-dirty"
    assert (row["gradient steps"], row["s, last sitting"]) == ("1,200", "1,234.6")
