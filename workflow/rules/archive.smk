# Finished runs that are kept in the repository (safemil/archive.py). Needs: finished runs. Gives:
# results/{run_name}/finished/, and in another clone the runs that it holds.

TAKEN = taken_files(PLAN)

if TAKEN:

    # A kept run goes before making it: what makes it is not even planned.
    ruleorder: take_up > train_method > train_oracle > evaluate_policy
    ruleorder: take_up > evaluate_constrained > evaluate_random > evaluate_curve > evaluate_cost
    ruleorder: take_up > collect > split

    rule take_up:
        """Bring back the kept runs whose settings, data and code are those of this clone."""
        output:
            TAKEN,
        log:
            f"{LOGS}/take_up.log",
        conda:
            ENVIRONMENT
        threads: 1
        params:
            config=RESOLVED_CONFIG,
        shell:
            "safemil take-up --config {params.config:q} 2>&1 | tee {log:q}"


rule archive:
    """Keep every run of the configuration and the data cards; with `all`, each as soon as it is finished."""
    input:
        origins_to_write(PLAN),


rule archive_run:
    """Keep what is small of one finished run, with what decided its numbers."""
    input:
        files=lambda wildcards: files_of(PLAN, run_of(wildcards)),
        policies=lambda wildcards: policies_of(PLAN, run_of(wildcards)),
    output:
        PLAN.path(paths.ORIGIN),
    log:
        f"{LOGS}/archive/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    # Before further trainings, so that what is finished is kept when a long run is stopped.
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        origin=lambda wildcards: origin(PLAN, run_of(wildcards)),
    shell:
        "safemil keep --config {params.config:q} --origin {params.origin:q} --output {output:q}"
        " {input.files:q} {input.policies:q} 2>&1 | tee {log:q}"


rule archive_data:
    """Keep the data cards of a task."""
    input:
        lambda wildcards: cards_of(PLAN, wildcards.task),
    output:
        PLAN.path(paths.DATA_ORIGIN),
    log:
        f"{LOGS}/archive/{{task}}/data.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        origin=lambda wildcards: tracked(data_origin(PLAN, wildcards.task)),
    shell:
        "safemil keep --config {params.config:q} --origin {params.origin:q} --output {output:q}"
        " {input:q} 2>&1 | tee {log:q}"
