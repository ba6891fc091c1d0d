"""The sentence under every table and figure that says what the numbers stand on."""

from collections.abc import Iterable

import pandas as pd

from safemil.catalogue import Kind, known_methods

KIND_PLURALS: dict[Kind, str] = {"learner": "learners", "oracle": "oracles", "reference": "references"}


def sentences(text: str) -> list[str]:
    """Return the paragraphs of a text, each as one line."""
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]


def sources_of(table: pd.DataFrame) -> str:
    """Return the sources of the data behind a table, as text."""
    return ", ".join(sorted(table["source"].unique()))


def is_partial(table: pd.DataFrame) -> bool:
    """Say whether a table is of the runs that are finished so far, as from `partial_table`."""
    return "n_configured" in table.columns


def partial_mark(table: pd.DataFrame) -> str:
    """Return `partial: 3 of 10 runs` for a partial table; empty for a complete one."""
    if not is_partial(table):
        return ""
    return f"partial: {table['n_seeds'].sum()} of {table['n_configured'].sum()} runs"


def title_mark(table: pd.DataFrame) -> str:
    """Return the mark of a partial table as it stands behind a title; empty for a complete one."""
    return f" ({partial_mark(table)})" if is_partial(table) else ""


def budget_sentence(table: pd.DataFrame) -> str:
    """Return source, seeds, episodes per seed and gradient steps of the rows of a main table, by kind.

    A number that differs between rows is given as its range, `3 to 5 seeds`. References take no gradient
    steps here, so none are stated for them. Rows without a finished seed have no budget.
    """
    kinds_of_budget: dict[str, list[str]] = {}
    for kind in dict.fromkeys(method.kind for method in known_methods().values()):
        rows = table[(table["kind"] == kind) & (table["n_seeds"] > 0)]
        if not rows.empty:
            kinds_of_budget.setdefault(_budget(rows), []).append(KIND_PLURALS[kind])
    parts = [f"{' and '.join(kinds)}: {budget}" for budget, kinds in kinds_of_budget.items()]
    return "; ".join([f"Source {sources_of(table)}", *parts])


def budget_sentences(table: pd.DataFrame) -> str:
    """Return `budget_sentence` and what sets oracles apart, as whole sentences."""
    return ". ".join(filter(None, [budget_sentence(table), oracle_sentence(table)])) + "."


def oracle_sentence(table: pd.DataFrame) -> str:
    """Return what sets the oracles of a main table apart; empty if it has none."""
    if not (table["kind"] == "oracle").any():
        return ""
    return "Oracles are trained on true labels, which no learner sees"


def custom_method_notes(methods: Iterable[str]) -> list[str]:
    """Return the sentence that a main table says about methods made by programs of the user's own."""
    names = list(methods)
    if not names:
        return []
    return [
        f"Made by programs of the user's own: {', '.join(names)}. They count as learners; that they saw "
        "neither reward nor cost is for their authors to say."
    ]


def _budget(rows: pd.DataFrame) -> str:
    seeds = amount(rows["n_seeds"], "seed")
    episodes = amount(rows["n_episodes"] // rows["n_seeds"], "episode")
    budget = f"{seeds} × {episodes}"
    return f"{budget}, {amount(rows['step'], 'gradient step')}" if rows["step"].max() > 0 else budget


def amount(values: pd.Series, noun: str) -> str:
    """Return a count with its noun, `5 seeds`; as a range where the values differ, `3 to 5 seeds`."""
    low, high = int(values.min()), int(values.max())
    amount = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{amount} {noun}" if high == 1 else f"{amount} {noun}s"
