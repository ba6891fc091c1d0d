"""The table of what the collected data reach, from hand-made cards."""

import copy
import json

import pytest

from safemil.errors import UserError
from safemil.tables.data_overview import Check, Target, TaskFiles, document, read_targets, task_checks
from safemil.tables.document import to_markdown
from safemil.tasks import load_tasks, paper_tasks

TARGET = Target(highest_return=200, highest_cost=150, reference_return=120)


def summary(mean_return=0.0, highest_return=0.0, highest_cost=0.0, seeds=2):
    return {
        "episode_return": {"mean": mean_return, "maximum": highest_return},
        "episode_cost": {"maximum": highest_cost},
        "provenance": {"training_seed": {"distinct_values": seeds}},
    }


BEHAVIOR = {"constrained_reference": {"mean_return": 120.0, "mean_cost": 25.0}, "policies": [{}, {}, {}]}
SOURCE = {"sets": {"all": summary(highest_return=200.0, highest_cost=150.0)}}
SPLIT = {
    "sets": {
        "available, non-preferred": summary(mean_return=180.0),
        "available, preferred": summary(mean_return=60.0),
    },
    "available_non_preferred": 150,
    "available_preferred": 100,
    "rule": "absolute",
    "non_preferred_cost": 75.0,
    "preferred_cost": 25.0,
    "drawn_non_preferred": 50,
    "drawn_unlabelled": 200,
    "drawn_unlabelled_preferred": 100,
    "separability": 0.9125,
    "in_file": 1990,
}


def test_everything_at_its_target_is_met():
    checks = task_checks(TARGET, BEHAVIOR, SOURCE, SPLIT)
    assert len(checks) == 9
    assert all(check.met for check in checks)


@pytest.mark.parametrize(
    ("card", "path", "value", "name"),
    [
        ("source", ("sets", "all", "episode_return", "maximum"), 199.9, "highest return"),
        ("source", ("sets", "all", "episode_cost", "maximum"), 149, "highest cost"),
        ("behavior", ("constrained_reference", "mean_return"), 119.9, "reference: return"),
        ("behavior", ("constrained_reference", "mean_cost"), 25.1, "reference: cost"),
        ("split", ("available_non_preferred",), 149, "non-preferred"),
        ("split", ("available_preferred",), 99, "preferred"),
        (
            "split",
            (
                "sets",
                "available, non-preferred",
                "provenance",
                "training_seed",
                "distinct_values",
            ),
            1,
            "their training seeds",
        ),
        (
            "split",
            ("sets", "available, preferred", "provenance", "training_seed", "distinct_values"),
            1,
            "their training seeds ",
        ),
        (
            "split",
            ("sets", "available, preferred", "episode_return", "mean"),
            59.9,
            "preferred return / reference's",
        ),
    ],
)
def test_each_target_is_missed_by_its_own_number(card, path, value, name):
    cards = copy.deepcopy({"behavior": BEHAVIOR, "source": SOURCE, "split": SPLIT})
    place = cards[card]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    missed = [check.name for check in task_checks(TARGET, **cards) if not check.met]
    assert missed == [name]


def test_a_missed_target_is_said_in_words():
    assert Check("a", 38.84, 36).text() == "38.84 ≥ 36"
    assert Check("a", 35, 36).text() == "35 < 36 **missed**"
    assert Check("a", 16.6, 25, at_most=True).text() == "16.6 ≤ 25"
    assert Check("a", 26, 25, at_most=True).text() == "26 > 25 **missed**"


def test_every_task_of_the_paper_has_targets():
    assert set(paper_tasks()) <= set(read_targets()) <= set(load_tasks())


def files_of(directory, *, with_time=True):
    cards = {"behavior_card": BEHAVIOR, "source_card": SOURCE, "split_card": SPLIT}
    paths = {name: directory / f"{name}.json" for name in cards}
    # As beside a collected file: swimmer_velocity_card/card.json and benchmarks/swimmer_velocity.tsv.
    paths["source_card"] = directory / "card" / "source_card.json"
    policies, collecting = directory / "policies", directory / "benchmarks" / "swimmer_velocity.tsv"
    for folder in (paths["source_card"].parent, collecting.parent):
        folder.mkdir()
    for name, card in cards.items():
        paths[name].write_text(json.dumps(card))
    policies.write_bytes(bytes(2_340_000))
    if with_time:
        collecting.write_text("s\th:m:s\n137.77\t0:02:17\n")
    return TaskFiles(policies=policies, **paths)


@pytest.mark.parametrize("with_time", [True, False])
def test_the_table(tmp_path, with_time):
    files = files_of(tmp_path, with_time=with_time)
    text = to_markdown(document({"swimmer_velocity": files}, read_targets()))
    for line in (
        "| highest return | 200 ≥ 200 |",
        "| reference: cost | 25 ≤ 25 |",
        "| rule | absolute (> 75, < 25) |",
        "| drawn D_U (preferred) | 200 (100) |",
        "| AUROC of single pairs | 0.912 |",
        "| policies | 3 |",
        "| policies, MB | 2.3 |",
        f"| collecting, s | {'138' if with_time else '–'} |",
    ):
        assert line in text
    assert "missed" not in text


def test_a_task_without_targets_is_named(tmp_path):
    with pytest.raises(UserError, match="walking_backwards"):
        document({"walking_backwards": files_of(tmp_path)}, read_targets())
