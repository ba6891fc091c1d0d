"""Oracles: methods that are handed the true labels of the data, to show what could be reached with them.

An oracle is a `Learner` in all but one respect: it is built from `OracleData`, the stripped trajectories
and their labels, where a learner is built from `TrainingData`, a type that cannot hold labels. The two are
trained by different commands and rules, and only this module, the oracles themselves and the command that
trains them may reach `safemil.data.labels`; the import linter holds that.

A new oracle is a module with `METHOD`, a subclass of `OracleLearner`, a row of kind `oracle` in
`config/methods.tsv`, and its name in the linter's lists in `pyproject.toml`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from safemil.data.labels import OracleLabels
from safemil.data.stripped import TrainingData
from safemil.methods.budget import TrainingSettings
from safemil.methods.learner import BatchType, Learner, SettingsType


@dataclass(frozen=True, eq=False)
class OracleData:
    """What an oracle is given.

    Attributes:
        stripped: what learners are given, D_N and D_U.
        labels: true rewards, costs and preferences of exactly these.

    Raises:
        UserError: the labels are those of other training data.
    """

    stripped: TrainingData
    labels: OracleLabels

    def __post_init__(self) -> None:
        self.labels.check_belongs_to(self.stripped)


class OracleLearner(Learner[SettingsType, BatchType]):
    """One oracle, one run.

    Args:
        data: stripped trajectories with their labels.
        settings: the method's own settings.
        training: budget, batch and optimiser, shared by all methods.
        generator: draws the initial weights.
    """

    kind: ClassVar[Literal["learner", "oracle"]] = "oracle"

    def __init__(
        self,
        data: OracleData,
        settings: SettingsType,
        training: TrainingSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(data.stripped, settings, training, generator)
