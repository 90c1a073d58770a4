"""Train a drawing recipe and measure it in one command: python -m runs.drawing drawing-mini OUT [MINUTES]."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from hinode.training.drawing.evaluate import evaluate_drawing
from hinode.training.drawing.trainer import train_drawing

if __name__ == "__main__":
    name, out = sys.argv[1], Path(sys.argv[2])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_drawing(name, out, device=device, minutes=float(sys.argv[3]) if len(sys.argv) > 3 else None)
    print(json.dumps(evaluate_drawing(name, out, device)))
