"""Motion, cuts, smoothing that follows and does not ghost; the measures of flicker."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon
from skimage import data

from workbench.color import rgb_to_lab, split_lab
from workbench.evaluation.flicker import cdc, divergence, histogram, warped_ab_error
from workbench.video.motion import Smoother, find_motion, match_brightness, optical_flow, warp


def lightness(name: str, side: int = 140) -> torch.Tensor:
    """L (1, 1, side, side) of one of scikit-image's pictures."""
    rgb = torch.from_numpy(getattr(data, name)()[..., :3].copy()).permute(2, 0, 1)
    L, _ = split_lab(rgb)
    return F.interpolate(L[None], size=(side, side), mode="area")


def pan(name: str, frames: int, dx: int = 1, dy: int = 0, side: int = 64) -> torch.Tensor:
    """L (frames, 1, side, side) of a camera that moves over a picture."""
    L = lightness(name)
    return torch.cat([L[..., dy * i :, dx * i :][..., :side, :side] for i in range(frames)])


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (2, 1), (5, -3), (-8, 4)])
def test_a_shift_is_found_to_a_fifth_of_a_pixel(dx: int, dy: int) -> None:
    L = lightness("astronaut")
    here = L[..., 20:116, 20:116]
    there = L[..., 20 - dy : 116 - dy, 20 - dx : 116 - dx]
    flow = optical_flow(here, there)
    error = (flow - torch.tensor([dx, dy]).view(1, 2, 1, 1)).norm(dim=1)
    assert error.median() < 0.2
    assert (warp(there, flow) - here).abs()[..., 12:-12, 12:-12].mean() < 1.5


def test_brightness_that_breathes_is_not_taken_for_motion() -> None:
    L = pan("coffee", 2)
    dark = torch.cat((L[:1], L[1:] * 0.85 + 3))
    assert (match_brightness(dark[:1], dark[1:]).mean() - dark[:1].mean()).abs() < 1
    assert find_motion(dark).trust_back.mean() > 0.95 * find_motion(L).trust_back.mean() > 0.6


def test_cuts_are_found_and_pans_are_none() -> None:
    scenes = [pan("astronaut", 5), pan("coffee", 4, 0, 2), pan("rocket", 6, 2, 1)]
    cut = find_motion(torch.cat(scenes)).cut
    assert [i + 1 for i in range(len(cut)) if cut[i]] == [5, 9]


def settle(L: torch.Tensor, ab: torch.Tensor, memory: float, block: int = 4) -> torch.Tensor:
    """Run a Smoother over a clip at 10 frames/s in blocks."""
    smoother, done = Smoother(memory), []
    for i in range(0, len(L), block):
        part = L[i : i + block]
        known = torch.ones(len(part), dtype=torch.bool)
        times = [(i + j) / 10 for j in range(len(part))]
        done.append(
            smoother.add_block(part, ab[i : i + block], known, times, smoother.find_motion(part))
        )
    done.append(smoother.close())
    return torch.cat([steady.ab for steady in done if steady])


def test_colours_that_are_steady_already_stay_as_they_are() -> None:
    L = pan("astronaut", 10)
    ab = torch.tensor([20.0, -30.0]).view(1, 2, 1, 1).expand(10, 2, 64, 64)
    assert torch.allclose(settle(L, ab, 0.5), ab, atol=1e-3)


def test_without_memory_the_network_has_the_last_word() -> None:
    L, ab = pan("astronaut", 6), torch.randn(6, 2, 64, 64) * 20
    assert torch.allclose(settle(L, ab, 0.0), ab, atol=1e-2)


def test_a_flickering_cast_is_calmed_to_less_than_half() -> None:
    L = pan("astronaut", 16)
    cast = torch.randn(16, 2, 1, 1, generator=torch.Generator().manual_seed(0)) * 10
    steady = settle(L, cast.expand(16, 2, 64, 64), 0.5)
    change = steady.diff(dim=0).abs().mean()
    assert change < 0.4 * cast.diff(dim=0).abs().mean()


def test_colours_follow_a_moving_thing_and_leave_no_ghost() -> None:
    L, ab = [], []
    texture = lightness("coffee")[0, 0, :80, :80] * 0.4 + 20
    for i in range(12):
        frame, tint = texture.clone(), torch.zeros(2, 80, 80)
        frame[30:50, 5 + 4 * i : 25 + 4 * i] = lightness("astronaut")[0, 0, 20:40, 50:70] * 0.3 + 65
        tint[0, 30:50, 5 + 4 * i : 25 + 4 * i] = 60
        L.append(frame)
        ab.append(tint)
    truth = torch.stack(ab)
    steady = settle(torch.stack(L).unsqueeze(1), truth, 0.5)
    assert steady[:, 0][truth[:, 0] > 0].mean() > 50
    assert steady[:, 0][truth[:, 0] == 0].mean() < 2
    behind = steady[10, 0, 30:50, 5:25]  # where it had been ten frames before
    assert behind.mean() < 3


def test_nothing_crosses_a_cut() -> None:
    L = torch.cat((pan("astronaut", 4), pan("coffee", 4)))
    ab = torch.zeros(8, 2, 64, 64)
    ab[:4], ab[4:] = 50, -50
    assert torch.allclose(settle(L, ab, 1.0), ab, atol=1e-3)


def test_blocks_of_any_length_carry_the_past_over() -> None:
    L, ab = pan("astronaut", 12), torch.randn(12, 2, 64, 64) * 10
    whole, halves = settle(L, ab, 0.1, block=12), settle(L, ab, 0.1, block=6)
    assert torch.allclose(whole, halves, atol=1e-3)


def test_the_divergence_is_that_of_scipy() -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(256) / 4, size=2)
    ours = divergence(torch.from_numpy(p), torch.from_numpy(q))
    assert float(ours) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-9)


def test_cdc_of_a_still_is_0_and_of_alternating_black_and_white_as_reckoned() -> None:
    black, white = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.full((3, 4, 4), 255).byte()
    assert cdc([black] * 6) == 0
    # distances of 1 frame: always ln 2; of 2 and 4: always 0
    assert cdc([black, white] * 4) == pytest.approx(np.log(2) / 3)
    assert cdc([black]) == 0
    assert histogram(white)[:, 255].tolist() == [1, 1, 1]


def test_cdc_agrees_with_a_loop_in_numpy() -> None:
    frames = torch.randint(0, 256, (7, 3, 9, 11), generator=torch.Generator().manual_seed(0)).byte()
    means = []
    for step in (1, 2, 4):
        values = [
            jensenshannon(
                np.histogram(frames[i][c], 256, (0, 256))[0] / 99,
                np.histogram(frames[i + step][c], 256, (0, 256))[0] / 99,
            )
            ** 2
            for i in range(7 - step)
            for c in range(3)
        ]
        means.append(np.mean(values))
    assert cdc(frames) == pytest.approx(np.mean(means), rel=1e-9)


def test_the_warped_error_sees_colours_that_jump_and_not_those_that_move() -> None:
    L = pan("astronaut", 2, dx=3)
    ab = rgb_to_lab(torch.cat((L, L * 0.8, L * 0.5), 1) / 100)[:, 1:]
    moves = find_motion(L)
    followed = warp(ab[:1], moves.back)
    still = warped_ab_error(ab[1:], followed, moves.trust_back)
    jump = warped_ab_error(ab[1:] + 10, followed, moves.trust_back)
    assert float(still) < 1.5
    assert float(jump) == pytest.approx(10 * 2**0.5, abs=1.5)
