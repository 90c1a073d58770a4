"""Write the cases of the directing suite and the prompts of pairs that training leaves out, which were
committed before anything was measured on them.

python benchmarks/prompts/make.py        # writes the same files again, byte for byte

The other lists of prompts were written by older versions of the captions and stay as they are.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from hinode.evaluation.directing import cases
from hinode.world.book.scene import DRY, sample_scene
from hinode.world.book.words.caption import caption

FOLDER = Path(__file__).parent
PAIRS = 100


def held_out_case(number: int) -> dict[str, object]:
    """A prompt that names everything of a scene whose subject has a kind and a colour that no training clip
    shows together; in the fields of plans.jsonl."""
    rng = random.Random(f"evaluation/held out/{number}")
    scene = sample_scene(rng, subjects=1, held_out=True)
    (subject,) = scene.subjects
    facts = {"kind": subject.kind, "color": subject.color, "motion": subject.motion, "count": 1}
    weather = None if scene.place in DRY and scene.weather == "clear" else scene.weather  # nobody says that
    places = {"time": scene.time, "place": scene.place, "weather": weather, "camera": scene.camera}
    prompt = caption(scene, rng, "dense")
    return {"source": "caption", "prompt": prompt, "subjects": [facts], **places, "relation": None}


if __name__ == "__main__":
    for metric in cases.MAKERS:
        cases.write(
            FOLDER / "directing" / f"{metric}.jsonl", cases.make_cases(metric, "evaluation", cases.COUNT)
        )
    lines = [json.dumps(held_out_case(number)) + "\n" for number in range(PAIRS)]
    (FOLDER / "held_out_pairs.jsonl").write_text("".join(lines))
