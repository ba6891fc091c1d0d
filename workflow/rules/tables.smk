# From all episodes to tables. Needs: results/{run_name}/episodes.parquet. Gives: results/{run_name}/tables/.


rule tables:
    """Make every table."""
    input:
        expand(PLAN.path(paths.MAIN_TABLE), extension=["csv", "md", "tex"]),


rule table_main:
    """Compute the main table: mean scores and intervals per task, method and variant."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        csv=PLAN.path(paths.MAIN_TABLE, extension="csv"),
        markdown=PLAN.path(paths.MAIN_TABLE, extension="md"),
        latex=PLAN.path(paths.MAIN_TABLE, extension="tex"),
    log:
        f"{LOGS}/table_main.log",
    benchmark:
        f"{BENCHMARKS}/table_main.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.csv).parent),
        settings=tracked(CONFIG.evaluation.model_dump(mode="json")),
        code=source_digest("safemil.evaluation.outputs", "safemil.evaluation.tables"),
    shell:
        "safemil table --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"
