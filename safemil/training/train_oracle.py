"""Trains one run of an oracle, on a stripped training file and its labels: no other training reads labels."""

from pathlib import Path
from typing import Any

import torch

from safemil.data.labels import read_oracle_labels
from safemil.files import sha256
from safemil.methods.learner import Learner
from safemil.methods.oracle import OracleData, find_oracle
from safemil.training.train import RunRequest, check_settings, read_training_file, run


def train_oracle(request: RunRequest, data_path: Path, labels_path: Path, directory: Path) -> None:
    """Train one oracle and leave the files that `safemil.training.train.train` leaves of a learner.

    Args:
        request: what to train.
        data_path: the stripped training file.
        labels_path: the oracle labels of exactly that file.
        directory: where the outputs go; a checkpoint of the same run in it is taken up.

    Raises:
        UserError: the method is a learner, the labels are of other data, or the data, the settings or the
            losses are not as they must be.
    """
    method = find_oracle(request.method)
    settings = check_settings(method, request.settings)
    file = read_training_file(request.task, data_path)
    data = OracleData(file.data, read_oracle_labels(labels_path))

    def build(initial_weights: torch.Generator) -> Learner[Any, Any]:
        return method(data, settings, request.training, initial_weights)

    labels = {"labels_sha256": sha256(labels_path)}
    run(request, build, file, directory, trainer="safemil.training.train_oracle", further_inputs=labels)
