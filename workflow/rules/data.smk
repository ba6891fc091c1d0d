# From behaviour policies (or a DSRL file in data/dsrl/) to stripped training files.
# Needs: assets/behavior/{task}.safetensors. Gives: data/collected/, results/{run_name}/{source}/{task}/data/.


rule data:
    """Collect and split the data of every task."""
    input:
        PLAN.for_tasks(paths.TRAINING_DATA),
        PLAN.for_tasks(PLAN.path(paths.DATA_CARD, extension="png")),


rule collect:
    """Roll the shipped behaviour policies out into a file in DSRL's form, with a data card."""
    input:
        policies=paths.SHIPPED_POLICIES,
        card=paths.SHIPPED_CARD,
    output:
        data=paths.COLLECTED_DATA,
        card=PLAN.path(paths.COLLECTED_CARD, extension="json"),
        picture=PLAN.path(paths.COLLECTED_CARD, extension="png"),
        text=PLAN.path(paths.COLLECTED_CARD, extension="md"),
    log:
        "data/collected/logs/{task}.log",
    benchmark:
        "data/collected/benchmarks/{task}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        # The settings themselves, not the run's configuration: every run shares the collected data.
        settings=PLAN.collect_options(),
        card=lambda wildcards, output: str(Path(output.card).parent),
        code=source_digest("safemil.behavior.collect"),
    shell:
        "safemil collect --task {wildcards.task} --policies {input.policies:q} --policies-card {input.card:q}"
        " {params.settings} --output {output.data:q} --card {params.card:q} 2>&1 | tee {log:q}"


rule split:
    """Filter the trajectories, draw D_N and D_U, and strip reward and cost off."""
    input:
        data=lambda wildcards: PLAN.source_data(wildcards.task),
    output:
        training=PLAN.path(paths.TRAINING_DATA),
        labels=PLAN.path(paths.ORACLE_LABELS),
        card=PLAN.path(paths.DATA_CARD, extension="json"),
        picture=PLAN.path(paths.DATA_CARD, extension="png"),
        text=PLAN.path(paths.DATA_CARD, extension="md"),
    log:
        f"{LOGS}/split/{{task}}.log",
    benchmark:
        f"{BENCHMARKS}/split/{{task}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        card=lambda wildcards, output: str(Path(output.card).parent),
        settings=tracked(CONFIG.split.model_dump(mode="json")),
        code=source_digest("safemil.data.prepare"),
    shell:
        "safemil split --config {params.config:q} --task {wildcards.task} --data {input.data:q}"
        " --training {output.training:q} --labels {output.labels:q} --card {params.card:q} 2>&1 | tee {log:q}"
