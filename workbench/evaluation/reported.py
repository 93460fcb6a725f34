"""Numbers that papers and peers publish, each with its protocol: for reading, never for ranking."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reported:
    """A published line. protocol: what is known of how it was measured; sd: standard deviations."""

    system: str
    dataset: str
    protocol: str
    source: str
    psnr: float | None = None
    ssim: float | None = None
    psnr_sd: float | None = None
    ssim_sd: float | None = None
    fid: float | None = None
    colorfulness: float | None = None
    delta_colorfulness: float | None = None
    auc: float | None = None
    auc_rebalanced: float | None = None
    fool_rate: float | None = None  # % of answers that took it for the photograph
    pixels_differ: float | None = None  # %
    repeated_by: str = ""  # the model of ours whose bundled weights are the same system


P002 = "liu-gao-li: three picked pairs, SSIM 7 x 7"
P003 = "ranjan-agrawal: 128 x 128, PSNR with an unsquared error as printed"
P004 = "share of pixels that differ from the truth"
VAL5K = "256 x 256, 5,000 pictures of ImageNet val; colourfulness with abs() of the opponents"
OPENVINO = "OpenVINO's model zoo, 2,000 of ImageNet val, protocol not comparable"
ZHANG = "ImageNet val, 10,000 pictures; AuC over ab distance 0 to 150"

PAPER_002 = "Liu, Gao & Li, Implement of Colorful Image Colorization"
PAPER_003 = "Ranjan & Agrawal, Old Movie Colorization Using Deep Learning Techniques, table 4.2"
PAPER_004 = "Aguilar Gomez et al., Coloring the Past"
FIELD = "Published comparisons on val5k"
OPEN_MODELS = "Open Model Zoo"
PAPER_ZHANG = "Zhang, Isola & Efros 2016, table 1"


def _experiment(
    number: int, attention: str, loss: str, psnr: float, sd: float, ssim: float, ssim_sd: float,
    repeated_by: str = "",
) -> Reported:  # fmt: skip
    name = f"attention_pix2pix, experiment {number} (attention {attention}, {loss})"
    return Reported(
        name, "VOC 2012", P003, PAPER_003,
        psnr=psnr, psnr_sd=sd, ssim=ssim, ssim_sd=ssim_sd, repeated_by=repeated_by,
    )  # fmt: skip


def _val5k(
    system: str, psnr: float, fid: float, colorfulness: float, delta: float, source: str = FIELD
) -> Reported:
    return Reported(
        system, "ImageNet val5k", VAL5K, source,
        psnr=psnr, fid=fid, colorfulness=colorfulness, delta_colorfulness=delta,
    )  # fmt: skip


def _zhang(system: str, auc: float, rebalanced: float, fool_rate: float | None = None) -> Reported:
    return Reported(
        system, "ImageNet val10k", ZHANG, PAPER_ZHANG,
        auc=auc, auc_rebalanced=rebalanced, fool_rate=fool_rate,
    )  # fmt: skip


REPORTED: tuple[Reported, ...] = (
    Reported("colorful, MSE baseline", "Intel scenes", P002, PAPER_002, psnr=21.325, ssim=0.846),
    Reported("colorful, a good case", "Intel scenes", P002, PAPER_002, psnr=26.663, ssim=0.959),
    Reported("colorful, a bad case", "Intel scenes", P002, PAPER_002, psnr=21.688, ssim=0.925),
    _experiment(1, "none", "log", 20.668, 2.275, 0.8520, 0.0602),
    _experiment(2, "none", "least squares", 20.903, 2.512, 0.8557, 0.0580),
    _experiment(3, "32", "log", 16.675, 1.586, 0.6794, 0.0644),
    _experiment(4, "32", "least squares", 20.419, 2.238, 0.8476, 0.0618, "attention_pix2pix"),
    _experiment(5, "64", "log", 20.307, 2.082, 0.8613, 0.0577),
    _experiment(6, "64", "least squares", 20.830, 2.366, 0.8385, 0.0585),
    _experiment(7, "128", "log", 19.447, 2.805, 0.7381, 0.1077),
    _experiment(8, "128", "least squares", 22.169, 3.96, 0.8629, 0.1186),
    Reported("vanilla_cnn", "Flickr30k", P004, PAPER_004, pixels_differ=96,
             repeated_by="vanilla_cnn"),
    Reported("Zhang et al. 2016", "Flickr30k", P004, PAPER_004, pixels_differ=94),
    _val5k("Zhang et al. 2016 (ECCV16)", 22.64, 8.72, 31.60, 6.61),
    Reported("Zhang et al. 2016 (ECCV16)", "ImageNet val 2000", OPENVINO, OPEN_MODELS,
             psnr=26.99, ssim=0.90),
    Reported("Zhang et al. 2017 (SIGGRAPH17)", "ImageNet val 2000", OPENVINO, OPEN_MODELS,
             psnr=27.73, ssim=0.92),
    _val5k("InstColorization", 23.28, 8.06, 24.87, 13.34),
    _val5k("DeOldify", 24.11, 6.59, 21.29, 16.92),
    _val5k("ColTran", 20.95, 6.44, 34.50, 3.71),
    _val5k("CT2", 23.50, 5.51, 38.48, 0.27),
    _val5k("BigColor", 21.24, 5.36, 39.74, 1.53),
    _val5k("ColorFormer", 23.10, 4.91, 38.00, 0.21),
    _val5k("DDColor-T", 23.54, 4.38, 37.66, 0.55),
    _val5k("DDColor-L", 23.85, 3.92, 38.26, 0.05),
    _zhang("grey", 89.1, 58.0),
    _zhang("L2 regression", 91.2, 64.4, 21.2),
    _zhang("classification", 91.6, 65.1, 25.2),
    _zhang("classification, rebalanced", 89.5, 67.3, 32.3),
)  # fmt: skip
