#!/usr/bin/env bash
# How src/hinode/weights/planner.safetensors comes about, and what is said of it: the planner of the picture book,
# words to plans. An hour on one CPU core that nothing else uses. Stop and start it again at any moment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hinode=${HINODE:-.venv/bin/hinode}
out=${OUT:-runs/out}

$hinode train planner --out "$out/planner" --minutes "${MINUTES:-60}" --threads "${THREADS:-1}"
cp "$out/planner/planner.safetensors" src/hinode/weights/planner.safetensors
cp "$out/planner/log.jsonl" runs/planner.jsonl

mkdir -p docs/evaluation
$hinode evaluate --suite plan --json > docs/evaluation/planner.json
