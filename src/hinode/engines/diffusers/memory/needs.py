"""How much memory a task needs. Weights are counted from the headers of the files. What a denoiser needs
beside them follows from the size of the clip and from the widths in its config; what a decoder needs is
counted (`footprint`). `docs/explanation/open-checkpoints.md` shows how well the estimates hold."""

from __future__ import annotations

from dataclasses import dataclass

from hinode.engines.diffusers.memory.footprint import Footprint
from hinode.engines.diffusers.task import Task
from hinode.registry.tiny_decoders import Layout

ATTENTION_TENSORS, STREAM_BYTES = 7, 8
"""Tensors as wide as the denoiser that an attention holds (queries, keys, values, rotations ...), and bytes
for each number of the residual stream and its norm, which are in float32."""
CACHED_TENSORS = 2
"""Tensors as wide as the denoiser that a first-block cache holds for each pass of a step."""
LATENT_COPIES = 8
"""Copies of the latents: of the pipeline, its scheduler and the saved state."""
VIDEO_COPIES = 3
"""Copies of the finished frames in float32."""
HEAP = 50_000_000
"""Bytes that a process on the CPU holds while decoding: small blocks that the C library keeps, and code that
is loaded on the way. Measured; an accelerator has no such overhead."""
TINY_TENSORS = 4
"""Tensors of its largest size that the tiny decoder holds; 3.6 to 4.5 were measured on a processor."""
TILE_SIDE = 256
"""Pixels along the side of a tile."""


@dataclass(frozen=True)
class Needs:
    """What a task needs, in bytes.

    Attributes:
        encoders, denoisers, rest: weights of these parts; see `Sizes`.
        sampling: beside weights, for a step.
        decoding: beside weights, for decoding the whole clip.
        tiled: beside weights, for decoding it in tiles.
    """

    encoders: int
    denoisers: tuple[int, ...]
    rest: int
    sampling: int
    decoding: int
    tiled: int

    @property
    def weights(self) -> int:
        return self.encoders + sum(self.denoisers) + self.rest


@dataclass(frozen=True)
class Sizes:
    """What the files of a model state.

    Attributes:
        encoders, denoisers, rest: bytes of the weights that encode the prompt, of each denoiser's, and of the
            other parts', as loaded.
        float8_denoisers: bytes of each denoiser's weights with float8 storage.
        width, feed_forward: channels of the denoiser, and inside its feed-forward layers.
        decoder: what decoding takes.
        element_bytes: bytes of one number that is computed with.
        hints: hints that the denoiser computes from a control video, all before it uses the first (VACE).
    """

    encoders: int
    denoisers: tuple[int, ...]
    float8_denoisers: tuple[int, ...]
    rest: int
    width: int
    feed_forward: int
    decoder: Footprint
    element_bytes: int
    accelerated: bool
    tiny: Layout | None = None
    hints: int = 0

    def needs(self, task: Task, *, float8_storage: bool) -> Needs:
        """What a task needs."""
        area = task.size[0] * task.size[1]
        video = task.network_frames * area * 3 * 4
        heap = 0 if self.accelerated else HEAP
        decoding = max(self.decoder.bytes(task.latent_frames, area) + heap, VIDEO_COPIES * video)
        tile = min(area, TILE_SIDE**2)
        tiled = self.decoder.bytes(task.latent_frames, tile) + heap + (VIDEO_COPIES + 1) * video
        tiny_weights = tiny_decoding = 0
        if self.tiny is not None:
            element_bytes = 2 if self.accelerated else 4
            tiny_weights = element_bytes * self.tiny.parameters
            tiny_decoding = TINY_TENSORS * element_bytes * self.tiny.peak_elements(task.size)
            if task.tiny:
                decoding = tiled = tiny_decoding + VIDEO_COPIES * video
        return Needs(
            encoders=self.encoders,
            denoisers=self.float8_denoisers if float8_storage else self.denoisers,
            rest=self.rest + tiny_weights,
            sampling=self._sampling(task, previews=tiny_decoding),
            decoding=int(decoding),
            tiled=int(tiled),
        )

    def _sampling(self, task: Task, previews: int) -> int:
        """Bytes that a step needs beside weights.

        Nothing is kept for a backward pass, so one block counts: its attention, or its feed-forward layers
        before and after the activation.
        """
        shape, guided, width = task.family.shape, task.profile.guidance > 1, self.width * self.element_bytes
        tokens = (2 if task.family.batched and guided else 1) * (task.tokens + shape.text_tokens)
        attention = tokens * (ATTENTION_TENSORS * width + STREAM_BYTES * self.width)
        feed_forward = tokens * (2 * self.feed_forward * self.element_bytes + STREAM_BYTES * self.width)
        # Beside the hints there is the stream that they are computed from.
        hints = (self.hints + 1) * tokens * width if self.hints else 0
        cached = 0
        if task.profile.reuse:
            passes = 2 if guided and not task.family.batched else 1
            cached = passes * CACHED_TENSORS * tokens * width
        latents = LATENT_COPIES * 4 * task.tokens * shape.patch**2 * shape.channels
        return int(max(attention + hints, feed_forward + hints, previews) + cached + latents)
