"""What scores are relative to, by the source of the data."""

import typing

import pytest

from safemil.catalogue import (
    CONSTRAINED_REFERENCES,
    built_in_methods,
    constrained_reference_of,
    method_named,
    reference_method,
    rolled_out_references,
)
from safemil.errors import UserError
from safemil.plan.configuration import Config
from safemil.protocol import RANDOM_REFERENCE, SECOND_REFERENCE


def test_every_source_that_can_be_configured_has_a_reference():
    sources = typing.get_args(Config.model_fields["source"].annotation)
    assert set(CONSTRAINED_REFERENCES) == set(sources)


def test_only_the_collected_source_has_a_shipped_policy():
    assert constrained_reference_of("collected") == "constrained_rl"
    assert rolled_out_references("collected") == ("constrained_rl", "random")
    assert reference_method("collected") is None
    for source in ("dsrl", "local"):
        assert constrained_reference_of(source) == "coptidice"
        assert rolled_out_references(source) == ("random",)
        assert reference_method(source) == "coptidice"


def test_references_that_are_trained_are_oracles():
    for name in ("coptidice", SECOND_REFERENCE):
        assert name in built_in_methods("oracle")
        assert method_named(name).kind == "oracle"
    for name in ("constrained_rl", RANDOM_REFERENCE):
        assert method_named(name).kind == "reference"


@pytest.mark.parametrize("ask", [constrained_reference_of, rolled_out_references, reference_method])
def test_an_unknown_source(ask):
    with pytest.raises(UserError, match=r"one of collected, dsrl, local[\s\S]*elsewhere"):
        ask("elsewhere")
