"""Write docs/notes/experiments.md and its figures from the results in docs/experiments.

    python -m runs.experiments_page

Reads docs/experiments/*.json and *.png (from `python -m runs.experiments`) and
docs/evaluation/nano-physics.json (from `hinode evaluate --suite physics`); fills
docs/notes/experiments.template.md. Experiments without a result are marked as pending.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from hinode.evaluation.prompts import read_cases
from hinode.evaluation.scores import Score
from research.arms import BASE, FAMILIES, SIZES
from research.scores import STRIP_CLIPS

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "hinode", "font.size": 9, "axes.spines.top": False})
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "docs" / "experiments"
INKS = {"xs": "#edae49", "s": "#d1495b", "m": "#00798c", "l": "#30638e"}
RESAMPLES = 1000
TILE = 64
PENDING = "*Not run yet.*"
Result = dict[str, Any]


def percent(values: tuple[float, float, float]) -> str:
    """Such as 41.2 % (38.0 to 44.1)."""
    middle, low, high = values
    return f"{middle:.1%} ({low:.1%} to {high:.1%})".replace("%", " %")


def facts(score: Result, part: slice = slice(None)) -> tuple[float, float, float]:
    """Share of the expected facts of some prompts that the judge found, with its bootstrap interval."""
    hits = np.array(score["hits"][part], float)
    rng = np.random.default_rng(0)
    samples = hits[rng.integers(0, len(hits), (RESAMPLES, len(hits)))].sum(1)
    low, high = np.quantile(samples[:, 0] / samples[:, 1], (0.025, 0.975))
    return float(hits[:, 0].sum() / hits[:, 1].sum()), float(low), float(high)


def whole(score: Result) -> str:
    """Prompts of which every fact was found, with the Wilson interval."""
    prompts = score["whole_prompt"]
    return percent((prompts["accuracy"], prompts["low"], prompts["high"]))


def attributes(score: Result, names: Sequence[str]) -> list[str]:
    """Accuracy of each attribute, in per cent."""
    return [f"{score['attributes'][name]['accuracy']:.0%}".replace("%", " %") for name in names]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(a, b, c) of y = a + b x^-c by least squares: c on a grid, a >= 0 and b in closed form."""
    best = (np.inf, 0.0, 0.0, 0.0)
    for c in np.linspace(0.02, 1.5, 149):
        basis = np.stack((np.ones_like(x), x**-c), 1)
        a, b = np.linalg.lstsq(basis, y, rcond=None)[0]
        if a < 0:
            a, b = 0.0, float((basis[:, 1] @ y) / (basis[:, 1] @ basis[:, 1]))
        error = float(((a + b * x**-c - y) ** 2).sum())
        best = min(best, (error, float(a), float(b), float(c)))
    return best[1:]


def envelope(points: Sequence[Result]) -> list[Result]:
    """The best size at each compute: where `L` is measured for the fit."""
    by_compute: dict[float, list[Result]] = {}
    for point in points:
        by_compute.setdefault(point["arm"]["compute"], []).append(point)
    whole_columns = [
        group for group in by_compute.values() if len(group) >= len(SIZES) or len(by_compute) > 3
    ]
    best = [min(group, key=lambda point: point["validation"]) for group in whole_columns]
    return sorted(best, key=lambda point: point["flops"])


def curve(points: Sequence[Result], path: Path) -> dict[str, str]:
    """Draw validation error and facts against arithmetic, and fit the error; returns the fit in words."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    for size, ink in INKS.items():
        for seed in sorted({point["arm"]["seed"] for point in points}):
            line = sorted(
                (p for p in points if (p["arm"]["size"], p["arm"]["seed"]) == (size, seed)),
                key=lambda point: point["flops"],
            )
            if not line:
                continue
            x = [point["flops"] for point in line]
            label = f"{line[0]['parameters'] / 1e6:.1f} M" if seed == 1 else None
            style = "o-" if seed == 1 else "o:"
            left.plot(x, [point["validation"] for point in line], style, color=ink, label=label, ms=3, lw=1)
            shares = [facts(point["scores"]["scaling"]) for point in line]
            bars = np.array([(mid - low, high - mid) for mid, low, high in shares]).T
            right.errorbar(
                x, [share[0] for share in shares], bars, fmt=style, color=ink, ms=3, lw=1, capsize=2
            )
    for axis, name in ((left, "validation error (velocity)"), (right, "expected facts that the judge finds")):
        axis.set(xscale="log", xlabel="training arithmetic, floating-point operations", ylabel=name)
    left.set_yscale("log")
    values = {"fit": PENDING, "best": PENDING}
    best = envelope([point for point in points if point["arm"]["seed"] == 1])
    if len(best) >= 3:
        x, y = (np.array([point[key] for point in best]) for key in ("flops", "validation"))
        unit = x / BASE
        a, b, c = fit(unit, y)
        line = np.geomspace(x[0] / 2, x[-1] * 8, 60)
        left.plot(line, a + b * (line / BASE) ** -c, "--", color="#444", lw=1, label="fit of the best sizes")
        spread = _exponents(points)
        values["fit"] = f"L = {a:.4f} + {b:.4f} (C / {BASE:.0e})^-{c:.2f}" + (
            f", the exponent {np.quantile(spread, 0.025):.2f} to {np.quantile(spread, 0.975):.2f}"
            if spread
            else ""
        )
    if best:
        values["best"] = ", ".join(
            f"{point['arm']['compute']:g}x: {point['parameters'] / 1e6:.1f} M" for point in best
        )
    left.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return values


def _exponents(points: Sequence[Result]) -> list[float]:
    """Exponents of fits to envelopes resampled with the noise between seeds; none with one seed."""
    cells: dict[tuple[float, str], list[Result]] = {}
    for point in points:
        cells.setdefault((point["arm"]["compute"], point["arm"]["size"]), []).append(point)
    if max((len(group) for group in cells.values()), default=0) < 2:
        return []
    # The differences between seeds, pooled and relative, stand for the noise of one run.
    gaps = [
        np.log(group[0]["validation"] / group[1]["validation"]) / np.sqrt(2)
        for group in cells.values()
        if len(group) > 1
    ]
    noise, rng = float(np.sqrt(np.mean(np.square(gaps)))), np.random.default_rng(0)
    exponents = []
    for _ in range(200):
        sample = [
            {**group[0], "validation": group[0]["validation"] * float(np.exp(noise * rng.standard_normal()))}
            for group in cells.values()
        ]
        best = envelope(sample)
        x, y = (np.array([point[key] for point in best]) for key in ("flops", "validation"))
        exponents.append(fit(x / BASE, y)[2])
    return exponents


def grid(points: Sequence[Result], path: Path) -> str:
    """The same prompts from the same noise at growing compute, by the size that was trained longest."""
    first_seed = [point for point in points if point["arm"]["seed"] == 1]
    sizes = {point["arm"]["size"] for point in first_seed}
    if not sizes:
        return PENDING

    def reach(size: str) -> tuple[float, float]:
        line = [point for point in first_seed if point["arm"]["size"] == size]
        last = max(line, key=lambda point: point["arm"]["compute"])
        return last["arm"]["compute"], -last["validation"]

    chosen = max(sizes, key=reach)
    line = sorted((p for p in first_seed if p["arm"]["size"] == chosen), key=lambda point: point["flops"])
    strips = [Image.open(RESULTS / f"{point['arm']['name']}.png") for point in line]
    gap, head = 8, 14
    sheet = Image.new("RGB", (sum(strip.width + gap for strip in strips), head + STRIP_CLIPS * TILE), "white")
    pen, left = ImageDraw.Draw(sheet), 0
    for point, strip in zip(line, strips, strict=True):
        sheet.paste(strip, (left, head))
        pen.text((left, 0), f"{point['arm']['compute']:g}x", fill="black", font_size=11)
        left += strip.width + gap
    sheet.save(path, optimize=True)
    return f"{line[0]['parameters'] / 1e6:.1f} M parameters"


def guess(path: Path) -> str:
    """Share of facts that are right by always naming the most frequent value."""
    counts: dict[str, Counter[str]] = {}
    for case in read_cases(path):
        for name, value in case.expect.items():
            counts.setdefault(name, Counter())[value] += 1
    right = sum(values.most_common(1)[0][1] for values in counts.values())
    return f"{right / sum(values.total() for values in counts.values()):.0%}".replace("%", " %")


def parts(points: Sequence[Result]) -> str:
    """What was run, in a sentence."""
    sizes = sorted({point["parameters"] for point in points})
    computes = sorted({point["arm"]["compute"] for point in points})
    if not sizes:
        return PENDING
    return (
        f"{len(sizes)} sizes of the same hourglass ({', '.join(f'{size / 1e6:.1f}' for size in sizes)} M "
        f"parameters) at {', '.join(f'{compute:g}x' for compute in computes)} compute, "
        "a third of it on single frames; every run has its own whole schedule."
    )


LATENTS, COMPONENTS = "latents of the autoencoder", "{} principal components"
E0 = {
    16: {
        "scaling-s-16x": "pixels",
        "spaces-latent-x": LATENTS,
        "spaces-latent-free-x": "the same, with a better autoencoder that costs nothing",
        "spaces-components32-16x": COMPONENTS.format(32),
        "spaces-components128-16x": COMPONENTS.format(128),
        "spaces-pixel-v": "pixels, velocity predicted",
    },
    32: {
        "scaling-s-32x": "pixels",
        "spaces-latent-x-32x": LATENTS,
        "spaces-components32-32x": COMPONENTS.format(32),
        "spaces-components128-32x": COMPONENTS.format(128),
    },
}
"""Arms of E0 by compute, the one that the others are compared with first."""


def verdict(results: dict[str, Result]) -> str:
    """How far each space of E0 is ahead of pixels, and whether the intervals agree."""
    sentences = []
    for compute, arms in E0.items():
        first, *others = ((name, title) for name, title in arms.items() if name in results)
        (ours, low, high), gains = facts(results[first[0]]["scores"]["scaling"]), []
        for name, title in others:
            if results[name]["arm"]["target"] != "x" or results[name]["arm"]["free_tokenizer"]:
                continue
            theirs, minimum, maximum = facts(results[name]["scores"]["scaling"])
            overlap = "" if minimum > high or maximum < low else " (within the intervals)"
            gains.append(f"{title} {100 * (theirs - ours):+.1f}{overlap}")
        if gains:
            sentences.append(f"at {compute}x {', '.join(gains)}")
    return f"Against pixels, in points of facts: {'; '.join(sentences)}." if sentences else ""


def seeds(points: Sequence[Result]) -> str:
    """How far apart two seeds of the same run are."""
    pairs: dict[tuple[int, float], list[float]] = {}
    for point in points:
        key = (point["parameters"], point["arm"]["compute"])
        pairs.setdefault(key, []).append(facts(point["scores"]["scaling"])[0])
    gaps = [100 * (max(pair) - min(pair)) for pair in pairs.values() if len(pair) == 2]
    if not gaps:
        return ""
    mean, maximum = sum(gaps) / len(gaps), max(gaps)
    return (
        f"Of the {len(gaps)} runs that have two seeds, these are {mean:.1f} points of facts apart on "
        f"average and {maximum:.1f} at most."
    )


def scaling_table(points: Sequence[Result]) -> str:
    """A row per run."""
    rows = [
        [
            f"{point['parameters'] / 1e6:.1f} M",
            f"{point['arm']['compute']:g}x",
            str(point["arm"]["seed"]),
            f"{point['flops']:.2e}",
            f"{point['steps']:,}",
            f"{point['images']:,}",
            f"{point['clips']:,}",
            f"{point['validation']:.4f}",
            percent(facts(point["scores"]["scaling"])),
            whole(point["scores"]["scaling"]),
        ]
        for point in sorted(
            points, key=lambda point: (point["arm"]["seed"], point["arm"]["compute"], point["parameters"])
        )
    ]
    head = [
        "parameters",
        "compute",
        "seed",
        "FLOPs",
        "steps",
        "images",
        "clips",
        "validation",
        "facts",
        "whole prompts",
    ]
    return table(head, rows) if rows else PENDING


def spaces(results: dict[str, Result]) -> str:
    """E0: the arms at equal arithmetic, judged by what they draw."""
    rows = []
    names = {name: (compute, title) for compute, arms in E0.items() for name, title in arms.items()}
    for name, (compute, title) in names.items():
        if name not in results:
            continue
        result = results[name]
        score = result["scores"]["scaling"]
        rebuilt = result.get("reconstruction")
        rows.append(
            [
                f"{compute}x",
                title,
                f"{result['flops']:.2e}",
                f"{result['flops_tokenizer']:.1e}" if result["flops_tokenizer"] else "none",
                percent(facts(score)),
                whole(score),
                *attributes(score, ("subject", "color", "motion", "time", "place", "camera")),
                f"{rebuilt['psnr']:.1f} dB, {rebuilt['facts']:.1%} of {rebuilt['truth']:.1%}".replace(
                    "%", " %"
                )
                if rebuilt
                else "exact",
            ]
        )
    head = ["compute", "what is predicted", "FLOPs", "for the tokeniser", "facts", "whole prompts"]
    head += ["subject", "color", "motion", "time", "place", "camera", "reconstruction"]
    return table(head, rows) if len(rows) > 1 else PENDING


def captions(results: dict[str, Result]) -> str:
    """Rows are what an arm was trained on, columns how dense the prompts are."""
    densities = ("tag", "short", "full", "dense")
    rows = []
    for trained in ("mixed", *densities):
        result = results.get(f"captions-{trained}")
        if result is None:
            continue
        score = result["scores"]["captions"]
        cells = [percent(facts(score, slice(k, None, 4))) for k in range(4)]
        rows.append([trained, *cells, percent(facts(score))])
    return table(["trained on", *(f"{d} prompts" for d in densities), "all"], rows) if rows else PENDING


def framing(results: dict[str, Result]) -> str:
    """Native shapes against squares cut from their middle."""
    titles = {"framing-native": "native shapes", "framing-cut": "squares cut from them"}
    rows = []
    for name, title in titles.items():
        result = results.get(name)
        if result is None:
            continue
        rows.append([title, "in training", *_places(result["training_inside"]), "", "", ""])
        for shape, pictures in result["framing"].items():
            cells = [percent(facts(pictures["score"])), *attributes(pictures["score"], ("subject", "color"))]
            rows.append([title, shape, *_places(pictures), *cells])
    head = ["trained on", "requested", "subject completely in the frame", "distance from the middle", "facts"]
    return table([*head, "subject", "color"], rows) if rows else PENDING


def _places(pictures: Result) -> list[str]:
    """How often the subject is completely in the frame, and its mean distance from the middle."""
    score = Score(sum(pictures["inside"]), len(pictures["inside"])).as_json()
    share = percent((float(score["accuracy"]), float(score["low"]), float(score["high"])))
    return [share, f"{np.mean(pictures['middle']):.3f}"]


def physics(path: Path) -> str:
    """The rows of `hinode evaluate --suite physics`."""
    if not path.is_file():
        return PENDING
    rows = []
    for row in json.loads(path.read_text())["rows"]:
        scale, digits = (100, 1) if row["unit"] == "%" else (1, 3)
        figure, low, high = (f"{row[key] * scale:.{digits}f}" for key in ("figure", "low", "high"))
        unit = " %" if row["unit"] == "%" else ""
        rows.append([row["bar"], row["what"], f"{figure}{unit}", f"{low} to {high}", str(row["n"])])
    return table(["cases", "what", "figure", "95 % interval", "n"], rows)


def inconsistent(results: dict[str, Result]) -> list[str]:
    """Names of results of another judge, or of other prompts, than most have."""

    def sources(result: Result) -> Counter[tuple[str, str, str]]:
        return Counter((result["judge"], *prompts) for prompts in result["prompts"].items())

    counts = sum(map(sources, results.values()), Counter[tuple[str, str, str]]())
    # the last of each kind of prompts is the most frequent
    common = {source[1]: source for source in sorted(counts, key=lambda source: counts[source])}
    return [name for name, result in results.items() if set(sources(result)) - set(common.values())]


def main() -> None:
    """Write the page with everything that there are results for."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    if names := inconsistent(results):
        sys.exit(
            f"{', '.join(names)}: the judge or the prompts are not those of the other results; move these out"
            f" of {RESULTS}, or run the others again"
        )
    points = [point for name, point in results.items() if name.startswith("scaling-")]
    images = DOCS / "images"
    values = curve(points, images / "scaling-curve.svg") if points else {"fit": PENDING, "best": PENDING}
    values |= {
        "base": f"{BASE:.0e}",
        "guess": guess(ROOT / "benchmarks" / "prompts" / "scaling.jsonl"),
        "parts": parts(points),
        "seeds": seeds(points),
        "e0": verdict(results),
        "scaling": scaling_table(points),
        "grid": grid(points, images / "scaling-grid.png"),
        "spaces": spaces(results),
        "captions": captions(results),
        "framing": framing(results),
        "physics": physics(DOCS / "evaluation" / "nano-physics.json"),
        "pending": ", ".join(
            arm.name for family in FAMILIES.values() for arm in family if arm.name not in results
        )
        or "none",
    }
    template = (DOCS / "notes" / "experiments.template.md").read_text()
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", value)
    (DOCS / "notes" / "experiments.md").write_text(template)


if __name__ == "__main__":
    main()
