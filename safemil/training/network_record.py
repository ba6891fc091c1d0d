"""What a run's record says about each network and its optimiser: sizes, learning rates, steps taken."""

from typing import Any

from torch import nn

from safemil.methods.learner import Learner


def describe_networks(learner: Learner[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return the linear layers and the optimiser's settings of each network, before its first step.

    `layers` are [inputs, outputs] in the order in which the network registers them; a network without linear
    layers, such as a single multiplier, has none. A set of settings is sorted; the networks of
    `Learner.add_network` have one each.
    """
    return {
        name: {
            "layers": [
                [layer.in_features, layer.out_features]
                for layer in network.modules()
                if isinstance(layer, nn.Linear)
            ],
            "learning_rates": _settings(learner, name, "lr"),
            "weight_decays": _settings(learner, name, "weight_decay"),
        }
        for name, network in learner.networks.items()
    }


def gradient_steps(learner: Learner[Any, Any]) -> dict[str, int]:
    """Return how many optimiser steps each network has taken, pretraining and resumed parts included."""
    return {
        name: max((int(state["step"]) for state in optimizer.state.values()), default=0)
        for name, optimizer in learner.optimizers.items()
    }


def _settings(learner: Learner[Any, Any], network: str, key: str) -> list[float]:
    return sorted({float(group[key]) for group in learner.optimizers[network].param_groups})
