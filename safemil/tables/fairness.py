"""The fairness table: what each method was given."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from safemil.catalogue import row_name
from safemil.records.training_records import ProgramRecord, RunRecord, record_frame
from safemil.statistics.fairness import CELL, budget_sentences, fairness_table, number
from safemil.tables.captions import sentences, sources_of
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun

BUDGET_HEADER = [
    *["method", "kind", "runs", "policy steps", "steps before", "transitions per step"],
    *["rate × steps", "loss", "clip", "s per 1,000 steps", "peak memory, MB"],
]
NETWORK_HEADER = ["method", "network", "layers", "parameters", "gradient steps", "rate", "decay"]
NOT_RECORDED = "n/a"
KINDS = {"program": "external program"}

LEGEND = sentences(f"""
Every number is read off the records of the runs; {NOT_RECORDED} where there is none. Ranges are over tasks
and seeds.

Runs: tasks × seeds, and their number where it is not the product. Steps before: gradient steps of other
networks before the policy's first. Transitions per step: unlabelled ones in each gradient step of the policy.
Rate × steps: the policy's learning rate at the start times its steps. Clip: largest gradient norm of each
network.

Seconds and memory: median (range). Wall time of the training loop, pretraining included, on whatever machine
and beside whatever else ran: an order of magnitude, no benchmark. Peak resident memory as sampled by
Snakemake; {NOT_RECORDED} where a job was too short for it.

Layers: inputs × outputs of each linear layer; inputs and outputs differ between tasks. Rate: learning rate at
the start. Decay: AdamW's weight decay.
""")


def make(run: TableRun, records: Iterable[tuple[RunRecord | ProgramRecord, float]]) -> Document:
    """Return the table of the records of all runs, each with its peak memory in MB."""
    return document(run, record_frame(records))


def document(run: TableRun, records: pd.DataFrame) -> Document:
    """Return tables of budgets and networks, from `record_frame`; differences in words come first."""
    table, columns = fairness_table(records), r"llp{0.35\textwidth}rrrr"
    budget = Section("Budget", BUDGET_HEADER, budget_rows(table), caption="Budget of each method")
    networks = Section(
        "Networks",
        NETWORK_HEADER,
        network_rows(table),
        caption="Networks of each method",
        key="networks",
        alignment=columns,
    )
    differences = Section("Equal and not equal", points=budget_sentences(records))
    return Document(
        "fairness",
        "What each method was given",
        table,
        [differences, budget, networks],
        run=run.name,
        source=sources_of(table),
        legend=LEGEND,
        made_from="the run records",
    )


def budget_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the cells of one row per method and variant, as `BUDGET_HEADER` names them."""
    return [_budget_row(row) for row in table.drop_duplicates(CELL).to_dict("records")]


def _budget_row(row: dict[Any, Any]) -> list[str]:
    runs = f"{row['n_tasks']} × {row['n_seeds']}"
    if row["n_runs"] != row["n_tasks"] * row["n_seeds"]:
        runs += f" ({row['n_runs']})"
    product = [row[f"learning_rate_{end}"] * row[f"policy_steps_{end}"] for end in ("min", "max")]
    return [
        row_name(row["method"], row["variant"]),
        KINDS.get(row["kind"], row["kind"]),
        runs,
        *(_range(row, name) for name in ("policy_steps", "pretraining_steps", "transitions_per_step")),
        _ends(*product),
        NOT_RECORDED if pd.isna(row["policy_loss"]) else row["policy_loss"],
        _range(row, "gradient_clip"),
        *(_measured(row, name) for name in ("seconds_per_1000_steps", "peak_memory_mb")),
    ]


def network_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the cells of one row per method, variant and network, as `NETWORK_HEADER` names them."""
    return [
        [
            row_name(row["method"], row["variant"]),
            row["network"],
            row["layers"],
            *(
                _range(row, name)
                for name in ("parameters", "gradient_steps", "learning_rate", "weight_decay")
            ),
        ]
        for row in table.to_dict("records")
    ]


def _range(row: dict[Any, Any], name: str) -> str:
    return _ends(row[f"{name}_min"], row[f"{name}_max"])


def _ends(low: float, high: float) -> str:
    if math.isnan(low):
        return NOT_RECORDED
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")  # 1e-3 * 10000 is not quite 10
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _measured(row: dict[Any, Any], name: str) -> str:
    median, low, high = (row[f"{name}_{end}"] for end in ("median", "min", "max"))
    return NOT_RECORDED if pd.isna(median) else f"{median:.3g} ({low:.3g} to {high:.3g})"
