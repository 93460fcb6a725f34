"""The metrics of protocol `cw-1`, each one function.

Every function takes a batch of predictions and of truths as uint8 RGB (N, 3, H, W), on any
device, and returns one float64 number per picture, (N,), on the CPU. `measure` computes all of
them at once and does the common work (Lab, moments) once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.color import ciede2000, rgb_to_lab
from workbench.errors import Problem

_BELL = tuple(math.exp(-((i - 5) ** 2) / (2 * 1.5**2)) for i in range(11))
GAUSSIAN = tuple(weight / sum(_BELL) for weight in _BELL)  # 11 taps, sigma 1.5
BOX = (1 / 7,) * 7
CHUNK = 2  # pictures measured at once on a CPU: 16 at a time are out of its cache and take twice
PAIR_PIXELS = 4_000_000  # of `measure_pair`: a larger picture is measured on a reduced copy
AUC_RANGE = 150  # Zhang et al. 2016 integrate their curve over distances of 0 to 150


@dataclass(frozen=True)
class Metric:
    """What a reader must know of a metric. better: "higher", "lower", or "truth" (nearer to it)."""

    name: str
    title: str
    unit: str
    better: str
    digits: int  # after the point, where it is shown
    trap: str  # the one sentence that keeps a reader from misreading it
    usual: bool = False  # shown where nobody has chosen

    @property
    def arrow(self) -> str:
        """Which way is better, behind a heading."""
        return {"higher": "↑", "lower": "↓", "truth": "→ truth"}[self.better]

    @property
    def heading(self) -> str:
        """Of a column: title, unit, and which way is better."""
        return (
            f"{self.title} ({self.unit}) {self.arrow}"
            if self.unit
            else (f"{self.title} {self.arrow}")
        )

    @property
    def beside(self) -> str:
        """The baseline that a value is read beside: grey, or the truth that it should be near."""
        return "truth" if self.better == "truth" else "grey"

    @property
    def format(self) -> str:
        """How a number is written, for `%`."""
        return f"%.{self.digits}f"

    def text(self, value: float) -> str:
        """A number as it is shown."""
        return f"{value:.{self.digits}f}"

    def badness(self, value: float, truth: float | None = None) -> float:
        """Smaller is better: of a value, and of the truth's where it should be near that."""
        if self.better == "truth":
            return abs(value - (truth or 0.0))
        return value if self.better == "lower" else -value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "psnr", "PSNR", "dB", "higher", 2,
            "Grey scores well: most of a photograph is nearly grey, and a bold wrong colour costs "
            "more than none.",
            usual=True,
        ),
        Metric(
            "psnr_ab", "PSNR of ab", "dB", "higher", 2,
            "Only colour counts here, and still the safe middle beats the plausible guess.",
        ),
        Metric(
            "ssim", "SSIM", "", "higher", 4,
            "Every model keeps the lightness, so all are near 1; on luma alone grey itself would "
            "score 0.98 to 0.999.",
            usual=True,
        ),
        Metric(
            "ssim_u7", "SSIM (7 x 7)", "", "higher", 4,
            "The same measure with other defaults: never compare it with a Gaussian SSIM.",
        ),
        Metric(
            "delta_e", "CIEDE2000", "", "lower", 2,
            "A mean over pixels: a large sky of the right blue hides a small face of wrong red.",
            usual=True,
        ),
        Metric(
            "colorfulness", "Colourfulness", "", "truth", 1,
            "More is not better: a picture of random colours has a lot of it; look how near it is "
            "to the truth's.",
            usual=True,
        ),
        Metric(
            "colorfulness_abs", "Colourfulness (abs)", "", "truth", 1,
            "The variant of DDColor, CT2 and ColorFormer: its numbers are smaller than those of "
            "the original definition.",
        ),
        Metric(
            "auc", "AuC", "%", "higher", 2,
            "Grey has about 89 on ImageNet, so the whole contest is in the last ten points.",
            usual=True,
        ),
        Metric(
            "auc_rebalanced", "AuC, rebalanced", "%", "higher", 2,
            "Rare colours count most: a few vivid pixels decide, and intervals are wide.",
        ),
        Metric(
            "pixdiff", "Pixels that differ", "", "lower", 4,
            "It says nothing: one step of 255 counts like black for white, so good and bad models "
            "are both at 0.94 to 1. An argmax 'accuracy' fails in the same way.",
        ),
        Metric(
            "blotch", "Blotches", "ab / px", "lower", 3,
            "Grey has none: it says how restless colour is where the truth is flat, not whether it "
            "is right. The truth itself is not quite at 0.",
        ),
        Metric(
            "grid", "Grid", "ab", "lower", 3,
            "The pattern that up-sampling leaves, of 2 and 4 pixels; grey has none, and smooth "
            "colour of any hue little.",
        ),
        Metric(
            "cdr", "Colour edges kept", "", "higher", 3,
            "A pale answer keeps little although nothing bleeds, and noise keeps a lot; a wrong "
            "hue that stops at the right edge counts as kept.",
        ),
        Metric(
            "agreement", "Seen alike", "", "higher", 3,
            "A classifier of 1000 things names the coloured picture as it names the true one: it "
            "does so for most grey pictures, too, and colour beside the thing does not count.",
        ),
        Metric(
            "top1", "Named right", "", "higher", 3,
            "The same classifier against the label, on sets of ImageNet's classes alone; what the "
            "truth scores is the ceiling.",
        ),
        Metric(
            "psnr_unsquared", "PSNR as Ranjan & Agrawal print it", "dB", "higher", 2,
            "Its MSE is not squared: ten dB and more above a true PSNR, comparable with none.",
        ),
        Metric(
            "lpips", "LPIPS", "", "lower", 3,
            "It looks through a network trained on photographs: a plausible colour is forgiven "
            "more than by PSNR.",
        ),
    )
}  # fmt: skip

OF_SETS: dict[str, Metric] = {  # not of a picture, but of all of them together
    metric.name: metric
    for metric in (
        Metric(
            "kd_lite", "Kernel distance (Lite0)", "", "lower", 4,
            "Not KID: another network, another scale; a set of plausible wrong colours can be as "
            "near as the right ones",
        ),
        Metric(
            "fd_lite", "Fréchet distance (Lite0)", "", "lower", 2,
            "Not FID: another network, another scale; comparable between sets of one size only",
        ),
    )
}  # fmt: skip


def find_metric(name: str) -> Metric:
    """What must be known of a metric, of a picture's or of a set's."""
    return METRICS.get(name) or OF_SETS[name]


USUAL = tuple(name for name, metric in METRICS.items() if metric.usual)


def psnr(prediction: Tensor, truth: Tensor) -> Tensor:
    """20 log10(255 / sqrt(MSE)) in dB, MSE over all RGB values of a picture.

    Range 0 to infinity, higher is nearer; infinite for identical pictures, which are counted
    apart and never averaged in. Grey scores well: most pixels of most photographs are nearly
    grey, and a wrong colour costs more than none.
    """
    return _decibels(255, _mean((prediction.float() - truth.float()).square_()))


def measure_pair(rgb: Tensor, truth: Tensor) -> tuple[float, float | None]:
    """PSNR (dB) and SSIM of uint8 RGB (3, H, W) twice; no SSIM where its window does not fit.

    Above `PAIR_PIXELS` both are reduced first: the numbers for somebody's picture on a page, in a
    ZIP, and of the API, never those of a protocol.
    """
    pair = [rgb[None], truth[None]]
    pixels = truth.shape[-1] * truth.shape[-2]
    if pixels > PAIR_PIXELS:
        scale = (PAIR_PIXELS / pixels) ** 0.5
        pair = [
            F.interpolate(each, scale_factor=scale, mode="bilinear", antialias=True)
            for each in pair
        ]
    fits = min(pair[0].shape[-2:]) >= len(GAUSSIAN)
    return float(psnr(*pair)), float(ssim(*pair)) if fits else None


def psnr_ab(prediction: Tensor, truth: Tensor) -> Tensor:
    """20 log10(220 / sqrt(MSE)) in dB over the a and b planes of CIELAB; 0 to infinity."""
    return _psnr_ab(_lab(prediction), _lab(truth))


def psnr_unsquared(prediction: Tensor, truth: Tensor) -> Tensor:
    """PSNR as Ranjan & Agrawal print it: 20 log10(max(y) / sqrt(mean |y - G|)), y the truth.

    Its equation 4.1 calls the mean *unsquared* difference the MSE, over uint8 values. In dB, but
    not comparable with any other PSNR. Source: Ranjan & Agrawal, eqs 4.1 and 4.2.
    """
    error = _mean((prediction.float() - truth.float()).abs_())
    peak = truth.flatten(1).amax(1).double().cpu()
    return 20 * torch.log10(peak / error.sqrt())


def ssim(prediction: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity: Gaussian window, each RGB channel, mean of the three.

    Wang, Bovik, Sheikh & Simoncelli 2004: window 11 x 11, sigma 1.5, K1 0.01, K2 0.03, L 255,
    population covariance, valid region only. Range -1 to 1. On luma alone (as some libraries do)
    a grey picture scores 0.98 to 0.999; that variant is not offered.
    """
    return _ssim(prediction, truth, GAUSSIAN, data_range=255, sample=1)


def ssim_u7(prediction: Tensor, truth: Tensor, data_range: float = 255) -> Tensor:
    """Structural similarity with scikit-image's defaults, which most repositories report.

    `skimage.metrics.structural_similarity(channel_axis=-1, data_range=255)`: uniform window
    7 x 7, sample covariance, valid region. Range -1 to 1. CT2 uses a `data_range` of 225.
    """
    return _ssim(prediction, truth, BOX, data_range, sample=49 / 48)


def delta_e(prediction: Tensor, truth: Tensor) -> Tensor:
    """CIEDE2000 colour difference, mean over the pixels of a picture; 0 is equal, 1 just seen.

    Sharma, Wu & Dalal 2005.
    """
    return _mean(ciede2000(_lab(prediction), _lab(truth)))


def colorfulness(picture: Tensor) -> Tensor:
    """Hasler & Suesstrunk 2003 with signed opponents rg = R - G, yb = (R + G) / 2 - B.

    sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 + mean yb^2), over uint8 values, population
    variance. 0 for grey; about 15 slightly, 45 quite, 80 highly colourful. It needs no truth: more
    is not better, only nearer to the truth's is.
    """
    return _colorfulness(*_opponents(picture))


def colorfulness_abs(picture: Tensor) -> Tensor:
    """The field's variant of `colorfulness`, with |rg| and |yb|: for comparison only.

    DDColor, CT2 and ColorFormer compute it so; variances shrink and numbers with them.
    """
    red_green, yellow_blue = _opponents(picture)
    return _colorfulness(red_green.abs(), yellow_blue.abs())


def auc(prediction: Tensor, truth: Tensor) -> Tensor:
    """Area under Zhang's curve of pixels within a distance: 100 mean max(0, 1 - d / 150).

    d is the Euclidean distance in ab; this is the exact closed form of the cumulative curve of
    Zhang, Isola & Efros 2016, section 3.1. Range 0 to 100; grey scores about 89 on ImageNet.
    """
    return _mean(_closeness(_lab(prediction), _lab(truth)))


def auc_rebalanced(prediction: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """`auc` with every pixel weighted: (weighted mean (N,), mean weight (N,)).

    weight (N, H, W) is 1 / p(bin of the truth). The figure of a set is pooled over its pixels:
    sum(value * weight) / sum(weight) over the pictures, with the two numbers returned here.
    """
    return _auc_rebalanced(_closeness(_lab(prediction), _lab(truth)), weight)


def blotch(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean gradient of the prediction's ab where the truth is flat, ab units a pixel; 0 for grey.

    Flat: the tenth of a picture where the gradients of the truth's L and ab together are least.
    """
    lab, lab_truth = _lab(prediction), _lab(truth)
    return _on(_gradient(lab[:, 1:]), _flat(lab_truth))


def grid(prediction: Tensor, truth: Tensor) -> Tensor:
    """Amplitude of patterns of 2 and of 4 pixels in the prediction's ab where the truth is flat.

    Second differences over 1 and over 2 pixels, a quarter of each, along both axes, the mean over
    a and b, in ab units; 0 for grey and for colours that change evenly.
    """
    return _on(_ripple(_lab(prediction)[:, 1:]), _flat(_lab(truth)))


def cdr(prediction: Tensor, truth: Tensor) -> Tensor:
    """Colour discontinuity ratio: how much of the truth's colour steps the prediction has, 0 to 1.

    sum min(s, s') / sum s' over the tenth of a picture's pixels where s' is largest; s and s' are
    the lengths of the steps of ab over 4 pixels, along both axes, of prediction and truth. 0 for
    grey, 1 for the truth, and for a truth without any colour; colour that runs over an edge lowers
    it. After the cluster discrepancy ratio of Kim et al. 2021 (Deep Edge-Aware Interactive
    Colorization, ICCV), which counts pairs of pixels in different superpixels of a and b around
    edges: steps in place of superpixels, so its numbers are not comparable with theirs.
    """
    return _cdr(_lab(prediction), _lab(truth))


def _cdr(lab: Tensor, lab_truth: Tensor) -> Tensor:
    step, step_truth = _step(lab[:, 1:]).flatten(1), _step(lab_truth[:, 1:]).flatten(1)
    most = max(1, step_truth.shape[1] // 10)
    there, where = step_truth.topk(most, 1)
    kept = torch.minimum(step.gather(1, where), there)
    total = _mean(there)
    return torch.where(total > 0, _mean(kept) / total.clamp(min=1e-12), 1.0)


def _step(planes: Tensor, reach: int = 2) -> Tensor:
    """(N, C, H, W) -> (N, H, W): length of the differences from `reach` before to as many after."""
    around = F.pad(planes, (reach,) * 4, mode="replicate")
    down = around[..., 2 * reach :, reach:-reach] - around[..., : -2 * reach, reach:-reach]
    right = around[..., reach:-reach, 2 * reach :] - around[..., reach:-reach, : -2 * reach]
    return (down.square() + right.square()).sum(1).sqrt()


def _gradient(planes: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W): length of the forward differences over all planes."""
    down = F.pad(planes.diff(dim=-2), (0, 0, 0, 1))
    right = F.pad(planes.diff(dim=-1), (0, 1))
    return (down.square() + right.square()).sum(1).sqrt()


def _ripple(planes: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W): the second differences over 1 and 2 pixels, a quarter of each."""
    total = torch.zeros_like(planes)
    for step in (1, 2):
        for axis in (-2, -1):
            length = planes.shape[axis]
            if length <= 2 * step:
                continue
            before, here, after = (
                planes.narrow(axis, start, length - 2 * step) for start in (0, step, 2 * step)
            )
            ripple = (before - 2 * here + after).abs_() / 4
            total.narrow(axis, step, length - 2 * step).add_(ripple)
    return total.mean(1)


def _flat(lab_truth: Tensor) -> Tensor:
    """Lab (N, 3, H, W) -> bool (N, H, W): the tenth of each picture that changes least."""
    change = _gradient(lab_truth)
    least = max(1, change[0].numel() // 10)
    return change <= change.flatten(1).kthvalue(least).values[:, None, None]


def _on(values: Tensor, where: Tensor) -> Tensor:
    """(N, H, W) twice -> the mean of each picture's values where `where`, (N,) float64."""
    return _mean(values * where) / _mean(where.float())


def pixdiff(prediction: Tensor, truth: Tensor) -> Tensor:
    """Share of pixels that differ in any channel, 0 to 1.

    The measure of Aguilar Gomez et al.. It says nothing: one step of 255 in one channel
    counts like black for white, so good and bad models alike are at 0.94 to 1.
    """
    return _mean((prediction != truth).any(1).float())


def measure(
    prediction: Tensor,
    truth: Tensor,
    *,
    weight: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """All non-optional metrics of `cw-1` at once: name -> (N,) float64.

    weight: ab of the truth (N, 2, H, W) -> (N, H, W), the weights of `auc_rebalanced`, which is
    left out without it (with it come `auc_rebalanced` and `auc_weight`).
    """
    size = CHUNK if truth.device.type == "cpu" else len(truth)
    parts = [
        _measure(one, other, weight)
        for one, other in zip(prediction.split(size), truth.split(size), strict=True)
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _measure(
    prediction: Tensor, truth: Tensor, weight: Callable[[Tensor], Tensor] | None
) -> dict[str, Tensor]:
    lab, lab_truth = _lab(prediction), _lab(truth)
    closeness = _closeness(lab, lab_truth)
    opponents, opponents_truth = _opponents(prediction), _opponents(truth)
    flat = _flat(lab_truth)
    found = {
        "psnr": psnr(prediction, truth),
        "ssim": ssim(prediction, truth),
        "ssim_u7": ssim_u7(prediction, truth),
        "psnr_ab": _psnr_ab(lab, lab_truth),
        "delta_e": _mean(ciede2000(lab, lab_truth)),
        "colorfulness": _colorfulness(*opponents),
        "colorfulness_truth": _colorfulness(*opponents_truth),
        "colorfulness_abs": _colorfulness(*(plane.abs() for plane in opponents)),
        "colorfulness_abs_truth": _colorfulness(*(plane.abs() for plane in opponents_truth)),
        "auc": _mean(closeness),
        "blotch": _on(_gradient(lab[:, 1:]), flat),
        "grid": _on(_ripple(lab[:, 1:]), flat),
        "cdr": _cdr(lab, lab_truth),
        "pixdiff": pixdiff(prediction, truth),
    }
    if weight is not None:
        found["auc_rebalanced"], found["auc_weight"] = _auc_rebalanced(
            closeness, weight(lab_truth[:, 1:])
        )
    return found


def _mean(values: Tensor) -> Tensor:
    """Mean over all but the first dimension, summed in float64: (N, ...) -> (N,) on the CPU."""
    return values.flatten(1).mean(1, dtype=torch.float64).cpu()


def _decibels(peak: float, mean_square: Tensor) -> Tensor:
    return 20 * torch.log10(peak / mean_square.sqrt())


def _lab(rgb8: Tensor) -> Tensor:
    return rgb_to_lab(rgb8.float() / 255)


def _psnr_ab(lab: Tensor, lab_truth: Tensor) -> Tensor:
    return _decibels(220, _mean((lab[:, 1:] - lab_truth[:, 1:]).square()))


def _closeness(lab: Tensor, lab_truth: Tensor) -> Tensor:
    difference = lab[:, 1:] - lab_truth[:, 1:]
    distance = torch.hypot(difference[:, 0], difference[:, 1])
    return 100 * (1 - distance / AUC_RANGE).clamp(min=0)


def _auc_rebalanced(closeness: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    mean_weight = _mean(weight)
    return _mean(closeness * weight) / mean_weight, mean_weight


def _opponents(picture: Tensor) -> tuple[Tensor, Tensor]:
    red, green, blue = picture.float().unbind(1)
    return red - green, (red + green) / 2 - blue


def _colorfulness(red_green: Tensor, yellow_blue: Tensor) -> Tensor:
    means = _mean(red_green) ** 2 + _mean(yellow_blue) ** 2
    squares = _mean(red_green.square()) + _mean(yellow_blue.square())
    spread = (squares - means).clamp(min=0)
    return spread.sqrt() + 0.3 * means.sqrt()


def _ssim(
    prediction: Tensor, truth: Tensor, window: tuple[float, ...], data_range: float, sample: float
) -> Tensor:
    if min(truth.shape[-2:]) < len(window):
        raise Problem(
            f"SSIM needs pictures of at least {len(window)} x {len(window)} pixels; "
            f"this one has {truth.shape[-1]} x {truth.shape[-2]}."
        )
    # Variances do not move with the origin: half the range taken off keeps float32 exact enough.
    x, y = prediction.float() - 128, truth.float() - 128
    mean_x, mean_y = _filter(x, window), _filter(y, window)
    var_x = (_filter(x * x, window) - mean_x * mean_x) * sample
    var_y = (_filter(y * y, window) - mean_y * mean_y) * sample
    covariance = (_filter(x * y, window) - mean_x * mean_y) * sample
    mean_x, mean_y = mean_x + 128, mean_y + 128
    C1, C2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similarity /= (mean_x * mean_x + mean_y * mean_y + C1) * (var_x + var_y + C2)
    return _mean(similarity)


def _filter(planes: Tensor, window: tuple[float, ...]) -> Tensor:
    """Separable filter over the valid region, as shifted sums: ten times a depthwise conv2d."""
    for dimension in (-2, -1):
        length = planes.shape[dimension] - len(window) + 1
        shifted = [planes.narrow(dimension, i, length) for i in range(len(window))]
        planes = shifted[0] * window[0]
        for plane, weight in zip(shifted[1:], window[1:], strict=True):
            planes.add_(plane, alpha=weight)
    return planes
