"""Checkpoints: what cannot be used is said and left alone."""

from pathlib import Path

import pytest
import torch

from safemil.training.checkpoints import read_checkpoint, remove_checkpoint, write_checkpoint


def test_state_comes_back_for_its_own_fingerprint_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.pt"
    assert read_checkpoint(path, "a") is None
    write_checkpoint(path, "a", {"weights": torch.arange(3)})
    state = read_checkpoint(path, "a")
    assert state is not None
    assert state["weights"].tolist() == [0, 1, 2]
    assert read_checkpoint(path, "b") is None
    assert "of another run" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [0, 40, -10])
def test_damaged_checkpoint_is_named_and_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: int
) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, "a", {"weights": torch.arange(1000)})
    path.write_bytes(path.read_bytes()[:keep])
    assert read_checkpoint(path, "a") is None
    assert "damaged" in capsys.readouterr().err


def test_leftovers_of_a_kill_are_removed_with_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, "a", {})
    (tmp_path / ".checkpoint.pt.123.part").touch()
    remove_checkpoint(path)
    assert list(tmp_path.iterdir()) == []
