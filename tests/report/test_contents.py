"""What captions say of a run follows from its configuration; every result has its own place and name."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from safemil.plan.configuration import parse_config
from safemil.plan.rules import Plan
from safemil.report.contents import CATEGORY, planned_pages, report_facts


def make(**changes: Any) -> Plan:
    raw = {
        "run_name": "a",
        "tasks": ["swimmer_velocity", "point_goal1"],
        "seeds": [0, 1, 2],
        "methods": {"bc": {"default": {}}, "safemil": {"default": {}, "k1": {"training": {"bag_size": 1}}}},
        "training": {"steps": 1200},
        "evaluation": {"episodes": 20},
        **changes,
    }
    return Plan(parse_config(raw, "here"))


def test_n_and_steps_are_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    facts = report_facts(make(), [])
    assert facts["n"] == "2 tasks × 3 seeds × 20 episodes"
    assert (facts["n_seeds"], facts["steps"]) == ("3 seeds", "1,200 gradient steps")
    assert facts["tasks"] == "Swimmer-Velocity, Point-Goal1"
    assert facts["claims"] == []
    longer = {"bc": {"default": {}, "long": {"training": {"steps": 5000}}}}
    facts = report_facts(make(methods=longer, seeds=[4], tasks=["point_goal1"]), [])
    assert facts["n"] == "1 task × 1 seed × 20 episodes"
    assert facts["steps"] == "1,200 to 5,000 gradient steps"


def test_the_command_is_the_one_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert report_facts(make(), [])["command"] == "snakemake --cores 1"
    given = [tmp_path / "config/my run.yaml", Path("/elsewhere/b.yaml")]
    command = "snakemake --configfile 'config/my run.yaml' /elsewhere/b.yaml --cores 1"
    assert report_facts(make(), given)["command"] == command


def test_verdicts_are_read_where_they_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    claims = tmp_path / "results/a/claims.json"
    claims.parent.mkdir(parents=True)
    claims.write_text(json.dumps([{"number": 2, "claim": "C_ is *low*.", "verdict": "holds", "n": 5}]))
    assert report_facts(make(), [])["claims"] == [{"verdict": "holds", "statement": r"2. C\_ is \*low\*."}]
    for other in ("", "{}[", '[{"claim": 1}]', "[3]"):
        claims.write_text(other)
        assert report_facts(make(), [])["claims"] == []


@pytest.mark.parametrize(
    ("changes", "sources"),
    [({}, 2), ({"source": "local", "data_directory": "x"}, 0), ({"evaluation": {"curve_points": 4}}, 2)],
)
def test_every_page_has_a_place_and_a_name_of_its_own(changes: dict[str, Any], sources: int) -> None:
    methods = {"bc": {"default": {}}, "coptidice": {"default": {}}}
    plan = make(methods=methods, **changes)
    pages = planned_pages(plan)
    assert pages[0].source == "results/a/claims.md"
    assert {page.category for page in pages} <= set(CATEGORY.values())
    for key in ("output", "source"):
        assert max(Counter(getattr(page, key) for page in pages).values()) == 1
    assert max(Counter((page.category, page.label) for page in pages).values()) == 1
    names = [Path(page.output).stem for page in pages]
    assert len([name for name in names if name.startswith("source_")]) == sources
    assert ("table_learning_curves" in names) == bool(plan.config.evaluation.curve_points)
    captions = Path(__file__).parents[2] / "workflow/report"
    assert all((captions / f"{page.caption}.rst").is_file() for page in pages)


def test_categories_are_sorted_with_the_claims_first() -> None:
    assert sorted(CATEGORY.values()) == list(CATEGORY.values())
    assert next(iter(CATEGORY)) == "claims"
