"""DWBC-NU: its losses by hand and against plain loops, its gradients, and its known optimum."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from safemil.data.stripped import TrainingData
from safemil.methods.bc import BehaviorCloning
from safemil.methods.dwbc_nu import (
    DWBCNU,
    Discriminator,
    InwardClip,
    discriminator_loss,
    scaled_log_density,
    shared_log_std,
)
from safemil.methods.networks import initialise
from tests.methods import by_hand
from tests.methods.test_gradients import directional_derivatives, gradient_of_policy
from tests.methods.test_tabular import ACTION, PREFERRED_SHARE, mean_actions, modes

NON_PREFERRED, UNLABELLED = torch.tensor([0.5, 0.8]), torch.tensor([0.2, 0.6, 0.5])


def test_discriminator_loss_by_hand():
    on_n = (-math.log(0.5) - math.log(0.8)) / 2
    risk = (-math.log(0.8) - math.log(0.4) - math.log(0.5)) / 3 - 0.4 * (-math.log(0.5) - math.log(0.2)) / 2
    assert risk > 0
    for non_negative in (False, True):
        loss, logged = discriminator_loss(NON_PREFERRED, UNLABELLED, 0.4, non_negative=non_negative)
        assert loss.item() == pytest.approx(0.4 * on_n + risk, rel=1e-6)
        assert logged.item() == pytest.approx(risk, rel=1e-6)


def test_the_non_negative_variant_by_hand_where_the_risk_is_negative():
    non_preferred = torch.tensor([0.9, 0.8], requires_grad=True)
    unlabelled = torch.tensor([0.1, 0.2], requires_grad=True)
    on_n = (-math.log(0.9) - math.log(0.8)) / 2
    risk = (-math.log(0.9) - math.log(0.8)) / 2 - 0.5 * (-math.log(0.1) - math.log(0.2)) / 2
    assert risk < -0.5
    plain, _ = discriminator_loss(non_preferred, unlabelled, 0.5, non_negative=False)
    loss, logged = discriminator_loss(non_preferred, unlabelled, 0.5, non_negative=True)
    assert plain.item() == pytest.approx(0.5 * on_n + risk, rel=1e-6)
    assert loss.item() == pytest.approx(0.5 * on_n, rel=1e-6)
    assert logged.item() == pytest.approx(risk, rel=1e-6)
    # Only -eta log d is left to go down: d log d / 2 n.
    gradients = torch.autograd.grad(loss, [non_preferred, unlabelled])
    assert gradients[0].tolist() == pytest.approx([-0.25 / 0.9, -0.25 / 0.8])
    assert not gradients[1].any()


def test_log_densities_are_clipped_and_scaled():
    mean, log_std = torch.zeros(4, 2), torch.tensor([[-6.0, 0.0], [-1.0, -2.0], [-1.0, 0.0], [-3.0, -3.0]])
    actions = torch.tensor([[0.0, 9.0], [0.1, -0.2], [2.0, 1.0], [0.0, 0.5]])
    expected = norm.logpdf(actions, scale=log_std.double().exp())
    assert expected[0, 0] > 5
    assert min(expected[0, 1], expected[3, 1]) < -5
    actual = scaled_log_density(mean, log_std, actions)
    np.testing.assert_allclose(actual, (np.clip(expected, -5, 5) + 5) / 10, rtol=1e-5, atol=1e-6)
    assert actual[0].tolist() == [1, 0]


def test_the_shared_deviation_is_the_most_likely_one():
    generator = np.random.default_rng(0)
    mean = torch.tensor(generator.uniform(-1, 1, (50, 3)))
    actions = mean + torch.tensor(generator.normal(size=(50, 3)) * 0.3)
    log_std = shared_log_std(mean, actions)
    assert log_std.shape == ()
    assert log_std.exp().item() == pytest.approx(np.sqrt(np.mean((actions - mean).numpy() ** 2)))

    def likelihood(each):
        return norm.logpdf(actions, mean, math.exp(each)).sum()

    best = log_std.item()
    assert likelihood(best) > max(likelihood(best - 0.01), likelihood(best + 0.01))


def test_the_shared_deviation_keeps_within_the_policys_bounds():
    assert shared_log_std(torch.zeros(3, 2), torch.zeros(3, 2)).item() == -5
    assert shared_log_std(torch.zeros(3, 2), torch.full((3, 2), 1e4)).item() == 2


def noise(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_layers_of_the_discriminator():
    network = Discriminator(3, 2)
    assert {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")} == {
        "pair_branch.weight": (128, 5),
        "density_branch.weight": (128, 2),
        "joint.0.weight": (256, 256),
        "joint.2.weight": (1, 256),
    }


def scrambled(network):
    """Make d differ from 1/2, so that a wrong formula shows; some outputs lie at either end of the clip."""
    initialise(network, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.joint[-1].weight.mul_(40)
        network.joint[-1].bias.fill_(-2.5)
        network.density_branch.weight.mul_(5)
        network.density_branch.bias.copy_(-0.38 * network.density_branch.weight.sum(1))
    return network


def logits_by_hand(network, observations, actions, densities):
    """What the sigmoid is taken of, before the clip, in float64 NumPy."""

    def linear(layer, x):
        weight, bias = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
        return x @ weight.T + bias

    pair = np.maximum(linear(network.pair_branch, np.concatenate([observations, actions], -1)), 0)
    density = np.maximum(linear(network.density_branch, densities), 0)
    hidden = np.maximum(linear(network.joint[0], np.concatenate([pair, density], -1)), 0)
    return linear(network.joint[2], hidden)[..., 0]


def outputs_by_hand(network, *inputs):
    """Outputs d of each pair."""
    return np.clip(1 / (1 + np.exp(-logits_by_hand(network, *inputs))), 0.1, 0.9)


def test_outputs_by_hand_and_at_the_clip():
    network = scrambled(Discriminator(3, 2))
    inputs = noise(200, 3, scale=2.0), noise(200, 2, seed=1), noise(200, 2, seed=2).sigmoid()
    with torch.no_grad():
        actual = network(*inputs)
    expected = outputs_by_hand(network, *(each.numpy().astype(np.float64) for each in inputs))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    assert actual.min() == torch.tensor(0.1)
    assert actual.max() == torch.tensor(0.9)
    assert ((actual > 0.11) & (actual < 0.89)).sum() > 20


def test_outside_the_clip_only_gradients_that_lead_back_are_let_through():
    """Gradient descent moves values against their gradients."""
    values = torch.tensor([-3.0, -3.0, -1.0, -1.0, 1.5, 2.5, 2.5], requires_grad=True)
    gradients = torch.tensor([0.7, -0.7, 0.7, -0.7, -0.4, 0.4, -0.4])
    clipped = InwardClip.apply(values, 2.0)
    assert clipped.tolist() == [-2, -2, -1, -1, 1.5, 2, 2]
    clipped.backward(gradients)
    torch.testing.assert_close(values.grad, torch.tensor([0, -0.7, 0.7, -0.7, -0.4, 0.4, 0]))


def test_an_output_beyond_the_clip_is_pushed_back_and_never_further_out():
    """Above 0.9 pairs of D_U pull d down and pairs of D_N no longer push it up; below 0.1 conversely."""
    for logit, pulled, left in ((5.0, "unlabelled", "non_preferred"), (-5.0, "non_preferred", "unlabelled")):
        network = Discriminator(3, 2)
        with torch.no_grad():
            network.joint[-1].weight.zero_()
            network.joint[-1].bias.fill_(logit)
        outputs = {
            name: network(torch.ones(4, 3), torch.ones(4, 2), torch.ones(4, 2)) for name in (pulled, left)
        }
        loss, _ = discriminator_loss(**outputs, eta=0.5, non_negative=False)
        slopes = {
            name: torch.autograd.grad(loss, outputs[name], retain_graph=True)[0].sum() for name in outputs
        }
        gradients = {}
        for name, slope in slopes.items():
            (gradients[name],) = torch.autograd.grad(
                outputs[name].mean() * slope, [network.joint[-1].bias], retain_graph=True
            )
        assert gradients[left].item() == 0
        assert gradients[pulled].item() * logit > 0.04


class Formulas:
    """What the formulas make of a batch, from raw observations on; `policy` is the one before its step."""

    def __init__(self, data, batch, policy, kind, eta=0.5):
        self.kind, self.eta = kind, eta
        unlabelled, reference = data.unlabelled, data.unlabelled.observations
        self.rows_u, rows_n = batch.unlabelled.numpy(), batch.non_preferred.numpy()
        self.observations_u = by_hand.standardised(reference[self.rows_u].astype(np.float64), reference)
        self.actions_u = unlabelled.actions[self.rows_u].astype(np.float64)
        observations_n = by_hand.standardised(
            data.non_preferred.observations[rows_n].astype(np.float64), reference
        )
        actions_n = data.non_preferred.actions[rows_n].astype(np.float64)
        density_n, density_u = self.densities(policy, observations_n, actions_n)
        self.inputs_n = observations_n, actions_n, density_n
        self.inputs_u = self.observations_u, self.actions_u, density_u
        owners = np.repeat(np.arange(len(unlabelled.lengths)), unlabelled.lengths)
        self.trajectories = owners[self.rows_u]

    def densities(self, policy, observations_n, actions_n):
        mean_n, log_std_n = by_hand.policy_outputs(policy, observations_n)
        mean_u, log_std_u = by_hand.policy_outputs(policy, self.observations_u)
        std_n, std_u = np.exp(log_std_n), np.exp(log_std_u)
        if self.kind == "mse":
            std_n = std_u = np.sqrt(np.mean((self.actions_u - mean_u) ** 2))
        densities = norm.logpdf(actions_n, mean_n, std_n), norm.logpdf(self.actions_u, mean_u, std_u)
        return [(np.clip(each, -5, 5) + 5) / 10 for each in densities]

    def discriminator_metrics(self, network):
        d_n, d_u = outputs_by_hand(network, *self.inputs_n), outputs_by_hand(network, *self.inputs_u)
        risk = np.mean([-math.log(1 - d) for d in d_u]) - self.eta * np.mean([-math.log(1 - d) for d in d_n])
        every = np.concatenate([d_n, d_u])
        return {
            "discriminator_loss": self.eta * np.mean([-math.log(d) for d in d_n]) + risk,
            "preferred_risk": risk,
            "discriminator_non_preferred": d_n.mean(),
            "discriminator_unlabelled": d_u.mean(),
            "discriminator_clipped_share": np.mean((every == 0.1) | (every == 0.9)),
        }

    def loss_of_descent(self, network):
        """L_d where nothing is clipped; beyond the clip it goes on straight if that leads back, else level.

        In terms of the logit f, a pair of D_N contributes -eta f to L_d and one of D_U softplus(f).
        """
        bound = math.log(9)
        f_n, f_u = logits_by_hand(network, *self.inputs_n), logits_by_hand(network, *self.inputs_u)
        on_u = np.logaddexp(0, np.clip(f_u, -bound, bound)) + 0.9 * np.maximum(f_u - bound, 0)
        return on_u.mean() - self.eta * np.minimum(f_n, bound).mean()

    def weights(self, network):
        return 1 - outputs_by_hand(network, *self.inputs_u)

    def policy_loss(self, policy, weights):
        losses = by_hand.pair_losses(policy, self.observations_u, self.actions_u, self.kind)
        return np.mean([w * loss for w, loss in zip(weights, losses, strict=True)])

    def shares(self, weights):
        totals = np.array([weights[self.trajectories == m].sum() for m in np.unique(self.trajectories)])
        return {
            "effective_share": weights.sum() ** 2 / (weights**2).sum() / len(weights),
            "effective_trajectory_share": totals.sum() ** 2 / (totals**2).sum() / len(totals),
        }


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
@pytest.mark.parametrize("horizon", [1, 4, "full"])
def test_one_update_against_plain_loops(random_data, make_learner, horizon, policy_loss):
    """Everything logged, from raw observations on."""
    settings = {"eta": 0.3, "discriminator_learning_rate": 3e-5}
    training = {"segment_length": horizon, "policy_loss": policy_loss, "bag_size": 12}
    learner = make_learner(DWBCNU, random_data, settings=settings, **training)
    scrambled(learner.discriminator)
    batch = learner.sample(np.random.default_rng(3))
    before = copy.deepcopy(learner.networks)
    logged = learner.update(batch)

    # The policy's step comes after the discriminator's: new weights, losses and densities of the old policy.
    formulas = Formulas(random_data, batch, before["policy"], policy_loss, eta=0.3)
    weights = formulas.weights(learner.discriminator)
    expected = formulas.discriminator_metrics(before["discriminator"]) | formulas.shares(weights)
    expected["policy_loss"] = formulas.policy_loss(before["policy"], weights)
    assert abs(weights - formulas.weights(before["discriminator"])).max() > 1e-2
    assert max(expected["effective_share"], expected["effective_trajectory_share"]) < 0.97
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.fixture
def float64_update(random_data, make_learner, doubled):
    """One update in float64: the learner after it, its networks before it, and the formulas of its batch."""

    def update(policy_loss):
        learner = make_learner(DWBCNU, random_data, policy_loss=policy_loss, gradient_clip=1e9)
        scrambled(learner.discriminator)
        learner = doubled(learner, random_data)
        batch = learner.sample(np.random.default_rng(7))
        before = copy.deepcopy(learner.networks)
        learner.update(batch)
        return learner, before, Formulas(random_data, batch, before["policy"], policy_loss)

    return update


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_gradient_of_the_discriminator_loss_and_none_from_the_policy(
    float64_update, gradient_of, policy_loss
):
    """The gradient left after a whole update: a policy loss that reached d would add to it."""
    learner, before, formulas = float64_update(policy_loss)
    assert 0.1 < formulas.discriminator_metrics(before["discriminator"])["discriminator_clipped_share"] < 0.5
    # A small step: the clip has a kink, and the scrambled network is steep.
    directions, expected = directional_derivatives(
        before["discriminator"], formulas.loss_of_descent, step=1e-7
    )
    assert expected.abs().min() > 1e-3
    actual = directions @ gradient_of(learner.discriminator)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_gradient_of_the_weighted_policy_loss(float64_update, gradient_of, policy_loss):
    learner, before, formulas = float64_update(policy_loss)
    weights = formulas.weights(learner.discriminator)
    directions, expected = directional_derivatives(
        before["policy"], lambda network: formulas.policy_loss(network, weights)
    )
    assert expected.abs().max() > 1e-3
    actual = directions @ gradient_of_policy(learner, gradient_of)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy_loss", ["nll", "mse"])
def test_neither_loss_reaches_the_other_network(random_data, make_learner, policy_loss):
    """Directly: the policy's density is detached from L_d, and the weights from L_pi."""
    learner = make_learner(DWBCNU, random_data, policy_loss=policy_loss)
    step_network, reached = learner.step_network, {}

    def spy(name, loss):
        (other,) = learner.networks.keys() - {name}
        parameters = list(learner.networks[other].parameters())
        reached[other] = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        return step_network(name, loss)

    learner.step_network = spy
    learner.update(learner.sample(np.random.default_rng(8)))
    assert {name: len(gradients) for name, gradients in reached.items()} == {"policy": 8, "discriminator": 8}
    assert all(gradient is None for gradients in reached.values() for gradient in gradients)


def test_the_discriminator_sees_the_policys_density(random_data, make_learner):
    """Another policy, the same pairs: d changes, unless the density branch is cut off."""
    learner = make_learner(DWBCNU, random_data, steps=1000, learning_rate=1e-12)
    scrambled(learner.discriminator)
    batch = learner.sample(np.random.default_rng(9))
    other = copy.deepcopy(learner)
    with torch.no_grad():
        other.policy.mean_head.bias += 0.5
    assert learner.update(batch)["discriminator_loss"] != other.update(batch)["discriminator_loss"]


def snapshots(learner, steps, generator):
    """The discriminator's last bias and the policy's after each of `steps` updates, and the logged norms."""
    rows = []
    for _ in range(steps):
        norm_logged = learner.update(learner.sample(generator))["discriminator_gradient_norm"]
        biases = learner.discriminator.joint[-1].bias.item(), learner.policy.mean_head.bias[0].item()
        rows.append((*biases, norm_logged))
    return np.array(rows).T


def test_the_discriminator_takes_a_step_only_when_it_is_due(random_data, make_learner):
    learner = make_learner(DWBCNU, random_data, settings={"discriminator_every": 3})
    start = learner.discriminator.joint[-1].bias.item()
    discriminator, policy, norms = snapshots(learner, 8, np.random.default_rng(0))
    due = np.array([1, 0, 0, 1, 0, 0, 1, 0], dtype=bool)
    assert ((np.diff(discriminator, prepend=start) != 0) == due).all()
    assert ((norms > 0) == due).all()
    assert np.diff(policy).all()


def test_a_resumed_run_keeps_the_rhythm_of_the_discriminator(random_data, make_learner):
    first, second = (
        make_learner(DWBCNU, random_data, seed=seed, settings={"discriminator_every": 3}) for seed in (0, 1)
    )
    snapshots(first, 4, np.random.default_rng(0))
    second.load_state(copy.deepcopy(first.state()))
    rows = [snapshots(learner, 5, np.random.default_rng(1)) for learner in (first, second)]
    assert (rows[0] == rows[1]).all()
    assert (rows[1][2] > 0).tolist() == [False, False, True, False, False]


def test_the_discriminator_takes_a_step_in_each_update_by_default(random_data, make_learner):
    norms = snapshots(make_learner(DWBCNU, random_data), 5, np.random.default_rng(0))[2]
    assert (norms > 0).all()


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, 1e-4), ({"discriminator_learning_rate": 0.003}, 0.003)]
)
def test_the_discriminators_learning_rate_stays(random_data, make_learner, train_learner, settings, expected):
    learner = make_learner(DWBCNU, random_data, steps=5, learning_rate=0.01, settings=settings)
    train_learner(learner)
    assert learner.optimizers["discriminator"].param_groups[0]["lr"] == expected


def test_it_sees_as_many_transitions_of_each_set_as_bc(random_data, make_learner):
    for horizon in (1, 4, "full"):
        shapes = {"bag_pairs": 2, "bag_size": 500, "segment_length": horizon}
        learner, bc = (make_learner(method, random_data, **shapes) for method in (DWBCNU, BehaviorCloning))
        batch = learner.sample(np.random.default_rng(0))
        assert (
            batch.unlabelled.shape == batch.non_preferred.shape == bc.sample(np.random.default_rng(0)).shape
        )
        for drawn, part in (
            (batch.unlabelled, random_data.unlabelled),
            (batch.non_preferred, random_data.non_preferred),
        ):
            assert drawn.unique().tolist() == list(range(part.n_transitions))


def test_the_non_negative_variant_is_used_when_it_is_asked_for(
    make_trajectories, make_learner, train_learner
):
    """Two sets far apart and an eta of 1, too large by far: the risk goes below 0 and may not pay."""
    sets = (make_trajectories([40], observations=np.full((40, 3), x), seed=x + 1) for x in (1, -1))
    data = TrainingData(*sets)
    for non_negative in (False, True):
        settings = {"eta": 1.0, "discriminator_learning_rate": 1e-2, "non_negative": non_negative}
        last = train_learner(make_learner(DWBCNU, data, settings=settings), steps=10)[-1]
        assert last["preferred_risk"] < -0.5
        assert last["discriminator_non_preferred"] == pytest.approx(0.9)
        # All pairs of D_N are at the clip: E_N[-log d] = -log 0.9.
        expected = -math.log(0.9) + (0 if non_negative else last["preferred_risk"])
        assert last["discriminator_loss"] == pytest.approx(expected, abs=1e-5)


# Eight pairs: four states, in each of them the actions +ACTION and -ACTION; rho(s) pi(a|s) of either kind.
N_TRANSITIONS = 4000


def joint(states, plus):
    return np.stack([states * plus, states * (1 - plus)], axis=1).ravel()


RHO_P = joint(np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.9, 0.7, 0.5, 0.2]))
RHO_N = joint(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.3, 0.6, 0.5, 0.1]))
ALPHA = 0.6
RHO_U = ALPHA * RHO_P + (1 - ALPHA) * RHO_N
OBSERVATIONS, ACTIONS = np.repeat(np.eye(4), 2, axis=0), np.tile([[ACTION], [-ACTION]], (4, 1))


@pytest.fixture(scope="module")
def finite_data(make_trajectories):
    """Pairs drawn independently, in exactly the shares RHO_N and RHO_U."""

    def trajectories(shares, seed):
        counts = np.round(shares * N_TRANSITIONS).astype(int)
        np.testing.assert_allclose(counts, shares * N_TRANSITIONS)
        pairs = np.random.default_rng(seed).permutation(np.repeat(np.arange(8), counts))
        return make_trajectories(
            [50] * (N_TRANSITIONS // 50), observations=OBSERVATIONS[pairs], actions=ACTIONS[pairs]
        )

    return TrainingData(trajectories(RHO_N, 0), trajectories(RHO_U, 1))


def learned_outputs(learner):
    """Outputs d of the eight pairs."""
    observations = learner.policy.standardise(torch.tensor(OBSERVATIONS, dtype=torch.float32))
    with torch.no_grad():
        return learner.pair_costs(observations, torch.tensor(ACTIONS, dtype=torch.float32))


@pytest.mark.parametrize(("eta", "policy_loss"), [(1 - ALPHA, "mse"), (1 - ALPHA, "nll"), (0.8, "mse")])
def test_the_discriminator_tends_to_the_clipped_ratio_of_densities(
    finite_data, make_learner, eta, policy_loss
):
    """d* = eta rho_N / rho_U; with eta = 1 - alpha, 1 - d* is the posterior of the preferred kind."""
    learner = make_learner(
        DWBCNU,
        finite_data,
        settings={"eta": eta, "discriminator_learning_rate": 2e-3},
        policy_loss=policy_loss,
        steps=240,
        bag_pairs=1,
        bag_size=512,
        segment_length=1,
    )
    generator, outputs = np.random.default_rng(0), []
    for step in range(learner.training.steps):
        if step == 120:  # quick at first, then with less of the noise of single batches
            learner.optimizers["discriminator"].param_groups[0]["lr"] = 4e-4
        learner.update(learner.sample(generator))
        if step >= 140:
            outputs.append(learned_outputs(learner))
    expected = np.clip(eta * RHO_N / RHO_U, 0.1, 0.9)
    actual = torch.stack(outputs).mean(0)
    np.testing.assert_allclose(actual, expected, atol=0.04)
    if eta == 1 - ALPHA:
        posterior = ALPHA * RHO_P / (ALPHA * RHO_P + (1 - ALPHA) * RHO_N)
        np.testing.assert_allclose(1 - actual, np.clip(posterior, 0.1, 0.9), atol=0.04)


def test_the_policy_reaches_the_mean_weighted_by_one_minus_d(make_trajectories, make_learner, train_learner):
    """D_N takes -ACTION always: d* is 0.1 at +ACTION, and eta / (1 - p), clipped, at -ACTION."""
    learner = make_learner(
        DWBCNU,
        modes(make_trajectories, 2),
        settings={"discriminator_learning_rate": 3e-3},
        steps=200,
        bag_pairs=1,
        bag_size=256,
        segment_length=1,
        learning_rate=3e-3,
        policy_loss="mse",
    )
    train_learner(learner)
    plus = PREFERRED_SHARE * 0.9
    minus = (1 - PREFERRED_SHARE) * (1 - np.clip(0.5 / (1 - PREFERRED_SHARE), 0.1, 0.9))
    assert mean_actions(learner) == pytest.approx(ACTION * (plus - minus) / (plus + minus), abs=0.05)
