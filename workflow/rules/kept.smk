# Finished runs that are kept in the repository (safemil/plan/kept.py). Needs: finished runs. Gives:
# results/{run_name}/kept/, of which gather.smk takes rows, and in another clone the data cards that it holds.


localrules:
    note_run,
    note_data,


if KEPT.tasks:

    localrules:
        take_cards,

    # A kept card goes before making it: what makes it is not even planned.
    ruleorder: take_cards > split_card > collected_card

    rule take_cards:
        """Bring back the kept data cards whose settings, policies and code are those of this clone."""
        input:
            f"{PLAN.path(paths.KEPT)}/cards.parquet",
        output:
            KEPT.cards(),
        log:
            f"{LOGS}/take_cards.log",
        conda:
            ENVIRONMENT
        params:
            config=RESOLVED_CONFIG,
            tasks=KEPT.tasks,
        shell:
            "safemil take-cards --config {params.config:q} {params.tasks:q} 2>&1 | tee {log:q}"


# Without output: a kept table is what it adds to, and Snakemake would remove it first.
rule keep:
    """Take every finished run of the configuration and the data cards into the tables of kept runs."""
    input:
        lambda wildcards: KEPT.notes(),
    log:
        f"{LOGS}/keep.log",
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
    shell:
        "safemil keep --config {params.config:q} 2>&1 | tee {log:q}"


rule note_run:
    """Note what decided the numbers of one finished run."""
    input:
        lambda wildcards: files_of(PLAN, run_of(wildcards)).values(),
    output:
        PLAN.path(paths.ORIGIN),
    log:
        f"{LOGS}/note/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    conda:
        ENVIRONMENT
    params:
        origin=lambda wildcards: origin_of_run(PLAN, run_of(wildcards)),
    shell:
        "safemil note-origin --origin {params.origin:q} --output {output:q} {input:q} 2>&1 | tee {log:q}"


rule note_data:
    """Note what decided the data cards of a task."""
    input:
        lambda wildcards: cards_of(PLAN, wildcards.task),
    output:
        PLAN.path(paths.DATA_ORIGIN),
    log:
        f"{LOGS}/note/{{task}}/data.log",
    conda:
        ENVIRONMENT
    params:
        origin=lambda wildcards: origin_of_data(PLAN, wildcards.task),
    shell:
        "safemil note-origin --origin {params.origin:q} --output {output:q} {input:q} 2>&1 | tee {log:q}"
