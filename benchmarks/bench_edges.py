"""Does colour along edges help? `python -m benchmarks.bench_edges --data FILE [--data FILE ...]`.

Mean CIEDE2000 to the truth over all pixels and over those near an edge of L (within two pixels of
a step of more than 10), with ab up-sampled bilinearly and along the edges. A row per checkpoint,
and the row `truth / 4`: the true ab at a quarter of the resolution, where up-sampling is the only
error. The last column is the share of pictures in which edges are nearer to the truth.
"""

from __future__ import annotations

import argparse
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.checkpoints import available
from workbench.cli import print_rows
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import predict_coarse
from workbench.coloring.edges import shrink, upsample, upsample_along_edges
from workbench.coloring.maps import error_map
from workbench.data.sources import open_source
from workbench.errors import Problem
from workbench.images import open_image


def near_edges(L: Tensor) -> Tensor:
    """L (1, 1, H, W) -> bool (H, W)."""
    step = F.pad(L.diff(dim=-1).abs(), (0, 1)) + F.pad(L.diff(dim=-2).abs(), (0, 0, 0, 1))
    return F.max_pool2d((step > 10).float(), 5, 1, 2)[0, 0] > 0


def measure(rgb: Tensor, coarse: Tensor) -> list[float]:
    """[all bilinear, all edges, near bilinear, near edges], CIEDE2000."""
    L, _ = split_lab(rgb[None])
    edge = near_edges(L)
    maps = [
        error_map(join_rgb(L, ab)[0], rgb)
        for ab in (upsample(coarse, L.shape[-2:]), upsample_along_edges(coarse, L))
    ]
    return [float(m.mean()) for m in maps] + [float(m[edge].mean()) for m in maps]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--images", type=int, default=20, help="of each source")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pictures = []
    for text in options.data:
        for item in islice(open_source(text).items(), options.images):
            try:
                picture = open_image(item.data, item.name)
            except Problem as problem:
                print(problem)
                continue
            L = split_lab(picture.rgb[None])[0]
            if not picture.grey and min(L.shape[-2:]) >= 16 and near_edges(L).any():
                pictures.append(picture.rgb)
    if not pictures:
        raise SystemExit("There is no picture with colour and edges in this data.")

    def quarter(rgb: Tensor) -> Tensor:
        ab = split_lab(rgb[None])[1]
        return shrink(ab, (ab.shape[-2] // 4, ab.shape[-1] // 4))

    sources = {"truth / 4": quarter}
    for name, checkpoint in available().items():
        net, size = checkpoint.net(), checkpoint.size
        sources[name] = lambda rgb, net=net, size=size: predict_coarse(
            net, split_lab(rgb[None])[0], size
        )
    rows = []
    for name, coarse_of in sources.items():
        found = torch.tensor([measure(rgb, coarse_of(rgb)) for rgb in pictures])
        means = [round(value, 3) for value in found.mean(0).tolist()]
        better = float((found[:, 3] < found[:, 2]).float().mean())
        rows.append(
            {
                "model": name,
                "pictures": len(pictures),
                "all, bilinear": means[0],
                "all, edges": means[1],
                "near, bilinear": means[2],
                "near, edges": means[3],
                "better near": f"{better:.0%}",
            }
        )
    print_rows(rows, options.json)


if __name__ == "__main__":
    main()
