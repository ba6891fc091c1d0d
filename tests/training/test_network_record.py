"""A run's record says of each network what its optimiser really has and did."""

import pytest

from safemil.training.train import train

POLICY = [[3, 256], [256, 256], [256, 2], [256, 2]]


def test_layers_rates_and_steps_of_each_network(uninterrupted, read_record):
    record = read_record(uninterrupted)
    assert record["networks"].keys() == record["parameters"].keys() == record["gradient_steps"].keys()
    assert record["networks"]["policy"]["layers"] == POLICY
    assert record["networks"]["cost"]["layers"] == [[5, 256], [256, 256], [256, 1]]
    for network in record["networks"].values():
        assert network["learning_rates"] == [record["training"]["learning_rate"]]
        assert network["weight_decays"] == [0.01]
    for name, network in record["networks"].items():  # every layer here has a bias
        assert record["parameters"][name] == sum((i + 1) * o for i, o in network["layers"])
    assert record["gradient_steps"] == {"policy": 60, "cost": 60}


def test_the_rate_is_that_of_the_start_and_a_methods_own(data_path, make_request, read_record, tmp_path):
    request = make_request("safemil", steps=4, settings={"cost_learning_rate": 0.5})
    train(request, data_path, tmp_path / "run")
    networks = read_record(tmp_path / "run")["networks"]
    assert networks["policy"]["learning_rates"] == [request.training.learning_rate]
    assert networks["cost"]["learning_rates"] == [0.5]


def test_steps_before_a_kill_are_counted(data_path, make_request, read_record, tmp_path, monkeypatch):
    from safemil.methods.bc import BehaviorCloning

    update, calls = BehaviorCloning.update, []

    def killed_at_seven(self, batch):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return update(self, batch)

    monkeypatch.setattr(BehaviorCloning, "update", killed_at_seven)
    request = make_request("bc", steps=10, checkpoint_every=3)
    with pytest.raises(KeyboardInterrupt):
        train(request, data_path, tmp_path / "run")
    train(request, data_path, tmp_path / "run")
    record = read_record(tmp_path / "run")
    assert record["timing"]["resumed_from_step"] == 6
    assert record["gradient_steps"] == {"policy": 10}
    assert record["networks"]["policy"]["learning_rates"] == [request.training.learning_rate]
