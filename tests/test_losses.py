"""Losses against their equations."""

import math

import pytest
import torch

from workbench import losses
from workbench.errors import Problem


def test_l1_and_mse_are_in_units_of_the_network():
    ab, truth = torch.full((1, 2, 3, 3), 11.0), torch.zeros(1, 2, 3, 3)
    assert losses.l1(ab, truth).item() == pytest.approx(0.1)
    assert losses.mse(ab, truth, unit=110).item() == pytest.approx(0.01)


def test_the_mean_square_is_the_sum_over_2hw():
    ab, truth = torch.randn(3, 2, 4, 5), torch.randn(3, 2, 4, 5)
    expected = ((ab - truth) / 128).square().sum((1, 2, 3)) / (2 * 4 * 5)
    assert losses.mse(ab, truth).item() == pytest.approx(expected.mean().item(), rel=1e-5)


def test_the_logarithm_counts_every_picture_alike():
    truth = torch.zeros(2, 2, 4, 4)
    ab = torch.stack([torch.full((2, 4, 4), 3.0), torch.full((2, 4, 4), 30.0)]).requires_grad_()
    assert losses.log_mse(ab, truth, 0.0).item() == pytest.approx(math.log(3 * 30) / 2)
    losses.log_mse(ab, truth, 0.0).backward()
    pull = (ab.grad * ab.detach()).sum((1, 2, 3))  # what shrinking each picture's error would win
    assert pull[0].item() == pytest.approx(pull[1].item())


def test_no_error_at_all_is_no_infinity():
    ab = torch.zeros(1, 2, 4, 4, requires_grad=True)
    losses.log_mse(ab, torch.zeros(1, 2, 4, 4)).backward()
    assert ab.grad.abs().max() == 0


def test_a_loss_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(Problem, match=r"no loss 'l2'\. There are: mse, log_mse"):
        losses.find_loss(losses.REGRESSION, "l2")


@pytest.mark.parametrize("name", losses.ADVERSARIAL)
def test_a_critic_that_is_right_loses_less_than_one_that_is_wrong(name):
    critic, net = losses.ADVERSARIAL[name]
    yes, no = torch.full((2, 1, 3, 3), 1.0), torch.full((2, 1, 3, 3), -1.0)
    assert critic(yes, no) < critic(no, yes)
    assert net(yes) < net(no)


def test_worked_examples_of_the_three_adversarial_losses():
    zero = torch.zeros(1)
    assert losses.log_critic(zero, zero).item() == pytest.approx(math.log(2))
    assert losses.least_squares_critic(zero, zero).item() == pytest.approx(0.5)
    assert losses.hinge_critic(zero, zero).item() == pytest.approx(2)
    assert losses.hinge_net(torch.tensor([3.0])).item() == -3


def test_the_cross_entropy_of_a_uniform_prediction_is_ln_q_times_the_weight():
    logits = torch.zeros(1, 313, 2, 2)
    bins = torch.tensor([0, 1, 2, 3, 4]).view(1, 5, 1, 1).expand(1, 5, 2, 2)
    shares = torch.full((1, 5, 2, 2), 0.2)
    weight = torch.full((1, 2, 2), 2.0)
    value = losses.rebalanced_cross_entropy(logits, bins, shares, weight)
    assert value.item() == pytest.approx(2 * math.log(313), rel=1e-5)


def test_the_cross_entropy_agrees_with_torchs_own_on_soft_targets():
    logits = torch.randn(2, 313, 3, 3)
    bins = torch.stack([torch.randperm(313)[:5] for _ in range(18)]).view(2, 3, 3, 5)
    bins = bins.permute(0, 3, 1, 2)
    shares = torch.rand(2, 5, 3, 3)
    shares = shares / shares.sum(1, keepdim=True)
    target = torch.zeros(2, 313, 3, 3).scatter_(1, bins, shares)
    ours = losses.rebalanced_cross_entropy(logits, bins, shares, torch.ones(2, 3, 3))
    theirs = torch.nn.functional.cross_entropy(logits, target)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
