"""Ridge regression from observations to actions, as a policy file: an example of a program of one's own.

It imports nothing of the project: it reads the stripped file (HDF5) and writes the policy format
(safetensors), both described in docs/add_a_method.md. A program in any other language can do the same.

A policy is two hidden layers of 256 rectified units and tanh at the end. Both layers are drawn at random here
and stay as they are; the head alone is fitted, in closed form:

    W = argmin over W of  mean over D_U of |W h(s) - artanh(a)|^2  +  penalty / n |W|^2

with h(s) the 256 features of s and a constant, and actions cut to [-0.95, 0.95] before artanh. D_N is not
used; it lies in the same file, under `non_preferred`.
"""

import argparse
import json

import h5py
import numpy as np
from safetensors.numpy import save_file

HIDDEN = 256
LARGEST_ACTION = 0.95
STD_FLOOR = 1e-3
ROWS_AT_ONCE = 10_000


def draw_layer(inputs, generator):
    """Return weights (HIDDEN, inputs) and biases (HIDDEN,) that keep the scale of rectified units."""
    weights = generator.normal(scale=np.sqrt(2 / inputs), size=(HIDDEN, inputs))
    return weights.astype(np.float32), generator.normal(scale=0.1, size=HIDDEN).astype(np.float32)


def features(observations, tensors):
    """Return the hidden units of observations, (n, d_s) -> (n, HIDDEN), as the policy computes them."""
    values = (observations - tensors["observation_mean"]) / tensors["observation_std"]
    for layer in ("trunk.0", "trunk.2"):
        values = np.maximum(values @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"], 0)
    return values


def fit_head(observations, actions, tensors, penalty):
    """Return weights (d_a, HIDDEN) and biases (d_a,) of the head; the bias is not penalised."""
    targets = np.arctanh(np.clip(actions, -LARGEST_ACTION, LARGEST_ACTION)).astype(np.float64)
    gram, moments = np.zeros((HIDDEN + 1, HIDDEN + 1)), np.zeros((HIDDEN + 1, actions.shape[1]))
    for first in range(0, len(observations), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        hidden = features(observations[rows], tensors).astype(np.float64)
        hidden = np.hstack([hidden, np.ones((len(hidden), 1))])
        gram += hidden.T @ hidden
        moments += hidden.T @ targets[rows]
    solution = np.linalg.solve(gram + penalty * np.diag([1.0] * HIDDEN + [0.0]), moments)
    return solution[:-1].T, solution[-1]


def fit_policy(observations, actions, seed, penalty):
    """Return the tensors of a policy file, all float32."""
    generator = np.random.default_rng(seed)
    size, n_actions = observations.shape[1], actions.shape[1]
    tensors = {
        "observation_mean": observations.mean(0, dtype=np.float64).astype(np.float32),
        "observation_std": (observations.std(0, dtype=np.float64) + STD_FLOOR).astype(np.float32),
        "log_std_head.weight": np.zeros((n_actions, HIDDEN), np.float32),
        "log_std_head.bias": np.zeros(n_actions, np.float32),
    }
    for layer, inputs in (("trunk.0", size), ("trunk.2", HIDDEN)):
        tensors[f"{layer}.weight"], tensors[f"{layer}.bias"] = draw_layer(inputs, generator)
    weights, biases = fit_head(observations, actions, tensors, penalty)
    tensors["mean_head.weight"] = np.ascontiguousarray(weights, np.float32)
    tensors["mean_head.bias"] = biases.astype(np.float32)
    return tensors


def main():
    """Read the stripped file, fit, write the policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "task", "method", "variant", "seed", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--settings", type=json.loads, default={}, help='JSON, e.g. {"penalty": 1.0}')
    options = parser.parse_args()
    with h5py.File(options.data, "r") as file:
        unlabelled = file["unlabelled"]
        observations, actions = unlabelled["observations"][()], unlabelled["actions"][()]
    penalty = float(options.settings.get("penalty", 1.0))
    metadata = {name: getattr(options, name) for name in ("task", "method", "variant", "seed")}
    metadata |= {"format": "safemil-policy-1", "steps": "0"}  # no gradient steps
    save_file(fit_policy(observations, actions, int(options.seed), penalty), options.output, metadata)
    print(f"fitted to {len(actions):,} transitions with penalty {penalty:g}")


if __name__ == "__main__":
    main()
