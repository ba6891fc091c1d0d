"""The benchmark of the update step counts what can be counted by hand, and runs."""

from click.testing import CliRunner

from benchmarks.update_step import main, prepare, synthetic_data
from safemil.catalogue import built_in_methods


def test_operations_by_hand():
    """Weights of the policy: trunk, two heads; of the cost network. No gradient goes to observations.

    A layer of n weights takes 2 n operations a row forward, 2 n for its weights' gradient, and 2 n for its
    inputs' gradient, which the first layer does not need. The default loss, mse, sends no gradient into the
    head of the standard deviation.
    """
    rows = 1 * 128 * 5
    trained = 28 * 256 + 256 * 256 + 256 * 2
    policy = trained + 256 * 2
    cost = 30 * 256 + 256 * 256 + 256
    policy_step = 2 * rows * (policy + 2 * trained - 28 * 256)
    cost_step = 2 * 2 * rows * (3 * cost - 30 * 256)
    weights = 2 * rows * cost
    data = synthetic_data()
    assert prepare("bc", data, 10).operations == policy_step
    assert prepare("safemil", data, 10).operations == cost_step + weights + policy_step


def test_the_table_has_a_row_for_each_method():
    done = CliRunner().invoke(main, ["--steps", "10"], catch_exceptions=False)
    assert done.exit_code == 0
    assert all(f"{method} " in done.output for method in built_in_methods())
    assert "GFLOP/s" in done.output
