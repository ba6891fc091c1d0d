# Learning curves, where evaluation.curve_points asks for them. Needs: the policies that each training kept along the
# way, and results/{run_name}/episodes.parquet for the references. Gives: curve.parquet of each run,
# results/{run_name}/curve_episodes.parquet, and the figure made of it; tables.smk makes the tables.


rule evaluate_curve:
    """Roll out the policies kept along one training, on the first of the episodes that all methods share."""
    input:
        policies=PLAN.curve_policies(),
        record=PLAN.path(paths.RUN_RECORD),
    output:
        PLAN.path(paths.CURVE_EPISODES),
    log:
        f"{LOGS}/evaluate_curve/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate_curve/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    wildcard_constraints:
        method=PLAN.trained_method_pattern(),
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.curve_rollout_parameters(),
        code=source_digest("safemil.rollouts.evaluate_curve"),
    shell:
        "safemil evaluate-curve --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --policies {input.policies:q}"
        " --record {input.record:q} --output {output:q} 2>&1 | tee {log:q}"


rule gather_curves:
    """Put the episodes of all learning curves into one table, after checking that they are comparable."""
    input:
        lambda wildcards: PLAN.paths(paths.CURVE_EPISODES, PLAN.curve_runs()),
    output:
        PLAN.path(paths.ALL_CURVE_EPISODES),
    log:
        f"{LOGS}/gather_curves.log",
    benchmark:
        f"{BENCHMARKS}/gather_curves.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        code=source_digest("safemil.records.completeness"),
    shell:
        "safemil gather --config {params.config:q} --curves {input:q} --output {output:q} 2>&1 | tee {log:q}"


rule figure_learning_curves:
    """Draw return and cost of every method over the steps of its training."""
    input:
        curves=PLAN.path(paths.ALL_CURVE_EPISODES),
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        png=report(
            PLAN.path(paths.LEARNING_CURVES_FIGURE, extension="png"),
            caption="../report/figure_learning_curves.rst",
            category=CATEGORY["learning_curves"],
            labels={"result": "Figure: return and cost over steps"},
        ),
        pdf=PLAN.path(paths.LEARNING_CURVES_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.LEARNING_CURVES_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_learning_curves.log",
    benchmark:
        f"{BENCHMARKS}/figure_learning_curves.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.png).parent),
        settings=PLAN.score_parameters(),
        code=source_digest(
            "safemil.figures.learning_curves", "safemil.records.completeness"
        ),
    shell:
        "safemil figure-learning-curves --config {params.config:q} --curves {input.curves:q}"
        " --episodes {input.episodes:q} --directory {params.directory:q} 2>&1 | tee {log:q}"
