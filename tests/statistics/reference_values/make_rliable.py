"""Computes what rliable says of two fixed score matrices, for `test_aggregate.py`.

rliable is no dependency of this project (with arch, statsmodels and what those need it would be seven more
packages for one test). In any environment that has it:

    pip install --target rliable_packages rliable==1.2.0 arch==7.2.0
    PYTHONPATH=rliable_packages python -m tests.statistics.reference_values.make_rliable

rliable ignores its seed argument, so that its intervals differ a little from run to run; the test allows
for it.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

PLACE = Path(__file__).with_name("rliable.json")
RESAMPLES = 20_000
THRESHOLDS = [0.0, 0.25, 0.5, 0.75, 1.0]


def matrices() -> tuple[np.ndarray, np.ndarray]:
    """Return scores of two methods, (5 seeds, 6 tasks) each, rounded so that there are ties."""
    generator = np.random.default_rng(20260101)
    first = generator.normal(0.6, 0.3, size=(5, 6))
    second = generator.normal(0.45, 0.35, size=(5, 6))
    return first.round(1), second.round(1)


def main() -> None:
    """Write the arrays and rliable's values."""
    from rliable import library, metrics

    first, second = matrices()
    scores = {"first": first, "second": second}
    iqm, iqm_interval = library.get_interval_estimates(
        scores, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=RESAMPLES
    )
    better, better_interval = library.get_interval_estimates(
        {"pair": (first, second)}, metrics.probability_of_improvement, reps=RESAMPLES
    )
    profile, profile_interval = library.create_performance_profile(
        scores, np.array(THRESHOLDS), reps=RESAMPLES
    )
    values = {
        "versions": {name: version(name) for name in ("rliable", "arch", "numpy", "scipy")},
        "resamples": RESAMPLES,
        "scores": {name: each.tolist() for name, each in scores.items()},
        "iqm": {name: float(each[0]) for name, each in iqm.items()},
        "iqm_interval": {name: each[:, 0].tolist() for name, each in iqm_interval.items()},
        "probability_of_improvement": float(better["pair"]),
        "probability_interval": np.ravel(better_interval["pair"]).tolist(),
        "thresholds": THRESHOLDS,
        "profile": {name: each.tolist() for name, each in profile.items()},
        "profile_interval": {name: each.tolist() for name, each in profile_interval.items()},
    }
    PLACE.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
