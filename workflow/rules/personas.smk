"""What users' training events say of them in the shared vocabulary, as weights, texts and vectors; similar source users.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, semantics/taxonomy.json, semantics/agnostic.parquet,
          <source>_to_<target>/split.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/personas/personas.parquet, vectors.parquet, communities.parquet
"""


rule personas:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        code=code("semacdr.stages.personas"),
    output:
        "results/{scenario}/{direction}/personas/personas.parquet",
    log:
        "logs/{scenario}/{direction}/personas.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/personas.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(1)
    params:
        settings=settings("personas"),
    message:
        "Making the personas of {wildcards.direction} of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.personas --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --split {input.split:q} --taxonomy {input.taxonomy:q} --agnostic {input.agnostic:q}"
        " --settings {params.settings:q} --output {output:q} 2> {log:q}"


rule persona_vectors:
    input:
        personas="results/{scenario}/{direction}/personas/personas.parquet",
        code=code("semacdr.stages.persona_vectors"),
    output:
        "results/{scenario}/{direction}/personas/vectors.parquet",
    log:
        "logs/{scenario}/{direction}/persona_vectors.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/persona_vectors.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(option("persona_vectors", "threads"))
    resources:
        gpu=jobs.gpus,
    params:
        settings=settings("persona_vectors"),
        threads=lambda wc, input: plan.options("persona_vectors", wc.scenario).threads,
    message:
        "Encoding the personas of {wildcards.direction} of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.persona_vectors --personas {input.personas:q} --settings {params.settings:q}"
        " --threads {params.threads:q} --output {output:q} 2> {log:q}"


rule communities:
    input:
        personas="results/{scenario}/{direction}/personas/personas.parquet",
        vectors="results/{scenario}/{direction}/personas/vectors.parquet",
        code=code("semacdr.stages.communities"),
    output:
        "results/{scenario}/{direction}/personas/communities.parquet",
    log:
        "logs/{scenario}/{direction}/communities.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/communities.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(option("communities", "threads"))
    params:
        settings=settings("communities"),
        threads=lambda wc, input: plan.options("communities", wc.scenario).threads,
    message:
        "Finding similar source users in {wildcards.direction} of {wildcards.scenario}"
    shell:
        "OMP_NUM_THREADS={params.threads:q} OPENBLAS_NUM_THREADS={params.threads:q}"
        " python -m semacdr.stages.communities --personas {input.personas:q} --vectors {input.vectors:q}"
        " --settings {params.settings:q} --threads {params.threads:q} --output {output:q} 2> {log:q}"
