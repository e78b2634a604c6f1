"""Variants by how much training knows of the user, and of the item that is to be predicted.

REQUIRED  ranks.parquet of every variant's runs, split.parquet of both directions
OUTPUTS   results/<scenario>/cold_start.tsv, and .md to read; the variants stand in the config
"""


localrules:
    cold_start,


rule cold_start:
    """Comparing variants by what is known of user and item, on {wildcards.scenario}."""
    input:
        ranks=lambda wc: distinct(runs_of(wc.scenario, "cold_start", "ranks.parquet")),
        settings=lambda wc: distinct(runs_of(wc.scenario, "cold_start", "settings.json")),
        splits=both_splits,
        code=code("semacdr.stages.cold_start"),
    output:
        table=report("results/{scenario}/cold_start.tsv", category="{scenario}", caption="../report/cold_start.rst"),
        page="results/{scenario}/cold_start.md",
    log:
        "logs/{scenario}/cold_start.log",
    benchmark:
        "logs/benchmarks/{scenario}/cold_start.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_runs(folders(runs_of(wc.scenario, "cold_start", "ranks.parquet"))),
        user_groups=lambda wc: " ".join(map(str, setting("cold_start", "user_groups")(wc))),
        item_groups=lambda wc: " ".join(map(str, setting("cold_start", "item_groups")(wc))),
    shell:
        "python -m semacdr.stages.cold_start {params.runs} --splits {input.splits} --title 'Cold start, {wildcards.scenario}'"
        " --user-groups {params.user_groups} --item-groups {params.item_groups}"
        " --output {output.table} --table {output.page} 2> {log}"
