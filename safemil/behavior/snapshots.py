"""Behaviour policies as shipped: small tanh networks, mean action only, many to a safetensors file.

A snapshot needs neither torch nor the RL library to act, so that collecting depends on NumPy alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from safemil.errors import UserError
from safemil.files import replacing

FloatArray = NDArray[np.float32]
_SEPARATOR = "/"


@dataclass(frozen=True)
class Snapshot:
    """The mean action of one policy at one moment of one training run.

    Attributes:
        run: name of the training run, e.g. `penalty0.5_seed1`.
        step: environment steps it had been trained for.
        observation_mean: running mean of the observations at that moment, (d_s,).
        observation_std: running standard deviation, (d_s,).
        weights: matrices of the layers, (out, in) each; tanh between them.
        biases: vectors of the layers, (out,) each.
    """

    run: str
    step: int
    observation_mean: FloatArray
    observation_std: FloatArray
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    OBSERVATION_CLIP = 10.0  # the learner's own clip of normalised observations

    @property
    def name(self) -> str:
        """The snapshot's id within its task."""
        return f"{self.run}_step{self.step:08d}"

    @property
    def training_seed(self) -> int:
        """Seed of the run, read off its name."""
        return int(self.run.rpartition("_seed")[2])

    def act(self, observations: FloatArray) -> FloatArray:
        """Return the mean actions, (n, d_s) -> (n, d_a), not yet clipped to the range [-1, 1].

        The learner adds its noise to this mean and clips the sum. So does a rollout with noise; clipping
        first would disturb a saturated policy in a way that it has never met in training.
        """
        hidden = (observations - self.observation_mean) / self.observation_std
        hidden = np.clip(hidden, -self.OBSERVATION_CLIP, self.OBSERVATION_CLIP)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.tanh(hidden @ weight.T + bias)
        return np.asarray(hidden @ self.weights[-1].T + self.biases[-1], dtype=np.float32)

    def tensors(self) -> dict[str, FloatArray]:
        """Return every array under the key it has in a file."""
        arrays = {"observation_mean": self.observation_mean, "observation_std": self.observation_std}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays[f"weight{layer}"] = weight
            arrays[f"bias{layer}"] = bias
        return {f"{self.name}{_SEPARATOR}{key}": np.ascontiguousarray(array) for key, array in arrays.items()}


def write_snapshots(path: Path, snapshots: list[Snapshot]) -> None:
    """Write snapshots to one safetensors file, atomically."""
    tensors = {key: array for snapshot in snapshots for key, array in snapshot.tensors().items()}
    index = [{"name": snapshot.name, "run": snapshot.run, "step": snapshot.step} for snapshot in snapshots]
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"snapshots": json.dumps(index)})


def read_snapshots(path: Path) -> list[Snapshot]:
    """Read every snapshot of a file, in the order in which they were written.

    Raises:
        UserError: the file is missing.
    """
    if not path.is_file():
        raise UserError(
            "no behaviour policies here",
            expected="a safetensors file of snapshots",
            found="no such file",
            where=path,
            hint="they ship with the project; `snakemake --cores 2 behavior` trains them again",
        )
    with safe_open(path, framework="numpy") as file:
        index = json.loads(file.metadata()["snapshots"])
    tensors = load_file(path)
    return [_from_tensors(entry, tensors) for entry in index]


def _from_tensors(entry: dict[str, str | int], tensors: dict[str, FloatArray]) -> Snapshot:
    prefix = f"{entry['name']}{_SEPARATOR}"
    n_layers = sum(key.startswith(prefix + "weight") for key in tensors)
    return Snapshot(
        run=str(entry["run"]),
        step=int(entry["step"]),
        observation_mean=tensors[prefix + "observation_mean"],
        observation_std=tensors[prefix + "observation_std"],
        weights=tuple(tensors[f"{prefix}weight{layer}"] for layer in range(n_layers)),
        biases=tuple(tensors[f"{prefix}bias{layer}"] for layer in range(n_layers)),
    )
