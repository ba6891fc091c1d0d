"""Finding methods: by name, by a module path outside the package, and what is refused."""

import sys

import pytest

from safemil.catalogue import built_in_methods, method_kind, module_name
from safemil.errors import UserError
from safemil.methods.bc import BehaviorCloning
from safemil.methods.bc_safe import SafeBehaviorCloning
from safemil.methods.coptidice import COptiDICE
from safemil.methods.registry import find_learner, find_method
from safemil.methods.safemil import SafeMIL
from safemil.training.train_oracle import find_oracle


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


def test_built_in_methods():
    assert find_method("bc") is BehaviorCloning
    assert find_method("safemil") is SafeMIL
    assert find_method("bc_safe") is find_oracle("bc_safe") is SafeBehaviorCloning
    assert find_method("coptidice") is find_oracle("coptidice") is COptiDICE
    assert tuple(built_in_methods("oracle")) == ("bc_safe", "coptidice", "safemil_true_cost")


def test_a_module_outside_the_package(write_module):
    source = (
        "from safemil.methods.bc import BehaviorCloning\n\n\n"
        "class Mine(BehaviorCloning):\n    name = 'mine'\n\n\nMETHOD = Mine\n"
    )
    found = find_method(write_module("mine", source))
    assert issubclass(found, BehaviorCloning)
    assert found.name == "mine"
    assert module_name("outside.mine") == "outside.mine"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError) as error:
        find_method("behaviour-cloning")
    assert "behaviour-cloning" in str(error.value)
    assert all(name in str(error.value) for name in built_in_methods())


@pytest.mark.parametrize("source", ["", "METHOD = 3\n", "METHOD = dict\n"])
def test_a_module_without_a_method(write_module, source):
    with pytest.raises(UserError, match=r"METHOD = a subclass of Learner[\s\S]*outside\.empty"):
        find_method(write_module("empty", source))


def test_a_module_that_is_not_there():
    with pytest.raises(UserError, match=r"outside\.nothing"):
        find_method("outside.nothing")


def test_a_module_that_imports_what_is_not_installed(write_module):
    with pytest.raises(UserError, match="not_installed_anywhere"):
        find_method(write_module("broken", "import not_installed_anywhere\n"))


ORACLE = (
    "from safemil.methods.bc_safe import SafeBehaviorCloning\n\n\n"
    "class Mine(SafeBehaviorCloning):\n    name = 'mine'\n\n\nMETHOD = Mine\n"
)
LEARNER = (
    "from safemil.methods.bc import BehaviorCloning\n\n\n"
    "class Mine(BehaviorCloning):\n    name = 'mine'\n{}\n\nMETHOD = Mine\n"
)


def test_the_kind_of_a_module_outside_the_package_is_that_of_its_class(write_module):
    oracle, learner = write_module("oracle", ORACLE), write_module("learner", LEARNER.format(""))
    assert (method_kind(oracle), method_kind(learner)) == ("oracle", "learner")
    assert find_oracle(oracle).name == find_learner(learner).name == "mine"
    with pytest.raises(UserError, match=r"outside\.oracle is an oracle[\s\S]*train-oracle"):
        find_learner(oracle)
    with pytest.raises(UserError, match=r"outside\.learner is a learner[\s\S]*`safemil train`"):
        find_oracle(learner)


@pytest.mark.parametrize(
    ("constructor", "named"),
    [
        ("def __init__(self, data, settings, training, generator, labels): ...", "labels"),
        ("def __init__(self, data, settings, training, generator, *, labels=None): ...", "labels"),
        ("def __init__(self, data: 'OracleData', settings, training, generator): ...", "OracleData"),
        ("def __init__(self, labelled, settings, training, generator): ...", "labelled"),
        ("def __init__(self, *arguments): ...", "arguments"),
    ],
)
def test_a_learner_whose_constructor_asks_for_labels_is_refused(write_module, constructor, named):
    module = write_module("greedy", LEARNER.format(f"    {constructor}"))
    with pytest.raises(UserError, match="asks for something that it is not given") as error:
        find_learner(module)
    assert named in str(error.value)
    assert "data is of type TrainingData" in str(error.value)


@pytest.mark.parametrize(
    "constructor",
    [
        "def __init__(self, data, settings, training, generator): ...",
        "def __init__(self, data: 'TrainingData', settings, training, generator): ...",
        "def __init__(self, data: 'stripped.TrainingData', settings, training, generator): ...",
    ],
)
def test_a_learner_may_leave_its_types_out_or_write_them_as_text(write_module, constructor):
    assert find_learner(write_module("modest", LEARNER.format(f"    {constructor}"))).name == "mine"


def test_calling_an_oracle_a_learner_does_not_make_it_one(write_module):
    module = write_module("liar", ORACLE.replace("'mine'", "'mine'\n    kind = 'learner'"))
    with pytest.raises(UserError, match="data is of type TrainingData"):
        find_learner(module)


def test_an_oracle_must_take_oracle_data(write_module):
    source = ORACLE.replace(
        "'mine'", "'mine'\n    def __init__(self, data: 'TrainingData', settings, training, generator): ..."
    )
    with pytest.raises(UserError, match="data is of type OracleData"):
        find_oracle(write_module("modest", source))
