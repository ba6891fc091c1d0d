# From all episodes to tables. Needs: results/{run_name}/episodes.parquet. Gives: results/{run_name}/tables/.


rule tables:
    """Make every table."""
    input:
        expand(
            filled(paths.TABLES) + "/main.{extension}", extension=["csv", "md", "tex"]
        ),


rule table_main:
    """Compute the main table: mean scores and intervals per task, method and variant."""
    input:
        episodes=filled(paths.ALL_EPISODES),
    output:
        csv=filled(paths.TABLES) + "/main.csv",
        markdown=filled(paths.TABLES) + "/main.md",
        latex=filled(paths.TABLES) + "/main.tex",
    log:
        f"{LOGS}/table_main.log",
    benchmark:
        f"{BENCHMARKS}/table_main.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=filled(paths.TABLES),
        settings=setting(CONFIG.evaluation.model_dump(mode="json")),
        code=code("safemil.evaluation.outputs", "safemil.evaluation.tables"),
    shell:
        "safemil table --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"
