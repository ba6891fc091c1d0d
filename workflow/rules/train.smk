# From a stripped training file to a policy. Needs: results/{run_name}/{source}/{task}/data/{split}/training_data.hdf5;
# only oracles, which have a rule of their own, are given its labels as well. Gives, per method, variant and seed: policy,
# networks, train.csv, run.json, and the policies of its learning curve where one is asked for.


rule train:
    """Train every run of the configuration that is not taken from those that are kept."""
    input:
        PLAN.paths(paths.POLICY, KEPT.runs_to_train()),


rule train_method:
    """Train one learner, variant and seed, without labels; a killed training resumes to the same bits."""
    input:
        data=lambda wildcards: PLAN.data_of(paths.TRAINING_DATA, wildcards),
    output:
        policy=PLAN.path(paths.POLICY),
        networks=PLAN.path(paths.NETWORKS),
        log_of_losses=PLAN.path(paths.TRAINING_LOG),
        record=PLAN.path(paths.RUN_RECORD),
        curve=PLAN.curve_policies(),
    log:
        f"{LOGS}/train/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        PLAN.path(paths.TRAINING_BENCHMARK)
    wildcard_constraints:
        method=PLAN.method_pattern("learner"),
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.policy).parent),
        settings=lambda wildcards: PLAN.training_parameters(
            wildcards.task, wildcards.method, wildcards.variant
        ),
        code=lambda wildcards: PLAN.training_code(wildcards.method),
    shell:
        "safemil train --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --data {input.data:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule train_oracle:
    """Train one oracle, variant and seed, with the true labels; a killed training resumes to the same bits."""
    input:
        data=lambda wildcards: PLAN.data_of(paths.TRAINING_DATA, wildcards),
        labels=lambda wildcards: PLAN.data_of(paths.ORACLE_LABELS, wildcards),
    output:
        policy=PLAN.path(paths.POLICY),
        networks=PLAN.path(paths.NETWORKS),
        log_of_losses=PLAN.path(paths.TRAINING_LOG),
        record=PLAN.path(paths.RUN_RECORD),
        curve=PLAN.curve_policies(),
    log:
        f"{LOGS}/train/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        PLAN.path(paths.TRAINING_BENCHMARK)
    wildcard_constraints:
        method=PLAN.method_pattern("oracle"),
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.policy).parent),
        settings=lambda wildcards: PLAN.training_parameters(
            wildcards.task, wildcards.method, wildcards.variant
        ),
        code=lambda wildcards: PLAN.training_code(wildcards.method),
    shell:
        "safemil train-oracle --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --data {input.data:q}"
        " --labels {input.labels:q} --directory {params.directory:q} 2>&1 | tee {log:q}"
