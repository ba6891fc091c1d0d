"""The policies kept along one training, in one safetensors file.

Tensors: those of the policy format (`policy_file`), each name behind its policy's step: `300.mean_head.bias`.
Metadata: `format`, `task`, `method`, `variant`, `seed`, `steps` (of the whole training), `run_id`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from safemil.methods.policy_file import (
    MeanActionPolicy,
    PolicyMetadata,
    mean_action_policy,
    metadata_of,
    read_tensors,
    well_shaped,
    write_tensors,
)

FORMAT = "safemil-curve-policies-1"


@dataclass(frozen=True, eq=False)
class CurvePolicies:
    """The policies of one run.

    Attributes:
        policies: by the gradient steps behind them, in order.
        metadata: whose they are.
        run_id: that of the run's record.
    """

    policies: Mapping[int, MeanActionPolicy]
    metadata: PolicyMetadata
    run_id: str


def write_curve_policies(
    path: Path, policies: Mapping[int, Mapping[str, Tensor]], metadata: PolicyMetadata, run_id: str
) -> None:
    """Write policies, given as tensors by step, atomically; the same policies give the same bytes."""
    tensors = {f"{step}.{name}": tensor for step, each in policies.items() for name, tensor in each.items()}
    texts = {name: str(value) for name, value in asdict(metadata).items()}
    write_tensors(path, tensors, {"format": FORMAT, "run_id": run_id, **texts})


def read_curve_policies(path: Path) -> CurvePolicies:
    """Read the policies of a run.

    Raises:
        UserError: the file is missing, damaged, of another format, or of other shapes than policies have.
    """
    tensors, raw = read_tensors(path, FORMAT)
    by_step: dict[int, dict[str, Tensor]] = {}
    with well_shaped(path):
        for key, tensor in tensors.items():
            step, _, name = key.partition(".")
            by_step.setdefault(int(step), {})[name] = tensor
        policies = {step: mean_action_policy(by_step[step]) for step in sorted(by_step)}
        return CurvePolicies(policies, metadata_of(raw), raw["run_id"])
