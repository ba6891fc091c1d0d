"""Names, kinds and order of methods and tasks."""

from safemil.evaluation.method_labels import method_label, method_order, task_display, task_order


def test_known_and_unknown_methods():
    assert method_label("bc").display == "BC-Unlabeled"
    assert method_label("coptidice").kind == "oracle"
    assert method_label("random").kind == "reference"
    assert (method_label("my_method").display, method_label("my_method").kind) == ("my_method", "learner")


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
