#!/usr/bin/env bash
# How src/hinode/weights/nano-fast.safetensors came about, and what is said of it: the student of nano that draws in
# 4 steps, or 2, without guidance. Forty minutes on one CPU core, and as long again for the figures, nearly all of it
# the teacher's 50 steps. Stop and start it again at any moment. From an earlier student, after its teacher was
# trained further:
#     START=nano-fast MINUTES=15 runs/nano-fast.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hinode=${HINODE:-.venv/bin/hinode}
out=${OUT:-runs/out}
prompts=benchmarks/prompts/one_subject.jsonl

$hinode distil nano --out "$out/nano-fast" --minutes "${MINUTES:-40}" --threads "${THREADS:-1}" \
    ${START:+--start "$START"}
cp "$out/nano-fast/model.safetensors" src/hinode/weights/nano-fast.safetensors
cp "$out/nano-fast/log.jsonl" runs/nano-fast.jsonl

mkdir -p docs/evaluation
for steps in 2 4; do
    $hinode evaluate --model nano-fast --steps "$steps" --prompts "$prompts" --limit "${LIMIT:-1000}" --json \
        > "docs/evaluation/nano-fast-steps-0$steps.json"
done
$hinode evaluate --model nano-fast --prompts benchmarks/prompts/held_out_pairs.jsonl --json \
    > docs/evaluation/nano-fast-held-out-pairs.json
$hinode evaluate --model nano-fast --prompts "$prompts" --limit 200 --size 640x360 --json \
    > docs/evaluation/nano-fast-wide.json
$hinode evaluate --model nano --steps 50 --prompts "$prompts" --limit "${LIMIT:-1000}" --json \
    > docs/evaluation/nano-steps-50.json
