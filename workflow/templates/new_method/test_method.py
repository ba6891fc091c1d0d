"""What every method must keep to, applied to this one: `pytest my_method`, from the folder of the project.

Add tests of what the method computes, against values worked out by hand.
"""

from pathlib import Path

import pytest

# Fixtures of the contract's tests, which pytest finds by their names.
from tests.methods.conftest import make_labels, make_learner, make_trajectories, train_learner  # noqa: F401
from tests.methods.test_contract import *  # noqa: F403  # every test of the contract

METHOD = f"{Path(__file__).parent.name}.method"  # as in the configuration
pytestmark = pytest.mark.parametrize("method", [METHOD])
