"""The oracle file: true rewards, costs and preferences of D_N and D_U, apart from the training data.

Only oracles (methods that are allowed the true cost), diagnostics and the split command that writes the file
may import this module; a rule of the import linter holds that. The file knows by a digest which training
data it belongs to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from safemil.data.split import Split
from safemil.data.storage import existing_file, new_file, refuse, write_array, write_attributes
from safemil.data.stripped import TrainingData, training_digest
from safemil.data.trajectories import BoolArray, FloatArray, IndexArray, LabelledTrajectories
from safemil.errors import UserError

FORMAT = "safemil-oracle-labels-1"

# Field of `OracleLabels` -> where it lies in the file, and as what.
_ARRAYS: dict[str, tuple[str, type[np.generic]]] = {
    "non_preferred_rewards": ("non_preferred/rewards", np.float32),
    "non_preferred_costs": ("non_preferred/costs", np.float32),
    "non_preferred_indices": ("non_preferred/source_indices", np.int64),
    "unlabelled_rewards": ("unlabelled/rewards", np.float32),
    "unlabelled_costs": ("unlabelled/costs", np.float32),
    "unlabelled_indices": ("unlabelled/source_indices", np.int64),
    "unlabelled_is_preferred": ("unlabelled/is_preferred", np.bool_),
}


@dataclass(frozen=True, eq=False)
class OracleLabels:
    """Labels in the order of the training data's transitions and trajectories.

    Attributes:
        non_preferred_rewards, non_preferred_costs: float32, one for each transition of D_N.
        non_preferred_indices: int64, place of each trajectory of D_N in the source.
        unlabelled_rewards, unlabelled_costs: float32, one for each transition of D_U.
        unlabelled_indices: int64, place of each trajectory of D_U in the source.
        unlabelled_is_preferred: bool, one for each trajectory of D_U.
        training_digest: `stripped.training_digest` of the training data these labels belong to.
    """

    non_preferred_rewards: FloatArray
    non_preferred_costs: FloatArray
    non_preferred_indices: IndexArray
    unlabelled_rewards: FloatArray
    unlabelled_costs: FloatArray
    unlabelled_indices: IndexArray
    unlabelled_is_preferred: BoolArray
    training_digest: str

    def check_belongs_to(self, data: TrainingData) -> None:
        """Make sure that these are the labels of `data`.

        Raises:
            UserError: they are the labels of other training data.
        """
        digest = training_digest(data)
        if digest != self.training_digest:
            raise UserError(
                "oracle labels belong to other training data",
                expected=f"labels of the data with digest {digest[:12]}",
                found=f"labels of the data with digest {self.training_digest[:12]}",
                hint="make both files again with the same configuration",
            )


def strip(
    non_preferred: LabelledTrajectories, unlabelled: LabelledTrajectories, split: Split
) -> tuple[TrainingData, OracleLabels]:
    """Part D_N and D_U into what learners see and what only oracles and diagnostics see.

    Args:
        non_preferred: the trajectories `split.non_preferred` of the source.
        unlabelled: the trajectories `split.unlabelled` of the source.
        split: what was drawn.
    """
    data = TrainingData(non_preferred.unlabelled(), unlabelled.unlabelled())
    labels = OracleLabels(
        non_preferred_rewards=non_preferred.rewards,
        non_preferred_costs=non_preferred.costs,
        non_preferred_indices=split.non_preferred,
        unlabelled_rewards=unlabelled.rewards,
        unlabelled_costs=unlabelled.costs,
        unlabelled_indices=split.unlabelled,
        unlabelled_is_preferred=split.unlabelled_is_preferred,
        training_digest=training_digest(data),
    )
    return data, labels


def write_oracle_labels(path: Path, labels: OracleLabels) -> None:
    """Write the labels, atomically; equal content gives equal bytes."""
    with new_file(path) as file:
        write_attributes(file, {"format": FORMAT, "training_digest": labels.training_digest})
        for field_name, (name, _) in _ARRAYS.items():
            write_array(file, name, getattr(labels, field_name))


def read_oracle_labels(path: Path) -> OracleLabels:
    """Read the labels that `write_oracle_labels` wrote.

    Raises:
        UserError: the file is missing, damaged, or not an oracle file.
    """
    with existing_file(path) as file:
        refuse(list(_layout_problems(file)), "this is not an oracle label file", where=path)
        arrays: dict[str, NDArray[np.generic]] = {
            field_name: file[name][()] for field_name, (name, _) in _ARRAYS.items()
        }
        return OracleLabels(**arrays, training_digest=file.attrs["training_digest"])  # type: ignore[arg-type]


def _layout_problems(file: h5py.File) -> Iterator[str]:
    if file.attrs.get("format") != FORMAT:
        yield f"attribute format: expected {FORMAT}, found {file.attrs.get('format', 'nothing')}"
    if not isinstance(file.attrs.get("training_digest"), str):
        yield "attribute training_digest: expected a text, found nothing"
    for name, dtype in _ARRAYS.values():
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            yield f"{name}: expected an array, found none"
        elif dataset.dtype != np.dtype(dtype) or dataset.ndim != 1:
            yield f"{name}: expected {np.dtype(dtype)} of 1 dimension, found {dataset.dtype}, {dataset.shape}"
