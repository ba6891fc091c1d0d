"""Intervals over simulated runs hold the known truth as often as docs/statistics.md says, at loose bounds."""

import re
from pathlib import Path

import pytest

from benchmarks.coverage import LAWS, SEEDS, iqm_coverage, mean_coverage, probability_coverage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"


def documented() -> dict[tuple[str, int], list[float]]:
    rows = re.findall(r"^\| ([a-z ()]*) ?\| (\d+) \|((?: 0\.\d+ \|){4})$", PAGE.read_text(), re.MULTILINE)
    found, law = {}, ""
    for name, n_seeds, cells in rows:
        law = name.split(" (")[0].strip() or law  # the law stands in the first of its rows
        found[law, int(n_seeds)] = [float(cell) for cell in cells.split("|")[:4]]
    return found


def test_the_page_has_a_row_for_every_law_and_number_of_seeds():
    assert list(documented()) == [(law, n) for law in LAWS for n in SEEDS]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_means_are_covered_as_the_page_says(law, n_seeds):
    """A coverage of 0.5 over 400 experiments has a standard error of 0.025."""
    found = mean_coverage(law, n_seeds, 400, 400, seed=11)
    assert list(found) == pytest.approx(documented()[law, n_seeds][:2], abs=0.09)


def test_two_gaits_and_three_seeds_by_hand():
    """The interval is the range of the seeds. It holds 24 unless all are alike: 1 - 0.8^3 - 0.2^3 = 0.48."""
    bootstrap, _ = mean_coverage("two gaits", 3, 2000, 200, seed=5)
    assert bootstrap == pytest.approx(0.48, abs=0.04)


@pytest.mark.parametrize(("coverage", "column"), [(iqm_coverage, 2), (probability_coverage, 3)])
def test_statistics_over_tasks_are_covered_as_the_page_says(coverage, column):
    found = coverage("normal", 5, 120, 200, seed=3)
    assert found == pytest.approx(documented()["normal", 5][column], abs=0.1)
