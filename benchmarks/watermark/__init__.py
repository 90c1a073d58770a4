"""How well marks are found again, by content, attack and length, and how often unmarked clips match.

Every clip is drawn from a seed, marked, attacked by one encoder at its full length, and read over its first
2, 5 and 10 seconds. The identity is one of those that the detector compares with.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.watermark import false_positives
from benchmarks.watermark.attacks import ATTACKS, decoded, encoded
from benchmarks.watermark.contents import FPS, frames
from hinode.clip import Frames, Mask
from hinode.request import Size
from hinode.trust.watermark.detect import scores
from hinode.trust.watermark.embed import Embedder
from hinode.trust.watermark.search import Residual, Spectrum, readings
from hinode.trust.watermark.words import PUBLIC_KEY, chips, id_of, min_score

SIZES: dict[str, Size] = {"256": (256, 256), "360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
LENGTHS = (1, 2, 5, 10)


def rows(
    content: str,
    source: Iterator[Frames],
    size: Size,
    seed: int,
    seconds: int,
    names: Sequence[str],
    area: float = 1.0,
) -> Iterator[dict[str, object]]:
    """One JSON row for each attack on one clip."""
    id = id_of({"content": content, "seed": seed, "size": list(size)})
    embedder = Embedder(id, size)
    marked = [embedder.mark(frame, drawn(size, area) if area < 1 else None) for frame in source]
    for attack in ATTACKS:
        if attack.name not in names:
            continue
        row: dict[str, object] = {
            "content": content,
            "size": size,
            "seed": seed,
            "attack": attack.name,
            "psnr": round(embedder.psnr, 2),
        }
        residual = Residual()
        pending = [length for length in LENGTHS if length <= seconds]
        for moment, frame in decoded(encoded(marked, attack, FPS)):
            while pending and moment >= pending[0] - 1e-6:
                row[f"{pending.pop(0)}"] = score(residual, id)
            residual.add(frame)
        for length in pending[:1]:
            row[f"{length}"] = score(residual, id)
        yield row


def drawn(size: Size, area: float) -> Mask:
    """A rectangle in the middle, with a share of the area of a frame, as if the rest were footage."""
    height, width = round(size[1] * area**0.5), round(size[0] * area**0.5)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    mask = np.zeros(size[::-1], bool)
    mask[top : top + height, left : left + width] = True
    return mask


def score(residual: Residual, id: bytes) -> float:
    """The score of an identity over what was read so far, over the limit: 1 or more is a match."""
    found = readings(Spectrum(residual.sum()), PUBLIC_KEY)
    word = chips(id, PUBLIC_KEY, len(found[0].chips))[None]
    return round(float(scores(found, word).max()) / min_score(len(found)), 3)


def table(results: Sequence[dict[str, object]]) -> str:
    """The rows as a Markdown table: shares of clips found, by content, size, attack and length."""
    lines = [
        "| content | size | attack | clips | PSNR | 1 s | 2 s | 5 s | 10 s | lowest at 5 s |",
        "|---" * 10 + "|",
    ]
    groups: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    for row in results:
        width, height = row["size"]  # type: ignore[misc]
        groups.setdefault((str(row["content"]), f"{width}x{height}", str(row["attack"])), []).append(row)
    for (content, size, attack), members in sorted(groups.items()):
        cells = []
        for length in LENGTHS:
            values = np.array([row[str(length)] for row in members if str(length) in row], float)
            cells.append(f"{np.mean(values >= 1):.0%} of {len(values)}" if len(values) else "")
        five = [float(str(row["5"])) for row in members if "5" in row]
        psnr = np.mean([float(str(row["psnr"])) for row in members])
        lowest = f"{min(five):.2f}" if five else ""
        lines.append(
            f"| {content} | {size} | {attack} | {len(members)} | {psnr:.1f} "
            f"| {' | '.join(cells)} | {lowest} |"
        )
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Print the tables; see the module."""
    parser = argparse.ArgumentParser(prog="benchmarks watermark", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short clips and few unmarked ones")
    parser.add_argument("--contents", default="natural,flat,dark,text")
    parser.add_argument("--sizes", default="360p")
    parser.add_argument("--attacks", default=",".join(attack.name for attack in ATTACKS))
    parser.add_argument("--clips", type=int, default=10, help="of each content and size")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument(
        "--unmarked", type=int, default=0, help="unmarked clips for the false positives instead"
    )
    parser.add_argument("--area", type=float, default=1.0, help="share of the frame that is drawn")
    parser.add_argument(
        "--own", type=Path, help="a folder of clips to mark, such as those of hinode generate"
    )
    parser.add_argument("--rows", type=Path, help="file to which each row is appended as JSON")
    parser.add_argument("--tables", type=Path, nargs="*", help="print the table of such files instead")
    options = parser.parse_args(words)
    if options.tables:
        lines = [line for path in options.tables for line in path.read_text().splitlines()]
        print(table([json.loads(line) for line in lines]))
        return
    if options.unmarked:
        false_positives.main(options.unmarked, options.first, options.rows)
        return
    if options.quick:
        options.contents, options.clips, options.seconds = "natural,flat", 1, 2
    names = options.attacks.split(",")
    results = []
    start = time.perf_counter()
    for content, size, seed, source in _sources(options):
        for row in rows(content, source, size, seed, options.seconds, names, options.area):
            results.append(row)
            if options.rows:
                with options.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(table(results))
    print(f"\n{len(results)} attacked clips in {time.perf_counter() - start:.0f} s")
    if options.quick:
        false_positives.main(10, 0, None)


def _sources(options: argparse.Namespace) -> Iterator[tuple[str, Size, int, Iterator[Frames]]]:
    count = options.seconds * FPS
    if options.own:
        from hinode.media.reading.decode import VideoFile

        for index, path in enumerate(sorted(options.own.glob("*.mp4"))):
            with VideoFile(path) as file:
                yield "own", file.size, index, (picture.rgb for picture in file)
        return
    for seed in range(options.first, options.first + options.clips):
        for name in options.sizes.split(","):
            for content in options.contents.split(","):
                yield content, SIZES[name], seed, frames(content, seed, SIZES[name], count)
