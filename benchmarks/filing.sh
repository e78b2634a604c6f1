#!/usr/bin/env bash
# Make docs/results/filing.md's numbers again: ask both local models and the encoder, compare with the labels.
# Needs the extra local-llm and the raw files of examples/kitchen_food.yaml. Run from the project's root.
set -euo pipefail

bash resources/sample/model.sh qwen.gguf
snakemake --cores 2 results/movie_book/semantics/agnostic.parquet
snakemake --cores 2 --configfile examples/kitchen_food.yaml -- results/kitchen_food/items.parquet
mkdir -p gold

declare -A models=([qwen]=qwen2.5-coder-1.5b-instruct-q4_k_m [smollm2]=smollm2)
declare -A endpoints=([qwen]=local:qwen.gguf [smollm2]=local:smollm2)
for scenario in movie_book kitchen_food; do
  for name in qwen smollm2; do
    python benchmarks/gold.py "results/$scenario" --engine llm --method letters --store answers/gold.sqlite \
      --model "${models[$name]}" --endpoint "${endpoints[$name]}" --parameters '{"temperature": 0}' \
      --output "gold/${name}_$scenario.parquet"
  done
  python benchmarks/gold.py "results/$scenario" --output "gold/encoder_$scenario.parquet"
  for name in qwen smollm2 encoder; do
    python benchmarks/filing.py "results/$scenario" --agnostic "gold/${name}_$scenario.parquet" \
      --taxonomy "resources/taxonomies/$scenario.json" --part held_out
  done
done
python benchmarks/filing.py results/movie_book --planted resources/sample
# The calibration was selected with gold.py's `--offline --llm '{"calibration": 0.25}'` and filing.py's `--part choice`.
