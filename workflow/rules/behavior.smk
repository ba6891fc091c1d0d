# Trains the behaviour policies anew. Needs: config/behavior.yaml. Gives: behavior_runs/{task}.safetensors and
# its card. The shipped policies in assets/behavior/ are replaced only by copying these over by hand, so that
# retraining never changes the data or the reference behind anyone's back.
from safemil.behavior.settings import behavior_runs, load_behavior


def task_snapshots(wildcards):
    return [
        paths.BEHAVIOR_SNAPSHOTS.format(task=wildcards.task, behavior_run=name)
        for name in behavior_runs(wildcards.task)
    ]


rule behavior:
    """Train and choose behaviour policies for every task of the configuration (hours; not part of `all`)."""
    input:
        expand(
            paths.NEW_POLICIES,
            task=[task for task in CONFIG.tasks if task in load_behavior()],
        ),


rule train_behavior:
    """Train one behaviour run with PPO on reward minus penalty times cost; resumes after a kill."""
    output:
        paths.BEHAVIOR_SNAPSHOTS,
    log:
        "behavior_runs/logs/{task}/{behavior_run}.log",
    benchmark:
        "behavior_runs/benchmarks/{task}/{behavior_run}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=lambda wildcards: behavior_runs(wildcards.task)[
            wildcards.behavior_run
        ].model_dump_json(),
        directory=lambda wildcards: paths.BEHAVIOR_RUN.format(**wildcards),
    shell:
        "safemil behavior-train --task {wildcards.task} --run {wildcards.behavior_run:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule ship_behavior:
    """Judge every snapshot and choose the ones that ship, and the constrained reference."""
    input:
        task_snapshots,
    output:
        policies=paths.NEW_POLICIES,
        card=paths.NEW_CARD,
    log:
        "behavior_runs/logs/{task}/ship.log",
    benchmark:
        "behavior_runs/benchmarks/{task}/ship.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        snapshots=lambda wildcards, input: [f"--snapshots={path}" for path in input],
        code=code("safemil.behavior.ship"),
    shell:
        "safemil behavior-ship --task {wildcards.task} {params.snapshots:q}"
        " --output {output.policies:q} --card {output.card:q} 2>&1 | tee {log:q}"
