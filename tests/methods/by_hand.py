"""The specification's formulas once more, in float64 NumPy and plain loops, to hold the methods against.

Segments are lists of flat transition indices, bags lists of segments: nothing is padded, masked or
reshaped here, and no line is shared with the code under test.
"""

import numpy as np


def _array(tensor):
    return tensor.detach().numpy().astype(np.float64)


def _layers(network, name):
    linear = [layer for layer in getattr(network, name) if hasattr(layer, "weight")]
    return [(_array(layer.weight), _array(layer.bias)) for layer in linear]


def standardised(observations, reference):
    """Standardise by mean and std + 1e-3 of the observations `reference`."""
    reference = np.asarray(reference, dtype=np.float64)
    return (observations - reference.mean(0)) / (reference.std(0) + 1e-3)


def pair_costs(network, observations, actions):
    """sigmoid(MLP, ELU) of each standardised observation and action."""
    x = np.concatenate([observations, actions], axis=-1)
    *hidden, last = _layers(network, "layers")
    for weight, bias in hidden:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return 1 / (1 + np.exp(-(x @ last[0].T + last[1])[..., 0]))


def policy_outputs(network, observations):
    """Mean and log standard deviation at standardised observations."""
    x = observations
    for weight, bias in _layers(network, "trunk"):
        x = np.maximum(x @ weight.T + bias, 0)
    mean = np.tanh(x @ _array(network.mean_head.weight).T + _array(network.mean_head.bias))
    log_std = x @ _array(network.log_std_head.weight).T + _array(network.log_std_head.bias)
    return mean, np.clip(log_std, -5, 2)


def pair_losses(network, observations, actions, kind):
    """l_pi(s, a) of each pair, `nll` or `mse`."""
    mean, log_std = policy_outputs(network, observations)
    if kind == "mse":
        return ((mean - actions) ** 2).sum(-1)
    variance = np.exp(2 * log_std)
    return (0.5 * (actions - mean) ** 2 / variance + 0.5 * np.log(2 * np.pi * variance)).sum(-1)


def segments_of(drawn):
    """Turn drawn segments into a list of lists of indices."""
    return [list(row[mask]) for row, mask in zip(drawn.indices, drawn.mask, strict=True)]


def segment_cost(costs, segment, discount):
    """C = sum of discount^t c_t, t counted from the segment's start."""
    return sum(discount**t * costs[index] for t, index in enumerate(segment))


def cost_loss(costs_n, costs_u, segments_n, segments_u, bag_size, discount):
    """Mean softplus of Score(B_u) - Score(B_n) over pairs of bags, and the mean score difference."""
    totals_n = [segment_cost(costs_n, segment, discount) for segment in segments_n]
    totals_u = [segment_cost(costs_u, segment, discount) for segment in segments_u]
    losses, differences = [], []
    for first in range(0, len(totals_n), bag_size):
        score_n = sum(totals_n[first : first + bag_size]) / bag_size
        score_u = sum(totals_u[first : first + bag_size]) / bag_size
        losses.append(np.log1p(np.exp(score_u - score_n)))
        differences.append(score_n - score_u)
    return np.mean(losses), np.mean(differences)


def weights(
    kind,
    costs_u,
    costs_n,
    segments_u,
    segments_n,
    *,
    discount=0.99,
    temperature=0.6,
    threshold=None,
    deviations=0.1,
):
    """A list of weights for each segment, one weight for each of its pairs."""
    totals = np.array([segment_cost(costs_u, segment, discount) for segment in segments_u])
    if kind == "linear":
        return [[1 - costs_u[index] for index in segment] for segment in segments_u]
    if kind == "exponential":
        return [[np.exp(-costs_u[index] / temperature) for index in segment] for segment in segments_u]
    if kind == "trajectory":
        each = np.exp(-totals / temperature)
    else:
        if threshold is None:
            totals_n = np.array([segment_cost(costs_n, segment, discount) for segment in segments_n])
            threshold = totals_n.mean() - deviations * np.sqrt(((totals_n - totals_n.mean()) ** 2).mean())
        each = (totals <= threshold).astype(float)
    each = each / each.mean()
    return [[w] * len(segment) for w, segment in zip(each, segments_u, strict=True)]


def policy_loss(losses, weighted, segments):
    """Mean over segments of the sum of w l_pi over the segment, divided by its length."""
    return np.mean(
        [
            sum(w * losses[index] for w, index in zip(each, segment, strict=True)) / len(segment)
            for each, segment in zip(weighted, segments, strict=True)
        ]
    )
