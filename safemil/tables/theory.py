"""The check of the theory as a document: what was drawn, and what agrees with the formula."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.theory.bags import COST_LAWS, CostLaw
from safemil.theory.settings import TheorySettings
from safemil.theory.table import LEMMA, THEOREM, outside, theory_table


def make(run: TableRun, *, settings: TheorySettings) -> Document:
    """Draw bags, and return the table."""
    return theory_document(theory_table(settings), run_name=run.name)


def theory_document(table: pd.DataFrame, *, run_name: str, laws: Sequence[CostLaw] = COST_LAWS) -> Document:
    """Return the table with a section per statement and law of costs, each saying what agrees.

    Args:
        table: as from `theory_table`.
        run_name: the scale of the run, such as `quick` or `paper`.
        laws: of costs, in order.
    """
    n, seed = table["n"].iloc[0], table["seed"].iloc[0]
    lemma = "Lemma 1: an unlabelled bag holds a preferred trajectory"
    theorem = "Theorem 1: the non-preferred bag scores above the unlabelled one"
    sections = [_section(lemma, LEMMA, table[table["statement"] == LEMMA])]
    for law in laws:
        rows = table[(table["statement"] == THEOREM) & (table["costs"] == law.name)]
        key = f"{THEOREM}-{law.name}"
        sections.append(_section(f"{theorem}, {law.display}", key, rows, law.description))
    return Document(
        name="theory",
        title="Lemma 1 and Theorem 1 by simulation",
        frame=table,
        sections=sections,
        run_name=run_name,
        introduction=(
            f"{n:,} bags or pairs of bags per row, seed {seed}. Formula: 1 − (1 − α)^K. Exact: what holds "
            "under the costs of the section, computed without drawing. Frequency: as drawn, with Clopper and "
            "Pearson's 95 % interval; of these about one in 20 misses by chance. The simultaneous level "
            "widens them so that with 95 % all of a section hold (Bonferroni). A tie does not count as above."
        ),
        made_from="draws of bags",
    )


def _section(heading: str, key: str, rows: pd.DataFrame, description: str = "") -> Section:
    compared = ["exact"] if np.allclose(rows["exact"], rows["formula"]) else ["exact", "formula"]
    return Section(
        heading,
        text=description,
        points=[_agreement(rows, column) for column in compared],
        columns=["α", "K", "formula", "exact", "frequency [95 %]"],
        rows=list(_rows(rows)),
        caption=heading,
        key=key,
        alignment="rrrrr",
        rule=f"|{'---:|' * 5}",
    )


def _rows(rows: pd.DataFrame) -> Iterator[Row]:
    for row in rows.to_dict("records"):
        drawn = f"{row['frequency']:.4f} [{row['low']:.4f}, {row['high']:.4f}]"
        yield [
            f"{row['alpha']:g}",
            str(row["bag_size"]),
            f"{row['formula']:.4f}",
            f"{row['exact']:.4f}",
            drawn,
        ]


def _agreement(rows: pd.DataFrame, column: str) -> str:
    alone = len(rows) - len(outside(rows, column, simultaneous=False))
    together = len(rows) - len(outside(rows, column, simultaneous=True))
    return (
        f"The interval holds the {column} value in {alone} of {len(rows)} rows, "
        f"at the simultaneous level in {together} of {len(rows)}."
    )
