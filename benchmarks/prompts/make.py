"""Write the prompt sets of all published scores, which were committed before the weights were trained.

python benchmarks/prompts/make.py        # writes the same files again, byte for byte
"""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

from hinode.evaluation.directing import cases
from hinode.world.book.scene import sample_scene as sample_book_scene
from hinode.world.book.words.caption import caption as caption_of_book
from hinode.world.book.words.language import BOOK
from hinode.world.caption import DENSITIES, caption
from hinode.world.prompts.prompt import parse
from hinode.world.scene import sample_scene

PLAN_FIELDS = ("source", "prompt", "subjects", "time", "place", "weather", "camera", "relation")


def write(path: Path, name: str, count: int, *, held_out: bool = False, subjects: int = 1) -> None:
    """Write `count` prompts, seven in ten "full" and three in ten "dense", each with its facts."""
    rng = random.Random(f"evaluation-{name}")
    with path.open("w") as file:
        for _ in range(count):
            scene = sample_scene(rng, subjects=subjects, held_out=held_out)
            prompt = caption(scene, rng, "full" if rng.random() < 0.7 else "dense")
            parsed = parse(prompt)
            facts = parsed.facts() if subjects == 1 else parsed.cast_facts()
            file.write(json.dumps({"prompt": prompt, "expect": facts}) + "\n")


def write_densities(path: Path, name: str, count: int) -> None:
    """Write `count` scenes with one subject, each described at all four densities."""
    rng = random.Random(f"evaluation-{name}")
    with path.open("w") as file:
        for _ in range(count):
            scene = sample_scene(rng, subjects=1)
            for density in DENSITIES:
                prompt = caption(scene, rng, density)
                line = {"prompt": prompt, "expect": parse(prompt).facts(), "density": density}
                file.write(json.dumps(line) + "\n")


def write_plans(path: Path, understanding: Path, count: int) -> None:
    """Write `count` prompts of the picture book with their facts: half are every second one of
    `understanding`, as annotated, half are captions of scenes."""
    rng = random.Random("evaluation-plans")
    with path.open("w") as file:
        for line in understanding.read_text().splitlines()[1:count:2]:
            case = {"source": "typed", **json.loads(line), "relation": None}
            file.write(json.dumps({name: case[name] for name in PLAN_FIELDS}) + "\n")
        for _ in range(count // 2):
            prompt = caption_of_book(sample_book_scene(rng), rng)
            parsed = parse(prompt, BOOK)
            facts = {
                name: getattr(parsed, name)
                for name in PLAN_FIELDS
                if name not in ("source", "prompt", "subjects")
            }
            subjects = [dataclasses.asdict(mention) for mention in parsed.mentions]
            file.write(
                json.dumps({"source": "caption", "prompt": prompt, "subjects": subjects, **facts}) + "\n"
            )


if __name__ == "__main__":
    here = Path(__file__).parent
    write(here / "one_subject.jsonl", "one-subject", 1000)
    write(here / "held_out_pairs.jsonl", "held-out-pairs", 400, held_out=True)
    write(here / "two_subjects.jsonl", "two-subjects", 1000, subjects=2)
    write(here / "three_subjects.jsonl", "three-subjects", 400, subjects=3)
    write(here / "scaling.jsonl", "scaling", 150)
    write_densities(here / "captions.jsonl", "captions", 150)
    write_plans(here / "plans.jsonl", here / "understanding.jsonl", 500)
    for metric in cases.MAKERS:
        path = here / "directing" / f"{metric}.jsonl"
        path.parent.mkdir(exist_ok=True)
        cases.write(path, cases.make_cases(metric, "evaluation", cases.COUNT))
