"""Data cards: what a source file or a split holds, how it came about, and from which versions.

A card is written as JSON for programs, Markdown for people and PNG for the eye. It tells which trajectories
of D_U are preferred only in counts and in the picture, and no rule that trains a learner has it as an input.
"""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

import safemil
from safemil.data.outline import Outline
from safemil.data.split import BuiltSplit, SplitSettings
from safemil.data.trajectories import IndexArray
from safemil.files import replacing, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A column with more values, or with one of its own for each trajectory (an episode's seed, say), identifies
# trajectories rather than grouping them.
MAX_LISTED_VALUES = 50

_NUMERICAL_PACKAGES = ("h5py", "numpy", "scipy")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quantiles(_Model):
    """Five quantiles and the mean of a quantity over the trajectories of a set."""

    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float
    mean: float


class ProvenanceSummary(_Model):
    """One column of provenance: how many values it has, and each one's share of the trajectories."""

    distinct_values: int
    share: dict[str, float]


class SetSummary(_Model):
    """One set of trajectories: cost and return are undiscounted sums of an episode."""

    trajectories: int
    transitions: int
    episode_cost: Quantiles
    episode_return: Quantiles
    episode_length: Quantiles
    provenance: dict[str, ProvenanceSummary]


class FilterSummary(_Model):
    """One rectangle of the filter in the units of the source; no returns where its cost band was empty."""

    cost_from: float
    cost_to: float
    return_from: float | None
    return_to: float | None
    dropped: int


class SourceFile(_Model):
    """The file that a split was made of."""

    name: str
    sha256: str
    licence: str | None


class SourceCard(_Model):
    """The card of a source file."""

    kind: Literal["source"] = "source"
    task: str
    source: str
    attributes: dict[str, str]
    sets: dict[str, SetSummary]
    versions: dict[str, str]


class SplitCard(_Model):
    """The card of a split; counts are trajectories.

    Attributes:
        source_file: the file the trajectories are from; None for trajectories that were never in a file.
        rule, non_preferred_cost, preferred_cost: how classes were told apart, see `split.Classes`.
        fewer_than_asked: the sets were shrunk, as `allow_fewer` permits.
        alpha_realised: share of preferred trajectories in D_U as drawn.
        separability: AUROC of single state-action pairs (`separability.py`); None if not measured.
        sets: summaries by name of the set; an empty set is left out.
    """

    kind: Literal["split"] = "split"
    task: str
    source: str
    source_file: SourceFile | None
    settings: SplitSettings
    rule: str
    non_preferred_cost: float
    preferred_cost: float
    filters: tuple[FilterSummary, ...]
    in_file: int
    left_after_filters: int
    available_non_preferred: int
    available_preferred: int
    drawn_non_preferred: int
    drawn_unlabelled: int
    drawn_unlabelled_preferred: int
    fewer_than_asked: bool
    alpha_realised: float
    separability: float | None
    sets: dict[str, SetSummary]
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Return the versions of this project, Python and the packages that made the numbers."""
    packages = {name: version(name) for name in _NUMERICAL_PACKAGES}
    return {"python": platform.python_version(), "safemil": safemil.__version__, **packages}


def _quantiles(values: NDArray[Any]) -> Quantiles:
    names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
    numbers = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    quantiles = {name: float(number) for name, number in zip(names, numbers, strict=True)}
    return Quantiles(**quantiles, mean=float(np.mean(values, dtype=np.float64)))


def _provenance_summary(column: NDArray[Any]) -> ProvenanceSummary:
    values, counts = np.unique(column, return_counts=True)
    groups = len(values) <= MAX_LISTED_VALUES and (len(values) == 1 or counts.max() > 1)
    listed = zip(values, counts, strict=True) if groups else ()
    share = {str(value): float(count / len(column)) for value, count in listed}
    return ProvenanceSummary(distinct_values=len(values), share=share)


def _summaries(data: Outline, sets: Mapping[str, IndexArray]) -> dict[str, SetSummary]:
    returns, costs, lengths = data.returns, data.episode_costs, data.lengths
    return {
        name: SetSummary(
            trajectories=len(indices),
            transitions=int(lengths[indices].sum()),
            episode_cost=_quantiles(costs[indices]),
            episode_return=_quantiles(returns[indices]),
            episode_length=_quantiles(lengths[indices]),
            provenance={key: _provenance_summary(column[indices]) for key, column in data.provenance.items()},
        )
        for name, indices in sets.items()
        if len(indices)
    }


def source_card(
    outline: Outline, *, task: str, source: str, attributes: Mapping[str, str] | None = None
) -> SourceCard:
    """Describe a source file by its trajectories and the text attributes it carries."""
    everything = np.arange(outline.n_trajectories)
    return SourceCard(
        task=task,
        source=source,
        attributes=dict(attributes or {}),
        sets=_summaries(outline, {"all": everything}),
        versions=versions(),
    )


def _filters(built: BuiltSplit) -> tuple[FilterSummary, ...]:
    return tuple(
        FilterSummary(
            cost_from=area.cost_low,
            cost_to=area.cost_high,
            return_from=area.return_low,
            return_to=area.return_high,
            dropped=len(area.dropped),
        )
        for area in built.rectangles
    )


def _sets_of(built: BuiltSplit, n_trajectories: int) -> dict[str, IndexArray]:
    split = built.split
    return {
        "source": np.arange(n_trajectories),
        "left after filters": built.kept,
        "available, non-preferred": np.flatnonzero(built.classes.non_preferred),
        "available, preferred": np.flatnonzero(built.classes.preferred),
        "D_N": split.non_preferred,
        "D_U": split.unlabelled,
        "D_U, preferred": split.unlabelled[split.unlabelled_is_preferred],
        "D_U, others": split.unlabelled[~split.unlabelled_is_preferred],
    }


def split_card(
    data: Outline,
    built: BuiltSplit,
    settings: SplitSettings,
    *,
    task: str,
    source: str,
    source_file: SourceFile | None = None,
    separability: float | None = None,
) -> SplitCard:
    """Describe the split `built` of the source `data`."""
    split, classes, n = built.split, built.classes, data.n_trajectories
    drawn = (len(split.non_preferred), len(split.unlabelled))
    return SplitCard(
        task=task,
        source=source,
        source_file=source_file,
        settings=settings,
        rule=classes.rule,
        non_preferred_cost=classes.non_preferred_cost,
        preferred_cost=classes.preferred_cost,
        filters=_filters(built),
        in_file=n,
        left_after_filters=len(built.kept),
        available_non_preferred=int(classes.non_preferred.sum()),
        available_preferred=int(classes.preferred.sum()),
        drawn_non_preferred=drawn[0],
        drawn_unlabelled=drawn[1],
        drawn_unlabelled_preferred=int(split.unlabelled_is_preferred.sum()),
        fewer_than_asked=drawn != (settings.n_non_preferred, settings.n_unlabelled),
        alpha_realised=float(split.unlabelled_is_preferred.mean()),
        separability=separability,
        sets=_summaries(data, _sets_of(built, n)),
        versions=versions(),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines] + [""]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _set_rows(card: SourceCard | SplitCard, quantity: str) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, summary in card.sets.items():
        quantiles: Quantiles = getattr(summary, quantity)
        rows.append([name, summary.trajectories, *(_number(value) for _, value in quantiles)])
    return rows


def _sets_section(card: SourceCard | SplitCard) -> list[str]:
    lines: list[str] = []
    for quantity in ("episode_cost", "episode_return", "episode_length"):
        header = [quantity.replace("_", " "), "n", "minimum", "25 %", "median", "75 %", "maximum", "mean"]
        lines += _table(header, _set_rows(card, quantity))
    return lines


def _provenance_section(card: SourceCard | SplitCard) -> list[str]:
    lines: list[str] = []
    for column in sorted({column for summary in card.sets.values() for column in summary.provenance}):
        columns = {name: summary.provenance[column] for name, summary in card.sets.items()}
        values = sorted({value for summary in columns.values() for value in summary.share})
        rows = [[v, *(f"{columns[name].share.get(v, 0):.0%}" for name in columns)] for v in values]
        distinct = ["distinct values", *(summary.distinct_values for summary in columns.values())]
        lines += _table([f"share by {column.replace('_', ' ')}", *columns], [distinct, *rows])
    return lines


def _file_facts(file: SourceFile | None) -> list[tuple[str, object]]:
    if file is None:
        return []
    licence: list[tuple[str, object]] = [("licence of the data", file.licence)] if file.licence else []
    return [("source file", file.name), ("SHA-256 of the source file", file.sha256), *licence]


def _split_section(card: SplitCard) -> list[str]:
    settings = card.settings
    facts: list[tuple[str, object]] = [
        *_file_facts(card.source_file),
        ("builder, data seed", f"{settings.builder}, {settings.seed}"),
        ("trajectories in the file", card.in_file),
        ("left after the filters", card.left_after_filters),
        ("rule of the classes", card.rule),
        (
            "cost thresholds: non-preferred, preferred",
            f"{card.non_preferred_cost:g}, {card.preferred_cost:g}",
        ),
        (
            "available: non-preferred, preferred",
            f"{card.available_non_preferred}, {card.available_preferred}",
        ),
        ("D_N: drawn of asked", f"{card.drawn_non_preferred} of {settings.n_non_preferred}"),
        ("D_U: drawn of asked", f"{card.drawn_unlabelled} of {settings.n_unlabelled}"),
        ("D_U: preferred among them", card.drawn_unlabelled_preferred),
        ("fewer than asked", "yes" if card.fewer_than_asked else "no"),
        ("α realised", _number(card.alpha_realised)),
        ("separability of single pairs (AUROC)", _number(card.separability)),
    ]
    rows = [
        [number, *map(_number, (f.cost_from, f.cost_to, f.return_from, f.return_to)), f.dropped]
        for number, f in enumerate(card.filters, start=1)
    ]
    header = ["filter", "cost from", "cost to", "return from", "return to", "dropped"]
    return _table(["split", ""], facts) + (_table(header, rows) if rows else [])


def card_markdown(card: SourceCard | SplitCard) -> str:
    """Return the card as Markdown, with the picture `card.png` beside it."""
    lines = [f"# Data card: {card.task}, {card.source}, {card.kind}", ""]
    lines += ["Cost and return are undiscounted sums over an episode; n counts trajectories.", ""]
    lines += ["![Episode cost and return of each trajectory](card.png)", ""]
    if isinstance(card, SplitCard):
        lines += _split_section(card)
    elif card.attributes:
        lines += _table(["attribute", "value"], sorted(card.attributes.items()))
    lines += _sets_section(card) + _provenance_section(card)
    return "\n".join(lines + _table(["version of", ""], sorted(card.versions.items())))


def card_json(card: SourceCard | SplitCard) -> str:
    """Return the card as JSON with sorted keys: equal cards give equal text."""
    return json.dumps(card.model_dump(mode="json"), sort_keys=True, indent=2, allow_nan=False) + "\n"


def write_card(directory: Path, card: SourceCard | SplitCard, figure: "Figure") -> tuple[Path, Path, Path]:
    """Write `card.json`, `card.md` and `card.png` into `directory`, each atomically, and return their paths.

    Args:
        directory: made if missing.
        card: what the card says.
        figure: its picture, from `card_plot.plot_source` or `card_plot.plot_split`.
    """
    paths = (directory / "card.json", directory / "card.md", directory / "card.png")
    for path, text in zip(paths, (card_json(card), card_markdown(card)), strict=False):
        write_text(path, text)
    with replacing(paths[2]) as partial:
        figure.savefig(partial, format="png")
    return paths
