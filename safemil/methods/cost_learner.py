"""What a method offers that has learned how costly a state-action pair is, so that it can be held to it.

A learner with the method `pair_costs` is a cost learner; nothing else marks it. Its runs get rows in the
table of learned costs and lines in its figure. Training imports nothing from here.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class CostLearner(Protocol):
    """A learner that says how costly it takes a state-action pair to be."""

    def pair_costs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return the learned cost of standardised observations (n, d_s) with actions (n, d_a), (n,).

        Larger means costlier; the scale is the method's own. The cost of a pair must not depend on the
        other pairs of the call.
        """
