# From policies to one row per episode. Needs: policies. Gives: results/{run_name}/episodes.parquet.


rule evaluate_policy:
    """Roll out one trained policy by its mean action, on the episodes that all methods share."""
    input:
        policy=PLAN.path(paths.POLICY),
        # Of a custom method, written by the rule that checks its policy.
        record=PLAN.path(paths.RUN_RECORD),
    output:
        PLAN.path(paths.EPISODES),
    log:
        f"{LOGS}/evaluate/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    wildcard_constraints:
        method=PLAN.method_pattern(),
    priority: 1
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.rollout_parameters(),
        code=source_digest("safemil.rollouts.evaluate"),
    shell:
        "safemil evaluate --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --policy {input.policy:q}"
        " --record {input.record:q} --output {output:q} 2>&1 | tee {log:q}"


rule evaluate_constrained:
    """Roll out the shipped constrained policy, the reference of the collected source."""
    input:
        policies=paths.SHIPPED_POLICIES,
        card=paths.SHIPPED_CARD,
    output:
        PLAN.path(
            paths.EPISODES, method=BEHAVIOUR_REFERENCE, variant=DEFAULT_VARIANT, seed=0
        ),
    log:
        f"{LOGS}/evaluate/{{task}}/{BEHAVIOUR_REFERENCE}.log",
    benchmark:
        PLAN.path(paths.REFERENCE_BENCHMARK, method=BEHAVIOUR_REFERENCE)
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.rollout_parameters(),
        code=source_digest("safemil.rollouts.evaluate"),
    shell:
        "safemil evaluate-reference --config {params.config:q} --task {wildcards.task}"
        " --reference constrained_rl --policies {input.policies:q} --card {input.card:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule evaluate_random:
    """Roll out uniformly random actions, the reference of every source."""
    output:
        PLAN.path(
            paths.EPISODES, method=RANDOM_REFERENCE, variant=DEFAULT_VARIANT, seed=0
        ),
    log:
        f"{LOGS}/evaluate/{{task}}/{RANDOM_REFERENCE}.log",
    benchmark:
        PLAN.path(paths.REFERENCE_BENCHMARK, method=RANDOM_REFERENCE)
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.rollout_parameters(),
        code=source_digest("safemil.rollouts.evaluate"),
    shell:
        "safemil evaluate-reference --config {params.config:q} --task {wildcards.task}"
        " --reference random --output {output:q} 2>&1 | tee {log:q}"
