# What `snakemake --report` shows besides figures: claims, tables and data cards as HTML, and the run's provenance. Needs:
# claims.md, the tables in Markdown, the cards, results/{run_name}/runs.parquet. Gives: results/{run_name}/report/.

PAGES = planned_pages(PLAN)
PAGE_STYLE = "workflow/report/page.css"


rule report_pages:
    """Make every page of the report; the report itself is made by `snakemake --report`."""
    input:
        [page.output for page in PAGES],
        [
            PLAN.path(paths.REPORT_PAGE, page=f"ablation_{name}")
            for name in PLAN.ablation_names()
        ],


rule provenance:
    """Write down configuration, versions, commits and seeds of the run, and its trainings."""
    input:
        runs=PLAN.path(paths.RUNS),
    output:
        configuration=PLAN.path(paths.REPORT_TEXT, page="configuration"),
        runs=PLAN.path(paths.REPORT_TEXT, page="runs"),
    log:
        f"{LOGS}/provenance.log",
    benchmark:
        f"{BENCHMARKS}/provenance.tsv"
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.runs).parent),
        settings=tracked(CONFIG.model_dump(mode="json")),
        code=source_digest("safemil.report.provenance_pages"),
    shell:
        "safemil provenance --config {params.config:q} --runs {input.runs:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule render_pages:
    """Turn claims, tables, cards and provenance into pages of the report."""
    input:
        [page.source for page in PAGES],
        style=PAGE_STYLE,
    output:
        [
            report(
                page.output,
                caption=f"../report/{page.caption}.rst",
                category=page.category,
                labels={"result": page.label},
            )
            for page in PAGES
        ],
    log:
        f"{LOGS}/render_pages.log",
    benchmark:
        f"{BENCHMARKS}/render_pages.tsv"
    conda:
        ENVIRONMENT
    params:
        pages=" ".join(option("page", page.source, page.output) for page in PAGES),
        code=source_digest("safemil.report.html_page"),
    shell:
        "safemil pages --style {input.style:q} {params.pages} 2>&1 | tee {log:q}"


rule render_ablation:
    """Turn the table of an ablation into a page of the report."""
    input:
        table=PLAN.table_file("ablation_{ablation}", "md"),
        style=PAGE_STYLE,
    output:
        report(
            PLAN.path(paths.REPORT_PAGE, page="ablation_{ablation}"),
            caption="../report/table_ablation.rst",
            category=CATEGORY["ablations"],
            labels={"result": "Table: {ablation}"},
        ),
    log:
        f"{LOGS}/render_ablation/{{ablation}}.log",
    benchmark:
        f"{BENCHMARKS}/render_ablation/{{ablation}}.tsv"
    conda:
        ENVIRONMENT
    params:
        code=source_digest("safemil.report.html_page"),
    shell:
        "safemil pages --style {input.style:q} --page {input.table:q} {output:q} 2>&1 | tee {log:q}"
