"""What scores are measured against, which the source of the data decides (the protocol, section 4).

For `collected` data the constrained reference is the shipped behaviour policy, rolled out as it is. For
`dsrl` and `local` data no such policy exists: there it is COptiDICE, an oracle trained with the true reward
and cost, which the configuration must name among its methods. BC-Safe is the second reference where the
first one does not keep the cost limit itself.
"""

from safemil.errors import UserError

RANDOM_REFERENCE = "random"
BEHAVIOUR_REFERENCE = "constrained_rl"
SECOND_REFERENCE = "bc_safe"

CONSTRAINED_REFERENCES = {
    "collected": BEHAVIOUR_REFERENCE,
    "dsrl": "coptidice",
    "local": "coptidice",
}


def constrained_reference_of(source: str) -> str:
    """Return the method whose return, cost and CVaR the scores of a source are relative to.

    Raises:
        UserError: there is no such source.
    """
    if source not in CONSTRAINED_REFERENCES:
        raise UserError(
            "no constrained reference is known for this source of data",
            expected=f"one of {', '.join(CONSTRAINED_REFERENCES)}",
            found=source,
        )
    return CONSTRAINED_REFERENCES[source]


def rolled_out_references(source: str) -> tuple[str, ...]:
    """Return the references of a source that are rolled out without any training on its data.

    Raises:
        UserError: there is no such source.
    """
    constrained = constrained_reference_of(source)
    return (constrained, RANDOM_REFERENCE) if constrained == BEHAVIOUR_REFERENCE else (RANDOM_REFERENCE,)


def reference_method(source: str) -> str | None:
    """Return the method that must be trained because the scores of a source are relative to it, if any.

    Raises:
        UserError: there is no such source.
    """
    constrained = constrained_reference_of(source)
    return None if constrained == BEHAVIOUR_REFERENCE else constrained
