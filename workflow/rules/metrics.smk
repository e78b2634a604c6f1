"""The result table of a scenario: every system, both directions, full and sampled ranking.

REQUIRED  ranks.parquet, settings.json and cost.json of every run
OUTPUTS   results/<scenario>/metrics.tsv, and metrics.md to read, with what each system cost
"""


localrules:
    metrics,


rule metrics:
    """Summarising {wildcards.scenario}."""
    input:
        ranks=all_ranks,
        costs=lambda wc: all_runs(wc, "cost.json"),
        settings=lambda wc: all_runs(wc, "settings.json"),
        paper="resources/paper/results.tsv",
        code=code("semacdr.stages.metrics"),
    output:
        metrics=report("results/{scenario}/metrics.tsv", category="{scenario}", caption="../report/metrics.rst"),
        table="results/{scenario}/metrics.md",
    log:
        "logs/{scenario}/metrics.log",
    benchmark:
        "logs/benchmarks/{scenario}/metrics.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        budgets=table_budgets,
        ks=lambda wc: " ".join(map(str, setting("metrics", "ks")(wc))),
    shell:
        "python -m semacdr.stages.metrics --ranks {input.ranks} --costs {input.costs} --paper {input.paper} --ks {params.ks}"
        " {params.budgets} --output {output.metrics} --table {output.table} 2> {log}"
