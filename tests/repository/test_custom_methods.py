"""The configuration of programs of one's own, and what the workflow makes of it before any job runs."""

import re
from types import SimpleNamespace

import pytest

from safemil import paths
from safemil.errors import UserError
from safemil.plan.configuration import parse_config
from safemil.plan.custom_rules import check_custom_rules, custom_rule_files
from safemil.plan.rules import Plan

RAW = {
    "run_name": "a",
    "tasks": ["swimmer_velocity", "point_circle2"],
    "seeds": [0, 1],
    "methods": {"bc": {"default": {}}, "bc_safe": {"default": {}}},
    "custom_rules": ["mine/rules.smk"],
    "custom_methods": {
        "Ridge": {"default": {}, "strong": {"settings": {"penalty": 9}, "tasks": ["point_circle2"]}}
    },
}


def plan(**changes):
    return Plan(parse_config({**RAW, **changes}, "here"))


def test_runs_are_those_of_methods_and_custom_methods():
    runs = [(run["method"], run["variant"]) for run in plan().method_runs() if run["seed"] == 0]
    assert runs == [
        *[("bc", "default"), ("bc_safe", "default"), ("Ridge", "default")],
        *[("bc", "default"), ("bc_safe", "default"), ("Ridge", "default"), ("Ridge", "strong")],
    ]


def test_no_rule_that_trains_matches_a_custom_method():
    made = plan()
    trained = [made.method_pattern("learner"), made.method_pattern("oracle")]
    assert [bool(re.fullmatch(pattern, "Ridge")) for pattern in trained] == [False, False]
    assert re.fullmatch(made.method_pattern(), "Ridge")
    assert made.custom_method_pattern() == "Ridge"
    without = plan(custom_methods={}, custom_rules=[])
    assert not re.fullmatch(without.custom_method_pattern(), "bc")
    assert not re.fullmatch(without.custom_method_pattern(), "")


def test_a_program_has_settings_and_no_learning_curve():
    made = plan(evaluation={"curve_points": 4})
    assert {run["method"] for run in made.trained_runs()} == {"bc", "bc_safe"}
    assert made.curve_runs() == made.trained_runs()
    assert not re.fullmatch(made.trained_method_pattern(), "Ridge")
    assert re.fullmatch(made.trained_method_pattern(), "bc_safe")
    assert made.custom_settings("Ridge", "strong") == '{"penalty": 9}'
    assert made.custom_settings("Ridge", "default") == "{}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"custom_methods": {"bc": {"default": {}}}}, "the name bc is taken by the method bc"),
        ({"custom_methods": {"SafeMIL": {"default": {}}}}, "the name SafeMIL is taken by the method safemil"),
        (
            {"custom_methods": {"TREX_wbc": {"default": {}}}},
            "the name TREX_wbc is taken by the method trex_wbc",
        ),
        ({"custom_methods": {"random": {"default": {}}}}, "the name random is taken by the method random"),
        ({"custom_methods": {"my.ridge": {"default": {}}}}, "'my.ridge': expected a letter, then letters"),
        ({"custom_methods": {"../up": {"default": {}}}}, "'../up': expected a letter, then letters"),
        (
            {"custom_methods": {"Ridge": {"default": {}}, "ridge": {"default": {}}}},
            "the name ridge is there twice but for upper and lower case",
        ),
        ({"custom_rules": []}, "custom_rules names no file"),
        ({"custom_rules": ["a.smk", "a.smk"]}, "custom_rules: Value error, names the same more than once"),
        ({"custom_methods": {"Ridge": {"strong": {}}}}, "no variant `default` of Ridge"),
        (
            {"custom_methods": {"Ridge": {"default": {"training": {}}}}},
            "Ridge.default.training: Extra inputs",
        ),
        (
            {"custom_methods": {"Ridge": {"default": {"tasks": ["ant_velocity"]}}}},
            "methods.Ridge.default.tasks names tasks that are not run: ['ant_velocity']",
        ),
        ({"methods": {"my-method.method": {"default": {}}}}, "'my-method.method': expected letters, digits"),
        ({"methods": {"a..b": {"default": {}}}}, "'a..b': expected letters, digits"),
    ],
)
def test_what_is_wrong_is_said(changes, said):
    with pytest.raises(UserError) as caught:
        plan(**changes)
    assert said in str(caught.value)


def test_rules_without_methods_are_fine():
    assert plan(custom_methods={}).config.custom_rules == ("mine/rules.smk",)


def test_every_missing_file_of_rules_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.smk").write_text("")
    made = plan(custom_rules=["a.smk", "there.smk", "mine/b.smk"])
    with pytest.raises(UserError) as caught:
        custom_rule_files(made)
    for said in (str(tmp_path / "a.smk"), str(tmp_path / "mine/b.smk"), "relative to the working directory"):
        assert said in str(caught.value)
    assert "there.smk" not in str(caught.value)
    assert custom_rule_files(plan(custom_rules=["there.smk"])) == [str(tmp_path / "there.smk")]


class Output(str):
    """A path with wildcards, as far as the check asks Snakemake's own for it."""

    def match(self, path):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[A-Za-z0-9_.-]+)", re.escape(self))
        return re.fullmatch(pattern, path)


def rule(*inputs, output=None):
    policy = Output(output or plan().path(paths.POLICY, method="Ridge"))
    return SimpleNamespace(name="train_ridge", input=inputs, output=[policy])


STRIPPED = plan().path(paths.TRAINING_DATA, split="default")


def test_a_rule_that_writes_every_policy_from_the_stripped_file_passes():
    check_custom_rules(plan(), [rule(STRIPPED, "mine/program.py", lambda _: "anything")])
    check_custom_rules(plan(custom_methods={}), [])


def test_a_policy_that_no_rule_writes_is_named():
    missing = "results/a/collected/swimmer_velocity/Ridge/default/seed0/policy.safetensors"
    other = rule(STRIPPED, output=plan().path(paths.POLICY, method="Other"))
    for rules in ([], [other]):
        with pytest.raises(UserError, match="no rule writes the policy of the custom method Ridge") as caught:
            check_custom_rules(plan(), rules)
        assert missing in str(caught.value)
        assert 'PLAN.path(paths.POLICY, method="Ridge")' in str(caught.value)
    one_seed = rule(STRIPPED, output=plan().path(paths.POLICY, method="Ridge", seed=0))
    with pytest.raises(UserError, match="seed1"):
        check_custom_rules(plan(), [one_seed])


@pytest.mark.parametrize(
    "labelled",
    [
        plan().path(paths.ORACLE_LABELS),
        plan().path(paths.ORACLE_LABELS, split="default"),
        plan().path(paths.ORACLE_LABELS, split="labelled5", task="swimmer_velocity"),
        plan().path(paths.HELD_OUT),
        plan().path(paths.ORACLE_LABELS, task="point_circle2"),
        paths.COLLECTED_DATA,
    ],
)
def test_a_rule_with_labels_among_its_inputs_is_refused(labelled):
    with pytest.raises(UserError, match="reads rewards or costs") as caught:
        check_custom_rules(plan(), [rule(STRIPPED, labelled)])
    assert "rule train_ridge" in str(caught.value)
    with pytest.raises(UserError, match="reads rewards or costs"):
        check_custom_rules(
            plan(source="dsrl", methods={"coptidice": {"default": {}}}),
            [rule("data/dsrl/SafetySwimmerVelocityGymnasium-v1-200-1686.hdf5", output=dsrl_policy())],
        )


def dsrl_policy():
    return plan().path(paths.POLICY, method="Ridge", source="dsrl")
