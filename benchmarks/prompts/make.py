"""Write the cases of the directing suite, which were committed before anything was measured on them.

python benchmarks/prompts/make.py        # writes the same files again, byte for byte

The other lists of prompts were written by older versions of the captions and stay as they are.
"""

from __future__ import annotations

from pathlib import Path

from hinode.evaluation.directing import cases

if __name__ == "__main__":
    folder = Path(__file__).parent / "directing"
    for metric in cases.MAKERS:
        cases.write(folder / f"{metric}.jsonl", cases.make_cases(metric, "evaluation", cases.COUNT))
