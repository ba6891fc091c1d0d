"""Intervals over simulated runs hold the known truth as often as docs/statistics.md says, at loose bounds."""

import re
from pathlib import Path

import pytest

from benchmarks.coverage import LAWS, SEEDS, iqm_coverage, mean_coverage, probability_coverage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"


def documented() -> dict[tuple[str, int], list[float]]:
    rows = re.findall(r"^\| ([a-z ()]*) ?\| (\d+) \|((?: 0\.\d+ \|){4})$", PAGE.read_text(), re.MULTILINE)
    laws = [name.split(" (")[0].strip() for name, *_ in rows]
    filled = [
        max((name for name in laws[: i + 1] if name), key=laws[: i + 1].index) for i in range(len(laws))
    ]
    values = [[float(value) for value in cells.split("|")[:4]] for *_, cells in rows]
    return {(law, int(n)): each for law, (_, n, _), each in zip(filled, rows, values, strict=True)}


def test_the_page_has_a_row_for_every_law_and_number_of_seeds():
    assert list(documented()) == [(law, n) for law in LAWS for n in SEEDS]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_means_are_covered_as_the_page_says(law, n_seeds):
    """A coverage of 0.5 over 400 experiments has a standard error of 0.025."""
    found = mean_coverage(law, n_seeds, 400, 400, seed=11)
    assert list(found) == pytest.approx(documented()[law, n_seeds][:2], abs=0.09)


def test_two_gaits_and_three_seeds_by_hand():
    """The interval is the range of the seeds, which holds 24 unless all are alike: 1 - 0.8^3 - 0.2^3 = 0.48."""
    bootstrap, _ = mean_coverage("two gaits", 3, 2000, 200, seed=5)
    assert bootstrap == pytest.approx(0.48, abs=0.04)


@pytest.mark.parametrize(("coverage", "column"), [(iqm_coverage, 2), (probability_coverage, 3)])
def test_statistics_over_tasks_are_covered_as_the_page_says(coverage, column):
    found = coverage("normal", 5, 120, 200, seed=3)
    assert found == pytest.approx(documented()["normal", 5][column], abs=0.1)
