# Finished runs that are kept in the repository (safemil/plan/kept.py). Needs: finished runs. Gives:
# results/{run_name}/kept/, and in another clone the runs that it holds.


# They only copy.
localrules:
    keep_run,
    keep_data,


if KEPT.taken:

    localrules:
        take_up,

    # A kept run goes before making it: what makes it is not even planned.
    ruleorder: take_up > train_method > train_oracle > evaluate_policy
    ruleorder: take_up > evaluate_constrained > evaluate_random > evaluate_curve > evaluate_cost

    rule take_up:
        """Bring back the kept runs whose settings, data and code are those of this clone."""
        input:
            [kept_path(PLAN, file) for file in KEPT.files()],
        output:
            KEPT.files(),
        log:
            f"{LOGS}/take_up.log",
        conda:
            ENVIRONMENT
        threads: 1
        params:
            config=RESOLVED_CONFIG,
            kept=KEPT.digest(),
        shell:
            "safemil take-up --config {params.config:q} --digest {params.kept} 2>&1 | tee {log:q}"


rule keep:
    """Keep every run of the configuration and the data cards; with `all`, each soon after it is finished."""
    input:
        lambda wildcards: KEPT.origins_to_write(),


rule keep_run:
    """Keep what is small of one finished run, with what decided its numbers."""
    input:
        files=lambda wildcards: files_of(PLAN, run_of(wildcards)),
        policies=lambda wildcards: policies_of(PLAN, run_of(wildcards)),
    output:
        PLAN.path(paths.ORIGIN),
    log:
        f"{LOGS}/keep/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    # Before further trainings, so that what is finished is kept when a long run is stopped.
    priority: 2
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        origin=lambda wildcards: origin_of_run(PLAN, run_of(wildcards)),
    shell:
        "safemil keep --config {params.config:q} --origin {params.origin:q} --output {output:q}"
        " {input.files:q} {input.policies:q} 2>&1 | tee {log:q}"


rule keep_data:
    """Keep the data cards of a task."""
    input:
        lambda wildcards: cards_of(PLAN, wildcards.task),
    output:
        PLAN.path(paths.DATA_ORIGIN),
    log:
        f"{LOGS}/keep/{{task}}/data.log",
    priority: 2
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        origin=lambda wildcards: origin_of_data(PLAN, wildcards.task),
    shell:
        "safemil keep --config {params.config:q} --origin {params.origin:q} --output {output:q}"
        " {input:q} 2>&1 | tee {log:q}"
