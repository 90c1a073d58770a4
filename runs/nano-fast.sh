#!/usr/bin/env bash
# How src/hinode/weights/nano-fast.safetensors came about, and what is said of it: the student of nano that draws in
# 4 steps, or 2, without guidance. An hour and a half on two CPU cores, and as long again on one for the figures,
# half of it the teacher's 50 steps. Stop and start it again at any moment. From an earlier student, after its
# teacher was trained further:
#     START=nano-fast MINUTES=30 runs/nano-fast.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hinode=${HINODE:-.venv/bin/hinode}
out=${OUT:-runs/out}
prompts=benchmarks/prompts/one_subject.jsonl

$hinode distil nano --out "$out/nano-fast" --minutes "${MINUTES:-96}" --threads "${THREADS:-2}" \
    ${START:+--start "$START"}
cp "$out/nano-fast/model.safetensors" src/hinode/weights/nano-fast.safetensors
cp "$out/nano-fast/log.jsonl" runs/nano-fast.jsonl

mkdir -p docs/evaluation
measure() { # NAME, ARGUMENTS...
    local name=$1
    shift
    $hinode evaluate "$@" --json > "docs/evaluation/$name.json"
}
for steps in 2 4; do
    measure "nano-fast-steps-0$steps" --model nano-fast --steps "$steps" --prompts "$prompts" --limit "${LIMIT:-1000}"
done
measure nano-fast-held-out-pairs --model nano-fast --prompts benchmarks/prompts/held_out_pairs.jsonl
measure nano-fast-wide --model nano-fast --prompts "$prompts" --limit 200 --size 640x360
measure nano-fast-two-subjects --model nano-fast --prompts benchmarks/prompts/two_subjects.jsonl --limit 300
measure nano-fast-like-teacher --model nano-fast --prompts "$prompts" --limit "${SAME:-400}"
measure nano-steps-50 --model nano --steps 50 --prompts "$prompts" --limit "${SAME:-400}"
