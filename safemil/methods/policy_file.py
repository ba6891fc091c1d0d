"""The policy format: a safetensors file that holds all that is needed to act.

Tensors: `observation_mean`, `observation_std` (d_s,); `trunk.0.weight`, `trunk.0.bias`, `trunk.2.weight`,
`trunk.2.bias` (ReLU after each); `mean_head.*` (tanh gives the mean action in [-1, 1]); `log_std_head.*`.
Metadata: `format`, `task`, `method`, `variant`, `seed`, `steps`.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from safemil.errors import UserError
from safemil.files import replacing
from safemil.methods.networks import GaussianPolicy

FORMAT = "safemil-policy-1"
_HINT = "train it again, or see the policy format in the documentation"


@dataclass(frozen=True)
class PolicyMetadata:
    """What a policy file says about itself; `steps` is the number of gradient steps behind it."""

    task: str
    method: str
    variant: str
    seed: int
    steps: int


class MeanActionPolicy:
    """A trained policy for rollouts: raw observations in, mean actions out."""

    def __init__(self, policy: GaussianPolicy) -> None:
        self._policy = policy.eval()

    @torch.inference_mode()
    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean actions of raw observations, (n, d_s) -> (n, d_a)."""
        standardised = self._policy.standardise(torch.from_numpy(np.asarray(observations, np.float32)))
        mean, _ = self._policy(standardised)
        actions: NDArray[np.float32] = mean.numpy()
        return actions


def write_networks(path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
    """Write the parameters and buffers of `network`, atomically."""
    write_tensors(path, network.state_dict(), metadata)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors by name, atomically; the same tensors give the same bytes."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(_with_ordered_metadata(save(tensors, metadata=metadata)))


def _with_ordered_metadata(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library writes them in a random one."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def write_policy(path: Path, policy: GaussianPolicy, metadata: PolicyMetadata) -> None:
    """Write a policy, atomically; the same policy gives the same bytes."""
    write_networks(path, policy, {"format": FORMAT, **{k: str(v) for k, v in asdict(metadata).items()}})


def read_policy(path: Path) -> tuple[MeanActionPolicy, PolicyMetadata]:
    """Read a policy.

    Raises:
        UserError: the file is missing, damaged, not a policy, or of other shapes than its sizes say.
    """
    tensors, raw = read_tensors(path, FORMAT)
    with well_shaped(path):
        return mean_action_policy(tensors), metadata_of(raw)


def read_tensors(path: Path, expected: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file and its metadata.

    Raises:
        UserError: the file is missing, damaged, or not of the format `expected`.
    """
    if not path.is_file():
        raise UserError(
            "no policy here", expected="a policy file", found="no such file", where=path, hint=_HINT
        )
    try:
        with safe_open(path, framework="pt") as file:
            raw = file.metadata() or {}
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise UserError("a damaged policy file", found=str(error), where=path, hint=_HINT) from error
    if raw.get("format") != expected:
        found = raw.get("format")
        raise UserError("not a policy file", expected=expected, found=found, where=path, hint=_HINT)
    return tensors, raw


@contextmanager
def well_shaped(path: Path) -> Iterator[None]:
    """Turn what goes wrong when the content of a file is put together into an error that names the file."""
    try:
        yield
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise UserError(
            "a policy file of the wrong shape", found=str(error), where=path, hint=_HINT
        ) from error


def mean_action_policy(tensors: Mapping[str, Tensor]) -> MeanActionPolicy:
    """Build the policy of the tensors of one; raises what `well_shaped` turns into an error."""
    policy = GaussianPolicy(tensors["observation_mean"].shape[0], tensors["mean_head.weight"].shape[0])
    policy.load_state_dict(tensors)
    return MeanActionPolicy(policy)


def metadata_of(raw: Mapping[str, str]) -> PolicyMetadata:
    """Return what the metadata of a file say; raises what `well_shaped` turns into an error."""
    return PolicyMetadata(raw["task"], raw["method"], raw["variant"], int(raw["seed"]), int(raw["steps"]))
