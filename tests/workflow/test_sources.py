"""The sources `dsrl` and `local` in the workflow: what runs before the split, what is said when it fails."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from safemil.data.dsrl_table import DSRL_TABLE
from safemil.data.hdf5 import write_labelled
from safemil.data.trajectories import LabelledTrajectories
from safemil.tasks import get_task
from tests.data.conftest import make_labelled  # noqa: F401  # a fixture
from tests.data.file_server import FileServer
from tests.workflow.conftest import TINY, Project, copy_project

TASK = get_task("point_circle2")
NAME = TASK.dsrl_file
LOGS = ("logs", "benchmarks")


def card_beside(target: str) -> str:
    return str(Path(target).with_name("card.json"))


@pytest.fixture(scope="module")
def published(
    make_labelled: Callable[..., LabelledTrajectories],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A file with the published one's form, count and highest cost."""
    costs = np.arange(TASK.dsrl_trajectories) % (int(TASK.maximum_cost) + 1)
    data = make_labelled([3] * TASK.dsrl_trajectories, costs=costs.tolist(), sizes=(28, 2))
    path = tmp_path_factory.mktemp("published") / NAME
    write_labelled(path, data, {})
    return path


@pytest.fixture
def server(published: Path) -> Iterator[FileServer]:
    running = FileServer(published.read_bytes())
    yield running
    running.stop()


def project_with(directory: Path, **changes: str) -> Project:
    project = copy_project(directory)
    # The reference of these sources; nothing is trained here.
    methods = {"coptidice": {"default": {}}}
    (project.directory / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "methods": methods, **changes}))
    return project


def split_of(source: str) -> str:
    return f"results/tiny/{source}/point_circle2/data/default/training_data.hdf5"


def set_address(project: Project, address: str) -> None:
    """Let the table of files name one address for the file."""
    table = project.directory / "config" / DSRL_TABLE.name
    header, *rows = table.read_text().splitlines()
    cells = next(row for row in rows if row.startswith(NAME)).split("\t")
    table.write_text("\n".join([header, "\t".join([*cells[:2], address, "", *cells[4:]])]) + "\n")


def test_published_files_are_downloaded_before_the_split(tmp_path: Path, server: FileServer) -> None:
    project = project_with(tmp_path / "project", source="dsrl")
    data = project.directory / "data/dsrl"
    set_address(project, "http://127.0.0.1:9/nothing")
    target = split_of("dsrl")
    assert project.planned(target) == {"download": 1, "split": 1}
    result = project.snakemake(target, "--configfile", "tiny.yaml", check=False)
    assert result.returncode != 0
    for said in ("Connection refused", "DSRL_DATASET_DIR", "source: collected"):
        assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    left = [path for path in data.rglob("*") if path.is_file() and path.parent.name not in LOGS]
    assert left == []

    set_address(project, server.address("primary", NAME))
    project.snakemake(target, card_beside(target), "--configfile", "tiny.yaml")
    assert server.folders == ["primary"]
    assert (data / NAME).is_symlink()
    card = json.loads((project.directory / card_beside(target)).read_text())
    assert card["source_file"]["licence"] == "CC-BY-4.0"
    assert card["source_file"]["sha256"] in (data / f"{NAME}.sha256").read_text()
    assert project.planned(target) == {}

    # Made anew, the link costs no download: Snakemake deletes outputs, and so never owns the file itself.
    project.snakemake(target, "--configfile", "tiny.yaml", "--forceall")
    assert len(server.asked) == 1


def test_a_file_placed_by_hand_is_split_at_once_and_checked(tmp_path: Path, published: Path) -> None:
    project = project_with(tmp_path / "project", source="dsrl")
    target, placed = split_of("dsrl"), project.directory / "data/dsrl" / NAME
    placed.parent.mkdir(parents=True)
    shutil.copy(published, placed)
    assert project.planned(target) == {"split": 1}
    placed.write_bytes(placed.read_bytes()[:-1000])
    result = project.snakemake(target, "--configfile", "tiny.yaml", check=False)
    assert result.returncode != 0
    assert "HDF5 file is damaged" in result.stdout + result.stderr
    assert placed.exists()
    assert not (project.directory / target).exists()


def test_a_folder_of_ones_own_is_split(tmp_path: Path, published: Path) -> None:
    project = project_with(tmp_path / "project", source="local", data_directory="../mine")
    target = split_of("local")
    result = project.snakemake("--dry-run", target, "--configfile", "tiny.yaml", check=False)
    assert result.returncode != 0
    assert "the local source is not complete" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr

    mine = tmp_path / "mine" / "point_circle2.hdf5"
    mine.parent.mkdir()
    shutil.copy(published, mine)
    project.snakemake(target, card_beside(target), "--configfile", "tiny.yaml")
    card = json.loads((project.directory / card_beside(target)).read_text())
    assert (card["source"], card["source_file"]["name"]) == ("local", mine.name)
    assert len(card["source_file"]["sha256"]) == 64
    assert project.planned(target) == {}
    assert list(mine.parent.iterdir()) == [mine]
