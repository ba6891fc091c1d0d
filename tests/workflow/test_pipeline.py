"""The whole workflow at a tiny scale: real simulator, real collected data, real training, real tables."""

import hashlib
import json
from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml

from tests.workflow.conftest import PROVENANCE, Project, copy_project

RUN = "results/tiny/collected/point_circle2"


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.directory / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_promised_file_is_there(finished: Project) -> None:
    expected = [
        *[
            f"figures/tiny/{f}.{e}"
            for f in ("main", "plane", "profiles", "learning_curves")
            for e in ("png", "pdf", "csv")
        ],
        *[f"results/tiny/{table}.parquet" for table in ("episodes", "curve_episodes", "runs")],
        *[
            f"results/tiny/tables/{t}.{e}"
            for t in (
                *("main", "per_task", "aggregate", "separability", "selection", "fairness", "theory"),
                *("learned_cost", "learning_curves", "learning_curves_over_tasks", "data_overview"),
            )
            for e in ("csv", "md", "tex")
        ],
        *[f"results/tiny/claims.{e}" for e in ("md", "json")],
        *[f"figures/tiny/theory.{e}" for e in ("png", "pdf", "csv")],
        *[f"figures/tiny/learned_cost.{e}" for e in ("png", "pdf", "csv")],
        *[
            f"{RUN}/data/default/{f}"
            for f in ("training_data.hdf5", "oracle_labels.hdf5", "card.json", "card.png")
        ],
        *[f"{RUN}/safemil/small/seed0/{f}" for f in ("policy.safetensors", "train.csv", "run.json")],
        "results/tiny/config.json",
        "data/collected/point_circle2.hdf5",
        "data/collected/point_circle2_card/card.png",
    ]
    missing = [name for name in expected if not (finished.directory / name).stat().st_size]
    assert missing == []


def test_main_table_is_computed_from_the_episodes(finished: Project) -> None:
    table = pd.read_csv(finished.directory / "results/tiny/tables/main.csv")
    episodes = pd.read_parquet(finished.directory / "results/tiny/episodes.parquet")
    leading = ["task", "method", "variant", "source", "n_seeds", "n_episodes"]
    scores = ["return", "cost", "cvar20", "return_norm", "cost_diff", "cvar20_diff"]
    assert list(table.columns[:12]) == leading + scores
    keys = list(zip(table["method"], table["variant"], strict=True))
    assert keys == [
        ("bc", "default"),
        ("safemil", "default"),
        ("safemil", "small"),
        ("bc_safe", "default"),
        ("coptidice", "default"),
        ("constrained_rl", "default"),
        ("random", "default"),
    ]
    means = episodes.groupby(["method", "variant"])[["return", "cost"]].mean()
    for row in table.itertuples():
        assert row.cost == pytest.approx(means.loc[(row.method, row.variant), "cost"])
        assert row.n_episodes == 2
    assert table["return_norm"].iloc[-2:].tolist() == pytest.approx([1.0, 0.0])


def test_episodes_share_environment_seeds_that_collecting_never_used(finished: Project) -> None:
    episodes = pd.read_parquet(finished.directory / "results/tiny/episodes.parquet")
    assert episodes.groupby("episode")["environment_seed"].nunique().tolist() == [1, 1]
    with h5py.File(finished.directory / "data/collected/point_circle2.hdf5") as file:
        collected = set(file["provenance"].attrs["environment_seed"].tolist())
    assert collected.isdisjoint(episodes["environment_seed"])


def test_training_reads_one_file_and_it_holds_no_labels(finished: Project) -> None:
    record = json.loads((finished.directory / f"{RUN}/bc/default/seed0/run.json").read_text())
    stripped = finished.directory / f"{RUN}/data/default/training_data.hdf5"
    with h5py.File(stripped) as file:
        names: list[str] = []
        file.visit(names.append)
    arrays = {"observations", "actions", "next_observations", "terminals", "starts"}
    groups = {"non_preferred", "unlabelled"}
    assert set(names) == groups | {f"{group}/{array}" for group in groups for array in arrays}
    assert record["data"]["sha256"] == hashlib.sha256(stripped.read_bytes()).hexdigest()
    assert record["kind"] == "learner"
    assert set(record["data"]) == {"sha256", "non_preferred_trajectories", "unlabelled_trajectories"}


def test_fairness_table_is_read_off_the_records(finished: Project) -> None:
    table = pd.read_csv(finished.directory / "results/tiny/tables/fairness.csv")
    keys = list(zip(table["method"], table["variant"], table["network"], strict=True))
    assert keys == [
        ("bc", "default", "policy"),
        ("safemil", "default", "policy"),
        ("safemil", "default", "cost"),
        ("safemil", "small", "policy"),
        ("safemil", "small", "cost"),
        ("bc_safe", "default", "policy"),
        *[("coptidice", "default", network) for network in ("policy", "chi", "lambda", "nu", "tau")],
    ]
    assert table["transitions_per_step_min"].tolist() == [40, 40, 40, 5, 5, *[40] * 6]
    assert table["gradient_steps_max"].tolist() == [40] * 11
    text = (finished.directory / "results/tiny/tables/fairness.md").read_text()
    assert "Variant SafeMIL (small): transitions per policy step 5 instead of 40." in text


def test_changing_the_theory_draws_bags_anew_and_nothing_else(editable: Project) -> None:
    edit(editable, "tiny.yaml", "draws: 200", "draws: 300")
    theory = {"table": 1, "figure_theory": 1, "claims": 1}
    assert editable.planned("all") == {"all": 1, **theory, **PROVENANCE}
    assert set(editable.planned("figure_theory")) == {"table", "figure_theory"}


def test_learned_costs_are_those_of_the_methods_that_have_one(finished: Project) -> None:
    table = pd.read_csv(finished.directory / "results/tiny/tables/learned_cost.csv")
    keys = list(zip(table["held_out"], table["method"], table["variant"], strict=True))
    assert keys == [
        (name, "safemil", variant) for name in ("all", "classes") for variant in ("default", "small")
    ]
    with h5py.File(finished.directory / f"{RUN}/data/held_out.hdf5") as file:
        held_out = set(file["provenance"].attrs["source_index"].tolist())
    with h5py.File(finished.directory / f"{RUN}/data/default/oracle_labels.hdf5") as file:
        drawn = {*file["non_preferred/source_indices"][()], *file["unlabelled/source_indices"][()]}
    assert len(drawn) == 12
    assert held_out
    assert drawn.isdisjoint(held_out)


def test_without_a_learned_cost_there_is_no_table_of_it(editable: Project) -> None:
    configuration = yaml.safe_load((editable.directory / "tiny.yaml").read_text())
    del configuration["methods"]["safemil"]
    (editable.directory / "tiny.yaml").write_text(yaml.safe_dump(configuration))
    of_it = {"figure_learned_cost", "evaluate_cost"}
    assert not of_it & set(editable.planned("all"))
    planned = editable.snakemake("all", "--dry-run", "--configfile", "tiny.yaml").stdout
    assert "results/tiny/tables/main.csv" in planned
    assert not [
        name for name in ("learned_cost", "selection") if f"results/tiny/tables/{name}.csv" in planned
    ]


def test_editing_the_diagnostics_of_the_learned_cost_trains_nothing(editable: Project) -> None:
    edit(editable, "safemil/learned_cost/measure.py", "1 << 14", "1 << 13")
    planned = editable.planned("all")
    assert planned == {
        "all": 1,
        "evaluate_cost": 2,
        "gather": 2,
        "table": 2,  # of learned costs, and what is selected by them
        "figure_learned_cost": 1,
        "claims": 1,
        "render_pages": 1,
    }


def test_second_dry_run_has_nothing_to_do(finished: Project) -> None:
    assert finished.planned("all") == {}


def test_editing_a_method_reruns_that_method_and_what_follows(editable: Project) -> None:
    edit(editable, "safemil/methods/safemil.py", "softplus(unlabelled", "2.0 * softplus(unlabelled")
    planned = editable.planned("all")
    assert planned.pop("all") == 1
    assert planned == {
        "train_method": 2,
        "evaluate_policy": 2,
        "gather": 7,
        "evaluate_curve": 2,
        "figure_learning_curves": 1,
        "table": 9,  # all but the theory and the overview of the data
        "figure_main": 1,
        "figure_plane": 1,
        "figure_profiles": 1,
        "evaluate_cost": 2,
        "figure_learned_cost": 1,
        "claims": 1,
        **PROVENANCE,
    }


def test_editing_a_figure_redraws_only(editable: Project) -> None:
    edit(
        editable,
        "safemil/figures/main_comparison.py",
        "_SEED_SIZE, _MEAN_SIZE = 2.6",
        "_SEED_SIZE, _MEAN_SIZE = 3.0",
    )
    assert editable.planned("all") == {"all": 1, "figure_main": 1}


def test_changing_a_threshold_decides_the_claims_anew_and_nothing_else(editable: Project) -> None:
    with (editable.directory / "tiny.yaml").open("a") as file:
        file.write("claims:\n  cost_margin: 0.3\n")
    assert editable.planned("all") == {"all": 1, "claims": 1, **PROVENANCE}


def test_claims_of_one_seed_are_not_measured_but_the_theory_may_be(finished: Project) -> None:
    claims = json.loads((finished.directory / "results/tiny/claims.json").read_text())
    verdicts = {claim["number"]: claim["verdict"] for claim in claims}
    assert {verdicts[number] for number in range(1, 9)} == {"not measured"}
    assert "1 seed, fewer than the 5" in claims[7]["reason"]


def test_editing_a_comment_or_docstring_reruns_nothing(editable: Project) -> None:
    edit(editable, "safemil/methods/safemil.py", '"""', '"""Edited. ')
    edit(editable, "safemil/simulator/rollout.py", "# ", "# edited ")
    assert editable.planned("all") == {}


def test_what_shows_asks_for_no_finished_run_again(editable: Project) -> None:
    """A progress line, an escape, a colour, a name, how often is logged: none of it decides a number."""
    edit(editable, "safemil/progress.py", "ETA {", "left {")
    edit(editable, "safemil/tables/latex.py", '"<": "$<$"', '"<": "{$<$}"')
    edit(editable, "config/methods.tsv", "#D55E00", "#D55E01")
    edit(editable, "config/methods.tsv", "BC-Unlabeled", "BC on all")
    edit(editable, "config/tasks.tsv", "Point-Circle2", "Point Circle 2")
    edit(editable, "tiny.yaml", "log_every: 10", "log_every: 20")
    edit(editable, "tiny.yaml", "checkpoint_every: 10", "checkpoint_every: 20")
    planned = editable.planned("all")
    asked_again = ("train_", "evaluate_", "held_out")
    assert not [name for name in planned if name in ("collect", "split") or name.startswith(asked_again)]
    assert (planned["table"], planned["figure_main"], planned["claims"]) == (11, 1, 1)
    edit(editable, "safemil/methods/bc_safe.py", "METHOD = ", "UNUSED = 1\nMETHOD = ")
    planned = editable.planned("all")
    assert (planned["train_oracle"], planned["evaluate_policy"], planned["evaluate_curve"]) == (1, 1, 1)
    assert "train_method" not in planned


def test_changing_a_setting_reruns_what_depends_on_it(editable: Project) -> None:
    before, after = (f"    small:\n      training:\n        bag_size: {size}\n" for size in (1, 2))
    edit(editable, "tiny.yaml", before, after)
    assert editable.planned("all")["train_method"] == 1
    edit(editable, "tiny.yaml", after, before)
    edit(editable, "tiny.yaml", "n_unlabelled: 8", "n_unlabelled: 6")
    planned = editable.planned("all")
    assert (planned["split"], planned["train_method"], planned["train_oracle"]) == (1, 3, 2)
    assert "collect" not in planned


def test_runs_of_other_names_share_the_collected_data(editable: Project) -> None:
    edit(editable, "tiny.yaml", "run_name: tiny", "run_name: other")
    planned = editable.planned("all")
    assert "collect" not in planned
    assert planned["split"] == 1


def test_same_configuration_gives_the_same_bytes(finished: Project, editable: Project) -> None:
    """From collecting to episodes; of tables and figures, the test of a clone of kept runs says it."""
    outputs = [
        "data/collected/point_circle2.hdf5",
        f"{RUN}/data/default/training_data.hdf5",
        f"{RUN}/safemil/default/seed0/policy.safetensors",
        f"{RUN}/safemil/default/seed0/episodes.parquet",
    ]
    for name in outputs:
        (editable.directory / name).unlink()
    editable.snakemake(*outputs, "--configfile", "tiny.yaml")
    for name in outputs:
        assert (editable.directory / name).read_bytes() == (finished.directory / name).read_bytes(), name


def test_one_figure_is_redrawn_alone(editable: Project) -> None:
    figure = editable.directory / "figures/tiny/main.png"
    figure.unlink()
    assert set(editable.planned("figure_main")) == {"figure_main"}


def test_what_policies_explain_is_computed_on_demand_from_the_collected_file(editable: Project) -> None:
    editable.snakemake("policy_share", "--configfile", "tiny.yaml")
    (row,) = pd.read_csv(editable.directory / "results/tiny/tables/policy_share.csv").to_dict("records")
    card = json.loads((editable.directory / "data/collected/point_circle2_card/card.json").read_text())
    assert row["n_episodes"] == card["sets"]["all"]["trajectories"]
    assert row["n_policies"] <= int(card["attributes"]["policies"])


def test_all_problems_of_a_configuration_are_reported_at_once(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project.directory / "tiny.yaml").write_text(
        "run_name: a b\ntasks: [swimmer]\nseeds: [1, 1]\ntypo: 3\n"
        "methods: {safemil: {default: {settings: {beta: 1}}}, nonsense: {default: {}}}\n"
    )
    result = project.snakemake("--dry-run", "all", "--configfile", "tiny.yaml", check=False)
    message = result.stdout + result.stderr
    assert result.returncode != 0
    for found in ("run_name", "swimmer", "seeds", "typo", "safemil.default.settings.beta", "nonsense"):
        assert found in message
    assert "Traceback" not in message
