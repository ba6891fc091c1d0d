"""Names, kinds and order of methods and tasks."""

import pytest

from safemil.catalogue import method_named, method_order, taken_by, task_display, task_order
from safemil.errors import UserError


def test_known_and_unknown_methods():
    assert method_named("bc").display == "BC-Unlabeled"
    assert method_named("coptidice").kind == "oracle"
    assert method_named("random").kind == "reference"
    assert (method_named("my_method").display, method_named("my_method").kind) == ("my_method", "learner")


def test_an_oracle_from_outside_the_package_is_no_learner(tmp_path, monkeypatch):
    """What has no label of its own is of the kind of its class: in no table does it stand among learners."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "elsewhere_oracle.py").write_text("")  # a plain name is never imported
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "oracle.py").write_text(
        "from safemil.methods.bc_safe import METHOD as BCSafe\n\n\n"
        "class Mine(BCSafe):\n    name = 'My oracle'\n\n\nMETHOD = Mine\n"
    )
    found = method_named("elsewhere.oracle")
    assert (found.display, found.kind, found.module) == ("My oracle", "oracle", "elsewhere.oracle")
    assert method_named("elsewhere_oracle").kind == "learner"
    assert sorted(["random", "elsewhere.oracle", "zeta"], key=method_order)[1] == "elsewhere.oracle"
    with pytest.raises(UserError, match=r"elsewhere\.nothing"):
        method_named("elsewhere.nothing")


def test_names_are_taken_by_their_owners_whatever_their_case():
    owners = {
        "bc": "bc",
        "SafeMIL": "safemil",
        "BC-Unlabeled": "bc",
        "RANDOM": "random",
        "dwbc_NU": "dwbc_nu",
    }
    assert {name: taken_by(name) for name in owners} == owners
    assert [taken_by(name) for name in ("Ridge", "bc2", "my method", "")] == [None] * 4


def test_order_is_learners_unknown_oracles_references():
    names = ["random", "bc_safe", "zeta", "safemil", "constrained_rl", "alpha", "coptidice", "bc"]
    assert sorted(names, key=method_order) == [
        *["bc", "safemil", "alpha", "zeta", "bc_safe", "coptidice", "constrained_rl", "random"]
    ]


def test_tasks_have_the_papers_names_and_order():
    assert task_display("point_goal1") == "Point-Goal1"
    assert task_display("new_task") == "new_task"
    assert sorted(["b", "a", "point_goal1", "walker_velocity"], key=task_order) == [
        *["walker_velocity", "point_goal1", "a", "b"]
    ]
