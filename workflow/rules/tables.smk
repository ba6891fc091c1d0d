# From all episodes and run records to tables. Needs: results/{run_name}/episodes.parquet, run.json of every run.
# Gives: results/{run_name}/tables/.


rule tables:
    """Make every table."""
    input:
        expand(PLAN.path(paths.MAIN_TABLE), extension=["csv", "md", "tex"]),
        expand(PLAN.path(paths.PER_TASK_TABLE), extension=["csv", "md", "tex"]),
        expand(PLAN.path(paths.AGGREGATE_TABLE), extension=["csv", "md", "tex"]),
        expand(PLAN.path(paths.FAIRNESS_TABLE), extension=["csv", "md", "tex"]),
        expand(PLAN.path(paths.THEORY_TABLE), extension=["csv", "md"]),
        PLAN.ablations_in_all(paths.ABLATION_TABLE, ["csv", "md", "tex"]),
        PLAN.path(paths.RUNS),
        PLAN.if_bounded(paths.SEPARABILITY_TABLE, ["csv", "md", "tex"]),
        lambda wildcards: PLAN.if_selection(paths.SELECTION_TABLE, ["csv", "md", "tex"]),
        PLAN.if_curves(paths.LEARNING_CURVES_TABLE, ["csv", "md"]),
        lambda wildcards: PLAN.if_cost_is_learned(
            paths.LEARNED_COST_TABLE, ["csv", "md", "tex"]
        ),


rule table_main:
    """Compute the main table: mean scores and intervals per task, method and variant."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        csv=PLAN.path(paths.MAIN_TABLE, extension="csv"),
        markdown=PLAN.path(paths.MAIN_TABLE, extension="md"),
        latex=PLAN.path(paths.MAIN_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_main.log",
    benchmark:
        f"{BENCHMARKS}/table_main.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.score_parameters(),
        code=source_digest(
            "safemil.statistics.main_table",
            "safemil.tables.main",
            "safemil.records.completeness",
        ),
    shell:
        "safemil table --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule table_per_task:
    """Compute the main table with tasks across: one grid per score."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        csv=PLAN.path(paths.PER_TASK_TABLE, extension="csv"),
        markdown=PLAN.path(paths.PER_TASK_TABLE, extension="md"),
        latex=PLAN.path(paths.PER_TASK_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_per_task.log",
    benchmark:
        f"{BENCHMARKS}/table_per_task.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.score_parameters(),
        code=source_digest(
            "safemil.statistics.main_table",
            "safemil.tables.per_task",
            "safemil.records.completeness",
        ),
    shell:
        "safemil table-per-task --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule table_aggregate:
    """Compute the statistics over all tasks: interquartile means, probability of improvement, factor of safety."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        csv=PLAN.path(paths.AGGREGATE_TABLE, extension="csv"),
        markdown=PLAN.path(paths.AGGREGATE_TABLE, extension="md"),
        latex=PLAN.path(paths.AGGREGATE_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_aggregate.log",
    benchmark:
        f"{BENCHMARKS}/table_aggregate.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.score_parameters(),
        code=source_digest("safemil.tables.aggregate"),
    shell:
        "safemil table-aggregate --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule table_separability:
    """Set the share of avoidable cost that each learner avoids beside the separability of the task's data."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
        cards=KEPT.data_files(
            PLAN.for_tasks(PLAN.path(paths.DATA_CARD, extension="json"))
        ),
    output:
        csv=PLAN.path(paths.SEPARABILITY_TABLE, extension="csv"),
        markdown=PLAN.path(paths.SEPARABILITY_TABLE, extension="md"),
        latex=PLAN.path(paths.SEPARABILITY_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_separability.log",
    benchmark:
        f"{BENCHMARKS}/table_separability.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.score_parameters(),
        code=source_digest("safemil.tables.separability"),
    shell:
        "safemil table-separability --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} {input.cards:q} 2>&1 | tee {log:q}"


rule table_selection:
    """Set what each method has learned, and what its weights leave, beside the cost that it avoids."""
    input:
        separability=PLAN.path(paths.SEPARABILITY_TABLE, extension="csv"),
        logs=lambda wildcards: PLAN.paths(paths.TRAINING_LOG, PLAN.selection_runs()),
        learned=lambda wildcards: PLAN.paths(paths.LEARNED_COST, PLAN.selection_runs()),
    output:
        csv=PLAN.path(paths.SELECTION_TABLE, extension="csv"),
        markdown=PLAN.path(paths.SELECTION_TABLE, extension="md"),
        latex=PLAN.path(paths.SELECTION_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_selection.log",
    benchmark:
        f"{BENCHMARKS}/table_selection.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        code=source_digest("safemil.tables.selection"),
    shell:
        "safemil table-selection --config {params.config:q} --separability {input.separability:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule table_fairness:
    """Put what every method was given into one table: networks, budget, learning rates, time, memory."""
    input:
        PLAN.paths(paths.RUN_RECORD, PLAN.method_runs()),
    output:
        csv=PLAN.path(paths.FAIRNESS_TABLE, extension="csv"),
        markdown=PLAN.path(paths.FAIRNESS_TABLE, extension="md"),
        latex=PLAN.path(paths.FAIRNESS_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_fairness.log",
    benchmark:
        f"{BENCHMARKS}/table_fairness.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.all_training_parameters(),
        code=source_digest(
            "safemil.records.training_records", "safemil.tables.fairness"
        ),
    shell:
        "safemil fairness --config {params.config:q} --directory {params.directory:q} 2>&1 | tee {log:q}"


rule table_theory:
    """Draw bags: how often Lemma 1 and Theorem 1 hold, over alpha and K, and what holds beyond equal costs."""
    output:
        csv=PLAN.path(paths.THEORY_TABLE, extension="csv"),
        markdown=PLAN.path(paths.THEORY_TABLE, extension="md"),
    log:
        f"{LOGS}/table_theory.log",
    benchmark:
        f"{BENCHMARKS}/table_theory.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=tracked(CONFIG.theory.model_dump(mode="json")),
        code=source_digest("safemil.theory.table"),
    shell:
        "safemil theory --config {params.config:q} --directory {params.directory:q} 2>&1 | tee {log:q}"


rule policy_share:
    """Say how much of an episode's cost the policy that acted explains; on demand, for it needs the collected files."""
    input:
        data=[PLAN.source_data(task) for task in PLAN.config.tasks],
    output:
        csv=PLAN.path(paths.POLICY_SHARE_TABLE, extension="csv"),
        markdown=PLAN.path(paths.POLICY_SHARE_TABLE, extension="md"),
    log:
        f"{LOGS}/policy_share.log",
    benchmark:
        f"{BENCHMARKS}/policy_share.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=PLAN.split_parameters("default"),
        code=source_digest("safemil.tables.policy_share"),
    shell:
        "safemil table-policy-share --config {params.config:q} --directory {params.directory:q} 2>&1 | tee {log:q}"
