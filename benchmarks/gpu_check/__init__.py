"""Does the engine `diffusers` work on CUDA, and how fast is it beside plain diffusers?

A Wan 2.1 1.3B with random weights is built at full size. Then these parts run in order, each within its own
time:

    environment   versions, memory, and the rate of large matrix products
    build         the network, and a small one for the parts that need many clips
    baseline      plain diffusers: seconds a step, decoding, peak memory, three attention backends
    best          the engine's profile `best`: two clips, and their frames beside the baseline's
    second-plan   whether a second clip gets the plan of the first when little memory is left
    native        the native model on the GPU and on the processor, and their frames beside each other
    standard      compiling, float8 and reused blocks, cold and warm, in a child process
    residences    every way of placing weights, tiles, 8 bits, decoding out of memory, beside the baseline
    regional      compiling block by block without the hooks of the cache, in a child process

and only if named by --only, because it takes long:

    profiles      clips end to end, cold and warm, by plain diffusers and under the profiles

The engine works if `best` equals the baseline frame for frame, the second plan equals the first, and no part
fails. The weights are random, which suffices for timing, but not to know how often blocks can be reused.

It needs torch with CUDA, transformers and accelerate, and the packages of `hinode[diffusers]`; PyAV may be
missing. It has never been run on a GPU.
"""

from __future__ import annotations


def main(words: list[str]) -> None:
    """Run the parts; without a GPU, and without --tiny, say so and end with status 2."""
    # Imported late: it needs torch.
    from benchmarks.gpu_check import command

    command.main(words, description=(__doc__ or "").splitlines()[0])
