"""What each method was given: networks, budget, learning rates, time and memory, read off the run records.

Nothing here is typed by hand or taken from the configuration: a number that a run did not record is not in
the table. Methods with different budgets are named in words.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from safemil.catalogue import method_order, row_name, variant_order
from safemil.protocol import DEFAULT_VARIANT

POLICY = "policy"
PROGRAM = "program"
RUN = ["task", "source", "method", "variant", "seed"]
CELL = ["method", "variant"]

# Quantities that are stated as their range over tasks and seeds; those that were measured, with their median.
FIXED = ("policy_steps", "pretraining_steps", "transitions_per_step", "gradient_clip")
MEASURED = ("seconds_per_1000_steps", "peak_memory_mb")
OF_NETWORK = ("parameters", "gradient_steps", "learning_rate", "weight_decay")

# What a fair comparison holds equal, as it is called in a sentence.
BUDGET = {
    "policy_steps": "gradient steps of the policy",
    "transitions_per_step": "transitions per policy step",
    "learning_rate": "learning rate of the policy",
    "policy_loss": "loss of the policy",
    "weight_decay": "weight decay of the policy",
    "gradient_clip": "gradient clip",
    "parameters": "parameters of the policy",
    "pretraining_steps": "steps before the policy's first",
}

COLUMNS = [
    *[*CELL, "kind", "source", "n_tasks", "n_seeds", "n_runs"],
    *(f"{name}_{end}" for name in FIXED for end in ("min", "max")),
    "policy_loss",
    *(f"{name}_{end}" for name in MEASURED for end in ("median", "min", "max")),
    *["network", "layers"],
    *(f"{name}_{end}" for name in OF_NETWORK for end in ("min", "max")),
]


def fairness_table(records: pd.DataFrame) -> pd.DataFrame:
    """Sum the records up over tasks and seeds: one row per method, variant and network, columns `COLUMNS`.

    Args:
        records: as from `record_frame`.
    """
    rows = []
    for (method, variant), runs in records.groupby(CELL, sort=False):
        once = runs.drop_duplicates(RUN)
        cell = {
            "method": method,
            "variant": variant,
            "kind": _joined(runs["kind"]),
            "source": ", ".join(sorted(runs["source"].unique())),
            **{f"n_{name}s": once[name].nunique() for name in ("task", "seed")},
            "n_runs": len(once),
            **_ranges(once, FIXED),
            "policy_loss": _joined(once["policy_loss"]),
            **{f"{name}_median": once[name].dropna().median() for name in MEASURED},
            **_ranges(once, MEASURED),
        }
        for network, of_network in runs.groupby("network", sort=False):
            layers = layers_text(of_network["layers"].tolist())
            rows.append({**cell, "network": network, "layers": layers, **_ranges(of_network, OF_NETWORK)})
    table = pd.DataFrame(rows, columns=COLUMNS)
    keys = zip(table["method"], table["variant"], table["network"], strict=True)
    order = [(method_order(m), variant_order(v), network != POLICY, network) for m, v, network in keys]
    return table.iloc[sorted(range(len(table)), key=order.__getitem__)].reset_index(drop=True)


def _ranges(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    ends = {"min": rows[[*names]].min(), "max": rows[[*names]].max()}
    return {f"{name}_{end}": values[name] for name in names for end, values in ends.items()}


def _joined(values: pd.Series) -> str | None:
    return " or ".join(sorted(values.dropna().unique())) or None


def layers_text(networks: Sequence[tuple[tuple[int, int], ...]]) -> str:
    """Return e.g. `8 to 28 × 256, 256 × 256`: inputs × outputs of each linear layer, ranges over tasks."""
    if len({len(layers) for layers in networks}) > 1:
        return " or ".join(sorted({layers_text([layers]) for layers in networks}))
    sizes = np.array(networks)
    if sizes.size == 0:
        return "one number"
    pairs = zip(sizes.min(axis=0).tolist(), sizes.max(axis=0).tolist(), strict=True)
    return ", ".join(" × ".join(map(_span, low, high)) for low, high in pairs)


def _span(low: float, high: float) -> str:
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def number(value: float) -> str:
    """Return a whole number with thousands marked, another with up to six significant digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"


def budget_sentences(records: pd.DataFrame) -> list[str]:
    """Say in words where methods were not given the same, and that they were where they were.

    Default variants are compared with each other task by task, other variants with their method's default,
    and every further network with the policy that it was trained for. Programs of the user's own are
    compared with nothing, for what they were given is not known.
    """
    programs = records[records["kind"] == PROGRAM]
    records = records[records["kind"] != PROGRAM]
    policies = records[records["network"] == POLICY]
    defaults = policies[policies["variant"] == DEFAULT_VARIANT]
    mixed = [name for name in BUDGET if (defaults.groupby("task")[name].nunique() > 1).any()]
    equal = [words for name, words in BUDGET.items() if name not in mixed]
    names = [row_name(method, DEFAULT_VARIANT) for method in _methods(defaults)]
    sentences = [f"Mixed budgets: {BUDGET[name]} differ: {_each(defaults, name)}." for name in mixed]
    if equal and names:
        sentences.append(f"The same on each task for {', '.join(names)}: {', '.join(equal)}.")
    sentences += [*_variant_sentences(policies, defaults), *_network_sentences(records, policies)]
    return [*sentences, *_program_sentences(programs)]


def _program_sentences(programs: pd.DataFrame) -> Iterator[str]:
    if not programs.empty:
        names = ", ".join(row_name(method, DEFAULT_VARIANT) for method in _methods(programs))
        yield (
            f"Made by programs of the user's own: {names}. Of what they were given nothing is known; policy "
            "steps are what the policy files state."
        )


def _methods(rows: pd.DataFrame) -> list[str]:
    return sorted(rows["method"].unique(), key=method_order)


def _values(values: pd.Series) -> str:
    distinct = sorted(values.unique())
    return " or ".join(value if isinstance(value, str) else number(value) for value in distinct)


def _each(rows: pd.DataFrame, name: str) -> str:
    cells = {m: _values(rows.loc[rows["method"] == m, name]) for m in _methods(rows)}
    return "; ".join(f"{row_name(method, DEFAULT_VARIANT)} {value}" for method, value in cells.items())


def _variant_sentences(policies: pd.DataFrame, defaults: pd.DataFrame) -> Iterator[str]:
    for (method, variant), rows in policies.groupby(CELL, sort=False):
        own = defaults[(defaults["method"] == method) & defaults["task"].isin(rows["task"])]
        if variant == DEFAULT_VARIANT or own.empty:
            continue
        differing = [name for name in BUDGET if _values(rows[name]) != _values(own[name])]
        changes = [f"{BUDGET[n]} {_values(rows[n])} instead of {_values(own[n])}" for n in differing]
        if changes:
            yield f"Variant {row_name(str(method), str(variant))}: {', '.join(changes)}."


def _network_sentences(records: pd.DataFrame, policies: pd.DataFrame) -> Iterator[str]:
    """Name the networks that were not trained as often, as fast or with as much decay as their policy."""
    others = records[records["network"] != POLICY].merge(policies, on=RUN, suffixes=("", "_of_policy"))
    for name, words in {
        "gradient_steps": "gradient steps",
        "learning_rate": "learning rate at the start",
        "weight_decay": "weight decay",
    }.items():
        unlike = others[others[name] != others[f"{name}_of_policy"]]
        for (method, variant, network), rows in unlike.groupby([*CELL, "network"], sort=False):
            instead = f"{_values(rows[name])}, its policy {_values(rows[f'{name}_of_policy'])}"
            yield f"Network {network} of {row_name(str(method), str(variant))}: {words} {instead}."
