# From a run's rows and tables to its figures. Needs: what each figure says in safemil/figures/entries.py, such as
# results/{run_name}/episodes.parquet. Gives: figures/{run_name}/{figure}.png, .pdf and .csv.

FIGURES = figure_entries(PLAN)


rule figures:
    """Draw every figure that is part of `all`."""
    input:
        lambda wildcards: planned_figures(PLAN),


for entry in FIGURES.values():

    rule:
        name:
            entry.target
        input:
            lambda wildcards, entry=entry: plan_inputs.files_of(entry.inputs(PLAN)),
        output:
            png=report(
                PLAN.path(paths.FIGURE, figure=entry.name, extension="png"),
                caption=f"../report/{entry.caption_name}.rst",
                category=CATEGORY[entry.category],
                labels={"result": entry.label},
            ),
            others=PLAN.figure_files(entry.name)[1:],
        log:
            f"{LOGS}/figure/{entry.name}.log",
        benchmark:
            f"{BENCHMARKS}/figure/{entry.name}.tsv"
        conda:
            ENVIRONMENT
        params:
            figure=entry.name,
            config=RESOLVED_CONFIG,
            directory=lambda wildcards, output: str(Path(output.png).parent),
            settings=entry.settings(PLAN),
            shown=SHOWN_FACTS,
            code=lambda wildcards, entry=entry: source_digest(entry.module),
        shell:
            "safemil figure {params.figure} --config {params.config:q} --directory {params.directory:q} {input:q}"
            " 2>&1 | tee {log:q}"
