"""At which size should a network look? `python -m benchmarks.choose_size MODEL... --data FILE`.

Mean PSNR at 128 x 128 and colourfulness for each size of the network's input, on validation
pictures (never on a test set). `--write` puts the size with the best PSNR into config.json.
"""

from __future__ import annotations

import argparse
import json

import torch

from workbench import checkpoints
from workbench.cli import print_rows
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import predict_ab
from workbench.data import pictures
from workbench.evaluation import metrics
from workbench.writing import write_whole

SIZES = (64, 96, 128)


@torch.inference_mode()
def main() -> None:
    """Measure, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or folders of checkpoints")
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    loaded = pictures.load(options.data, 128).pixels
    step = max(1, len(loaded) // options.limit)
    truth = torch.from_numpy(loaded[::step].copy())
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
            path = checkpoint.folder / "config.json"
            config = {**checkpoint.config, "size": max(best)[1]}
            text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
            write_whole(checkpoint.folder, {path.name: text.encode()})
    print_rows(rows, False)


if __name__ == "__main__":
    main()
