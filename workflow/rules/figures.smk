# From all episodes to figures. Needs: results/{run_name}/episodes.parquet. Gives: figures/{run_name}/.


rule figures:
    """Draw every figure."""
    input:
        expand(
            filled(paths.FIGURES) + "/main.{extension}",
            extension=["png", "pdf", "csv"],
        ),


rule figure_main:
    """Draw return, cost and CVaR of every method on every task."""
    input:
        episodes=filled(paths.ALL_EPISODES),
    output:
        png=filled(paths.FIGURES) + "/main.png",
        pdf=filled(paths.FIGURES) + "/main.pdf",
        csv=filled(paths.FIGURES) + "/main.csv",
    log:
        f"{LOGS}/figure_main.log",
    benchmark:
        f"{BENCHMARKS}/figure_main.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=filled(paths.FIGURES),
        settings=setting(CONFIG.evaluation.model_dump(mode="json")),
        code=code("safemil.evaluation.outputs", "safemil.figures.main_comparison"),
    shell:
        "safemil figure main --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"
