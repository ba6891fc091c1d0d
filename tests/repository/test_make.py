"""`make` where little is installed: where Python 3.11 comes from, and what is said without one.

Programs are stand-ins on a search path of their own: a python and a uv that write down how they were called.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKE = shutil.which("make") or "make"
NEEDED = ("touch", "sed", "head", "mkdir")  # what the Makefile and the stand-ins call beside python and uv

PYTHON_3_11 = 'case "$1" in -c) exit 0;; esac\necho "python3.11 $*" >> "$LOG"\n'
PYTHON_3_9 = '[ "$1" = --version ] && echo Python 3.9.1 && exit 0\nexit 1\n'
UV = 'echo "uv $*" >> "$LOG"\n[ "$1" = venv ] && mkdir -p "$LAST"\nexit 0\n'


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f'#!/bin/sh\nfor LAST in "$@"; do :; done\n{text}')
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that holds neither Python nor uv."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def make(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine), "LOG": str(machine.parent / "log")}
    command = [MAKE, *arguments, f"VENV={machine.parent / 'venv'}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


INSTALLED_BY = {
    "pip": "{venv}/bin/pip install --quiet --disable-pip-version-check",
    "uv": "uv pip install --quiet --python {venv}/bin/python",
}


@pytest.mark.parametrize(
    ("programs", "creates", "installs"),
    [
        ({"python3.11": PYTHON_3_11}, "python3.11 -m venv {venv}", "pip"),
        ({"python3.11": PYTHON_3_11, "uv": UV}, "python3.11 -m venv {venv}", "pip"),
        ({"uv": UV}, "UV_VENV_CLEAR=1 uv venv --quiet --python 3.11 {venv}", "uv"),
        ({"python3.11": PYTHON_3_9, "uv": UV}, "UV_VENV_CLEAR=1 uv venv --quiet --python 3.11 {venv}", "uv"),
    ],
    ids=["python", "python before uv", "uv", "uv for a python that does not run"],
)
def test_the_environment_is_made_by_what_is_there(
    machine: Path, programs: dict[str, str], creates: str, installs: str
) -> None:
    for name, text in programs.items():
        program(machine, name, text)
    result = make(machine, "--dry-run", "install")
    assert result.returncode == 0, result.stderr
    install = INSTALLED_BY[installs]
    lines = [
        creates,
        f"{install} --requirement requirements.lock",
        f"{install} --no-deps --requirement requirements-no-deps.lock",
        f"{install} --no-deps --editable .",
        "touch {venv}/.installed",
    ]
    venv = str(machine.parent / "venv")
    assert result.stdout.splitlines() == [line.format(venv=venv) for line in lines]


def test_uv_installs_everything_and_the_next_call_installs_nothing(machine: Path) -> None:
    program(machine, "uv", UV)
    for _ in range(2):
        result = make(machine, "install")
        assert result.returncode == 0, result.stderr
    calls = (machine.parent / "log").read_text().splitlines()
    assert [call.split()[1] for call in calls] == ["venv", "pip", "pip", "pip"]
    assert (machine.parent / "venv/.installed").exists()


@pytest.mark.parametrize("target", ["install", "quick", "test"])
@pytest.mark.parametrize(
    ("named", "uv", "said"),
    [
        ("", False, "'python3.11' was not found"),
        ("python-that-is-not-there", True, "'python-that-is-not-there' was not found"),
        ("python-old", True, "'python-old' says Python 3.9.1"),
    ],
)
def test_without_python_3_11_one_message_says_what_to_do(
    machine: Path, target: str, named: str, uv: bool, said: str
) -> None:
    program(machine, "python-old", PYTHON_3_9)
    if uv:  # not asked behind the back of whoever names a Python
        program(machine, "uv", UV)
    result = make(machine, target, *([f"PYTHON={named}"] if named else []))
    assert result.returncode != 0
    assert result.stderr.count("Python 3.11 is needed") == 1
    assert said in result.stderr
    for way in ("uv", "conda", "pyenv", "apt"):
        assert len(re.findall(rf"^  {way} ", result.stderr, re.MULTILINE)) == 1
    assert result.stdout == ""
    assert sorted(path.name for path in machine.parent.iterdir()) == ["programs"]


def test_help_lists_every_target_with_a_line(machine: Path) -> None:
    result = make(machine)
    assert result.returncode == 0, result.stderr
    listed = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert [name for name, _ in listed] == phony[1].split()
    assert make(machine, "help").stdout == result.stdout


def test_hooks_before_a_commit_are_checks_of_make_and_download_nothing() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    hooks = settings["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    for hook in hooks:
        program = hook["entry"].removeprefix(".venv/bin/")
        assert re.search(rf"^\t{program}", recipe, re.MULTILINE), f"`make check` does not run {program}"
