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
DSRL_DATA = "data/dsrl/{dsrl_file}"

TASK = "results/{run_name}/{source}/{task}"
TRAINING_DATA = TASK + "/data/training_data.hdf5"
ORACLE_LABELS = TASK + "/data/oracle_labels.hdf5"
DATA_CARD = TASK + "/data/card.{extension}"

RUN = TASK + "/{method}/{variant}/seed{seed}"
POLICY = RUN + "/policy.safetensors"
NETWORKS = RUN + "/networks.safetensors"
TRAINING_LOG = RUN + "/train.csv"
RUN_RECORD = RUN + "/run.json"
EPISODES = RUN + "/episodes.parquet"

ALL_EPISODES = "results/{run_name}/episodes.parquet"
LOG = "results/{run_name}/logs"
BENCHMARK = "results/{run_name}/benchmarks"
MAIN_TABLE = "results/{run_name}/tables/main.{extension}"
MAIN_FIGURE = "figures/{run_name}/main.{extension}"
