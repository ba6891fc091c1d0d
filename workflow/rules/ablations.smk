# From the episodes of an ablation's variants to a table and a figure. Needs: policies of the variants. Gives:
# results/{run_name}/ablation_{ablation}.parquet, and figures of that name; tables.smk makes the tables. An ablation is a few
# lines of configuration (config/ablations.yaml); its variants are trained and rolled out by the rules of all others.


for ablation_name in CONFIG.ablations:

    rule:
        name:
            f"ablation_{ablation_name}"
        input:
            PLAN.table_files(f"ablation_{ablation_name}"),
            PLAN.figure_files(f"ablation_{ablation_name}"),
            PLAN.path(paths.REPORT_PAGE, page=f"ablation_{ablation_name}"),
