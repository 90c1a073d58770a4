"""The network: tensors in, tensors out. Nothing here knows about video files, servers or captions.

Read it in this order: `tokens` (video <-> latents), `text` (words -> features), `layers` (the parts),
`controls` and `dit` (the network), `flow` (noise, loss, sampling). `flow.sample` is the whole method in one
loop. `fast` computes the same as `layers` more quickly on a processor; skip it at first.

Shape key, used in every comment:

    B   clips in a batch                    h, w   latent rows and columns (H / 8, W / 8)
    T   video frames, T = 1 + 4k            n      tokens per latent frame (h * w fine, h * w / 4 coarse)
    Tl  latent frames, Tl = 1 + k           C      values per latent (4 * 8 * 8 * 3 = 768)
    H, W  pixels                            D      width of a token inside the network
    L   words of text, padded               64     width of an attention head
    f   video frames per latent frame (4)

For example, a clip of 17 frames of 128x64 is [1, 17, 3, 64, 128]; its latents are [1, 5, 8, 16, 768], 640
fine tokens and 160 coarse ones.
"""
