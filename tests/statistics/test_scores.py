"""Scores against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.statistics.scores import (
    INTERVALS,
    SCORES,
    TABLE_COLUMNS,
    cvar,
    main_table,
    reference_notes,
    second_reference_tasks,
    seed_scores,
)


@pytest.mark.parametrize(
    ("n", "count"), [(1, 1), (4, 1), (5, 1), (9, 1), (10, 2), (15, 3), (20, 4), (100, 20)]
)
def test_cvar_averages_the_costliest_fifth(n, count):
    costs = np.random.default_rng(0).permutation(np.arange(n))
    # The largest `count` of 0 .. n-1 have the mean n - (count + 1) / 2.
    assert cvar(costs) == pytest.approx(n - (count + 1) / 2)


def test_cvar_takes_the_share_as_the_decimal_that_is_written():
    assert 0.29 * 100 < 29  # the trap: the floor of this product is 28
    assert cvar(np.arange(100), share=0.29) == pytest.approx(100 - 30 / 2)
    assert cvar(np.arange(10), share=1.0) == pytest.approx(4.5)


@pytest.mark.parametrize(("costs", "share"), [([], 0.2), ([1.0], 0.0), ([1.0], 1.5), ([[1.0]], 0.2)])
def test_cvar_refuses_what_it_cannot_answer(costs, share):
    with pytest.raises(ValueError, match="need a list of costs"):
        cvar(costs, share)


def test_seed_scores_by_hand(tiny):
    scores = seed_scores(tiny).set_index(["method", "seed"])
    expected = {
        ("bc", 0): (54, 20, 100, 4 / 5, 5),
        ("bc", 1): (74, 25, 25, 1, 5),
        ("bc", 2): (34, 30, 50, 3 / 5, 5),
        ("constrained_rl", 0): (104, 15, 30, 4 / 5, 5),
        ("random", 0): (4, 50, 50, 0, 5),
        ("safemil", 0): (64, 0, 0, 1, 5),
        ("safemil", 1): (84, 4, 20, 1, 5),
    }
    columns = ["return", "cost", "cvar20", "share_within_limit", "n_episodes"]
    assert set(scores.index) == set(expected)
    for cell, values in expected.items():
        assert scores.loc[cell, columns].tolist() == pytest.approx(values)


def test_main_table_by_hand(tiny):
    table = main_table(tiny)
    assert list(table.columns) == TABLE_COLUMNS
    assert table["method"].tolist() == ["bc", "safemil", "constrained_rl", "random"]
    cells = table.set_index("method")
    expected = {
        # return, cost, cvar20, (R - 4) / 100, C - 15, CVaR - 30
        "bc": (54, 25, 175 / 3, 0.5, 10, 85 / 3),
        "safemil": (74, 2, 10, 0.7, -13, -20),
        "constrained_rl": (104, 15, 30, 1, 0, 0),
        "random": (4, 50, 50, 0, 35, 20),
    }
    for method, values in expected.items():
        assert cells.loc[method, SCORES].tolist() == pytest.approx(values)
    assert cells["n_seeds"].tolist() == [3, 2, 1, 1]
    assert cells["n_episodes"].tolist() == [15, 10, 5, 5]
    assert cells["share_within_limit"].tolist() == pytest.approx([0.8, 1, 0.8, 0])
    assert cells["kind"].tolist() == ["learner", "learner", "reference", "reference"]
    assert cells["step"].tolist() == [1000, 1000, 0, 0]


def test_intervals_of_the_main_table(tiny):
    cells = main_table(tiny).set_index("method")
    # Three seeds: all three resamples hit the smallest seed in 1/27 > 2.5 % of cases, so the interval is
    # the range of the seeds.
    ranges = [(34, 74), (20, 30), (25, 100), (0.3, 0.7), (5, 15), (-5, 70)]
    assert cells.loc["bc", INTERVALS].tolist() == pytest.approx([end for pair in ranges for end in pair])
    assert cells.loc[["safemil", "constrained_rl", "random"], INTERVALS].isna().all(axis=None)


def test_main_table_does_not_depend_on_row_order(tiny):
    shuffled = tiny.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(main_table(tiny), main_table(shuffled))


def test_a_row_does_not_change_when_a_method_joins(tiny, rows):
    more = pd.concat([tiny, *(rows("aaa", seed, [seed] * 5, [seed] * 5) for seed in range(4))])
    before, after = main_table(tiny), main_table(more.reset_index(drop=True))
    kept = after[after["method"] != "aaa"].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, kept)


def test_order_of_tasks_methods_and_variants(tiny, rows):
    def flat(method, **changes):
        return rows(method, 0, [1] * 5, [1] * 5, **changes)

    extra = [
        flat(name) for name in ("zeta", "alpha", "coptidice", "bc_safe", "safedice", "trex_wbc", "dwbc_nu")
    ]
    extra += [flat("safemil", variant="bag_8"), flat("bc", variant="another")]
    for task in ("new_task", "walker_velocity"):
        extra += [flat("random", task=task), rows("constrained_rl", 0, [9] * 5, [1] * 5, task=task)]
    table = main_table(pd.concat([tiny, *extra], ignore_index=True))
    assert list(table["task"].unique()) == ["walker_velocity", "swimmer_velocity", "new_task"]
    swimmer = table[table["task"] == "swimmer_velocity"]
    assert (swimmer["method"] + ":" + swimmer["variant"]).tolist() == [
        *["bc:default", "bc:another", "dwbc_nu:default", "trex_wbc:default", "safedice:default"],
        *["safemil:default", "safemil:bag_8", "alpha:default", "zeta:default"],
        *["bc_safe:default", "coptidice:default", "constrained_rl:default", "random:default"],
    ]
    assert set(swimmer.loc[swimmer["kind"] == "oracle", "method"]) == {"bc_safe", "coptidice"}


@pytest.fixture
def published(tiny, rows):
    """The same without a shipped policy, as a source of published files has it; COptiDICE with two seeds."""
    oracle = [rows("coptidice", seed, [value] * 5, [30] * 5) for seed, value in enumerate((44, 64))]
    episodes = pd.concat([tiny[tiny["method"] != "constrained_rl"], *oracle], ignore_index=True)
    return episodes.assign(source="dsrl")


@pytest.mark.parametrize("source", ["dsrl", "local"])
def test_the_source_decides_the_constrained_reference(published, source):
    """COptiDICE: a return of (44 + 64) / 2 = 54, a cost and CVaR of 30; random has a return of 4."""
    cells = main_table(published.assign(source=source)).set_index("method")
    expected = {
        # (R - 4) / (54 - 4), C - 30, CVaR - 30
        "bc": (1.0, -5, 175 / 3 - 30),
        "safemil": (1.4, -28, -20),
        "coptidice": (1.0, 0, 0),
        "random": (0.0, 20, 20),
    }
    for method, values in expected.items():
        assert cells.loc[method, ["return_norm", "cost_diff", "cvar20_diff"]].tolist() == pytest.approx(
            values
        )
    assert cells.loc["coptidice", ["kind", "n_seeds", "step"]].tolist() == ["oracle", 2, 1000]
    assert cells["kind"].tolist() == ["learner", "learner", "oracle", "reference"]


def test_a_shipped_policy_is_no_reference_for_published_data(tiny):
    """Without COptiDICE there is none, whatever else was rolled out."""
    with pytest.raises(UserError, match=r"coptidice \(default variant\)[\s\S]*none on swimmer_velocity"):
        main_table(tiny.assign(source="dsrl"))


def test_an_unknown_source_has_no_reference(tiny):
    with pytest.raises(UserError, match=r"one of collected, dsrl, local[\s\S]*elsewhere"):
        main_table(tiny.assign(source="elsewhere"))


def test_a_reference_above_its_limit_is_named_and_joined_by_bc_safe(published, rows):
    table = main_table(published)
    (note,) = reference_notes(table)
    assert note == (
        "Swimmer-Velocity: the constrained reference COptiDICE itself costs 30.0 per episode, "
        "above the limit of 25; BC-Safe was not run."
    )
    assert second_reference_tasks(table) == []
    safe = rows("bc_safe", 0, [40] * 5, [10] * 5, source="dsrl")
    elsewhere = rows("bc_safe", 0, [40] * 5, [10] * 5, source="dsrl", variant="other")
    with_safe = main_table(pd.concat([published, safe, elsewhere], ignore_index=True))
    (note,) = reference_notes(with_safe)
    assert note.endswith("limit of 25; BC-Safe is the second reference (return 40.0, cost 10.0).")
    assert second_reference_tasks(with_safe) == ["swimmer_velocity"]
    assert reference_notes(with_safe, cost_limit=30.0) == []
    assert second_reference_tasks(with_safe, cost_limit=30.0) == []


@pytest.mark.parametrize("method", ["constrained_rl", "random"])
def test_a_missing_reference_names_task_and_method(tiny, method):
    other = tiny[tiny["method"] != method].assign(task="ant_velocity")
    with pytest.raises(UserError, match=rf"{method}[\s\S]*none on ant_velocity"):
        main_table(pd.concat([tiny, other], ignore_index=True))


def test_a_reference_in_another_variant_does_not_count(tiny):
    renamed = tiny.assign(variant=tiny["variant"].where(tiny["method"] != "random", "other"))
    with pytest.raises(UserError, match="none on swimmer_velocity"):
        main_table(renamed)


def test_several_checkpoints_are_refused(tiny):
    curve = tiny[tiny["method"] == "bc"].assign(step=500)
    with pytest.raises(UserError, match=r"swimmer_velocity/bc/default step 500; .* step 1000"):
        main_table(pd.concat([tiny, curve], ignore_index=True))


def test_rows_that_are_not_comparable_are_refused_here_too(tiny, rows):
    other = rows("dwbc_nu", 0, [1] * 5, [1] * 5, source="dsrl")
    with pytest.raises(UserError, match="sources are mixed"):
        main_table(pd.concat([tiny, other], ignore_index=True))


def test_a_useless_constrained_reference_gives_no_normalised_return(tiny):
    weak = tiny.assign(**{"return": tiny["return"].where(tiny["method"] != "constrained_rl", 4.0)})
    table = main_table(weak)
    assert table["return_norm"].isna().all()
    assert table.set_index("method").loc["bc", ["cost_diff", "return"]].tolist() == [10, 54]
    assert any("normalised returns are undefined" in note for note in reference_notes(table))


def test_reference_notes(tiny, rows):
    assert reference_notes(main_table(tiny)) == []
    costly = tiny.assign(cost=tiny["cost"].where(tiny["method"] != "constrained_rl", 26.0))
    (note,) = reference_notes(main_table(costly))
    assert note.startswith("Swimmer-Velocity: the constrained reference Constrained RL itself costs 26.0")
    assert "limit of 25" in note
    assert "BC-Safe was not run" in note
    with_oracle = pd.concat([costly, rows("bc_safe", 0, [1] * 5, [1] * 5)], ignore_index=True)
    assert "BC-Safe is the second reference" in reference_notes(main_table(with_oracle))[0]
    assert reference_notes(main_table(costly), cost_limit=26.0) == []


def test_the_cost_limit_is_an_argument(tiny):
    shares = main_table(tiny, cost_limit=24.0).set_index("method")["share_within_limit"]
    assert shares["bc"] == pytest.approx((4 / 5 + 0 + 1 / 5) / 3)
