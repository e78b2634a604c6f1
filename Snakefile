"""The workflow: from raw Amazon reviews to a result table. The includes below are the stages in reading order.

resources/raw/<release>/          raw reviews and metadata                                     raw, sample
results/<scenario>/               interactions, users, items, statistics                       preprocess
results/<scenario>/semantics/     categories, review snippets, item texts and filings          taxonomy, snippets, semantics
results/<scenario>/embeddings     frozen text vectors                                          encode
results/<scenario>/<a>_to_<b>/    split and candidates, graphs                                 split, graph
.../personas/                     personas, their vectors, similar source users                personas, persona_vectors,
                                  communities
.../<run>/seed<N>/                checkpoint, history, settings, cost; ranks                   train, rank
results/<scenario>/metrics        the result table (.tsv) and a readable page (.md)             metrics
results/<scenario>/<experiment>   variants of a system with paired tests (.tsv, .md)           compare, cold_start
results/<scenario>/*.png          figures of sweeps, costs, domains and users                 curves, sensitivity, efficiency,
                                  domain_mixing (with vectors), taste_similarity
results/<scenario>/gate           weights of SPHERE's gate by training events                    gate_weights, gate
results/mean_ranks                mean ranks over scenarios, with the critical difference      mean_ranks
results/data_sets                 systems on all scenarios, next to simple baselines             data_sets
results/density                   SPHERE's gain against density, quality and proximity           density
results/<scenario>/tuned.json     settings chosen on validation                 tune_search, tune_retrain, tune_select
results/<scenario>/report.html    one page with all results and example users                   recommend, report
.../final/<system>.zip, .tsv      a system trained on all events, packed; a list for every user  final, pack, recommend_now
snakemake runs                    all runs with settings, cost and the tables that need them            runs
"""

from snakemake.utils import min_version

min_version("9.12")


configfile: Path(workflow.basedir, "config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/raw.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/graph.smk"
include: "workflow/rules/semantics.smk"
include: "workflow/rules/personas.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/sphere.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/final.smk"


rule all:
    input:
        expand("results/{scenario}/metrics.tsv", scenario=plan.config.run),
        plan.bundles(),


command.check(plan)
