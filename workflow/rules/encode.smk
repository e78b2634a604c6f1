"""Frozen text vectors of the items.

REQUIRED  results/<scenario>/semantics/inner.parquet, encoded.parquet
OUTPUTS   results/<scenario>/embeddings.parquet
"""


rule encode:
    """Encoding the texts of {wildcards.scenario} with {params.encoder}."""
    input:
        inner="results/{scenario}/semantics/inner.parquet",
        encoded="results/{scenario}/semantics/encoded.parquet",
        code=code("semacdr.stages.encode"),
    output:
        "results/{scenario}/embeddings.parquet",
    log:
        "logs/{scenario}/encode.log",
    benchmark:
        "logs/benchmarks/{scenario}/encode.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(setting("encode", "threads"))
    resources:
        gpu=GPU,
    params:
        threads=setting("encode", "threads"),
        encoder=setting("encode", "encoder"),
        batch_size=setting("encode", "batch_size"),
    shell:
        "python -m semacdr.stages.encode --inner {input.inner} --encoded {input.encoded} --encoder {params.encoder}"
        " --batch-size {params.batch_size} --threads {params.threads} --output {output} 2> {log}"
