"""Trains one run of an oracle, on a stripped training file and its labels: no other training reads labels."""

from pathlib import Path
from typing import Any

import torch

from safemil.data.labels import read_oracle_labels
from safemil.data.stripped import read_training_file
from safemil.errors import UserError
from safemil.files import sha256
from safemil.methods.learner import Learner, check_settings
from safemil.methods.oracle import OracleData, OracleLearner
from safemil.methods.registry import check_constructor, find_method
from safemil.reporting import StartReport, silent
from safemil.training.train import RunRequest, run


def train_oracle(
    request: RunRequest,
    data_path: Path,
    labels_path: Path,
    directory: Path,
    report: StartReport = silent,
) -> None:
    """Train one oracle and leave the files that `safemil.training.train.train` leaves of a learner.

    Args:
        request: what to train.
        data_path: the stripped training file.
        labels_path: the oracle labels of exactly that file.
        directory: where the outputs go; a checkpoint of the same run in it is taken up.
        report: shows how far the run is.

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
    run(request, build, file, directory, report, further_inputs=labels)


def find_oracle(method: str) -> type[OracleLearner[Any, Any]]:
    """Import and return the class of an oracle.

    Raises:
        UserError: there is no such method, or it is a learner and has no business with labels.
    """
    found = find_method(method)
    if not issubclass(found, OracleLearner):
        raise UserError(
            f"{method} is a learner: it is never given labels",
            expected="an oracle, a subclass of OracleLearner",
            found=found.__name__,
            where=found.__module__,
            hint="train it with `safemil train`, which takes the stripped file alone",
        )
    check_constructor(found, OracleData)
    return found
