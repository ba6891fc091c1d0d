"""Rules of the user's own, which write policies of custom methods: where they are, what they may read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safemil import paths
from safemil.errors import UserError
from safemil.plan.rules import Plan

# What holds rewards or costs, besides the source of the data itself.
LABELLED_FILES = (paths.ORACLE_LABELS, paths.HELD_OUT)


def custom_rule_files(plan: Plan) -> list[str]:
    """Return the user's own rule files as absolute paths.

    Raises:
        UserError: a file is missing; names every such file.
    """
    files = [Path(file).absolute() for file in plan.config.custom_rules]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise UserError(
            "a file of custom_rules is missing",
            expected="Snakemake files, named relative to the working directory",
            found=f"no file {', '.join(missing)}",
            hint="docs/add_a_method.md shows one",
        )
    return list(map(str, files))


def check_custom_rules(plan: Plan, rules: Iterable[Any]) -> None:
    """Make sure that a rule writes each custom method's policies, and none that is handed labels.

    That is a guard against mistakes: it sees inputs that are written down, not those that a function
    or an earlier rule brings.

    Args:
        plan: the configuration.
        rules: all rules, as Snakemake holds them.

    Raises:
        UserError: names the method, and the file that no rule writes or the rule's input.
    """
    known = list(rules)
    for run in plan.method_runs():
        if run["method"] not in plan.config.custom_methods:
            continue
        policy = plan.path(paths.POLICY, **run)
        writers = [rule for rule in known if any(output.match(policy) for output in rule.output)]
        if not writers:
            raise UserError(
                f"no rule writes the policy of the custom method {run['method']}",
                expected=f"a rule with the output {policy}",
                where=", ".join(plan.config.custom_rules),
                hint=f'output: policy=PLAN.path(paths.POLICY, method="{run["method"]}")',
            )
        _check_reads_no_labels(plan, writers, str(run["method"]))


def _check_reads_no_labels(plan: Plan, writers: Iterable[Any], method: str) -> None:
    for task in plan.config.tasks:
        known = [plan.path(file, task=task) for file in LABELLED_FILES] + [plan.source_data(task)]
        labelled = re.compile("|".join(re.escape(file).replace(r"\{split\}", "[^/]+") for file in known))
        for rule in writers:
            inputs = {str(item).replace("{task}", task) for item in rule.input if not callable(item)}
            found = sorted(filter(labelled.fullmatch, inputs))
            if found:
                raise UserError(
                    f"the rule of the custom method {method} reads rewards or costs",
                    expected=f"the stripped file alone, {plan.path(paths.TRAINING_DATA, task=task)}",
                    found=", ".join(found),
                    where=f"rule {rule.name}",
                    hint="custom methods stand among the learners, which see neither",
                )
