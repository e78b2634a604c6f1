"""One self-contained page for reading and sharing: results/<scenario>/report.html.

REQUIRED  the result table and its inputs; recommendations, experiments and figures that section report names; of
          systems that read personas also the personas, communities and gate_weights.parquet
OUTPUTS   results/<scenario>/report.html
"""


localrules:
    report,


rule report:
    input:
        runs=lambda wc: distinct(plan.table_runs(wc.scenario), "settings.json", "cost.json", "history.tsv"),
        shown=lambda wc: [
            f"{run}/{name}.parquet"
            for run in summaries.report_files(plan, wc.scenario)["shown"]
            for name in ("ranks", "recommendations")
        ],
        personas=lambda wc: [
            f"{folder}/{name}.parquet"
            for folder in summaries.report_files(plan, wc.scenario)["personas"]
            for name in ("personas", "communities")
        ],
        gates=lambda wc: summaries.report_files(plan, wc.scenario)["gates"],
        experiments=lambda wc: summaries.report_files(plan, wc.scenario)["experiments"],
        figures=lambda wc: [
            str(Path(picture).with_suffix(kind))
            for picture in summaries.report_files(plan, wc.scenario)["figures"]
            for kind in (".png", ".tsv")
        ],
        statistics="results/{scenario}/statistics.tsv",
        steps="results/{scenario}/preprocess.tsv",
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        splits=lambda wc: plan.splits(wc.scenario),
        candidates=lambda wc: plan.candidates(wc.scenario),
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        inner="results/{scenario}/semantics/inner.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        filed="results/{scenario}/semantics/semantics.tsv",
        asked="results/{scenario}/semantics/cost.json",
        metrics="results/{scenario}/metrics.tsv",
        summary="results/{scenario}/summary.tsv",
        paper=shown(Path(workflow.basedir, "resources/paper/results.tsv")),
        code=code("semacdr.stages.report"),
        templates=sorted(map(shown, Path(SOURCES, "semacdr/reporting/page/templates").iterdir())),
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
        runs=lambda wc: plan.run_folders(wc.scenario),
        given=lambda wc: summaries.report_options(plan, wc.scenario),
        benchmarks="logs/benchmarks/{scenario}",
        settings=settings("report"),
    message:
        "Writing the report of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.report --statistics {input.statistics:q} --steps {input.steps:q}"
        " --interactions {input.interactions:q} --items {input.catalogue:q} --splits {input.splits:q}"
        " --taxonomy {input.taxonomy:q} --inner {input.inner:q} --agnostic {input.agnostic:q} --filed {input.filed:q}"
        " --asked {input.asked:q} --metrics {input.metrics:q} --summary {input.summary:q} --paper {input.paper:q} --runs {params.runs:q}"
        " --candidates {input.candidates:q} {params.given:q}"
        " --benchmarks {params.benchmarks:q} --settings {params.settings:q} --output {output:q} 2> {log:q}"
