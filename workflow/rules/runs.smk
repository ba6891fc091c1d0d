# The table of runs, and the tables of episodes and runs as CSV. Needs: run.json of every run,
# results/{run_name}/episodes.parquet. Gives: results/{run_name}/runs.parquet; on request (target export) CSV files.


rule gather_runs:
    """Put the records of all trainings into one table, which joins the episodes by the id of the run."""
    input:
        PLAN.paths(paths.RUN_RECORD, PLAN.trained_runs()),
    output:
        PLAN.path(paths.RUNS),
    log:
        f"{LOGS}/gather_runs.log",
    benchmark:
        f"{BENCHMARKS}/gather_runs.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        settings=PLAN.all_training_parameters(),
        code=source_digest("safemil.records.trainings"),
    shell:
        "safemil gather-runs {input:q} --config {params.config:q} --output {output:q} 2>&1 | tee {log:q}"


rule export:
    """Write episodes and runs as CSV; no other target asks for it."""
    input:
        expand(PLAN.path(paths.EXPORTED), table=PLAN.tables()),


rule export_table:
    """Write one table as CSV, with the digits that give the same numbers back."""
    input:
        PLAN.path(paths.TABLE),
    output:
        PLAN.path(paths.EXPORTED),
    log:
        f"{LOGS}/export_{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/export_{{table}}.tsv"
    wildcard_constraints:
        table="episodes|curve_episodes|runs",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        code=source_digest("safemil.records.export"),
    shell:
        "safemil export {input:q} --output {output:q} 2>&1 | tee {log:q}"
