"""SafeDICE against closed forms, plain formulas and finite differences; what each step may touch."""

import copy
import io
import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize
from scipy.special import expit, logsumexp
from torch import nn

from safemil.data.stripped import TrainingData
from safemil.data.trajectories import Trajectories
from safemil.methods.safedice import (
    SafeDICE,
    SafeDICESettings,
    estimated_share,
    input_gradients,
    log_ratios,
    mix,
    unit_norm_penalty,
)
from safemil.training.randomness import numpy_stream
from tests.methods import by_hand
from tests.methods.test_golden import golden_data

DISCOUNT = 0.9


def pretrained(learner, *, steps=None, seed=0):
    """Run the pretraining as the loop does, or `steps` of it; returns what each step logged."""
    generator = numpy_stream(seed, "pretraining")
    logged = []
    for _ in range(learner.pretraining_steps if steps is None else steps):
        logged.append(learner.pretrain(learner.sample(generator)))
        learner.pretraining_done += 1
    return logged


def settled(learner, network, take_step, steps):
    """Take `steps` at the network's rate and half as many at a tenth: a constant rate leaves noise."""
    for group in learner.optimizers[network].param_groups:
        for _ in range(steps):
            take_step()
        group["lr"] /= 10
        for _ in range(steps // 2):
            take_step()


def settled_discriminator(learner, steps=250):
    generator = numpy_stream(0, "pretraining")
    settled(learner, "discriminator", lambda: learner.pretrain(learner.sample(generator)), steps)
    return learner


def settled_nu(learner, steps=120):
    generator = numpy_stream(0, "updates")
    settled(learner, "nu", lambda: learner.update(learner.sample(generator)), steps)
    return learner


# --- One step against plain formulas, in float64 ---------------------------------------------------------


def relu_network(network, inputs):
    """Outputs (n,) and input gradients (n, d) of an MLP with ReLU, layer by layer."""
    linear = [layer for layer in network if hasattr(layer, "weight")]
    layers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear]
    x, active = inputs, []
    for weight, bias in layers[:-1]:
        x = x @ weight.T + bias
        active.append(x > 0)
        x = np.where(x > 0, x, 0)
    outputs = (x @ layers[-1][0].T + layers[-1][1])[:, 0]
    gradients = np.repeat(layers[-1][0], len(inputs), axis=0)
    for (weight, _), mask in zip(reversed(layers[:-1]), reversed(active), strict=True):
        gradients = (gradients * mask) @ weight
    return outputs, gradients


class ByHand:
    """The losses of one batch as functions of a network, from raw observations on."""

    def __init__(self, data, batch):
        u, n = data.unlabelled, data.non_preferred
        self.indices = batch.unlabelled.numpy()
        self.trajectories = np.repeat(np.arange(u.n_trajectories), u.lengths)[self.indices]

        def standardised(observations):
            return by_hand.standardised(observations, u.observations)

        self.s, self.next_s = (
            standardised(array[self.indices]) for array in (u.observations, u.next_observations)
        )
        rows = batch.non_preferred.numpy()
        self.s_n, self.next_s_n = (
            standardised(array[rows]) for array in (n.observations, n.next_observations)
        )
        self.a, self.a_n = (
            actions.astype(np.float64) for actions in (u.actions[self.indices], n.actions[rows])
        )
        self.terminal = u.terminals[self.indices]
        self.s_0 = standardised(u.observations[u.starts[batch.initial.numpy()]])
        self.coefficients = batch.coefficients.numpy()
        self.partners = batch.partners.numpy()

    def mix(self, first, second):
        return np.array(
            [t * x + (1 - t) * y for t, x, y in zip(self.coefficients, first, second, strict=True)]
        )

    def gradient_penalty(self, network):
        """(norm - 1)^2 at mixes of N with U and of U with U in another order, mean over both kinds."""
        pairs, pairs_n = np.hstack([self.s, self.a]), np.hstack([self.s_n, self.a_n])
        squares = []
        for other in (pairs_n, pairs[self.partners]):
            _, gradients = relu_network(network, self.mix(other, pairs))
            squares += [(math.sqrt((g**2).sum()) - 1) ** 2 for g in gradients]
        return np.mean(squares)

    def discriminator_loss(self, network, penalty=10.0):
        f_u, _ = relu_network(network, np.hstack([self.s, self.a]))
        f_n, _ = relu_network(network, np.hstack([self.s_n, self.a_n]))
        loss = -np.log(expit(f_n)).mean() - np.log(1 - expit(f_u)).mean()
        return loss + penalty * self.gradient_penalty(network)

    def advantages(self, network, rewards, discount):
        nu, _ = relu_network(network, self.s)
        next_nu, _ = relu_network(network, self.next_s)
        return np.array(
            [
                r - v if terminal else r + discount * next_v - v
                for r, v, next_v, terminal in zip(rewards, nu, next_nu, self.terminal, strict=True)
            ]
        )

    def nu_loss(self, network, rewards, discount, penalty):
        e = self.advantages(network, rewards, discount)
        initial = relu_network(network, self.s_0)[0].mean()
        kinds = (self.s, self.mix(self.s_n, self.s), self.mix(self.next_s_n, self.next_s))
        thirds = np.vstack([x[k::3] for k, x in enumerate(kinds)])
        squares = (relu_network(network, thirds)[1] ** 2).sum(1)
        return np.log(np.exp(e).mean()) + (1 - discount) * initial + penalty * squares.mean()


def doubled(learner, data):
    """Turn everything a SafeDICE learner computes with into float64."""
    learner.networks.double()
    for tensors, source in (
        (learner._unlabelled, data.unlabelled),
        (learner._non_preferred, data.non_preferred),
    ):
        for name in ("observations", "next_observations"):
            raw = torch.tensor(getattr(source, name), dtype=torch.float64)
            setattr(tensors, name, learner.policy.standardise(raw))
        tensors.actions = tensors.actions.double()
        tensors.initial_observations = tensors.observations[torch.tensor(source.starts)]
    return learner


def enlarged(learner):
    """Larger outputs than the initial ones, so that a wrong formula shows."""
    with torch.no_grad():
        for network in (learner.discriminator, learner.nu):
            network[-1].weight.mul_(10.0)
    return learner


@pytest.fixture
def float64_learner(make_learner):
    """A learner on the golden data, which has terminals, and a batch that holds some of them."""

    def make(**settings):
        data = golden_data()
        settings = {"discount": DISCOUNT} | settings
        training = {"gradient_clip": 1e9, "bag_size": 8, "steps": 50}
        learner = enlarged(doubled(make_learner(SafeDICE, data, settings=settings, **training), data))
        batch = learner.sample(np.random.default_rng(4))
        formulas = ByHand(data, batch)
        assert 1 < formulas.terminal.sum() < len(formulas.terminal)
        return learner, batch, formulas

    return make


def test_one_pretraining_step_against_plain_formulas(float64_learner):
    learner, batch, formulas = float64_learner()
    network = copy.deepcopy(learner.discriminator)
    logged = learner.pretrain(batch)
    c_n = expit(relu_network(network, np.hstack([formulas.s_n, formulas.a_n]))[0])
    c_u = expit(relu_network(network, np.hstack([formulas.s, formulas.a]))[0])
    norm = logged.pop("discriminator_gradient_norm")
    assert logged == pytest.approx(
        {
            "discriminator_loss": formulas.discriminator_loss(network),
            "gradient_penalty": formulas.gradient_penalty(network),
            "discriminator_non_preferred": c_n.mean(),
            "discriminator_unlabelled": c_u.mean(),
        },
        rel=1e-6,
    )
    assert logged["gradient_penalty"] > 0.01
    assert norm == pytest.approx(
        torch.cat([p.grad.flatten() for p in learner.discriminator.parameters()]).norm().item()
    )


def test_one_update_against_plain_formulas(float64_learner):
    learner, batch, formulas = float64_learner(nu_penalty=0.3)
    nu, policy = copy.deepcopy(learner.nu), copy.deepcopy(learner.policy)
    logged = learner.update(batch)
    rewards = learner._rewards.numpy()[formulas.indices]
    e = formulas.advantages(nu, rewards, DISCOUNT)
    weights = np.exp(e) / np.exp(e).mean()
    losses = by_hand.pair_losses(policy, formulas.s, formulas.a, learner.training.policy_loss)
    totals = [weights[formulas.trajectories == m].sum() for m in set(formulas.trajectories)]
    expected = {
        "nu_loss": formulas.nu_loss(nu, rewards, DISCOUNT, 0.3),
        "policy_loss": np.mean(weights * losses),
        "effective_share": weights.sum() ** 2 / (weights**2).sum() / len(weights),
        "effective_trajectory_share": np.sum(totals) ** 2 / np.square(totals).sum() / len(totals),
    }
    assert {key: logged[key] for key in expected} == pytest.approx(expected, rel=1e-6)
    assert logged.keys() - expected.keys() == {"nu_gradient_norm", "policy_gradient_norm"}
    assert 0.05 < expected["effective_share"] < 0.95


def directional_derivatives(network, loss, step=1e-8, n_directions=6):
    """Central differences of `loss(network)` along random unit directions, beside those directions (flat).

    The step is small, for between two pieces of a ReLU network the gradient penalty jumps.
    """
    generator = torch.Generator().manual_seed(0)
    start = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    directions = torch.randn(n_directions, len(start), generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    derivatives = []
    for direction in directions:
        values = []
        for sign in (1, -1):
            torch.nn.utils.vector_to_parameters(start + sign * step * direction, network.parameters())
            values.append(loss(network))
        derivatives.append((values[0] - values[1]) / (2 * step))
    torch.nn.utils.vector_to_parameters(start, network.parameters())
    return directions, torch.tensor(derivatives, dtype=torch.float64)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_gradient_of_the_discriminator_loss(float64_learner, gradient_of, penalty):
    learner, batch, formulas = float64_learner(discriminator_penalty=penalty)
    network = copy.deepcopy(learner.discriminator)
    learner.pretrain(batch)
    directions, expected = directional_derivatives(
        network, lambda each: formulas.discriminator_loss(each, penalty)
    )
    actual = directions @ gradient_of(learner.discriminator)
    assert expected.abs().max() > 1e-2
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_gradient_of_the_nu_loss_and_none_from_the_policy(float64_learner, gradient_of, penalty):
    """The gradient left after a whole update: a policy loss that reached nu would add to it."""
    learner, batch, formulas = float64_learner(nu_penalty=penalty)
    nu = copy.deepcopy(learner.nu)
    learner.update(batch)
    rewards = learner._rewards.numpy()[formulas.indices]
    directions, expected = directional_derivatives(
        nu, lambda each: formulas.nu_loss(each, rewards, DISCOUNT, penalty)
    )
    actual = directions @ gradient_of(learner.nu)
    assert expected.abs().max() > 1e-2
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_both_penalties_are_on_by_default():
    settings = SafeDICESettings()
    assert (settings.discriminator_penalty, settings.nu_penalty) == (10.0, 1e-6)


# --- The gradient penalty --------------------------------------------------------------------------------


def test_input_gradients_of_a_network_made_by_hand():
    """f(x) = tanh(x0 x1) + 3 x1, against central differences."""

    class ByFormula(nn.Module):
        def forward(self, x):
            return (torch.tanh(x[:, 0] * x[:, 1]) + 3 * x[:, 1]).unsqueeze(-1)

    x = torch.tensor([[0.3, -0.7], [1.1, 0.4], [0.0, 2.0]], dtype=torch.float64)
    step, network = 1e-6, ByFormula()
    differences = torch.cat(
        [
            (network(x + step * unit) - network(x - step * unit)) / (2 * step)
            for unit in torch.eye(2, dtype=torch.float64)
        ],
        1,
    )
    torch.testing.assert_close(input_gradients(network, x).detach(), differences, rtol=1e-8, atol=1e-8)


def test_the_penalty_is_the_squared_distance_of_the_norm_from_one():
    # Norms 5, 1 and 0: (16 + 0 + 1) / 3.
    gradients = torch.tensor([[3.0, -4.0], [0.6, 0.8], [0.0, 0.0]], requires_grad=True)
    penalty = unit_norm_penalty(gradients)
    assert penalty.item() == pytest.approx(17 / 3)
    penalty.backward()
    assert gradients.grad.isfinite().all(), "a flat place must not give an undefined gradient"


def test_mixes_lie_between_their_ends():
    first, second = torch.tensor([[1.0, 2.0]] * 3), torch.tensor([[3.0, -2.0]] * 3)
    mixed = mix(torch.tensor([[0.0], [0.25], [1.0]]), first, second)
    assert mixed.tolist() == [[3.0, -2.0], [2.5, -1.0], [1.0, 2.0]]


def on_a_line(make_trajectories, positions_n, positions_u):
    def trajectories(positions):
        observations = np.array(positions, dtype=float)[:, None]
        return make_trajectories(
            [len(positions)], observations=observations, actions=np.zeros((len(positions), 1))
        )

    return TrainingData(trajectories(positions_n), trajectories(positions_u))


def test_the_default_penalty_bounds_the_logit_by_the_distance(make_trajectories, make_learner):
    """N lies at x = 1, U at 1 and -1 in equal parts: without a penalty f(1) - f(-1) goes to infinity.

    With it, f is best linear between the two: f(-1) = f(1) - s D, where the slope s pays 10 (s - 1)^2 and D
    is the standardised distance. The optimum over f(1) and s follows from two equations.
    """
    data = on_a_line(make_trajectories, [1.0] * 20, [1.0, -1.0] * 20)
    settings = {"discriminator_learning_rate": 1e-3}
    learner = settled_discriminator(make_learner(SafeDICE, data, settings=settings, bag_size=16))
    distance = 2 / (1 + 1e-3)

    def loss(unknowns):
        f, slope = unknowns
        terms = np.logaddexp(0, -f) + 0.5 * np.logaddexp(0, f) + 0.5 * np.logaddexp(0, f - slope * distance)
        return terms + 10 * (slope - 1) ** 2

    best = minimize(loss, [0.0, 1.0]).x
    ends = torch.tensor([[1 / 1.001, 0.0], [-1 / 1.001, 0.0]])
    with torch.no_grad():
        learned = learner.discriminator(ends)[:, 0].tolist()
    assert learned == pytest.approx([best[0], best[0] - best[1] * distance], abs=0.05)


# --- c, a and r: closed forms ----------------------------------------------------------------------------

TRUE_SHARE = 0.4
RHO_N = np.array([0.10, 0.30, 0.05, 0.25, 0.20, 0.10])
RHO_P = np.array([0.30, 0.00, 0.35, 0.05, 0.10, 0.20])
RHO_U = TRUE_SHARE * RHO_N + (1 - TRUE_SHARE) * RHO_P
N_TRANSITIONS = 1000
PAIRS = [(state, action) for state in range(3) for action in (-0.7, 0.7)]


@pytest.fixture(scope="module")
def pairs_data(make_trajectories):
    """Three states with two actions each, in exactly the shares RHO."""

    def trajectories(shares, seed):
        counts = np.round(shares * N_TRANSITIONS).astype(int)
        assert counts.sum() == N_TRANSITIONS
        drawn = np.repeat(np.arange(6), counts)
        np.random.default_rng(seed).shuffle(drawn)
        states, actions = np.array(PAIRS)[drawn].T
        return make_trajectories(
            [50] * (N_TRANSITIONS // 50), observations=np.eye(3)[states.astype(int)], actions=actions[:, None]
        )

    return TrainingData(trajectories(RHO_N, 0), trajectories(RHO_U, 1))


def logits_of_pairs(learner, pairs, n_states):
    observations = torch.eye(n_states)[[state for state, _ in pairs]]
    actions = torch.tensor([[action] for _, action in pairs], dtype=torch.float32)
    with torch.no_grad():
        inputs = torch.cat([learner.policy.standardise(observations), actions], -1)
        return learner.discriminator(inputs).squeeze(-1).double()


@pytest.fixture(scope="module")
def discriminating_learner(pairs_data, make_learner):
    """Pretrained without the gradient penalty, which would keep c from its closed form."""
    settings = {"discriminator_penalty": 0.0, "discriminator_learning_rate": 1e-3}
    return settled_discriminator(make_learner(SafeDICE, pairs_data, settings=settings, bag_size=64))


def test_c_tends_to_the_share_of_the_non_preferred(discriminating_learner):
    c = torch.sigmoid(logits_of_pairs(discriminating_learner, PAIRS, 3)).numpy()
    expected = RHO_N / (RHO_N + RHO_U)
    np.testing.assert_allclose(c, expected, atol=0.015)


def test_a_tends_to_the_share_of_non_preferred_data(discriminating_learner):
    """Pair 1 is never preferred: rho_U / rho_N is TRUE_SHARE there and more elsewhere."""
    learner = discriminating_learner
    learner.update(learner.sample(np.random.default_rng(0)))
    estimates = learner.estimates()
    assert estimates["non_preferred_share"] == pytest.approx(TRUE_SHARE, abs=0.02)
    assert estimates["non_preferred_share"] == estimates["non_preferred_share_estimated"]


def exact_logits(rho_n, rho_u):
    return torch.tensor(np.log(rho_n / rho_u))


def test_a_is_the_smallest_ratio_less_the_margin():
    """rho_U / rho_N = a + (1 - a) rho_P / rho_N: equal to a where rho_P = 0, and above it elsewhere."""
    assert estimated_share(exact_logits(RHO_N, RHO_U)) == pytest.approx(TRUE_SHARE - 1e-5, abs=1e-12)
    everywhere = 0.5 * RHO_P + 0.5 * RHO_N
    mixed = TRUE_SHARE * RHO_N + (1 - TRUE_SHARE) * everywhere
    assert estimated_share(exact_logits(RHO_N, mixed)) == pytest.approx(0.7 - 1e-5, abs=1e-12)


def test_a_is_clamped():
    assert estimated_share(torch.tensor([0.0, 50.0], dtype=torch.float64)) == 0.0
    assert estimated_share(torch.tensor([-1.0, 0.0], dtype=torch.float64)) == 0.999
    assert estimated_share(torch.tensor([-1.0, -50.0, -800.0], dtype=torch.float64)) == 0.999


def test_r_is_the_log_ratio_of_preferred_and_unlabelled():
    r = log_ratios(exact_logits(RHO_N, RHO_U), TRUE_SHARE - 1e-12).numpy()
    supported = RHO_P > 0
    expected = np.log(RHO_P[supported] / RHO_U[supported])
    np.testing.assert_allclose(r[supported], expected, atol=1e-9)
    assert r[~supported] < -20


def test_the_numerator_is_clipped_and_extreme_logits_stay_finite():
    """With a = 0.5, 1 - 1.5 c is negative from c = 2/3 on: 1e-10 takes its place."""
    logits = torch.tensor([2.0, 40.0, 800.0, -40.0, -800.0], dtype=torch.float64)
    r = log_ratios(logits, 0.5)
    assert r.isfinite().all()
    assert r[0].item() == pytest.approx(math.log(1e-10 / (0.5 * (1 - expit(2.0)))))
    # 1 - c = exp(-f) to this precision, though c itself has long been rounded to 1.
    assert r[1:3].tolist() == pytest.approx([math.log(2e-10) + 40, math.log(2e-10) + 800])
    assert r[3:].tolist() == pytest.approx([math.log(2)] * 2)


def test_rewards_are_standardised_over_all_unlabelled_transitions(discriminating_learner):
    learner = discriminating_learner
    learner.update(learner.sample(np.random.default_rng(0)))
    rewards, estimates = learner._rewards.double(), learner.estimates()
    assert rewards.shape == (N_TRANSITIONS,)
    assert rewards.mean().item() == pytest.approx(0, abs=1e-5)
    assert rewards.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    raw = log_ratios(learner._logits(learner._unlabelled), estimates["non_preferred_share"])
    torch.testing.assert_close(
        rewards * estimates["log_ratio_std"] + estimates["log_ratio_mean"], raw, rtol=1e-4, atol=1e-4
    )


def test_equal_rewards_are_standardised_to_zero(make_learner, pairs_data):
    learner = make_learner(SafeDICE, pairs_data)
    with torch.no_grad():
        for parameter in learner.discriminator.parameters():
            parameter.zero_()
    learner.update(learner.sample(np.random.default_rng(0)))
    assert (learner._rewards == 0).all()
    assert learner.estimates()["non_preferred_share"] == 0.999


def test_a_share_given_by_hand_is_used_and_the_estimate_reported(make_learner, random_data):
    learner = make_learner(SafeDICE, random_data, settings={"non_preferred_share": 0.25})
    assert learner.estimates() == {}
    learner.update(learner.sample(np.random.default_rng(0)))
    estimates = learner.estimates()
    logits = learner._logits(learner._unlabelled)
    assert estimates["non_preferred_share"] == 0.25
    assert estimates["non_preferred_share_estimated"] == estimated_share(logits)
    assert estimated_share(logits) != estimated_share(learner._logits(learner._non_preferred))
    assert estimates["odds_minimum"] == torch.exp(-logits).min().item()
    assert estimates["log_ratio_mean"] == pytest.approx(log_ratios(logits, 0.25).mean().item())
    assert estimates["clipped_share"] == (torch.sigmoid(logits) >= 0.8).double().mean().item()
    assert all(type(value) is float for value in estimates.values())


# --- The weights on a small Markov decision process ------------------------------------------------------

MDP_DISCOUNT = 0.8
START = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
# Two actions from each of five states, with one outcome each: w is of (s, a, s'), so that with random
# outcomes it could choose among these too.
NEXT_STATE = np.array([[1, 2], [2, 4], [3, 1], [4, 3], [0, 0]])
NO_END = np.zeros((5, 2), dtype=bool)
MDP_SHARE = 0.4
MDP_PAIRS = [(state, action) for state in range(5) for action in (-0.7, 0.7)]


def two_policies(contrast):
    """The preferred policy mostly takes action 0, the non-preferred one mostly action 1; (5, 2) each."""
    leaning = contrast * np.array([2.0, 1.0, 1.5, 0.5, 1.0])
    return (np.stack([expit(x), expit(-x)], 1) for x in (leaning, -0.8 * leaning))


def occupancy(policy):
    """(1 - gamma) sum_t gamma^t P(s_t, a_t), by the linear equations it obeys."""
    moves = np.zeros((5, 5))
    for state, action in np.ndindex(5, 2):
        moves[state, NEXT_STATE[state, action]] += policy[state, action]
    states = np.linalg.solve(np.eye(5) - MDP_DISCOUNT * moves.T, (1 - MDP_DISCOUNT) * START)
    return states[:, None] * policy


def rollouts(policies, counts, end, seed):
    """Trajectories that time out with probability 1 - gamma after each step, which discounts their counts."""
    generator = np.random.default_rng(seed)
    steps, lengths = [], []
    order = generator.permutation(np.repeat(np.arange(len(policies)), counts))
    for policy in (policies[index] for index in order):
        state, first = generator.choice(5, p=START), len(steps)
        while True:
            action = int(generator.random() < policy[state, 1])
            following = NEXT_STATE[state, action]
            steps.append((state, action, following, end[state, action]))
            if end[state, action] or generator.random() > MDP_DISCOUNT:
                break
            state = following
        lengths.append(len(steps) - first)
    states, actions, following, terminals = np.array(steps).T
    lengths = np.array(lengths, dtype=np.int64)
    return Trajectories(
        observations=np.eye(5, dtype=np.float32)[states],
        actions=(1.4 * actions - 0.7).astype(np.float32)[:, None],
        next_observations=np.eye(5, dtype=np.float32)[following],
        terminals=terminals.astype(bool),
        starts=np.cumsum(lengths) - lengths,
    )


def mdp_data(preferred, non_preferred, end=NO_END, episodes=4000):
    counts = [round(MDP_SHARE * episodes), round((1 - MDP_SHARE) * episodes)]
    return TrainingData(
        rollouts([non_preferred], [episodes], end, 0),
        rollouts([non_preferred, preferred], counts, end, 1),
    )


def frequencies(trajectories):
    """Shares of the pairs (5, 2) and of the first states (5,) in a data set."""
    states = trajectories.observations.argmax(1)
    pairs = np.bincount(2 * states + (trajectories.actions[:, 0] > 0), minlength=10).reshape(5, 2)
    firsts = np.bincount(states[trajectories.starts], minlength=5)
    return pairs / pairs.sum(), firsts / firsts.sum()


def exact_weights(rho_u, start, r):
    """Weights of mean 1 from the nu that minimises L_nu over all functions of five states.

    The minimum is certified by the primal: w rho_U is an occupancy, and E_w[r] - KL is the dual's value.
    """

    def e(nu):
        return r + MDP_DISCOUNT * nu[NEXT_STATE] - nu[:, None]

    def loss(nu):
        return logsumexp(e(nu), b=rho_u) + (1 - MDP_DISCOUNT) * start @ nu

    found = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    weights = np.exp(e(found.x) - logsumexp(e(found.x), b=rho_u))
    d = weights * rho_u
    entering = np.bincount(NEXT_STATE.ravel(), weights=d.ravel(), minlength=5)
    np.testing.assert_allclose(d.sum(1), (1 - MDP_DISCOUNT) * start + MDP_DISCOUNT * entering, atol=1e-6)
    used = d > 0
    primal = (d[used] * (r[used] - np.log(weights[used]))).sum()
    assert primal == pytest.approx(found.fun, abs=1e-6)
    return weights


def standardised(r, rho_u):
    mean = (r * rho_u).sum()
    return (r - mean) / np.sqrt((rho_u * (r - mean) ** 2).sum())


def learned_weights(learner, rho_u, end=NO_END):
    """Weights of mean 1 over D_U, and r, of each pair (5, 2)."""
    states = learner._unlabelled.observations.argmax(1).numpy()
    flat = 2 * states + (learner._unlabelled.actions[:, 0] > 0).numpy()
    sums = np.bincount(flat, weights=learner._rewards.double(), minlength=10)
    r = (sums / np.bincount(flat, minlength=10)).reshape(5, 2)
    with torch.no_grad():
        nu = learner.nu(learner.policy.standardise(torch.eye(5))).squeeze(-1).double().numpy()
    e = r + learner.settings.discount * np.where(end, 0, nu[NEXT_STATE]) - nu[:, None]
    return np.exp(e - logsumexp(e, b=rho_u)), r


def distance(first, second, rho_u):
    """Total variation between the distributions that two sets of weights make of rho_U."""
    return 0.5 * (np.abs(first - second) * rho_u).sum()


@pytest.fixture
def mdp_learner(make_learner):
    def make(data, **settings):
        settings = {
            "discount": MDP_DISCOUNT,
            "discriminator_penalty": 0.0,
            "discriminator_learning_rate": 1e-3,
            "nu_learning_rate": 1e-3,
        } | settings
        return make_learner(SafeDICE, data, settings=settings, steps=1000, bag_size=64)

    return make


def contrast_of_deviation_one():
    """The contrast of the two policies at which log rho_P / rho_U has standard deviation 1 over rho_U."""

    def deviation(contrast):
        rho_p, rho_n = (occupancy(policy) for policy in two_policies(contrast))
        rho_u = MDP_SHARE * rho_n + (1 - MDP_SHARE) * rho_p
        r = np.log(rho_p / rho_u)
        return np.sqrt((rho_u * (r - (r * rho_u).sum()) ** 2).sum())

    return brentq(lambda contrast: deviation(contrast) - 1, 0.5, 3)


class Table(nn.Module):
    """The exact f of the five states and two actions."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits, dtype=torch.float32)

    def forward(self, pairs):
        return self.logits[pairs[:, :5].argmax(1), (pairs[:, 5] > 0).long()].unsqueeze(-1)


def test_the_weights_tend_to_the_density_ratio_of_the_preferred_policy(mdp_learner):
    """The optimum is rho_P / rho_U, for rho_P is the occupancy of a policy and satisfies the flow equations.

    Standardising r would raise the ratio to a power; here its deviation is 1, so that only a constant goes.
    f is exact, for an error of c where rho_P is small clips r there, which alone stretches the deviation.
    """
    preferred, non_preferred = two_policies(contrast_of_deviation_one())
    rho_p, rho_n = occupancy(preferred), occupancy(non_preferred)
    rho_u = MDP_SHARE * rho_n + (1 - MDP_SHARE) * rho_p
    data = mdp_data(preferred, non_preferred)
    learner = mdp_learner(data, non_preferred_share=MDP_SHARE)
    learner.discriminator = Table(np.log(rho_n / rho_u))
    settled_nu(learner)
    found, start = frequencies(data.unlabelled)
    weights, r = learned_weights(learner, found)
    exact = exact_weights(found, start, r)
    errors = {
        "to rho_P / rho_U": distance(weights, rho_p / rho_u, rho_u),
        "to the exact solution": distance(weights, exact, found),
        "of weights 1": distance(np.ones((5, 2)), rho_p / rho_u, rho_u),
    }
    assert errors["to rho_P / rho_U"] < 0.02, errors
    assert errors["to the exact solution"] < 0.02, errors
    assert errors["of weights 1"] > 0.2


def test_the_weights_tend_to_the_optimum_for_the_standardised_ratio(mdp_learner):
    """In general w rho_U is the occupancy d with the largest E_d[r / sigma] - KL(d || rho_U).

    One pair is never preferred, which gives a; its r is about log 1e-5 and stretches sigma. Here f is
    learned, without its penalty, so that everything is done as in training.
    """
    preferred, non_preferred = two_policies(1.0)
    preferred[0] = [1, 0]
    rho_p, rho_n = occupancy(preferred), occupancy(non_preferred)
    rho_u = MDP_SHARE * rho_n + (1 - MDP_SHARE) * rho_p
    data = mdp_data(preferred, non_preferred)
    learner = settled_nu(settled_discriminator(mdp_learner(data)))
    share = learner.estimates()["non_preferred_share"]
    r = standardised(log_ratios(exact_logits(rho_n, rho_u), MDP_SHARE - 1e-5).numpy(), rho_u)
    exact = exact_weights(rho_u, START, r)
    found, start = frequencies(data.unlabelled)
    weights, learned_r = learned_weights(learner, found)
    without_nu = np.exp(r) / (np.exp(r) * rho_u).sum()
    errors = {
        "to the exact solution": distance(weights, exact, rho_u),
        "to that of the learned r": distance(weights, exact_weights(found, start, learned_r), found),
        "of nu = 0": distance(without_nu, exact, rho_u),
        "of rho_P / rho_U": distance(rho_p / rho_u, exact, rho_u),
    }
    assert share == pytest.approx(MDP_SHARE, abs=0.05)
    assert errors["to the exact solution"] < 0.025, errors
    assert errors["to that of the learned r"] < 0.015, errors
    assert min(errors["of nu = 0"], errors["of rho_P / rho_U"]) > 0.04


def test_where_episodes_end_truly_the_ends_lose_their_weight(mdp_learner):
    """L_nu has weights of mean 1, but an occupancy that loses mass at terminals has less: no nu is best.

    Along nu + k the loss falls with growing k, towards the optimum without the terminal transitions.
    """
    end = NO_END.copy()
    end[2, 1] = end[4, 0] = True
    data = mdp_data(*two_policies(1.0), end)
    found, start = frequencies(data.unlabelled)
    learner = mdp_learner(data, nu_learning_rate=2e-3)
    r = np.array([[0.5, -1.0], [1.0, 0.0], [-0.5, 1.0], [0.0, 0.3], [1.5, -1.5]])
    flat = data.unlabelled.observations.argmax(1), (data.unlabelled.actions[:, 0] > 0).astype(int)
    learner._rewards = torch.tensor(r[flat], dtype=torch.float32)
    settled_nu(learner, 250)
    weights, _ = learned_weights(learner, found, end)
    kept = np.where(end, 0, found)
    exact = exact_weights_without(end, kept / kept.sum(), start, r) / kept.sum()
    assert (weights[end] < 0.05).all()
    assert distance(weights, exact, found) < 0.04


def exact_weights_without(end, rho_u, start, r):
    """The exact weights with the terminal transitions taken out of D_U; 0 for these."""
    return np.where(end, 0, exact_weights(rho_u, start, np.where(end, -np.inf, r)))


# --- What each step may touch ----------------------------------------------------------------------------


def parameters(learner):
    return {name: copy.deepcopy(network.state_dict()) for name, network in learner.networks.items()}


def changed(before, after):
    return {
        name for name in before if any(not torch.equal(before[name][k], after[name][k]) for k in before[name])
    }


def test_pretraining_trains_the_discriminator_alone_and_updates_leave_it_frozen(make_learner, pairs_data):
    learner = make_learner(SafeDICE, pairs_data)
    start = parameters(learner)
    pretrained(learner, steps=2)
    middle = parameters(learner)
    assert changed(start, middle) == {"discriminator"}
    assert learner.steps_done == 0
    for _ in range(2):
        learner.update(learner.sample(np.random.default_rng(0)))
    assert changed(middle, parameters(learner)) == {"nu", "policy"}


def test_everything_random_is_in_the_batch(make_learner, pairs_data):
    """The same batch gives the same step, and no stream but the given one is drawn from."""
    twins = [make_learner(SafeDICE, pairs_data) for _ in range(2)]
    batch = twins[0].sample(np.random.default_rng(5))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in ("pretrain", "update"):
        first, second = (getattr(learner, name)(batch) for learner in twins)
        assert first == second
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_a_batch_has_the_size_of_all_methods_and_draws_uniformly(make_learner, random_data):
    learner = make_learner(SafeDICE, random_data, bag_size=2000, segment_length=3)
    batch, n = learner.sample(np.random.default_rng(0)), 2 * 2000 * 3
    for indices, population in ((batch.non_preferred, 19), (batch.unlabelled, 28), (batch.initial, 4)):
        counts = np.bincount(indices, minlength=population)
        assert len(counts) == population
        assert len(indices) == n
        assert np.abs(counts - n / population).max() < 5 * np.sqrt(n / population)
    assert sorted(batch.partners.tolist()) == list(range(n))
    assert batch.coefficients.shape == (n, 1)
    assert 0 <= batch.coefficients.min() < 0.01 < 0.99 < batch.coefficients.max() < 1
    assert batch.coefficients.mean().item() == pytest.approx(0.5, abs=0.02)


def test_pretraining_has_its_share_of_the_budget_and_never_none(make_learner, pairs_data):
    def steps(budget, **settings):
        return make_learner(SafeDICE, pairs_data, steps=budget, settings=settings).pretraining_steps

    assert steps(3000) == 300
    assert steps(3000, pretraining_share=0.5) == 1500
    assert steps(2) == 1


def test_learning_rates(make_learner, pairs_data):
    """Ten times the policy's for f and the policy's for nu unless given; both constant."""
    learner = make_learner(SafeDICE, pairs_data, learning_rate=2e-4)
    settings = {"discriminator_learning_rate": 3e-4, "nu_learning_rate": 4e-4}
    own = make_learner(SafeDICE, pairs_data, settings=settings)
    for each, rates in ((learner, (2e-3, 2e-4)), (own, (3e-4, 4e-4))):
        pretrained(each, steps=2)
        for _ in range(3):
            each.update(each.sample(np.random.default_rng(0)))
        used = [each.optimizers[name].param_groups[0]["lr"] for name in ("discriminator", "nu")]
        assert used == pytest.approx(rates)


def saved_and_loaded(learner, fresh):
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    fresh.load_state(torch.load(file, weights_only=True))
    return fresh


def test_what_was_estimated_is_kept_bit_by_bit(make_learner, pairs_data):
    learner, fresh, behind = (make_learner(SafeDICE, pairs_data, seed=seed) for seed in (0, 1, 2))
    pretrained(learner, steps=3)
    state = copy.deepcopy(learner.state())
    learner.update(learner.sample(np.random.default_rng(0)))
    saved_and_loaded(learner, fresh)
    assert torch.equal(fresh._rewards, learner._rewards)
    assert fresh.estimates() == learner.estimates() != {}
    # A state from before the first update takes the estimates of a later one away again.
    behind.update(behind.sample(np.random.default_rng(0)))
    behind.load_state(state)
    assert behind.estimates() == {}
    behind.update(behind.sample(np.random.default_rng(0)))
    assert torch.equal(behind._rewards, learner._rewards)


def test_rows_that_are_passed_through_f_in_parts_are_all_there(make_learner, random_data, monkeypatch):
    learner = make_learner(SafeDICE, random_data)
    together = learner._logits(learner._unlabelled)
    monkeypatch.setattr("safemil.methods.safedice.ROWS_AT_ONCE", 9)
    torch.testing.assert_close(learner._logits(learner._unlabelled), together)


def test_the_learned_cost_is_c(discriminating_learner):
    learner = discriminating_learner
    observations, actions = learner._unlabelled.take(torch.arange(20))
    expected = torch.sigmoid(learner._logits(learner._unlabelled)[:20])
    torch.testing.assert_close(learner.pair_costs(observations, actions).double(), expected)
