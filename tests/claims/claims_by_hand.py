"""Runs invented so that every claim holds and every figure can be worked out in one's head.

Every episode of a seed has the same return and cost, and, unless a test says otherwise, so has every seed:
an interval is then a point. The constrained reference returns 104 at a cost of 15, random actions return 4:
the normalised return is (R - 4) / 100.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from safemil.claims.inputs import ClaimInputs, SeedScores, Table, read_ablation
from safemil.claims.parts import Claim, Judge
from safemil.claims.report import CLAIMS
from safemil.plan.claim_settings import ClaimsSettings
from safemil.records.episodes import write_episodes
from safemil.rollouts.settings import EvaluationSettings
from safemil.statistics.learned_cost import TABLE_COLUMNS
from safemil.statistics.scores import relative_seed_scores
from safemil.tasks import paper_tasks
from safemil.theory.bags import COST_LAWS, preferred_probability
from safemil.theory.table import COLUMNS, exact_interval
from tests.conftest import episode_rows

TASKS = tuple(paper_tasks())
COSTS = {"bc": 100, "dwbc_nu": 80, "trex_wbc": 70, "safedice": 60, "safemil": 10}
N_SEEDS, N_EPISODES = 5, 5

Changes = Mapping[tuple[str, str], float | Sequence[float]]

K_COSTS = {1: 100, 8: 70, 16: 60, 64: 20, 128: 10}
BAGS, SEGMENTS = "number of bags fixed", "number of segments fixed"


def by_seed(value: float | Sequence[float], n_seeds: int) -> list[float]:
    return [float(v) for v in value] if isinstance(value, Sequence) else [float(value)] * n_seeds


def cell(task: str, method: str, costs: float | Sequence[float], returns: float = 84, **changes):
    n_seeds = changes.pop("n_seeds", N_SEEDS)
    return [
        episode_rows(method, seed, [returns] * N_EPISODES, [cost] * N_EPISODES, task=task, **changes)
        for seed, cost in enumerate(by_seed(costs, n_seeds))
    ]


def references(task: str) -> list[pd.DataFrame]:
    return [*cell(task, "random", 50, 4, n_seeds=1), *cell(task, "constrained_rl", 15, 104, n_seeds=1)]


def episodes(
    costs: Changes | None = None,
    returns: Changes | None = None,
    *,
    tasks: Sequence[str] = TASKS,
    methods: Sequence[str] = tuple(COSTS),
    n_seeds: int = N_SEEDS,
) -> pd.DataFrame:
    parts = []
    for task in tasks:
        parts += references(task)
        for method in methods:
            cost = (costs or {}).get((task, method), COSTS[method])
            value = (returns or {}).get((task, method), 84)
            parts += cell(task, method, cost, value, n_seeds=n_seeds)
    return pd.concat(parts, ignore_index=True)


def ablation(
    directory: Path, name: str, cells: Sequence[tuple[str, str, str, float, float]], **changes: object
) -> tuple[Path, Path]:
    """Write the table and the episodes of an ablation; cells are (task, series, x, cost, return).

    A value of x is one variant, whatever series it stands in, as K = 128 does.
    """
    rows, parts = [], {}
    for task, series, x, cost, value in cells:
        variant = f"{name}_{x.replace(' ', '_')}" + ("_segments" if series == SEGMENTS else "")
        parts[task, variant] = cell(task, "safemil", cost, value, variant=variant, **changes)
        n_seeds = len(parts[task, variant])
        key = {"task": task, "source": "collected", "method": "safemil", "variant": variant}
        measured = {"n_seeds": n_seeds, "return": value, "cost": pd.Series(by_seed(cost, N_SEEDS)).mean()}
        rows.append({**key, "series": series, "x": x, **measured})
    table, rollouts = directory / f"ablation_{name}.csv", directory / f"ablation_{name}.parquet"
    pd.DataFrame(rows).to_csv(table, index=False)
    write_episodes(rollouts, pd.concat([frame for part in parts.values() for frame in part]))
    return table, rollouts


def bag_sizes(costs: Mapping[int, float] = K_COSTS, returns: Mapping[int, float] | None = None):
    return [("swimmer_velocity", BAGS, str(k), cost, (returns or {}).get(k, 84)) for k, cost in costs.items()]


def learned_cost(task: str = "swimmer_velocity", held_out: str = "classes", **changes: object) -> dict:
    row = dict.fromkeys(TABLE_COLUMNS, 10)
    row |= {"task": task, "held_out": held_out, "method": "safemil", "variant": "default"}
    row |= {"source": "collected", "n_seeds": 5, "step": 1000}
    for score, value in (
        ("step_auroc", 0.9),
        ("step_spearman", 0.4),
        ("trajectory_auroc", 0.95),
        ("trajectory_spearman", 0.6),
    ):
        row |= {score: value, f"{score}_low": value - 0.05, f"{score}_high": value + 0.05}
        row |= {f"{score}_missing": ""}
    return row | changes


def theory(
    frequency: float | None = None, n: int = 10_000, *, costs: str = "equal", k: int = 1
) -> pd.DataFrame:
    """Rows of alpha = 0.5 and K = 1, 2 that agree exactly, but for `frequency` at one law and K."""
    rows = []
    for law in ("any", *(law.name for law in COST_LAWS)):
        for size in (1, 2):
            formula = preferred_probability(0.5, size)
            drawn = frequency if frequency is not None and (law, size) == (costs, k) else formula
            statement = "lemma1" if law == "any" else "theorem1"
            interval = exact_interval(round(drawn * n), n)
            # The column `exact` always agrees: it is not what the paper states.
            rows.append((statement, law, 0.5, size, formula, drawn, drawn, *interval, n, 0))
    return pd.DataFrame(rows, columns=COLUMNS)


def judge(resamples: int = 300, **settings: object) -> Judge:
    return Judge(ClaimsSettings(**settings), EvaluationSettings(bootstrap_resamples=resamples))


def inputs(frame: pd.DataFrame, directory: Path | None = None, **ablations: Sequence) -> ClaimInputs:
    """Return what the claims are decided on; ablations are written and read again."""
    scores = SeedScores("results/x/episodes.parquet", relative_seed_scores(frame))
    found = {}
    if directory is not None:
        main = write_episodes(directory / "episodes.parquet", frame)
        for name, cells in ablations.items():
            found[name] = read_ablation(name, *ablation(directory, name, cells), main, 25.0)
    return ClaimInputs(scores, ablations=found)


def decided(number: int, given: ClaimInputs, by: Judge | None = None) -> Claim:
    return CLAIMS[number - 1](given, by or judge())


def table(rows: Sequence[dict]) -> Table:
    return Table("results/x/tables/learned_cost.csv", pd.DataFrame(rows, columns=TABLE_COLUMNS))
