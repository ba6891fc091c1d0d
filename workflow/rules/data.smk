# From behaviour policies (or DSRL's published files, or files of the user's own) to stripped training files.
# Needs: assets/behavior/{task}.safetensors, or network, or files. Gives: data/collected/ or data/dsrl/, and
# results/{run_name}/{source}/{task}/data/.


# Computing nodes of a cluster often have no network.
localrules:
    download,


rule data:
    """Collect, or download, or take the data of every task, and split them."""
    input:
        PLAN.for_tasks(paths.TRAINING_DATA),
        PLAN.for_tasks(PLAN.path(paths.DATA_CARD, extension="png")),
        PLAN.table_files("data_overview") if PLAN.is_collected() else [],


rule collect:
    """Roll the shipped behaviour policies out into a file in DSRL's form."""
    input:
        policies=paths.SHIPPED_POLICIES,
        card=paths.SHIPPED_CARD,
    output:
        paths.COLLECTED_DATA,
    log:
        "data/collected/logs/{task}.log",
    benchmark:
        paths.COLLECTING_BENCHMARK
    conda:
        ENVIRONMENT
    params:
        # The settings themselves, not the run's configuration: every run shares the collected data.
        settings=lambda wildcards: PLAN.collect_options(wildcards.task),
        code=source_digest("safemil.behavior.collect"),
    shell:
        "safemil collect --task {wildcards.task} --policies {input.policies:q} --policies-card {input.card:q}"
        " {params.settings} --output {output:q} 2>&1 | tee {log:q}"


rule collected_card:
    """Describe a collected file in a data card."""
    input:
        paths.COLLECTED_DATA,
    output:
        card=PLAN.path(paths.COLLECTED_CARD, extension="json"),
        picture=PLAN.path(paths.COLLECTED_CARD, extension="png"),
        text=PLAN.path(paths.COLLECTED_CARD, extension="md"),
    log:
        "data/collected/logs/{task}_card.log",
    benchmark:
        "data/collected/benchmarks/{task}_card.tsv"
    conda:
        ENVIRONMENT
    params:
        directory=lambda wildcards, output: str(Path(output.card).parent),
        code=source_digest("safemil.data.make_card"),
    shell:
        "safemil collected-card --task {wildcards.task} --data {input:q} --card {params.directory:q}"
        " 2>&1 | tee {log:q}"


rule download:
    """Fetch a published DSRL file, or link the copy in DSRL_DATASET_DIR, after checking it."""
    output:
        paths.DSRL_DATA,
    log:
        "data/dsrl/logs/{dsrl_file}.log",
    benchmark:
        "data/dsrl/benchmarks/{dsrl_file}.tsv"
    conda:
        ENVIRONMENT
    params:
        task=lambda wildcards: DSRL_TASKS[wildcards.dsrl_file],
    shell:
        "safemil download --task {params.task} --output {output:q} 2>&1 | tee {log:q}"


rule split:
    """Filter the trajectories, draw D_N and D_U, and strip reward and cost off."""
    input:
        data=lambda wildcards: PLAN.source_data(wildcards.task),
    output:
        training=PLAN.path(paths.TRAINING_DATA),
        labels=PLAN.path(paths.ORACLE_LABELS),
    log:
        f"{LOGS}/split/{{task}}/{{split}}.log",
    benchmark:
        f"{BENCHMARKS}/split/{{task}}/{{split}}.tsv"
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=lambda wildcards: PLAN.split_parameters(wildcards.split),
        code=source_digest("safemil.data.prepare"),
    shell:
        "safemil split --config {params.config:q} --task {wildcards.task} --data {input.data:q}"
        " --split {wildcards.split:q} --training {output.training:q} --labels {output.labels:q} 2>&1 | tee {log:q}"


rule split_card:
    """Describe a split in a data card: what was filtered, drawn, and how far single pairs tell classes apart."""
    input:
        data=lambda wildcards: PLAN.source_data(wildcards.task),
        training=PLAN.path(paths.TRAINING_DATA),
    output:
        card=PLAN.path(paths.DATA_CARD, extension="json"),
        picture=PLAN.path(paths.DATA_CARD, extension="png"),
        text=PLAN.path(paths.DATA_CARD, extension="md"),
    log:
        f"{LOGS}/split_card/{{task}}/{{split}}.log",
    benchmark:
        PLAN.path(paths.CARD_BENCHMARK)
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.card).parent),
        settings=lambda wildcards: PLAN.split_parameters(wildcards.split),
        code=source_digest("safemil.data.make_card"),
    shell:
        "safemil split-card --config {params.config:q} --task {wildcards.task} --data {input.data:q}"
        " --split {wildcards.split:q} --training {input.training:q} --card {params.directory:q} 2>&1 | tee {log:q}"
