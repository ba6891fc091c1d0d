# A method that is a program of one's own: one rule that makes its policies. Named in the configuration under
# `custom_rules`, and the method, here `Ridge`, under `custom_methods`.
#
# From the pipeline: PLAN.path(template, **names) fills the run's name, the source of the data and the given names into a
# path template; `paths` holds the templates; LOGS is the folder of logs; PLAN.custom_settings(method, variant) is the
# variant's settings as JSON.
PROGRAM = "my_program/fit_ridge.py"


rule train_ridge:
    """Fit one policy, of one task, variant and seed, to the stripped trajectories."""
    input:
        data=PLAN.path(paths.TRAINING_DATA, split="default"),
        program=PROGRAM,  # an edit of it runs it again
    output:
        policy=PLAN.path(paths.POLICY, method="Ridge"),
    log:
        f"{LOGS}/train/{{task}}/Ridge/{{variant}}/seed{{seed}}.log",
    benchmark:
        PLAN.path(paths.TRAINING_BENCHMARK, method="Ridge")
    conda:
        "../environment.yml"  # seen from this file; for `--use-conda` only, and may be one of its own
    threads: 1
    params:
        settings=lambda wildcards: PLAN.custom_settings("Ridge", wildcards.variant),
    shell:
        "python {input.program:q} --data {input.data:q} --task {wildcards.task} --method Ridge"
        " --variant {wildcards.variant:q} --seed {wildcards.seed} --settings {params.settings:q}"
        " --output {output.policy:q} > {log:q} 2>&1"
