"""Tables of results: the result table, experiments with paired tests, costs, mean ranks over scenarios, all runs.

REQUIRED  ranks.parquet, settings.json, cost.json and history.tsv of the runs that the config asks for
OUTPUTS   results/<scenario>/metrics.tsv, summary.tsv, <experiment>.tsv, <experiment>_ties.tsv, cold_start.tsv, efficiency.tsv, each
          with a readable .md;
          results/mean_ranks.tsv and .png, data_sets.tsv and .md; `snakemake runs` prints a list of all runs
"""

from semacdr.plan.targets import needed_runs
from semacdr.plan.run_list import list_runs

RESULT_FILES = ("ranks.parquet", "settings.json", "cost.json", "history.tsv")  # of a run: what tables are made from


localrules:
    metrics,
    compare,
    ties,
    cold_start,
    efficiency,
    mean_ranks,
    data_sets,
    runs,


rule metrics:
    input:
        runs=lambda wc: distinct(plan.table_runs(wc.scenario), *RESULT_FILES),
        candidates=lambda wc: plan.candidates(wc.scenario),
        paper=shown(Path(workflow.basedir, "resources/paper/results.tsv")),
        code=code("semacdr.stages.metrics"),
    output:
        metrics=report("results/{scenario}/metrics.tsv", category="{scenario}", caption="../report/metrics.rst"),
        summary="results/{scenario}/summary.tsv",
        table="results/{scenario}/metrics.md",
    log:
        "logs/{scenario}/metrics.log",
    benchmark:
        "logs/benchmarks/{scenario}/metrics.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_options(plan.table_runs(wc.scenario)),
        settings=settings("metrics"),
    message:
        "Writing the result table of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.metrics {params.runs:q} --candidates {input.candidates:q} --paper {input.paper:q}"
        " --settings {params.settings:q} --output {output.metrics:q} --summary {output.summary:q}"
        " --table {output.table:q} 2> {log:q}"


rule compare:
    input:
        runs=lambda wc: distinct(plan.experiment_runs(wc.scenario, wc.experiment), *RESULT_FILES),
        code=code("semacdr.stages.compare"),
    output:
        table=report("results/{scenario}/{experiment}.tsv", category="{scenario}", caption="../report/compare.rst"),
        page="results/{scenario}/{experiment}.md",
    log:
        "logs/{scenario}/compare_{experiment}.log",
    benchmark:
        "logs/benchmarks/{scenario}/compare_{experiment}.tsv"
    wildcard_constraints:
        experiment="|".join(name for name in plan.experiments if name != "cold_start") or "none",
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_options(plan.experiment_runs(wc.scenario, wc.experiment)),
        how=lambda wc: plan.experiments[wc.experiment].options,
        split=lambda wc: plan.experiments[wc.experiment].split,
        title="{experiment}, {scenario}",
    message:
        "Comparing the variants of {wildcards.experiment} on {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.compare {params.runs:q} {params.how:q} --title {params.title:q} --split {params.split:q}"
        " --output {output.table:q} --table {output.page:q} 2> {log:q}"


rule ties:
    input:
        runs=lambda wc: distinct(plan.experiment_runs(wc.scenario, wc.experiment), *RESULT_FILES),
        interactions="results/{scenario}/interactions.parquet",
        splits=lambda wc: plan.splits(wc.scenario),
        code=code("semacdr.stages.ties"),
    output:
        table=report("results/{scenario}/{experiment}_ties.tsv", category="{scenario}", caption="../report/ties.rst"),
        page="results/{scenario}/{experiment}_ties.md",
    log:
        "logs/{scenario}/ties_{experiment}.log",
    benchmark:
        "logs/benchmarks/{scenario}/ties_{experiment}.tsv"
    wildcard_constraints:
        experiment="|".join(name for name in plan.experiments if name != "cold_start") or "none",
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_options(plan.experiment_runs(wc.scenario, wc.experiment)),
        how=lambda wc: plan.experiments[wc.experiment].options,
        split=lambda wc: plan.experiments[wc.experiment].split,
        title="{experiment}, tied and untied events, {scenario}",
    message:
        "Comparing the variants of {wildcards.experiment} on tied and untied events of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.ties {params.runs:q} {params.how:q} --interactions {input.interactions:q} --splits {input.splits:q}"
        " --title {params.title:q} --split {params.split:q} --output {output.table:q} --table {output.page:q} 2> {log:q}"


rule cold_start:
    input:
        runs=lambda wc: distinct(plan.experiment_runs(wc.scenario, "cold_start"), *RESULT_FILES),
        splits=lambda wc: plan.splits(wc.scenario),
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
        runs=lambda wc: as_options(plan.experiment_runs(wc.scenario, "cold_start")),
        how=lambda wc: plan.experiments["cold_start"].options,
        settings=settings("cold_start"),
        title="Cold start, {scenario}",
    message:
        "Comparing variants by training events of user and item on {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.cold_start {params.runs:q} {params.how:q} --splits {input.splits:q} --title {params.title:q}"
        " --settings {params.settings:q} --output {output.table:q} --table {output.page:q} 2> {log:q}"


rule efficiency:
    input:
        runs=lambda wc: distinct(summaries.efficiency_runs(plan, wc.scenario), "settings.json", "cost.json"),
        experiment=lambda wc: f"results/{wc.scenario}/{summaries.summarised(plan, 'efficiency', wc.scenario).name}.tsv",
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
        runs=lambda wc: as_options(summaries.efficiency_runs(plan, wc.scenario)),
        title=lambda wc: f"{summaries.summarised(plan, 'efficiency', wc.scenario).name}, {wc.scenario}",
    message:
        "Comparing quality and cost on {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.efficiency {params.runs:q} --experiment {input.experiment:q} --title {params.title:q}"
        " --output {output.table:q} --table {output.page:q} --picture {output.picture:q} 2> {log:q}"


rule mean_ranks:
    input:
        tables=lambda wc: [
            f"results/{one}/{summaries.summarised(plan, 'mean_ranks').name}.tsv" for one in plan.config.run
        ],
        code=code("semacdr.stages.mean_ranks"),
    output:
        table=report("results/mean_ranks.tsv", caption="../report/mean_ranks.rst"),
        picture=report("results/mean_ranks.png", caption="../report/mean_ranks.rst"),
    log:
        "logs/mean_ranks.log",
    benchmark:
        "logs/benchmarks/mean_ranks.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        title=lambda wc: f"{summaries.summarised(plan, 'mean_ranks').name}, {', '.join(plan.config.run)}",
    message:
        "Computing mean ranks over {params.title}"
    shell:
        "python -m semacdr.stages.mean_ranks --tables {input.tables:q} --title {params.title:q}"
        " --output {output.table:q} --picture {output.picture:q} 2> {log:q}"


rule data_sets:
    input:
        runs=lambda wc: summaries.data_set_files(plan, "ranks.parquet", "settings.json"),
        code=code("semacdr.stages.data_sets"),
    output:
        table=report("results/data_sets.tsv", caption="../report/data_sets.rst"),
        page="results/data_sets.md",
    log:
        "logs/data_sets.log",
    benchmark:
        "logs/benchmarks/data_sets.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: summaries.data_set_options(plan),
        title=lambda wc: f"{' and '.join(summaries.data_set_experiments(plan))}, {len(plan.config.run)} scenarios",
    message:
        "Joining {params.title}"
    shell:
        "python -m semacdr.stages.data_sets {params.runs:q} --title {params.title:q}"
        " --output {output.table:q} --table {output.page:q} 2> {log:q}"


rule runs:
    log:
        "logs/runs.tsv",
    message:
        "Listing all runs"
    run:
        list_runs(Path("results"), needed_runs(plan), Path(log[0]))
