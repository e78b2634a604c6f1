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
        candidates=both_candidates,
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
        runs=table_runs,
        settings=lambda wc: json.dumps({"ks": setting("metrics", "ks")(wc)}),
    shell:
        "python -m semacdr.stages.metrics {params.runs} --candidates {input.candidates} --paper {input.paper}"
        " --settings {params.settings:q} --output {output.metrics} --table {output.table} 2> {log}"
