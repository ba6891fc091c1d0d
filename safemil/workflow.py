"""What the workflow's rules need from the configuration: lists of runs, filled paths, tracked parameters.

The rules stay thin: each is a path template, a list from here, and one command.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safemil import paths
from safemil.behavior.settings import behavior_runs, load_behavior
from safemil.config import Config
from safemil.data.local import local_files
from safemil.errors import UserError
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

# What holds rewards or costs, besides the source of the data itself.
LABELLED_FILES = (paths.ORACLE_LABELS, paths.HELD_OUT)

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

    def custom_method_pattern(self) -> str:
        """Return a regular expression of the methods whose policies are written by custom rules."""
        return _any_of(self.config.custom_methods)

    def custom_rules(self) -> list[str]:
        """Return the user's own rule files as absolute paths.

        Raises:
            UserError: a file is missing; names every such file.
        """
        files = [Path(file).absolute() for file in self.config.custom_rules]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise UserError(
                "a file of custom_rules is missing",
                expected="Snakemake files, named relative to the working directory",
                found=f"no file {', '.join(missing)}",
                hint="docs/add_a_method.md shows one",
            )
        return list(map(str, files))

    def check_custom_rules(self, rules: Iterable[Any]) -> None:
        """Make sure that a rule writes each custom method's policies, and none that is handed labels.

        That is a guard against mistakes: it sees inputs that are written down, not those that a function
        or an earlier rule brings.

        Args:
            rules: all rules, as Snakemake holds them.

        Raises:
            UserError: names the method, and the file that no rule writes or the rule's input.
        """
        known = list(rules)
        for run in self.method_runs():
            if run["method"] not in self.config.custom_methods:
                continue
            policy = self.path(paths.POLICY, **run)
            writers = [rule for rule in known if any(output.match(policy) for output in rule.output)]
            if not writers:
                raise UserError(
                    f"no rule writes the policy of the custom method {run['method']}",
                    expected=f"a rule with the output {policy}",
                    where=", ".join(self.config.custom_rules),
                    hint=f'output: policy=PLAN.path(paths.POLICY, method="{run["method"]}")',
                )
            self._check_reads_no_labels(writers, str(run["method"]))

    def _check_reads_no_labels(self, writers: Iterable[Any], method: str) -> None:
        for task in self.config.tasks:
            labelled = {self.path(file, task=task) for file in LABELLED_FILES} | {self.source_data(task)}
            for rule in writers:
                inputs = {str(item).replace("{task}", task) for item in rule.input if not callable(item)}
                if inputs & labelled:
                    raise UserError(
                        f"the rule of the custom method {method} reads rewards or costs",
                        expected=f"the stripped file alone, {self.path(paths.TRAINING_DATA, task=task)}",
                        found=", ".join(sorted(inputs & labelled)),
                        where=f"rule {rule.name}",
                        hint="custom methods stand among the learners, which see neither",
                    )

    def accepted_record(self, run: Run) -> list[str]:
        """Return the record of a custom method's run, without which it is not rolled out; else no file."""
        is_custom = run["method"] in self.config.custom_methods
        return [self.path(paths.RUN_RECORD, **run)] if is_custom else []

    def custom_settings(self, method: str, variant: str) -> str:
        """Return the settings of a custom method's variant, as a tracked parameter in JSON."""
        return tracked(self.config.custom_methods[method][variant].settings)

    def reference_runs(self) -> list[Run]:
        """Return the references of every task that are rolled out without training."""
        return [
            {"task": task, "method": reference, "variant": "default", "seed": 0}
            for task in self.config.tasks
            for reference in rolled_out_references(self.config.source)
        ]

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
        """Return lines that name the table and the figure that exist."""
        made = {
            "Table": Path(self.path(paths.MAIN_TABLE, extension="md")),
            "Figure": Path(self.path(paths.MAIN_FIGURE, extension="png")),
        }
        return "\n".join(f"{name + ':':<8} {path}" for name, path in made.items() if path.is_file())


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names)) or "(?!)"  # which matches nothing


def behavior_snapshots(task: str) -> list[str]:
    """Return the snapshot file of each behaviour run of a task."""
    return [paths.BEHAVIOR_SNAPSHOTS.format(task=task, behavior_run=run) for run in behavior_runs(task)]


def behavior_parameters(task: str, run: str) -> str:
    """Return what decides a behaviour run, as a tracked parameter."""
    return behavior_runs(task)[run].model_dump_json()
