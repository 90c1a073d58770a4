"""The networks: tensors in, tensors out. Nothing here knows about video files, servers or captions.

Read it in this order: `layers` (the parts), `block` (the transformer block), `text` (words -> features),
`planner` (words -> a scene plan), `plan_tensors` (a plan as the drawing network reads it), `drawing` (the
network that draws), `textures` and `details` (its pixels of subjects and of all else), `drawing_schedule`
(noise levels) and `drawing_sampler` (from noise to a clip), `reader` (a clip -> a plan). `fast` computes the
same as `layers` more quickly on a processor; skip it at first.

Shape key, used in every comment:

    B   clips in a batch                    h, w   rows and columns of tokens (H / 16, W / 16)
    T   video frames, T = 1 + 8k            n      tokens per latent frame
    Tl  latent frames, Tl = 1 + k           D      width of a token inside the network
    H, W  pixels                            64     width of an attention head
    L   words of text, padded
"""
