#!/usr/bin/env bash
# The `mini` model on one data-centre GPU, in sittings: a sitting ends after SITTING seconds, saves everything, and
# writes the model so far in shards of at most 15 MB to OUT. Run it again to go on; the log says "done" at the end.
# Needs torch >= 2.11 with CUDA, numpy, safetensors and rich; the package itself need not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH=src RECIPE=${RECIPE:-mini} MINUTES=${MINUTES:-24}
export STATE=${STATE:-runs/out/$RECIPE} OUT=${OUT:-runs/out/$RECIPE-shards}
python=${PYTHON:-python3}

status=0
timeout --signal=TERM "${SITTING:-540}" $python -u -c '
import os
from hinode.training import train
train(os.environ["RECIPE"], os.environ["STATE"], minutes=float(os.environ["MINUTES"]))
' || status=$?
[ "$status" = 0 ] || [ "$status" = 124 ]

$python -c '
import os
from pathlib import Path
from hinode.engines.native import checkpoint
state, out = Path(os.environ["STATE"]), Path(os.environ["OUT"])
made = checkpoint.load(state / "model.safetensors")
name = out / (os.environ["RECIPE"] + ".safetensors")
files = checkpoint.save(
    name, made.model.state_dict(), made.model.config, made.vocabulary, made.facts, shard_bytes=15_000_000
)
(out / "log.jsonl").write_text((state / "log.jsonl").read_text())
print(*files, sep="\n")
'
