import numpy as np
import pytest
from pydantic import ValidationError

from safemil.data.split import (
    PROTOCOL_RECTANGLES,
    Rectangle,
    SplitSettings,
    apply_rectangles,
    build_split,
    classify,
    draw,
    filter_rectangles,
)
from safemil.errors import UserError


def array(*values):
    return np.array(values, dtype=np.float64)


def test_the_protocols_filter_by_hand():
    #                 0   1   2   3    4   5    6    7    8   9
    costs = array(    0, 10, 20, 40,  50, 60, 100,  90,  80, 24)  # fmt: skip
    returns = array(  0, 10,  4,  9, 100,  0,  10,   5,   4, 10)  # fmt: skip
    # 1: cost 0..50, returns present 0..100, drops return <= 50: 0, 1, 2, 3, 9.
    # 2: cost 50..100, returns present 0..100 (4 is still there), drops return <= 50: 5, 6, 7, 8.
    # 3: cost 25..75, all returns: 4.
    first, second, third = apply_rectangles(returns, costs, PROTOCOL_RECTANGLES)
    assert first.dropped.tolist() == [0, 1, 2, 3, 9]
    assert second.dropped.tolist() == [5, 6, 7, 8]
    assert third.dropped.tolist() == [4]
    assert (third.cost_low, third.cost_high, third.return_low, third.return_high) == (25, 75, 100, 100)
    assert filter_rectangles(returns, costs, PROTOCOL_RECTANGLES).tolist() == []


def test_return_fractions_refer_to_what_is_present_in_the_band():
    costs, returns = array(0, 0, 0, 10, 10, 10), array(0, 6, 10, 100, 160, 200)
    kept = filter_rectangles(returns, costs, [Rectangle(0, 0.5, 0, 0.5), Rectangle(0.5, 1, 0, 0.5)])
    assert kept.tolist() == [1, 2, 4, 5]


def test_rectangles_act_one_after_the_other():
    costs, returns = array(0, 0, 0, 0, 10), array(0, 4, 7, 10, 0)
    half = Rectangle(0, 0.5, 0, 0.5)
    assert filter_rectangles(returns, costs, [half]).tolist() == [2, 3, 4]
    # The second time only 7 and 10 are present, so the middle is 8.5.
    assert filter_rectangles(returns, costs, [half, half]).tolist() == [3, 4]


def test_cost_fractions_keep_referring_to_the_whole_source():
    costs, returns = array(0, 50, 60, 100), array(1, 1, 1, 1)
    # Were the range that of the rest (50 to 100), the second rectangle would hold costs from 75.
    kept = filter_rectangles(returns, costs, [Rectangle(0, 0.4, 0, 1), Rectangle(0.5, 0.6, 0, 1)])
    assert kept.tolist() == [3]


def test_all_four_sides_belong_to_the_rectangle():
    costs = array(0, 24.9, 25, 75, 75.1, 100)
    assert filter_rectangles(np.zeros(6), costs, [Rectangle(0.25, 0.75, 0, 1)]).tolist() == [0, 1, 4, 5]
    returns = array(0, 50, 50.1, 100)
    assert filter_rectangles(returns, np.ones(4), [Rectangle(0, 1, 0, 0.5)]).tolist() == [2, 3]


def test_a_fraction_of_one_reaches_the_maximum_in_spite_of_rounding():
    generator = np.random.default_rng(0)
    for _ in range(200):
        returns, costs = generator.normal(size=(2, 7)) * generator.lognormal(0, 5)
        assert len(filter_rectangles(returns, costs, [Rectangle(0, 1, 0, 1)])) == 0


def test_an_empty_band_drops_nothing():
    (applied,) = apply_rectangles(array(1, 2), array(0, 100), [Rectangle(0.4, 0.6, 0, 1)])
    assert applied.dropped.tolist() == []
    assert applied.return_low is None


def test_absolute_thresholds_are_open():
    settings = SplitSettings(n_non_preferred=1, n_unlabelled=2)
    classes = classify(array(0, 24.9, 25, 75, 75.1, 80), settings)
    assert classes.rule == "absolute"
    assert classes.preferred.tolist() == [True, True, False, False, False, False]
    assert classes.non_preferred.tolist() == [False, False, False, False, True, True]


def test_the_fraction_rule_steps_in_where_the_absolute_one_yields_too_few():
    settings = SplitSettings(n_non_preferred=1, n_unlabelled=2)
    classes = classify(array(0, 10, 11, 30, 39, 40), settings)
    assert classes.rule == "fraction"
    assert (classes.non_preferred_cost, classes.preferred_cost) == (30, 10)
    assert classes.preferred.tolist() == [True, True, False, False, False, False]
    assert classes.non_preferred.tolist() == [False, False, False, True, True, True]


def test_the_absolute_rule_stays_where_the_other_is_no_better():
    settings = SplitSettings(n_non_preferred=5, n_unlabelled=10)
    assert classify(array(0, 10, 80, 100), settings).rule == "absolute"
    assert classify(array(0, 0, 0), settings).rule == "absolute"
    assert not classify(array(0, 0, 0), settings).non_preferred.any()


def test_only_kept_trajectories_are_classed_but_the_maximum_is_the_sources():
    settings = SplitSettings(n_non_preferred=1, n_unlabelled=2)
    classes = classify(array(0, 5, 30, 32, 40), settings, np.array([0, 2, 3]))
    assert (classes.rule, classes.non_preferred_cost) == ("fraction", 30)
    assert np.flatnonzero(classes.non_preferred).tolist() == [2, 3]
    assert np.flatnonzero(classes.preferred).tolist() == [0]


def test_the_protocols_draw(plane):
    settings = SplitSettings(n_non_preferred=20, n_unlabelled=40)
    costs = plane.episode_costs
    built = build_split(plane.returns, costs, settings, np.random.default_rng(0))
    split = built.split
    assert (len(split.non_preferred), len(split.unlabelled)) == (20, 40)
    everything = np.concatenate([split.non_preferred, split.unlabelled])
    assert len(np.unique(everything)) == 60
    assert set(everything) <= set(built.kept)
    assert (costs[split.non_preferred] > 75).all()
    assert split.unlabelled_is_preferred.sum() == 20
    np.testing.assert_array_equal(costs[split.unlabelled] < 25, split.unlabelled_is_preferred)
    np.testing.assert_array_equal(costs[split.unlabelled] > 75, ~split.unlabelled_is_preferred)


def test_the_order_of_the_unlabelled_set_tells_nothing():
    costs = np.repeat([0.0, 100.0], 200)
    settings = SplitSettings(rectangles=())
    firsts = 0
    for seed in range(40):
        split = build_split(costs, costs, settings, np.random.default_rng(seed)).split
        firsts += int(split.unlabelled_is_preferred[:100].sum())
    # 4000 trajectories in the first halves, about half of them preferred.
    assert abs(firsts - 2000) < 100


def test_equal_seeds_draw_equal_sets(plane):
    settings = SplitSettings(n_non_preferred=5, n_unlabelled=10)
    one, two, other = (
        build_split(plane.returns, plane.episode_costs, settings, np.random.default_rng(seed)).split
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one.unlabelled, two.unlabelled)
    np.testing.assert_array_equal(one.non_preferred, two.non_preferred)
    assert one.unlabelled.tolist() != other.unlabelled.tolist()


@pytest.mark.parametrize(("alpha", "preferred"), [(0.0, 0), (0.25, 5), (1.0, 20)])
def test_alpha_is_the_share_of_preferred(alpha, preferred):
    costs = np.repeat([0.0, 100.0], 50)
    settings = SplitSettings(n_non_preferred=10, n_unlabelled=20, alpha=alpha, rectangles=())
    split = build_split(costs, costs, settings, np.random.default_rng(0)).split
    assert (split.unlabelled_is_preferred.sum(), len(split.unlabelled)) == (preferred, 20)


def test_too_few_is_an_error_that_names_the_counts():
    costs = np.repeat([0.0, 100.0], [10, 149])
    with pytest.raises(UserError) as error:
        build_split(costs, costs, SplitSettings(rectangles=()), np.random.default_rng(0))
    assert "150 non-preferred (50 for D_N, 100 for D_U) and 100 preferred" in str(error.value)
    assert "149 non-preferred and 10 preferred" in str(error.value)


@pytest.mark.parametrize(
    ("available", "sizes"),
    [
        # (preferred, non-preferred) -> D_N, non-preferred of D_U, preferred of D_U
        ((10, 150), (50, 10, 10)),
        ((100, 75), (25, 50, 50)),
        ((10, 75), (25, 10, 10)),
    ],
)
def test_allow_fewer_shrinks_and_keeps_alpha(available, sizes):
    costs = np.repeat([0.0, 100.0], available)
    settings = SplitSettings(rectangles=(), allow_fewer=True)
    split = build_split(costs, costs, settings, np.random.default_rng(0)).split
    preferred = int(split.unlabelled_is_preferred.sum())
    assert (len(split.non_preferred), len(split.unlabelled) - preferred, preferred) == sizes


def test_allow_fewer_does_not_make_an_empty_set():
    costs = np.repeat([0.0, 100.0], [0, 150])
    with pytest.raises(UserError, match="0 preferred"):
        build_split(costs, costs, SplitSettings(rectangles=(), allow_fewer=True), np.random.default_rng(0))


def test_draw_takes_only_what_is_classed():
    settings = SplitSettings(n_non_preferred=1, n_unlabelled=2)
    classes = classify(array(0, 50, 80, 90), settings)
    split = draw(classes, settings, np.random.default_rng(0))
    assert sorted([*split.non_preferred, *split.unlabelled]) == [0, 2, 3]


def test_the_robustness_builder(plane):
    settings = SplitSettings(builder="robustness", n_non_preferred=20, n_unlabelled=100)
    built = build_split(plane.returns, plane.episode_costs, settings, np.random.default_rng(0))
    split, costs = built.split, plane.episode_costs
    assert (plane.returns[built.kept] >= np.median(plane.returns)).all()
    assert len(built.kept) == 200
    assert (costs[split.non_preferred] >= 0.7 * costs.max()).all()
    everything = np.concatenate([split.non_preferred, split.unlabelled])
    assert len(np.unique(everything)) == 120
    assert set(everything) <= set(built.kept)
    # Middle costs, which the mix leaves out, are in it.
    assert ((costs[split.unlabelled] > 25) & (costs[split.unlabelled] < 75)).any()
    np.testing.assert_array_equal(split.unlabelled_is_preferred, costs[split.unlabelled] < 25)


def test_the_robustness_builder_names_the_counts(plane):
    settings = SplitSettings(builder="robustness", n_non_preferred=90, n_unlabelled=500)
    with pytest.raises(UserError, match="upper half of the returns"):
        build_split(plane.returns, plane.episode_costs, settings, np.random.default_rng(0))
    fewer = settings.model_copy(update={"allow_fewer": True})
    split = build_split(plane.returns, plane.episode_costs, fewer, np.random.default_rng(0)).split
    assert len(split.non_preferred) + len(split.unlabelled) == 200


def test_settings_survive_json_and_refuse_mistakes():
    settings = SplitSettings(alpha=0.25)
    assert SplitSettings.model_validate_json(settings.model_dump_json()) == settings
    assert settings.rectangles == PROTOCOL_RECTANGLES
    mistakes = [
        {"n_labelled": 3},
        {"alpha": 1.5},
        {"n_unlabelled": 0},
        {"preferred_cost_below": 80},
        {"rectangles": [[0.5, 0, 0, 1]]},
        {"rectangles": [[0, 2, 0, 1]]},
    ]
    for mistake in mistakes:
        with pytest.raises(ValidationError):
            SplitSettings.model_validate(mistake)
