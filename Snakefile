# The benchmark as a workflow: data -> training -> rollouts -> tables and figures.
#
#   snakemake --cores 8 all                                        the default configuration
#   snakemake --cores all all --configfile config/quick.yaml       a first look within 10 minutes
#   snakemake --cores 1 figure_main --configfile ...               redraws one figure
#   snakemake --report results/quick/report.html --configfile ...  one HTML file of a finished run
#
# Targets: all, data, train, tables, figures, figure_main (or _plane, _profiles, _learning_curves), ablation_k (and others,
# config/ablations.yaml), claims, report_pages, export, partial (of the runs that are finished so far), keep, behavior.
from snakemake.utils import min_version

min_version("9.27")


if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/behavior.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/rollout.smk"
include: "workflow/rules/learned_cost.smk"
include: "workflow/rules/learning_curves.smk"
include: "workflow/rules/gather.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/ablations.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/custom.smk"
include: "workflow/rules/partial.smk"
include: "workflow/rules/kept.smk"


localrules:
    all,
    data,
    train,
    tables,
    figures,
    behavior,
    export,
    report_pages,
    partial,
    keep,


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.claims.output,
        PLAN.for_tasks(PLAN.path(paths.DATA_CARD, extension="png")),
        rules.report_pages.input,


onstart:
    write_resolved(CONFIG, Path(RESOLVED_CONFIG))
    if KEPT.notice():
        print(KEPT.notice())


onsuccess:
    print(PLAN.where_results_are())
