"""What fingerprints of videos find: copies after a new encoding, size, cut or mirror, and no strangers.

    python -m benchmarks.fingerprints
    python -m benchmarks.fingerprints --strangers 400

The clips are pans over noise of many sizes, whose statistics are near those of photographs; each has a seed.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from itertools import combinations

import av
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from hinode.clip import Frames
from hinode.rights import fingerprint
from hinode.rights.fingerprint import Fingerprint

WIDTH, HEIGHT, COUNT, FPS = 640, 360, 48, 24
Clip = list[Frames]
Attack = Callable[[Clip], Clip]


def clip(seed: int) -> Clip:
    """A pan of two seconds, `COUNT` frames uint8 [360, 640, 3]."""
    random = np.random.default_rng(seed)
    step = int(random.integers(0, 6))
    size = (WIDTH + step * COUNT, HEIGHT)
    image = np.zeros((*size[::-1], 3), np.float32)
    for side in (4, 8, 16, 32, 64, 128):
        coarse = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8))
        image += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32) / 6
    wide = np.clip((image - 128) * 2 + 128, 0, 255).astype(np.uint8)
    return [wide[:, step * k : step * k + WIDTH] for k in range(COUNT)]


def each(change: Callable[[Image.Image], Image.Image]) -> Attack:
    """The same change of every frame."""
    return lambda frames: [np.asarray(change(Image.fromarray(frame))) for frame in frames]


def crop(share: float) -> Attack:
    """Without this share of the width and height on each side."""
    dx, dy = int(share * WIDTH), int(share * HEIGHT)
    return each(lambda image: image.crop((dx, dy, WIDTH - dx, HEIGHT - dy)))


ATTACKS: dict[str, tuple[Attack, int]] = {
    "x264 CRF 28": (lambda frames: frames, 28),
    "x264 CRF 40": (lambda frames: frames, 40),
    "half size": (each(lambda image: image.resize((WIDTH // 2, HEIGHT // 2))), 28),
    "quarter size": (each(lambda image: image.resize((WIDTH // 4, HEIGHT // 4))), 28),
    "mirrored": (each(lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), 28),
    "30 % darker": (each(lambda image: ImageEnhance.Brightness(image).enhance(0.7)), 28),
    "more contrast": (each(lambda image: ImageEnhance.Contrast(image).enhance(1.4)), 28),
    "blurred": (each(lambda image: image.filter(ImageFilter.GaussianBlur(2))), 28),
    "grey": (each(lambda image: image.convert("L").convert("RGB")), 28),
    "middle third": (lambda frames: frames[COUNT // 3 : 2 * COUNT // 3], 28),
    "half frame rate": (lambda frames: frames[::2], 28),
    "cropped by 1 %": (crop(0.01), 28),
    "cropped by 2.5 %": (crop(0.025), 28),
    "cropped by 5 %": (crop(0.05), 28),
    "turned by 3°": (each(lambda image: image.rotate(3)), 28),
}


def encoded(frames: Clip, crf: int) -> Clip:
    """The frames after H.264."""
    target = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    target.seek(0)
    with av.open(target) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def print_of(frames: Clip) -> Fingerprint:
    """The fingerprint of frames, four a second."""
    return fingerprint.of_frames(frames[:: FPS // int(fingerprint.RATE)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--strangers", type=int, default=200)
    options = parser.parse_args(arguments)
    clips = [clip(seed) for seed in range(options.clips)]
    originals = [print_of(frames) for frames in clips]
    print("| copy | found | least similarity |\n|---|---|---|")
    for name, (attack, crf) in ATTACKS.items():
        similar = [
            print_of(encoded(attack(frames), crf)).similarity(original)
            for frames, original in zip(clips, originals, strict=True)
        ]
        found = sum(value >= fingerprint.MIN_SHARE for value in similar)
        print(f"| {name} | {found}/{len(similar)} | {min(similar):.2f} |")
    prints = [print_of(clip(1000 + seed)[:1]) for seed in range(options.strangers)]
    distances = [
        int(np.bitwise_count(one.hashes[0] ^ other.hashes[0]).sum())
        for one, other in combinations([print_ for print_ in prints if len(print_.hashes)], 2)
    ]
    print(
        f"\n{len(distances):,} pairs of strangers: least distance {min(distances)} of {fingerprint.BITS}, "
        f"mean {np.mean(distances):.1f}; a match is {fingerprint.MAX_DISTANCE} or less"
    )


if __name__ == "__main__":
    main()
