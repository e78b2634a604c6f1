"""Models for use: an evaluated run trained again on all events, packed into one file, with a list for every user.

REQUIRED  an evaluated run (train) of a system in train.systems, and what it was trained on
OUTPUTS   results/<scenario>/<source>_to_<target>/final/split.parquet, graphs, <run>/seed<N>/checkpoint.safetensors and
          settings.json; <system>.zip (semacdr pack), <system>.tsv (semacdr recommend) of the first seed
"""


use rule graph as final_graph with:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/final/split.parquet",
        code=code("semacdr.stages.graph"),
    output:
        expand("results/{{scenario}}/{{direction}}/final/graphs/{graph}.parquet", graph=GRAPHS),
    log:
        "logs/{scenario}/{direction}/final/graph.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/graph.tsv"
    message:
        "Building the graphs of all events of {wildcards.direction} of {wildcards.scenario}"


use rule personas as final_personas with:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/final/split.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "personas"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "personas"),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "personas"),
    output:
        personas="results/{scenario}/{direction}/final/personas{part}/personas.parquet",
        counts="results/{scenario}/{direction}/final/personas{part}/personas.tsv",
        cost="results/{scenario}/{direction}/final/personas{part}/cost.json",
    log:
        "logs/{scenario}/{direction}/final/personas{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/personas{part}.tsv"
    params:
        how=lambda wc, input: asking.how_asked(
            plan.config, wc.scenario, "personas", list(input.recorded), f"{wc.direction}/final{wc.part}"
        ),
    message:
        "Making the personas from all events of {wildcards.direction} of {wildcards.scenario}"


use rule persona_vectors as final_persona_vectors with:
    input:
        personas="results/{scenario}/{direction}/final/personas{part}/personas.parquet",
        known=lambda wc: whole_personas(wc, f"{wc.direction}/final"),
        code=code("semacdr.stages.persona_vectors"),
    output:
        "results/{scenario}/{direction}/final/personas{part}/vectors.parquet",
    log:
        "logs/{scenario}/{direction}/final/persona_vectors{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/persona_vectors{part}.tsv"
    message:
        "Encoding the personas from all events of {wildcards.direction} of {wildcards.scenario}"


use rule communities as final_communities with:
    input:
        personas="results/{scenario}/{direction}/final/personas{part}/personas.parquet",
        vectors="results/{scenario}/{direction}/final/personas{part}/vectors.parquet",
        code=code("semacdr.stages.communities"),
    output:
        "results/{scenario}/{direction}/final/personas{part}/communities.parquet",
    log:
        "logs/{scenario}/{direction}/final/communities{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/communities{part}.tsv"
    message:
        "Finding similar source users from all events of {wildcards.direction} of {wildcards.scenario}"


rule final_split:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        code=code("semacdr.stages.final_split"),
    output:
        "results/{scenario}/{direction}/final/split.parquet",
    log:
        "logs/{scenario}/{direction}/final/split.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/split.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        domains=lambda wc: plan.scenario(wc.scenario).directions[wc.direction],
    message:
        "Taking all events of {wildcards.direction} of {wildcards.scenario} for training"
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.final_split"
        " --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --source {params.domains[0]:q} --target {params.domains[1]:q} --output {output:q} 2> {log:q}"


rule final:
    input:
        unpack(jobs.final_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/final/split.parquet",
        evaluated=expand(
            "results/{{scenario}}/{{direction}}/{{run}}/seed{{seed}}/{name}",
            name=["checkpoint.safetensors", "settings.json", "cost.json"],
        ),
        code=jobs.model_code("final"),
    output:
        checkpoint="results/{scenario}/{direction}/final/{run}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{direction}/final/{run}/seed{seed}/settings.json",
    log:
        "logs/{scenario}/{direction}/final/{run}/train_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/{run}/train_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(option("final", "threads"))
    resources:
        gpu=jobs.gpus_to_learn,
    params:
        paths=paths,
        evaluated=lambda wc, input: str(Path(input.evaluated[0]).parent),
        how=lambda wc, input: plan.as_flags("final", wc.scenario),
        folder=folder,
    message:
        "Training {wildcards.run} on all events, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.final {params.paths:q} --run {params.evaluated:q} {params.how:q}"
        " --output {params.folder:q} 2> {log:q}"


rule pack:
    input:
        unpack(jobs.final_tables),
        run=jobs.final_run,
        code=code("semacdr.commands.pack"),
    output:
        "results/{scenario}/{direction}/final/{system}.zip",
    log:
        "logs/{scenario}/{direction}/final/{system}_pack.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/{system}_pack.tsv"
    conda:
        "../../envs/serve.yaml"
    threads: cpus(1)
    params:
        run=lambda wc, input: str(Path(input.run[0]).parent),
    message:
        "Packing {wildcards.system}, {wildcards.direction}, trained on all events ({wildcards.scenario})"
    shell:
        "python -m semacdr.commands.main pack {params.run:q} {output:q} 2> {log:q}"


rule recommend_now:
    input:
        bundle="results/{scenario}/{direction}/final/{system}.zip",
        code=code("semacdr.commands.recommend"),
    output:
        "results/{scenario}/{direction}/final/{system}.tsv",
    log:
        "logs/{scenario}/{direction}/final/{system}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/final/{system}.tsv"
    conda:
        "../../envs/serve.yaml"
    threads: cpus(1)
    params:
        top=lambda wc: plan.config.settings("recommend", wc.scenario).top,
    message:
        "Recommending with {wildcards.system}, {wildcards.direction}, as of now ({wildcards.scenario})"
    shell:
        "python -m semacdr.commands.main recommend {input.bundle:q} --all --top {params.top:q} --output {output:q} 2> {log:q}"
