"""Whether a curve has levelled off: changes, tolerances and verdicts, derived by hand."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.curves import curve_means, without_curve
from safemil.statistics.levelling import (
    CANNOT_TELL,
    FALLING,
    LEVEL,
    NO,
    NO_SCALE,
    NO_SCALE_OR_POINTS,
    RISING,
    TABLE_COLUMNS,
    TOO_FEW_POINTS,
    TOO_FEW_SEEDS,
    UNCLEAR,
    YES,
    levelled_off,
    levelling_over_tasks,
    levelling_table,
    verdict,
)
from safemil.tables import learning_curves, learning_curves_over_tasks
from safemil.tables.document import to_markdown, write_document
from safemil.tables.request import TableRun

SETTINGS = EvaluationSettings(level_tolerance=0.1, cost_limit=25.0, bootstrap_resamples=2000)
TINY = TableRun("tiny", SETTINGS)


def curve(rows, method, seed, returns, costs, **changes):
    """One run's curve, with a point of five equal episodes at steps 100, 200 and so on."""
    points = zip(returns, costs, strict=True)
    parts = [
        rows(method, seed, [value] * 5, [cost] * 5, step=100 * (i + 1), **changes)
        for i, (value, cost) in enumerate(points)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def finals(tiny):
    """BC of seeds 0 to 2, SafeMIL of 0 and 1; random actions return 4, the reference 104: a range of 100."""
    return tiny


# Eight points: quarters of two. The last two count against the two before.
HEAD = [0.0] * 4


def three_seeds(rows, returns, costs, **changes):
    """BC with one list of the last four returns and costs for each of its three seeds."""
    parts = [
        curve(rows, "bc", seed, HEAD + list(returns[seed]), [200.0] * 4 + list(costs[seed]), **changes)
        for seed in range(3)
    ]
    return pd.concat(parts, ignore_index=True)


LEVEL_ENDS = [[50.0] * 4] * 3


def test_changes_are_those_between_the_last_two_quarters(rows, finals):
    returns = [[50, 52, 54, 56], [50, 50, 50, 50], [60, 62, 60, 58]]
    costs = [[100, 110, 90, 80], [100, 100, 100, 90], [30, 10, 20, 20]]
    row = levelling_table(three_seeds(rows, returns, costs), finals, SETTINGS).iloc[0]
    assert list(row.index) == TABLE_COLUMNS
    # Before: 51, 50, 61; last: 55, 50, 59; changes 4, 0, -2.
    assert (row["return_before"], row["return_last"]) == pytest.approx((54.0, 164 / 3))
    assert row["return_change"] == pytest.approx(2 / 3)
    # With three seeds the 95 % interval is the range: all three resampled alike has probability 1/27 each.
    assert (row["return_low"], row["return_high"]) == pytest.approx((-2, 4))
    # Before: 105, 100, 20; last: 85, 95, 20; changes -20, -5, 0.
    assert row["cost_change"] == pytest.approx(-25 / 3)
    assert (row["cost_low"], row["cost_high"]) == pytest.approx((-20, 0))
    # A tenth of the range of 100 between random actions and the reference; of the mean cost 425/6 > 25.
    assert row["return_tolerance"] == pytest.approx(10)
    assert row["cost_tolerance"] == pytest.approx(0.1 * 425 / 6)
    # -8.3 is beyond 7.1, but its interval ends at 0.
    assert (row["return_verdict"], row["cost_verdict"], row["levelled_off"]) == (LEVEL, UNCLEAR, CANNOT_TELL)
    sizes = row[["n_seeds", "n_episodes", "n_points", "points_per_quarter", "first_step", "last_step"]]
    assert sizes.tolist() == [3, 5, 8, 2, 100, 800]


def test_a_low_cost_is_judged_against_the_limit(rows, finals):
    table = levelling_table(three_seeds(rows, LEVEL_ENDS, [[4, 4, 6, 6]] * 3), finals, SETTINGS)
    assert table["cost_tolerance"].tolist() == pytest.approx([2.5])
    assert table[["cost_verdict", "levelled_off"]].values.tolist() == [[LEVEL, YES]]


@pytest.mark.parametrize(
    ("returns", "costs", "expected"),
    [
        ([50, 50, 59, 59], [10] * 4, (LEVEL, LEVEL, YES)),
        ([50, 50, 61, 61], [10] * 4, (RISING, LEVEL, NO)),
        ([61, 61, 50, 50], [10] * 4, (FALLING, LEVEL, NO)),
        ([50] * 4, [10, 10, 13, 13], (LEVEL, RISING, NO)),
        ([50] * 4, [13, 13, 10, 10], (LEVEL, FALLING, NO)),
    ],
)
def test_verdicts_where_all_seeds_agree(rows, finals, returns, costs, expected):
    table = levelling_table(three_seeds(rows, [returns] * 3, [costs] * 3), finals, SETTINGS)
    assert tuple(table.loc[0, ["return_verdict", "cost_verdict", "levelled_off"]]) == expected


@pytest.fixture
def two_tasks(finals):
    """References and BC on two tasks; on the second the reference returns 204, a range of 200."""
    ids = finals["run_id"].str.replace("swimmer_velocity", "ant_velocity")
    second = finals.assign(task="ant_velocity", run_id=ids)
    is_reference = second["method"] == "constrained_rl"
    return pd.concat([finals, second.assign(**{"return": second["return"] + 100 * is_reference})])


def curves_of_two_tasks(rows, first, second):
    """BC on both tasks, with (returns, costs) of its three seeds on each."""
    return pd.concat([three_seeds(rows, *first), three_seeds(rows, *second, task="ant_velocity")])


def test_over_tasks_changes_are_shares_of_each_tasks_own_scale(rows, two_tasks):
    first = ([[50, 50, 58, 58]] * 3, [[100, 100, 120, 120]] * 3)
    second = ([[50, 50, 46, 46]] * 3, [[4, 4, 5, 5], [4, 4, 4, 4], [4, 4, 3, 3]])
    (row,) = levelling_over_tasks(curves_of_two_tasks(rows, first, second), two_tasks, SETTINGS).to_dict(
        "records"
    )
    # Returns: +8 of 100 and -4 of 200; costs: +20 of their mean 110, and +1, 0, -1 of the limit of 25.
    assert row["return_change"] == pytest.approx((0.08 - 0.02) / 2)
    assert row["cost_change"] == pytest.approx((20 / 110 + 0) / 2)
    assert (row["cost_low"], row["cost_high"]) == pytest.approx(
        ((20 / 110 - 1 / 25) / 2, (20 / 110 + 1 / 25) / 2)
    )
    assert (row["return_verdict"], row["cost_verdict"]) == (LEVEL, UNCLEAR)
    assert (row["n_tasks"], row["n_seeds"], row["levelled_off"]) == (2, 6, CANNOT_TELL)


def test_over_tasks_opposite_changes_cancel_and_equal_ones_do_not(rows, two_tasks):
    up, down = [[10, 10, 20, 20]] * 3, [[20, 20, 10, 10]] * 3
    flat = [[50] * 4] * 3
    cancelled = levelling_over_tasks(
        curves_of_two_tasks(rows, (flat, up), (flat, down)), two_tasks, SETTINGS
    ).iloc[0]
    assert (cancelled["cost_change"], cancelled["levelled_off"]) == (pytest.approx(0), YES)
    rising = levelling_over_tasks(
        curves_of_two_tasks(rows, (flat, up), (flat, up)), two_tasks, SETTINGS
    ).iloc[0]
    assert rising["cost_change"] == pytest.approx(10 / 25)
    assert (rising["cost_verdict"], rising["levelled_off"]) == (RISING, NO)


def test_over_tasks_a_task_without_a_scale_or_points_gives_no_verdict(rows, two_tasks):
    flat, worse = [[50] * 4] * 3, two_tasks.copy()
    worse.loc[(worse["method"] == "constrained_rl") & (worse["task"] == "ant_velocity"), "return"] = -5.0
    row = levelling_over_tasks(curves_of_two_tasks(rows, (flat, flat), (flat, flat)), worse, SETTINGS).iloc[0]
    assert (row["return_verdict"], row["cost_verdict"]) == (NO_SCALE_OR_POINTS, LEVEL)
    short = pd.concat(
        [
            curve(rows, "bc", seed, [1, 2, 3], [1, 2, 3], task=task)
            for seed in range(3)
            for task in ("swimmer_velocity", "ant_velocity")
        ]
    )
    row = levelling_over_tasks(short, two_tasks, SETTINGS).iloc[0]
    assert (row["cost_verdict"], row["levelled_off"]) == (NO_SCALE_OR_POINTS, CANNOT_TELL)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1, -2, 2, 2), LEVEL),
        ((1, -2, 2.1, 2), UNCLEAR),  # the interval allows for more
        ((1.5, 0.5, 2.5, 2), UNCLEAR),  # surely above 0, not surely beyond the tolerance, and not beyond it
        ((3, -0.1, 6, 2), UNCLEAR),  # beyond it, not surely above 0
        ((3, 0.1, 6, 2), RISING),
        ((-3, -6, -0.1, 2), FALLING),
    ],
)
def test_the_criterion(numbers, expected):
    assert verdict(*numbers) == expected


def test_both_quantities_must_be_level():
    assert levelled_off([LEVEL, LEVEL]) == YES
    assert levelled_off([LEVEL, FALLING]) == levelled_off([RISING, TOO_FEW_SEEDS]) == NO
    for other in (UNCLEAR, TOO_FEW_SEEDS, TOO_FEW_POINTS, NO_SCALE):
        assert levelled_off([LEVEL, other]) == CANNOT_TELL


def test_too_few_points_or_seeds_give_no_verdict(rows, finals):
    three_points = pd.concat(
        [curve(rows, "bc", seed, [1, 2, 3], [1, 2, 3]) for seed in range(3)], ignore_index=True
    )
    row = levelling_table(three_points, finals, SETTINGS).iloc[0]
    assert row["points_per_quarter"] == 0
    assert np.isnan(row["return_change"])
    assert (row["return_verdict"], row["cost_verdict"], row["levelled_off"]) == (
        TOO_FEW_POINTS,
        TOO_FEW_POINTS,
        CANNOT_TELL,
    )
    two_seeds = pd.concat(
        [curve(rows, "safemil", seed, [1, 1, 1, 1], [1, 1, 1, 3]) for seed in range(2)], ignore_index=True
    )
    row = levelling_table(two_seeds, finals, SETTINGS).iloc[0]
    # The change is still told: 3 - 1.
    assert (row["cost_change"], row["cost_verdict"], row["levelled_off"]) == (2, TOO_FEW_SEEDS, CANNOT_TELL)
    assert np.isnan(row["cost_low"])


def test_a_reference_no_better_than_random_actions_gives_returns_no_scale(rows, finals):
    worse = finals.assign(**{"return": finals["return"].where(finals["method"] != "constrained_rl", -5.0)})
    row = levelling_table(three_seeds(rows, LEVEL_ENDS, [[10] * 4] * 3), worse, SETTINGS).iloc[0]
    assert (row["return_verdict"], row["cost_verdict"]) == (NO_SCALE, LEVEL)


def test_curves_of_other_runs_than_the_final_episodes_are_refused(rows, finals):
    curves = three_seeds(rows, LEVEL_ENDS, [[10] * 4] * 3, run_id="older")
    # One id for three seeds would pass as one run each.
    with pytest.raises(UserError, match=r"different runs[\s\S]*older \(swimmer_velocity/collected/bc"):
        levelling_table(curves, finals, SETTINGS)
    with pytest.raises(UserError, match=r"no reference[\s\S]*constrained_rl"):
        levelling_table(
            three_seeds(rows, LEVEL_ENDS, [[10] * 4] * 3),
            finals[finals["method"] != "constrained_rl"],
            SETTINGS,
        )


def test_means_and_intervals_at_each_step(rows):
    curves = pd.concat(
        [
            curve(rows, "bc_safe", 0, [1, 2], [5, 5]),
            *(curve(rows, "bc", seed, [10 + seed, 20], [seed, 3 * seed]) for seed in range(3)),
        ],
        ignore_index=True,
    )
    means = curve_means(curves, n_resamples=2000)
    assert means[["method", "kind", "step", "n_seeds", "n_episodes"]].values.tolist() == [
        ["bc", "learner", 100, 3, 5],
        ["bc", "learner", 200, 3, 5],
        ["bc_safe", "oracle", 100, 1, 5],
        ["bc_safe", "oracle", 200, 1, 5],
    ]
    assert means["return"].tolist() == [11, 20, 1, 2]
    assert means["cost"].tolist() == [1, 3, 5, 5]
    # The range of three seeds.
    assert means.loc[:1, ["cost_low", "cost_high"]].values.tolist() == [[0, 2], [0, 6]]
    assert means.loc[2:, ["return_low", "cost_high"]].isna().all(axis=None)


def test_methods_without_a_curve_are_found(rows, finals):
    curves = curve(rows, "safemil", 0, [1], [1])
    assert without_curve(curves, finals).values.tolist() == [["swimmer_velocity", "bc"]]
    variant = curves.assign(variant="k1")
    assert without_curve(variant, finals)["method"].tolist() == ["bc", "safemil"]


def test_the_files_say_what_was_judged_and_how(rows, finals, tmp_path):
    returns, costs = [[50, 50, 61, 61]] * 3, [[4, 4, 6, 6]] * 3
    table = levelling_table(three_seeds(rows, returns, costs), finals, SETTINGS)
    curves = three_seeds(rows, returns, costs)
    over_tasks = levelling_over_tasks(curves, finals, SETTINGS)
    assert over_tasks.empty  # of one task
    csv, markdown, latex = write_document(learning_curves.document(TINY, table, over_tasks), tmp_path)
    assert pd.read_csv(csv)["return_change"].tolist() == [11]
    text = markdown.read_text()
    assert "run `tiny`, source `collected`" in text.lower()
    (row,) = [line for line in text.splitlines() if line.startswith("| BC-Unlabeled")]
    for cell in ("no", "50.0 → 61.0", "+11.0 [+11.0, +11.0]", "±10.0", "rising", "4.0 → 6.0", "±2.5", "800"):
        assert f"| {cell} |" in row
    for words in ("5 episodes per seed", "0.1 of the return", "cost limit of 25", "learning rate falls to 0"):
        assert words in text
    again = write_document(learning_curves.document(TINY, table, over_tasks), tmp_path / "b")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in (csv, markdown, latex)]
    assert "Over all tasks" not in text


def test_the_section_over_tasks(rows, two_tasks):
    flat, up = [[50] * 4] * 3, [[10, 10, 20, 20]] * 3
    curves = curves_of_two_tasks(rows, (flat, up), (flat, up))
    tables = levelling_table(curves, two_tasks, SETTINGS), levelling_over_tasks(curves, two_tasks, SETTINGS)
    alone = learning_curves_over_tasks.make(TINY, curves, two_tasks)
    assert alone.frame["n_seeds"].tolist() == [6]
    section = to_markdown(learning_curves.document(TINY, *tables)).split("## Over all tasks")[1]
    assert section.split("## How to read it")[0] in to_markdown(alone)
    cells = "no | +0.000 [+0.000, +0.000] | level | +0.400 [+0.400, +0.400] | rising | 2 | 6 |"
    assert f"| BC-Unlabeled | learner | {cells}" in section
    assert "tolerance ±0.1" in section
