"""What every table and figure is told of the run it is of, besides its own inputs."""

from dataclasses import dataclass, field

from safemil.rollouts.settings import EvaluationSettings


@dataclass(frozen=True)
class TableRun:
    """A run as far as tables state it or compute with its settings; `name` is its scale, such as `quick`."""

    name: str
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    custom_methods: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """Return the cost limit."""
        return self.evaluation.cost_limit

    @property
    def bootstrap(self) -> dict[str, int]:
        """Return the settings of the bootstrap as arguments."""
        settings = self.evaluation
        return {"n_resamples": settings.bootstrap_resamples, "bootstrap_seed": settings.bootstrap_seed}
