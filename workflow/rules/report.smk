"""One page to read and to pass on: results/<scenario>/report.html, with everything in it.

REQUIRED  the result table and what it was made of; what section `report` names: recommendations of systems,
          experiments, figures
OUTPUTS   results/<scenario>/report.html
"""


localrules:
    report,


rule report:
    """The page of {wildcards.scenario}."""
    input:
        unpack(lambda wc: {name: paths for name, paths in reported(wc).items() if paths}),
        statistics="results/{scenario}/statistics.tsv",
        steps="results/{scenario}/preprocess.tsv",
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        splits=both_splits,
        candidates=both_candidates,
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        inner="results/{scenario}/semantics/inner.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        filed="results/{scenario}/semantics/semantics.tsv",
        asked="results/{scenario}/semantics/cost.json",
        metrics="results/{scenario}/metrics.tsv",
        paper="resources/paper/results.tsv",
        code=code("semacdr.stages.report"),
        templates=sorted(map(str, Path("src/semacdr/reporting/page/templates").iterdir())),
    output:
        report("results/{scenario}/report.html", category="{scenario}", caption="../report/report.rst"),
    log:
        "logs/{scenario}/report.log",
    benchmark:
        "logs/benchmarks/{scenario}/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: cpus(1)
    params:
        given=lambda wc: report_options(reported(wc)),
        benchmarks="logs/benchmarks/{scenario}",
        users=setting("report", "people"),
        events=setting("report", "events"),
        examples=setting("report", "examples"),
        seed=setting("report", "seed"),
    shell:
        "python -m semacdr.stages.report --statistics {input.statistics} --steps {input.steps}"
        " --interactions {input.interactions} --items {input.catalogue} --splits {input.splits} --candidates {input.candidates}"
        " --taxonomy {input.taxonomy} --inner {input.inner} --agnostic {input.agnostic} --filed {input.filed}"
        " --asked {input.asked} --metrics {input.metrics} --paper {input.paper} {params.given}"
        " --benchmarks {params.benchmarks} --users {params.users} --events {params.events}"
        " --examples {params.examples} --seed {params.seed} --output {output} 2> {log}"
