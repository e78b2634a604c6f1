"""How much a system hangs on a setting: a sweep's comparison as curves.

REQUIRED  results/<scenario>/<experiment>.tsv of an experiment with `sweep`
OUTPUTS   results/<scenario>/<experiment>.png (the paper's figure 5)
"""


rule curves:
    """Curves of {wildcards.experiment} on {wildcards.scenario}."""
    input:
        table="results/{scenario}/{experiment}.tsv",
        code=code("semacdr.stages.curves"),
    output:
        report("results/{scenario}/{experiment}.png", category="{scenario}", caption="../report/curves.rst"),
    log:
        "logs/{scenario}/curves_{experiment}.log",
    benchmark:
        "logs/benchmarks/{scenario}/curves_{experiment}.tsv"
    wildcard_constraints:
        experiment="|".join(SWEPT) or "none",
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        setting=lambda wc: SWEPT[wc.experiment],
        system=lambda wc: EXPERIMENTS[wc.experiment]["system"]["model"],
    shell:
        "python -m semacdr.stages.curves --experiment {input.table} --setting {params.setting} --system {params.system}"
        " --picture {output} 2> {log}"
