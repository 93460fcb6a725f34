"""Steps in parts, clipped gradients, and the sentence that more training does not pay."""

import pytest
import torch
from torch import nn

from workbench.errors import Problem
from workbench.spec import Recipe
from workbench.training import Run
from workbench.training.follow import Followed
from workbench.training.step import step
from workbench.training.stopping import GAIN, LOSS, PATIENCE, find_stop_signal


class Pair(Recipe):
    """A critic that is stepped before the net's loss is computed, both a single convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.critic = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1)
        self.optimizers = {
            "critic": torch.optim.SGD(self.critic.parameters(), 0.01),
            "net": torch.optim.SGD(self.net.parameters(), 0.01),
        }

    def losses(self, L, ab, label=None, answers=None):
        painted = self.net(L / 100)
        yield "critic", (self.critic(painted.detach()) - 1).square().mean()
        yield "net", self.critic(painted).square().mean() + (painted - ab / 110).square().mean()


def weights_after(count: int = 6, **more) -> tuple[list[torch.Tensor], dict[str, float]]:
    recipe = Pair()
    lab = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 100
    label = torch.full((count,), -1)
    losses = {name: float(loss) for name, loss in step(recipe, lab, label, False, **more)}
    return [value.detach() for value in recipe.parameters()], losses


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_has_the_step_of_the_whole(parts):
    whole, losses = weights_after()
    cut, same = weights_after(parts=parts)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, cut, strict=True))
    assert same == pytest.approx(losses, rel=1e-5)


def test_parts_of_unequal_size_weigh_what_they_hold():
    whole, _ = weights_after(7)
    cut, _ = weights_after(7, parts=2)  # 4 and 3
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, cut, strict=True))


def test_gradients_are_clipped_to_the_norm_that_was_asked_for():
    begun = [value.detach().clone() for value in Pair().parameters()]
    moved = [a - b for a, b in zip(weights_after(clip=0.1)[0], begun, strict=True)]
    for optimizer in (moved[:2], moved[2:]):
        norm = torch.cat([part.flatten() for part in optimizer]).norm()
        assert norm <= 0.1 * 0.01 * 1.001
    free = [a - b for a, b in zip(weights_after()[0], begun, strict=True)]
    assert torch.cat([part.flatten() for part in free]).norm() > 0.002


def test_parts_and_clipping_are_another_run_and_their_defaults_are_the_old_one():
    usual = Run(images=100, batch_size=8)
    assert not {"accumulate", "clip"} & set(usual.identity())
    cut = Run(images=100, batch_size=8, accumulate=2, clip=1.0)
    assert cut.identity() != usual.identity()
    with pytest.raises(Problem, match="--accumulate 8 cuts a batch of 8 into parts under 2"):
        Run(images=100, batch_size=8, accumulate=8)
    with pytest.raises(Problem, match="--clip is at least 0"):
        Run(images=100, batch_size=8, clip=-1.0)


def curve(*values: float) -> list[dict]:
    lines = [
        {"seen": (i + 1) * 100, "validation": {"psnr": value}} for i, value in enumerate(values)
    ]
    return [{"seen": 50, "losses": {"net": 1.0}}, *lines]  # a line without a look does not count


def test_a_curve_that_rises_gives_no_signal():
    assert find_stop_signal(curve(*(20 + 0.1 * i for i in range(20)))) is None
    assert find_stop_signal(curve(*[20.0] * PATIENCE)) is None  # too short to tell
    assert find_stop_signal([]) is None


def test_a_flat_curve_is_said_to_be_flat():
    lines = curve(19.0, 22.0, *[22.0 + GAIN / 2] * PATIENCE)
    assert "flattened" in find_stop_signal(lines)
    assert "22.00 dB after 200 images" in find_stop_signal(lines)
    assert "flattened" in Followed(folder=None, lines=lines).stop_signal
    better = curve(19.0, 22.0, *[22.0] * (PATIENCE - 1), 22.0 + 2 * GAIN)
    assert find_stop_signal(better) is None


def test_a_curve_that_falls_is_said_to_have_turned():
    lines = curve(19.0, 22.0, *[22.0 - 2 * LOSS] * PATIENCE)
    assert "turned" in find_stop_signal(lines)
