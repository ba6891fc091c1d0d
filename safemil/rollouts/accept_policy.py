"""Takes in a policy that a program of the user's own wrote: checks it, and records what is known of it.

What a Python method was given is recorded by its training. Of a program nothing is known but its policy file,
so its record (run.json, kind `program`) holds that, and no policy without a record is rolled out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from safemil.data.storage import refuse
from safemil.files import sha256, write_text
from safemil.methods.policy_file import PolicyMetadata, read_policy
from safemil.records.identity import policy_run_id
from safemil.records.provenance import commit
from safemil.tasks import Task, get_task

LAYERS = ("trunk.0", "trunk.2", "mean_head", "log_std_head")

_HINT = "docs/add_a_method.md describes the policy format"


def accept_policy(
    policy_path: Path,
    output: Path,
    *,
    source: str,
    key: Mapping[str, str | int],
    settings: Mapping[str, Any],
) -> None:
    """Check a policy file and write its record.

    Args:
        policy_path: what the program wrote.
        output: run.json.
        source: which data it was trained on, for the record.
        key: task, method, variant and seed that the policy must be of.
        settings: what the configuration handed to the program, for the record.

    Raises:
        UserError: the file is missing or no policy, is of another run, or its tensors have sizes that do not
            fit the task, another type than float32, or values that cannot be computed with; the message
            names every problem of a kind.
    """
    _, metadata = read_policy(policy_path)
    tensors = load_file(policy_path)
    problems = [
        *_key_problems(metadata, key),
        *_size_problems(tensors, get_task(str(key["task"]))),
        *_value_problems(tensors),
    ]
    refuse(problems, "the policy cannot be used", where=policy_path, hint=_HINT)
    whose = {**key, "source": source}
    record = {
        **whose,
        "run_id": policy_run_id(whose, policy_path),
        "kind": "program",
        "settings": dict(settings),
        "steps": metadata.steps,
        "layers": [list(reversed(tensors[f"{name}.weight"].shape)) for name in LAYERS],
        "parameters": sum(
            tensors[f"{name}.{part}"].numel() for name in LAYERS for part in ("weight", "bias")
        ),
        "policy_sha256": sha256(policy_path),
        "commit": commit(),
    }
    write_text(output, json.dumps(record, indent=2, sort_keys=True) + "\n")


def _key_problems(metadata: PolicyMetadata, key: Mapping[str, str | int]) -> Iterator[str]:
    for name, expected in key.items():
        found = getattr(metadata, name)
        if found != expected:
            yield f"metadata {name}: expected {expected}, found {found}"
    if metadata.steps < 0:
        yield f"metadata steps: expected 0 or more, found {metadata.steps}"


def _size_problems(tensors: Mapping[str, Tensor], task: Task) -> Iterator[str]:
    for what, found, expected in (
        ("observations", tensors["observation_mean"].shape[0], task.observation_size),
        ("actions", tensors["mean_head.weight"].shape[0], task.action_size),
    ):
        if found != expected:
            yield f"a policy of the wrong shape: {task.name} has {what} of size {expected}, found {found}"


def _value_problems(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            yield f"{name}: expected float32 (F32), found {tensor.dtype}"
        elif not torch.isfinite(tensor).all():
            yield f"{name}: expected finite values, found infinite or undefined ones"
    if not (tensors["observation_std"] > 0).all():
        yield f"observation_std: expected values above 0, found {tensors['observation_std'].min():g}"
