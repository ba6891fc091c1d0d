"""What a method is: networks, optimisers, a way to draw a batch, and a pure update.

A learner is built from `TrainingData` alone, a type without reward or cost. The loop calls
`update(sample(generator))`; files, logs and rollouts are none of the learner's business.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.errors import UserError
from safemil.methods.budget import TrainingSettings
from safemil.methods.networks import POLICY_LOSSES, GaussianPolicy, initialise

STD_FLOOR = 1e-3


class MethodSettings(BaseModel):
    """Base of every method's own settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsType = TypeVar("SettingsType", bound=MethodSettings)
BatchType = TypeVar("BatchType")


class TransitionTensors:
    """One data set as tensors, ready to be indexed.

    Attributes:
        observations: standardised, (N, d_s).
        actions: (N, d_a).
        trajectories: int64, which trajectory each transition is of, (N,).
    """

    def __init__(self, trajectories: Trajectories, policy: GaussianPolicy) -> None:
        self.observations = policy.standardise(torch.tensor(trajectories.observations))
        self.actions = torch.tensor(trajectories.actions)
        lengths = torch.from_numpy(trajectories.lengths)
        self.trajectories = torch.repeat_interleave(torch.arange(len(lengths)), lengths)

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return observations (..., d_s) and actions (..., d_a) at flat transition indices (...)."""
        shape = indices.shape
        flat = indices.reshape(-1)
        observations = self.observations.index_select(0, flat).view(*shape, -1)
        return observations, self.actions.index_select(0, flat).view(*shape, -1)


class SuccessorTensors(TransitionTensors):
    """One data set with what follows each transition, for methods that solve Bellman equations.

    Attributes:
        next_observations: standardised, (N, d_s).
        terminals: 1 where the episode truly ended (not at time limits), else 0, (N,).
        initial_observations: standardised first observation of each trajectory, (M, d_s).
    """

    def __init__(self, trajectories: Trajectories, policy: GaussianPolicy) -> None:
        super().__init__(trajectories, policy)
        self.next_observations = policy.standardise(torch.tensor(trajectories.next_observations))
        self.terminals = torch.tensor(trajectories.terminals, dtype=torch.float32)
        self.initial_observations = self.observations[torch.tensor(trajectories.starts)]


class Learner(ABC, Generic[SettingsType, BatchType]):
    """One method, one run. Subclasses add their networks through `add_network`.

    Args:
        data: stripped trajectories, non-preferred and unlabelled.
        settings: the method's own settings.
        training: budget, batch and optimiser, shared by all methods.
        generator: draws the initial weights.
    """

    name: ClassVar[str]
    kind: ClassVar[Literal["learner", "oracle"]] = "learner"
    settings_model: ClassVar[type[MethodSettings]]

    def __init__(
        self,
        data: TrainingData,
        settings: SettingsType,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        self.settings = settings
        self.training = training
        self.steps_done = 0
        self.pretraining_done = 0
        self.networks = nn.ModuleDict()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        unlabelled = data.unlabelled
        self.policy = GaussianPolicy(unlabelled.observation_size, unlabelled.action_size)
        observations = torch.tensor(unlabelled.observations, dtype=torch.float64)
        self.policy.observation_mean.copy_(observations.mean(0))
        self.policy.observation_std.copy_(observations.std(0, correction=0) + STD_FLOOR)
        initialise(self.policy, generator)
        self.add_network("policy", self.policy, training.learning_rate)

    def add_network(self, name: str, network: nn.Module, learning_rate: float) -> None:
        """Register a network with an AdamW of its own."""
        self.networks[name] = network
        self.optimizers[name] = torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=self.training.weight_decay, fused=True
        )

    @abstractmethod
    def sample(self, generator: np.random.Generator) -> BatchType:
        """Draw what one update needs."""

    @abstractmethod
    def update(self, batch: BatchType) -> dict[str, float]:
        """Take one gradient step of every network on `batch` and return what to log.

        The policy takes exactly one step (`step_policy`) in each update.
        """

    @property
    def pretraining_steps(self) -> int:
        """Number of `pretrain` calls before the first update; beyond the budget of policy steps."""
        return 0

    def pretrain(self, batch: BatchType) -> dict[str, float]:
        """Take one step of what is trained before the policy, and return what to log."""
        raise NotImplementedError(f"{self.name} asks for pretraining and does not define it")

    def estimates(self) -> dict[str, float]:
        """Return numbers that the method has estimated from data; they go into the run's record."""
        return {}

    def policy_losses(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return l_pi(s, a) for standardised observations (..., d_s) and actions (..., d_a), (...,)."""
        mean, log_std = self.policy(observations)
        return POLICY_LOSSES[self.training.policy_loss](mean, log_std, actions)

    def step_policy(self, loss: Tensor) -> float:
        """Take the policy's step at its decayed learning rate; returns the gradient norm before clipping."""
        share_left = 1.0 - self.steps_done / self.training.steps
        for group in self.optimizers["policy"].param_groups:
            group["lr"] = self.training.learning_rate * share_left
        self.steps_done += 1
        return self.step_network("policy", loss)

    def step_network(self, name: str, loss: Tensor) -> float:
        """Take one clipped step of the named network; returns the gradient norm before clipping."""
        optimizer = self.optimizers[name]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types here
        parameters = self.networks[name].parameters()
        norm = nn.utils.clip_grad_norm_(parameters, self.training.gradient_clip)
        optimizer.step()
        return norm.item()

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on from here."""
        return {
            "steps_done": self.steps_done,
            "pretraining_done": self.pretraining_done,
            "networks": self.networks.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.steps_done = state["steps_done"]
        self.pretraining_done = state["pretraining_done"]
        self.networks.load_state_dict(state["networks"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def check_settings(learner: type[Learner[Any, Any]], raw: Mapping[str, Any]) -> MethodSettings:
    """Check a method's own settings against its model.

    Raises:
        UserError: lists every problem at once.
    """
    try:
        return learner.settings_model.model_validate(dict(raw))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}, found {p['input']!r}" for p in error.errors()]
        raise UserError(
            f"the settings of {learner.name} have {len(lines)} problem(s):\n"
            + "\n".join(f"  - {line}" for line in lines),
            expected=f"keys {sorted(learner.settings_model.model_fields)}",
        ) from error
