"""What every table is told of the run it is of, besides its own inputs."""

from dataclasses import dataclass, field

from safemil.rollouts.settings import EvaluationSettings


@dataclass(frozen=True)
class TableRun:
    """A run, as far as tables state it or compute with its settings.

    Attributes:
        name: the scale of the run, such as `quick` or `paper`.
        evaluation: cost limit and bootstrap.
        custom_methods: methods made by programs of the user's own.
    """

    name: str
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    custom_methods: tuple[str, ...] = ()
