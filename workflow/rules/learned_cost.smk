# What learned costs know, on trajectories that no method has seen. Needs: the source file, the oracle labels, and the
# finished runs of the methods that learn a cost. Gives: held_out.hdf5 of each task, learned_cost.csv and
# learned_cost_traces.parquet of each run, and the figure made of them; tables.smk makes the table.


rule held_out:
    """Draw trajectories that are neither in D_N nor in D_U, the same for every method and seed."""
    input:
        data=lambda wildcards: PLAN.source_data(wildcards.task),
        labels=PLAN.path(paths.ORACLE_LABELS, split=DEFAULT_VARIANT),
    output:
        PLAN.path(paths.HELD_OUT),
    log:
        f"{LOGS}/held_out/{{task}}.log",
    benchmark:
        f"{BENCHMARKS}/held_out/{{task}}.tsv"
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=tracked(CONFIG.split.model_dump(mode="json")),
        code=source_digest("safemil.data.held_out"),
    shell:
        "safemil held-out --config {params.config:q} --task {wildcards.task} --data {input.data:q}"
        " --labels {input.labels:q} --output {output:q} 2>&1 | tee {log:q}"


rule evaluate_cost:
    """Score the learned cost of one run against the true cost of the held-out trajectories."""
    input:
        data=PLAN.path(paths.TRAINING_DATA, split=DEFAULT_VARIANT),
        policy=PLAN.path(paths.POLICY),
        networks=PLAN.path(paths.NETWORKS),
        record=PLAN.path(paths.RUN_RECORD),
        held_out=PLAN.path(paths.HELD_OUT),
    output:
        rows=PLAN.path(paths.LEARNED_COST),
        traces=PLAN.path(paths.LEARNED_COST_TRACES),
    log:
        f"{LOGS}/evaluate_cost/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate_cost/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=tracked(CONFIG.evaluation.cost_limit),
        code=lambda wildcards: PLAN.cost_code(wildcards.method),
    shell:
        "safemil evaluate-cost --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --data {input.data:q}"
        " --policy {input.policy:q} --networks {input.networks:q} --record {input.record:q}"
        " --held-out {input.held_out:q} --output {output.rows:q} --traces {output.traces:q} 2>&1 | tee {log:q}"
