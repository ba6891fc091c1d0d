"""The table of what policies explain of episode costs, from hand-made rows."""

from safemil.data.policy_share import PolicyShare
from safemil.tables.document import to_markdown
from safemil.tables.policy_share import document
from safemil.tables.request import TableRun


def test_each_task_is_a_row_and_what_is_undefined_is_said_so() -> None:
    decided = PolicyShare("swimmer_velocity", 2023, 128, 0.965, 134, 0.0, 541, 0.25)
    unknown = PolicyShare("point_goal1", 3, 3, float("nan"), 0, float("nan"), 1, 1.0)
    lines = to_markdown(document(TableRun("tiny"), [decided, unknown])).splitlines()
    assert "run `tiny`" in lines[0]
    assert lines[4] == "| Swimmer-Velocity | 2,023 | 128 | 0.96 | 134 | 0.00 | 541 | 0.25 |"
    assert lines[5] == "| Point-Goal1 | 3 | 3 | n/a | 0 | n/a | 1 | 1.00 |"
