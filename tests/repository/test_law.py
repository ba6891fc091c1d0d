"""The one law of the house: what decides numbers knows nothing of what shows them.

Each result of a run has a digest of the code behind it. These are the modules of each. A module that is added
here makes finished runs of older code stale whenever it is edited: add it only if it decides numbers.
"""

import pytest

from safemil.records.provenance import TRAINING_LOOP, modules_behind

DATA = {"data.storage", "data.stripped", "data.trajectories", "errors", "files"}
NETWORKS = {"methods.budget", "methods.learner", "methods.networks"}
LOOP = {*DATA, *NETWORKS, "training.kept_policies", "training.loop", "training.randomness"}
BAGS = {"data.segments", "methods.weights"}
SIMULATOR = {
    "simulator.environments",
    "simulator.fast_layout",
    "simulator.fast_lidar",
    "simulator.fast_objects",
    "simulator.fast_path",
    "simulator.fast_world",
    "simulator.rollout",
    "simulator.seeds",
    "tasks",
}
ROLLOUT = {
    *SIMULATOR,
    "behavior.card",
    "behavior.snapshots",
    "errors",
    "files",
    "methods.networks",
    "methods.policy_file",
    "protocol",
    "records.episodes",
    "records.identity",
    "records.parquet_file",
    "reporting",
    "rollouts.evaluate",
    "rollouts.settings",
}
LABELLED = {"data.hdf5", "data.labels", "data.outline", "data.split", "protocol"}

BEHIND = {
    (TRAINING_LOOP,): LOOP,
    (TRAINING_LOOP, "methods.bc"): {*LOOP, *BAGS, "methods.bc"} - {"methods.weights"},
    (TRAINING_LOOP, "methods.safemil"): {*LOOP, *BAGS, "methods.safemil"},
    (TRAINING_LOOP, "methods.coptidice"): {
        *LOOP, *BAGS, "data.labels", "data.split", "protocol", "methods.coptidice", "methods.oracle"
    },
    ("rollouts.evaluate",): ROLLOUT,
    ("rollouts.evaluate_curve",): {*ROLLOUT, "methods.curve_file", "rollouts.evaluate_curve"},
    ("learned_cost.measure",): {
        *DATA,
        *NETWORKS,
        *LABELLED,
        "data.held_out",
        "data.separability",
        "learned_cost.measure",
        "learned_cost.rows",
        "methods.cost_learner",
        "records.episodes",
        "records.parquet_file",
        "tasks",
        "training.randomness",
        "training.restore",
    },
    ("data.held_out",): {*DATA, *LABELLED, "data.held_out", "tasks"} ,
    ("behavior.collect",): {
        *SIMULATOR,
        "behavior.card",
        "behavior.collect",
        "behavior.collect_settings",
        "behavior.snapshots",
        "data.hdf5",
        "data.outline",
        "data.storage",
        "data.trajectories",
        "errors",
        "files",
        "records.versions",
        "reporting",
    },
    ("data.prepare",): {
        *DATA, *LABELLED, "data.dsrl_table", "data.prepare", "data.source_checks", "tasks"
    },
}  # fmt: skip

# What shows, by the beginning of a module's name; `reporting` only
# names the form that progress is handed in by.
SHOWS = (
    "catalogue",
    "claims",
    "cli",
    "data.card",
    "data.make_card",
    "figures",
    "progress",
    "report.",
    "statistics",
    "tables",
)


def behind(roots):
    full = [root if root.startswith("safemil.") else f"safemil.{root}" for root in roots]
    return {module.removeprefix("safemil.") for module in modules_behind(*full)}


@pytest.mark.parametrize("roots", BEHIND, ids=" ".join)
def test_the_modules_behind_a_digest_are_these(roots):
    assert behind(roots) == BEHIND[roots]


@pytest.mark.parametrize("roots", BEHIND, ids=" ".join)
def test_none_of_them_shows(roots):
    assert not [module for module in behind(roots) if module.startswith(SHOWS)]


def test_what_shows_is_where_the_law_looks_for_it():
    everything = behind(["cli.main"])
    assert {start for start in SHOWS if not any(m.startswith(start) for m in everything)} == set()


def test_a_training_has_few_modules_behind_it():
    assert len(behind([TRAINING_LOOP, "methods.safemil"])) <= 15
