# From all episodes and the tables of other diagnostics to a verdict on each claim of the paper. Needs:
# results/{run_name}/episodes.parquet, tables/theory.csv, tables/learned_cost.csv where a method learns a cost, and table
# and episodes of the ablations k, h and weighting as far as `all` includes them. Gives: results/{run_name}/claims.md and claims.json.


rule claims:
    """Decide the paper's claims by the rules of the configuration: holds, does not hold, or not measured."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
        theory=PLAN.table_file("theory", "csv"),
        learned_cost=lambda wildcards: PLAN.learned_cost_table(),
        ablations=[
            file for files in PLAN.claimed_ablations().values() for file in files
        ],
    output:
        markdown=PLAN.path(paths.CLAIMS, extension="md"),
        json=PLAN.path(paths.CLAIMS, extension="json"),
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCHMARKS}/claims.tsv"
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.json).parent),
        learned_cost=lambda wildcards: option(
            "learned-cost", *PLAN.learned_cost_table()
        ),
        ablations=" ".join(
            option("ablation", name, *files)
            for name, files in PLAN.claimed_ablations().items()
        ),
        settings=PLAN.score_parameters(),
        thresholds=tracked(CONFIG.claims.model_dump(mode="json")),
        shown=SHOWN_FACTS,
        code=source_digest("safemil.claims.report"),
    shell:
        "safemil claims --config {params.config:q} --episodes {input.episodes:q} --theory {input.theory:q}"
        " {params.learned_cost} {params.ablations} --directory {params.directory:q} 2>&1 | tee {log:q}"
