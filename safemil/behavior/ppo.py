"""Trains one behaviour run with the PPO of stable-baselines3 and keeps snapshots along the way.

The learner, the normalisation of observations and rewards and the bootstrapping at time limits are the
library's. Ours are the penalised reward, a floor under the action noise (so that the policies work
under the noise with which data are collected), the snapshots, and resuming after a kill. A resumed run
goes on from the last checkpoint with freshly reset environments, so it is a valid run but not the same
bits; the shipped policies, not the runs, are what results depend on.
"""

import json
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from safemil.behavior.clone import start_from_planner
from safemil.behavior.penalised import PenalisedTask
from safemil.behavior.settings import BehaviorRun, value_at
from safemil.behavior.snapshots import Snapshot, read_snapshots, write_snapshots
from safemil.files import write_text
from safemil.progress import Progress
from safemil.tasks import get_task

HIDDEN_SIZES = (64, 64)
EPOCHS = 10
CHECKPOINT_EVERY_SNAPSHOTS = 5


def take_snapshot(run: BehaviorRun, model: PPO, normaliser: VecNormalize) -> Snapshot:
    """Copy the mean-action network and the observation statistics out of the learner."""
    hidden: Any = model.policy.mlp_extractor.policy_net
    output: Any = model.policy.action_net
    layers: list[Any] = [*(module for module in hidden if isinstance(module, torch.nn.Linear)), output]
    statistics: Any = normaliser.obs_rms
    return Snapshot(
        run=run.name,
        step=int(model.num_timesteps),
        observation_mean=statistics.mean.astype(np.float32),
        observation_std=np.sqrt(statistics.var + normaliser.epsilon).astype(np.float32),
        weights=tuple(layer.weight.detach().numpy().copy() for layer in layers),
        biases=tuple(layer.bias.detach().numpy().copy() for layer in layers),
    )


class _Files:
    """Where one run keeps its checkpoint, and how it is replaced atomically."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.snapshots = directory / "snapshots.safetensors"
        self.model = directory / "model.zip"
        self.normaliser = directory / "normaliser.pkl"
        self.state = directory / "state.json"

    def save(self, model: PPO, normaliser: VecNormalize, snapshots: list[Snapshot]) -> None:
        model_part = self.model.with_suffix(".part.zip")
        model.save(model_part)
        normaliser_part = self.normaliser.with_suffix(".part")
        normaliser.save(str(normaliser_part))
        write_snapshots(self.snapshots, snapshots)
        model_part.replace(self.model)
        normaliser_part.replace(self.normaliser)
        write_text(self.state, json.dumps({"step": int(model.num_timesteps)}))


class _Keeper(BaseCallback):
    """Keeps the noise floor, takes snapshots, saves checkpoints and reports progress."""

    def __init__(
        self, run: BehaviorRun, files: _Files, snapshots: list[Snapshot], progress: Progress
    ) -> None:
        super().__init__()
        self._run = run
        self._files = files
        self._snapshots = snapshots
        self._progress = progress
        self._episodes: deque[tuple[float, float]] = deque(maxlen=20)

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode_totals" in info:
                self._episodes.append(info["episode_totals"])
        return True

    def _on_rollout_start(self) -> None:
        policy: Any = self.model.policy
        with torch.no_grad():
            floor = value_at(self._run.group.learner.minimum_std, self.num_timesteps)
            policy.log_std.clamp_(min=math.log(floor))
        self._freeze(policy)
        penalty = self._run.penalty_at(self.num_timesteps)
        self.training_env.set_attr("penalty", penalty)
        every = self._run.group.learner.snapshot_every
        # The first one is the untrained policy: the low end of the returns.
        if not self._snapshots or self.num_timesteps - self._snapshots[-1].step >= every:
            self._keep()
        if self._episodes:
            returns, costs = np.mean(self._episodes, axis=0)
            values = {"return": float(returns), "cost": float(costs), "penalty": penalty}
            self._progress.update(self.num_timesteps, values)

    def _freeze(self, policy: Any) -> None:
        """Keep a cloned policy as it is while the critic learns what it is worth."""
        start = self._run.group.start
        if start is None:
            return
        learns = self.num_timesteps >= start.frozen_steps
        for part in (policy.mlp_extractor.policy_net, policy.action_net):
            part.requires_grad_(learns)
        policy.log_std.requires_grad_(learns)

    def _keep(self) -> None:
        normaliser = self.model.get_vec_normalize_env()
        assert normaliser is not None
        model: Any = self.model
        self._snapshots.append(take_snapshot(self._run, model, normaliser))
        if len(self._snapshots) % CHECKPOINT_EVERY_SNAPSHOTS == 0:
            self._files.save(model, normaliser, self._snapshots)

    def _on_training_end(self) -> None:
        self._keep()


def _make_environments(run: BehaviorRun) -> DummyVecEnv:
    task, group = get_task(run.task), run.group
    make = partial(PenalisedTask, task, run.penalty_at(0), group.caution)
    return DummyVecEnv([make] * group.learner.n_environments)


def _learning_rate(run: BehaviorRun) -> Callable[[float], float]:
    """Return the learning rate as the library asks for it: over the share of the steps that is left."""
    steps, schedule = run.group.steps, run.group.learner.learning_rate
    return lambda share_left: value_at(schedule, round((1 - share_left) * steps))


def _fresh_learner(run: BehaviorRun) -> PPO:
    settings = run.group.learner
    environments = VecNormalize(_make_environments(run), gamma=settings.discount)
    model = PPO(
        "MlpPolicy",
        environments,
        learning_rate=_learning_rate(run),
        max_grad_norm=settings.maximum_gradient_norm,
        n_steps=settings.rollout_steps,
        batch_size=settings.batch_size,
        n_epochs=EPOCHS,
        gamma=settings.discount,
        gae_lambda=settings.gae_lambda,
        seed=run.training_seed,
        device="cpu",
        policy_kwargs={
            "net_arch": list(HIDDEN_SIZES),
            "activation_fn": torch.nn.Tanh,
            "log_std_init": settings.initial_log_std,
        },
    )
    if run.group.start is not None:
        start_from_planner(run, run.group.start, model.policy, environments)
    return model


def _resumed_learner(run: BehaviorRun, files: _Files) -> tuple[PPO, list[Snapshot]]:
    environments = VecNormalize.load(str(files.normaliser), _make_environments(run))
    model = PPO.load(
        files.model,
        env=environments,
        device="cpu",
        custom_objects={"learning_rate": _learning_rate(run), "lr_schedule": _learning_rate(run)},
    )
    snapshots = [
        snapshot for snapshot in read_snapshots(files.snapshots) if snapshot.step <= model.num_timesteps
    ]
    model.set_random_seed(run.training_seed + model.num_timesteps)
    return model, snapshots


def train_behavior(run: BehaviorRun, directory: Path) -> Path:
    """Train one run, or go on with it where a killed one left a checkpoint in `directory`.

    Args:
        run: task, penalty, training seed and learner settings.
        directory: keeps the checkpoint and `snapshots.safetensors`.

    Returns:
        The file of snapshots.
    """
    torch.set_num_threads(1)
    files = _Files(directory)
    snapshots: list[Snapshot] = []
    if files.state.is_file():
        model, snapshots = _resumed_learner(run, files)
    else:
        model = _fresh_learner(run)
    title, done = f"{run.task} {run.name}", model.num_timesteps
    with Progress(title, run.group.steps, unit="env steps", start=done) as progress:
        keeper = _Keeper(run, files, snapshots, progress)
        remaining = run.group.steps - model.num_timesteps
        if remaining > 0:
            model.learn(remaining, callback=keeper, reset_num_timesteps=False)
    normaliser = model.get_vec_normalize_env()
    assert normaliser is not None
    files.save(model, normaliser, snapshots)
    return files.snapshots
