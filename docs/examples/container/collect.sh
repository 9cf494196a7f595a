#!/bin/bash
# Collect what a machine without a network needs: wheels of chexpert and of all that it needs, and the recipes.
#   docs/examples/container/collect.sh FOLDER [EXTRAS]
# Run it in a checkout, where there is a network, by the Python and on the kind of machine that the image has: wheels
# are of one version of Python and one system. Packages that come as source alone are built here, once.
set -euo pipefail

OUT=${1:?name a folder: collect.sh FOLDER}
EXTRAS=${2:-dicom,sweep,slurm,onnx,serve}
PYTHON=${PYTHON:-python3}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$HERE/../../.." && pwd)

mkdir -p "$OUT/wheels"
"$PYTHON" -m pip wheel --constraint "$PROJECT/constraints.txt" --wheel-dir "$OUT/wheels" "$PROJECT[$EXTRAS]"
cp "$PROJECT/constraints.txt" "$HERE/Dockerfile" "$HERE/chexpert.def" "$HERE/container.sbatch" "$OUT"
printf '%s\n' "$EXTRAS" > "$OUT/extras.txt"
du -sh "$OUT/wheels"
