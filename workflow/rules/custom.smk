# Programs of the user's own (docs/add_a_method.md): the files of `custom_rules`, whose rules write the policies of
# `custom_methods`. Needs: these policies. Gives: run.json of each, without which no policy is rolled out.

for _file in CUSTOM_RULES:

    include: _file


try:
    check_custom_rules(PLAN, workflow.rules)
except UserError as error:
    raise WorkflowError(str(error)) from None


rule accept_policy:
    """Check a policy that a program of the user's own wrote, and record what is known of it."""
    input:
        policy=PLAN.path(paths.POLICY),
    output:
        record=PLAN.path(paths.RUN_RECORD),
    log:
        f"{LOGS}/accept/{{task}}/{{method}}/{{variant}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/accept/{{task}}/{{method}}/{{variant}}/seed{{seed}}.tsv"
    wildcard_constraints:
        method=PLAN.custom_method_pattern(),
    conda:
        ENVIRONMENT
    params:
        config=RESOLVED_CONFIG,
        settings=lambda wildcards: PLAN.custom_settings(
            wildcards.method, wildcards.variant
        ),
        code=source_digest("safemil.rollouts.accept_policy"),
    shell:
        "safemil accept-policy --config {params.config:q} --task {wildcards.task} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --policy {input.policy:q}"
        " --output {output.record:q} 2>&1 | tee {log:q}"
