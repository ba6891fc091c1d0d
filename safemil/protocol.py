"""What the protocol fixes for every room (specification: protocol, section 4): names and the cost limit."""

# Cost up to which an episode counts as safe.
COST_LIMIT = 25.0

# The variant of a method, and of a split, that the main comparison is of.
DEFAULT_VARIANT = "default"

# References that are rolled out without a training: the behaviour policy that ships, and random actions.
BEHAVIOUR_REFERENCE = "constrained_rl"
RANDOM_REFERENCE = "random"

# Stands in where the first reference does not keep the cost limit.
SECOND_REFERENCE = "bc_safe"
