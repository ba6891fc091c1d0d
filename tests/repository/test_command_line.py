"""The command line as a person meets it: messages instead of tracebacks, exit codes, nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest


def safemil(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safemil", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["resolve", "absent.yaml", "--output", "out"], "absent.yaml"),
        (["download", "--task", "swimmer", "--output", "out"], "swimmer_velocity"),
        (
            ["download", "--task", "swimmer_velocity", "--output", "out", "--table", "absent.tsv"],
            "absent.tsv",
        ),
        (
            ["behavior-train", "--task", "swimmer_velocity", "--run", "x", "--directory", "out"],
            "unknown behaviour run",
        ),
        (["behavior-train", "--task", "swimmer", "--run", "x", "--directory", "out"], "swimmer_velocity"),
        *[
            (["table", name, "--config", "absent.json", "--directory", "out"], "absent.json")
            for name in ("main", "per_task", "aggregate", "fairness")
        ],
        (["pages", "--style", "absent.css", "--page", "a.md", "a.html"], "absent.css"),
        (["provenance", "--config", "absent.json", "--runs", "r", "--directory", "out"], "absent.json"),
        (["claims", "--config", "absent.json", "--episodes", "e", "--directory", "out"], "absent.json"),
        (["gather", "episodes", "--config", "absent.json", "--output", "out"], "absent.json"),
        (["figure", "main", "--config", "absent.json", "--directory", "out"], "absent.json"),
        (["keep", "--config", "absent.json"], "absent.json"),
        (["restamp", "--config", "absent.json", "--reason", "none"], "absent.json"),
        (["export", "absent.parquet", "--output", "out"], "absent.parquet"),
        (["partial", "--config", "absent.json", "--directory", "d", "--figures", "f"], "absent.json"),
        (["compare", "absent", "quick"], "there is no such run"),
        (["nonsense"], "No such command"),
        (["train"], "Missing option"),
    ],
)
def test_a_mistake_ends_in_a_message(tmp_path: Path, arguments: list[str], found: str) -> None:
    result = safemil(*arguments, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert found in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_step() -> None:
    result = safemil("--help", cwd=Path.cwd())
    assert result.returncode == 0
    for command in (
        "collect",
        "download",
        "split",
        "train",
        "evaluate",
        "accept-policy",
        "gather",
        "table",
        "figure",
        "claims",
        "held-out",
        "evaluate-cost",
        "evaluate-curve",
        "keep",
        "restamp",
        "export",
        "partial",
        "compare",
        "resolve",
        "schema",
    ):
        assert command in result.stdout
