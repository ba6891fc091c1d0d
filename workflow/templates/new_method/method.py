"""NAME: one sentence on what the method does.

Source: who published it where; or that it is new. What follows is a small example that runs: replace it.

A classifier d = sigmoid(f), f a network, learns to tell the non-preferred data D_N from the unlabelled data
D_U, and the policy imitates each unlabelled pair the less, the more it looks non-preferred:

    L_d  = mean over D_N of softplus(-f(s, a)) + mean over D_U of softplus(f(s, a))
    L_pi = mean over D_U of (1 - d(s, a)) l_pi(s, a)        d detached

softplus(-f) is -log d, without its infinity where d rounds to 0. The policy's step comes right after the
classifier's, on the same unlabelled transitions. Each update draws B * K * H transitions uniformly from
each of the two sets, as many as the other methods see.

Constants: `classifier_learning_rate`, the policy's unless given, without decay (choice of this example).

Deviations: say here where this differs from its source, and why.

Logged: `classifier_loss` (L_d), `policy_loss` (L_pi); `classifier_gradient_norm` and `policy_gradient_norm`,
before clipping.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from safemil.data.segments import sample_transitions
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import Learner, MethodSettings, TransitionTensors
from safemil.methods.networks import HIDDEN_SIZES, initialise, multilayer_perceptron


class NewMethodSettings(MethodSettings):
    """What can be set in the configuration, under `settings:` of a variant. Every setting needs a default."""

    classifier_learning_rate: float | None = Field(None, gt=0, description="the policy's when left out")


@dataclass(frozen=True)
class Batch:
    """What one update needs: flat indices of transitions, (B * K * H,) each."""

    non_preferred: Tensor
    unlabelled: Tensor


class NewMethod(Learner[NewMethodSettings, Batch]):
    """Imitation of what does not look non-preferred."""

    name = "New method"  # what tables and figures call it; no other method may be called the same
    settings_model = NewMethodSettings

    def __init__(
        self,
        data: TrainingData,
        settings: NewMethodSettings,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        """Make the networks; the policy, the same for every method, is there already (`self.policy`)."""
        super().__init__(data, settings, training, generator)
        self._unlabelled = TransitionTensors(data.unlabelled, self.policy)
        self._non_preferred = TransitionTensors(data.non_preferred, self.policy)
        self._counts = data.non_preferred.n_transitions, data.unlabelled.n_transitions
        self._batch_size = training.transitions_per_step(data.unlabelled.lengths)
        inputs = data.unlabelled.observation_size + data.unlabelled.action_size
        self.classifier = multilayer_perceptron([inputs, *HIDDEN_SIZES, 1], nn.ReLU)
        initialise(self.classifier, generator)
        rate = settings.classifier_learning_rate or training.learning_rate
        self.add_network("classifier", self.classifier, rate)

    def sample(self, generator: np.random.Generator) -> Batch:
        """Draw a batch; `generator` is the only source of randomness, so that a seed decides every bit."""
        drawn = (sample_transitions(count, self._batch_size, generator) for count in self._counts)
        non_preferred, unlabelled = (torch.from_numpy(indices) for indices in drawn)
        return Batch(non_preferred, unlabelled)

    def update(self, batch: Batch) -> dict[str, float]:
        """Take one gradient step of every network and return what to log.

        `step_policy` is called exactly once, `step_network` once for each further network.
        """
        observations, actions = self._unlabelled.take(batch.unlabelled)
        of_unlabelled = self._logits(observations, actions)
        of_non_preferred = self._logits(*self._non_preferred.take(batch.non_preferred))
        classifier_loss = softplus(-of_non_preferred).mean() + softplus(of_unlabelled).mean()
        classifier_norm = self.step_network("classifier", classifier_loss)

        weights = 1.0 - self.pair_costs(observations, actions).detach()
        loss = (weights * self.policy_losses(observations, actions)).mean()
        norm = self.step_policy(loss)
        return {
            "classifier_loss": classifier_loss.item(),
            "classifier_gradient_norm": classifier_norm,
            "policy_loss": loss.item(),
            "policy_gradient_norm": norm,
        }

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return how costly the method takes each pair to be, (n, d_s) and (n, d_a) -> (n,).

        Leave this out where the method learns no cost; where it is there, the method stands in the table and
        the figure of learned costs too.
        """
        return torch.sigmoid(self._logits(observations, actions))

    def _logits(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return f(s, a), (n,)."""
        logits: Tensor = self.classifier(torch.cat([observations, actions], -1)).squeeze(-1)
        return logits


METHOD = NewMethod
