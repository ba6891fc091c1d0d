"""Every path of the pipeline, as templates with Snakemake's wildcards in braces.

Rules use the templates as they are; Python code fills them with `str.format`.
"""

RESOLVED_CONFIG = "results/{run_name}/config.json"

SHIPPED_POLICIES = "assets/behavior/{task}.safetensors"
SHIPPED_CARD = "assets/behavior/{task}.card.json"
BEHAVIOR_RUN = "behavior_runs/{task}/{behavior_run}"
BEHAVIOR_SNAPSHOTS = BEHAVIOR_RUN + "/snapshots.safetensors"
NEW_POLICIES = "behavior_runs/{task}.safetensors"
NEW_CARD = "behavior_runs/{task}.card.json"

COLLECTED_DATA = "data/collected/{task}.hdf5"
COLLECTED_CARD = "data/collected/{task}_card/card.{extension}"
COLLECTING_BENCHMARK = "data/collected/benchmarks/{task}.tsv"
DSRL_DATA = "data/dsrl/{dsrl_file}"

TASK = "results/{run_name}/{source}/{task}"
TRAINING_DATA = TASK + "/data/{split}/training_data.hdf5"
ORACLE_LABELS = TASK + "/data/{split}/oracle_labels.hdf5"
HELD_OUT = TASK + "/data/held_out.hdf5"
DATA_CARD = TASK + "/data/{split}/card.{extension}"
DATA_OVERVIEW = "results/{run_name}/tables/data_overview.md"

RUN = TASK + "/{method}/{variant}/seed{seed}"
POLICY = RUN + "/policy.safetensors"
NETWORKS = RUN + "/networks.safetensors"
TRAINING_LOG = RUN + "/train.csv"
RUN_RECORD = RUN + "/run.json"
EPISODES = RUN + "/episodes.parquet"
LEARNED_COST = RUN + "/learned_cost.csv"
LEARNED_COST_TRACES = RUN + "/learned_cost_traces.csv"

ALL_EPISODES = "results/{run_name}/episodes.parquet"
LOG = "results/{run_name}/logs"
BENCHMARK = "results/{run_name}/benchmarks"
TRAINING_BENCHMARK = BENCHMARK + "/train/{task}/{method}/{variant}/seed{seed}.tsv"
MAIN_TABLE = "results/{run_name}/tables/main.{extension}"
MAIN_FIGURE = "figures/{run_name}/main.{extension}"
FAIRNESS_TABLE = "results/{run_name}/tables/fairness.{extension}"
THEORY_TABLE = "results/{run_name}/tables/theory.{extension}"
THEORY_FIGURE = "figures/{run_name}/theory.{extension}"
LEARNED_COST_TABLE = "results/{run_name}/tables/learned_cost.{extension}"
LEARNED_COST_FIGURE = "figures/{run_name}/learned_cost.{extension}"
ABLATION_EPISODES = "results/{run_name}/ablation_{ablation}.parquet"
ABLATION_TABLE = "results/{run_name}/tables/ablation_{ablation}.{extension}"
ABLATION_FIGURE = "figures/{run_name}/ablation_{ablation}.{extension}"
