"""The report of a finished run: made without network, complete, in order; captions name true commands."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.workflow.conftest import Project
from tests.workflow.report_file import Report

# Python reads it before anything else: whatever looks for a host fails.
NO_NETWORK = """
import socket


def refuse(*_, **__):
    raise OSError("no network in this test")


socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
"""
CATEGORIES = [
    "1 Claims",
    "2 Comparison of methods",
    "3 Learning curves",
    "5 Learned cost",
    "6 Theory",
    "7 Fairness",
    "8 Data",
    "9 Runs, configuration and versions",
]


@pytest.fixture(scope="module")
def cut_off(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project, run by a Python that reaches no network."""
    directory = tmp_path_factory.mktemp("cut_off")
    (directory / "sitecustomize.py").write_text(NO_NETWORK)
    return Project(finished.directory, Path(f"{directory}{os.pathsep}{finished.directory}"))


@pytest.fixture(scope="module")
def report(cut_off: Project, tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("report") / "report.html"
    style = ["--report-stylesheet", "workflow/report/report.css"]
    cut_off.snakemake("--report", str(path), *style, "--configfile", "tiny.yaml")
    return Report(path.read_text())


def test_the_network_is_cut_off(cut_off: Project) -> None:
    asks = "import urllib.request; urllib.request.urlopen('http://localhost')"
    environment = {**os.environ, "PYTHONPATH": str(cut_off.package)}
    result = subprocess.run(
        [sys.executable, "-c", asks], env=environment, capture_output=True, text=True, check=False
    )
    assert "no network in this test" in result.stderr


def test_claims_come_first_and_every_category_is_there(report: Report) -> None:
    assert sorted(report.categories) == CATEGORIES


def test_every_figure_and_every_table_is_in_it(report: Report, finished: Project) -> None:
    figures = {f"figures/tiny/{path.name}" for path in finished.directory.glob("figures/tiny/*.png")}
    tables = {
        f"results/tiny/report/table_{path.stem}.html"
        for path in finished.directory.glob("results/tiny/tables/*.md")
        # It is a section of the page of learning curves.
        if path.stem != "learning_curves_over_tasks"
    }
    pages = {
        f"results/tiny/report/{name}.html"
        for name in ("claims", "configuration", "runs", "split_point_circle2", "source_point_circle2")
    }
    assert (len(figures), len(tables)) == (6, 10)
    assert set(report.results) == figures | tables | pages
    for path in report.results:
        assert report.content(path) == (finished.directory / path).read_bytes()
    # Entries of a category are told apart by their labels.
    for lists in report.categories.values():
        labels = [report.results[path]["labels"]["result"] for paths in lists.values() for path in paths]
        assert len(set(labels)) == len(labels)


def test_the_claims_and_their_verdicts_are_on_the_page_and_at_the_start(
    report: Report, finished: Project
) -> None:
    claims = json.loads((finished.directory / "results/tiny/claims.json").read_text())
    start = unescape(report.variable("workflow_desc"))
    page = unescape(report.content("results/tiny/report/claims.html").decode())
    assert len(claims) == 9
    for claim in claims:
        assert claim["claim"] in page
        assert claim["claim"] in start
    assert start.count("<strong>not measured</strong>") == sum(c["verdict"] == "not measured" for c in claims)
    for category in CATEGORIES:
        assert f">{category}</a>" in start
    assert "1 task × 1 seed × 2 episodes; 40 gradient steps" in start


def test_configuration_and_versions_are_those_of_the_run(report: Report, finished: Project) -> None:
    page = report.content("results/tiny/report/configuration.html").decode()
    run = finished.directory / "results/tiny/collected/point_circle2/bc/default/seed0/run.json"
    record = json.loads(run.read_text())
    for name, version in record["versions"].items():
        assert re.search(rf"<td>{name}</td>\s*<td[^>]*>{re.escape(version)}</td>", page), name
    assert record["commit"] in page
    for line in ("run_name: tiny", "n_unlabelled: 8", "bootstrap_resamples: 100", "learning_rate: 0.001"):
        assert line in page
    assert record["run_id"] in report.content("results/tiny/report/runs.html").decode()


def test_captions_say_what_they_stand_on_and_how_to_make_it_again(report: Report, finished: Project) -> None:
    targets = set()
    for path in report.results:
        caption = report.caption(path)
        for leftover in ("{{", "{%", "}}", "System Message", "Undefined", ".. _"):
            assert leftover not in caption, path
        assert "n: " in caption, path
        assert "steps" in caption, path
        assert "ource" in caption, path
        found = re.search(r"Made again by snakemake --configfile tiny\.yaml --cores 1 (\S+)\.", caption)
        assert found is not None, path
        targets.add(found[1])
    assert {"claims", "table_main", "figure_learned_cost", "data"} <= targets
    # Each is a target, and what it makes is there.
    assert finished.planned(*sorted(targets)) == {}


def test_the_graph_of_the_workflow_is_there(report: Report) -> None:
    nodes = next(each["values"] for each in report.variable("rulegraph_spec")["data"] if "values" in each)
    rules = {node["rule"] for node in nodes}
    assert {"collect", "split", "train_method", "evaluate_policy", "claims", "render_pages"} <= rules


def test_it_asks_for_nothing_from_outside(report: Report, finished: Project) -> None:
    assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?https?:", report.html) == []
    assert "max-width: 700px" in report.html  # the style sheet
    assert str(finished.directory) not in report.html
