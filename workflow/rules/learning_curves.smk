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
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.curve_rollout_parameters(),
        code=source_digest("safemil.rollouts.evaluate_curve"),
    shell:
        "safemil evaluate-curve --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --policies {input.policies:q}"
        " --record {input.record:q} --output {output:q} 2>&1 | tee {log:q}"
