# From a run's rows, records and cards to its tables. Needs: what each table says in safemil/tables/entries.py, such as
# results/{run_name}/episodes.parquet. Gives: results/{run_name}/tables/{table}.csv, .md and .tex.

TABLES = table_entries(PLAN)


rule tables:
    """Make every table that is part of `all`."""
    input:
        lambda wildcards: planned_tables(PLAN),
        PLAN.path(paths.RUNS),


for entry in TABLES.values():

    rule:
        name:
            entry.target
        input:
            PLAN.table_files(entry.name),


rule table:
    """Make one table: its numbers as CSV, and what they say in Markdown and LaTeX."""
    input:
        lambda wildcards: plan_inputs.files_of(TABLES[wildcards.table].inputs(PLAN)),
    output:
        PLAN.table_files("{table}"),
    log:
        f"{LOGS}/table/{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/table/{{table}}.tsv"
    wildcard_constraints:
        table="|".join(TABLES),
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output[0]).parent),
        settings=lambda wildcards: TABLES[wildcards.table].settings(PLAN),
        shown=SHOWN_FACTS,
        code=lambda wildcards: source_digest(TABLES[wildcards.table].module),
    shell:
        "safemil table {wildcards.table} --config {params.config:q} --directory {params.directory:q} {input:q}"
        " 2>&1 | tee {log:q}"
