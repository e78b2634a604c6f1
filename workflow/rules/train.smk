"""One run: a system with all its settings, one direction, one seed. The model's file declares which inputs it reads.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, <source>_to_<target>/split.parquet; by model
          embeddings.parquet, semantics/agnostic.parquet, <source>_to_<target>/graphs; to rank also candidates.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/<run>/seed<N>/checkpoint.safetensors, history.tsv, settings.json,
          cost.json; ranks.parquet; on demand recommendations.parquet and vectors.parquet
"""


rule train:
    input:
        unpack(jobs.model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        code=jobs.model_code("train"),
    output:
        checkpoint="results/{scenario}/{direction}/{run}/seed{seed}/checkpoint.safetensors",
        history="results/{scenario}/{direction}/{run}/seed{seed}/history.tsv",
        settings="results/{scenario}/{direction}/{run}/seed{seed}/settings.json",
        cost="results/{scenario}/{direction}/{run}/seed{seed}/cost.json",
    log:
        "logs/{scenario}/{direction}/{run}/train_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/{run}/train_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(option("train", "threads"))
    resources:
        gpu=jobs.gpus_to_learn,
    params:
        paths=paths,
        model=lambda wc: record(wc).model,
        settings=lambda wc: record(wc).training,
        model_settings=lambda wc: record(wc).settings,
        tuned=lambda wc: record(wc).tuned,
        threads=lambda wc, input: plan.options("train", wc.scenario).threads,
        save=lambda wc, input: plan.options("train", wc.scenario).save_minutes,
        folder=folder,
    message:
        "Training {wildcards.run}, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.train {params.paths:q} --model {params.model:q} --settings {params.settings:q}"
        " --model-settings {params.model_settings:q} --tuned {params.tuned:q} --seed {wildcards.seed:q}"
        " --threads {params.threads:q} --save-minutes {params.save:q} --output {params.folder:q} 2> {log:q}"


rule rank:
    input:
        unpack(jobs.model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        candidates="results/{scenario}/{direction}/candidates.parquet",
        checkpoint="results/{scenario}/{direction}/{run}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{direction}/{run}/seed{seed}/settings.json",
        code=jobs.model_code("rank"),
    output:
        "results/{scenario}/{direction}/{run}/seed{seed}/ranks.parquet",
    log:
        "logs/{scenario}/{direction}/{run}/rank_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/{run}/rank_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(option("rank", "threads"))
    resources:
        gpu=jobs.gpus_to_learn,
    params:
        paths=paths,
        how=lambda wc, input: plan.as_flags("rank", wc.scenario),
        folder=folder,
    message:
        "Ranking with {wildcards.run}, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.rank {params.paths:q} --candidates {input.candidates:q} --run {params.folder:q}"
        " {params.how:q} --output {output:q} 2> {log:q}"


rule recommend:
    input:
        unpack(jobs.model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        checkpoint="results/{scenario}/{direction}/{run}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{direction}/{run}/seed{seed}/settings.json",
        code=jobs.model_code("recommend"),
    output:
        "results/{scenario}/{direction}/{run}/seed{seed}/recommendations.parquet",
    log:
        "logs/{scenario}/{direction}/{run}/recommend_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/{run}/recommend_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(option("recommend", "threads"))
    resources:
        gpu=jobs.gpus_to_learn,
    params:
        paths=paths,
        settings=settings("recommend"),
        how=lambda wc, input: plan.as_flags("recommend", wc.scenario),
        folder=folder,
    message:
        "Recommending with {wildcards.run}, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.recommend {params.paths:q} --run {params.folder:q} --settings {params.settings:q}"
        " {params.how:q} --output {output:q} 2> {log:q}"


rule vectors:
    input:
        unpack(jobs.model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        checkpoint="results/{scenario}/{direction}/{run}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{direction}/{run}/seed{seed}/settings.json",
        code=jobs.model_code("vectors"),
    output:
        "results/{scenario}/{direction}/{run}/seed{seed}/vectors.parquet",
    log:
        "logs/{scenario}/{direction}/{run}/vectors_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/{run}/vectors_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(1)
    params:
        paths=paths,
        folder=folder,
    message:
        "Writing item vectors of {wildcards.run}, {wildcards.direction}, seed {wildcards.seed} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.vectors {params.paths:q} --run {params.folder:q} --threads 1 --device cpu"
        " --output {output:q} 2> {log:q}"
