"""Ablations as configuration: what their points mean, which runs they share, and one of them run for real."""

import copy
import json
from typing import Any

import h5py
import pandas as pd
import pytest
import yaml

from safemil.errors import UserError
from safemil.plan.ablation_cells import ShownPoint, ablation_runs, is_run
from safemil.plan.configuration import Config, parse_config
from safemil.plan.rules import Plan
from tests.workflow.conftest import REPOSITORY, TINY, Project
from tests.workflow.report_file import Report

RUN = "results/tiny/collected/point_circle2"


def make(**changes: Any) -> Config:
    raw = {
        "run_name": "a",
        "tasks": ["swimmer_velocity", "point_goal1"],
        "seeds": [0, 1],
        "methods": {"bc": {"default": {}}, "safemil": {"default": {}}},
        **changes,
    }
    return parse_config(raw, "here", check_methods=True)


def variants(config: Config, name: str) -> list[tuple[str, float | str, str]]:
    return [(p.series, p.x, p.variant) for p in ablation_runs(config, name).points if p.method == "safemil"]


def test_bag_size_varies_with_the_bags_fixed_and_with_the_segments_fixed() -> None:
    config = make()
    fixed, same = "number of bags fixed", "number of segments fixed"
    assert variants(config, "k") == [
        *((fixed, k, f"k{k}") for k in (1, 8, 16, 64)),
        (fixed, 128, "default"),
        *((same, k, f"k{k}_same_segments") for k in (1, 8, 16, 64)),
        (same, 128, "default"),
    ]
    for k in (1, 8, 16, 64, 128):
        bags = config.training_of("swimmer_velocity", "safemil", f"k{k}")
        segments = config.training_of("swimmer_velocity", "safemil", f"k{k}_same_segments")
        assert (bags.bag_pairs, bags.bag_size) == (1, k)
        assert (segments.bag_pairs, segments.bag_size) == (128 // k, k)
        assert (bags.steps, bags.learning_rate) == (10_000, 1e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("h", [(1, "h1"), (5, "default"), (10, "h10")]),
        (
            "weighting",
            [("trajectory", "default"), ("state-action", "state_action"), ("hard threshold", "threshold")],
        ),
        ("alpha", [(0.1, "alpha0.1"), (0.25, "alpha0.25"), (0.5, "default"), (0.75, "alpha0.75")]),
        ("non_preferred", [(5, "labelled5"), (10, "labelled10"), (25, "labelled25"), (50, "default")]),
        ("policy_loss", [("mse", "default"), ("nll", "nll")]),
    ],
)
def test_shipped_ablations_have_the_papers_values_and_share_the_default_runs(
    name: str, expected: list[tuple[float | str, str]]
) -> None:
    config = make()
    assert [(x, variant) for _, x, variant in variants(config, name)] == expected


def test_points_keep_what_the_default_variant_changes() -> None:
    safemil = {"default": {"training": {"bag_pairs": 2}, "settings": {"temperature": 1.0}}}
    config = make(methods={"safemil": safemil}, training={"steps": 100})
    assert config.training_of("swimmer_velocity", "safemil", "k64_same_segments").bag_pairs == 4
    assert config.overrides_of("safemil", "k8").settings == {"temperature": 1.0}
    # Now 1.0 is the default, which is no point of this ablation, and 0.6 is not shared any more.
    assert (0.6, "beta0.6") in [(x, variant) for _, x, variant in variants(config, "beta")]
    assert config.training_of("swimmer_velocity", "safemil", "beta0.6").steps == 100


def test_a_point_is_the_default_only_where_it_is_so_on_every_task_of_the_ablation() -> None:
    """With other steps on a task, a point that states the steps is a run of its own."""
    steps = {"x": 100, "variant": "steps100", "training": {"steps": 100}}
    budget = {
        "title": "Steps",
        "axis": "steps",
        "methods": ["safemil"],
        "tasks": ["swimmer_velocity", "point_goal1"],
        "series": {"default": {"points": [steps]}},
    }
    same = make(training={"steps": 100}, ablations={"budget": budget})
    assert variants(same, "budget") == [("default", 100, "default")]
    other = make(training={"steps": 100}, task_steps={"point_goal1": 200}, ablations={"budget": budget})
    assert variants(other, "budget") == [("default", 100, "steps100")]
    assert other.training_of("point_goal1", "safemil", "steps100").steps == 100
    # Points that say nothing about steps are trained as the task says, and shared with the default as before.
    assert variants(other, "h")[1] == ("number of segments fixed", 5, "default")
    assert other.training_of("point_goal1", "safemil", "h10").steps == 200


def test_the_split_of_a_point_is_its_own_only_where_it_differs() -> None:
    config = make()
    assert [config.split_of("bc", name) for name in ("default", "alpha0.5", "alpha0.1", "k8")] == [
        *("default", "default", "alpha0.1", "default")
    ]
    assert config.split_settings("alpha0.1").alpha == 0.1
    assert config.split_settings("alpha0.1").n_unlabelled == 200
    with pytest.raises(UserError, match="no split of this name"):
        config.split_settings("nonsense")


def test_segments_that_cannot_be_kept_are_named() -> None:
    config = make(training={"bag_size": 100})
    with pytest.raises(UserError, match=r"divides the 100 segments[^$]*8 in the variant k8_same"):
        config.training_of("swimmer_velocity", "safemil", "k8_same_segments")


def test_an_ablation_needs_something_to_run() -> None:
    config = make(tasks=["point_circle2"])
    assert not is_run(config, "k")
    assert is_run(config, "policy_loss")
    assert Plan(config).ablation_names() == []
    with pytest.raises(UserError, match="the ablation k has nothing to run"):
        ablation_runs(config, "k")
    with pytest.raises(UserError, match="unknown ablation"):
        ablation_runs(config, "kk")
    both = Plan(make()).ablation_names()
    assert both == ["k", "h", "weighting"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ablations_in_all": ["kk"]}, "unknown ablation kk"),
        ({"ablations": {"K!": {}}}, "String should match pattern"),
        (
            {"methods": {"safemil": {"default": {}, "k8": {"training": {"bag_size": 4}}}}},
            "methods.safemil.k8: a point of the ablation `Bag size` has this name",
        ),
        (
            {"methods": {"safemil": {"default": {}, "alpha0.1": {}}, "bc": {"default": {}}}},
            "a point of the ablation `Share of preferred",
        ),
    ],
)
def test_faults_of_a_configuration_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make(**changes)
    assert message in str(caught.value)


def point(variant: str, **changes: Any) -> dict[str, Any]:
    return {"x": 1, "variant": variant, **changes}


@pytest.mark.parametrize(
    ("points", "changes", "message"),
    [
        ([point("a"), point("a")], {}, "variant names used twice: a"),
        ([point("a", x="one")], {"scale": "log"}, "every x must be a number on a log scale"),
        ([point("a", training={"step": 3})], {}, "step: Extra inputs are not permitted, found 3"),
        ([point("a", split={"alpha": 3})], {}, "alpha: Input should be less than or equal to 1, found 3"),
        ([point("k8")], {}, "two points are called k8 and are not the same"),
        ([], {}, "at least 1 item"),
    ],
)
def test_faults_of_an_ablation_are_named(
    points: list[dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    ablation = {
        "title": "t",
        "axis": "x",
        "methods": ["bc"],
        "tasks": ["swimmer_velocity"],
        "series": {"s": {"points": points}},
        **changes,
    }
    with pytest.raises(UserError) as caught:
        make(ablations={"mine": ablation})
    assert message in str(caught.value)


def test_an_own_variant_that_means_the_same_is_shared() -> None:
    own = {"default": {}, "k8": {"training": {"bag_size": 8}}, "small": {"training": {"bag_size": 16}}}
    shown = variants(make(methods={"safemil": own}), "k")
    assert ("number of bags fixed", 8, "k8") in shown


def test_a_resolved_configuration_reads_back_as_itself() -> None:
    config = make(ablations_in_all=["h"])
    assert parse_config(json.loads(config.model_dump_json()), "here") == config
    raw = yaml.safe_load((REPOSITORY / "config/ablations.yaml").read_text())
    assert list(config.ablations) == list(raw)


def test_settings_of_learning_curves_decide_nothing_of_an_ablation() -> None:
    own = Plan(make()).ablation_parameters("k")
    assert Plan(make(evaluation={"curve_points": 5})).ablation_parameters("k") == own
    assert Plan(make(evaluation={"cost_limit": 5})).ablation_parameters("k") != own


def test_claims_are_about_the_ablations_of_all() -> None:
    claimed = Plan(make()).claimed_ablations()
    assert list(claimed) == ["k", "h", "weighting"]
    assert claimed["h"] == ("results/a/tables/ablation_h.csv", "results/a/ablation_h.parquet")
    assert list(Plan(make(ablations_in_all=["beta", "h"])).claimed_ablations()) == ["h"]
    assert Plan(make(tasks=["point_circle2"])).claimed_ablations() == {}


def test_cells_are_named_once(finished: Project) -> None:
    config = parse_config(copy.deepcopy(TINY), "tiny")
    runs = ablation_runs(config, "sizes")
    assert runs.tasks == ("point_circle2",)
    assert runs.points == (
        ShownPoint("safemil", "small", "bags", 1),
        ShownPoint("safemil", "default", "bags", 8),
        ShownPoint("safemil", "segments2", "segments", 2),
        ShownPoint("safemil", "default", "segments", 8),
    )
    assert runs.cells() == [("safemil", "small"), ("safemil", "default"), ("safemil", "segments2")]
    # Only what no other target has trained yet is planned.
    planned = finished.planned("ablation_sizes")
    assert (planned["train_method"], planned["evaluate_policy"], planned["gather"]) == (1, 1, 1)
    assert "split" not in planned


def test_an_ablation_of_the_data_runs_from_split_to_figure(editable: Project) -> None:
    target = "ablation_labelled"
    planned = editable.planned(target)
    assert (planned["split"], planned["train_method"], planned["table"]) == (1, 1, 1)
    editable.snakemake(target, "--configfile", "tiny.yaml")
    with h5py.File(editable.directory / f"{RUN}/data/labelled2/training_data.hdf5") as file:
        assert len(file["non_preferred/starts"]) == 2
    record = json.loads((editable.directory / f"{RUN}/bc/labelled2/seed0/run.json").read_text())
    assert record["data"]["non_preferred_trajectories"] == 2
    table = pd.read_csv(editable.directory / f"results/tiny/tables/{target}.csv")
    rows = zip(table["method"], table["variant"], table["series"], table["x"], strict=True)
    assert list(rows) == [("bc", "labelled2", "all", 2), ("bc", "default", "all", 4)]
    episodes = pd.read_parquet(editable.directory / f"results/tiny/{target}.parquet")
    means = episodes.groupby(["method", "variant"])["cost"].mean()
    assert table["cost"].tolist() == pytest.approx([means["bc", "labelled2"], means["bc", "default"]])
    for extension in ("png", "pdf", "csv"):
        assert (editable.directory / f"figures/tiny/{target}.{extension}").stat().st_size
    # The main table does not know of it, and nothing is left to do.
    assert editable.planned(target) == {}
    assert editable.planned("all") == {}
    assert_reported(editable, target, "Labelled trajectories")


def assert_reported(project: Project, target: str, title: str) -> None:
    path = project.directory / "report.html"
    project.snakemake("--report", str(path), "--configfile", "tiny.yaml", "--", target)
    report = Report(path.read_text())
    (names,) = report.categories["4 Ablations"].values()
    assert set(names) == {f"figures/tiny/{target}.png", f"results/tiny/report/{target}.html"}
    for name in names:
        assert report.caption(name).startswith(f"{title}: ")
        assert f"--cores 1 {target}." in report.caption(name)


def test_ablations_are_part_of_all_when_they_are_named(editable: Project) -> None:
    path = editable.directory / "tiny.yaml"
    raw = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**raw, "ablations_in_all": ["sizes"]}))
    planned = editable.planned("all")
    assert (planned["table"], planned["figure_ablation_sizes"], planned["train_method"]) == (1, 1, 1)


def test_claims_are_decided_on_the_ablations_of_all(editable: Project) -> None:
    path = editable.directory / "tiny.yaml"
    raw = yaml.safe_load(path.read_text())
    ablations = raw["ablations"] | {"h": raw["ablations"]["sizes"]}
    path.write_text(yaml.safe_dump({**raw, "ablations": ablations, "ablations_in_all": ["h"]}))
    assert editable.planned("claims")["gather"] == 1
    editable.snakemake("claims", "--configfile", "tiny.yaml")
    claims = json.loads((editable.directory / "results/tiny/claims.json").read_text())
    # It was given; that it is of another task than the claim is part of the verdict.
    assert "the ablation has no 10 and no 5 on Swimmer-Velocity" in claims[4]["reason"]
    assert "the ablation k was not run" in claims[3]["reason"]
