"""How much should a network's colours be strengthened? `python -m benchmarks.choose_gain MODEL...`.

Mean PSNR, SSIM, CIEDE2000 and colourfulness at 128 x 128 for each gain (ab is multiplied by it) on
validation pictures, never on a test set, beside grey and the truth. A network that is trained to be
near paints the mean of what it thinks possible, which is paler than any of it; a gain gives colour
back and costs nearness. With `--old-prints` the network is shown L as old prints have it, and
what it paints is compared under the true one. `--write 1.2` puts a gain into config.json, for every
use of these weights.
"""

from __future__ import annotations

import torch

from benchmarks.choose_size import load_truth, make_parser
from workbench import checkpoints
from workbench.cli import print_rows
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings, predict_ab
from workbench.evaluation import metrics
from workbench.training import old_prints

GAINS = (0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
MEASURED = (metrics.psnr, metrics.ssim, metrics.delta_e)


@torch.inference_mode()
def main() -> None:
    """Measure, print, and write when asked to."""
    parser = make_parser(__doc__)
    parser.add_argument("--rebalancing", type=float, help="0 to 1, of a network that has it")
    parser.add_argument("--old-prints", action="store_true")
    parser.add_argument("--write", type=float, metavar="GAIN")
    options = parser.parse_args()
    truth = load_truth(options)
    L, _ = split_lab(truth)
    rows = [_row("grey", "", join_rgb(L, torch.zeros(len(L), 2, *L.shape[-2:])), truth)]
    rows.append(_row("truth", "", truth, truth))
    shown = make_all_old(L) if options.old_prints else L
    for name in options.models:
        checkpoint = checkpoints.find(name)
        net = checkpoint.net()
        own, net.gain = checkpoint.gain, 1.0
        told = Settings(rebalancing=options.rebalancing)
        ab = torch.cat([predict_ab(net, part, checkpoint.size, told) for part in shown.split(16)])
        for gain in sorted({*GAINS, own}):
            rows.append(_row(name, gain, join_rgb(L, gain * ab), truth))
        if options.write is not None:
            checkpoints.set_gain(checkpoint, options.write)
    print_rows(rows, False)


def make_all_old(L: torch.Tensor) -> torch.Tensor:
    """L (N, 1, H, W) -> each like another old print, the same ones each time."""
    draw = torch.rand(len(L), old_prints.NUMBERS, generator=torch.Generator().manual_seed(1))
    return old_prints.make_old(L, draw, 1.0, old_prints.make_field())


def _row(
    name: str, gain: float | str, painted: torch.Tensor, truth: torch.Tensor
) -> dict[str, object]:
    pairs = list(zip(painted.split(16), truth.split(16), strict=True))
    row: dict[str, object] = {"model": name, "gain": gain}
    for measure in MEASURED:
        row[measure.__name__] = torch.cat([measure(*pair) for pair in pairs]).mean().item()
    row["colorfulness"] = metrics.colorfulness(painted).mean().item()
    return {
        key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()
    }


if __name__ == "__main__":
    main()
