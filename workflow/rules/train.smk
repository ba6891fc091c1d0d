# From a stripped training file to a policy. Needs: results/{run_name}/{source}/{task}/data/training_data.hdf5, and
# never the labels. Gives, per method, variant and seed: policy, networks, train.csv, run.json.


rule train:
    """Train every run of the configuration."""
    input:
        run_paths(paths.POLICY, configured_runs()),


rule train_method:
    """Train one method, variant and seed; a killed training resumes to the same bits."""
    input:
        data=filled(paths.TRAINING_DATA),
    output:
        policy=filled(paths.POLICY),
        networks=filled(paths.NETWORKS),
        log_of_losses=filled(paths.TRAINING_LOG),
        record=filled(paths.RUN_RECORD),
    log:
        f"{LOGS}/train/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.policy).parent),
        training=lambda wildcards: setting(
            CONFIG.training_of(wildcards.method, wildcards.variant).model_dump(
                mode="json"
            )
        ),
        settings=lambda wildcards: setting(
            CONFIG.methods[wildcards.method][wildcards.variant].settings
        ),
        code=lambda wildcards: code(
            "safemil.training.train", module_name(wildcards.method)
        ),
    shell:
        "safemil train --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --data {input.data:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"
