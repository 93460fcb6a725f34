"""At which size should a network look? `python -m benchmarks.choose_size MODEL... --data FILE`.

Mean PSNR at 128 x 128 and colourfulness for each size of the network's input, on validation
pictures (never on a test set). `--write` puts the size with the best PSNR into config.json.
"""

from __future__ import annotations

import argparse

import torch

from workbench import checkpoints
from workbench.cli import print_rows
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import predict_ab
from workbench.data import pictures
from workbench.evaluation import metrics

SIZES = (64, 96, 128)


def make_parser(doc: str) -> argparse.ArgumentParser:
    """What every choice on validation pictures asks: models, pictures, how many of these."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or folders of checkpoints")
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--limit", type=int, default=400)
    return parser


def load_truth(options: argparse.Namespace) -> torch.Tensor:
    """About `--limit` of the pictures at 128 x 128, spread over all: uint8 RGB (N, 3, 128, 128)."""
    loaded = pictures.load(options.data, 128).pixels
    step = max(1, len(loaded) // options.limit)
    return torch.from_numpy(loaded[::step].copy())


@torch.inference_mode()
def main() -> None:
    """Measure, print, and write when asked to."""
    parser = make_parser(__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    truth = load_truth(options)
    rows = []
    for name in options.models:
        checkpoint = checkpoints.find(name)
        net = checkpoint.net()
        best = []
        for size in SIZES:
            painted = []
            for part in truth.split(16):
                L, _ = split_lab(part)
                painted.append(join_rgb(L, predict_ab(net, L, size)))
            painted = torch.cat(painted)
            psnr = metrics.psnr(painted, truth).mean().item()
            best.append((psnr, size))
            rows.append(
                {"model": name, "size": size, "psnr": round(psnr, 3),
                 "colorfulness": round(metrics.colorfulness(painted).mean().item(), 1)}
            )  # fmt: skip
        if options.write:
            checkpoints.change_config(checkpoint, size=max(best)[1])
    print_rows(rows, False)


if __name__ == "__main__":
    main()
