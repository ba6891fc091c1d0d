import pytest

from safemil.data.local import local_files
from safemil.errors import UserError
from safemil.tasks import get_task

SWIMMER, CIRCLE = get_task("swimmer_velocity"), get_task("point_circle2")


def test_a_file_bears_the_published_name_or_the_tasks(tmp_path):
    (tmp_path / SWIMMER.dsrl_file).touch()
    (tmp_path / "point_circle2.hdf5").touch()
    assert local_files(tmp_path, [SWIMMER, CIRCLE]) == {
        "swimmer_velocity": tmp_path / SWIMMER.dsrl_file,
        "point_circle2": tmp_path / "point_circle2.hdf5",
    }


def test_the_home_folder_may_be_abbreviated(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "point_circle2.hdf5").touch()
    (found,) = local_files(tmp_path.__class__("~"), [CIRCLE]).values()
    assert found == tmp_path / "point_circle2.hdf5"


def test_every_task_that_lacks_its_file_is_named_at_once(tmp_path):
    (tmp_path / SWIMMER.dsrl_file).touch()
    (tmp_path / "swimmer_velocity.hdf5").touch()
    with pytest.raises(UserError) as error:
        local_files(tmp_path, [SWIMMER, CIRCLE, get_task("point_goal1")])
    for part in ("swimmer_velocity: expected", "found both", "point_circle2", "point_goal1", "found none"):
        assert part in str(error.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="expected a folder, found none") as error:
        local_files(tmp_path / "absent", [SWIMMER])
    assert "absent" in str(error.value)
