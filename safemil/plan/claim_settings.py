"""Thresholds of the claims, each with the reason for it; none was chosen after seeing an outcome."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ClaimsSettings(BaseModel):
    """What it takes for a claim of the paper to hold.

    Differences are judged by 95 % intervals alone wherever the claim is a comparison; margins are needed
    only where the paper says near, level, alike or competitive, and numbers where it says how much.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_seeds: int = Field(
        5,
        ge=3,
        description="seeds without which a claim counts as not measured. Reason: the paper has as many; "
        "with 3 the 95 % bootstrap interval covers the true mean in about 75 % of cases",
    )
    cost_margin: float = Field(
        0.2,
        gt=0,
        description="a difference in cost up to this share of the cost limit counts as near, level, alike or "
        "competitive. Reason: 20 % is the customary margin of equivalence tests, and the limit is the only "
        "scale of cost that the tasks share; 5 costly steps at a limit of 25",
    )
    return_margin: float = Field(
        0.2,
        gt=0,
        description="a difference in normalised return up to this counts as level or alike. Reason: the same "
        "20 %, of the way from random actions to the constrained reference",
    )
    minimum_return: float = Field(
        0.5,
        ge=0,
        description="normalised return from which a method competes for the lowest cost. Reason: as for "
        "the bold in the tables, a policy that does nothing is cheap as well",
    )
    near_zero_from: int = Field(
        64,
        gt=0,
        description="bag size K from which the cost must be near that of the constrained reference. Reason: "
        "the paper's own statement",
    )
    factor: float = Field(
        3.7,
        gt=1,
        description="median factor of safety over the strongest baseline. Reason: the paper's own figure",
    )
    auroc: float = Field(
        0.8,
        gt=0.5,
        lt=1,
        description="AUROC from which a learned cost counts as recovered. Reason: from 0.8 on discrimination "
        "is customarily called excellent, from 0.7 acceptable (Hosmer and Lemeshow, Applied Logistic "
        "Regression, 2000, section 5.2.4), and to recover is more than to be acceptable",
    )
    held_out: Literal["classes", "all"] = Field(
        "classes",
        description="held-out trajectories that decide about the learned cost. Reason: the paper's claim is "
        "about trajectories like those in the data, which `classes` are; `all` is reported beside it",
    )
    theory_precision: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="width that no 95 % interval of a drawn frequency may exceed. Reason: wider ones agree "
        "with nearly any formula; the default of 20 000 draws gives 0.014",
    )
