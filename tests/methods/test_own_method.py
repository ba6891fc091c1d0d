"""What is checked of a method before anything runs: of built-in ones, and of slips in a new one."""

import sys

import pytest

from safemil.catalogue import built_in_methods
from safemil.errors import UserError
from safemil.methods.own_method import LONGEST_NAME, find_checked
from safemil.methods.registry import find_method
from safemil.plan.configuration import parse_config

COMPLETE = (
    "from safemil.methods.bc import BehaviorCloning\n\n\n"
    "class Mine(BehaviorCloning):\n    name = 'Mine'\n\n\nMETHOD = Mine\n"
)


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write `outside/{name}.py` where Python finds it; returns its dotted path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "outside").mkdir()

    def write(name, source):
        (tmp_path / "outside" / f"{name}.py").write_text(source)
        return f"outside.{name}"

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "outside"]:
        del sys.modules[name]


@pytest.mark.parametrize("method", list(built_in_methods()))
def test_built_in_methods_pass(method):
    assert find_checked(method) is find_method(method)


def test_a_complete_method_passes(write_module):
    module = write_module("mine", COMPLETE)
    assert find_checked(module) is find_method(module)


def test_a_folder_that_is_not_there_is_named_with_where_it_was_sought(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        find_checked("my_methodd.method")
    for said in ("a folder my_methodd", str(tmp_path), "PYTHONPATH"):
        assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(write_module):
    write_module("mine", COMPLETE)
    with pytest.raises(UserError, match=r"outside\.yours"):
        find_checked("outside.yours")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\nclass Mine(:\n", r"SyntaxError[\s\S]*broken\.py, line 2"),
        ("x = 1\ny = 2\nz = x / (y - 2)\n", r"ZeroDivisionError[\s\S]*broken\.py, line 3"),
        ("from safemil.methods.bc import BC\n", r"ImportError: cannot import name 'BC'[\s\S]*line 1"),
        ("import not_installed_anywhere\n", "not_installed_anywhere"),
    ],
)
def test_a_module_that_fails_is_named_with_the_line(write_module, source, said):
    with pytest.raises(UserError, match=said):
        find_checked(write_module("broken", source))


def test_everything_that_a_class_lacks_is_said_at_once(write_module):
    source = (
        "from safemil.methods.learner import Learner\n\n\nclass Mine(Learner):\n    pass\n\n\nMETHOD = Mine\n"
    )
    with pytest.raises(UserError) as error:
        find_checked(write_module("bare", source))
    for said in ("sample, update", "`name`", "`settings_model`", "outside.bare.Mine", "docs/add_a_method.md"):
        assert said in str(error.value)


@pytest.mark.parametrize("name", ["''", "'  '", "3", "'a\\nb'", f"'{'x' * (LONGEST_NAME + 1)}'"])
def test_a_name_that_no_table_can_show_is_refused(write_module, name):
    with pytest.raises(UserError, match="`name` is to be a text"):
        find_checked(write_module("odd", COMPLETE.replace("'Mine'", name)))
    assert find_checked(write_module("long", COMPLETE.replace("'Mine'", f"'{'x' * LONGEST_NAME}'")))


@pytest.fixture
def problems_of():
    """Check a configuration of these methods; returns what is said about it, or nothing."""

    def check(*methods, custom=()):
        raw = {
            **{"run_name": "a", "tasks": ["swimmer_velocity"], "seeds": [0]},
            "methods": {method: {"default": {}} for method in methods},
            "custom_rules": ["rules.smk"],
            "custom_methods": {method: {"default": {}} for method in custom},
        }
        try:
            parse_config(raw, "here", check_methods=True)
        except UserError as error:
            return str(error)
        return ""

    return check


@pytest.mark.parametrize("name", ["bc", "BC-Unlabeled", "safemil", "SAFEMIL", "Random", "constrained_rl"])
def test_the_name_of_a_built_in_method_or_reference_is_taken(write_module, problems_of, name):
    said = problems_of("bc", write_module("mine", COMPLETE.replace("'Mine'", repr(name))))
    assert "1 problem" in said
    assert f"methods.outside.mine: the name {name!r} is taken by the method" in said
    assert "give the class Mine a `name` of its own" in said


def test_a_class_that_inherits_its_name_is_told_so(write_module, problems_of):
    said = problems_of(write_module("mine", COMPLETE.replace("name = 'Mine'", "pass")))
    assert "the name 'bc' is taken by the method bc" in said


def test_two_of_ones_own_need_two_names(write_module, problems_of):
    first, second = (write_module(name, COMPLETE) for name in ("first", "second"))
    assert problems_of("bc", first) == problems_of(first, custom=["Theirs"]) == ""
    assert f"methods.{second}: the name 'Mine' is taken by the method {first}" in problems_of(first, second)
    assert "the name 'Mine' is taken by the method mine" in problems_of(first, custom=["mine"])
