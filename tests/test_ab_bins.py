"""The 313 bins."""

import math

import pytest
import torch

from workbench.errors import Problem
from workbench.models import ab_bins


def test_there_are_313_bins_in_order():
    centres = ab_bins.centres()
    assert centres.shape == (313, 2)
    assert centres.tolist() == sorted(centres.tolist())
    assert centres.remainder(10).abs().max() == 0


def test_a_soft_encoding_has_5_shares_that_sum_to_1_the_nearest_first():
    ab = torch.tensor([3.0, 1.0]).view(1, 2, 1, 1)
    bins, shares = ab_bins.soft_encode(ab)
    assert bins.shape == shares.shape == (1, 5, 1, 1)
    assert shares.sum().item() == pytest.approx(1)
    nearest = ab_bins.centres()[bins[0, 0, 0, 0]]
    assert nearest.tolist() == [0, 0]
    assert shares[0, 0] == shares.max()


def test_the_shares_are_gaussian_in_the_distance():
    bins, shares = ab_bins.soft_encode(torch.tensor([3.0, 1.0]).view(1, 2, 1, 1))
    distances = (ab_bins.centres()[bins.flatten()] - torch.tensor([3.0, 1.0])).square().sum(1)
    expected = torch.exp(-distances / 50)
    assert torch.allclose(shares.flatten(), expected / expected.sum(), atol=1e-6)


def test_encoding_then_decoding_gives_the_colour_back_within_half_a_bin():
    ab = torch.randint(-40, 41, (1, 2, 20, 20), generator=torch.manual_seed(0)).float()
    bins, shares = ab_bins.soft_encode(ab)
    p = torch.zeros(1, 313, 20, 20).scatter_(1, bins, shares)
    back = torch.einsum("nqhw,qc->nchw", p, ab_bins.centres())
    assert (back - ab).abs().max() < 5


def test_a_colour_far_outside_still_has_shares():
    _, shares = ab_bins.soft_encode(torch.full((1, 2, 1, 1), 500.0))
    assert shares.sum().item() == pytest.approx(1)


def test_rebalancing_weighs_rare_colours_up_and_averages_to_1():
    prior = torch.ones(313)
    prior[100] = 10_000
    w = ab_bins.rebalancing(prior)
    assert w.argmin() == 100
    assert (prior.double() / prior.sum() * w).sum().item() == pytest.approx(1)


def test_a_uniform_prior_changes_nothing_much():
    assert ab_bins.rebalancing(torch.ones(313)).sub(1).abs().max() < 0.7


def test_the_annealed_mean_goes_from_the_mean_to_the_mode():
    logits = torch.zeros(1, 313, 1, 1)
    logits[0, 7] = math.log(3 * 312)  # p(7) = 3 / 4
    p7 = ab_bins.centres()[7]
    mean = ab_bins.annealed_mean(logits, 1.0).flatten()
    mode = ab_bins.annealed_mean(logits, 0.01).flatten()
    rest = (ab_bins.centres().sum(0) - p7) / 312
    assert torch.allclose(mean, 0.75 * p7 + 0.25 * rest, atol=1e-3)
    assert torch.allclose(mode, p7, atol=1e-3)


def test_counting_puts_every_pixel_into_its_nearest_bin():
    ab = torch.tensor([[0.0, 1.0], [0.0, 2.0]]).view(1, 2, 2, 1)
    counts = ab_bins.count_bins(ab)
    assert counts.sum() == 2
    assert counts[ab_bins.centres().tolist().index([0.0, 0.0])] == 2


def test_the_bundled_prior_is_one_and_peaks_near_grey():
    prior = ab_bins.load_prior()
    assert prior.sum().item() == pytest.approx(1, abs=1e-3)
    assert ab_bins.centres()[prior.argmax()].norm() <= 15


def test_a_prior_survives_being_saved(tmp_path):
    ab_bins.save_prior(tmp_path / "p.json", torch.arange(313.0), {"data": "made up"})
    expected = torch.arange(313.0).double() / torch.arange(313.0).sum()
    assert torch.allclose(ab_bins.load_prior(tmp_path / "p.json"), expected, atol=1e-6)


@pytest.mark.parametrize("text", ["", "{}", '{"prior": [1, 2]}', '{"prior": [-1]}'])
def test_a_file_that_is_no_prior_is_a_clear_sentence(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(Problem, match=r"p\.json"):
        ab_bins.load_prior(tmp_path / "p.json")


def test_a_missing_prior_says_how_to_make_one(tmp_path):
    with pytest.raises(Problem, match="workbench prior"):
        ab_bins.load_prior(tmp_path / "none.json")


def test_the_mean_weight_over_real_photographs_is_1(shared):
    import itertools

    from torch.nn import functional as F

    from workbench.color import split_lab
    from workbench.data.pictures import decode_square
    from workbench.data.sources import open_source

    source = open_source(str(shared / "data" / "train-128" / "train-*.parquet"))
    items = itertools.islice(source.items(), 0, 6000, 30)
    rgb = torch.stack([torch.from_numpy(decode_square(item.data, 128)[0]) for item in items])
    targets = F.avg_pool2d(split_lab(rgb)[1], 4)  # what the recipe asks for
    weight = ab_bins.rebalancing(ab_bins.load_prior())[ab_bins.soft_encode(targets)[0][:, 0]]
    assert weight.mean().item() == pytest.approx(1, abs=0.1)
