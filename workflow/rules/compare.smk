"""An experiment: variants of a system beside each other, user by user, with intervals and paired tests.

REQUIRED  ranks.parquet of every variant's runs
OUTPUTS   results/<scenario>/<experiment>.tsv, and .md to read; experiments and their variants stand in the config
"""


localrules:
    compare,


rule compare:
    """Comparing the variants of {wildcards.experiment} on {wildcards.scenario}."""
    input:
        ranks=lambda wc: distinct(runs_of(wc.scenario, wc.experiment, "ranks.parquet")),
        settings=lambda wc: distinct(runs_of(wc.scenario, wc.experiment, "settings.json")),
        code=code("semacdr.stages.compare"),
    output:
        table=report("results/{scenario}/{experiment}.tsv", category="{scenario}", caption="../report/compare.rst"),
        page="results/{scenario}/{experiment}.md",
    log:
        "logs/{scenario}/compare_{experiment}.log",
    benchmark:
        "logs/benchmarks/{scenario}/compare_{experiment}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        split=lambda wc: EXPERIMENTS[wc.experiment].get("split", "test"),
        runs=lambda wc: as_runs(folders(runs_of(wc.scenario, wc.experiment, "ranks.parquet"))),
    shell:
        "python -m semacdr.stages.compare {params.runs} --title '{wildcards.experiment}, {wildcards.scenario}'"
        " --split {params.split}"
        " --output {output.table} --table {output.page} 2> {log}"
