"""Write docs/experiments.md and its figures from the results in docs/experiments, as they stand.

    python -m runs.experiments_page

Reads docs/experiments/*.json and *.png (from `python -m runs.experiments`) and
docs/evaluation/nano-physics.json (from `hinode evaluate --suite physics`); fills
docs/experiments.template.md. What has not been run is left out and said so.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from hinode.evaluation.evaluate import Score, read_cases
from research.experiments import BASE, FAMILIES, SHOWN, SIZES

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "hinode", "font.size": 9, "axes.spines.top": False})
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "docs" / "experiments"
INKS = {"xs": "#edae49", "s": "#d1495b", "m": "#00798c", "l": "#30638e"}
RESAMPLED = 1000
TILE = 64
PENDING = "*Not run yet.*"
Result = dict[str, Any]


def percent(values: tuple[float, float, float]) -> str:
    """Such as 41.2 % (38.0 to 44.1)."""
    middle, low, high = values
    return f"{middle:.1%} ({low:.1%} to {high:.1%})".replace("%", " %")


def facts(score: Result, keep: Callable[[int], bool] = lambda number: True) -> tuple[float, float, float]:
    """Share of all expected facts that the judge found, with its bootstrap interval over prompts."""
    hits = np.array([one for number, one in enumerate(score["hits"]) if keep(number)], float)
    rng = np.random.default_rng(0)
    drawn = hits[rng.integers(0, len(hits), (RESAMPLED, len(hits)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    return float(hits[:, 0].sum() / hits[:, 1].sum()), float(low), float(high)


def whole(score: Result) -> str:
    """Prompts of which every fact was found, with the Wilson interval."""
    one = score["whole_prompt"]
    return percent((one["accuracy"], one["low"], one["high"]))


def attributes(score: Result, names: Sequence[str]) -> list[str]:
    """Accuracy of each attribute, in per cent."""
    return [f"{score['attributes'][name]['accuracy']:.0%}".replace("%", " %") for name in names]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
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
    best = [min(group, key=lambda one: one["validation"]) for group in whole_columns]
    return sorted(best, key=lambda one: one["flops"])


def curve(points: Sequence[Result], path: Path) -> dict[str, str]:
    """Draw validation error and facts against arithmetic, fit the error, and say what came out."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    for size, ink in INKS.items():
        for seed in sorted({one["arm"]["seed"] for one in points}):
            mine = sorted(
                (one for one in points if (one["arm"]["size"], one["arm"]["seed"]) == (size, seed)),
                key=lambda one: one["flops"],
            )
            if not mine:
                continue
            x = [one["flops"] for one in mine]
            label = f"{mine[0]['parameters'] / 1e6:.1f} M" if seed == 1 else None
            style = "o-" if seed == 1 else "o:"
            left.plot(x, [one["validation"] for one in mine], style, color=ink, label=label, ms=3, lw=1)
            shares = [facts(one["scores"]["scaling"]) for one in mine]
            bars = np.array([(mid - low, high - mid) for mid, low, high in shares]).T
            right.errorbar(x, [one[0] for one in shares], bars, fmt=style, color=ink, ms=3, lw=1, capsize=2)
    for axis, name in ((left, "validation error (velocity)"), (right, "expected facts that the judge finds")):
        axis.set(xscale="log", xlabel="training arithmetic, floating-point operations", ylabel=name)
    left.set_yscale("log")
    said = {"fit": PENDING, "best": PENDING}
    best = envelope([one for one in points if one["arm"]["seed"] == 1])
    if len(best) >= 3:
        x, y = (np.array([one[key] for one in best]) for key in ("flops", "validation"))
        unit = x / BASE
        a, b, c = fitted(unit, y)
        line = np.geomspace(x[0] / 2, x[-1] * 8, 60)
        left.plot(line, a + b * (line / BASE) ** -c, "--", color="#444", lw=1, label="fit of the best sizes")
        spread = _exponents(points)
        said["fit"] = f"L = {a:.4f} + {b:.4f} (C / {BASE:.0e})^-{c:.2f}" + (
            f", the exponent {np.quantile(spread, 0.025):.2f} to {np.quantile(spread, 0.975):.2f}"
            if spread
            else ""
        )
    if best:
        said["best"] = ", ".join(
            f"{one['arm']['compute']:g}x: {one['parameters'] / 1e6:.1f} M" for one in best
        )
    left.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return said


def _exponents(points: Sequence[Result]) -> list[float]:
    """Exponents of fits to envelopes drawn anew within the noise between seeds; none with one seed."""
    cells: dict[tuple[float, str], list[Result]] = {}
    for one in points:
        cells.setdefault((one["arm"]["compute"], one["arm"]["size"]), []).append(one)
    if max((len(group) for group in cells.values()), default=0) < 2:
        return []
    # The differences between seeds, pooled and relative, stand for the noise of one run.
    gaps = [
        np.log(group[0]["validation"] / group[1]["validation"]) / np.sqrt(2)
        for group in cells.values()
        if len(group) > 1
    ]
    noise, rng = float(np.sqrt(np.mean(np.square(gaps)))), np.random.default_rng(0)
    found = []
    for _ in range(200):
        drawn = [
            {**group[0], "validation": group[0]["validation"] * float(np.exp(noise * rng.standard_normal()))}
            for group in cells.values()
        ]
        best = envelope(drawn)
        x, y = (np.array([one[key] for one in best]) for key in ("flops", "validation"))
        found.append(fitted(x / BASE, y)[2])
    return found


def grid(points: Sequence[Result], path: Path) -> str:
    """The same prompts from the same noise at growing compute, by the size that was trained longest."""
    seed_one = [one for one in points if one["arm"]["seed"] == 1]
    sizes = {one["arm"]["size"] for one in seed_one}
    if not sizes:
        return PENDING

    def reach(size: str) -> tuple[float, float]:
        mine = [one for one in seed_one if one["arm"]["size"] == size]
        most = max(mine, key=lambda one: one["arm"]["compute"])
        return most["arm"]["compute"], -most["validation"]

    chosen = max(sizes, key=reach)
    mine = sorted((one for one in seed_one if one["arm"]["size"] == chosen), key=lambda one: one["flops"])
    strips = [Image.open(RESULTS / f"{one['arm']['name']}.png") for one in mine]
    gap, head = 8, 14
    sheet = Image.new("RGB", (sum(one.width + gap for one in strips), head + SHOWN * TILE), "white")
    pen, left = ImageDraw.Draw(sheet), 0
    for one, strip in zip(mine, strips, strict=True):
        sheet.paste(strip, (left, head))
        pen.text((left, 0), f"{one['arm']['compute']:g}x", fill="black", font_size=11)
        left += strip.width + gap
    sheet.save(path, optimize=True)
    return f"{mine[0]['parameters'] / 1e6:.1f} M parameters"


def guess(path: Path) -> str:
    """Facts that are found by always naming the most frequent value."""
    asked: dict[str, Counter[str]] = {}
    for case in read_cases(path):
        for name, value in case.expect.items():
            asked.setdefault(name, Counter())[value] += 1
    right = sum(values.most_common(1)[0][1] for values in asked.values())
    return f"{right / sum(values.total() for values in asked.values()):.0%}".replace("%", " %")


def parts(points: Sequence[Result]) -> str:
    """What was run, in a sentence."""
    sizes = sorted({one["parameters"] for one in points})
    computes = sorted({one["arm"]["compute"] for one in points})
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
        "spaces-latent-free-x": "the same, with a better autoencoder for nothing",
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
"""Arms of E0 by compute, the one that the others are held against first."""


def verdict(results: dict[str, Result]) -> str:
    """How far each space of E0 is ahead of pixels, and whether the intervals say so too."""
    said = []
    for compute, arms in E0.items():
        first, *others = ((name, title) for name, title in arms.items() if name in results)
        (ours, low, high), told = facts(results[first[0]]["scores"]["scaling"]), []
        for name, title in others:
            if results[name]["arm"]["target"] != "x" or results[name]["arm"]["free_tokenizer"]:
                continue
            theirs, least, most = facts(results[name]["scores"]["scaling"])
            apart = "" if least > high or most < low else " (within the intervals)"
            told.append(f"{title} {100 * (theirs - ours):+.1f}{apart}")
        if told:
            said.append(f"at {compute}x {', '.join(told)}")
    return f"Against pixels, in points of facts: {'; '.join(said)}." if said else ""


def seeds(points: Sequence[Result]) -> str:
    """How far apart two seeds of the same run are."""
    pairs: dict[tuple[int, float], list[float]] = {}
    for one in points:
        key = (one["parameters"], one["arm"]["compute"])
        pairs.setdefault(key, []).append(facts(one["scores"]["scaling"])[0])
    apart = [100 * (max(pair) - min(pair)) for pair in pairs.values() if len(pair) == 2]
    if not apart:
        return ""
    mean, most = sum(apart) / len(apart), max(apart)
    return (
        f"Of the {len(apart)} runs that have two seeds, these are {mean:.1f} points of facts apart on "
        f"average and {most:.1f} at most."
    )


def scaling_table(points: Sequence[Result]) -> str:
    """A row per run."""
    rows = [
        [
            f"{one['parameters'] / 1e6:.1f} M",
            f"{one['arm']['compute']:g}x",
            str(one["arm"]["seed"]),
            f"{one['flops']:.2e}",
            f"{one['steps']:,}",
            f"{one['images']:,}",
            f"{one['clips']:,}",
            f"{one['validation']:.4f}",
            percent(facts(one["scores"]["scaling"])),
            whole(one["scores"]["scaling"]),
        ]
        for one in sorted(
            points, key=lambda one: (one["arm"]["seed"], one["arm"]["compute"], one["parameters"])
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
        one = results[name]
        score = one["scores"]["scaling"]
        rebuilt = one.get("reconstruction")
        rows.append(
            [
                f"{compute}x",
                title,
                f"{one['flops']:.2e}",
                f"{one['flops_tokenizer']:.1e}" if one["flops_tokenizer"] else "none",
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
        one = results.get(f"captions-{trained}")
        if one is None:
            continue
        score = one["scores"]["captions"]
        cells = [percent(facts(score, lambda n, k=k: n % 4 == k)) for k in range(4)]  # type: ignore[misc]
        rows.append([trained, *cells, percent(facts(score))])
    return table(["trained on", *(f"{d} prompts" for d in densities), "all"], rows) if rows else PENDING


def framing(results: dict[str, Result]) -> str:
    """Native shapes against squares cut from their middle."""
    titles = {"framing-native": "native shapes", "framing-cut": "squares cut from them"}
    rows = []
    for name, title in titles.items():
        one = results.get(name)
        if one is None:
            continue
        shown = Score(sum(one["training_inside"]["inside"]), len(one["training_inside"]["inside"])).as_json()
        told = percent((float(shown["accuracy"]), float(shown["low"]), float(shown["high"])))
        far = np.mean(one["training_inside"]["middle"])
        rows.append([title, "in training", told, f"{far:.3f}", "", "", ""])
        for shape, found in one["framing"].items():
            inside = Score(sum(found["inside"]), len(found["inside"])).as_json()
            missed = np.array(found["middle"], float)
            rows.append(
                [
                    title,
                    shape,
                    percent((float(inside["accuracy"]), float(inside["low"]), float(inside["high"]))),
                    f"{missed.mean():.3f}",
                    percent(facts(found["score"])),
                    *attributes(found["score"], ("subject", "color")),
                ]
            )
    head = ["trained on", "asked for", "subject wholly in the frame", "distance from the middle", "facts"]
    return table([*head, "subject", "color"], rows) if rows else PENDING


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


def strangers(results: dict[str, Result]) -> list[str]:
    """Names of results that another judge read, or that were drawn from other prompts, than most were."""

    def looked(one: Result) -> Counter[tuple[str, str, str]]:
        return Counter((one["judge"], *prompts) for prompts in one["prompts"].items())

    seen = sum(map(looked, results.values()), Counter[tuple[str, str, str]]())
    # the last of each kind of prompts is the most frequent
    usual = {kind[1]: kind for kind in sorted(seen, key=lambda kind: seen[kind])}
    return [name for name, one in results.items() if set(looked(one)) - set(usual.values())]


def main() -> None:
    """Draw everything that there are results for."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    if odd := strangers(results):
        sys.exit(
            f"{', '.join(odd)}: read by another judge, or drawn from other prompts, than the rest, beside"
            f" which they cannot stand; move them out of {RESULTS}, or run the rest anew"
        )
    points = [one for name, one in results.items() if name.startswith("scaling-")]
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
    template = (DOCS / "experiments.template.md").read_text()
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", value)
    (DOCS / "experiments.md").write_text(template)


if __name__ == "__main__":
    main()
