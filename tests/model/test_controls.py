from __future__ import annotations

import math

import torch

from hinode.model import controls

SPAN = 4


def test_the_subject_is_marked_where_it_is_in_each_frame() -> None:
    path = torch.full((1, 9, 2), torch.nan)
    path[0, 0] = torch.tensor([0.25, 0.75])
    path[0, 3] = torch.tensor([0.9, 0.1])
    encoded = controls.encode_motion(
        path, torch.full((1, 9, 2), torch.nan), rows=8, columns=16, patch_frames=SPAN
    )
    assert encoded.shape == (1, 3, 8, 16, SPAN + 3)
    # The first frame fills the first latent frame; the fourth is the third of the second one.
    for frame in range(SPAN):
        row, column = divmod(int(encoded[0, 0, :, :, frame].argmax()), 16)
        assert (row, column) in [(5, 3), (5, 4), (6, 3), (6, 4)]
    row, column = divmod(int(encoded[0, 1, :, :, 2].argmax()), 16)
    assert (row, column) == (0, 14)
    assert encoded[0, 1, :, :, (0, 1, 3)].max() == 0
    assert encoded[0, 2].max() == 0


def test_marks_are_round_whatever_the_shape_of_the_frame() -> None:
    path = torch.full((1, 1, 2), 0.5)
    encoded = controls.encode_motion(
        path, torch.full((1, 1, 2), torch.nan), rows=9, columns=19, patch_frames=SPAN
    )
    mark = encoded[0, 0, :, :, 0]
    assert mark[4, 9] == 1
    assert torch.allclose(mark[4, 9 - 4 : 9 + 5], mark[:, 9])


def test_a_camera_is_encoded_everywhere_with_a_flag() -> None:
    camera = torch.zeros(1, 5, 2)
    camera[0, 1:, 0] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    camera[0, 1:, 1] = math.log(2.0)
    unset = torch.full((1, 5, 2), torch.nan)
    encoded = controls.encode_motion(unset, camera, rows=2, columns=2, patch_frames=SPAN)
    values = encoded[0, :, 0, 0, SPAN:]
    assert torch.allclose(values, torch.tensor([[0.0, 0.0, 1.0], [0.25, math.log(2.0), 1.0]]))
    assert (encoded[..., SPAN:] == values[None, :, None, None]).all()
    assert controls.encode_motion(unset, unset, 2, 2, SPAN).abs().max() == 0


def test_mask_and_motion_stand_side_by_side() -> None:
    mask = torch.zeros(1, 2, 2, 2, SPAN, dtype=torch.bool)
    mask[0, 1, 0, 0, 2] = True
    encoded = controls.encode(mask, None)
    assert encoded.shape[-1] == controls.channels(SPAN)
    assert encoded.sum() == encoded[0, 1, 0, 0, 2] == controls.GAINS[0]
    motion = torch.rand(1, 2, 2, 2, SPAN + 3)
    gains = torch.tensor([controls.GAINS[1]] * SPAN + [controls.GAINS[2]] * 3)
    assert torch.equal(controls.encode(mask, motion)[..., SPAN:], gains * motion)
