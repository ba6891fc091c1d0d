# From all episodes, and from the table of the theory, to figures. Needs: results/{run_name}/episodes.parquet.
# Gives: figures/{run_name}/.


rule figures:
    """Draw every figure."""
    input:
        expand(PLAN.path(paths.MAIN_FIGURE), extension=["png", "pdf", "csv"]),
        expand(PLAN.path(paths.PLANE_FIGURE), extension=["png", "pdf", "csv"]),
        expand(PLAN.path(paths.PROFILES_FIGURE), extension=["png", "pdf", "csv"]),
        PLAN.if_curves(paths.LEARNING_CURVES_FIGURE, ["png", "pdf", "csv"]),
        expand(PLAN.path(paths.THEORY_FIGURE), extension=["png", "pdf", "csv"]),
        PLAN.ablations_in_all(paths.ABLATION_FIGURE, ["png", "pdf", "csv"]),
        lambda wildcards: PLAN.if_cost_is_learned(
            paths.LEARNED_COST_FIGURE, ["png", "pdf", "csv"]
        ),


rule figure_main:
    """Draw return, cost and CVaR of every method on every task."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        png=report(
            PLAN.path(paths.MAIN_FIGURE, extension="png"),
            caption="../report/figure_main.rst",
            category=CATEGORY["comparison"],
            labels={"result": "Figure: return, cost and CVaR"},
        ),
        pdf=PLAN.path(paths.MAIN_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.MAIN_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_main.log",
    benchmark:
        f"{BENCHMARKS}/figure_main.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.png).parent),
        settings=PLAN.score_parameters(),
        code=source_digest(
            "safemil.statistics.main_table",
            "safemil.figures.main_comparison",
            "safemil.records.completeness",
        ),
    shell:
        "safemil figure main --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule figure_plane:
    """Draw every method in the plane of cost and return, a panel per task."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        png=report(
            PLAN.path(paths.PLANE_FIGURE, extension="png"),
            caption="../report/figure_plane.rst",
            category=CATEGORY["comparison"],
            labels={"result": "Figure: plane of cost and return"},
        ),
        pdf=PLAN.path(paths.PLANE_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.PLANE_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_plane.log",
    benchmark:
        f"{BENCHMARKS}/figure_plane.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.png).parent),
        settings=PLAN.score_parameters(),
        code=source_digest(
            "safemil.statistics.main_table",
            "safemil.figures.plane",
            "safemil.records.completeness",
        ),
    shell:
        "safemil figure plane --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule figure_profiles:
    """Draw performance profiles: the share of runs above a normalised return, and at most at a cost difference."""
    input:
        episodes=PLAN.path(paths.ALL_EPISODES),
    output:
        png=report(
            PLAN.path(paths.PROFILES_FIGURE, extension="png"),
            caption="../report/figure_profiles.rst",
            category=CATEGORY["comparison"],
            labels={"result": "Figure: performance profiles"},
        ),
        pdf=PLAN.path(paths.PROFILES_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.PROFILES_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_profiles.log",
    benchmark:
        f"{BENCHMARKS}/figure_profiles.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        config=RESOLVED_CONFIG,
        directory=lambda wildcards, output: str(Path(output.png).parent),
        settings=PLAN.score_parameters(),
        code=source_digest("safemil.figures.profiles"),
    shell:
        "safemil figure profiles --config {params.config:q} --episodes {input.episodes:q}"
        " --directory {params.directory:q} 2>&1 | tee {log:q}"


rule figure_theory:
    """Draw Lemma 1 and Theorem 1 over K: formula, what holds under other costs, and frequencies as drawn."""
    input:
        table=PLAN.table_file("theory", "csv"),
    output:
        png=report(
            PLAN.path(paths.THEORY_FIGURE, extension="png"),
            caption="../report/figure_theory.rst",
            category=CATEGORY["theory"],
            labels={"result": "Figure: Lemma 1 and Theorem 1"},
        ),
        pdf=PLAN.path(paths.THEORY_FIGURE, extension="pdf"),
        csv=PLAN.path(paths.THEORY_FIGURE, extension="csv"),
    log:
        f"{LOGS}/figure_theory.log",
    benchmark:
        f"{BENCHMARKS}/figure_theory.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        directory=lambda wildcards, output: str(Path(output.png).parent),
        code=source_digest("safemil.figures.theory"),
    shell:
        "safemil figure-theory --table {input.table:q} --directory {params.directory:q} 2>&1 | tee {log:q}"
