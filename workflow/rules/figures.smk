"""The paper's figures: sweeps over a setting's values, domains in the item space, users in both domains.

REQUIRED  results/<scenario>/<experiment>.tsv of sweeps; vectors.parquet of runs; interactions, items, agnostic, splits
OUTPUTS   results/<scenario>/<experiment>.png, sensitivity.tsv and .png (figure 5), domain_mixing.tsv and .png (figure 3),
          taste_similarity.tsv and .png (figure 4)
"""


localrules:
    curves,
    sensitivity,


rule curves:
    input:
        table="results/{scenario}/{experiment}.tsv",
        code=code("semacdr.stages.curves"),
    output:
        report("results/{scenario}/{experiment}.png", category="{scenario}", caption="../report/curves.rst"),
    log:
        "logs/{scenario}/curves_{experiment}.log",
    benchmark:
        "logs/benchmarks/{scenario}/curves_{experiment}.tsv"
    wildcard_constraints:
        experiment="|".join(plan.swept) or "none",
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        setting=lambda wc: plan.experiments[wc.experiment].sweep,
        system=lambda wc: plan.experiments[wc.experiment].model,
    message:
        "Drawing {wildcards.experiment} of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.curves --experiment {input.table:q} --setting {params.setting:q} --system {params.system:q}"
        " --picture {output:q} 2> {log:q}"


rule sensitivity:
    input:
        tables=lambda wc: [f"results/{wc.scenario}/{sweep.name}.tsv" for sweep in summaries.sweeps(plan, wc.scenario)],
        code=code("semacdr.stages.sensitivity"),
    output:
        table=report("results/{scenario}/sensitivity.tsv", category="{scenario}", caption="../report/curves.rst"),
        picture=report("results/{scenario}/sensitivity.png", category="{scenario}", caption="../report/curves.rst"),
    log:
        "logs/{scenario}/sensitivity.log",
    benchmark:
        "logs/benchmarks/{scenario}/sensitivity.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        sweeps=lambda wc: summaries.sweep_options(plan, wc.scenario),
        system=lambda wc: summaries.sweeps(plan, wc.scenario)[0].model,
    message:
        "Drawing the sensitivity to settings on {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.sensitivity {params.sweeps:q} --system {params.system:q}"
        " --output {output.table:q} --picture {output.picture:q} 2> {log:q}"


rule domain_mixing:
    input:
        vectors=lambda wc: distinct(summaries.mixing_runs(plan, wc.scenario), "vectors.parquet"),
        code=code("semacdr.stages.domain_mixing"),
    output:
        table=report(
            "results/{scenario}/domain_mixing.tsv", category="{scenario}", caption="../report/domain_mixing.rst"
        ),
        picture=report(
            "results/{scenario}/domain_mixing.png", category="{scenario}", caption="../report/domain_mixing.rst"
        ),
    log:
        "logs/{scenario}/domain_mixing.log",
    benchmark:
        "logs/benchmarks/{scenario}/domain_mixing.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_options(summaries.mixing_runs(plan, wc.scenario)),
        settings=settings("domain_mixing"),
    message:
        "Measuring how the domains of {wildcards.scenario} mix"
    shell:
        "python -m semacdr.stages.domain_mixing {params.runs:q} --settings {params.settings:q}"
        " --output {output.table:q} --picture {output.picture:q} 2> {log:q}"


rule taste_similarity:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        splits=lambda wc: plan.splits(wc.scenario),
        code=code("semacdr.stages.taste_similarity"),
    output:
        table=report(
            "results/{scenario}/taste_similarity.tsv", category="{scenario}", caption="../report/taste_similarity.rst"
        ),
        picture=report(
            "results/{scenario}/taste_similarity.png", category="{scenario}", caption="../report/taste_similarity.rst"
        ),
    log:
        "logs/{scenario}/taste_similarity.log",
    benchmark:
        "logs/benchmarks/{scenario}/taste_similarity.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        settings=settings("taste_similarity"),
    message:
        "Comparing the users of {wildcards.scenario} in both domains, by category"
    shell:
        "python -m semacdr.stages.taste_similarity --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --agnostic {input.agnostic:q} --splits {input.splits:q} --settings {params.settings:q}"
        " --output {output.table:q} --picture {output.picture:q} 2> {log:q}"
