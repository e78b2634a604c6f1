"""What the systems of an experiment cost to train, beside how well they rank.

REQUIRED  settings.json and cost.json of every run; results/<scenario>/<experiment>.tsv
OUTPUTS   results/<scenario>/efficiency.tsv, .md to read, and .png
"""


rule efficiency:
    """Quality against cost on {wildcards.scenario}."""
    input:
        runs=lambda wc: distinct(efficiency_runs(wc, "settings.json")) + distinct(efficiency_runs(wc, "cost.json")),
        experiment=lambda wc: f"results/{wc.scenario}/{compared('efficiency', wc)}.tsv",
        code=code("semacdr.stages.efficiency"),
    output:
        table=report("results/{scenario}/efficiency.tsv", category="{scenario}", caption="../report/efficiency.rst"),
        page="results/{scenario}/efficiency.md",
        picture=report("results/{scenario}/efficiency.png", category="{scenario}", caption="../report/efficiency.rst"),
    log:
        "logs/{scenario}/efficiency.log",
    benchmark:
        "logs/benchmarks/{scenario}/efficiency.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        experiment=lambda wc: compared("efficiency", wc),
        runs=lambda wc: as_runs(folders(efficiency_runs(wc, "cost.json"))),
    shell:
        "python -m semacdr.stages.efficiency {params.runs} --experiment {input.experiment}"
        " --title '{params.experiment}, {wildcards.scenario}'"
        " --output {output.table} --table {output.page} --picture {output.picture} 2> {log}"
