#!/usr/bin/env bash
# How src/hinode/weights/reader.safetensors comes about, and what is said of it: the reader of the picture book,
# videos to plans. An hour on one CPU core that nothing else uses. Stop and start it again at any moment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hinode=${HINODE:-.venv/bin/hinode}
out=${OUT:-runs/out}

$hinode train reader --out "$out/reader" --minutes "${MINUTES:-60}" --threads "${THREADS:-1}"
cp "$out/reader/reader.safetensors" src/hinode/weights/reader.safetensors
cp "$out/reader/log.jsonl" runs/reader.jsonl

mkdir -p docs/evaluation
$hinode evaluate --suite describe --json > docs/evaluation/reader.json
python -m runs.reader_card
