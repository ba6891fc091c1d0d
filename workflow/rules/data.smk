# From behaviour policies (or a DSRL file in data/dsrl/) to stripped training files.
# Needs: assets/behavior/{task}.safetensors. Gives: data/collected/, results/{run_name}/{source}/{task}/data/.


rule data:
    """Collect and split the data of every task."""
    input:
        expand(filled(paths.TRAINING_DATA), task=CONFIG.tasks),
        expand(filled(paths.DATA_CARD) + "/card.png", task=CONFIG.tasks),


rule collect:
    """Roll the shipped behaviour policies out into a file in DSRL's form, with a data card."""
    input:
        policies=paths.SHIPPED_POLICIES,
    output:
        data=paths.COLLECTED_DATA,
        card=paths.COLLECTED_CARD + "/card.json",
        picture=paths.COLLECTED_CARD + "/card.png",
        text=paths.COLLECTED_CARD + "/card.md",
    log:
        f"{LOGS}/collect/{{task}}.log",
    benchmark:
        f"{BENCHMARKS}/collect/{{task}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        card=lambda wildcards, output: str(Path(output.card).parent),
        settings=setting(CONFIG.collect.model_dump(mode="json")),
        code=code("safemil.behavior.collect"),
    shell:
        "safemil collect --config {params.config:q} --task {wildcards.task} --policies {input.policies:q}"
        " --output {output.data:q} --card {params.card:q} 2>&1 | tee {log:q}"


rule split:
    """Filter the trajectories, draw D_N and D_U, and strip reward and cost off."""
    input:
        data=source_data,
    output:
        training=filled(paths.TRAINING_DATA),
        labels=filled(paths.ORACLE_LABELS),
        card=filled(paths.DATA_CARD) + "/card.json",
        picture=filled(paths.DATA_CARD) + "/card.png",
        text=filled(paths.DATA_CARD) + "/card.md",
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
        settings=setting(CONFIG.split.model_dump(mode="json")),
        code=code("safemil.data.prepare"),
    shell:
        "safemil split --config {params.config:q} --task {wildcards.task} --data {input.data:q}"
        " --training {output.training:q} --labels {output.labels:q} --card {params.card:q} 2>&1 | tee {log:q}"
