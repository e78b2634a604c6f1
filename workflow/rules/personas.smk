"""What users' training events say of them in the shared vocabulary, as weights, texts and vectors; similar source users.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, semantics/taxonomy.json, semantics/agnostic.parquet,
          <source>_to_<target>/split.parquet; with engine llm resources/prompts
OUTPUTS   results/<scenario>/<source>_to_<target>/personas/personas.parquet, personas.tsv, cost.json, vectors.parquet,
          communities.parquet
ON DEMAND results/<scenario>/<source>_to_<target>/personas/price.txt: the cost of asking, before any request is sent
"""

from semacdr.plan import asking
from semacdr.plan.jobs import left_out, whole_personas


rule personas:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "personas"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "personas"),
        shards=lambda wc: asking.shards(plan.config, wc.scenario, "personas", wc.direction, wc.part),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "personas"),
    output:
        personas="results/{scenario}/{direction}/personas{part}/personas.parquet",
        counts="results/{scenario}/{direction}/personas{part}/personas.tsv",
        cost="results/{scenario}/{direction}/personas{part}/cost.json",
    log:
        "logs/{scenario}/{direction}/personas{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/personas{part}.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(1)
    params:
        engine=lambda wc: asking.stage_engine(plan.config, wc.scenario, "personas"),
        settings=lambda wc: asking.stage_settings(plan.config, wc.scenario, "personas"),
        model=lambda wc: asking.model_settings(plan.config, wc.scenario, "personas"),
        how=lambda wc, input: asking.how_asked(
            plan.config,
            wc.scenario,
            "personas",
            [*input.recorded, *input.get("shards", [])],
            f"{wc.direction}{wc.part}/{wc.get('shard', '')}",
        ),
        goal=lambda wc, output: ["--output", str(Path(output[0]).parent)],
        part=left_out,
    message:
        "Making the personas{wildcards.part} of {wildcards.direction} of {wildcards.scenario} (engine {params.engine})"
    shell:
        "python -m semacdr.stages.personas --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --split {input.split:q} --taxonomy {input.taxonomy:q} --agnostic {input.agnostic:q}"
        " --settings {params.settings:q} {params.model:q} {params.how:q} --part {params.part:q} {params.goal:q}"
        " 2> {log:q}"


use rule personas as personas_shard with:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "personas"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "personas"),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "personas"),
    output:
        "results/{scenario}/{direction}/personas{part}/shards/{shard}of{shards}.parquet",
    log:
        "logs/{scenario}/{direction}/personas{part}_shard_{shard}of{shards}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/personas{part}_shard_{shard}of{shards}.tsv"
    wildcard_constraints:
        shard=r"\d+",
        shards=r"\d+",
    params:
        goal=lambda wc, output: ["--shard", f"{wc.shard}/{wc.shards}", "--export", output[0]],
    message:
        "Asking for personas, shard {wildcards.shard} of {wildcards.shards} of {wildcards.direction}"


use rule personas as personas_price with:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        prompts=lambda wc: asking.prompts(plan.config, wc.scenario, "personas"),
        recorded=lambda wc: asking.recorded(plan.config, wc.scenario, "personas"),
        code=lambda wc: asking.stage_code(plan.config, wc.scenario, "personas"),
    output:
        "results/{scenario}/{direction}/personas{part}/price.txt",
    log:
        "logs/{scenario}/{direction}/personas{part}_price.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/personas{part}_price.tsv"
    params:
        goal=lambda wc, output: ["--dry-run", "--price", output[0]],
    message:
        "Computing what a language model's personas of {wildcards.direction} of {wildcards.scenario} would cost"


rule persona_vectors:
    input:
        personas="results/{scenario}/{direction}/personas{part}/personas.parquet",
        known=lambda wc: whole_personas(wc, wc.direction),
        code=code("semacdr.stages.persona_vectors"),
    output:
        "results/{scenario}/{direction}/personas{part}/vectors.parquet",
    log:
        "logs/{scenario}/{direction}/persona_vectors{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/persona_vectors{part}.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(option("persona_vectors", "threads"))
    resources:
        gpu=jobs.gpus,
    params:
        settings=settings("persona_vectors"),
        known=lambda wc, input: ["--known", *input.known] if input.known else [],
        threads=lambda wc, input: plan.options("persona_vectors", wc.scenario).threads,
    message:
        "Encoding the personas of {wildcards.direction} of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.persona_vectors --personas {input.personas:q} {params.known:q}"
        " --settings {params.settings:q} --threads {params.threads:q} --output {output:q} 2> {log:q}"


rule communities:
    input:
        personas="results/{scenario}/{direction}/personas{part}/personas.parquet",
        vectors="results/{scenario}/{direction}/personas{part}/vectors.parquet",
        code=code("semacdr.stages.communities"),
    output:
        "results/{scenario}/{direction}/personas{part}/communities.parquet",
    log:
        "logs/{scenario}/{direction}/communities{part}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/communities{part}.tsv"
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
