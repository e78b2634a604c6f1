#!/usr/bin/env bash
# Make the tables of docs/results/libraries.md again, in runs/, one system after the other. Needs
# results/kitchen_food/kitchen_to_food (examples/kitchen_food.yaml). Run from the project's root.
set -euo pipefail

for name in recbole rectools; do
  python3.11 -m venv venvs/$name
  venvs/$name/bin/pip install -r benchmarks/libraries/requirements-$name.txt
done

measure() { # NAME OF THE TABLE, OPTIONS...
  python benchmarks/libraries/run.py results/kitchen_food/kitchen_to_food --recbole venvs/recbole/bin/python \
    --rectools venvs/rectools/bin/python --runs "runs/$1" --output "runs/$1.tsv" "${@:2}"
}
measure libraries --only rectools-sasrec sasrec-ce sasrec-ce-lr3 rectools-esasrec recbole-sasrec semacdr-ce
measure libraries_ends --library-seconds 5000 --library-threads 1 --only sasrec-ce sasrec-ce-lr3 recbole-sasrec-short
measure libraries_esasrec --library-seconds 4000 --library-threads 1 \
  --only sasrec-ce sasrec-ce-lr3 rectools-esasrec-short
