# Trains the behaviour policies anew. Needs: config/behavior.yaml. Gives: behavior_runs/{task}.safetensors and
# its card. The shipped policies in assets/behavior/ are replaced only by copying these over by hand, so that
# retraining never changes the data or the reference behind anyone's back.


rule behavior:
    """Train and choose behaviour policies for every task of the configuration (hours; not part of `all`)."""
    input:
        expand(paths.NEW_POLICIES, task=PLAN.behavior_tasks()),


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
    params:
        settings=lambda wildcards: behavior_parameters(
            wildcards.task, wildcards.behavior_run
        ),
        directory=lambda wildcards: paths.BEHAVIOR_RUN.format(**wildcards),
    shell:
        "safemil behavior-train --task {wildcards.task} --run {wildcards.behavior_run:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule ship_behavior:
    """Judge every snapshot and choose the ones that ship, and the constrained reference."""
    input:
        lambda wildcards: behavior_snapshots(wildcards.task),
    output:
        policies=paths.NEW_POLICIES,
        card=paths.NEW_CARD,
    log:
        "behavior_runs/logs/{task}/ship.log",
    benchmark:
        "behavior_runs/benchmarks/{task}/ship.tsv"
    conda:
        ENVIRONMENT
    params:
        snapshots=lambda wildcards, input: [f"--snapshots={path}" for path in input],
        code=source_digest("safemil.behavior.ship"),
    shell:
        "safemil behavior-ship --task {wildcards.task} {params.snapshots:q}"
        " --output {output.policies:q} --card {output.card:q} 2>&1 | tee {log:q}"
