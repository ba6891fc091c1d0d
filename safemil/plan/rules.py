"""What the workflow's rules need from the configuration: lists of runs, filled paths, tracked parameters.

The rules stay thin: each is a path template, a list from here, and one command.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safemil import paths
from safemil.behavior.settings import behavior_runs, load_behavior
from safemil.catalogue import (
    MethodKind,
    method_kind,
    method_named,
    module_name,
    reference_method,
    rolled_out_references,
)
from safemil.data.local import local_files
from safemil.errors import UserError
from safemil.plan.ablation_cells import ablation_runs, is_run
from safemil.plan.configuration import Config
from safemil.protocol import BEHAVIOUR_REFERENCE, DEFAULT_VARIANT
from safemil.records.expected import ExpectedRun, WantedRun
from safemil.records.provenance import source_digest, training_code
from safemil.tasks import get_task, load_tasks

# Evaluation settings that change rollouts; the others change only what is computed from them.
ROLLOUT_SETTINGS = {"episodes", "n_environments", "fast_simulator"}
CURVE_ROLLOUT_SETTINGS = {"curve_episodes", "n_environments", "fast_simulator"}

# Those of the learning curves alone, on which no score of a final policy depends.
CURVE_SETTINGS = {"curve_points", "curve_episodes", "level_tolerance"}

# The ablations that the paper's claims are about (claims 4, 5 and 6).
CLAIMED_ABLATIONS = ("k", "h", "weighting")

# The task that each published file is of.
DSRL_TASKS = {task.dsrl_file: task.name for task in load_tasks().values() if task.dsrl_file}

Run = Mapping[str, str | int]


def tracked(value: object) -> str:
    """Return settings as one plain string: Snakemake silently ignores richer types as parameters."""
    return json.dumps(value, sort_keys=True)


@dataclass(frozen=True)
class Plan:
    """The configuration as the rules see it."""

    config: Config

    def path(self, template: str, **values: object) -> str:
        """Fill run name, source and `values` into a template; other wildcards stay for Snakemake."""
        known = {"run_name": self.config.run_name, "source": self.config.source, **values}
        for name, value in known.items():
            template = template.replace("{" + name + "}", str(value))
        return template

    def key(self, run: Run) -> tuple[str, str, str, str, int]:
        """Return a run's key, as in rows: task, source, method, variant, seed."""
        task, method, variant = (str(run[name]) for name in ("task", "method", "variant"))
        return task, self.config.source, method, variant, int(run["seed"])

    def data_of(self, template: str, run: Run) -> str:
        """Return the file of the split that a run (its task, method and variant) is trained on."""
        split = self.config.split_of(str(run["method"]), str(run["variant"]))
        return self.path(template, task=run["task"], split=split)

    def paths(self, template: str, runs: Iterable[Run]) -> list[str]:
        """Fill a template for each run."""
        return [self.path(template, **run) for run in runs]

    def for_tasks(self, template: str) -> list[str]:
        """Fill a template for each task, and the default split where it asks for one."""
        return [self.path(template, task=task, split=DEFAULT_VARIANT) for task in self.config.tasks]

    def source_data(self, task: str) -> str:
        """Return the labelled file that a task's split reads."""
        if self.config.source == "local":
            return str(self.local_data()[task])
        if self.config.source == "dsrl":
            return paths.DSRL_DATA.format(dsrl_file=get_task(task).published_name())
        return paths.COLLECTED_DATA.format(task=task)

    def local_data(self) -> dict[str, Path]:
        """Return the user's own file of each task by the task's name; none for another source.

        Raises:
            UserError: a task has no file; names every such task.
        """
        if self.config.data_directory is None:
            return {}
        return local_files(Path(self.config.data_directory), map(get_task, self.config.tasks))

    def is_collected(self) -> bool:
        """Say whether the data are collected here."""
        return self.config.source == "collected"

    def table_file(self, table: str, extension: str) -> str:
        """Return one of the files of a table, by its name and ending."""
        return self.path(paths.TABLE_FILE, table=table, extension=extension)

    def table_files(self, table: str) -> list[str]:
        """Return the files of a table."""
        return [self.table_file(table, extension) for extension in ("csv", "md", "tex")]

    def figure_files(self, figure: str) -> list[str]:
        """Return the files of a figure, by its name: PNG, PDF and the numbers in it."""
        return [self.path(paths.FIGURE, figure=figure, extension=each) for each in ("png", "pdf", "csv")]

    def collect_options(self, task: str) -> str:
        """Return a task's settings of collecting as options of the command: `--seed 0 --noise-std 0.2`.

        Those that are by task are given for this one, with what holds where the task is left out: the
        command's own defaults are those of the default configuration.
        """
        collect = self.config.collect
        shared = collect.model_dump(mode="json", exclude={"more_episodes", "highest_return"})
        own = {
            "more_episodes": collect.more_episodes.get(task, 1.0),
            "highest_return": collect.return_limit(task),
        }
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in (shared | own).items())

    def method_runs(self) -> list[Run]:
        """Return every task, method, variant and seed of the configuration, custom methods included."""
        return [
            {"task": task, "method": method, "variant": variant, "seed": seed}
            for task in self.config.tasks
            for method, variants in self.config.every_method.items()
            for variant in variants
            if self.config.runs_on(task, method, variant)
            for seed in self.config.seeds
        ]

    def method_pattern(self, kind: MethodKind | None = None) -> str:
        """Return a regular expression of the methods to train of one kind; of every method without a kind.

        Rules constrain their wildcard by it, so that what reads labels is never asked for a learner. Custom
        methods are of no kind: nothing here trains them.
        """
        if kind is None:
            return _any_of(self.config.every_method)
        return _any_of(name for name in self.config.methods if method_kind(name) == kind)

    def trained_method_pattern(self) -> str:
        """Return a regular expression of the configured methods that are trained here, of either kind."""
        return _any_of(self.config.methods)

    def custom_method_pattern(self) -> str:
        """Return a regular expression of the methods whose policies are written by custom rules."""
        return _any_of(self.config.custom_methods)

    def custom_settings(self, method: str, variant: str) -> str:
        """Return the settings of a custom method's variant, as a tracked parameter in JSON."""
        return tracked(self.config.custom_methods[method][variant].settings)

    def reference_runs(self) -> list[Run]:
        """Return the references of every task that are rolled out without training."""
        return [
            {"task": task, "method": reference, "variant": DEFAULT_VARIANT, "seed": 0}
            for task in self.config.tasks
            for reference in rolled_out_references(self.config.source)
        ]

    def gathered_runs(self) -> list[Run]:
        """Return every run whose episodes belong into the one table of the configuration."""
        return self.method_runs() + self.reference_runs()

    def expected_runs(self) -> list[ExpectedRun]:
        """Return these runs with the gradient steps and episodes that their rows must have."""
        return self._expected(self.gathered_runs(), self.config.evaluation.episodes)

    def expected_ablation_runs(self, name: str) -> list[ExpectedRun]:
        """Return the runs of an ablation with their budgets, as `expected_runs`."""
        return self._expected(self.ablation_cells(name), self.config.evaluation.episodes)

    def expected_curve_runs(self) -> list[ExpectedRun]:
        """Return the runs that have a learning curve, with the budgets of its last point."""
        return self._expected(self.curve_runs(), self.config.evaluation.curve_episodes)

    def expected_in(self, table: str) -> list[ExpectedRun]:
        """Return the runs of a gathered table of episodes: `episodes`, `curve_episodes`, `ablation_NAME`."""
        if table == "curve_episodes":
            return self.expected_curve_runs()
        name = table.removeprefix("ablation_")
        return self.expected_ablation_runs(name) if name != table else self.expected_runs()

    def expected_cost_runs(self) -> list[ExpectedRun]:
        """Return the runs whose learned costs are scored, with their budgets."""
        return self._expected(self.cost_runs(), self.config.evaluation.episodes)

    def _expected(self, runs: Iterable[Run], episodes: int) -> list[ExpectedRun]:
        keys = [self.key(run) for run in runs]
        return [
            ExpectedRun(*key, step=self._expected_step(key[0], key[2], key[3]), episodes=episodes)
            for key in keys
        ]

    def _expected_step(self, task: str, method: str, variant: str) -> int | None:
        """Return a policy's gradient steps: 0 for references, None for programs, which say it themselves."""
        if method in self.config.custom_methods:
            return None
        is_trained = method in self.config.methods
        return self.config.training_of(task, method, variant).steps if is_trained else 0

    def wanted_runs(self) -> list[WantedRun]:
        """Return the runs of `expected_runs` with their files, and what their records must state."""
        return [
            self._wanted(run, expected)
            for run, expected in zip(self.gathered_runs(), self.expected_runs(), strict=True)
        ]

    def _wanted(self, run: Run, expected: ExpectedRun) -> WantedRun:
        task, method, variant = (str(run[name]) for name in ("task", "method", "variant"))
        episodes, record = (Path(self.path(file, **run)) for file in (paths.EPISODES, paths.RUN_RECORD))
        if method in self.config.custom_methods:
            settings = self.config.custom_methods[method][variant].settings
            return WantedRun(expected, episodes, record, {"settings": dict(settings)})
        if method in self.config.methods:
            data = Path(self.data_of(paths.TRAINING_DATA, run))
            return WantedRun(expected, episodes, record, self._asked(task, method, variant), data)
        shipped = (paths.SHIPPED_POLICIES, paths.SHIPPED_CARD) if method == BEHAVIOUR_REFERENCE else ()
        files = tuple(Path(self.path(file, **run)) for file in shipped)
        return WantedRun(expected, episodes, files=files)

    def _asked(self, task: str, method: str, variant: str) -> dict[str, Any]:
        """Return the settings of a training as its record states them, the method's defaults filled in."""
        from safemil.methods.registry import find_method  # brings torch along

        given = self.config.overrides_of(method, variant).settings
        settings = find_method(method).settings_model.model_validate(given).model_dump(mode="json")
        training = self.config.training_of(task, method, variant).decisive()
        return {"training": training, "settings": settings}

    def unconfigured_episodes(self) -> list[Path]:
        """Return files of episodes in the run's folder that neither the runs nor the ablations ask for."""
        runs = self.gathered_runs()
        for name in self.config.ablations:
            runs += self.ablation_cells(name) if is_run(self.config, name) else []
        known = set(self.paths(paths.EPISODES, runs))
        pattern = re.sub(r"\{\w+\}", "*", self.path(paths.EPISODES, source="*"))
        return [path for path in sorted(Path().glob(pattern)) if path.as_posix() not in known]

    def ablation_cells(self, name: str) -> list[Run]:
        """Return every run that the points of an ablation show, the references included."""
        found = ablation_runs(self.config, name)
        runs: list[Run] = [
            {"task": task, "method": method, "variant": variant, "seed": seed}
            for task in found.tasks
            for method, variant in found.cells()
            for seed in self.config.seeds
        ]
        return runs + self._ablation_references(found.tasks)

    def _ablation_references(self, tasks: Sequence[str | int]) -> list[Run]:
        """Return the runs that the scores of these tasks are relative to."""
        trained = reference_method(self.config.source)
        runs = self.reference_runs() + [
            run for run in self.method_runs() if (run["method"], run["variant"]) == (trained, DEFAULT_VARIANT)
        ]
        return [run for run in runs if run["task"] in tasks]

    def ablation_parameters(self, name: str) -> str:
        """Return what decides an ablation's table and figure besides its episodes, as a tracked parameter."""
        config = self.config
        ablation = config.ablations[name].model_dump(mode="json")
        given = {"tasks": config.tasks, "methods": list(config.methods)}
        return tracked({**given, "ablation": ablation, "evaluation": self.score_parameters()})

    def ablation_names(self) -> list[str]:
        """Return the ablations that `all` includes and that have something to run."""
        return [name for name in self.config.ablations_in_all if is_run(self.config, name)]

    def claimed_ablations(self) -> dict[str, tuple[str, str]]:
        """Return table (CSV) and episodes of the ablations that claims are about, by their names.

        They are those that `all` includes; without its ablation a claim is not measured.
        """
        return {
            name: (
                self.table_file(f"ablation_{name}", "csv"),
                self.path(paths.ABLATION_EPISODES, ablation=name),
            )
            for name in self.ablation_names()
            if name in CLAIMED_ABLATIONS
        }

    def training_parameters(self, task: str, method: str, variant: str) -> str:
        """Return what decides a training besides data and code, as a tracked parameter."""
        training = self.config.training_of(task, method, variant).decisive()
        return tracked({"training": training, "settings": self.config.overrides_of(method, variant).settings})

    def all_training_parameters(self) -> str:
        """Return those of every training in one tracked parameter, for what reads nothing but records.

        A record that was taken up from the kept runs does not become newer when a setting changes.
        """
        names = ("task", "method", "variant")
        cells = {tuple(str(run[name]) for name in names) for run in self.trained_runs()}
        return tracked({"/".join(cell): self.training_parameters(*cell) for cell in cells})

    def split_parameters(self, split: str) -> str:
        """Return the settings of a split, as a tracked parameter."""
        return tracked(self.config.split_settings(split).model_dump(mode="json"))

    def training_code(self, method: str) -> str:
        """Return the digest of the code behind a training."""
        return training_code(module_name(method))

    def rollout_parameters(self) -> str:
        """Return the evaluation settings that change rollouts, as a tracked parameter."""
        return tracked(self.config.evaluation.model_dump(include=ROLLOUT_SETTINGS))

    def curve_rollout_parameters(self) -> str:
        """Return the evaluation settings that change rollouts of kept policies, as a tracked parameter."""
        return tracked(self.config.evaluation.model_dump(include=CURVE_ROLLOUT_SETTINGS))

    def score_parameters(self) -> str:
        """Return the evaluation settings behind the scores of final policies, as a tracked parameter."""
        return tracked(self.config.evaluation.model_dump(mode="json", exclude=CURVE_SETTINGS))

    def trained_runs(self) -> list[Run]:
        """Return the runs that are trained here; a custom method's are not, and have no curve."""
        return [run for run in self.method_runs() if run["method"] in self.config.methods]

    def curve_policies(self) -> list[str]:
        """Return the template of the policies kept along a training; none where no curve is asked for.

        Their number is part of the name and not of a training's parameters: a run that lacks them is trained
        again for them, and asking for none reruns nothing.
        """
        points = self.config.evaluation.curve_points
        return [self.path(paths.CURVE_POLICIES, points=points)] if points else []

    def curve_runs(self) -> list[Run]:
        """Return the runs that have a learning curve.

        Raises:
            UserError: no curve is asked for, or no configured method is trained here.
        """
        runs = self.trained_runs() if self.config.evaluation.curve_points else []
        if not runs:
            raise UserError(
                "this configuration has no learning curves",
                expected="evaluation.curve_points above 0, and a method that is trained here",
                found=f"evaluation.curve_points: {self.config.evaluation.curve_points}",
                hint="set evaluation.curve_points, e.g. to 20; trainings without kept policies are run again",
            )
        return runs

    def has_curves(self) -> bool:
        """Say whether learning curves are asked for, and a method is trained here."""
        return bool(self.config.evaluation.curve_points and self.trained_runs())

    def cost_runs(self, variant: str | None = None) -> list[Run]:
        """Return the runs of the methods that learn a cost; of one variant if it is given."""
        methods = {method for method in self.config.methods if method_named(method).learns_cost}
        runs = [run for run in self.method_runs() if run["method"] in methods]
        return [run for run in runs if variant in (None, run["variant"])]

    def tables(self) -> list[str]:
        """Return the names of the tables of rows: episodes, runs, and episodes of curves if there are any."""
        return ["episodes", "runs", *(["curve_episodes"] if self.has_curves() else [])]

    def bounded_tasks(self) -> list[str]:
        """Return the tasks on which BC-Unlabeled, BC-Safe and another learner are run, all default."""
        config = self.config
        learners = {name for name in config.every_method if method_named(name).kind == "learner"} - {"bc"}
        return [
            task
            for task in config.tasks
            if all(_runs_default(config, task, bound) for bound in ("bc", "bc_safe"))
            and any(_runs_default(config, task, learner) for learner in learners)
        ]

    def selection_runs(self) -> list[Run]:
        """Return the runs whose learned costs and weights are held against the cost that they avoid."""
        tasks = self.bounded_tasks()
        return [run for run in self.cost_runs(DEFAULT_VARIANT) if run["task"] in tasks]

    def learned_cost_table(self) -> list[str]:
        """Return the numbers of the table of learned costs; no file where no method learns a cost."""
        return [self.table_file("learned_cost", "csv")] if self.cost_runs() else []

    def cost_code(self, method: str) -> str:
        """Return the digest of the code behind the scores of a learned cost."""
        return source_digest("safemil.learned_cost.measure", module_name(method))

    def behavior_tasks(self) -> list[str]:
        """Return the configured tasks whose behaviour runs are described."""
        described = load_behavior()
        return [task for task in self.config.tasks if task in described]

    def where_results_are(self) -> str:
        """Return lines that name the table, the figure and the claims that exist."""
        made = {
            "Table": Path(self.table_file("main", "md")),
            "Figure": Path(self.figure_files("main")[0]),
            "Claims": Path(self.path(paths.CLAIMS, extension="md")),
        }
        return "\n".join(f"{name + ':':<8} {path}" for name, path in made.items() if path.is_file())


def _runs_default(config: Config, task: str, method: str) -> bool:
    """Say whether a method's default variant is run on a task."""
    planned = DEFAULT_VARIANT in config.every_method.get(method, {})
    return planned and config.runs_on(task, method, DEFAULT_VARIANT)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names)) or "(?!)"  # which matches nothing


def option(name: str, *values: str) -> str:
    """Return `--name VALUE ...`, quoted for the shell; empty where there is no value."""
    return " ".join([f"--{name}", *map(shlex.quote, values)]) if values else ""


def behavior_snapshots(task: str) -> list[str]:
    """Return the snapshot file of each behaviour run of a task."""
    return [paths.BEHAVIOR_SNAPSHOTS.format(task=task, behavior_run=run) for run in behavior_runs(task)]


def behavior_parameters(task: str, run: str) -> str:
    """Return what decides a behaviour run, as a tracked parameter."""
    return behavior_runs(task)[run].model_dump_json()
