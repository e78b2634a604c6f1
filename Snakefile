"""From raw Amazon reviews to a result table. The stages in reading order are the includes below.

resources/raw/<release>/            raw reviews and metadata, downloaded, linked or simulated          raw, sample
results/<scenario>/                 interactions, users, items, statistics                             preprocess
results/<scenario>/semantics/       categories, snippets of reviews, texts and places        taxonomy, snippets, semantics
results/<scenario>/embeddings       frozen text vectors                                                encode
results/<scenario>/<a>_to_<b>/      split, candidates, graphs                                          split, graph
results/<scenario>/<a>_to_<b>/<system>/seed<N>/  checkpoint, history, ranks                            train, rank
results/<scenario>/tuned.json       settings chosen on validation, tune.tsv and .md to read   tune, confirm, tuned
results/<scenario>/metrics.tsv      the result table, and metrics.md to read                           metrics
results/<scenario>/<experiment>.tsv variants of a system beside each other, with tests                 compare
results/<scenario>/cold_start.tsv   variants by what is known of user and item                         cold_start
results/<scenario>/<experiment>.png a sweep over values of a setting, drawn                             curves
results/<scenario>/sensitivity.tsv, .png  such sweeps of several settings together               sensitivity
results/<scenario>/efficiency.tsv, .png  quality against the cost of training                 efficiency
results/standing.tsv, .png          mean ranks over scenarios, with the critical difference            standing
results/<scenario>/overlap.tsv, .png  do the domains' items mix in a system's space           vectors, overlap
results/<scenario>/profiles.tsv, .png  do users want the same in both domains                         profiles
results/<scenario>/report.html      one page of all that, with people to look at                 recommend, report
"""

from snakemake.common.configfile import load_configfile
from snakemake.utils import min_version, validate

min_version("9.12")


configfile: "config.yaml"


include: "workflow/rules/order.smk"


validate(config, "workflow/schemas/config.schema.yaml")
config = in_order(config, load_configfile("config.yaml"))


report: "workflow/report/workflow.rst"


include: "workflow/rules/tuning.smk"
include: "workflow/rules/systems.smk"
include: "workflow/rules/experiments.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/llm.smk"
include: "workflow/rules/raw.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/snippets.smk"
include: "workflow/rules/semantics.smk"
include: "workflow/rules/encode.smk"
include: "workflow/rules/graph.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/confirm.smk"
include: "workflow/rules/tuned.smk"
include: "workflow/rules/rank.smk"
include: "workflow/rules/recommend.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/cold_start.smk"
include: "workflow/rules/curves.smk"
include: "workflow/rules/sensitivity.smk"
include: "workflow/rules/vectors.smk"
include: "workflow/rules/overlap.smk"
include: "workflow/rules/profiles.smk"
include: "workflow/rules/efficiency.smk"
include: "workflow/rules/standing.smk"
include: "workflow/rules/report.smk"


rule all:
    input:
        expand("results/{scenario}/metrics.tsv", scenario=config["run"]),
