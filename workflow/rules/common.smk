# Reads the configuration, checks it, and offers what the rules share: paths, lists of runs, digests.
import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

from safemil import paths
from safemil.config import parse_config, write_resolved
from safemil.errors import UserError
from safemil.methods.registry import module_name
from safemil.tasks import get_task
from safemil.training.provenance import source_digest

# The commands of the environment that runs snakemake, also where it was not activated.
shell.prefix(f"export PATH={Path(sys.executable).parent}:$PATH; ")


def checked_config():
    try:
        return parse_config(config, "the configuration given to snakemake")
    except UserError as error:
        raise WorkflowError(str(error)) from None


CONFIG = checked_config()
ENVIRONMENT = "../../environment.yml"


def filled(template, **values):
    """Fill the run's name and source into a path template; all other wildcards stay."""
    known = {"run_name": CONFIG.run_name, "source": CONFIG.source, **values}
    for name, value in known.items():
        template = template.replace("{" + name + "}", str(value))
    return template


RESOLVED_CONFIG = filled(paths.RESOLVED_CONFIG)
LOGS = filled(paths.LOG)
BENCHMARKS = filled(paths.BENCHMARK)


wildcard_constraints:
    task="[a-z0-9_]+",
    method="[A-Za-z0-9_.]+",
    variant="[A-Za-z0-9_.-]+",
    seed="[0-9]+",
    reference="constrained_rl|random",


def code(*modules):
    """Digest of the package's code behind a rule; its change reruns the rule."""
    return source_digest(*modules)


def setting(value):
    """A setting as a plain string, which Snakemake tracks."""
    return json.dumps(value, sort_keys=True)


def source_data(wildcards):
    """The labelled file that a task's split reads."""
    if CONFIG.source == "collected":
        return paths.COLLECTED_DATA.format(task=wildcards.task)
    return paths.DSRL_DATA.format(dsrl_file=get_task(wildcards.task).dsrl_file)


def configured_runs():
    """Every (task, method, variant, seed) of the configuration, as wildcards."""
    return [
        {"task": task, "method": method, "variant": variant, "seed": seed}
        for task in CONFIG.tasks
        for method, variants in CONFIG.methods.items()
        for variant in variants
        if CONFIG.runs_on(task, method, variant)
        for seed in CONFIG.seeds
    ]


def reference_runs():
    """The references of every task, as wildcards."""
    return [
        {"task": task, "method": reference, "variant": "default", "seed": 0}
        for task in CONFIG.tasks
        for reference in ("constrained_rl", "random")
    ]


def run_paths(template, runs):
    return [filled(template, **run) for run in runs]


def print_where_results_are():
    print(f"\nTable:   {filled(paths.TABLES)}/main.md (also .csv, .tex)")
    print(f"Figure:  {filled(paths.FIGURES)}/main.png (also .pdf, .csv)")
