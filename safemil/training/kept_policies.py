"""Policies kept along a training, from which learning curves are drawn; empty unless a run is asked for some.

They travel in the checkpoint, so that a killed run ends with the same policies, and touch no random stream,
so that the run ends with the same final policy as one that keeps none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from safemil.methods.learner import Learner


def curve_steps(points: int, steps: int) -> tuple[int, ...]:
    """Return the policy's steps at which a curve has its points: evenly spaced, the last one is `steps`.

    Args:
        points: how many; 0 for none. Fewer are returned where there are fewer steps.
        steps: gradient steps of the policy.
    """
    # Rounded up, so that no point falls on step 0, where nothing has been learned.
    return tuple(sorted({-(-i * steps // points) for i in range(1, points + 1)}))


@dataclass
class KeptPolicies:
    """What was kept so far.

    Attributes:
        steps: the policy's steps to keep it at.
        tensors: the policy's parameters and buffers by its step.
    """

    steps: tuple[int, ...] = ()
    tensors: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def keep(self, learner: Learner[Any, Any]) -> None:
        """Copy the learner's policy if this is one of the steps."""
        step = learner.steps_done
        if step in self.steps and step not in self.tensors:
            self.tensors[step] = {
                name: tensor.detach().clone() for name, tensor in learner.policy.state_dict().items()
            }

    def load(self, tensors: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take up what a checkpoint holds of `tensors`."""
        self.tensors = {step: dict(policy) for step, policy in tensors.items()}
