import json
from dataclasses import replace

import numpy as np
import pytest

from safemil.data.card import card_markdown, source_card, split_card, write_card
from safemil.data.card_plot import plot_source, plot_split
from safemil.data.outline import outline_of
from safemil.data.split import SplitSettings, build_split


@pytest.fixture(scope="module")
def source(plane):
    provenance = {"training_seed": np.repeat([1, 2], 200), "episode": np.arange(400)}
    return replace(plane, provenance=provenance)


@pytest.fixture(scope="module")
def settings():
    return SplitSettings(n_non_preferred=10, n_unlabelled=41, alpha=0.5, seed=3)


@pytest.fixture(scope="module")
def built(source, settings):
    return build_split(source.returns, source.episode_costs, settings, np.random.default_rng(settings.seed))


def test_the_counts_of_a_split_add_up(source, built, settings):
    card = split_card(outline_of(source), built, settings, task="toy", source="collected", separability=0.75)
    assert card.in_file - sum(area.dropped for area in card.filters) == card.left_after_filters
    assert card.available_non_preferred + card.available_preferred <= card.left_after_filters
    assert (card.drawn_non_preferred, card.drawn_unlabelled) == (10, 41)
    assert card.alpha_realised == pytest.approx(20 / 41)
    assert not card.fewer_than_asked
    assert (card.rule, card.non_preferred_cost, card.preferred_cost) == ("absolute", 75, 25)
    assert card.settings.seed == 3
    assert card.sets["D_N"].trajectories == 10
    assert card.sets["D_N"].episode_cost.minimum > 75
    assert card.sets["D_U, preferred"].episode_cost.maximum < 25
    assert card.sets["source"].transitions == 2400


def test_provenance_is_told_in_shares(source):
    summary = source_card(outline_of(source), task="toy", source="collected").sets["all"].provenance
    assert summary["training_seed"].share == {"1": 0.5, "2": 0.5}
    assert (summary["episode"].distinct_values, summary["episode"].share) == (400, {})


def test_quantiles_by_hand(five):
    summary = source_card(outline_of(five), task="toy", source="collected").sets["all"]
    cost = summary.episode_cost
    quantiles = (cost.minimum, cost.lower_quartile, cost.median, cost.upper_quartile, cost.maximum)
    assert quantiles == (0, 1, 3, 7, 90)
    assert summary.episode_return.median == 30
    assert summary.episode_length.maximum == 5


def test_a_shrunk_split_says_so(make_labelled):
    data = make_labelled([100] * 12, costs=[0] * 2 + [90] * 10, returns=[5] * 12)
    settings = SplitSettings(n_non_preferred=5, n_unlabelled=10, rectangles=(), allow_fewer=True)
    built = build_split(data.returns, data.episode_costs, settings, np.random.default_rng(0))
    card = split_card(outline_of(data), built, settings, task="toy", source="collected")
    assert card.fewer_than_asked
    assert (card.drawn_non_preferred, card.drawn_unlabelled, card.alpha_realised) == (5, 4, 0.5)


def test_cards_are_written_and_equal_cards_have_equal_bytes(source, built, settings, tmp_path):
    card = split_card(outline_of(source), built, settings, task="toy", source="collected")
    written = []
    for name in ("one", "two"):
        figure = plot_split(source.returns, source.episode_costs, built, "Toy, collected")
        paths = write_card(tmp_path / name, card, figure)
        written.append([path.read_bytes() for path in paths])
        assert sorted(item.name for item in (tmp_path / name).iterdir()) == [
            "card.json",
            "card.md",
            "card.png",
        ]
    assert written[0] == written[1]
    text = written[0][0].decode()
    assert json.loads(text)["available_preferred"] == card.available_preferred
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2) + "\n"
    assert written[0][2].startswith(b"\x89PNG")


def test_the_text_says_what_matters(source, built, settings):
    text = card_markdown(
        split_card(outline_of(source), built, settings, task="toy", source="collected", separability=0.75)
    )
    for line in (
        "# Data card: toy, collected, split",
        "| D_N: drawn of asked | 10 of 10 |",
        "| rule of the classes | absolute |",
        "| separability of single pairs (AUROC) | 0.75 |",
        "| filter | cost from | cost to | return from | return to | dropped |",
        "| share by training seed | source |",
        "![Episode cost and return of each trajectory](card.png)",
    ):
        assert line in text


def test_the_picture_names_axes_units_and_counts(source, built):
    figure = plot_split(source.returns, source.episode_costs, built, "Toy, collected")
    (axes,) = figure.axes
    assert axes.get_title() == "Toy, collected"
    assert "undiscounted sum" in axes.get_xlabel()
    labels = axes.get_legend_handles_labels()[1]
    assert "$D_N$, non-preferred, n = 10" in labels
    assert "$D_U$, preferred, n = 20" in labels
    assert len(axes.patches) == 3


def test_a_source_card_with_attributes(source, tmp_path):
    card = source_card(outline_of(source), task="toy", source="dsrl", attributes={"licence": "CC-BY-4.0"})
    figure = plot_source(source.returns, source.episode_costs, "Toy, dsrl")
    _, markdown, _ = write_card(tmp_path, card, figure)
    assert "| licence | CC-BY-4.0 |" in markdown.read_text()
