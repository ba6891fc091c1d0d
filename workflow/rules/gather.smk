# From files of runs to one table of each kind. Needs: the files that an entry of safemil/plan/gathering.py names, or the
# tables of kept runs. Gives: results/{run_name}/episodes.parquet and its like; on request (target export) CSV files.

GATHERED = gathered_tables(PLAN)


rule gather:
    """Put the rows of all runs into one table, after checking that they are comparable and that none is missing."""
    input:
        made=lambda wildcards: KEPT.made_files(wildcards.gathered),
        kept=lambda wildcards: KEPT.kept_table(wildcards.gathered),
    output:
        PLAN.path(paths.GATHERED),
    log:
        f"{LOGS}/gather/{{gathered}}.log",
    benchmark:
        f"{BENCHMARKS}/gather/{{gathered}}.tsv"
    wildcard_constraints:
        gathered="|".join(GATHERED),
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=lambda wildcards: GATHERED[wildcards.gathered].settings(PLAN),
        kept=lambda wildcards: KEPT.digest(wildcards.gathered),
        code=lambda wildcards: source_digest(GATHERED[wildcards.gathered].code),
    shell:
        "safemil gather {wildcards.gathered} --config {params.config:q} --output {output:q} {input.made:q}"
        " 2>&1 | tee {log:q}"


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
    params:
        code=source_digest("safemil.records.export"),
    shell:
        "safemil export {input:q} --output {output:q} 2>&1 | tee {log:q}"
