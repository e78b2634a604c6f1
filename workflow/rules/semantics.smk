"""Item semantics: the shared categories, each item's text within its domain, and its place in the categories.

REQUIRED  results/<scenario>/items.parquet; with taxonomy.engine file the file that taxonomy.file names;
          with engine llm, of either stage, resources/prompts; with semantics.reviews semantics/snippets.parquet
OUTPUTS   results/<scenario>/semantics/taxonomy.json, taxonomy.tsv, inner.parquet, agnostic.parquet, encoded.parquet,
          semantics.tsv, cost.json
ON DEMAND results/<scenario>/semantics/price.txt: what asking would cost, before a request is sent
"""


rule taxonomy:
    """The categories of {wildcards.scenario}, by engine {params.engine}."""
    input:
        given=lambda wc: [] if asks(wc, "taxonomy") else setting("taxonomy", "file")(wc).format(scenario=wc.scenario),
        catalogue=lambda wc: f"results/{wc.scenario}/items.parquet" if asks(wc, "taxonomy") else [],
        prompts=lambda wc: prompts(
            wc, "taxonomy", "taxonomy_propose", "taxonomy_merge", "taxonomy_revise", "structured"
        ),
        recorded=recorded("taxonomy"),
        code=code_of("taxonomy"),
    output:
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        tests=report(
            "results/{scenario}/semantics/taxonomy.tsv", category="{scenario}", caption="../report/taxonomy.rst"
        ),
    log:
        "logs/{scenario}/taxonomy.log",
    benchmark:
        "logs/benchmarks/{scenario}/taxonomy.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(1)
    params:
        engine=setting("taxonomy", "engine"),
        settings=lambda wc: stage_settings(wc, "taxonomy"),
        llm=taxonomy_asked,
        given=taxonomy_given,
        how=lambda wc, input: how_asked(wc, input, "taxonomy"),
    shell:
        "python -m semacdr.stages.taxonomy {params.settings} {params.given} --output {output.taxonomy}"
        " --report {output.tests} {params.llm} {params.how} 2> {log}"


rule semantics:
    """Describing and filing the items of {wildcards.scenario} with engine {params.engine}."""
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: prompts(wc, "semantics", "inner", setting("semantics", "method")(wc)),
        recorded=recorded("semantics"),
        snippets=snippets,
        shards=shards,
        code=code_of("semantics"),
    output:
        inner="results/{scenario}/semantics/inner.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        encoded="results/{scenario}/semantics/encoded.parquet",
        counts=report(
            "results/{scenario}/semantics/semantics.tsv", category="{scenario}", caption="../report/semantics.rst"
        ),
        cost="results/{scenario}/semantics/cost.json",
    log:
        "logs/{scenario}/semantics.log",
    benchmark:
        "logs/benchmarks/{scenario}/semantics.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(setting("semantics", "threads"))
    resources:
        gpu=GPU,
    params:
        threads=setting("semantics", "threads"),
        engine=setting("semantics", "engine"),
        settings=lambda wc: stage_settings(wc, "semantics"),
        llm=lambda wc: model_asked(wc, "semantics"),
        how=lambda wc, input: how_asked(wc, input, "semantics"),
        reviews=lambda wc, input: f"--snippets {input.snippets}" if input.snippets else "",
        goal=lambda wc, output: f"--output {Path(output[0]).parent}",
    shell:
        "python -m semacdr.stages.semantics --items {input.catalogue} --taxonomy {input.taxonomy} {params.settings}"
        " {params.reviews} --threads {params.threads}"
        " {params.llm} {params.how} {params.goal} 2> {log}"


use rule semantics as shard with:
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: prompts(wc, "semantics", "inner", setting("semantics", "method")(wc)),
        recorded=recorded("semantics"),
        snippets=snippets,
        code=code_of("semantics"),
    output:
        "results/{scenario}/semantics/shards/{shard}of{shards}.parquet",
    log:
        "logs/{scenario}/shard_{shard}of{shards}.log",
    benchmark:
        "logs/benchmarks/{scenario}/shard_{shard}of{shards}.tsv"
    params:
        goal=lambda wc, output: f"--shard {wc.shard}/{wc.shards} --export {output}",


use rule semantics as price with:
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: prompts(wc, "semantics", "inner", setting("semantics", "method")(wc)),
        recorded=recorded("semantics"),
        snippets=snippets,
        code=code_of("semantics"),
    output:
        "results/{scenario}/semantics/price.txt",
    log:
        "logs/{scenario}/price.log",
    benchmark:
        "logs/benchmarks/{scenario}/price.tsv"
    params:
        goal=lambda wc, output: f"--dry-run > {output}",
