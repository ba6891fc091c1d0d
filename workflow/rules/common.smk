# Reads and checks the configuration. What the rules share beyond it lives in safemil/plan/rules.py.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

from safemil import paths
from safemil.plan.configuration import parse_config, write_resolved
from safemil.catalogue import shown_facts
from safemil.errors import UserError
from safemil.protocol import BEHAVIOUR_REFERENCE, DEFAULT_VARIANT, RANDOM_REFERENCE
from safemil.plan.kept import (
    cards_of,
    files_of,
    find_kept_runs,
    origin_of_data,
    origin_of_run,
    run_of,
)
from safemil.report.contents import CATEGORY, planned_pages, report_facts
from safemil.records.provenance import source_digest
from safemil.plan.rules import (
    DSRL_TASKS,
    Plan,
    behavior_parameters,
    behavior_snapshots,
    option,
    tracked,
)
from safemil.plan import inputs as plan_inputs
from safemil.plan.custom_rules import check_custom_rules, custom_rule_files
from safemil.plan.gathering import gathered_tables
from safemil.figures.entries import figure_entries, planned_figures
from safemil.tables.entries import planned_tables, table_entries

# The commands of the environment that runs snakemake, also where it was not activated.
# Strict as Snakemake is by itself: without pipefail, a failed command behind `| tee` would count as a success.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)

try:
    # Importing the methods takes seconds: once, in the process that the user started.
    CONFIG = parse_config(
        config,
        "the configuration given to snakemake",
        check_methods=workflow.is_main_process,
    )
    PLAN = Plan(CONFIG)
    PLAN.local_data()
    CUSTOM_RULES = custom_rule_files(PLAN)
    KEPT = find_kept_runs(PLAN)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESOLVED_CONFIG = PLAN.path(paths.RESOLVED_CONFIG)
SHOWN_FACTS = shown_facts()
LOGS = PLAN.path(paths.LOG)
BENCHMARKS = PLAN.path(paths.BENCHMARK)
ENVIRONMENT = "../../environment.yml"

# Captions of the report see nothing of a workflow but this dictionary; no key of a configuration has that name.
config["report"] = report_facts(PLAN, workflow.overwrite_configfiles)


wildcard_constraints:
    task="[a-z0-9_]+",
    method="[A-Za-z0-9_.]+",
    variant="[A-Za-z0-9_.-]+",
    seed="[0-9]+",
    split="[A-Za-z0-9_.-]+",
    ablation="[a-z0-9_]+",
    dsrl_file="|".join(DSRL_TASKS),
