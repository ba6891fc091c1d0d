# Tables and figures of the runs that are finished so far. Needs: any run with its episodes.
# Gives: results/{run_name}/partial/ and figures/{run_name}/partial/.


# Without input, output or benchmark: so it runs each time it is asked for, also while another snakemake trains.
rule partial:
    """Make the main tables and figures from the finished runs alone; trains nothing."""
    log:
        f"{LOGS}/partial.log",
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=PLAN.path(paths.PARTIAL_TABLES),
        figures=PLAN.path(paths.PARTIAL_FIGURES),
    shell:
        "safemil partial --config {params.config:q} --directory {params.directory:q}"
        " --figures {params.figures:q} 2>&1 | tee {log:q}"
