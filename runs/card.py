"""Write a model card from the facts in the weight file and the results of `hinode evaluate`.

    python runs/card.py nano docs/evaluation runs/out/nano-clips.pt

Reads docs/evaluation/NAME-*.json and the clips of `hinode evaluate --save-clips`; writes
docs/reference/model-card-NAME.md, and into docs/images a contact sheet and an animation of the first prompts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from hinode.engines.native import catalog, checkpoint
from hinode.evaluation.scores import Score
from hinode.training.cost import flops

ROOT = Path(__file__).resolve().parent.parent
CELL, COLUMNS, CLIPS = 96, 8, 64
STUDENT = {
    "steps-04": "one subject",
    "steps-02": "one subject",
    "held-out-pairs": "pairs never seen in training",
    "wide": "wide (16:9)",
    "two-subjects": "two subjects",
    "like-teacher": "the first 400",
}
FLOORS = {
    "ground_truth": "ground truth (ceiling of the judge)",
    "tokeniser_and_h264": "ground truth through tokeniser and H.264",
    "static_frame": "ground truth frozen to one frame",
    "shuffled_captions": "the model's clips, prompts shuffled",
}


def contact_sheet(clips: dict[str, Any], path: Path) -> None:
    """Two moments of each of the first 64 clips with the expected facts, in red where the judge did not find
    them."""
    line = 11
    sheet = Image.new("RGB", (COLUMNS * (2 * CELL + 8), (CLIPS // COLUMNS) * (CELL + 2 * line + 8)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (frames, facts, case) in enumerate(
        zip(clips["frames"][:CLIPS], clips["seen"], clips["cases"], strict=False)
    ):
        left = (number % COLUMNS) * (2 * CELL + 8) + 4
        top = (number // COLUMNS) * (CELL + 2 * line + 8) + 4
        for place, moment in enumerate((len(frames) // 6, len(frames) * 5 // 6)):
            picture = Image.fromarray(frames[moment].numpy()).resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + place * CELL, top))
        expect = case["expect"]
        rows = (("color", "subject", "motion", "camera"), ("place", "time", "weather"))
        for row, names in enumerate(rows):
            x = left
            for name in names:
                if name in expect and (name, expect[name]) != ("camera", "still"):
                    ink = "black" if facts[name] == expect[name] else "red"
                    pen.text((x, top + CELL + row * line), expect[name], fill=ink, font_size=10)
                    x += int(pen.textlength(expect[name] + " ", font_size=10))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def animation(clips: dict[str, Any], path: Path, count: int = 6) -> None:
    """The first clips of the list side by side, as one animated GIF."""
    rows = clips["frames"][:count].permute(1, 2, 0, 3, 4).flatten(2, 3)  # (T, H, count * W, 3)
    big = [Image.fromarray(row.numpy()).resize((count * 128, 128), Image.Resampling.LANCZOS) for row in rows]
    big[0].save(path, save_all=True, append_images=big[1:], duration=125, loop=0, optimize=True)


def percent(score: dict[str, float]) -> str:
    """Such as 87.1 % (84.9 to 89.0)."""
    return f"{score['accuracy']:.1%} ({score['low']:.1%} to {score['high']:.1%})".replace("%", " %")


SINGLE = ("whole_prompt", "subject", "color", "motion", "time", "place", "weather", "camera")
SEVERAL = (*SINGLE[:4], "relation", "count", *SINGLE[4:])


def table(results: dict[str, dict[str, Any]], names: Sequence[str] = SINGLE) -> str:
    """Rows are kinds of clips, columns are attributes."""
    head = "| | n | " + " | ".join(name.replace("_", " ") for name in names) + " |"
    lines = [head, "|---" * (len(names) + 2) + "|"]
    for title, result in results.items():
        scores = {"whole_prompt": result["whole_prompt"], **result["attributes"]}
        cells = [percent(scores[name]) if name in scores else "" for name in names]
        lines.append(f"| {title} | {result['n']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_value(clips: dict[str, Any], names: Sequence[str] = ("camera", "motion")) -> str:
    """How often the judge finds each value of some attributes where it is expected."""
    lines = ["| requested | found | of |", "|---|---|---|"]
    for name in names:
        cases = zip(clips["cases"], clips["seen"], strict=True)
        pairs = [(case["expect"][name], facts[name]) for case, facts in cases if name in case["expect"]]
        for value in sorted({expected for expected, _ in pairs}):
            hits = [reading == value for expected, reading in pairs if expected == value]
            score = Score(sum(hits), len(hits)).as_json()
            lines.append(f"| {name}: {value} | {percent(score)} | {len(hits)} |")
    return "\n".join(lines)


def main(name: str, folder: Path, clips: Path) -> None:
    """Fill docs/reference/model-card-NAME.template.md and write the card and its pictures."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}-*.json"))}
    main_result = results[f"{name}-one-subject"]
    model = checkpoint.load(catalog.shipped() / f"{name}.safetensors")
    facts, network = model.facts, model.model
    saved = torch.load(clips)
    contact_sheet(saved, ROOT / "docs" / "images" / f"{name}-contact-sheet.png")
    animation(saved, ROOT / "docs" / "images" / f"{name}-first-six.gif")

    rows = {"**the model**, one subject": main_result}
    if f"{name}-held-out-pairs" in results:
        rows["**the model**, pairs never seen in training"] = results[f"{name}-held-out-pairs"]
    if f"{name}-wide" in results:
        rows["**the model**, wide (16:9)"] = results[f"{name}-wide"]
    rows |= {title: main_result["floors"][key] for key, title in FLOORS.items()}
    several: dict[str, dict[str, Any]] = {}
    for count in ("two", "three"):
        if result := results.get(f"{name}-{count}-subjects"):
            several[f"**the model**, {count} subjects"] = result
            several |= {f"{title}, {count}": result["floors"][key] for key, title in FLOORS.items()}
    flicker = main_result["floors"].get("flicker", {})
    quick = f"{name}-fast"
    steps = {
        f"{result['steps']} steps, guidance {result['guidance']:g}": result
        for stem, result in results.items()
        if stem.startswith(f"{name}-steps-")
    }
    fast = {
        f"{title}, {result['steps']} steps": result
        for stem, title in STUDENT.items()
        if (result := results.get(f"{quick}-{stem}"))
    }
    if f"{quick}-like-teacher" in results:
        fast["**its teacher**, the same prompts, 50 steps"] = results[f"{name}-steps-50"]
    student = checkpoint.load(catalog.shipped() / f"{quick}.safetensors").facts
    frames, _, width, height = facts["shapes"][0]
    values = {
        "parameters": f"{network.parameters_count() / 1e6:.1f} M",
        "training_flops": f"{facts['training_flops']:.2e}",
        "minutes": f"{facts['minutes']:.0f}",
        "steps": f"{facts['steps']:,}",
        "clips": f"{facts['clips']:,}",
        "images": f"{facts['images']:,}",
        "validation": f"{facts['validation']:.4f}",
        "forward": f"{flops(network.config, frames, height, width) / 1e9:.2f}",
        "sampling": f"{main_result['steps']} Euler steps, guidance {main_result['guidance']:g}",
        "prompts_sha256": main_result["prompts_sha256"][:16],
        "evaluation": table(rows),
        "by_steps": table(steps) if steps else "",
        "by_value": by_value(saved),
        "student": table(fast),
        "student_minutes": f"{student['minutes']:.0f}",
        "student_flops": f"{student['training_flops']:.2e}",
        "student_steps": f"{student['steps']:,}",
        "several": table(several, SEVERAL) if several else "",
        "flicker": "{ratio:.2f} ({low:.2f} to {high:.2f}; {n} clips in clear air or fog)".format(**flicker)
        if flicker
        else "not measured",
    }
    template = (ROOT / "docs" / "reference" / f"model-card-{name}.template.md").read_text()
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", value)
    (ROOT / "docs" / "reference" / f"model-card-{name}.md").write_text(template)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
