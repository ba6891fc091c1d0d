"""The list of figures. To add one: a module with `make`, an entry here, a caption, a test.

A module's `make(run, ...)` is given a `TableRun` and, by their names, the inputs of its entry. It returns the
figure and a table of every number in it. Command, rules, targets and report follow from the entry:
`safemil figure NAME`, `snakemake figure_NAME`, figures/{run_name}/NAME.{png,pdf,csv}.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safemil.plan import inputs
from safemil.plan.ablation_cells import ablation_runs
from safemil.plan.entries import Entry, make
from safemil.plan.inputs import Inputs, value
from safemil.plan.rules import Plan
from safemil.tables.entries import run_of_plan


@dataclass(frozen=True)
class FigureEntry(Entry):
    """A figure; workflow/report/{caption}.rst is its caption, `figure_{name}` if left out."""

    caption: str = ""

    @property
    def target(self) -> str:
        """Return the name of the rule that draws it."""
        return f"figure_{self.name}"

    @property
    def caption_name(self) -> str:
        """Return the name of its caption, without ending."""
        return self.caption or self.target


FIGURES = (
    FigureEntry(
        *("main", "comparison", "Figure: return, cost and CVaR", inputs.scores),
        module="safemil.figures.main_comparison",
    ),
    FigureEntry(
        *("plane", "comparison", "Figure: plane of cost and return", inputs.scores),
        module="safemil.figures.plane",
    ),
    FigureEntry(
        *("profiles", "comparison", "Figure: performance profiles", inputs.scores),
        module="safemil.figures.profiles",
    ),
    FigureEntry(
        *("learning_curves", "learning_curves", "Figure: return and cost over steps", inputs.curves),
        when=Plan.has_curves,
        module="safemil.figures.learning_curves",
    ),
    FigureEntry(
        *("learned_cost", "learned_cost", "Figure: learned and true cost along episodes"),
        lambda plan: {"traces": inputs.traces(plan)},
        when=Plan.cost_runs,
        settings=lambda _: "",
        module="safemil.figures.learned_cost",
    ),
    FigureEntry(
        *("theory", "theory", "Figure: Lemma 1 and Theorem 1"),
        lambda plan: {"table": inputs.one(plan.table_file("theory", "csv"))},
        settings=lambda _: "",
        module="safemil.figures.theory",
    ),
)


def _ablation(name: str) -> FigureEntry:
    def given(plan: Plan) -> Inputs:
        runs = ablation_runs(plan.config, name)
        known = {"ablation": value(runs.ablation), "points": value(runs.points), "tasks": value(runs.tasks)}
        return {"episodes": inputs.ablation_episodes(plan, name), **known}

    return FigureEntry(
        *(f"ablation_{name}", "ablations", f"Figure: {name}", given),
        when=lambda plan: name in plan.ablation_names(),
        settings=lambda plan: plan.ablation_parameters(name),
        module="safemil.figures.ablation",
        caption="figure_ablation",
    )


def figure_entries(plan: Plan) -> dict[str, FigureEntry]:
    """Return every figure by its name; each configured ablation has one."""
    return {entry.name: entry for entry in [*FIGURES, *map(_ablation, plan.config.ablations)]}


def planned_figures(plan: Plan) -> list[str]:
    """Return the files of all figures that `all` includes."""
    planned = [entry.name for entry in figure_entries(plan).values() if entry.when(plan)]
    return [file for name in planned for file in plan.figure_files(name)]


def draw(name: str, plan: Plan, directory: Path, files: Sequence[Path] = ()) -> list[Path]:
    """Draw a figure and write its three files.

    Args:
        name: of the figure.
        plan: the configuration whose run it is of.
        directory: gets NAME.png, .pdf and .csv.
        files: its inputs, as `read_inputs`.

    Raises:
        UserError: there is no such figure; or an input is missing, or not what it should be.
    """
    from safemil.figures.style import save_figure

    figure, numbers = make(figure_entries(plan), name, run_of_plan(plan), plan, files)
    return save_figure(figure, numbers, directory / name)
