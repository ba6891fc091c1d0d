"""What the workflow's rules need from the configuration: lists of runs, filled paths, tracked parameters.

The rules stay thin: each is a path template, a list from here, and one command.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safemil import paths
from safemil.behavior.settings import behavior_runs, load_behavior
from safemil.config import Config
from safemil.data.local import local_files
from safemil.evaluation.expected_runs import ExpectedRun
from safemil.evaluation.references import rolled_out_references
from safemil.methods.registry_names import MethodKind, method_kind, module_name
from safemil.tasks import get_task, load_tasks
from safemil.training.provenance import source_digest

# Evaluation settings that change rollouts; the others change only what is computed from them.
ROLLOUT_SETTINGS = {"episodes", "n_environments", "fast_simulator"}

# The module that trains a method of either kind.
TRAINERS: dict[MethodKind, str] = {
    "learner": "safemil.training.train",
    "oracle": "safemil.training.train_oracle",
}

# The task that each published file is of.
DSRL_TASKS = {task.dsrl_file: task.name for task in load_tasks().values()}

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

    def paths(self, template: str, runs: Iterable[Run]) -> list[str]:
        """Fill a template for each run."""
        return [self.path(template, **run) for run in runs]

    def for_tasks(self, template: str) -> list[str]:
        """Fill a template for each task."""
        return [self.path(template, task=task) for task in self.config.tasks]

    def source_data(self, task: str) -> str:
        """Return the labelled file that a task's split reads."""
        if self.config.source == "local":
            return str(self.local_data()[task])
        if self.config.source == "dsrl":
            return paths.DSRL_DATA.format(dsrl_file=get_task(task).dsrl_file)
        return paths.COLLECTED_DATA.format(task=task)

    def local_data(self) -> dict[str, Path]:
        """Return the user's own file of each task by the task's name; none for another source.

        Raises:
            UserError: a task has no file; names every such task.
        """
        if self.config.data_directory is None:
            return {}
        return local_files(Path(self.config.data_directory), map(get_task, self.config.tasks))

    def data_overview(self) -> list[str]:
        """Return the table of the collected data; no file for another source."""
        return [self.path(paths.DATA_OVERVIEW)] if self.config.source == "collected" else []

    def collect_options(self) -> str:
        """Return the settings of collecting as options of the command, e.g. `--seed 0 --noise-std 0.2`."""
        settings = self.config.collect.model_dump(mode="json")
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())

    def method_runs(self) -> list[Run]:
        """Return every task, method, variant and seed of the configuration."""
        return [
            {"task": task, "method": method, "variant": variant, "seed": seed}
            for task in self.config.tasks
            for method, variants in self.config.methods.items()
            for variant in variants
            if self.config.runs_on(task, method, variant)
            for seed in self.config.seeds
        ]

    def method_pattern(self, kind: MethodKind | None = None) -> str:
        """Return a regular expression of the configured methods, of one kind if it is given.

        Rules constrain their wildcard by it, so that what reads labels is never asked for a learner.
        """
        methods = [name for name in self.config.methods if kind in (None, method_kind(name))]
        return "|".join(map(re.escape, methods)) or "(?!)"  # which matches nothing

    def reference_runs(self) -> list[Run]:
        """Return the references of every task that are rolled out without training."""
        return [
            {"task": task, "method": reference, "variant": "default", "seed": 0}
            for task in self.config.tasks
            for reference in rolled_out_references(self.config.source)
        ]

    def gathered_runs(self) -> list[Run]:
        """Return every run whose episodes belong into the one table of the configuration."""
        return self.method_runs() + self.reference_runs()

    def expected_runs(self) -> list[ExpectedRun]:
        """Return these runs with the gradient steps and episodes that their rows must have."""
        return [self._expected(run, trained=True) for run in self.method_runs()] + [
            self._expected(run, trained=False) for run in self.reference_runs()
        ]

    def expected_cost_runs(self) -> list[ExpectedRun]:
        """Return the runs whose learned costs are scored, with their budgets."""
        return [self._expected(run, trained=True) for run in self.cost_runs()]

    def _expected(self, run: Run, *, trained: bool) -> ExpectedRun:
        task, method, variant = str(run["task"]), str(run["method"]), str(run["variant"])
        # What the configuration does not train decides its steps itself.
        is_known = method in self.config.methods
        step = (self.config.training_of(method, variant).steps if is_known else None) if trained else 0
        key = (task, self.config.source, method, variant, int(run["seed"]))
        return ExpectedRun(*key, step=step, episodes=self.config.evaluation.episodes)

    def training_parameters(self, method: str, variant: str) -> str:
        """Return what decides a training besides data and code, as a tracked parameter."""
        training = self.config.training_of(method, variant).model_dump(mode="json")
        return tracked({"training": training, "settings": self.config.methods[method][variant].settings})

    def training_code(self, method: str) -> str:
        """Return the digest of the code behind a training."""
        return source_digest(TRAINERS[method_kind(method)], module_name(method))

    def rollout_parameters(self) -> str:
        """Return the evaluation settings that change rollouts, as a tracked parameter."""
        return tracked(self.config.evaluation.model_dump(include=ROLLOUT_SETTINGS))

    def cost_runs(self, variant: str | None = None) -> list[Run]:
        """Return the runs of the methods that learn a cost; of one variant if it is given."""
        from safemil.methods.cost_learner import learns_cost  # brings torch along

        methods = {method for method in self.config.methods if learns_cost(method)}
        runs = [run for run in self.method_runs() if run["method"] in methods]
        return [run for run in runs if variant in (None, run["variant"])]

    def if_cost_is_learned(self, template: str, extensions: Iterable[str]) -> list[str]:
        """Fill a template for each extension; no file where no configured method learns a cost."""
        return [self.path(template, extension=each) for each in extensions] if self.cost_runs() else []

    def cost_code(self, method: str) -> str:
        """Return the digest of the code behind the scores of a learned cost."""
        return source_digest("safemil.evaluation.learned_cost", module_name(method))

    def behavior_tasks(self) -> list[str]:
        """Return the configured tasks whose behaviour runs are described."""
        described = load_behavior()
        return [task for task in self.config.tasks if task in described]

    def where_results_are(self) -> str:
        """Return lines that name the table, the figure and the claims that exist."""
        made = {
            "Table": Path(self.path(paths.MAIN_TABLE, extension="md")),
            "Figure": Path(self.path(paths.MAIN_FIGURE, extension="png")),
            "Claims": Path(self.path(paths.CLAIMS, extension="md")),
        }
        return "\n".join(f"{name + ':':<8} {path}" for name, path in made.items() if path.is_file())


def option(name: str, files: Iterable[str]) -> str:
    """Return `--name FILE` for each file, quoted for the shell; empty where there is none."""
    return " ".join(f"--{name} {shlex.quote(file)}" for file in files)


def behavior_snapshots(task: str) -> list[str]:
    """Return the snapshot file of each behaviour run of a task."""
    return [paths.BEHAVIOR_SNAPSHOTS.format(task=task, behavior_run=run) for run in behavior_runs(task)]


def behavior_parameters(task: str, run: str) -> str:
    """Return what decides a behaviour run, as a tracked parameter."""
    return behavior_runs(task)[run].model_dump_json()
