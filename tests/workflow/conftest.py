"""A copy of the project in which the workflow has been run once, at the smallest scale that is still real."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "workflow", "config", "safemil", "assets", "environment.yml", "pyproject.toml")
TINY = {
    "run_name": "tiny",
    "source": "collected",
    "tasks": ["point_circle2"],
    "seeds": [0],
    "methods": {
        "bc": {"default": {}},
        "safemil": {"default": {}, "small": {"training": {"bag_size": 1}}},
        "bc_safe": {"default": {}},
        "coptidice": {"default": {}},
    },
    "collect": {"episodes_per_band": 4},
    "split": {"n_non_preferred": 4, "n_unlabelled": 8, "rectangles": []},
    "training": {"steps": 40, "bag_size": 8, "log_every": 10, "checkpoint_every": 10},
    "evaluation": {
        "episodes": 2,
        "curve_points": 4,
        "curve_episodes": 2,
        "n_environments": 2,
        "bootstrap_resamples": 100,
    },
    "ablations_in_all": [],
    "ablations": {
        "sizes": {
            "title": "Bag size",
            "axis": "bag size K",
            "scale": "log",
            "methods": ["safemil"],
            "tasks": ["point_circle2", "swimmer_velocity"],
            "series": {
                "bags": {
                    "points": [{"x": k, "variant": f"bags{k}", "training": {"bag_size": k}} for k in (1, 8)]
                },
                "segments": {
                    "keep": "segments",
                    "points": [
                        {"x": k, "variant": f"segments{k}", "training": {"bag_size": k}} for k in (2, 8)
                    ],
                },
            },
        },
        "labelled": {
            "title": "Labelled trajectories",
            "axis": "non-preferred trajectories",
            "methods": ["bc", "safedice"],
            "tasks": ["point_circle2"],
            "series": {
                "all": {
                    "points": [
                        {"x": n, "variant": f"labelled{n}", "split": {"n_non_preferred": n}} for n in (2, 4)
                    ]
                }
            },
        },
    },
    "theory": {"draws": 200, "alphas": [0.5], "bag_sizes": [1, 4]},
}

# What runs again where a setting or a run changes, for a page of the report shows configuration and runs.
PROVENANCE = {"provenance": 1, "render_pages": 1}


@dataclass(frozen=True)
class Project:
    """A copy of the project and a way to run commands in it.

    The running Python's own snakemake; the copy of the package comes before the installed one, found in
    `package` where it is given and in the project itself where not.
    """

    directory: Path
    package: Path | None = None

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.package or self.directory)}
        result = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(f"snakemake failed:\n{result.stdout}\n{result.stderr}")
        return result

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        output = self.snakemake(
            *arguments, "--dry-run", "--quiet", "rules", "--configfile", "tiny.yaml"
        ).stdout
        if "Nothing to be done" in output:
            return {}
        rows = [line.split() for line in output.splitlines()]
        return {
            row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and row[0] != "total"
        }


def copy_project(directory: Path) -> Project:
    directory.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)
    (directory / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Project(directory)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The workflow after `all`, made by one process for all; tests that change it work on a copy."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{directory}.lock"):
        if directory.is_dir():
            return Project(directory)
        project = copy_project(directory.with_name("unfinished"))
        project.snakemake("all", "--configfile", "tiny.yaml")
        project.directory.rename(directory)
    return Project(directory)


@pytest.fixture
def editable(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may edit; times are kept, so that nothing looks newer."""
    directory = tmp_path / "project"
    shutil.copytree(finished.directory, directory, copy_function=shutil.copy2)
    return Project(directory)
