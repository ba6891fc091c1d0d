"""Digests of code: they change with what can change a number, and with nothing else."""

import re
import shutil

import pytest

from safemil.errors import UserError
from safemil.records import provenance
from safemil.records.provenance import TRAINING_LOOP, commit, modules_behind, source_digest

BC = (TRAINING_LOOP, "safemil.methods.bc")
SAFEMIL = (TRAINING_LOOP, "safemil.methods.safemil")
COPTIDICE = (TRAINING_LOOP, "safemil.methods.coptidice")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that digests are made of, and that a test may edit."""
    shutil.copytree(
        provenance.REPOSITORY / "safemil",
        tmp_path / "safemil",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    return tmp_path / "safemil"


def digests():
    return {"bc": source_digest.__wrapped__(*BC), "safemil": source_digest.__wrapped__(*SAFEMIL)}


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


def changed_by(path, old, new):
    before = digests()
    edit(path, old, new)
    after = digests()
    return {name for name in before if before[name] != after[name]}


def test_digests_are_short_and_stable(package):  # noqa: ARG001  # the copy is what is digested
    first = digests()
    assert first == digests() == {"bc": source_digest(*BC), "safemil": source_digest(*SAFEMIL)}
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in first.values())
    assert first["bc"] != first["safemil"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("methods/safemil.py", "0.99, gt=0", "0.98, gt=0", {"safemil"}),
        ("methods/weights.py", "costs.numel()", "costs.numel() * 2", {"safemil"}),
        ("methods/bc.py", "losses(*", "losses( *", set()),
        ("methods/bc.py", ".mean()", ".sum()", {"bc"}),
        ("methods/networks.py", "(-5.0, 2.0)", "(-5.0, 1.0)", {"bc", "safemil"}),
        ("methods/learner.py", "STD_FLOOR = 1e-3", "STD_FLOOR = 1e-4", {"bc", "safemil"}),
        ("data/segments.py", "- horizon + 1", "- horizon", {"bc", "safemil"}),
        ("training/loop.py", "math.isfinite", "math.isnan", {"bc", "safemil"}),
        ("methods/budget.py", "0.01, ge=0", "0.02, ge=0", {"bc", "safemil"}),
    ],
)
def test_a_change_of_code_changes_the_digests_behind_it(package, file, old, new, expected):
    assert changed_by(package / file, old, new) == expected


@pytest.mark.parametrize(
    "file",
    ["figures/style.py", "statistics/scores.py", "data/labels.py", "simulator/rollout.py", "cli/main.py"],
)
def test_other_rooms_change_no_digest_of_a_training(package, file):
    text = (package / file).read_text()
    assert changed_by(package / file, text, text + "\nADDED = 1\n") == set()


@pytest.mark.parametrize("file", ["methods/oracle.py", "methods/coptidice.py", "data/labels.py"])
def test_an_edit_of_an_oracle_changes_the_oracles_digest_and_no_learners(package, file):
    before = source_digest.__wrapped__(*COPTIDICE)
    text = (package / file).read_text()
    assert changed_by(package / file, text, text + "\nADDED = 1\n") == set()
    assert source_digest.__wrapped__(*COPTIDICE) != before


@pytest.mark.parametrize("file", ["methods/weights.py", "methods/learner.py", "training/loop.py"])
def test_docstrings_and_comments_change_no_digest(package, file):
    """Those of the module, of classes and of functions alike; a line of code in the same file does."""
    text = (package / file).read_text()
    assert text.count('"""') >= 8
    reworded = re.sub(r'"""(?=[A-Z])', '"""In other words: ', text)
    assert reworded.count("In other words") >= 4
    reworded = "# A comment.\n" + reworded.replace("\n\n\n", "\n\n\n# Another one.\n")
    assert changed_by(package / file, text, reworded) == set()
    assert changed_by(package / file, reworded, reworded + "\nADDED = 1\n") >= {"safemil"}


def test_a_string_that_is_no_docstring_counts(package):
    assert changed_by(package / "methods/networks.py", '{"nll": neg', '{"nlL": neg') == {"bc", "safemil"}


def test_a_module_outside_the_package(package, write_module, tmp_path):
    source = "from safemil.methods.bc import BehaviorCloning\n\nMETHOD = BehaviorCloning\n"
    module = write_module("mine", source)
    file = tmp_path / "modules" / "outside" / "mine.py"

    def digest():
        return source_digest.__wrapped__(TRAINING_LOOP, module)

    first = digest()
    file.write_text("# a comment\n" + source)
    assert digest() == first
    edit(package / "methods/safemil.py", "0.99, gt=0", "0.98, gt=0")
    assert digest() == first
    edit(package / "methods/bc.py", ".mean()", ".sum()")
    second = digest()
    assert second != first
    file.write_text(source + "METHOD.name = 'mine'\n")
    assert digest() != second


@pytest.mark.parametrize(
    "imported",
    [
        "from outside.helper import VALUE",
        "from outside import helper",
        "import outside.helper",
        "from .helper import VALUE",
        "from . import helper",
        "from outside.between import VALUE",
    ],
)
def test_what_a_module_of_ones_own_imports_from_its_folder_counts(write_module, tmp_path, imported):
    folder = tmp_path / "modules" / "outside"
    write_module("helper", "VALUE = 1\n")
    write_module("between", "from outside.helper import VALUE\n")
    write_module("unused", "VALUE = 1\n")
    module = write_module("mine", f"{imported}\nfrom safemil.methods.bc import METHOD\n")

    def digest():
        return source_digest.__wrapped__(TRAINING_LOOP, module)

    first = digest()
    for name, changes in (("unused", False), ("helper", True)):
        (folder / f"{name}.py").write_text("VALUE = 2\n")
        assert (digest() != first) == changes, name


def test_the_package_around_a_module_of_ones_own_counts(write_module):
    write_module("__init__", "VALUE = 1\n")
    module = write_module("mine", "from safemil.methods.bc import METHOD\n")
    first = source_digest.__wrapped__(module)
    write_module("__init__", "VALUE = 2\n")
    assert source_digest.__wrapped__(module) != first


def test_labels_behind_a_neighbour_are_found(write_module):
    write_module("helper", "import safemil.data.labels\n")
    module = write_module("mine", "from outside import helper\nfrom safemil.methods.bc import METHOD\n")
    assert "safemil.data.labels" in modules_behind(module)


def test_a_module_that_is_nowhere():
    with pytest.raises(UserError, match=r"outside_of_everything"):
        source_digest.__wrapped__("outside_of_everything")


def test_the_commit_of_a_folder_without_git_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    assert commit() == "unknown"


def test_a_machine_without_git_is_no_obstacle(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"
