"""What the repository promises about itself: environments, schema, configurations, borders between rooms."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from safemil.behavior.settings import RunGroup, load_behavior
from safemil.catalogue import built_in_methods
from safemil.errors import UserError
from safemil.plan.configuration import parse_config, schema_text
from safemil.plan.rules import Plan
from safemil.tasks import get_task, load_tasks, paper_tasks

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ("config", "quick", "paper")


def pinned(lines: list[str]) -> dict[str, str]:
    pairs = [line.strip().split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_conda_environment_names_the_locked_versions() -> None:
    # No conda channel can be reached where this was written: the file is checked by parsing it, and its
    # pip part is what requirements.lock installs.
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["dependencies"][0] == "python=3.11"
    conda = pinned(environment["dependencies"][-1]["pip"])
    lock = pinned((ROOT / "requirements.lock").read_text().splitlines())
    assert conda == {name: lock[name] for name in conda}
    asked = {
        line.split("=")[0].split("<")[0].strip().lower()
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert set(conda) == asked


def test_installed_versions_are_the_locked_ones() -> None:
    from importlib.metadata import version

    locked = pinned((ROOT / "requirements.lock").read_text().splitlines())
    locked |= pinned((ROOT / "requirements-no-deps.lock").read_text().splitlines())
    deviating = {n: (v, version(n)) for n, v in locked.items() if version(n).split("+")[0] != v}
    assert deviating == {}


def test_post_deploy_script_installs_what_the_lock_says() -> None:
    script = (ROOT / "environment.post-deploy.sh").read_text()
    for name, version in pinned((ROOT / "requirements-no-deps.lock").read_text().splitlines()).items():
        assert f"{name}=={version}" in script


def test_schema_is_in_step_with_the_models() -> None:
    assert (ROOT / "config/schema.json").read_text() == schema_text(), (
        "run `safemil schema --output config/schema.json`"
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configurations_are_valid(name: str) -> None:
    raw = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    config = parse_config(raw, name, check_methods=True)
    assert set(config.methods) <= set(built_in_methods())


def test_paper_configuration_is_the_papers_scale() -> None:
    config = parse_config(yaml.safe_load((ROOT / "config/paper.yaml").read_text()), "paper")
    training = config.training
    assert (training.steps, training.bag_pairs, training.bag_size, training.segment_length) == (
        10**6,
        32,
        128,
        5,
    )
    assert training.steps * training.learning_rate == pytest.approx(10)
    assert (config.source, len(config.tasks), len(config.seeds)) == ("dsrl", 6, 5)
    assert (config.split.n_non_preferred, config.split.n_unlabelled, config.split.alpha) == (50, 200, 0.5)


@pytest.mark.parametrize("name", CONFIGS)
def test_learning_rates_follow_the_one_rule_of_the_fairness_page(name: str) -> None:
    config = parse_config(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()), name)
    for method, variants in config.methods.items():
        for task, variant in itertools.product(config.tasks, variants):
            training = config.training_of(task, method, variant)
            cell = (task, method, variant)
            assert training.learning_rate == pytest.approx(min(1e-3, 10 / training.steps)), cell


def test_a_task_may_have_steps_of_its_own_for_every_method_alike() -> None:
    raw = {
        "run_name": "a",
        "tasks": ["swimmer_velocity", "walker_velocity"],
        "seeds": [0],
        "methods": {"bc": {"default": {}, "short": {"training": {"steps": 7}}}, "bc_safe": {"default": {}}},
        "training": {"steps": 100},
        "task_steps": {"walker_velocity": 300},
    }
    config = parse_config(raw, "here")
    cells = [("bc", "default"), ("bc", "short"), ("bc_safe", "default")]
    steps = {task: [config.training_of(task, *cell).steps for cell in cells] for task in config.tasks}
    assert steps == {"swimmer_velocity": [100, 7, 100], "walker_velocity": [300, 7, 300]}
    plan = Plan(config)
    expected = {(run.task, run.method, run.variant): run.step for run in plan.expected_runs()}
    assert expected["walker_velocity", "bc", "default"] == 300
    assert expected["walker_velocity", "bc", "short"] == 7
    assert expected["swimmer_velocity", "bc_safe", "default"] == 100
    for wrong, message in (
        ({"ant_velocity": 3}, "not run: ant_velocity"),
        ({"walker_velocity": 0}, "than 0"),
    ):
        with pytest.raises(UserError, match=message):
            parse_config({**raw, "task_steps": wrong}, "here")


def test_all_problems_of_a_configuration_at_once() -> None:
    raw = {
        "run_name": "a b",
        "tasks": ["swimmer"],
        "seeds": [1, 1],
        "typo": 3,
        "training": {"steps": 0},
        "methods": {
            "bc": {"default": {"training": {"step": 3}}},
            "safemil": {"default": {"settings": {"beta": 1}}},
            "nonsense": {"default": {}},
        },
    }
    with pytest.raises(UserError) as caught:
        parse_config(raw, "here", check_methods=True)
    message = str(caught.value)
    assert "8 problems" in message
    for place in ("run_name", "tasks", "seeds", "typo", "training.steps", "bc.default", "beta", "nonsense"):
        assert place in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "local"}, "data_directory: Value error, the source local needs the folder"),
        ({"source": "dsrl", "data_directory": "x"}, "data_directory: Value error, only the source local has"),
        ({"data_directory": "x"}, "the source is collected"),
        (
            {"source": "local", "data_directory": ""},
            "data_directory: String should have at least 1 character",
        ),
        ({"source": "locl", "data_directory": "x"}, "source: Input should be 'collected', 'dsrl' or 'local'"),
    ],
)
def test_a_folder_is_given_exactly_for_the_local_source(changes: dict[str, str], message: str) -> None:
    methods = {"bc": {"default": {}}, "coptidice": {"default": {}}}
    raw = {"run_name": "a", "tasks": ["swimmer_velocity"], "seeds": [0], "methods": methods}
    with pytest.raises(UserError) as caught:
        parse_config({**raw, **changes, "typo": 1}, "here")
    # Along with every other problem.
    assert "the configuration has 2 problems" in str(caught.value)
    assert message in str(caught.value)
    config = parse_config({**raw, "source": "local", "data_directory": "x"}, "here")
    assert config.data_directory == "x"


@pytest.mark.parametrize("source", [{"source": "dsrl"}, {"source": "local", "data_directory": "x"}])
def test_the_oracle_that_scores_are_relative_to_must_be_configured(source: dict[str, str]) -> None:
    tasks = ["swimmer_velocity", "point_circle2"]
    raw = {"run_name": "a", "tasks": tasks, "seeds": [0], **source}
    bc = {"bc": {"default": {}}}
    for methods in (bc, {**bc, "coptidice": {"default": {"tasks": tasks[:1]}}}):
        with pytest.raises(UserError) as caught:
            parse_config({**raw, "methods": methods, "typo": 1}, "here")
        message = str(caught.value)
        assert "2 problems" in message
        assert f"methods: Value error, scores of the source {source['source']} are relative to" in message
        assert "`coptidice: {default: {}}`" in message
    for variant in ({}, {"tasks": tasks}):
        parse_config({**raw, "methods": {**bc, "coptidice": {"default": variant}}}, "here")
    parse_config({"run_name": "a", "tasks": tasks, "seeds": [0], "methods": bc}, "here")


def test_task_table_agrees_with_the_names_of_the_dsrl_files() -> None:
    for task in filter(lambda each: each.dsrl_file, load_tasks().values()):
        _, cost, count = task.dsrl_file.removesuffix(".hdf5").rsplit("-", 2)
        assert (float(cost), int(count)) == (task.maximum_cost, task.dsrl_trajectories)
    with pytest.raises(UserError, match="walker_velocity"):
        get_task("walker")


def test_rooms_keep_their_borders() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_shipped_policies_have_a_card_each_and_a_reference_among_them() -> None:
    from safemil.behavior.card import constrained_reference

    shipped = sorted((ROOT / "assets/behavior").glob("*.safetensors"))
    assert set(paper_tasks()) <= {path.stem for path in shipped} <= set(load_tasks())
    for path in shipped:
        card = path.with_name(path.stem + ".card.json")
        task = get_task(path.stem)
        reference = constrained_reference(path, card)
        assert reference.weights[0].shape[1] == task.observation_size
        described = json.loads(card.read_text())
        chosen = described["constrained_reference"]
        # A reference above the limit is allowed where nothing better was found, and has to say so.
        if chosen["mean_cost"] > chosen["cost_limit"]:
            assert chosen["chosen_as"].startswith("lowest mean cost")
        runs = {policy["run"] for policy in described["policies"]}
        assert len({run.rpartition("_seed")[2] for run in runs}) >= 2
        groups = load_behavior()[task.name]
        assert [RunGroup.model_validate(group) for group in described["training"]] == list(groups)
