"""The check of the theory as a document: what was drawn, and what agrees with the formula."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from safemil.tables.captions import sentences
from safemil.tables.cells import Row
from safemil.tables.document import Document, Section
from safemil.tables.request import TableRun
from safemil.theory.bags import COST_LAWS, CostLaw
from safemil.theory.settings import TheorySettings
from safemil.theory.table import LEMMA, THEOREM, outside, theory_table

_LEMMA = "Lemma 1: an unlabelled bag holds a preferred trajectory"
_THEOREM = "Theorem 1: the non-preferred bag scores above the unlabelled one"
_INTRODUCTION = """
{n:,} bags or pairs of bags per row, seed {seed}. Formula: 1 − (1 − α)^K. Exact: what holds under the costs of
the section, computed without drawing. Frequency: as drawn, with Clopper and Pearson's 95 % interval; of these
about one in 20 misses by chance. The simultaneous level widens them so that with 95 % all of a section hold
(Bonferroni). A tie does not count as above.
"""


def make(run: TableRun, settings: TheorySettings) -> Document:
    """Draw bags, and return the table."""
    return document(run, theory_table(settings))


def document(run: TableRun, table: pd.DataFrame, laws: Sequence[CostLaw] = COST_LAWS) -> Document:
    """Return a table as from `theory_table`, a section per statement and law of costs saying what agrees."""
    sections = [_section(_LEMMA, LEMMA, table[table["statement"] == LEMMA])]
    for law in laws:
        rows = table[(table["statement"] == THEOREM) & (table["costs"] == law.name)]
        heading, key = f"{_THEOREM}, {law.display}", f"{THEOREM}-{law.name}"
        sections.append(_section(heading, key, rows, law.description))
    (said,) = sentences(_INTRODUCTION.format(n=table["n"].iloc[0], seed=table["seed"].iloc[0]))
    title = "Lemma 1 and Theorem 1 by simulation"
    return Document(
        "theory", title, table, sections, run=run.name, introduction=said, made_from="draws of bags"
    )


def _section(heading: str, key: str, rows: pd.DataFrame, description: str = "") -> Section:
    compared = ["exact"] if np.allclose(rows["exact"], rows["formula"]) else ["exact", "formula"]
    return Section(
        heading,
        ["α", "K", "formula", "exact", "frequency [95 %]"],
        list(_rows(rows)),
        text=description,
        points=[_agreement(rows, column) for column in compared],
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
