# From policies to one row per episode. Needs: policies. Gives: results/{run_name}/episodes.parquet.


rule evaluate_policy:
    """Roll out one trained policy by its mean action, on the episodes that all methods share."""
    input:
        policy=PLAN.path(paths.POLICY),
    output:
        PLAN.path(paths.EPISODES),
    log:
        f"{LOGS}/evaluate/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.rollout_parameters(),
        code=source_digest("safemil.evaluation.evaluate"),
    shell:
        "safemil evaluate --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --policy {input.policy:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule evaluate_reference:
    """Roll out a reference: the shipped constrained policy, or uniformly random actions."""
    input:
        policies=paths.SHIPPED_POLICIES,
        card=paths.SHIPPED_CARD,
    output:
        PLAN.path(paths.EPISODES, method="{reference}", variant="default", seed=0),
    log:
        f"{LOGS}/evaluate/{{task}}/{{reference}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{task}}/{{reference}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.rollout_parameters(),
        code=source_digest("safemil.evaluation.evaluate"),
    shell:
        "safemil evaluate-reference --config {params.config:q} --task {wildcards.task}"
        " --reference {wildcards.reference} --policies {input.policies:q} --card {input.card:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


ruleorder: evaluate_reference > evaluate_policy


rule gather_episodes:
    """Put all episodes into one table, after checking that they are comparable."""
    input:
        PLAN.paths(paths.EPISODES, PLAN.method_runs() + PLAN.reference_runs()),
    output:
        PLAN.path(paths.ALL_EPISODES),
    log:
        f"{LOGS}/gather_episodes.log",
    benchmark:
        f"{BENCHMARKS}/gather_episodes.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        code=source_digest("safemil.evaluation.episodes"),
    shell:
        "safemil gather {input:q} --output {output:q} 2>&1 | tee {log:q}"
