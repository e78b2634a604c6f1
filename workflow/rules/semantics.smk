"""Item semantics: the shared categories, and each item's text within its domain, subcategories and vector.

REQUIRED  results/<scenario>/items.parquet; with taxonomy.engine file the file that taxonomy.file names, with columns
          results/<scenario>/attributes.parquet; with engine llm in either stage, resources/prompts; with
          semantics.reviews the raw reviews; with semantics.engine imported the file that semantics.filings names
OUTPUTS   results/<scenario>/semantics/taxonomy.json, taxonomy.tsv, inner.parquet, agnostic.parquet, encoded.parquet,
          semantics.tsv, cost.json; results/<scenario>/embeddings.parquet
ON DEMAND results/<scenario>/semantics/price.txt: the cost of asking, before any request is sent
"""

from semacdr.plan import asking
from semacdr.plan.raw import raw_files


rule taxonomy:
    input:
        given=lambda wc: asking.taxonomy_file(plan.config, wc.scenario),
        catalogue=lambda wc: asking.taxonomy_items(plan.config, wc.scenario),
        attributes=lambda wc: asking.attributes(plan.config, wc.scenario),
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "taxonomy"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "taxonomy"),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "taxonomy"),
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
        engine=lambda wc: asking.stage_engine(plan.config, wc.scenario, "taxonomy"),
        settings=lambda wc: asking.stage_settings(plan.config, wc.scenario, "taxonomy"),
        model=lambda wc: asking.model_settings(plan.config, wc.scenario, "taxonomy"),
        domains=lambda wc: list(plan.scenario(wc.scenario).domains.values()),
        given=lambda wc, input: ["--items", input.catalogue] if input.catalogue else ["--taxonomy", input.given],
        attributes=lambda wc, input: ["--attributes", input.attributes] if input.attributes else [],
        how=lambda wc, input: asking.how_asked(plan.config, wc.scenario, "taxonomy", list(input.recorded)),
    message:
        "Making the categories of {wildcards.scenario} (engine {params.engine})"
    shell:
        "python -m semacdr.stages.taxonomy {params.given:q} {params.attributes:q} --avoid {params.domains:q} --settings {params.settings:q}"
        " {params.model:q} {params.how:q} --output {output.taxonomy:q} --report {output.tests:q} 2> {log:q}"


rule snippets:
    input:
        reviews=lambda wc: raw_files(plan.config, wc.scenario, "reviews"),
        interactions="results/{scenario}/interactions.parquet",
        users="results/{scenario}/users.parquet",
        catalogue="results/{scenario}/items.parquet",
        splits=lambda wc: plan.splits(wc.scenario),
        code=code("semacdr.stages.snippets"),
    output:
        "results/{scenario}/semantics/snippets.parquet",
    log:
        "logs/{scenario}/snippets.log",
    benchmark:
        "logs/benchmarks/{scenario}/snippets.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        domains=lambda wc: list(plan.scenario(wc.scenario).domains),
        settings=settings("snippets"),
    message:
        "Choosing snippets of training reviews of {wildcards.scenario}"
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.snippets --domains {params.domains:q}"
        " --reviews {input.reviews:q} --interactions {input.interactions:q} --users {input.users:q}"
        " --items {input.catalogue:q} --splits {input.splits:q} --settings {params.settings:q}"
        " --output {output:q} 2> {log:q}"


rule semantics:
    input:
        catalogue="results/{scenario}/items.parquet",
        attributes=lambda wc: asking.attributes(plan.config, wc.scenario),
        imported=lambda wc: asking.filings(plan.config, wc.scenario),
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "semantics"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "semantics"),
        snippets=lambda wc: asking.snippets(plan.config, wc.scenario),
        shards=lambda wc: asking.shards(plan.config, wc.scenario),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "semantics"),
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
    threads: cpus(option("semantics", "threads"))
    resources:
        gpu=jobs.gpus,
    params:
        engine=lambda wc: plan.config.settings("semantics", wc.scenario).engine,
        settings=lambda wc: asking.stage_settings(plan.config, wc.scenario, "semantics"),
        model=lambda wc: asking.model_settings(plan.config, wc.scenario, "semantics"),
        snippets=lambda wc, input: ["--snippets", input.snippets] if input.snippets else [],
        attributes=lambda wc, input: ["--attributes", input.attributes] if input.attributes else [],
        imported=lambda wc: asking.how_imported(plan.config, wc.scenario),
        how=lambda wc, input: asking.how_asked(
            plan.config, wc.scenario, "semantics", [*input.recorded, *input.get("shards", [])], wc.get("shard", "")
        ),
        threads=lambda wc, input: plan.options("semantics", wc.scenario).threads,
        goal=lambda wc, output: ["--output", str(Path(output[0]).parent)],
    message:
        "Describing and filing the items of {wildcards.scenario} (engine {params.engine})"
    shell:
        "python -m semacdr.stages.semantics --items {input.catalogue:q} --taxonomy {input.taxonomy:q}"
        " {params.snippets:q} {params.attributes:q} {params.imported:q} --settings {params.settings:q} {params.model:q} {params.how:q}"
        " --threads {params.threads:q} {params.goal:q} 2> {log:q}"


use rule semantics as semantics_shard with:
    input:
        catalogue="results/{scenario}/items.parquet",
        attributes=lambda wc: asking.attributes(plan.config, wc.scenario),
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "semantics"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "semantics"),
        snippets=lambda wc: asking.snippets(plan.config, wc.scenario),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "semantics"),
    output:
        "results/{scenario}/semantics/shards/{shard}of{shards}.parquet",
    log:
        "logs/{scenario}/semantics_shard_{shard}of{shards}.log",
    benchmark:
        "logs/benchmarks/{scenario}/semantics_shard_{shard}of{shards}.tsv"
    wildcard_constraints:
        shard=r"\d+",
        shards=r"\d+",
    params:
        goal=lambda wc, output: ["--shard", f"{wc.shard}/{wc.shards}", "--export", output[0]],
    message:
        "Asking the language model, shard {wildcards.shard} of {wildcards.shards} of {wildcards.scenario}"


use rule semantics as semantics_price with:
    input:
        catalogue="results/{scenario}/items.parquet",
        attributes=lambda wc: asking.attributes(plan.config, wc.scenario),
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "semantics"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "semantics"),
        snippets=lambda wc: asking.snippets(plan.config, wc.scenario),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "semantics"),
    output:
        "results/{scenario}/semantics/price.txt",
    log:
        "logs/{scenario}/semantics_price.log",
    benchmark:
        "logs/benchmarks/{scenario}/semantics_price.tsv"
    resources:
        gpu=0,
    params:
        goal=lambda wc, output: ["--dry-run", "--price", output[0]],
    message:
        "Computing what a language model would cost on {wildcards.scenario}"


rule encode:
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
    threads: cpus(option("encode", "threads"))
    resources:
        gpu=jobs.gpus,
    params:
        settings=settings("encode"),
        threads=lambda wc, input: plan.options("encode", wc.scenario).threads,
    message:
        "Encoding the item texts of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.encode --inner {input.inner:q} --encoded {input.encoded:q}"
        " --settings {params.settings:q} --threads {params.threads:q} --output {output:q} 2> {log:q}"
