"""Protocols by id: `cw-1`, ours, and the legacy ones, as a few arguments of the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

from torch import Tensor

from workbench.color import join_rgb, split_lab
from workbench.data.pictures import Shape
from workbench.errors import Problem
from workbench.evaluation import metrics
from workbench.evaluation.metrics import colorfulness_abs, psnr, psnr_unsquared, ssim_u7
from workbench.evaluation.scores import OLD_PROTOCOLS
from workbench.models import ab_bins

Measure = Callable[[Tensor, Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Protocol:
    """How predictions are compared with truths.

    measure: uint8 RGB (N, 3, H, W) of predictions and truths -> metric -> (N,). truth: what is done
    to the truth first. pictures: how many named pictures it wants; 0 for all of a set. wide: how
    many times its height a compared picture is wide; 1 is the centre square.
    """

    name: str
    title: str
    text: str  # what it does, and what to think of it
    sizes: tuple[int, ...]
    measure: Measure
    truth: Callable[[Tensor], Tensor] = lambda truth: truth
    pictures: int = 0
    wide: int = 1

    def shape(self, size: int) -> Shape:
        """Height and width of what is compared at one of its sizes, pixels."""
        return size, size * self.wide


def rarity(ab: Tensor) -> Tensor:
    """ab (N, 2, H, W) -> 1 / p~(nearest bin), (N, H, W): the weights of `auc_rebalanced`.

    p~ is the bundled prior of the training photographs, smoothed as Zhang et al. 2016 do: no bin of
    the 313 has a probability of 0 then.
    """
    return _rarity_of_bins().to(ab.device)[ab_bins.soft_encode(ab)[0][:, 0]]


@cache
def _rarity_of_bins() -> Tensor:
    return (1 / ab_bins.smooth(ab_bins.load_prior())).float()


def lab_round_trip(truth: Tensor) -> Tensor:
    """uint8 RGB -> Lab -> uint8 RGB, as CT2 treats its truths; in float32 next to nothing moves."""
    return join_rgb(*split_lab(truth))


def _name_metrics(**functions: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    def measure(prediction: Tensor, truth: Tensor) -> dict[str, Tensor]:
        return {name: function(prediction, truth) for name, function in functions.items()}

    return measure


_COLORFULNESS_ABS = {
    "colorfulness_abs": lambda prediction, truth: colorfulness_abs(prediction),
    "colorfulness_abs_truth": lambda prediction, truth: colorfulness_abs(truth),
}

OURS = "cw-1"

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            OURS,
            "The workbench's own",
            "Centre square at 256 and at 128, bicubic with antialias; only L is given; uint8 RGB "
            "is compared; a row per picture.",
            (256, 128),
            partial(metrics.measure, weight=rarity),
        ),
        Protocol(
            "liu-gao-li",
            "Liu, Gao & Li: three named pairs",
            "The mean over three pictures that the authors picked, SSIM with scikit-image's "
            "defaults. Name three with --picture; three pictures prove nothing.",
            (256,),
            _name_metrics(psnr=psnr, ssim_u7=ssim_u7),
            pictures=3,
        ),
        Protocol(
            "ranjan-agrawal",
            "Ranjan & Agrawal: 128 x 128, mean and standard deviation",
            "Its printed PSNR takes the root of an unsquared error: given here as psnr_unsquared "
            "beside the true PSNR.",
            (128,),
            _name_metrics(psnr=psnr, psnr_unsquared=psnr_unsquared, ssim_u7=ssim_u7),
        ),
        Protocol(
            "ranjan-agrawal-movies",
            "Ranjan & Agrawal: Movies, 256 x 512",
            "Frames of films, the last part of each: the largest centred part of 1 : 2 (the paper "
            "does not say whether it cuts or stretches), with the numbers of `ranjan-agrawal`.",
            (256,),
            _name_metrics(psnr=psnr, psnr_unsquared=psnr_unsquared, ssim_u7=ssim_u7),
            wide=2,
        ),
        Protocol(
            "ct2-5k",
            "CT2 on ImageNet val5k",
            "SSIM with a data range of 225 where pixels span 255; the truth goes through Lab and "
            "back; colourfulness with abs().",
            (256,),
            _name_metrics(psnr=psnr, ssim_u7=partial(ssim_u7, data_range=225), **_COLORFULNESS_ABS),
            truth=lab_round_trip,
        ),
        Protocol(
            "ddcolor",
            "DDColor on ImageNet val5k",
            "PSNR, and colourfulness with abs() of the opponents.",
            (256,),
            _name_metrics(psnr=psnr, **_COLORFULNESS_ABS),
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of that id, or of one it had before; raises Problem when there is none."""
    name = OLD_PROTOCOLS.get(name, name)
    if name not in PROTOCOLS:
        raise Problem(f"There is no protocol {name!r}: choose one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
