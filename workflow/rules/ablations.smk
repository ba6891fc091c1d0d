# From the episodes of an ablation's variants to a table and a figure. Needs: policies of the variants. Gives:
# results/{run_name}/ablation_{ablation}.parquet, and figures of that name; tables.smk makes the tables. An ablation is a few
# lines of configuration (config/ablations.yaml); its variants are trained and rolled out by the rules of all others.


for ablation_name in CONFIG.ablations:

    rule:
        name:
            f"ablation_{ablation_name}"
        input:
            PLAN.table_files(f"ablation_{ablation_name}"),
            expand(
                PLAN.path(paths.ABLATION_FIGURE, ablation=ablation_name),
                extension=["png", "pdf", "csv"],
            ),
            PLAN.path(paths.REPORT_PAGE, page=f"ablation_{ablation_name}"),


rule gather_ablation:
    """Put the episodes of an ablation's variants and of the references into one table."""
    input:
        lambda wildcards: PLAN.paths(
            paths.EPISODES, PLAN.ablation_cells(wildcards.ablation)
        ),
    output:
        PLAN.path(paths.ABLATION_EPISODES),
    log:
        f"{LOGS}/gather_ablation/{{ablation}}.log",
    benchmark:
        f"{BENCHMARKS}/gather_ablation/{{ablation}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        code=source_digest("safemil.records.completeness"),
    shell:
        "safemil gather --config {params.config:q} --ablation {wildcards.ablation} {input:q} --output {output:q} 2>&1 | tee {log:q}"


rule figure_ablation:
    """Draw cost and return against the varied setting of an ablation."""
    input:
        episodes=PLAN.path(paths.ABLATION_EPISODES),
    output:
        png=report(
            PLAN.path(paths.ABLATION_FIGURE, extension="png"),
            caption="../report/figure_ablation.rst",
            category=CATEGORY["ablations"],
            labels={"result": "Figure: {ablation}"},
        ),
        pdf=PLAN.path(paths.ABLATION_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.ABLATION_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_ablation/{{ablation}}.log",
    benchmark:
        f"{BENCHMARKS}/figure_ablation/{{ablation}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.png).parent),
        settings=lambda wildcards: PLAN.ablation_parameters(wildcards.ablation),
        code=source_digest(
            "safemil.statistics.main_table",
            "safemil.figures.ablation",
            "safemil.records.completeness",
        ),
    shell:
        "safemil figure-ablation {wildcards.ablation} --config {params.config:q}"
        " --episodes {input.episodes:q} --directory {params.directory:q} 2>&1 | tee {log:q}"
