"""Finding methods: by name, by a module path outside the package, and what is refused."""

import sys

import pytest

from safemil.errors import UserError
from safemil.methods.bc import BehaviorCloning
from safemil.methods.registry import find_method
from safemil.methods.registry_names import built_in_methods, module_name
from safemil.methods.safemil import SafeMIL


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
