"""Pictures a second of `evaluate`, beside a loop of scikit-image calls for the same metrics.

`python -m benchmarks.bench_evaluate --data FILE [--model NAME] [--images N]`, at 256 x 256: all
non-optional metrics of `cw-1`; the whole of `evaluate` (decoding, network, metrics) for a model;
the difference in CIEDE2000 between bf16 and fp32 where the machine is faster in bf16.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from itertools import islice

import numpy as np
import torch
from skimage import color
from skimage import metrics as skimage_metrics

from workbench.checkpoints import find
from workbench.cli import print_rows
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings, pick_quick_type, predict_ab
from workbench.data.pictures import decode_square
from workbench.data.sources import open_source
from workbench.evaluation import entrants
from workbench.evaluation.evaluate import evaluate
from workbench.evaluation.metrics import colorfulness, delta_e
from workbench.evaluation.protocols import PROTOCOLS

LOOPED = 8  # pictures of the scikit-image loop: it is slow, and even


def skimage_loop(prediction: np.ndarray, truth: np.ndarray) -> None:
    """The metrics of one picture (H, W, 3), as a script of scikit-image calls computes them."""
    skimage_metrics.peak_signal_noise_ratio(truth, prediction)
    similarity = partial(skimage_metrics.structural_similarity, channel_axis=-1, data_range=255)
    similarity(truth, prediction)
    similarity(truth, prediction, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    first, second = color.rgb2lab(prediction), color.rgb2lab(truth)
    color.deltaE_ciede2000(first, second).mean()
    distance = np.linalg.norm(first[..., 1:] - second[..., 1:], axis=-1)
    np.maximum(0, 1 - distance / 150).mean(), (distance**2).mean()
    (prediction != truth).any(-1).mean()
    for picture in (prediction, truth):
        red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
        for plane in (red - green, (red + green) / 2 - blue):
            plane.std(), plane.mean(), np.abs(plane).std(), np.abs(plane).mean()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model")
    parser.add_argument("--images", type=int, default=237)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    items = list(islice(open_source(options.data).items(), options.images))
    truth = torch.stack([torch.from_numpy(decode_square(item.data, 256)[0]) for item in items[:32]])
    L, ab = split_lab(truth)
    prediction = join_rgb(L, 0.7 * ab)

    rows = []

    def measured(what: str, pictures: int, work) -> None:
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        rows.append({
            "what": what, "pictures": pictures, "seconds": round(seconds, 2),
            "pictures_per_second": round(pictures / seconds, 1),
        })  # fmt: skip

    metrics = PROTOCOLS["cw-1"].measure
    metrics(prediction[:2], truth[:2])  # warm
    measured("metrics of cw-1", len(truth), lambda: metrics(prediction, truth))
    pairs = [
        (p.permute(1, 2, 0).numpy(), t.permute(1, 2, 0).numpy())
        for p, t in zip(prediction[:LOOPED], truth[:LOOPED], strict=True)
    ]
    measured("a loop of scikit-image", len(pairs), lambda: [skimage_loop(*pair) for pair in pairs])
    if options.model:
        checkpoint = find(options.model)
        entrant = entrants.from_checkpoint(checkpoint)
        list(evaluate([entrant], items[:2], "warm", sizes=(256,)))
        whole = partial(evaluate, [entrant], items, "bench", sizes=(256,))
        measured(f"evaluate {options.model}", len(items), lambda: list(whole()))
        if pick_quick_type() is not None:
            net = checkpoint.net()
            quick, exact = (
                join_rgb(L, predict_ab(net, L, checkpoint.size, Settings(exact=exact)))
                for exact in (False, True)
            )
            print(f"bf16 against fp32: CIEDE2000 {delta_e(quick, exact).mean():.3f} in the mean,")
            print(f"{delta_e(quick, exact).max():.3f} in the worst picture; colourfulness moves by")
            print(f"{(colorfulness(quick) - colorfulness(exact)).abs().max():.3f} at most")
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
