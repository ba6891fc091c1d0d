"""How often a bag of non-preferred trajectories scores above an unlabelled bag: by formula and by drawing.

A bag holds K trajectories. Those of B_n are non-preferred. Each of B_u is preferred with probability alpha,
by itself. Score(B) is the mean true cost of the bag's trajectories; two bags of one size are compared by
their sums. M is the number of preferred trajectories in B_u, X a non-preferred cost, Y a preferred one.

    Lemma 1     P(M >= 1) = 1 - (1 - alpha)^K
    Theorem 1   all X equal, every Y < X:   P(Score(B_n) > Score(B_u)) = 1 - (1 - alpha)^K

(SafeMIL, AAAI 2026, arXiv 2511.08136.) The theorem follows from the lemma: without a preferred trajectory the
two scores tie, which does not count as above, and with one B_u is cheaper. Once the X differ, neither step
holds. What does, for X of the same law in D_N and in D_U (derived here):

1. Given M = 0 the two scores are independent and of one law. Either is above with the same probability,
   so P(above | M = 0) = (1 - t) / 2, where t is the probability of a tie: a coin flip if t = 0.
2. While K x_min > y_max + (K - 1) x_max, every bag with a preferred trajectory is cheaper than B_n, and

       P(Score(B_n) > Score(B_u)) = 1 - (1 - alpha)^K (1 + t) / 2                  (`coin_flip_probability`)

   which exceeds Theorem 1's value unless t = 1, which is the theorem's own case.
3. For larger K it is neither. With p_m = P(above | M = m),

       P(Score(B_n) > Score(B_u)) = sum_m Binomial(m; K, alpha) p_m,

   and p_m can be anything from (1 - t) / 2 up: about Phi(m (E X - E Y) / sqrt((2 K - m) Var X + m Var Y)).
   Where m is a few and K is large, the spread of 2 K costs hides them, and the value can fall below
   Theorem 1's.

The sum in 3 is P(A > B) for A the sum of K costs X and B the sum of K costs of the mixture alpha Y +
(1 - alpha) X, so for whole-number costs it is computed exactly, by convolving their laws K times.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft


@dataclass(frozen=True)
class CostLaw:
    """What trajectories cost: whole episode costs, each value of a class equally likely.

    Attributes:
        name: short id, used in the table.
        display: title for readers.
        description: what the law stands for, one sentence.
        non_preferred: possible costs X of a non-preferred trajectory, in D_N and in D_U alike.
        preferred: possible costs Y of a preferred trajectory.
    """

    name: str
    display: str
    description: str
    non_preferred: NDArray[np.int64]
    preferred: NDArray[np.int64]


# The range of Swimmer-Velocity in DSRL, where an episode costs at most 200: the cost filter of the protocol
# leaves the lowest and the highest quarter of it. `wide` is cut at the protocol's threshold of 75 instead.
COST_LAWS = (
    CostLaw(
        "equal",
        "equal costs",
        "Every non-preferred trajectory costs 175, preferred ones 0 to 50: what Theorem 1 assumes.",
        np.array([175]),
        np.arange(0, 51),
    ),
    CostLaw(
        "filtered",
        "costs as after the filter",
        "Non-preferred trajectories cost 150 to 200, preferred ones 0 to 50: the quarters of a cost range of "
        "200 that the protocol's filter leaves.",
        np.arange(150, 201),
        np.arange(0, 51),
    ),
    CostLaw(
        "wide",
        "wide costs, no gap",
        "Non-preferred trajectories cost 76 to 200, preferred ones 0 to 75: every preferred one is still "
        "cheaper than every non-preferred one, but without a gap.",
        np.arange(76, 201),
        np.arange(0, 76),
    ),
)


def preferred_probability(alpha: float, bag_size: int) -> float:
    """Return 1 - (1 - alpha)^K: the value of Lemma 1, and of Theorem 1 under its assumption."""
    return 1.0 - (1.0 - alpha) ** bag_size


def tie_probability(law: CostLaw, bag_size: int) -> float:
    """Return t, the probability that two bags of K non-preferred trajectories cost the same."""
    scores = _law_of_sum(_probabilities(law.non_preferred, law), bag_size)
    return float(np.square(scores).sum())


def order_is_sure(law: CostLaw, bag_size: int) -> bool:
    """Say whether every bag with a preferred trajectory is cheaper than every bag without one."""
    cheapest = bag_size * law.non_preferred.min()
    return bool(cheapest > law.preferred.max() + (bag_size - 1) * law.non_preferred.max())


def coin_flip_probability(law: CostLaw, alpha: float, bag_size: int) -> float:
    """Return 1 - (1 - alpha)^K (1 + t) / 2: P(Score(B_n) > Score(B_u)) wherever `order_is_sure`."""
    return 1.0 - (1.0 - alpha) ** bag_size * (1.0 + tie_probability(law, bag_size)) / 2.0


def order_probability(law: CostLaw, alpha: float, bag_size: int) -> float:
    """Return P(Score(B_n) > Score(B_u)) for any law of whole costs, up to rounding (about 1e-13)."""
    non_preferred, preferred = (_probabilities(costs, law) for costs in (law.non_preferred, law.preferred))
    unlabelled = alpha * preferred + (1.0 - alpha) * non_preferred
    scores_n, scores_u = _law_of_sum(non_preferred, bag_size), _law_of_sum(unlabelled, bag_size)
    below = np.cumsum(scores_u) - scores_u  # P(sum of B_u < s): a tie is not above
    return min(1.0, float((scores_n * below).sum()))


def count_with_preferred(alpha: float, bag_size: int, draws: int, generator: np.random.Generator) -> int:
    """Draw unlabelled bags; return how many of `draws` hold a preferred trajectory."""
    holds = np.zeros(draws, dtype=bool)
    for _ in range(bag_size):  # one trajectory of every bag at a time: memory grows with the draws alone
        holds |= generator.random(draws) < alpha
    return int(holds.sum())


def count_ordered(
    law: CostLaw, alpha: float, bag_size: int, draws: int, generator: np.random.Generator
) -> int:
    """Draw pairs of bags; return in how many of `draws` B_n costs strictly more than B_u.

    Costs are whole numbers, so that ties are exact.
    """
    difference = np.zeros(draws, dtype=np.int64)
    for _ in range(bag_size):
        preferred = generator.random(draws) < alpha
        unlabelled = np.where(
            preferred, generator.choice(law.preferred, draws), generator.choice(law.non_preferred, draws)
        )
        difference += generator.choice(law.non_preferred, draws) - unlabelled
    return int((difference > 0).sum())


def _probabilities(costs: NDArray[np.int64], law: CostLaw) -> NDArray[np.float64]:
    """Return the probability of each cost from 0 to the law's highest, (highest + 1,)."""
    highest = int(max(law.non_preferred.max(), law.preferred.max()))
    return np.bincount(costs, minlength=highest + 1) / len(costs)


def _law_of_sum(probabilities: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the law of the sum of `count` independent costs, (highest + 1,) -> (count * highest + 1,)."""
    size = count * (len(probabilities) - 1) + 1
    length = fft.next_fast_len(size, real=True)
    law = fft.irfft(fft.rfft(probabilities, length) ** count, length)[:size]
    return np.clip(np.asarray(law, dtype=np.float64), 0.0, None)  # rounding leaves values such as -1e-18
