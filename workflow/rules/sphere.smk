"""What explains the gain of SPHERE: density of the target, and the weights of its gate.

REQUIRED  the table of the experiment in each scenario, with the scenario's tables; the trained runs of model sphere
OUTPUTS   results/density.tsv, density_correlations.tsv, density.md, density.png; results/<scenario>/gate.tsv, gate.md;
          gate_weights.parquet of a run
"""


localrules:
    density,
    gate,


rule density:
    input:
        tables=lambda wc: summaries.density_tables(plan),
        code=code("semacdr.stages.density"),
    output:
        table=report("results/density.tsv", caption="../report/density.rst"),
        correlations=report("results/density_correlations.tsv", caption="../report/density.rst"),
        page="results/density.md",
        picture=report("results/density.png", caption="../report/density.rst"),
    log:
        "logs/density.log",
    benchmark:
        "logs/benchmarks/density.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        folders=lambda wc: [f"results/{one}" for one in summaries.density_scenarios(plan)],
        experiment=lambda wc: summaries.summarised(plan, "density").name,
        variants=lambda wc: list(plan.planned("density").variants),
        title=lambda wc: f"Gain of SPHERE, experiment {summaries.summarised(plan, 'density').name}",
    message:
        "Comparing the gain of SPHERE with density, quality and proximity"
    shell:
        "python -m semacdr.stages.density --scenarios {params.folders:q} --experiment {params.experiment:q}"
        " --variants {params.variants:q} --title {params.title:q} --output {output.table:q}"
        " --correlations {output.correlations:q} --table {output.page:q} --picture {output.picture:q} 2> {log:q}"


rule gate_weights:
    input:
        unpack(jobs.model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        checkpoint="results/{scenario}/{direction}/{run}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{direction}/{run}/seed{seed}/settings.json",
        code=jobs.model_code("gate_weights"),
    output:
        "results/{scenario}/{direction}/{run}/seed{seed}/gate_weights.parquet",
    log:
        "logs/{scenario}/{direction}/{run}/gate_weights_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/{run}/gate_weights_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(1)
    params:
        paths=paths,
        folder=folder,
    message:
        "Writing the gate of {wildcards.run}, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.gate_weights {params.paths:q} --run {params.folder:q} --threads 1 --device cpu"
        " --output {output:q} 2> {log:q}"


rule gate:
    input:
        weights=lambda wc: distinct(summaries.gate_runs(plan, wc.scenario), "gate_weights.parquet"),
        code=code("semacdr.stages.gate"),
    output:
        table=report("results/{scenario}/gate.tsv", category="{scenario}", caption="../report/gate.rst"),
        page="results/{scenario}/gate.md",
    log:
        "logs/{scenario}/gate.log",
    benchmark:
        "logs/benchmarks/{scenario}/gate.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_options(summaries.gate_runs(plan, wc.scenario)),
        title="Gate, {scenario}",
    message:
        "Comparing the gates of {wildcards.scenario} by training events"
    shell:
        "python -m semacdr.stages.gate {params.runs:q} --title {params.title:q} --output {output.table:q}"
        " --table {output.page:q} 2> {log:q}"
