#!/usr/bin/env bash
# Make a table of docs/results again, from the project's root:
#
#   bash benchmarks/tables.sh TABLE...        e.g. ablation; --list prints all names
#   CORES=4 bash benchmarks/tables.sh plus    the number of cores; 2 by default
#   DRY=1 bash benchmarks/tables.sh plus      print the commands, run nothing
#
# Tables of kitchen_food need its raw files in data/amazon2014 (examples/kitchen_food.yaml), data_sets also those in
# data/art_office. Snakemake writes results/; the stored copies in docs/results stay. If a stored table was made at an earlier commit, its page says so.
set -euo pipefail

real=examples/kitchen_food.yaml
one_seed=examples/quick.yaml # one seed, one direction
untuned=examples/untuned.yaml

make_with() { # CONFIG FILES... -- TARGETS AND OPTIONS...
  local files=()
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  local command=(snakemake --cores "${CORES:-2}")
  [ ${#files[@]} -eq 0 ] || command+=(--configfile "${files[@]}")
  command+=(-- "$@")
  echo "${command[*]}"
  [ -n "${DRY:-}" ] || "${command[@]}"
}
real_table() { make_with $real $one_seed $untuned -- "${@/#/results/kitchen_food/}"; }
open_points() { make_with $real $one_seed examples/open_points.yaml $untuned -- "results/kitchen_food/$1.tsv"; }

tables=(
  baselines data_sets tune tune_loss tune_tri_cdr
  kitchen_food published_pair loss plus plus_parts plus_forms ablation sensitivity visibility visibility_cd_sasrec
  open_points graph_forms open_points_both open_points_again open_points_sample
  cold_start cold_users figures engines
  sample_baselines sample_ablation sample_parts sample_tables scale
)

table() {
  case "$1" in
  baselines) # uses resources/tuned/kitchen_food.json
    make_with $real examples/baselines.yaml -- \
      results/kitchen_food/baselines{,_plus,_sasrec,_c2dsr,_tri_cdr}.tsv results/kitchen_food/efficiency.tsv \
      results/mean_ranks.png
    ;;
  data_sets) make_with $real examples/data_sets.yaml -- results/data_sets.tsv results/mean_ranks.png ;;
  tune) make_with $real examples/tune.yaml -- results/kitchen_food/tuned.json ;;
  tune_loss) # 7 trials of 45 s; the stored table lists all trials: benchmarks/tune_trials.py
    overlay '{tune: {trials: 7, trial_seconds: 45, random_trials: 3, prune_after_epoch: 2}}'
    make_with $real examples/tune_loss.yaml "$overlay" -- results/kitchen_food/tuned.json
    ;;
  tune_tri_cdr) # all systems are searched again; the stored table holds the rows of the Tri-CDR pair
    make_with $real examples/tune.yaml -- results/kitchen_food/tuned.json
    ;;
  kitchen_food) # the stored table has the columns of metrics.tsv
    overlay '{scenarios: {kitchen_food: {train: {seeds: [1], epochs: 200, patience: 10}}}}'
    make_with $real $untuned "$overlay" -- results/kitchen_food/published.tsv
    ;;
  published_pair) make_with $real examples/published.yaml -- results/kitchen_food/published_pair.tsv ;;
  loss) real_table loss.tsv loss_sasrec.tsv ;;
  plus) make_with $real $untuned -- results/kitchen_food/plus.tsv ;;
  plus_parts | plus_forms | open_points | graph_forms | open_points_both | open_points_again) open_points "$1" ;;
  open_points_sample)
    make_with $one_seed examples/open_points.yaml -- results/movie_book/open_points.tsv
    ;;
  ablation | sensitivity | visibility | cold_start) real_table "$1.tsv" ;;
  visibility_cd_sasrec) # tuned, three seeds, both directions
    overlay '{scenarios: {kitchen_food: {train: {seeds: [1, 2, 3]}}}}'
    make_with $real "$overlay" -- results/kitchen_food/visibility_cd_sasrec.tsv
    ;;
  cold_users) make_with $real examples/cold_start.yaml $one_seed -- results/kitchen_food_cold/cold_start.tsv ;;
  figures) real_table domain_mixing.png taste_similarity.png ;;
  engines) make_with examples/engines.yaml -- results/movie_book/engines.tsv ;;
  sample_baselines)
    overlay '{scenarios: {movie_book: {train: {seeds: [1, 2]}}}}'
    make_with "$overlay" -- results/movie_book/baselines.tsv results/movie_book/efficiency.tsv
    ;;
  sample_ablation) make_with -- results/movie_book/ablation_glance.tsv ;;
  sample_parts) make_with $one_seed -- results/movie_book/{visibility,loss,cold_start}.tsv ;;
  sample_tables) make_with -- results/movie_book/published.tsv ;; # the stored table has the columns of metrics.tsv
  scale)
    run python benchmarks/scale_data.py --output results/scale
    run python benchmarks/scale.py results/scale --rounds 1 --seconds 10 --table results/scale/scale.tsv \
      --picture results/scale/scale.png
    ;;
  *)
    echo "no table $1; there are: ${tables[*]}" >&2
    exit 2
    ;;
  esac
}

run() {
  echo "$*"
  [ -n "${DRY:-}" ] || "$@"
}
overlay() { # TEXT: sets $overlay to a config file with this text
  overlay=$(mktemp "$overlays/XXXXXX.yaml")
  printf '%s\n' "$1" | tee "$overlay" | sed "s|^|# $overlay: |"
}
overlays=$(mktemp -d)
trap 'rm -rf "$overlays"' EXIT

[ $# -gt 0 ] || set -- --list
for name in "$@"; do
  if [ "$name" = --list ]; then printf '%s\n' "${tables[@]}"; else table "$name"; fi
done
